"""Graphs on slices: every cell and no other, against fractions by hand on grids, exact areas,
neighbours by common edges, and the engines that walk over graphs without maxima.
"""

from __future__ import annotations

import pickle
import re
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from exact import (
    Box,
    Layer,
    Line,
    Outcome,
    Partition,
    Plane,
    Ray,
    ReLU,
    Segment,
    partition,
    rational,
)
from exact.arithmetic.numbers import RationalArray
from exact.check import Status
from exact.kernels import patch_cells
from exact.networks.graphs.graph import Graph, identity_layer
from exact.networks.graphs.slices import sides
from exact.networks.graphs.slices.by_floats import FloatCuts, Uncertain
from exact.networks.graphs.slices.cutting import PatchCutter
from exact.networks.graphs.slices.lines import Cell, Lines
from exact.networks.graphs.slices.open_cells import forms_at
from exact.networks.graphs.slices.parts import Parts
from exact.networks.graphs.slices.patches import Bend, Choice
from exact.networks.graphs.slices.pieces import Polygons
from exact.networks.graphs.sweeps.sweep import Open, Sweep
from exact.regions.arcs.engines import slice_line
from exact.regions.polytopes.engines import slice_graph
from tests.laws.random_graphs import Made, random_graph

SEEDS = range(60)
Point = tuple[Fraction, ...]


def made(seed: int) -> tuple[Made, np.random.Generator]:
    rng = np.random.default_rng(seed)
    while True:
        found = random_graph(rng, int(rng.integers(1, 4)), seed % 3 != 0)
        if found.graph.hidden_layers and max(found.sizes) < 12:
            return found, rng


def points(rng: np.random.Generator, dim: int, count: int) -> list[list[int]]:
    """Points of which no two, and no three, are on one line where there is room."""
    while True:
        found = rng.integers(-2, 3, size=(count, dim))
        if np.linalg.matrix_rank(found[1:] - found[0]) == min(count - 1, dim):
            return found.tolist()


def plane(rng: np.random.Generator, dim: int) -> Plane | Box:
    if dim == 1:
        return Box(-2, 2, dim=1)
    return Plane(*points(rng, dim, 3), s=(-1, 2), t=(-1, 2))


def symbols(graph: Graph, code: np.ndarray) -> list[int]:
    """A code of bits as the symbols of its steps."""
    found, at = list[int](), 0
    for values in graph.symbols:
        width = (values - 1).bit_length()
        found.append(int("".join("01"[int(bit)] for bit in code[at : at + width]), 2))
        at += width
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_every_cell_of_a_polygon_is_found_and_no_other(seed: int) -> None:
    known, rng = made(seed)
    graph = known.graph
    if graph.input_dim == 1:
        return _on_a_line(known, Segment([-2], [2]))
    found = partition(graph, plane(rng, graph.input_dim))
    assert found.outcome is Outcome.COMPLETE and found.volume == 9
    for region in found.regions:
        by_hand, output = known.by_hand(region.witness)
        assert symbols(graph, region.code.bits) == by_hand
        assert list(region.affine(list(region.witness))) == output
    for s in range(-6, 14, 5):
        for t in range(-6, 14, 4):
            at = found.chart.ambient([rational(Fraction(x, 7)) for x in (s, t)])
            code = graph.code(at)
            assert symbols(graph, code.bits) == known.by_hand(at)[0]
            inside = [r.code for r in found.regions if _inside(r.halfspaces, s, t)]
            assert inside in ([], [code])
    if len(found) < 50:
        assert neighbours(found) == touching(found)
    return None


def _inside(walls: tuple[tuple[int, ...], ...], s: int, t: int) -> bool:
    """Whether (s / 7, t / 7) lies inside."""
    return all(a * s + b * t + 7 * c > 0 for a, b, c in walls)


def neighbours(found: Partition) -> set[tuple[int, int]]:
    rows = [tuple(sorted(pair)) for pair in found.neighbours().tolist()]
    assert len(set(rows)) == len(rows)
    return set(rows)


def touching(found: Partition) -> set[tuple[int, int]]:
    """The regions that share more than a point, by the overlap of their edges."""
    edges = list[tuple[int, Point, Point]]()
    for region in found.regions:
        corners = around(list(region.vertices))
        edges += [(region.index, a, b) for a, b in pairwise([*corners, corners[0]])]
    pairs = set[tuple[int, int]]()
    for (i, a, b), (j, p, q) in combinations(edges, 2):
        if i != j and turn(a, b, p) == 0 == turn(a, b, q):
            own, its = (sorted(along(a, b, x) for x in ends) for ends in ((a, b), (p, q)))
            if max(own[0], its[0]) < min(own[1], its[1]):
                pairs.add((min(i, j), max(i, j)))
    return pairs


def turn(a: Point, b: Point, c: Point) -> Fraction:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def along(a: Point, b: Point, x: Point) -> Fraction:
    return sum(((q - p) * (z - p) for p, q, z in zip(a, b, x, strict=True)), Fraction(0))


def around(corners: list[Point]) -> list[Point]:
    """The corners of a convex polygon in order."""
    found = [min(corners)]
    while True:
        following = next(p for p in corners if p != found[-1])
        for point in corners:
            side = turn(found[-1], following, point)
            if point != found[-1] and side < 0:
                following = point
        if following == found[0]:
            return found
        found.append(following)


@pytest.mark.parametrize("seed", SEEDS[::3])
def test_lines_rays_and_segments_are_cut_alike(seed: int) -> None:
    known, rng = made(seed)
    p, q = points(rng, known.graph.input_dim, 2)
    way = [b - a for a, b in zip(p, q, strict=True)]
    for domain in (Segment(p, q), Ray(p, way), Line(p, way)):
        _on_a_line(known, domain)


def _on_a_line(known: Made, domain: Segment | Ray | Line) -> None:
    graph = known.graph
    found = partition(graph, domain)
    assert found.outcome is Outcome.COMPLETE
    for region in found.regions:
        assert symbols(graph, region.code.bits) == known.by_hand(region.witness)[0]
    # between two cells next to each other the code changes, and at no other place
    for before, after in pairwise(found.regions):
        assert before.code != after.code
    ends = [region.parameters_float for region in found.regions]
    assert all(a[1] == b[0] for a, b in pairwise(ends))
    origin, way = (
        [Fraction(int(x.p), int(x.q)) for x in vector]
        for vector in (domain.flat().origin, domain.flat().directions[0])
    )
    for k in range(1, 12):
        t = Fraction(k if isinstance(domain, Segment) else k * k, 12) + Fraction(1, 1009)
        at = [x + t * y for x, y in zip(origin, way, strict=True)]
        inside = [i for i, (low, high) in enumerate(ends) if low < t < high]
        if inside:
            assert symbols(graph, found.regions[inside[0]].code.bits) == known.by_hand(at)[0]


@pytest.mark.parametrize("seed", SEEDS[::6])
def test_seams_between_patches_of_a_line_are_no_crossings(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, rng = made(seed)
    p, q = points(rng, known.graph.input_dim, 2)
    way = [b - a for a, b in zip(p, q, strict=True)]
    domains = [Segment(p, q), Ray(p, way), Line(p, way)]
    whole = [partition(known.graph, domain) for domain in domains]
    monkeypatch.setattr(slice_line, "_HINGES", 1)
    for domain, other in zip(domains, whole, strict=True):
        found = partition(known.graph, domain)
        assert found == other
        ends = [region.parameters_float for region in found.regions]
        assert ends == [region.parameters_float for region in other.regions]


@pytest.mark.parametrize("seed", SEEDS[::2])
def test_engines_that_walk_over_graphs_agree(seed: int) -> None:
    known, rng = made(1000 + seed)
    graph = known.graph
    if graph.has_maxima or graph.input_dim == 1:
        return
    domain = plane(rng, graph.input_dim)
    own, other = partition(graph, domain), partition(graph, domain, engine="lp_tree")
    assert own == other
    assert neighbours(own) == neighbours(other)
    assert own.map_ids.tolist() == other.map_ids.tolist()


def test_dense_chains_given_as_graphs_are_cut_by_one_call_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Affine maps and rectifiers as steps of their own, as readers give them."""
    rng, steps, width = np.random.default_rng(0), list[tuple[Layer, list[int]]](), 3
    for wide in (6, 5, 2):
        weight, bias = rng.normal(size=(wide, width)), rng.normal(size=wide)
        steps.append((Layer.of(weight.tolist(), bias.tolist()), [len(steps)]))
        steps += [(identity_layer(wide, ReLU()), [len(steps)])] if wide > 2 else []
        width = wide
    graph = Graph(steps, 3)  # type: ignore[arg-type]
    domain = Plane(*rng.normal(size=(3, 3)).tolist(), s=(-3, 3), t=(-3, 3))
    own = partition(graph, domain)
    assert "one pass" in own.evidence
    monkeypatch.setattr(slice_graph, "cells_by_one_call", lambda *_: None)
    other = partition(graph, domain)
    assert "one pass" not in other.evidence and len(own) > 20
    assert own == other and own.digest == other.digest
    assert own.volume == other.volume == 36
    assert own.map_ids.tolist() == other.map_ids.tolist()
    assert neighbours(own) == neighbours(other)
    for mine, same in zip(own.regions, other.regions, strict=True):
        assert mine.vertices == same.vertices and set(mine.facets) == set(same.facets)
    assert own.check().status is Status.COMPLETE
    assert pickle.loads(pickle.dumps(own)) == other


@pytest.mark.parametrize("seed", SEEDS[1::6])
def test_cells_are_proved_by_integers_alone(seed: int) -> None:
    known, rng = made(seed)
    if known.graph.input_dim > 1:
        verdict = partition(known.graph, plane(rng, known.graph.input_dim)).check()
        assert verdict.status is Status.COMPLETE, verdict.reason


@pytest.mark.parametrize("seed", SEEDS[::4])
def test_loops_and_integers_give_the_same_cells(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled loops; stages cut one by one from the whole patch; and as if floats left every sign
    open.
    """
    known, rng = made(seed)
    graph = known.graph
    p, q, *_ = points(rng, graph.input_dim, 2)
    domains: list[Plane | Segment] = [Segment(p, q)]
    domains += [plane(rng, graph.input_dim)] if graph.input_dim > 1 else []  # type: ignore[list-item]
    expected = [partition(graph, domain) for domain in domains]
    monkeypatch.setattr(Parts, "run", _all_open)
    for domain, other in zip(domains, expected, strict=True):
        found = partition(graph, domain)
        assert found == other
        assert found.neighbours().tolist() == other.neighbours().tolist()

    def uncertain(*_: object) -> None:
        raise Uncertain

    def left_open(*_: object) -> None:
        raise Open(np.array([[0.0, 1.0]]))

    monkeypatch.setattr(slice_line, "_SHORT", 2.0)

    monkeypatch.setattr(FloatCuts, "bends", uncertain)
    monkeypatch.setattr(FloatCuts, "windows", uncertain)
    monkeypatch.setattr(Sweep, "run", left_open)
    for domain, other in zip(domains, expected, strict=True):
        found = partition(graph, domain)
        assert found.decisions["filter"] == 0 and found == other
        assert found.neighbours().tolist() == other.neighbours().tolist()


@pytest.mark.parametrize("seed", SEEDS[2::8])
def test_sides_in_order_and_ends_compared_give_the_same_neighbours(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if floats left the order of sides open; and as if cells were missing."""
    known, rng = made(seed)
    if known.graph.input_dim == 1:
        return
    domain = plane(rng, known.graph.input_dim)
    expected = partition(known.graph, domain).neighbours().tolist()
    nothing = np.zeros((0, 2), np.int64)
    monkeypatch.setattr(sides, "_matched", lambda cells, inner: (nothing, inner))
    assert partition(known.graph, domain).neighbours().tolist() == expected
    monkeypatch.setattr(slice_graph, "neighbours", lambda lines, cells, _: by_ends(lines, cells))
    assert partition(known.graph, domain).neighbours().tolist() == expected


@pytest.mark.parametrize("seed", SEEDS[3::16])
def test_floats_of_corners_decide_no_order_of_sides(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Corners that floats know hardly at all, so that their order there is by chance."""
    known, rng = made(seed)
    if known.graph.input_dim == 1:
        return
    domain = plane(rng, known.graph.input_dim)
    found = partition(known.graph, domain)

    def by_chance(lines: Lines, cells: Polygons, complete: bool) -> np.ndarray:
        corner = cells.corner.copy()
        corner[:, :2] = rng.uniform(-50, 50, size=corner[:, :2].shape)
        corner[:, 2] = 1e3
        return sides.neighbours(lines, replace(cells, corner=corner), complete)

    monkeypatch.setattr(slice_graph, "neighbours", by_chance)
    again = partition(known.graph, domain)
    assert again.neighbours().tolist() == found.neighbours().tolist()


def by_ends(lines: Lines, cells: Polygons) -> np.ndarray:
    return sides.neighbours(lines, cells, False)


def _all_open(parts: Parts, most: int, alarm: np.ndarray) -> bool:
    """The whole patch left to other means."""
    n, stack, found = parts.walls, parts._stack, parts.found
    found.corner[:n], found.side[:n] = stack.corner[:n], stack.side[:n]
    found.kind[0], found.node[0], found.begin[1] = patch_cells.OPEN, -1, n
    parts._t[[patch_cells.PARTS, patch_cells.PART_CORNERS]] = 1, n
    return True


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_bounds_hold_what_is_exact(seed: int) -> None:
    """Every undecided form on every cell, in front of every step, is as near to the exact one."""
    known, rng = made(seed)
    graph, (zero, one) = known.graph, (rational(0), rational(1))
    chart = [rational(x) for x in rng.normal(size=3 * graph.input_dim)]
    walls = ((0, 1, 1), (-1, 0, 2), (0, -1, 2), (1, 0, 1))
    state = RationalArray(graph.input_dim, 3, chart)
    cutter = PatchCutter(graph, state, (zero, zero, one), walls, (0, 0, 1))
    cells = [cutter.start]
    for number, stage in enumerate(cutter.patch.stages):
        if len(stage.places):
            forms = forms_at(cutter.patch, stage, [cell.open for cell in cells])
            for i, cell in enumerate(cells[:40]):
                _are_near(cutter, stage, cell, forms.rows[i], forms.off[i])
        cells = cutter._behind(number, cells)


def test_bounds_of_what_cancels_are_carried_on() -> None:
    """A difference of two large numbers is known to few digits, and so is what is made of it."""
    front = Layer.of([[3e8, -3e8], [1, 1]], None, ReLU())
    graph = Graph([(front, [0]), (Layer.of([[1, "1/2"]], ["-1/7"], ReLU()), [1])], 2)
    zero, one, third = rational(0), rational(1), rational("1/3")
    tiny = rational("1/300000000")
    state = RationalArray(2, 3, [third, zero, zero, third - tiny, tiny, -tiny / 3])
    walls = ((0, 1, 1), (-1, 0, 2), (0, -1, 2), (1, 0, 1))
    cutter = PatchCutter(graph, state, (zero, zero, one), walls, (0, 0, 1))
    cells = [cutter.start]
    for number, stage in enumerate(cutter.patch.stages):
        assert len(stage.places)
        forms = forms_at(cutter.patch, stage, [cell.open for cell in cells])
        for i, cell in enumerate(cells):
            _are_near(cutter, stage, cell, forms.rows[i], forms.off[i])
        cells = cutter._behind(number, cells)


def _are_near(
    cutter: PatchCutter, stage: Bend | Choice, cell: Cell, rows: np.ndarray, off: np.ndarray
) -> None:
    stop, sizes = cutter.lines.stop(cell.open.taken), cutter.patch.sizes
    for place in np.ndindex(off.shape):
        if isinstance(stage, Bend):
            exact = stop.row(int(stage.places[place]))
        elif stage.candidates[place] >= 0:
            exact = stop.row(cutter.lines.place(stage, *place))
        else:
            continue
        triples = zip(exact, rows[place].tolist(), sizes.tolist(), strict=True)
        far = sum((abs(x - rational(y)) * rational(w) for x, y, w in triples), rational(0))
        assert far <= rational(float(off[place]))


def test_the_page_on_slices_prints_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "slices.md").read_text(encoding="utf-8")
    example, shown = (re.search(rf"```{kind}\n(.*?)```", page, re.S) for kind in ("python", "text"))
    assert example is not None and shown is not None
    exec(example.group(1), {"__name__": "page"})
    assert capsys.readouterr().out == shown.group(1)
