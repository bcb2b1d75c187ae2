"""Conditions on outputs: against every choice of signs and Fourier-Motzkin elimination in
fractions, by laws, and with certificates that a checker of its own reads.
"""

from __future__ import annotations

import copy
import json
import random
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exact import (
    GELU,
    AbsoluteValue,
    Answer,
    Ball,
    Block,
    Box,
    Budget,
    Condition,
    Domain,
    HardTanh,
    HPolytope,
    InvalidInput,
    Layer,
    LeakyReLU,
    Network,
    NotPiecewiseLinear,
    Plane,
    Ray,
    RealSpace,
    ReLU,
    Segment,
    Sphere,
    TooLarge,
    Unsupported,
    Verdict,
    holds,
    outputs,
    partition,
)
from exact.check import __main__ as told
from exact.check import conditions as checker
from exact.check.conditions import Rejected, check, check_file
from exact.geometry.budgets import Watch
from exact.geometry.polyhedra.programmes.boxes import enclosing
from exact.instruments.output_sets import boxes, chains, listing
from exact.instruments.output_sets import holds as holding
from exact.instruments.output_sets.conditions import rows_of_cases
from exact.kernels import linear_bounds
from exact.propagation.chart import flat_of
from exact.regions.polytopes.partition import FlatPartition
from exact.sources import tensors
from tests.exact.fourier_motzkin import Row, feasible, patterns
from tests.exact.reference import exact_output

Layers = list[tuple[list[list[int]], list[int]]]
ABSOLUTE = tensors.mlp([([[1], [-1]], [0, 0]), ([[1, 1]], [0])])
LINE = Box(-1, 1, dim=1)


def plain(x: Any) -> Fraction:
    return Fraction(int(x.p), int(x.q))


def layers_of(rng: random.Random, dim: int, width: int) -> Layers:
    """A small network, often with rows that are zero, equal or opposite."""
    found: Layers = []
    hidden, inputs = rng.choice([0, 1, 1, 2, 2]), dim
    for _ in range(hidden):
        count = rng.randint(1, 4 if hidden == 1 else 3)
        weight = [[rng.randint(-2, 2) for _ in range(inputs)] for _ in range(count)]
        bias = [rng.randint(-2, 2) for _ in range(count)]
        if rng.random() < 0.3:
            weight[0] = [0] * inputs
        if count > 1 and rng.random() < 0.4:
            sign = rng.choice([1, -1])
            weight[1], bias[1] = [sign * x for x in weight[0]], sign * bias[0]
        found.append((weight, bias))
        inputs = count
    last = [[rng.randint(-2, 2) for _ in range(inputs)] for _ in range(width)]
    return [*found, (last, [rng.randint(-2, 2) for _ in range(width)])]


def simplex(rng: random.Random, dim: int) -> HPolytope:
    """A simplex, cut down to a facet, or to nothing."""
    rows = [[-1] * dim + [2]] + [[int(i == j) for j in range(dim)] + [1] for i in range(dim)]
    chance = rng.random()
    return HPolytope(
        [*rows, *([[1] * dim + [-3]] * (chance < 0.2)), *([[1] * dim + [-2]] * (chance > 0.7))]
    )


DOMAINS: dict[str, Callable[[random.Random, int], Domain]] = {
    "Box": lambda rng, dim: Box(-1, rng.choice([1, 2, "1/3"]), dim=dim),
    "flat Box": lambda rng, dim: Box([-1] * dim, [1] * (dim - 1) + [-1]),
    "HPolytope": simplex,
    "Segment": lambda rng, dim: Segment([-1] * dim, [rng.randint(0, 2) for _ in range(dim)]),
    "Ray": lambda rng, dim: Ray([0] * dim, [1] * dim),
    "RealSpace": lambda rng, dim: RealSpace(dim),
    "Plane": lambda rng, dim: Plane(
        [0] * (dim + 1), [1] + [0] * dim, [0] * dim + [1], *rng.choice([(), ((-1, 1), (0, 2))])
    ),
}


def condition_of(rng: random.Random, width: int) -> Condition:
    y = outputs(width)

    def one() -> Condition:
        form = sum((rng.randint(-1, 1) * x for x in y[1:]), rng.randint(-2, 2) * y[0])
        bound = rng.choice([0, 1, 2, 3, 4, -1, "1/2", 6, 9])
        return rng.choice([form.__le__, form.__lt__, (-form).__ge__, (-form).__gt__])(bound)

    return Condition.some(
        Condition.every(one() for _ in range(rng.randint(1, 2))) for _ in range(rng.randint(1, 2))
    )


def truth(layers: Layers, domain: Any, condition: Condition) -> bool:
    """Whether no closed choice of signs has a violation on the domain."""
    if domain.empty is not None:
        return True
    flat = flat_of(domain)
    rows = [[plain(x) for x in (*column, value)] for *column, value in _table(flat)]
    walls: list[Row] = [(tuple(Fraction(x) for x in w.coefficients), False) for w in flat.walls]
    for signs, values in patterns(layers, rows):
        for case in (~condition).cases:
            bad: list[Row] = [(_violation(one, values), one.strict) for one in case]
            every = [*walls, *signs, *bad]
            if not every or feasible(every):
                return False
    return True


def _table(flat: Any) -> Iterator[list[Any]]:
    state = flat.state()
    for i in range(state.nrows()):
        yield [state[i, k] for k in range(state.ncols())]


def _violation(one: Any, values: list[list[Fraction]]) -> tuple[Fraction, ...]:
    pairs = list(zip(map(plain, one.factors), values, strict=True))
    form = [-sum((x * row[k] for x, row in pairs), Fraction(0)) for k in range(len(values[0]))]
    form[-1] += plain(one.bound)
    return tuple(form)


def certified(answer: Answer) -> bool:
    """What the answer says, once its certificate is checked and its witness is one."""
    assert check(json.loads(json.dumps(answer.certificate()))) == answer.verdict.value
    if answer.verdict is Verdict.FAILS:
        assert answer.witness is not None
        assert answer.outputs is not None
        assert tuple(exact_output(answer.network, answer.witness)) == answer.outputs
        assert not answer.condition.at(answer.outputs)
    return answer.verdict is Verdict.HOLDS


@pytest.mark.parametrize("few", [0, 8])
@pytest.mark.parametrize("kind", DOMAINS)
def test_random_networks_against_all_signs(
    kind: str, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verdicts, witnesses and certificates; boxes are halved for long, or soon left to cells."""
    monkeypatch.setattr(boxes, "FEW", few)
    if not few:
        monkeypatch.setattr(holding, "_spread", lambda dim: np.zeros((1, dim)))
    told = {True: 0, False: 0}
    for seed in range(24):
        rng = random.Random(1000 * few + seed)
        dim, width = rng.choice([1, 2, 2, 3]), rng.randint(1, 3)
        domain = DOMAINS[kind](rng, dim)
        layers = layers_of(rng, dim + (kind == "Plane"), width)
        condition = condition_of(rng, width)
        answer = holds(tensors.mlp(layers), domain, condition)
        said = certified(answer)
        assert said == truth(layers, domain, condition), (seed, layers, condition)
        told[said] += 1
    assert min(told.values()) >= 2


@pytest.mark.parametrize("few", [0, 8])
def test_ties_are_told_from_their_side(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hat reaches its height 1 in one inner point, an absolute value in corners, and a ReLU is 0
    on an open set: `<` fails there and `<=` holds.
    """
    monkeypatch.setattr(boxes, "FEW", few)
    monkeypatch.setattr(holding, "_spread", lambda dim: np.full((1, dim), 0.3))
    hat = tensors.mlp([([[1], [1], [1]], [0, -1, -2]), ([[1, -2, 1], [1, 0, 0]], [0, 0])])
    high, wide = outputs(hat)
    third = Box(-1, "10/3", dim=1)
    for strict, weak, network, domain in (
        (high < 1, high <= 1, hat, third),
        (high > 0, high >= 0, hat, third),
        (outputs(1)[0] < 1, outputs(1)[0] <= 1, ABSOLUTE, LINE),
        ((wide < "10/3") | (high > 0), (wide <= "10/3") | (high > 0), hat, third),
        (high < 1, high <= 1, hat, Ray([0], [1])),
        ((high < 1) | (wide > 1), (high < 1) | (wide >= 1), hat, RealSpace(1)),
    ):
        assert not certified(holds(network, domain, strict))
        assert certified(holds(network, domain, weak))
    above = outputs(1)[0] < Fraction(10**30 + 1, 10**30)  # floats cannot tell this from 1
    assert certified(holds(ABSOLUTE, LINE, above))
    assert not certified(holds(ABSOLUTE, LINE, outputs(1)[0] < Fraction(10**30 - 1, 10**30)))


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_laws(seed: int) -> None:
    """A condition and its negation do not both hold on a domain with points; what holds stays so
    for larger bounds, and on parts; and it holds where it does on both halves.
    """
    rng = random.Random(seed)
    width, dim = rng.randint(1, 3), rng.choice([1, 2])
    network = tensors.mlp(layers_of(rng, dim, width))
    condition, form = condition_of(rng, width), outputs(width)[0]
    whole = Box([-1] * dim, [2] * dim)
    left, right = (Box([a] + [-1] * (dim - 1), [b] + [2] * (dim - 1)) for a, b in ((-1, 0), (0, 2)))

    def said(domain: Domain, asked: Condition) -> bool:
        return holds(network, domain, asked).verdict is Verdict.HOLDS

    assert not (said(whole, condition) and said(whole, ~condition))
    assert said(whole, condition) == (said(left, condition) and said(right, condition))
    levels = [said(whole, one) for b in (0, 1, 3) for one in (form < b, form <= b)]
    assert levels == sorted(levels)
    assert said(whole, condition & (form <= 3)) == (said(whole, condition) and levels[-1])
    assert said(whole, condition | (form <= 3)) or not (said(whole, condition) or levels[-1])


@pytest.mark.parametrize("seed", range(12))
def test_other_networks_with_bounds_and_without(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions that bend elsewhere, affine layers, skips and weights that are no floats: the same
    verdict where all cells are listed.
    """
    rng = random.Random(seed)
    functions = LeakyReLU("1/4"), LeakyReLU("1/3"), AbsoluteValue(), HardTanh(), LeakyReLU(3)
    function = functions[seed % 5]

    def layer(rows: int, columns: int, activation: Any = None) -> Layer:
        weight = [
            [Fraction(rng.randint(-3, 3), rng.choice([1, 3])) for _ in range(columns)]
            for _ in range(rows)
        ]
        return Layer.of(weight, [rng.randint(-2, 2) for _ in range(rows)], activation)

    first = Block((layer(2, 2), layer(3, 2, function), layer(2, 3)))
    network = Network((first, Block((layer(2, 2, ReLU()),), residual=seed % 3 == 0)))
    assert chains.is_chain(network) == bool(seed % 3)
    for _ in range(4):
        condition, domain = condition_of(rng, 2), Box(-1, 1, dim=2)
        with monkeypatch.context() as without:
            without.setattr(chains, "is_chain", lambda _: False)
            listed = holds(network, domain, condition)
        assert certified(listed) == certified(holds(network, domain, condition))


def added(row: list[Fraction], z: list[Fraction], constant: Fraction) -> Fraction:
    return sum((w * x for w, x in zip(row, z, strict=True)), constant)


def walked(
    layers: Any, z: list[Fraction], below: Fraction = Fraction(1, 8)
) -> tuple[list[Fraction], list[Fraction]]:
    """The neurons of a network that bends with slopes `below` and 1, and its outputs."""
    found, values = list[Fraction](), z
    for weight, bias in layers:
        rows = [[Fraction(x) for x in row] for row in weight.tolist()]
        pairs = zip(rows, bias.tolist(), strict=True)
        values = [added(row, z, Fraction(b)) for row, b in pairs]
        found += values
        z = [x if x > 0 else below * x for x in values]
    return found[: -len(values)], values


@pytest.mark.parametrize("width", [0.1, 0.0])
@pytest.mark.parametrize("below", ["1/8", 3, -1])
@pytest.mark.parametrize("scale", [1.0, 2.0**-1040, 2.0**100, 2.0**500])
def test_bounds_hold_what_they_bound(scale: float, below: Any, width: float) -> None:
    """Every neuron and value lies within its bounds and below its line, in fractions, in boxes and
    at their corners; whatever the size of the weights is, and whether functions are convex
    or concave. In a point rounding is all there is.
    """
    rng = np.random.default_rng(3)
    shapes = [(6, 2), (5, 6), (4, 5)]
    layers = [(rng.normal(size=s) * scale, rng.normal(size=s[0])) for s in shapes]
    network = tensors.mlp(layers, activation=LeakyReLU(below))
    flat, whole = flat_of(Box(-1, 1, dim=2)), enclosing(flat_of(Box(-1, 1, dim=2)).walls, 2)
    assert whole is not None
    rows = [one for y in outputs(4) for one in (y < "1/3").cases[0]]
    chain = chains.ExactChain.of(network, flat, whole, rows)
    assert chain is not None
    middle = rng.uniform(-0.9, 0.9, size=(20, 2))
    ends = (middle - width, middle + width)
    neurons = np.full((20, 11), np.inf)
    given = linear_bounds.Boxes(*ends, -neurons, neurons)
    lines = linear_bounds.Lines(np.empty((20, 4, 2)), np.empty((20, 4)), np.empty((20, 4)))
    linear_bounds.bound(chain.floats(), given, lines)
    for box in range(20):
        for t in (ends[0][box], ends[1][box], middle[box]):
            place = [Fraction(x) for x in t.tolist()]
            neurons_there, values = walked(layers, place, Fraction(below))
            for k, x in enumerate(neurons_there):
                assert given.low[box, k] <= x <= given.high[box, k]
            for k, value in enumerate(values):
                assert value - Fraction(1, 3) <= lines.upper[box, k]
                if np.isfinite(lines.offsets[box, k]):
                    line = [Fraction(x) for x in lines.slopes[box, k].tolist()]
                    there = added(line, place, Fraction(lines.offsets[box, k].item()))
                    assert value - Fraction(1, 3) <= there
    assert np.isfinite(lines.upper).any() == (scale < 2.0**400)


def test_what_cancels_leaves_its_rounding() -> None:
    """Two large weights that are no floats, and their small difference: the constants are zero, and
    all that is off is what the substitution through them leaves.
    """
    large = [Fraction(10**8, 3), Fraction(10**8, 3) + Fraction(1, 7)]
    first = [[x] for x in large], [0, 0]
    network = tensors.mlp([first, ([[-1, 1]], [0]), ([[1]], [0])])
    flat, (y,) = flat_of(LINE), outputs(1)
    whole = enclosing(flat.walls, 1)
    assert whole is not None
    sides = [one for c in (y < 0, -y < 0) for one in c.cases[0]]
    chain = chains.ExactChain.of(network, flat, whole, sides)
    assert chain is not None
    t = np.linspace(0.1, 0.9, 17)[:, None]
    none = np.full((17, 3), np.inf)
    lines = linear_bounds.Lines(np.empty((17, 2, 1)), np.empty((17, 2)), np.empty((17, 2)))
    linear_bounds.bound(chain.floats(), linear_bounds.Boxes(t, t, -none, none), lines)
    for (x,), (above, below) in zip(t.tolist(), lines.upper.tolist(), strict=True):
        assert -below <= Fraction(x) / 7 <= above
        assert above + below < 2.0**-20


@pytest.mark.parametrize("digits", [3, 96])
@pytest.mark.parametrize("below", ["1/8", 3])
def test_bounds_of_the_checker_hold_with_few_digits(
    digits: int, below: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In boxes and in points, at their corners; what is rounded away is added to the constant."""
    monkeypatch.setattr(checker, "_DIGITS", digits)
    rng = np.random.default_rng(4)
    layers = [(rng.normal(size=s), rng.normal(size=s[0])) for s in ((5, 2), (4, 5), (2, 4))]
    network = tensors.mlp(layers, activation=LeakyReLU(below))
    record = holds(network, Box(-1, 1, dim=2), outputs(2)[0] < 10**6).certificate()
    question = checker._Question.read(record)
    bounder = checker._Bounder.of(question, [(Fraction(-1), Fraction(1))] * 2)
    for width in (0, Fraction(1, 8)):
        for middle in rng.uniform(-0.8, 0.8, size=(12, 2)).tolist():
            lo, hi = ([Fraction(x) + sign * width for x in middle] for sign in (-1, 1))
            box = bounder.on(lo, hi, bounder.unknown(), bytes([0b10101010] * 2))
            known = [pair for layer in box.neurons for pair in layer]
            for place in (lo, hi):
                there, values = walked(layers, place, Fraction(below))
                assert len(known) == len(there) == 9
                for x, (low, high) in zip(there, known, strict=True):
                    assert low is not None and high is not None
                    assert low <= x <= high
                assert values[0] - 10**6 <= next(bounder.values(0, box))


def deep() -> Network:
    """A network that takes halved boxes, walls that keep some out, and cells."""
    rng = random.Random(5)
    layers = []
    for m, n in ((7, 2), (6, 7), (2, 6)):
        weight = [[rng.randint(-3, 3) for _ in range(n)] for _ in range(m)]
        layers.append((weight, [rng.randint(-3, 3) for _ in range(m)]))
    return tensors.mlp(layers)


def test_forged_certificates_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of node that says what is not so, a witness elsewhere, and a weaker question."""
    monkeypatch.setattr(boxes, "FEW", 2)
    network = deep()
    domain = HPolytope([[1, 0, 1], [0, 1, 1], [-1, -1, "1/2"]])
    form = outputs(2)[0]
    answer = holds(network, domain, form <= 1)
    record = answer.certificate()
    assert check(record) == "holds"
    kinds = {key for node in record["nodes"] for key in node}
    assert kinds >= {"axis", "case", "wall", "cells"}
    assert answer.boxes == len(record["nodes"])
    forgeries = list[Any]()

    def forge(change: Callable[[Any], None]) -> None:
        forged = copy.deepcopy(record)
        change(forged)
        forgeries.append(forged)

    nodes = record["nodes"]
    inner = next(i for i, node in enumerate(nodes) if "axis" in node)
    kept_out = next(i for i, node in enumerate(nodes) if "wall" in node)
    left = next(i for i, node in enumerate(nodes) if "cells" in node)
    held = next(i for i, node in enumerate(nodes) if "case" in node)
    forge(lambda c: c["nodes"].__setitem__(inner, {"lines": nodes[inner]["lines"], "case": 0}))
    forge(lambda c: c["nodes"].__setitem__(inner, {"lines": "", "wall": 2}))
    forge(lambda c: c["nodes"][inner].update(children=inner))
    forge(lambda c: c["nodes"][inner].update(axis=-1))
    forge(lambda c: c["nodes"][kept_out].update(wall=0))
    forge(
        lambda c: c["nodes"].__setitem__(
            held, {"lines": nodes[held]["lines"], "cells": {"steps": [], "cases": []}}
        )
    )
    forge(lambda c: c["nodes"][left].update(cells={"empty": []}))
    forge(lambda c: c["nodes"][left].update(cells={"empty": [[0, "1"]]}))
    forge(lambda c: c["nodes"].pop())
    forge(lambda c: c["bounds"][1].update(end="1/2"))
    forge(lambda c: c["bounds"].pop())
    forge(lambda c: c["condition"]["cases"][0][0].__setitem__(0, ["1", "0", "-2"]))
    forge(lambda c: c.update(witness=["0", "0"], place=["0", "0"]))
    forge(lambda c: c.update(empty=[[0, "1"], [1, "1"], [2, "1"]]))
    forge(lambda c: c.update(true=True))
    forge(lambda c: c.update(format="exactlens condition 2"))
    last = record["network"]["blocks"][-1]["layers"][-1]["rows"]
    larger = " ".join([*last[0].split()[:-1], "ff"])
    forge(lambda c: c["network"]["blocks"][-1]["layers"][-1]["rows"].__setitem__(0, larger))
    for number, forged in enumerate(forgeries):
        with pytest.raises(Rejected):
            check(forged)
            pytest.fail(f"forgery {number} was believed")


def test_forged_cells_are_rejected() -> None:
    """A side left out, multipliers moved or negated, and a closed tie taken for a strict one."""
    network, domain = ABSOLUTE, RealSpace(1)
    (y,) = outputs(network)
    record = holds(network, domain, y >= 0).certificate()
    assert check(record) == "holds"
    sides = record["cells"]
    assert sides["split"] == 0
    for change in (
        lambda c: c["cells"].pop("split"),
        lambda c: c["cells"]["sides"].pop(),
        lambda c: c["cells"]["sides"].reverse(),
        lambda c: c["condition"]["cases"][0][0].__setitem__(1, True),
        lambda c: c["condition"]["cases"][0].append([["1", "5"], False]),
        lambda c: c["cells"]["sides"][0].update(cases=[[]]),
        lambda c: c["cells"]["sides"][0].update(cases=[]),
        lambda c: c["cells"]["sides"][0]["cases"][0][0].__setitem__(1, "-1"),
    ):
        forged = copy.deepcopy(record)
        change(forged)
        with pytest.raises(Rejected):
            check(forged)
    witness = holds(network, domain, y > 0).certificate()
    assert check(witness) == "fails"
    for change in (
        lambda c: c.update(witness=["1"]),
        lambda c: c.update(place=["1"], witness=["1"]),
        lambda c: c["condition"]["cases"][0][0].__setitem__(1, False),
    ):
        forged = copy.deepcopy(witness)
        change(forged)
        with pytest.raises(Rejected):
            check(forged)


def test_certificates_in_files(tmp_path: Path) -> None:
    """Packed and plain, and by the checker alone."""
    (y,) = outputs(ABSOLUTE)
    answer = holds(ABSOLUTE, LINE, (y <= 1) & (y > -1))
    for name in ("proof.json", "proof.json.gz"):
        answer.certificate(tmp_path / name)
        assert check_file(tmp_path / name) == "holds"
    damaged = tmp_path / "damaged.json"
    damaged.write_bytes((tmp_path / "proof.json").read_bytes()[:-40])
    found = {name: told.of_file(str(tmp_path / name)) for name in ("proof.json.gz", damaged.name)}
    (first, *about), code = found["proof.json.gz"]
    assert first.endswith("proof.json.gz: proved, the condition holds") and code == 0
    assert about[0].split() == ["condition", "y0", "<=", "1", "and", "-1", "y0", "<", "1"]
    assert about[-1].split()[-1] == ABSOLUTE.sha256
    assert found[damaged.name][0][0].endswith(": rejected") and found[damaged.name][1] == 4
    holds(ABSOLUTE, LINE, y < 1).certificate(tmp_path / "fails.json")
    lines, code = told.of_file(str(tmp_path / "fails.json"))
    assert code == 7 and lines[-1].split()[:1] == ["witness"]
    other = told.of_condition(str(tmp_path / "proof.json"), "0" * 64)
    assert other[1] == 4 and "another network" in other[0][1]
    with pytest.raises(InvalidInput, match="no such folder"):
        answer.certificate(tmp_path / "nowhere" / "proof.json")


def test_a_box_of_many_dimensions_is_proved_by_its_walls() -> None:
    """No linear programme for an end that is a wall; 200 dimensions would take minutes."""
    network = tensors.mlp([([[1] * 200, [-1] * 200], [0, 0]), ([[1, 1]], [0])])
    record = holds(network, Box(-1, 1, dim=200), outputs(network)[0] <= 200).certificate()
    proofs = [entry["proof"] for entry in record["bounds"]]
    assert all(len(proof) == 2 and proof[1] == [400, "1"] for proof in proofs)
    assert check(record) == "holds"
    record["bounds"][7]["proof"][0][0] = 3
    with pytest.raises(Rejected):
        check(record)
    with pytest.raises(Rejected, match="unknown name"):
        check(record | {"more": 1})


def as_if_it_held(answer: Answer, **more: Any) -> dict[str, Any]:
    """A certificate of a condition that fails, without its witness."""
    record = answer.certificate()
    return {k: v for k, v in record.items() if k not in ("place", "witness")} | more


def test_a_domain_without_room_proves_nothing_of_cells() -> None:
    """Multipliers of closed walls show that no point is strictly inside, not that there is none."""
    identity = tensors.mlp([([[1]], [0]), ([[1]], [0])])
    (y,) = outputs(identity)
    failing = holds(identity, LINE, y < 0)
    for walls, multipliers in (([*["1 1", "-1 1"], "0 0"], [[2, "1"]]), (["1 0", "-1 0"], None)):
        forged = as_if_it_held(failing, inside=["0"])
        forged["domain"] = forged["domain"] | {"walls": walls}
        forged["cells"] = {"empty": multipliers or [[0, "1"], [1, "1"]]}
        with pytest.raises(Rejected, match="no room"):
            check(forged)


def test_a_neuron_that_is_zero_has_no_two_sides() -> None:
    network = tensors.mlp([([[0], [1]], [0, 0]), ([[1, 1]], [0])])
    (y,) = outputs(network)
    side = {"steps": [[1, False, [[2, "1"]]]], "cases": [[[4, "1"]]]}
    tree = {"steps": [], "split": 0, "sides": [side, side]}
    forged = as_if_it_held(holds(network, LINE, y <= 0), inside=["0"], cells=tree)
    with pytest.raises(Rejected, match="no two sides"):
        check(forged)


def test_chords_of_the_checker_may_be_tiny() -> None:
    """A neuron with a chord that rounds to nothing still has its shift."""
    tiny = Fraction(1, 2**70)
    network = tensors.mlp([([[(1 + tiny) / 2]], [(tiny - 1) / 2]), ([[2**70]], [0])])
    (y,) = outputs(network)
    holding = holds(network, LINE, y < 2).certificate()
    assert check(holding) == "holds"
    forged = as_if_it_held(holds(network, LINE, y < Fraction(1, 2)), inside=["0"])
    forged |= {"bounds": holding["bounds"], "nodes": [{"lines": "00", "case": 0}]}
    with pytest.raises(Rejected, match="does not hold on box"):
        check(forged)


def test_numbers_that_are_none_are_rejected(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A denominator of zero, and files that unpack to more than is read."""
    (y,) = outputs(ABSOLUTE)
    answer = holds(ABSOLUTE, LINE, y < 1)
    with pytest.raises(Rejected, match="not written as it should be"):
        check(answer.certificate(tmp_path / "proof.json.gz") | {"place": ["1/0"]})
    monkeypatch.setattr(checker, "_LONGEST", 99)
    with pytest.raises(Rejected, match="longer than any"):
        check_file(tmp_path / "proof.json.gz")


def test_budgets() -> None:
    """What was looked at is counted; nothing is known of the rest, and nothing certified."""
    network, domain, condition = deep(), Box(-1, 1, dim=2), outputs(2)[0] <= 0
    for budget in (Budget(seconds=0), Budget(regions=0)):
        answer = holds(network, domain, condition | (outputs(2)[1] < 10**4), budget=budget)
        assert answer.verdict is Verdict.BUDGET_REACHED
        assert (answer.left, answer.witness) == (1, None)
        with pytest.raises(InvalidInput, match="give a larger budget"):
            answer.certificate()
    listed = holds(network, RealSpace(2), outputs(2)[0] > -(10**9), budget=Budget(regions=3))
    assert listed.verdict is not Verdict.HOLDS
    assert str(answer) == (
        "budget reached: no violation so far, 1 boxes are left; give a larger budget to go on "
        "(boxes bounded: 0, cells listed: 0)"
    )


def test_what_is_refused() -> None:
    """Each with what to write instead."""
    (y,) = outputs(ABSOLUTE)
    smooth = tensors.mlp([([[1]], [0]), ([[1]], [0])], activation=GELU())
    normed = tensors.block([[1, 2, 3]], [0], [[1]], [0], norm="layernorm")
    for network, domain, condition, error, text in (
        (ABSOLUTE, Ball([0], 1), y < 1, Unsupported, "round"),
        (normed, Sphere(), y < 1, Unsupported, "flat domains"),
        (normed, Box(0, 1, dim=3), y < 1, Unsupported, "norm"),
        (smooth, LINE, y < 1, NotPiecewiseLinear, "GELU"),
        (ABSOLUTE, LINE, outputs(2)[0] < 1, InvalidInput, "condition"),
        (ABSOLUTE, LINE, True, InvalidInput, "condition"),
        (ABSOLUTE, Box(-1, 1, dim=2), y < 1, InvalidInput, "dimension"),
    ):
        with pytest.raises(error, match=text):
            holds(network, domain, condition)
    answer = holds(ABSOLUTE, LINE, y < 2)
    for value in (answer, answer.verdict, y < 1):
        with pytest.raises(TypeError, match="has no truth value"):
            bool(value)
    with pytest.raises(TypeError, match="chain"):
        _ = 0 < y < 1
    for wrong in (
        lambda: y == 1,
        lambda: y * y,
        lambda: y / y,
        lambda: y / 0,
        lambda: y + outputs(2)[0],
        lambda: (y < 1) | (outputs(2)[0] < 1),
        lambda: (y < 1) & True,
        lambda: Condition.some([]),
        lambda: outputs(0),
        lambda: outputs("2"),
    ):
        with pytest.raises(InvalidInput):
            wrong()
    many = Condition.every((y < k) | (y > k) for k in range(12))
    assert len(many.cases) == 4096
    with pytest.raises(TooLarge):
        _ = many & ((y < 20) | (y > 21))
    with pytest.raises(TooLarge):
        _ = ~Condition.some((y < k) & (y > -k) for k in range(1, 14))


def test_texts_of_conditions() -> None:
    """What is written reads as what is built; all else is an error, and nothing is run."""
    a, b, c = outputs(3)
    for text, built in (
        ("y0 < y1 or y0 <= 2*y2 and not y1 >= 0.1", (a < b) | ((a <= 2 * c) & (b < "1/10"))),
        ("-1 <= (y0 - y1) / 4 < 3 - y2*2", ((a - b) / 4 >= -1) & ((a - b) / 4 < 3 - 2 * c)),
        ("not (y0 > 1 or y1 > 1)", (a <= 1) & (b <= 1)),
        ("1e-1 < y0", a > "1/10"),
        ("0 < 1", Condition(3, ((),))),
        ("0 < 0", Condition(3, ())),
    ):
        assert Condition.read(text, 3) == built
    for text in (
        "y3 < 1",
        "y0",
        "y0 < 1 + (y1 < 2)",
        "y0 and y1 < 1",
        "y0 == 1",
        "y0**2 < 1",
        "y0*y1 < 1",
        "1/y0 < 1",
        "y0 <",
        "",
        "print(1) < y0",
        "True < y0",
        "y0 in y1",
        "z < 1",
    ):
        with pytest.raises(InvalidInput):
            Condition.read(text, 3)
    assert str(a * 0 + 2) == "2"
    assert repr(a - b / 3 + 1) == "y0 - 1/3 y1 + 1"


def test_trivial_questions() -> None:
    """Conditions that are true, or false, of all outputs; a point; and no point at all."""
    (y,) = outputs(ABSOLUTE)
    nothing = HPolytope([[1, -1], [-1, 0]])
    for domain, condition, said in (
        (LINE, y - y < 1, True),
        (LINE, y - y < 0, False),
        (RealSpace(1), y - y < 0, False),
        (nothing, y - y < 0, True),
        (nothing, y < -1, True),
        (Box(1, 1, dim=1), y <= 1, True),
        (Box(1, 1, dim=1), y < 1, False),
    ):
        assert certified(holds(ABSOLUTE, domain, condition)) is said


def test_a_text_that_cannot_be_read_says_why() -> None:
    for text, why in (
        ("y3 < 0", "'y3' is no output of 3"),
        ("y\u0660 < 1", "is no output of 3"),
        ("y0 == 1", "Eq is not known here"),
        ("y0 < 1e999999999", "too large an exponent"),
    ):
        with pytest.raises(InvalidInput, match=why):
            Condition.read(text, 3)


def test_seconds_end_the_decisions_on_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no vertices help and each of many cells takes a programme."""
    rows = np.random.default_rng(0).normal(size=(6, 3))
    hidden = Layer.of(rows[:, :2], rows[:, 2], HardTanh())
    network = Network((Block((hidden, Layer.of(np.ones((1, 6))))),))
    (y,) = outputs(network)
    told, decide = holds(network, RealSpace(2), y < 7), listing.common_point
    assert told.verdict is Verdict.HOLDS and told.cells > 40

    def slow(*given: Any) -> Any:
        time.sleep(0.1)
        return decide(*given)

    monkeypatch.setattr(listing, "common_point", slow)
    started = time.monotonic()
    found = holds(network, RealSpace(2), y < 7, budget=Budget(seconds=0.3))
    assert found.verdict is Verdict.BUDGET_REACHED
    assert time.monotonic() - started < 3


def test_vertices_are_not_cut_where_there_is_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found = partition(ABSOLUTE, LINE, engine="skeleton")
    assert isinstance(found, FlatPartition)
    (case,) = (~(outputs(ABSOLUTE)[0] < 7)).cases
    assert listing._open_cells(found, case, Watch(100.0)) == []
    monkeypatch.setattr(listing, "_CUTTING", 100.0)
    assert listing._open_cells(found, case, Watch(100.0)) == [0, 1]
    assert listing._open_cells(found, case, Watch()) == []


def test_wide_networks_are_bounded_few_boxes_at_a_time() -> None:
    def together(*widths: int) -> int:
        network = tensors.mlp([(np.ones((b, a)), None) for a, b in pairwise(widths)])
        flat = flat_of(box := Box(-1, 1, dim=widths[0]))
        bounds = enclosing(box.flat().walls, widths[0])
        assert bounds is not None
        rows = rows_of_cases((outputs(network)[0] < 1).cases)
        chain = chains.ExactChain.of(network, flat, bounds, rows)
        assert chain is not None
        return boxes.BoxSearch.start(chain.floats(), [[0]], [], bounds)._together

    assert together(2, 8, 1) == boxes._TOGETHER
    assert 1 <= together(12, 600, 600, 600, 1) < 5


def test_numbers_of_more_digits_than_python_reads() -> None:
    """In conditions, networks and witnesses; and what is no number is none."""
    large = 10**5000 + 1
    long = tensors.mlp(
        [([[1], [-1]], [0, 0]), ([[Fraction(1, large), Fraction(large)]], [Fraction(1, 3)])]
    )
    (y,) = outputs(long)
    assert check(holds(long, LINE, y <= large + 1).certificate()) == "holds"
    (y,) = outputs(ABSOLUTE)
    tiny = Box([Fraction(1, large)], [Fraction(2, large)])
    record = holds(ABSOLUTE, tiny, y < Fraction(3, 2 * large)).certificate()
    assert len(record["witness"][0]) > 5000 and check(record) == "fails"
    for text in ("1/2/3", "", "-", "1/-2", "--1", "1 ", "\u0661", "+1"):
        with pytest.raises(Rejected, match="fraction"):
            checker._number(text)
    assert checker._number("-7/14") == Fraction(-1, 2)


def greatest(network: Network, domain: Domain) -> Fraction:
    """The most of the first output on a box, at a vertex of a cell, by all of them."""
    points = [point for region in partition(network, domain).regions for point in region.vertices]
    return max(Fraction(exact_output(network, point)[0]) for point in points)


@given(st.integers(0, 10**6))
@settings(max_examples=12, deadline=None)
def test_boxes_tell_what_listing_tells(seed: int) -> None:
    """A condition that is true with room, true by a tie, false by a tie and false with a witness:
    by halving to the end, with cells of boxes, with a trial of listing at once, and by listing.
    """
    rng = random.Random(seed)
    dim = rng.choice([1, 2, 3])
    network, domain = tensors.mlp(layers_of(rng, dim, 1)), Box(-1, "4/3", dim=dim)
    (y,), most = outputs(network), greatest(network, domain)
    near = Fraction(1, 1000)
    asked = {y <= most + near: True, y <= most: True, y < most: False, y <= most - near: False}
    for few, again, first, share, chains_known in (
        *((0, 10**9, 10**9, 0.0, True), (8, 32, 10**9, 0.0, True)),
        *((0, 0, 1, 1.0, True), (8, 32, 256, 0.25, False)),
    ):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(boxes, "FEW", few)
            patched.setattr(boxes, "AGAIN", again)
            patched.setattr(boxes, "DEEPEST", 5)
            patched.setattr(holding, "_FIRST", first)
            patched.setattr(holding, "_SHARE", share)
            patched.setattr(holding, "_spread", lambda dim: np.full((1, dim), 0.3))
            if not chains_known:
                patched.setattr(chains, "is_chain", lambda _: False)
            for condition, said in asked.items():
                answer = holds(network, domain, condition)
                assert (answer.verdict is Verdict.HOLDS) == said, (seed, few, str(condition))
                assert (answer.witness is None) == said
                if answer.witness is not None:
                    (value,) = exact_output(network, answer.witness)
                    assert not condition.at([value])


def test_boxes_of_many_dimensions_are_halved_along_what_matters() -> None:
    """Of 40 inputs two bend much and the others hardly: halving those two is enough."""
    rng = np.random.default_rng(5)
    first = rng.integers(-2, 3, size=(24, 40)) / 2.0**14
    first[:, 3], first[:, 17] = rng.normal(size=24), rng.normal(size=24)
    second, last = rng.normal(size=(6, 24)) / 4, rng.normal(size=(1, 6))
    network = tensors.mlp([(first, rng.normal(size=24) / 4), (second, None), (last, None)])
    seen = float(network.forward_float(rng.uniform(-1, 1, size=(999, 40)))[:, 0].max())
    answer = holds(network, Box(-1, 1, dim=40), outputs(network)[0] < seen + 0.5)
    assert (answer.verdict, answer.cells) == (Verdict.HOLDS, 0)
    assert answer.boxes > 10
    assert answer._search is not None
    axes = [n.number for n in answer._search.nodes.values() if n.kind == boxes.HALVED]
    assert set(axes) == {3, 17}


def test_few_cells_do_not_wait_for_many_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tie along a slanted line, which halving never settles: points show few cells, and these
    are listed after the first boxes.
    """
    monkeypatch.setattr(boxes, "FEW", 0)
    hinge = tensors.mlp([([[1, 1], [-1, -1], [2, 2], [-2, -2]], [0] * 4), ([[-1] * 4], [0])])
    condition, square = outputs(hinge)[0] <= 0, Box(-1, 1, dim=2)
    monkeypatch.setattr(holding, "_FIRST", 8)
    answer = holds(hinge, square, condition)
    assert (answer.verdict, answer.cells) == (Verdict.HOLDS, 2)
    assert 8 <= answer.boxes < 8 + 2 * boxes._TOGETHER
    assert certified(answer)
    monkeypatch.setattr(holding, "_SHARE", 0.0)
    assert holds(hinge, square, condition).boxes > 100


def test_codes_at_points_are_counted() -> None:
    network = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, -1]], [0]), ([[1]], [0])])
    flat, whole = flat_of(Box(-1, 1, dim=2)), enclosing(flat_of(Box(-1, 1, dim=2)).walls, 2)
    assert whole is not None
    rows = rows_of_cases((outputs(network)[0] < 1).cases)
    chain = chains.ExactChain.of(network, flat, whole, rows)
    assert chain is not None
    search = boxes.BoxSearch.start(chain.floats(), [[0]], [], whole)
    places = np.array([[a, b] for a in (-0.5, 0.25, 0.5) for b in (-0.5, 0.25, 0.5)])
    assert search.codes_at(places) == 5
    assert search.codes_at(places[:1]) == 1
