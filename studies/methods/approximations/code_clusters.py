"""E10, clusters of codes: HDBSCAN on the Hamming distances of the codes of data.

HDBSCAN is Campello, Moulavi and Sander 2013, here scikit-learn's (extra `cluster`). [definition as
in the study of monosemantic clusters: codes of data, precomputed Hamming distances,
min_cluster_size 10; noise is no cluster.] Distances are integers, so that ties are broken by the
order of the rows.
"""

from __future__ import annotations

import numpy as np

from exact import Domain, Network
from studies.methods.domains import Cloud
from studies.methods.estimate import MethodEstimate
from studies.methods.interface import method, require_extra
from studies.methods.passes import codes_float, not_for

LEAST = 10  # points of a cluster


@method(
    "occupied_components",
    unit="points",
    budgets=(50, 100, 200),
    number="E10",
    source="HDBSCAN (Campello et al. 2013, scikit-learn) on Hamming distances of codes",
    extra="cluster",
)
def hdbscan_clusters(
    network: Network, domain: Domain, budget: int, rng: np.random.Generator
) -> MethodEstimate:
    """The number of clusters among the codes of the first points of a Cloud."""
    if not isinstance(domain, Cloud):
        raise not_for(domain, "Cloud")
    cluster = require_extra("sklearn.cluster", "cluster", "clustering codes")
    points = domain.first(budget)
    distances = hamming_matrix(codes_float(network, points))
    found = cluster.HDBSCAN(
        min_cluster_size=min(LEAST, len(points)), metric="precomputed", copy=True
    )
    labels = found.fit_predict(distances)
    return MethodEstimate(float(labels.max(initial=-1) + 1), None, len(points))


def hamming_matrix(codes: np.ndarray) -> np.ndarray:
    """The Hamming distances of all pairs of rows.

    >>> hamming_matrix(np.array([[True, False], [True, True]])).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    on = codes.astype(np.float64)
    return np.asarray(on @ (1 - on).T + (1 - on) @ on.T)
