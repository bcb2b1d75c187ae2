"""Exactlens: the regions of networks with ReLUs and LayerNorm, in exact arithmetic.

`partition(network, domain)` is the one call; see its docstring. Everything named here is exact: a float may propose, and
never decides.
"""

from __future__ import annotations

from exact.activations import GELU, AbsoluteValue, Activation, HardTanh, Identity, LeakyReLU, ReLU, SiLU
from exact.affine_map import AffineMap
from exact.circle_batches import CircleBatch, partition_circles
from exact.domains import (
    Ball,
    Box,
    Domain,
    GreatCircle,
    GreatSphere,
    HPolytope,
    Line,
    NormBall,
    Plane,
    Ray,
    RealSpace,
    Segment,
    Sphere,
)
from exact.engines.base import Budget, Outcome
from exact.errors import (
    ExactlensError,
    InvalidInput,
    MissingExtra,
    NotPiecewiseLinear,
    TooLarge,
    Undecided,
    Unsupported,
)
from exact.loading import load
from exact.neighbourhood import neighbourhood
from exact.network import Block, Layer, Network
from exact.norms import LayerNorm, Norm, RMSNorm
from exact.numbers import RationalMatrix
from exact.partition import partition
from exact.region import Facet, Region, SymbolicRegion
from exact.results import Partition
from exact.spline_code import Hinge, SplineCode

__version__ = "0.1.0"

__all__ = [
    "GELU",
    "AbsoluteValue",
    "Activation",
    "AffineMap",
    "Ball",
    "Block",
    "Box",
    "Budget",
    "CircleBatch",
    "Domain",
    "ExactlensError",
    "Facet",
    "GreatCircle",
    "GreatSphere",
    "HPolytope",
    "HardTanh",
    "Hinge",
    "Identity",
    "InvalidInput",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "Line",
    "MissingExtra",
    "Network",
    "Norm",
    "NormBall",
    "NotPiecewiseLinear",
    "Outcome",
    "Partition",
    "Plane",
    "RMSNorm",
    "RationalMatrix",
    "Ray",
    "ReLU",
    "RealSpace",
    "Region",
    "Segment",
    "SiLU",
    "Sphere",
    "SplineCode",
    "SymbolicRegion",
    "TooLarge",
    "Undecided",
    "Unsupported",
    "load",
    "neighbourhood",
    "partition",
    "partition_circles",
]
