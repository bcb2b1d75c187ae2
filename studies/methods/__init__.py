"""Approximate methods, each one function, and the exact referees of what they estimate.

`studies.methods.approximations` has the methods, `studies.methods.quantities` the referees;
`studies.validation` puts the first before the second.
"""

from studies.methods.approximations import METHODS
from studies.methods.estimate import MethodEstimate
from studies.methods.interface import Method, method
from studies.methods.quantities import QUANTITIES
from studies.methods.quantity import Quantity

__all__ = ["METHODS", "QUANTITIES", "Method", "MethodEstimate", "Quantity", "method"]
