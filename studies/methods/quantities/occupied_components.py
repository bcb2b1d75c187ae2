"""Components of the cells that hold data: two cells hang together where they share a facet."""

from __future__ import annotations

import networkx as nx

from exact import Domain, InvalidInput, Network
from studies.methods.domains import Cloud
from studies.methods.quantities.partitions import whole_partition
from studies.methods.quantity import Quantity


def occupied_components(network: Network, domain: Domain) -> int:
    """The connected components of the exact adjacency graph, restricted to the regions that hold a
    point of a Cloud; the regions are those of its box.
    """
    if not isinstance(domain, Cloud) or domain.box is None:
        raise InvalidInput(
            "occupied cells need points in a box", value=domain, remedy="give Cloud(points, box)"
        )
    found = whole_partition(network, domain.box)
    held = set(found.locate_all(domain.points).tolist())
    graph: nx.Graph[int] = nx.Graph()
    graph.add_nodes_from(held)
    graph.add_edges_from((a, b) for a, b in found.neighbours().tolist() if a in held and b in held)
    return int(nx.number_connected_components(graph))


QUANTITY = Quantity(
    "occupied_components",
    "connected occupied cells",
    "Cloud of data points in a Box, without a norm",
    occupied_components,
    (50, 100, 200),
)
