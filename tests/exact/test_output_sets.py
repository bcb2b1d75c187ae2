"""Whether outputs meet a closed set: against the outputs at all vertices, and with proofs added up
in fractions.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exact import (
    GELU,
    Box,
    Budget,
    EngineDefect,
    HPolytope,
    InvalidInput,
    NotPiecewiseLinear,
    RealSpace,
    Undecided,
    partition,
)
from exact.arithmetic.numbers import Rational
from exact.geometry.polyhedra.halfspace import affine
from exact.geometry.polyhedra.programmes.lp import Farkas
from exact.instruments.output_sets import reached, reaching
from exact.instruments.output_sets.reaching import outside
from exact.networks.activations import Activation
from exact.regions.polytopes.partition import FlatPartition
from exact.regions.polytopes.walls.simple_vertices import regions_around
from exact.sources import tensors
from tests.exact.reference import exact_output, q, value
from tests.truths import engines

ACAS = Path(__file__).resolve().parents[2] / "docs" / "acasxu.md"
# a hat of height 1 at x = 1, and relu
HAT = tensors.mlp([([[1], [1], [1]], [0, -1, -2]), ([[1, -2, 1], [1, 0, 0]], [0, 0])])


class Sign(Activation):
    """-1 and 1."""

    breakpoints = (Rational(0),)
    pieces = ((Rational(0), Rational(-1)), (Rational(0), Rational(1)))

    def forward_float(self, z: Any) -> Any:
        return np.where(z > 0, 1.0, -1.0)


def made(network: Any, domain: Any, engine: str | None = None) -> FlatPartition:
    found = partition(network, domain, engine=engine)
    assert isinstance(found, FlatPartition)
    return found


def proved(answer: Any) -> None:
    """Each region's vector cancels the normals over its rows, and leaves a negative sum."""
    assert sum(answer.decisions.values()) == len(answer.partition)
    for index in range(len(answer.partition)):
        rows, proof = answer.rows(index), answer.proof(index)
        weights = [Fraction(int(m.p), int(m.q)) for m in proof.multipliers]
        total = [
            sum(w * rows[i].coefficients[k] for i, w in zip(proof.rows, weights, strict=True))
            for k in range(answer.partition.flat.dim + 1)
        ]
        assert min(weights) > 0
        assert (any(total[:-1]), total[-1] < 0) == (False, True)


@pytest.mark.parametrize("engine", engines.FLAT)
def test_the_top_of_a_hat(engine: str) -> None:
    """Only the point x = 1 has height 1, on a boundary of regions: closed sets lose nothing."""
    found = made(HAT, Box(-1, 4, dim=1), engine)
    answer = reached(found, [[1, 0, -1]])
    assert (answer.point, answer.nowhere, answer.proof(answer.region)) == ((1,), False, None)
    above = reached(found, [[1, 0, Fraction(-(10**30) - 1, 10**30)]])
    assert (above.point, above.region, above.nowhere) == (None, None, True)
    # floats cannot tell 1 + 10^-30 from 1
    assert above.decisions["filter"] == (2 if engine in ("subdivision", "skeleton") else 0)
    proved(above)
    assert reached(found, [[1, 0, -1], [0, 1, -2]]).nowhere
    assert reached(found, [[-1, 0, 0], [0, 1, -4]]).point == (4,)
    assert reached(made(HAT, RealSpace(1), engine), [[0, 1, -(10**40)]]).point[0] >= 10**40  # type: ignore[index]


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_against_their_vertices(seed: int) -> None:
    """On a bounded region an affine output is largest at a vertex: its maximum is reached, and
    nothing above.
    """
    generator = np.random.default_rng(seed)
    sizes = [(4, 2), (4,), (3, 4), (3,), (1, 3)]
    first, b, second, c, last = (generator.integers(-3, 4, size=size) for size in sizes)
    network = tensors.mlp([(first, b), (second, c), (last, None)])
    found = made(
        network,
        Box(-2, 1, dim=2)
        if seed % 2
        else HPolytope([[1, 1, 0], [-1, -1, 0], [1, 0, 2], [-1, 0, 1]]),
    )
    places = [
        found.flat.ambient((*(int(x * d) for x in v), d))
        for region in found.regions
        for v in region.vertices
        for d in [int(np.lcm.reduce([x.denominator for x in v]))]
    ]
    best = max(exact_output(network, x)[0] for x in places)
    top = reached(found, [[1, -best]])
    assert top.point is not None
    assert exact_output(network, top.point) == (best,)
    assert all(
        value(row, top.point) >= 0 for row in ([1, 0, 2], [-1, 0, 2 - seed % 2 * 1]) if seed % 2
    )
    beyond = reached(found, [[1, -best - Fraction(1, 10**20)]])
    assert beyond.nowhere
    proved(beyond)


def test_vertices_settle_the_same_regions_whether_the_engine_keeps_faces_or_not() -> None:
    """Of engines without any, no region is settled by vertices."""
    generator = np.random.default_rng(5)
    shapes = [(6, 3), (6,), (4, 6), (4,), (1, 4)]
    first, b, second, c, last = (generator.normal(size=shape) for shape in shapes)
    network = tensors.mlp([(first, b), (second, c), (last, None)])
    settled = {
        engine: outside(made(network, Box(-1, 1, dim=3), engine), [[Rational(1), Rational(1, 5)]])
        for engine in ("subdivision", "skeleton", "lp_tree")
    }
    assert 10 < settled["subdivision"].sum() < len(settled["subdivision"])
    assert settled["skeleton"].tolist() == settled["subdivision"].tolist()
    assert not settled["lp_tree"].any()


@pytest.mark.parametrize("dim", [2, 3, 4])
def test_vertices_of_the_skeleton_settle_regions(dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a box and in a simplex: every region has its exact vertices, within their bounds, and is
    settled iff one row is negative at all of them.
    """
    generator = np.random.default_rng(dim)
    shapes = [(5, dim), (5,), (4, 5), (4,), (2, 4)]
    first, b, second, c, last = (generator.normal(size=shape) for shape in shapes)
    network = tensors.mlp([(first, b), (second, c), (last, None)])
    corner = [[*(-int(i == j) for j in range(dim)), 1] for i in range(dim)]
    for domain in (Box(-1, 1, dim=dim), HPolytope([*corner, [*[1] * dim, 1]])):
        found = made(network, domain, "skeleton")
        asked = found.cells.simple
        assert asked is not None
        simple = asked()
        assert simple is not None and simple.points is not None
        own: list[list[int]] = [[] for _ in range(len(found))]
        for block, around in regions_around(simple, found.codes, network.hinge_count):
            for vertex, regions in enumerate(around.tolist(), block.start):
                for region in set(regions):
                    own[region].append(vertex)
        points, slack = simple.points
        for region, vertices in enumerate(own):
            exact = [affine(x) for x in found.corners_of(region)[0]]
            assert len(vertices) == len(exact)
            for x in exact:
                assert any(
                    sum(
                        (Fraction(a) - Fraction(int(b.p), int(b.q))) ** 2
                        for a, b in zip(points[v], x, strict=True)
                    )
                    <= Fraction(slack[v]) ** 2
                    for v in vertices
                )
        rows = [
            [Rational(1), Rational(0), Rational(1, 7)],
            [Rational(0), Rational(-3), Rational(0)],
        ]
        here = outside(found, rows)
        for region in range(len(found)):
            values = [
                exact_output(network, found.flat.ambient(x)) for x in found.corners_of(region)[0]
            ]
            highest = [max(y[0] + Fraction(1, 7) for y in values), max(-3 * y[1] for y in values)]
            assert here[region] == (min(highest) < 0)
        assert 0 < here.sum() < len(found)
        answer = reached(found, rows)
        assert all(isinstance(answer.proof(i), Farkas) for i in np.flatnonzero(here).tolist())
        monkeypatch.setattr(reaching, "_simple_vertices", lambda _: None)
        assert not (outside(found, rows) & ~here).any()
        monkeypatch.undo()


def test_a_large_lipschitz_bound_leaves_nothing_open() -> None:
    """Maps of regions tell what a product of norms would not: rows that cancel large weights."""
    big = 2**30
    folds = ([[big, 0], [0, big]], [big * 3, big * 3])
    network = tensors.mlp([folds, ([[1, -1]], [0]), ([[1]], [0])])
    found = made(network, Box(0, 1, dim=2))
    assert outside(found, [[Rational(-1), Rational(-1, 2**20)]]).all()


def test_regions_with_equal_codes_are_a_defect() -> None:
    found = made(HAT, Box(-1, 4, dim=1), "skeleton")
    asked = found.cells.simple
    assert asked is not None
    simple = asked()
    assert simple is not None
    with pytest.raises(EngineDefect, match="keys of regions differ"):
        list(regions_around(simple, found.codes[[0, 0, 1, 2, 3]], HAT.hinge_count))
    with pytest.raises(EngineDefect, match="around a vertex are listed"):
        list(regions_around(simple, found.codes[:-1], HAT.hinge_count))


def test_behind_a_jump_every_region_has_its_own_values() -> None:
    """At x = 0 the map of one side says -1, that of the other 1."""
    network = tensors.mlp([([[1]], [0]), ([[1]], None)], Sign())
    found = made(network, Box(-1, 1, dim=1), "subdivision")
    assert outside(found, [[Rational(1), Rational(0)]]).tolist() == [True, False]
    assert outside(found, [[Rational(-1), Rational(0)]]).tolist() == [False, True]
    assert reached(found, [[1, 0]]).point is not None


def test_a_point_and_an_early_stop() -> None:
    corner = made(HAT, Box(1, 1, dim=1))
    assert (reached(corner, [[1, 0, -1]]).point, reached(corner, [[1, 0, -2]]).nowhere) == (
        (1,),
        True,
    )
    part = partition(HAT, Box(-1, 4, dim=1), engine="lp_tree", budget=Budget(regions=1))
    assert isinstance(part, FlatPartition)
    with pytest.raises(Undecided, match="there may be more regions"):
        _ = reached(part, [[1, 0, -9]]).nowhere


def test_refusals() -> None:
    found = made(HAT, Box(-1, 4, dim=1))
    for rows in ([], [[1, 0]], [[1, 0, 0], [1]], [[1, 0, 0, 0]]):
        with pytest.raises(InvalidInput, match="the set does not fit the outputs"):
            reached(found, rows)
    smooth = tensors.mlp([([[1]], [0]), ([[1]], [0])], activation=GELU())
    with pytest.raises(NotPiecewiseLinear):
        reached(made(smooth, Box(-1, 1, dim=1)), [[1, 0]])


# ---- the recipe of the documentation, on a network of the same shape


def acas_like(folder: Path, coc: float) -> Path:
    """Five inputs with ACAS Xu's scaling, five scores; that of COC is moved by `coc`."""
    generator = np.random.default_rng(3)
    lines = [
        "// made for a test",
        "3,5,5,6,",
        "5,6,6,5,",
        "0,",
        "0.0,-3.141593,-3.141593,100.0,0.0,",
        "60760.0,3.141593,3.141593,1200.0,1200.0,",
        "19791.091,0.0,0.0,650.0,600.0,7.5188840201005975,",
        "60261.0,6.28318530718,6.28318530718,1100.0,1200.0,373.94992,",
    ]
    for before, width in ((5, 6), (6, 6), (6, 5)):
        weight, bias = generator.normal(size=(width, before)), generator.normal(size=width) / 4
        bias[0] += coc if width == 5 else 0
        lines += [",".join(f"{x:.5e}" for x in row) + "," for row in weight] + [
            f"{x:.5e}," for x in bias
        ]
    path = folder / "like.nnet"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_the_recipe_decides_each_property(
    tmp_path: Path, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a score of COC far above or below the others each property is violated or holds; the
    code is the document's.
    """
    blocks = re.findall(r"```python\n(.*?)```", ACAS.read_text(encoding="utf-8"), re.DOTALL)
    recipe: dict[str, Any] = {}
    exec(blocks[0], recipe)
    answers = {coc: recipe["decide"](acas_like(tmp_path, coc), number) for coc in (-50.0, 50.0)}
    assert [answers[coc].nowhere for coc in (-50.0, 50.0)] == (
        [True, False] if number <= 2 else [False, True]
    )
    assert capsys.readouterr().out.count("complete") == 2
    net = recipe["nnet"].read(acas_like(tmp_path, 50.0 if number <= 2 else -50.0))
    (low, high), unsafe = recipe["boxes_and_sets"](net)[number]
    for coc, answer in answers.items():
        if answer.nowhere:
            proved(answer)
            continue
        raw = net.raw_input(answer.point)
        assert all(a is None or q(a) <= q(x) for a, x in zip(map(_exact, low), raw, strict=True)), (
            coc
        )
        assert all(b is None or q(x) <= q(b) for b, x in zip(map(_exact, high), raw, strict=True))
        assert min(value(row, exact_output(net.network, answer.point)) for row in unsafe) >= 0


def _exact(bound: Any) -> Fraction | None:
    return None if bound is None else Fraction(bound)


def test_seconds_end_the_search_and_are_not_forgotten() -> None:
    found = partition(tensors.mlp([([[1], [-1]], [0, 0]), ([[1, 1]], [0])]), RealSpace(1))
    answer = reached(found, [[-1, -1]], seconds=0)
    assert (answer.point, answer.undecided) == (None, 2)
    with pytest.raises(Undecided, match="not all were tried; got 2 regions left"):
        _ = answer.nowhere
    assert reached(found, [[-1, -1]], seconds=100).nowhere
    assert len(repr(answer)) <= 200
