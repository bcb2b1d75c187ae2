"""Where outputs tie, and the shape of what they decide.

Ties stand in :mod:`exact.instruments.decision.ties` and are had from here;
:mod:`exact.instruments.decision.topology` counts parts and holes.
"""

from exact.instruments.decision.ties import (
    boundary,
    boundary_measure,
    class_sets,
    classes,
    count_without_ties,
    tied,
)

__all__ = ["boundary", "boundary_measure", "class_sets", "classes", "count_without_ties", "tied"]
