"""What is printed fits a line: every object of a wide layer in R^768 with long rationals, lists of
them, messages of errors.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import exact
from exact import (
    Box,
    GreatCircle,
    GreatSphere,
    HPolytope,
    InvalidInput,
    Line,
    NormBall,
    Plane,
    Ray,
    RealSpace,
    Segment,
    Sphere,
    partition,
    partition_circles,
)
from exact.arithmetic.numbers import Rational
from exact.arithmetic.surds import Surd
from exact.arithmetic.texts.printing import shown
from exact.geometry.polyhedra.halfspace import Halfspace
from exact.instruments import norm_geometry
from exact.instruments.batches.neurons.radius_bounds import critical_radii_float
from exact.instruments.comparisons.eps_comparison import compare_eps
from exact.instruments.critical_radii import critical_radii, flip_caps
from exact.sources import tensors

LONG = Fraction(2**401 + 1, 3**200)
WIDE, WIDTH = 768, 64


def wide_rows(generator: np.random.Generator, rows: int) -> list[list[Fraction]]:
    return [
        [Fraction(int(x)) * LONG for x in row] for row in generator.integers(-9, 10, (rows, WIDE))
    ]


def roots() -> Iterator[object]:
    """Everything that users get: networks, domains, partitions, and what is asked of them."""
    generator = np.random.default_rng(5)
    weight, bias = (
        wide_rows(generator, WIDTH),
        [LONG * int(b) for b in generator.integers(-9, 10, WIDTH)],
    )
    wide = tensors.block(
        weight, bias, generator.normal(size=(3, WIDTH)), None, norm="layernorm", eps=0
    )
    u, v, w = wide_rows(generator, 3)
    domains = [
        GreatCircle(u, v),
        exact.Ellipse(u, v, w, LONG / (LONG + 1)),
        GreatSphere(u, v, w),
        Segment(u, v),
        Ray(u, v),
        Line(u, v),
        Plane(u, v, w),
        NormBall(),
        Sphere(),
        Sphere(radius_squared=LONG),
        RealSpace(WIDE),
        Box(u, [x + LONG for x in u]),
        HPolytope([[*u, LONG]]),
        exact.Ball(u, LONG, [u, v]),
        Box([LONG] * 2, [2 * LONG] * 2),
        Segment([LONG, 0], [0, LONG]),
    ]
    layer = tensors.block(np.eye(3), [1, 2, 3], np.eye(3), None, norm="layernorm")
    rows = [[1, -1, 0], [0, 2, 5]]
    gated = tensors.gated_mlp(*[np.eye(3)] * 3, activation=exact.ReLU())
    problem = exact.Problem.of(layer, Segment(*rows))
    yield from (
        layer.codes(rows),
        exact.codes_in_precision(layer, rows, "bf16"),
        exact.steering(layer, rows, [1, 0, 0]),
        exact.partition_many([tensors.mlp([(rows, [0, 1]), ([[1, 1]], [0])])], RealSpace(3)),
        exact.soft_codes(layer, rows),
        exact.soft_codes(wide, [u, v]),
        exact.neuron_status(layer, NormBall()),
        exact.pair_logic(layer),
        exact.expected_crossings(wide),
        exact.map_change(layer, layer.code(rows[0]), layer.code(rows[1])),
        exact.rotations(layer, rows[:1], rows[1:]),
        exact.partition_lines(layer, rows[:1], rows[1:]),
        exact.nearest_boundaries(layer, rows),
        gated,
        gated.quadratic_form(gated.gate.code(rows[0]), 0),
        exact.choose(problem),
        next(iter(exact.choose(problem).refusals.values())),
        problem,
    )
    long = Rational(3**900)
    yield from (
        wide,
        domains,
        exact.Budget(),
        exact.LeakyReLU(LONG),
        exact.HardTanh(-LONG, LONG),
        Surd(long, long, long),
    )
    circle = partition(wide, domains[0])
    yield from (
        circle,
        circle.regions,
        circle.crossings,
        circle.cells,
        circle.graph(witnesses=False),
        list(circle.crossings),
    )
    yield from (
        circle.regions[0].facets,
        circle.regions[0].affine,
        circle.regions[0].code,
        circle.frame,
        circle.cells.cuts[0],
    )
    yield from (
        Halfspace(tuple(range(WIDE))),
        Halfspace((3**900,) * 3),
        partition_circles(wide, [u], [v]),
        wide.folded(),
    )
    few = tensors.mlp([([[LONG, 1], [1, -LONG]], [LONG / 3, -1]), ([[1, LONG]], [0])])
    flat = partition(few, Box([-LONG] * 2, [LONG] * 2))
    yield from (
        flat,
        flat.regions[0],
        flat.regions[0].facets,
        flat.regions[0].symbolic(),
        flat.regions[0].facet_measures,
    )
    yield from (flat.solid(0), flat.adjacency, flat.faces, flat.check(), flat.flat, flat.decisions)
    line = partition(few, Segment([LONG, 0], [0, LONG]))
    yield from (line, line.regions[0].symbolic(), line.crossings)
    ring = partition(
        tensors.mlp(
            [([[LONG, 1, 0], [1, -LONG, 2], [0, 1, LONG]], [0, 0, LONG / 9]), ([[1, 1, 1]], [0])]
        ),
        Sphere(radius_squared=LONG**2),
    )
    yield from (ring, list(ring.arcs), list(ring.vertices), ring.complex, ring.chart)
    yield from (ring.regions[0], ring.regions[0].area, ring.regions[0].facets)
    asked = exact.outputs(2)[0] + LONG * exact.outputs(2)[1] < LONG
    wide = tensors.mlp([([[LONG], [1]], [LONG, 0]), ([[1, LONG], [LONG, 1]], [0, 0])])
    for condition in (asked & ~asked, asked):
        yield from (condition, exact.holds(wide, Box(-LONG, LONG, dim=1), condition))
    graph = exact.Graph.of(wide)
    yield from (graph, partition(graph, Segment([-LONG], [LONG])))
    norm = tensors.block(
        [[LONG, 1], [1, 2]], [-1, LONG], [[1, 1]], [0], norm="rms", eps=LONG, gain=[1, LONG]
    )
    ball = partition(norm, NormBall())
    yield from (
        ball,
        ball.regions[0],
        ball.regions[0].radii,
        ball.cells_by_radius,
        critical_radii(norm, [LONG, 1]),
    )
    yield from (
        critical_radii_float(norm, np.ones((9, 2))),
        flip_caps(norm),
        compare_eps(norm, samples=3),
        exact.region_events(norm, norm, NormBall()),
        exact.region_events(norm, norm, NormBall(), budget=exact.Budget(regions=1)),
    )
    yield from (norm_geometry.ellipsoid(norm.norms[0]), norm_geometry.decompose(norm.norms[0]))
    yield norm_geometry.image_points(norm.norms[0], np.ones((99, 2)))


def objects(found: object, seen: set[int], depth: int = 6) -> Iterator[object]:
    """An object and what it is made of, as far as classes of ours go."""
    if id(found) in seen or depth < 0:
        return
    seen.add(id(found))
    if type(found) in (tuple, list):
        for part in found[:20]:  # type: ignore[index]
            yield from objects(part, seen, depth - 1)
    elif type(found).__module__.startswith("exact"):
        yield found
        if isinstance(found, tuple):
            return
        names = (
            [f.name for f in dataclasses.fields(found)]
            if dataclasses.is_dataclass(found)
            else list(vars(found))
        )
        for name in names:
            if not name.startswith("_") and not (type(found) is exact.Graph and name == "blocks"):
                yield from objects(getattr(found, name, None), seen, depth - 1)


@pytest.fixture(scope="module")
def everything() -> list[Any]:
    seen: set[int] = set()
    kept = list(roots())
    return [part for root in kept for part in objects(root, seen)]


def test_every_repr_fits_a_line(everything: list[Any]) -> None:
    texts = [(type(part).__name__, repr(part)) for part in everything]
    assert [(kind, text) for kind, text in texts if len(text) > 200 or "\n" in text] == []


def test_every_public_class_is_tried(everything: list[Any]) -> None:
    """But for errors, and for classes that only stand above others."""
    public = {
        getattr(exact, name) for name in exact.__all__ if inspect.isclass(getattr(exact, name))
    }
    tried = {base for part in everything for base in type(part).__mro__}
    left = {
        kind.__name__
        for kind in public - tried
        if not issubclass(kind, Exception) and not inspect.isabstract(kind)
    }
    assert left <= {"RMSNorm", "AbsoluteValue", "GELU", "SiLU", "Outcome", "Verdict"}
    for other in (exact.AbsoluteValue(), exact.GELU(), exact.SiLU(), exact.Outcome.COMPLETE):
        assert len(repr(other)) < 80


def test_lists_stay_readable(everything: list[Any]) -> None:
    crossings = [part for part in everything if type(part).__name__ == "Crossing"]
    assert len(crossings) > 10
    assert len(repr(crossings)) < 120 * len(crossings)


def test_numbers_are_abbreviated_with_their_size() -> None:
    assert shown(Fraction(10**79, 3)) == "~3.3333e+78 (81 digits)"
    assert shown(Rational(-1, 3 * 10**5000)) == "~-3.3333e-5001 (5002 digits)"
    assert shown(f"lo = {10**300}") == "lo = ~1.0000e+300 (301 digits)"
    assert shown(99999999 * 10**30) == "~1.0000e+38 (38 digits)"
    assert shown((Fraction(1, 3), 2, "a")) == "(1/3, 2, 'a')"
    assert shown(10**24 - 1) == str(10**24 - 1)


def test_long_vectors_in_messages_show_their_first_numbers() -> None:
    generator = np.random.default_rng(0)
    net = tensors.block(
        generator.normal(size=(5, 24)), np.zeros(5), np.ones((1, 5)), [0], "layernorm", eps=0
    )
    twice = generator.normal(size=24)
    for ask, told in (
        (lambda: exact.steering(net, [twice], np.full(24, 0.5)), "direction 0 of d; got (1/2, 1/2"),
        (lambda: exact.rotations(net, [twice], [2 * twice]), "span no circle; got ("),
        (lambda: exact.rotations(net, [np.ones(24)], [twice]), "row 0 of U; got (1, 1, 1, 1, ..."),
    ):
        with pytest.raises(InvalidInput) as caught:
            ask()
        message = str(caught.value)
        assert told in message and "R^" not in message and len(message) < 420
        assert "24 in all)" in message or len(message) > 250


def test_values_in_messages_are_abbreviated() -> None:
    big = Fraction(10**5000, 3)  # more digits than Python writes
    with pytest.raises(InvalidInput) as caught:
        Box([big], [big - 1])
    assert len(str(caught.value)) < 250
    assert "3.3333e+4999" in str(caught.value)
    found = partition(tensors.mlp([([[1, 2]], [0]), ([[1]], [0])]), Box(-1, 1, dim=2))
    with pytest.raises(InvalidInput) as outside:
        found.locate([big, Fraction(1, 3**500)])
    assert len(str(outside.value)) < 250
