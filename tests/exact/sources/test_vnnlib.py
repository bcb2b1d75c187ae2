"""Properties in VNN-LIB: every digit of the text, boxes and polyhedra, cases of `or`; and one is
decided on a network.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from exact import Box, HPolytope, InvalidInput, TooLarge, Unsupported, partition
from exact.instruments import output_sets
from exact.sources import tensors, vnnlib

DECLARED = "".join(f"(declare-const {name} Real)\n" for name in ("X_0", "X_1", "Y_0", "Y_1"))
BOUNDS = "(assert (and (>= X_0 -1) (<= X_0 1) (<= -1 X_1) (>= 1 X_1)))\n"


def rows(case: vnnlib.Case) -> list[list[Fraction]]:
    return [[Fraction(int(x.p), int(x.q)) for x in row] for row in case.rows]


def test_every_digit_of_a_number_counts() -> None:
    digits = "0.100000000000000005551115123125782702118158340454101562500000001"
    text = f"; a comment (with parentheses\n{DECLARED}{BOUNDS}(assert (<= Y_0 {digits}))"
    (case,) = vnnlib.parse(text).cases
    assert rows(case) == [[-1, 0, Fraction(digits)]]
    assert case.domain == Box(-1, 1, dim=2)
    (case,) = vnnlib.parse(f"{DECLARED}{BOUNDS}(assert (>= Y_1 (- (/ 1e-3 3))))").cases
    assert rows(case) == [[0, 1, Fraction(1, 3000)]]


def test_terms_are_linear_in_any_order() -> None:
    text = "(assert (= (+ (* 2 Y_0) (* Y_1 (- 0.5)) 1) (- Y_0 Y_1 3)))"
    (case,) = vnnlib.parse(DECLARED + BOUNDS + text).cases
    assert rows(case) == [[1, Fraction(1, 2), 4], [-1, Fraction(-1, 2), -4]]


def test_cases_are_all_ways_in_which_the_assertions_hold() -> None:
    either = "(assert (or (and (>= Y_0 1) (>= Y_1 1)) (<= Y_0 Y_1)))"
    inputs = "(assert (or (<= X_0 0.5) (>= (+ X_0 X_1) 1)))"
    found = vnnlib.parse(DECLARED + BOUNDS + inputs + either)
    assert [len(case.rows) for case in found.cases] == [2, 1, 2, 1]
    boxes = [case.domain for case in found.cases]
    assert boxes[0] == Box([-1, -1], ["1/2", 1]) and isinstance(boxes[2], HPolytope)
    assert (found.input_dim, found.output_dim) == (2, 2)


def test_a_property_is_decided_on_a_network(tmp_path: Path) -> None:
    net = tensors.mlp([([[1, 0], [0, 1]], [0, 0]), ([[1, 0], [0, 1]], [0, "1/4"])])
    path = tmp_path / "property.vnnlib"
    for bound, nowhere in (("2", True), ("1.25", False)):
        path.write_text(f"{DECLARED}{BOUNDS}(assert (>= Y_1 {bound}))", encoding="utf-8")
        (case,) = vnnlib.read(path).cases
        found = output_sets.reached(partition(net, case.domain), case.rows)
        assert found.nowhere is nowhere


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("(assert (< X_0 1))", Unsupported, r"strict comparison.*\(< X_0 1\)"),
        ("(assert (<= (* X_0 X_1) 1))", Unsupported, "a term is not linear"),
        ("(assert (<= (/ 1 X_0) 1))", Unsupported, "a term is not linear"),
        ("(assert (<= X_0 Y_0))", Unsupported, "inputs alone, or outputs alone"),
        ("(assert (<= X_7 1))", InvalidInput, "not declared; got X_7"),
        ("(assert (<= X_0 one))", InvalidInput, "not a statement of VNN-LIB 1; got one"),
        ("(assert (<= X_0 nan))", InvalidInput, "not a statement"),
        ("(vnnlib-version <2.0>)", InvalidInput, "not a statement of VNN-LIB 1"),
        ("(assert (<= X_0 1)", InvalidInput, "a parenthesis is not closed"),
        (")", InvalidInput, "parentheses do not match"),
        ("(declare-const X_0 Real)", InvalidInput, r"each declared once; got X: \[0, 0, 1\]"),
        ("(assert (or (<= Y_0 1) (>= Y_0 2)))" * 14, TooLarge, "too many cases; got 16,384"),
    ],
)
def test_what_is_no_property_is_refused(text: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        vnnlib.parse(DECLARED + text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"no such file; got .*nothing.vnnlib"):
        vnnlib.read(tmp_path / "nothing.vnnlib")
