"""Statistics of what is sampled: intervals over independent units, tests between pairs that share
items; every answer is an `Estimate` or a test, and says why where there is none.
"""

from studies.statistics.estimates import (
    CONFIDENCE,
    MINIMUM,
    NETS,
    QUICK,
    SEQUENCES,
    Degenerate,
    Estimate,
)
from studies.statistics.intervals import (
    Percentile,
    equivalence,
    over_clusters,
    paired,
    share_above,
    wilson,
)
from studies.statistics.permutations import (
    PairTest,
    PermutationTest,
    holm,
    mantel,
    permute_labels,
    stratified_difference,
)

__all__ = [
    "CONFIDENCE",
    "MINIMUM",
    "NETS",
    "QUICK",
    "SEQUENCES",
    "Degenerate",
    "Estimate",
    "PairTest",
    "Percentile",
    "PermutationTest",
    "equivalence",
    "holm",
    "mantel",
    "over_clusters",
    "paired",
    "permute_labels",
    "share_above",
    "stratified_difference",
    "wilson",
]
