"""The engine `nested_roots`: crossings known by hand behind two norms, and what the partition says
about them.
"""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import sympy

import exact
from exact import (
    Block,
    Budget,
    EngineDefect,
    GreatCircle,
    HardTanh,
    InvalidInput,
    Layer,
    LayerNorm,
    Line,
    Network,
    Outcome,
    Ray,
    ReLU,
    RMSNorm,
    Segment,
    Sphere,
    Unsupported,
    partition,
)
from exact.arithmetic.numbers import Polynomial, Rational, rational
from exact.arithmetic.root_towers import isolated_roots
from exact.arithmetic.surds import Surd
from exact.geometry.pencils import root_isolation
from exact.geometry.pencils.isolated_directions import IsolatedDirection
from exact.geometry.pencils.pencil import Direction
from exact.geometry.pencils.positions import compare_points
from exact.kernels.nested_roots import Balls, Steps, roots_are_positive
from exact.networks.norms import Norm
from exact.regions.arcs.engines.nested_roots import NestedRoots
from exact.regions.engine import Problem
from exact.sources import tensors

IDENTITY = [[1, 0], [0, 1]]
LINE = Line([0, 1], [1, 0])  # (t, 1)
TINY = Fraction(1, 2**50)


def rms(dim: int = 2, eps: object = 0, **rest: object) -> Norm:
    return RMSNorm.of(eps=eps, dim=dim, **rest)  # type: ignore[arg-type]


def hidden(weight: object, bias: object) -> Layer:
    return Layer.of(weight, bias, ReLU())


def two_norms(c: object, *layers: Layer) -> Network:
    """RMS, plus (1, 0), RMS again, then a hinge on its first coordinate at c.

    On (t, 1) let w = sqrt(2) t / sqrt(t^2 + 1) > -1: the hinge is sqrt(2) (w + 1) > c sqrt(3 + 2
    w).
    """
    shift = Block((Layer.of(IDENTITY, [1, 0]),), rms())
    return Network((shift, Block((hidden([[1, 0]], [-Fraction(str(c))]), *layers), rms())))


def test_a_crossing_behind_two_norms_is_the_number_computed_by_hand() -> None:
    """c = 1: 2 w^2 + 2 w - 1 = 0, so w = (sqrt(3) - 1) / 2 and t = 2 - sqrt(3)."""
    found = partition(two_norms(1), LINE)
    assert (found.engine, found.outcome, len(found)) == ("nested_roots", Outcome.COMPLETE, 2)
    (crossing,) = found.crossings
    assert sympy.N(crossing.parameter - (2 - sympy.sqrt(3)), 60) == pytest.approx(0, abs=1e-50)
    assert crossing.parameter_float == pytest.approx(2 - math.sqrt(3), rel=1e-15)
    low, high = crossing.position_bounds(200)
    assert high - low < Fraction(1, 2**190)
    assert (2 - low) ** 2 > 3 > (2 - high) ** 2
    assert [str(region.code) for region in found.regions] == ["0", "1"]


def test_the_second_norm_makes_a_quartic() -> None:
    """c = 5/4: 32 w^2 + 14 w = 43, and t^2 = w^2 / (2 - w^2) is of degree two over that."""
    (crossing,) = partition(two_norms("5/4"), LINE).crossings
    w = (math.sqrt(5700) - 14) / 64
    assert crossing.parameter_float == pytest.approx(w / math.sqrt(2 - w * w), rel=1e-14)
    assert isinstance(crossing.direction, IsolatedDirection)
    factors = [factor for factor, _ in crossing.direction.polynomial.factor()[1]]
    own = [factor for factor in factors if crossing.direction.point.sign_of(factor) == 0]
    assert [factor.degree() for factor in own] == [4]


def touching(c: object) -> Network:
    """RMS of RMS is RMS: the hinge sqrt(2) (x + y) / |(x, y)| > c touches zero at (1, 1) for c =
    2.
    """
    first = Block((Layer.of(IDENTITY, [0, 0]),), rms())
    return Network((first, Block((hidden([[1, 1]], [-Fraction(str(c))]),), rms())))


@pytest.mark.parametrize(
    ("domain", "place"), [(LINE, 1.0), (GreatCircle([1, 0], [0, 1]), math.pi / 4)]
)
def test_touching_at_exactly_c(domain: exact.geometry.domains.base.Domain, place: float) -> None:
    found = partition(touching(2), domain)
    assert len(found) == 1 and found.regions[0].code.bits.tolist() == [False]
    (crossing,) = found.crossings
    assert crossing.tangent
    position = crossing.parameter_float if isinstance(domain, Line) else crossing.angle_float
    assert position == pytest.approx(place, abs=1e-15)


def test_touching_fails_by_a_little_either_way() -> None:
    low, high = partition(touching(2 - TINY), LINE), partition(touching(2 + TINY), LINE)
    assert [str(r.code) for r in low.regions] == ["0", "1", "0"] and len(high) == 1
    assert not any(c.tangent for c in (*low.crossings, *high.crossings))
    assert low.crossings[0].parameter_float < 1 < low.crossings[1].parameter_float
    # 2 cos(d) = 2 - d^2, t = 1 + 2 d
    assert low.regions[1].length_float == pytest.approx(4 * 2.0**-25, rel=1e-6)


def test_a_hinge_that_touches_zero_where_two_quarters_meet_is_reported() -> None:
    """The highest point of sqrt(2) x / |(x, y)| is the direction (1, 0) of the circle and t = 0 of
    the line (1, t).
    """
    network = Network(
        (
            Block((Layer.of(IDENTITY, [0, 0]),), rms(gain=[1, 3])),
            Block((hidden([[0, 1], [1, 0]], [0, 0]),), rms()),
        )
    )
    folded = Network(
        (
            network.blocks[0],
            Block((hidden([[1, 0], [0, -1]], [0, 0]), hidden([[-1, 0]], [0])), rms()),
        )
    )
    assert partition(folded, GreatCircle([0, 1], [1, 0])).outcome is Outcome.COMPLETE
    square = Network((touching(2).blocks[0], Block((hidden([[-1, -1]], [2]),), rms())))
    turned = partition(square, GreatCircle([1, 1], [1, -1]))
    assert [(c.tangent, c.angle_float) for c in turned.crossings] == [(True, 0.0)]
    assert len(turned) == 1
    on_line = partition(square, Line([1, 1], [1, -1]))
    assert [(c.tangent, c.parameter_float) for c in on_line.crossings] == [(True, 0.0)]


def test_neurons_of_two_layers_that_vanish_at_one_point_share_a_crossing() -> None:
    """The second layer reads relu(z) - relu(-z) = z; shifted by 2^-50 it crosses elsewhere."""
    for shift, expected in ((Fraction(0), 1), (TINY, 2)):
        layers = (hidden([[1, 0], [-1, 0]], [-1, 1]), hidden([[1, -1]], [shift]))
        network = Network((two_norms(1).blocks[0], Block(layers, rms())))
        found = partition(network, LINE)
        assert len(found.crossings) == expected
        assert {(h.layer, h.neuron) for c in found.crossings for h in c.hinges} == {
            (1, 0),
            (1, 1),
            (2, 0),
        }
        assert all(
            c.parameter_float == pytest.approx(2 - math.sqrt(3), abs=1e-14) for c in found.crossings
        )


def test_a_neuron_that_vanishes_on_an_arc_is_off_there_and_crosses_nowhere() -> None:
    found = partition(two_norms(1, hidden([[1], [0]], [0, 0])), LINE)
    assert [str(r.code) for r in found.regions] == ["0|00", "1|10"]


def test_a_tie_of_two_neurons_of_one_layer_at_an_algebraic_number() -> None:
    layer = hidden([[1, 0], [3, 0], [-2, 0]], [-1, -3, 2])
    (crossing,) = partition(
        Network((two_norms(1).blocks[0], Block((layer,), rms()))), LINE
    ).crossings
    assert [h.neuron for h in crossing.hinges] == [0, 1, 2]


def test_where_a_norm_divides_by_zero_the_curve_is_cut() -> None:
    first = Block((Layer.of(IDENTITY, [0, 0]),), rms())
    network = Network((first, Block((hidden([[1, 0]], [Fraction(1, 2)]),), rms())))
    found = partition(network, Segment([-1, -2], [2, 4]))
    (crossing,) = found.crossings
    assert crossing.undefined and crossing.parameter_float == pytest.approx(1 / 3)
    assert [str(r.code) for r in found.regions] == ["0", "1"]
    assert found.neighbours().tolist() == []


def test_a_zero_of_a_norm_behind_which_nothing_changes_still_cuts() -> None:
    """(2 x - y) (1, 2) vanishes at t = 2; behind its norm stands +-(1, 2) times a constant."""
    first = Block((Layer.of([[2, -1], [4, -2]], [0, 0]),), rms())
    plain = Block((hidden([[1, 1]], [9]),), rms())
    found = partition(Network((first, plain)), Line([1, 0], [0, 1]))
    assert [(c.undefined, c.parameter_float) for c in found.crossings] == [(True, 2.0)]
    assert [str(r.code) for r in found.regions] == ["1", "1"]


def test_a_norm_that_is_undefined_on_a_whole_arc_is_refused_with_the_remedy() -> None:
    dead = Block((hidden([[1, 1], [1, 2]], [-9, -9]), Layer.of(IDENTITY, [0, 0])), rms())
    network = Network((dead, Block((hidden(IDENTITY, [1, 1]),), rms())))
    with pytest.raises(InvalidInput, match="positive eps"):
        partition(network, LINE)
    softened = Network((dead, Block((hidden(IDENTITY, [1, 1]),), rms(eps=1))))
    assert len(partition(softened, LINE)) == 1


def test_what_cannot_be_decided_is_an_outcome_that_names_the_hinge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(root_isolation, "HIGHEST_DEGREE", 1)
    found = partition(touching(2), LINE)
    assert found.outcome is Outcome.UNDECIDED
    assert "neuron 0 of hidden layer 1" in found.evidence and "diamond angles 1.5" in found.evidence
    assert len(found) == 1  # the half of the line before


@pytest.mark.parametrize("place", ["nested_arcs.zeros_in", "nested_roots._Sweep.refined"])
def test_a_defect_is_no_sign_that_was_left_undecided(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Whatever catches Undecided lets it through."""

    def broken(*_: object) -> None:
        raise EngineDefect("a fact does not hold", value="this test")

    monkeypatch.setattr(f"exact.regions.arcs.engines.{place}", broken)
    with pytest.raises(EngineDefect, match="please report the network"):
        partition(touching(2), LINE)


def test_deep_towers_beyond_the_highest_degree_are_undecided_only_where_they_touch() -> None:
    shift, last = Block((Layer.of(IDENTITY, [1, 1]),), rms()), touching(2).blocks[1]
    found = partition(Network((*[shift] * 6, last)), LINE)  # still highest at (1, 1)
    assert found.outcome is Outcome.UNDECIDED and "degree up to 128" in found.evidence
    assert len(found) == 1 and not found.crossings
    low = partition(Network((*[shift] * 6, touching(2 - Fraction(1, 2**20)).blocks[1])), LINE)
    assert low.outcome is Outcome.COMPLETE
    assert [str(r.code) for r in low.regions] == ["0", "1", "0"]


def test_a_budget_stops_between_arcs() -> None:
    network = two_norms(1, hidden([[1], [1], [1]], [-1, -2, -3]))
    whole = partition(network, LINE)
    part = partition(network, LINE, budget=Budget(regions=1))
    assert part.outcome is Outcome.BUDGET_REACHED
    assert len(part) == 1 and np.array_equal(part.bits[0], whole.bits[0])
    assert partition(network, LINE, budget=Budget(regions=0)).outcome is Outcome.BUDGET_REACHED


# ---- circles of a radius


def skip_block(eps: object) -> Block:
    return Block(
        (hidden([[1, 2], [-1, 1]], [0, 1]), Layer.of([[1, 0], [1, 1]], [1, 0])), rms(eps=eps), True
    )


def test_a_skip_connection_around_the_first_norm_needs_a_radius() -> None:
    network = Network((skip_block(0), skip_block(0)))
    with pytest.raises(Unsupported, match="radius_squared"):
        partition(network, GreatCircle([1, 0], [0, 1]))
    small, large = (partition(network, Sphere(radius_squared=r)) for r in (1, 10**6))
    assert small.outcome is large.outcome is Outcome.COMPLETE
    assert small.digest != large.digest
    total = sum(region.length_float for region in large.regions)
    assert total == pytest.approx(2 * math.pi * 1000)
    point = large.crossings[0].point.evalf(30)
    assert float(point[0] ** 2 + point[1] ** 2) == pytest.approx(10**6)


def test_a_radius_that_changes_nothing_is_refused_and_one_that_does_is_not() -> None:
    directions = Network((Block((hidden(IDENTITY, [0, 1]),), rms()),))
    with pytest.raises(InvalidInput, match="leave out radius_squared"):
        partition(directions, Sphere(radius_squared=2))
    softened = Network((Block((hidden([[1, 0]], [Fraction(-1)]),), rms(eps=1)),))
    counts = [len(partition(softened, Sphere(radius_squared=r))) for r in (1, 2, 3)]
    assert counts == [1, 1, 2]  # sqrt(2) x / sqrt(r^2 + 2) reaches 1 where 2 r^2 > r^2 + 2
    assert partition(softened, Sphere(radius_squared=2)).crossings[0].tangent


def test_layer_norm_of_three_inputs_has_a_circle_of_its_own() -> None:
    block = Block(
        (
            hidden([[1, 0, 0], [0, 1, -1]], [Fraction(1, 3), 0]),
            Layer.of([[1, 0], [0, 1], [1, 1]], [0, 1, 0]),
        ),
        LayerNorm.of(eps=0, dim=3),
    )
    last = Block(
        (hidden([[1, -1, 2], [0, 1, 1]], [Fraction(1, 5), 0]),), LayerNorm.of(eps=0, dim=3)
    )
    network = Network((block, last))
    found = partition(network, Sphere())
    assert found.engine == "nested_roots"
    assert sum(r.length_float for r in found.regions) == pytest.approx(2 * math.pi * math.sqrt(3))
    for region in found.regions:
        assert network.code(region.witness).bits.tolist() == region.code.bits.tolist()
        assert found.locate(region.witness) == region.index


def test_positions_of_a_ray_and_its_facets() -> None:
    found = partition(two_norms(1), Ray([0, 1], [1, 0]))
    first, last = found.regions
    assert (
        first.parameters_float == (0.0, pytest.approx(2 - math.sqrt(3)))
        and last.parameters_float[1] == math.inf
    )
    assert first.length_float == pytest.approx(2 - math.sqrt(3)) and last.length_float == math.inf
    assert [f.neighbour for f in first.facets] == [None, 1] and [
        f.neighbour for f in last.facets
    ] == [0]
    assert first.endpoints_float[1] == pytest.approx([2 - math.sqrt(3), 1])


def test_it_refuses_what_it_cannot_do() -> None:
    engine = NestedRoots()
    assert "one-dimensional" in str(engine.refusal(Problem(two_norms(1), exact.Box(-1, 1, dim=2))))
    behind = Network((Block((hidden(IDENTITY, [0, 0]),)), *two_norms(1).blocks))
    assert "hidden layers stand in front" in str(
        engine.refusal(Problem(behind, GreatCircle([1, 0], [0, 1])))
    )
    biased = Network((Block((Layer.of(IDENTITY, [0, 1]),)), *two_norms(1).blocks))
    assert "a bias stands in front" in str(
        engine.refusal(Problem(biased, GreatCircle([1, 0], [0, 1])))
    )
    assert engine.refusal(Problem(biased, GreatCircle([1, 0], [0, 1], radius_squared=1))) is None


def test_an_interval_of_a_few_floats_is_given_up_not_halved_for_ever() -> None:
    """(alpha - beta)^2 is zero at t = 1/2: between neighbouring floats no halving helps, and none
    may be written down.
    """
    ends = 0.5, float(np.nextafter(0.5, 1.0))
    form = Balls(np.array([1.0, -1.0, -1.0, 1.0]), np.zeros(4))
    program = Steps(np.zeros(1, dtype=np.int64), np.array([[0, 2, 0, 0]]), form, 0, 3)
    assert not roots_are_positive(program, *ends)
    assert not roots_are_positive(program, float("nan"), float("nan"))
    assert not roots_are_positive(program, 0.5, 0.5)


# ---- the same points as `circle`


def integral(*widths: int, seed: int = 1) -> Network:
    generator, layers = np.random.default_rng(seed), []
    for n, m in itertools.pairwise(widths):
        layers.append((generator.integers(-3, 4, (m, n)), generator.integers(-3, 4, m)))
    return tensors.mlp([*layers, (np.ones((1, widths[-1])), [0])])


def one_norm(norm: str, dim: int) -> Network:
    generator = np.random.default_rng(dim)
    weight, bias = generator.integers(-3, 4, (6, dim)), generator.integers(-3, 4, 6)
    return tensors.block(weight, bias, np.ones((1, 6)), [0], norm=norm, eps=0)  # type: ignore[arg-type]


SHARED: dict[str, tuple[Network, exact.geometry.domains.base.Domain]] = {
    "line": (integral(2, 5, 4), Line([0, 1], [1, 1])),
    "ray": (integral(2, 5, 4, seed=2), Ray([0, 1], [1, -1])),
    "segment, three layers": (integral(3, 4, 4, 3), Segment([-1, 2, 0], [3, -1, 1])),
    "circle": (integral(2, 5, 4), Sphere(1)),
    "great circle": (integral(3, 5, 4), GreatCircle([1, 1, 0], [0, 1, 2], radius_squared=2)),
    "sphere behind layernorm": (one_norm("layernorm", 3), Sphere()),
    "line behind rms": (one_norm("rms", 2), Line([0, 1], [1, 3])),
    "great circle behind rms": (one_norm("rms", 3), GreatCircle([1, 1, 0], [0, 1, 2])),
    "segment through a zero of the norm": (one_norm("rms", 2), Segment([-1, -2], [2, 4])),
    "touching": (Network((Block((hidden([[1, 1]], [-2]),), rms()),)), LINE),
}


@pytest.mark.parametrize("name", SHARED)
def test_points_do_not_depend_on_the_engine(name: str) -> None:
    """Behind one norm at most: the same cells, and exact points in the same words."""
    network, domain = SHARED[name]
    one, other = (
        partition(network, domain, engine=engine) for engine in ("circle", "nested_roots")
    )
    assert one.digest == other.digest and len(one.crossings) == len(other.crossings) > 0
    for a, b in zip(one.crossings, other.crossings, strict=True):
        assert (a.hinges, a.tangent, a.undefined, a.point) == (
            b.hinges,
            b.tangent,
            b.undefined,
            b.point,
        )
        assert compare_points(a.direction, b.direction) == 0 and not isinstance(
            b.direction, IsolatedDirection
        )
    assert [r.endpoints for r in one.regions] == [r.endpoints for r in other.regions]
    assert [r.length for r in one.regions] == [r.length for r in other.regions]


def test_a_root_is_named_whatever_other_zeros_its_polynomial_has() -> None:
    """Zeros of t^2 - 2 and t^3 - t - 1/10 and at 1/2, one far below: each is the number that lies
    in its enclosure.
    """
    factors = [
        [-2, 0, 1],
        [Fraction(-1, 10), -1, 0, 1],
        [Fraction(-1, 2), 1],
        [2**300, 1],
        [Fraction(-3, 4), 0, 1],
    ]
    product = Polynomial([1])
    for factor in factors:
        product *= Polynomial([rational(c) for c in factor])
    found = isolated_roots(product, Rational(0), Rational(1))
    assert len(found) == 2
    for root in found:
        near = float(Fraction(int(root.low.p), int(root.low.q)))
        alpha, beta = IsolatedDirection(0, root.low, root.high, polynomial=product).sympy()
        assert float(beta) == pytest.approx(near) and float(alpha) == pytest.approx(1 - near)
    # 0.1010.., 0.9456.., -1.05.., -2^300
    cubic = Polynomial([Rational(1, 10), Rational(-1), 0, 1]) * Polynomial([2**300, 1])
    wide = [
        IsolatedDirection(0, Rational(i, 2), Rational(i + 1, 2), polynomial=cubic) for i in (0, 1)
    ]
    assert [float(place.sympy()[1]) for place in wide] == pytest.approx([0.10103126, 0.94564927])


def test_a_surd_and_an_isolated_zero_are_compared_exactly() -> None:
    zero, one, two = Rational(0), Rational(1), Rational(2)
    surd = Direction(Surd(two, -one, two), Surd(-one, one, two))  # t = sqrt(2) - 1
    for shift, order in ((zero, 0), (Rational(1, 10**40), -1), (Rational(-1, 10**40), 1)):
        polynomial = Polynomial([shift - 1, 2, 1]) * Polynomial([5, 0, 0, 1])
        assert IsolatedDirection(0, zero, one, polynomial=polynomial).compare(surd) == order


def test_extreme_ranges_end_and_go_to_circle() -> None:
    """Vectors 10^340 apart in size, weights near 2^1000: polynomials whose coefficients say so much
    in vain.
    """
    weight = [
        [3, -1, 2],
        [Fraction(2) ** 900, Fraction(-(2**900)), 5],
        [1, 1, -Fraction(1, 2**900)],
        [2, 0, 1],
    ]
    layers = (
        hidden(weight, [1, 0, -2, Fraction(1, 2**700)]),
        hidden([[1, -1, 2, 1], [2, 3, -1, 0]], [1, -5]),
    )
    network = Network((Block(layers),))
    domain = GreatCircle(
        [10**170, 2 * 10**170, 0], [0, Fraction(1, 10**170), Fraction(3, 10**170)], radius_squared=3
    )
    chosen, forced = partition(network, domain), partition(network, domain, engine="nested_roots")
    assert chosen.engine == "circle" and forced.outcome is Outcome.COMPLETE
    assert chosen.digest == forced.digest
    assert [c.angle_float for c in chosen.crossings] == [c.angle_float for c in forced.crossings]


def test_a_neuron_is_zero_behind_a_norm_of_numbers_that_are_equal_whatever_its_root() -> None:
    clamp = Layer.of([[9, 0], [9, 0]], [0, 0], HardTanh(-1, 1))
    # (2, 2), whose norm is irrational
    equal = Block((clamp, Layer.of([[1, 1], [2, 0]], [0, 0])), rms(eps="1/100"))
    found = Network(
        (equal, Block((hidden([[1, -1]], [0]), Layer.of([[1]], [0])), rms(eps="1/100")))
    )
    assert found.code([1, 1]).bits.tolist() == [True, True, True, True, False]
