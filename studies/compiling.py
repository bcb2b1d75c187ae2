"""Compile the kernels ahead of the first question.

A kernel is compiled by the process that first calls it, one after another, and then kept on disk:
on a fresh machine the first answers wait half a minute for it, and several processes that begin
together all compile the same. :func:`compile_kernels` asks one small question of each kind, those
that wait longest first, in several processes at a time, after which every process that starts finds
them compiled.

Cost: some three minutes of one core on a fresh machine, shared by the processes; a few seconds
where everything is there.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from multiprocessing import get_context
from types import MappingProxyType

from exact.arithmetic.texts.printing import short_repr
from exact.errors import InvalidInput
from exact.geometry.domains.flat import Box, RealSpace
from exact.geometry.domains.round import GreatCircle, Sphere
from exact.geometry.domains.straight import Segment
from exact.instruments.output_sets.conditions import outputs
from exact.instruments.output_sets.holds import holds
from exact.networks.graphs.graph import Graph
from exact.networks.graphs.maxima import Maximum
from exact.networks.network import Network
from exact.networks.norms import LayerNorm
from exact.partition import partition
from exact.regions.arcs.circles.batches import partition_circles
from exact.regions.arcs.lines.batches import partition_lines
from exact.regions.partition import Partition
from exact.sources import tensors


@short_repr
@dataclass(frozen=True)
class Compiled:
    """What was asked, and how many seconds its process took for it."""

    name: str
    seconds: float


def compile_kernels(processes: int | None = None) -> Iterator[Compiled]:
    """Compile every kernel, in so many processes at a time (default: one a core); what was asked
    comes as it ends.

    Raises InvalidInput for a number of processes that is none; an error of a question is raised.

    >>> from studies.compiling import QUESTIONS
    >>> "the plane" in QUESTIONS
    True
    """
    count = os.cpu_count() or 1 if processes is None else processes
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise InvalidInput(
            "not a number of processes",
            value=repr(processes),
            remedy="give a whole number from 1, as many as there are cores",
        )
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        asked = [pool.submit(_ask, name) for name in QUESTIONS]
        for done in as_completed(asked):
            yield done.result()


def _ask(name: str) -> Compiled:
    begun = time.perf_counter()
    QUESTIONS[name]()
    return Compiled(name, time.perf_counter() - begun)


def _network(*widths: int) -> Network:
    """A network with weights that no symmetry makes equal."""

    def layer(depth: int, inputs: int, outputs: int) -> tuple[list[list[float]], list[float]]:
        rows = [
            [((31 * i + 17 * j * j + 11 * i * j) % 23 - 11) / 8 for j in range(1, inputs + 1)]
            for i in range(3 * depth, 3 * depth + outputs)
        ]
        return rows, [(7 * i % 11 - 5) / 16 for i in range(outputs)]

    sizes = enumerate(pairwise(widths))
    return tensors.mlp([layer(depth, *size) for depth, size in sizes])


def _everything_of(partition: Partition) -> None:
    """Neighbours and the quantities of regions that are arrays."""
    partition.neighbours  # noqa: B018 - a property that is an array
    for name in set(partition.quantities) - set(partition.refused_quantities):
        partition.quantity(name)


def _graph() -> None:
    chain = Graph.of(_network(2, 6, 5, 4))
    steps = [(does, inputs) for does, inputs, _ in chain.steps]
    graph = Graph([*steps, (Maximum([[0, 1], [2, 3]], 4), [len(steps)])], 2)
    _everything_of(partition(graph, Box(-1, 1, dim=2)))
    partition(graph, Segment([-1, 0], [1, "1/3"]))


def _plane() -> None:
    _everything_of(partition(_network(2, 6, 5, 2), Box(-1, 1, dim=2)))


def _hinge_by_hinge() -> None:
    found = partition(_network(3, 5, 4, 1), RealSpace(3), engine="subdivision")
    _everything_of(found)


def _layer() -> None:
    _everything_of(partition(_network(3, 6, 1), RealSpace(3), engine="vertices"))


def _skeleton() -> None:
    for domain in (RealSpace(4), Box(-1, 1, dim=4)):
        found = partition(_network(4, 6, 5, 2), domain, engine="skeleton")
        _everything_of(found)


def _tree() -> None:
    for engine in ("lp_tree", "facet_walk"):
        found = partition(_network(4, 5, 4, 1), Box(-1, 1, dim=4), engine=engine)
        found.neighbours  # noqa: B018 - a property that is an array


def _boxes() -> None:
    wide = Box(Fraction(-1, 50), Fraction(1, 50), dim=12)
    found = partition(_network(12, 6, 4, 2), wide, engine="live_tree")
    for name in ("class_ids", "output_ranges_float", "bounding_boxes_float"):
        found.quantity(name)
    network = _network(5, 6, 4, 2)
    holds(network, Box(-1, 1, dim=5), outputs(network)[0] <= 4)


def _curves() -> None:
    network, frame = _network(3, 6, 5, 1), ([1, 0, 0], [0, 1, 0])
    blocks = [_network(3, 5, 4).blocks[0], _network(4, 4, 4).blocks[0], _network(4, 3, 1).blocks[0]]
    normed = Network(
        tuple(replace(block, norm=LayerNorm.of("1/10", dim=block.input_dim)) for block in blocks)
    )
    _everything_of(partition(network, GreatCircle(*frame, radius_squared=1)))
    _everything_of(partition(normed, Segment([0, 1, 0], [1, 0, 2])))
    partition_circles(_network(3, 6, 1), [frame[0]], [frame[1]], radius_squared=1)
    partition_lines(_network(3, 6, 1), [frame[0]], [frame[1]])


def _spheres() -> None:
    for widths in ((3, 6, 1), (3, 5, 4, 1), (4, 6, 1)):
        _everything_of(partition(_network(*widths), Sphere(1)))


QUESTIONS: Mapping[str, Callable[[], None]] = MappingProxyType(
    {
        "graphs": _graph,
        "the plane": _plane,
        "skeletons": _skeleton,
        "hinge by hinge": _hinge_by_hinge,
        "curves": _curves,
        "one layer": _layer,
        "boxes": _boxes,
        "trees": _tree,
        "spheres": _spheres,
    }
)
"""What is asked, those that wait longest for their kernels first."""
