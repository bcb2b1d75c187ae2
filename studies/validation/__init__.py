"""Validation: approximate methods before their exact referees, on a population of networks.

`population` trains the networks, `problems` says where quantities are asked, `judge` runs methods
and referees, `scores` and `decisions` read the rows, `results` keeps them, `page` shows them.
"""

from studies.validation.judge import Row, judge
from studies.validation.population import KINDS, Net, NetKind, Scope, population

__all__ = ["KINDS", "Net", "NetKind", "Row", "Scope", "judge", "population"]
