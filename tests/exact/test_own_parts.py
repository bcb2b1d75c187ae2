"""Norms, activations and operators of one's own that keep no promise: each is refused in one line
that names the part, what is the matter and what to write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from exact import (
    Activation,
    Block,
    InvalidInput,
    Layer,
    LayerNorm,
    LinearOperator,
    Network,
    Norm,
    ReLU,
    RMSNorm,
    rational,
)
from exact.arithmetic.enclosures.ball_matrices import BallMatrix
from exact.arithmetic.numbers import Ball, FloatArray, Rational, RationalArray
from exact.networks.activations import Smooth
from exact.networks.operators import Dense
from tests.exact.own_parts import Contrast, Pieced, Shrink

ONE, ZERO = rational(1), rational(0)


class Swap(LinearOperator):
    """(x, y, z) to (y, x), with every fast path."""

    shape: Any = (2, 3)

    def apply(self, columns: RationalArray) -> Any:
        k = columns.ncols()
        return RationalArray(2, k, [columns[i, j] for i in (1, 0) for j in range(k)])

    def row(self, output: int) -> Any:
        return [Rational(int(j == 1 - output)) for j in range(3)]

    def pull_back(self, row: RationalArray) -> Any:
        return RationalArray(1, 3, [row[0, 1], row[0, 0], ZERO])

    def apply_float(self, rows: FloatArray) -> Any:
        return rows[:, [1, 0]]

    def apply_balls(self, columns: RationalArray, device: str) -> Any:
        return Dense(self.matrix).apply_balls(columns, device)

    def enclose(self, columns: BallMatrix) -> Any:
        return BallMatrix(columns.mid[[1, 0]], columns.rad[[1, 0]])


def changed(base: type, **members: Any) -> type:
    """A class with other members."""
    return type(f"Changed{base.__name__}", (base,), members)


OPERATORS: dict[str, tuple[dict[str, Any], str]] = {
    "a shape that is one number": ({"shape": 3}, "shape of the operator"),
    "a shape of text": ({"shape": ("2", "3")}, "shape of the operator"),
    "another shape": ({"shape": (3, 3)}, "apply.. of the operator .* another shape"),
    "images as an array": (
        {"apply": lambda self, columns: np.zeros((2, 4))},
        "apply.. of the operator .* another shape",
    ),
    "nothing": ({"apply": lambda self, columns: None}, "apply.. of the operator .* another shape"),
    "a constant": (
        {"apply": lambda self, columns: RationalArray(2, columns.ncols(), [ONE] * 8)},
        "apply.. of the operator ChangedSwap is not linear",
    ),
    "another row": ({"row": lambda self, output: [ONE, ONE, ONE]}, "row.. of the operator"),
    "a shorter row": ({"row": lambda self, output: [ONE]}, "row.. of the operator"),
    "another form": (
        {"pull_back": lambda self, row: RationalArray(1, 3, [ONE] * 3)},
        "pull_back.. of the operator",
    ),
    "a longer form": (
        {"pull_back": lambda self, row: RationalArray(1, 4, [ONE] * 4)},
        "pull_back.. of the operator",
    ),
    "other floats": ({"apply_float": lambda self, rows: rows[:, [0, 1]]}, "apply_float.. of"),
    "floats of another shape": ({"apply_float": lambda self, rows: rows}, "apply_float.. of"),
    "no floats": ({"apply_float": lambda self, rows: None}, "apply_float.. of the operator"),
    "balls that hold something else": (
        {"apply_balls": lambda self, c, device: Dense(Swap().matrix).apply_balls(c + c, device)},
        "apply_balls.. of the operator",
    ),
    "no balls": ({"apply_balls": lambda self, columns, device: columns}, "apply_balls.. of"),
    "enclosures that hold something else": (
        {"enclose": lambda self, columns: BallMatrix(columns.mid[:2], columns.rad[:2])},
        "enclose.. of the operator",
    ),
    "enclosures of another shape": ({"enclose": lambda self, columns: columns}, "enclose.. of"),
}


@pytest.mark.parametrize("what", OPERATORS)
def test_an_operator_that_keeps_no_promise_is_refused(what: str) -> None:
    members, words = OPERATORS[what]
    with pytest.raises(InvalidInput, match=words) as raised:
        Layer.of(changed(Swap, **members)(), [0, 0], ReLU())
    assert "ChangedSwap" in str(raised.value)


def test_an_operator_that_keeps_its_promises_is_asked_once() -> None:
    asked = list[int]()

    def apply(self: Swap, columns: RationalArray) -> Any:
        asked.append(columns.ncols())
        return Swap.apply(self, columns)

    operator = changed(Swap, apply=apply, apply_balls=LinearOperator.apply_balls)()
    assert Layer.of(operator, [0, 0]) == Layer.of([[0, 1, 0], [1, 0, 0]], [0, 0])
    assert asked == [4, 3]  # the columns that are tried, and the unit vectors for the comparison
    Layer.of(operator, [1, 2])
    assert asked == [4, 3]


def test_floats_beyond_their_range_are_not_judged() -> None:
    """2^1022 times 5 has no float64; an operator is not refused for it."""
    factor = 1 << 1022

    def apply(self: Swap, columns: RationalArray) -> Any:
        return Swap.apply(self, columns) * Rational(factor)

    def apply_float(self: Swap, rows: FloatArray) -> Any:
        with np.errstate(over="ignore"):
            return Swap.apply_float(self, rows) * float(factor)

    kept = {name: getattr(LinearOperator, name) for name in ("row", "pull_back", "apply_balls")}
    large = changed(Swap, **kept, apply=apply, apply_float=apply_float, enclose=_of_matrix)()
    assert Layer.of(large, [0, 0]).weight.row(0) == [0, factor, 0]


def _of_matrix(self: Swap, columns: BallMatrix) -> Any:
    return LinearOperator.enclose(self, columns)


def _constant(dim: int, rows: int) -> Callable[..., Any]:
    return lambda self, *columns: RationalArray(rows, dim, [ONE] * (rows * dim))


NORMS: dict[str, tuple[type[Norm], dict[str, Any], str]] = {
    "images as an array": (
        RMSNorm,
        {"project": lambda self, columns: np.eye(3)},
        "project.. of the norm",
    ),
    "images of another shape": (RMSNorm, {"project": _constant(3, 2)}, "project.. of the norm"),
    "no projection": (
        RMSNorm,
        {"project": lambda self, columns: columns + columns},
        "no orthogonal projection",
    ),
    "no basis": (Contrast, {"sphere_basis": lambda self: None}, "sphere_basis.. of the norm"),
    "floats as basis": (
        Contrast,
        {"sphere_basis": lambda self: [[1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]},
        "sphere_basis.. of the norm",
    ),
    "shorter vectors": (
        Contrast,
        {"sphere_basis": lambda self: [[ONE, -ONE], [ONE]]},
        "sphere_basis.. of the norm",
    ),
    "fewer vectors": (
        Contrast,
        {"sphere_basis": lambda self: [[ONE, -ONE, ZERO]]},
        "no basis of the image",
    ),
    "a dimension in floats": (Contrast, {"sphere_dim": 1.0}, "sphere_dim is no int"),
    "other floats": (Contrast, {"project_float": lambda self, x: x}, "project_float of the norm"),
    "no floats": (Contrast, {"project_float": lambda self, x: None}, "project_float of the norm"),
    "another projector": (Contrast, {"projector": lambda self: "mean"}, "projector.. of the norm"),
}


@pytest.mark.parametrize("what", NORMS)
def test_a_norm_that_keeps_no_promise_is_refused(what: str) -> None:
    base, members, words = NORMS[what]
    assert base.of(dim=3).project_float(np.eye(3)).shape == (3, 3)
    with pytest.raises(InvalidInput, match=words) as raised:
        changed(base, **members).of(dim=3)  # type: ignore[attr-defined]
    assert f"Changed{base.__name__}" in str(raised.value)


ACTIVATIONS: dict[str, tuple[type, dict[str, Any], str]] = {
    "one bend, no tuple": (Shrink, {"breakpoints": ONE}, "breakpoints of the activation"),
    "bends in floats": (Shrink, {"breakpoints": (0.0, 1.0)}, "breakpoints of the activation"),
    "bends that descend": (Shrink, {"breakpoints": (ONE, -ONE)}, "do not ascend"),
    "a bend twice": (Shrink, {"breakpoints": (ONE, ONE)}, "do not ascend"),
    "slopes alone": (Shrink, {"pieces": (ONE, ONE, ONE)}, "pieces of the activation .* no pairs"),
    "pieces in floats": (Shrink, {"pieces": ((1.0, 0.5),) * 3}, "pieces .* are no pairs"),
    "fewer pieces": (Shrink, {"pieces": ((ONE, ZERO),)}, "pieces .* do not fit its breakpoints"),
    "other pieces": (
        Shrink,
        {"pieces": ((ONE, ZERO), (ZERO, ZERO), (ONE, ONE))},
        "forward_float of the activation",
    ),
    "no floats": (Shrink, {"forward_float": lambda self, z: None}, "forward_float of the"),
    "one float for all": (Shrink, {"forward_float": lambda self, z: z.sum()}, "forward_float of"),
    "neither pieces nor enclosures": (
        Shrink,
        {"is_piecewise_linear": False},
        "neither pieces nor enclosures",
    ),
}


@pytest.mark.parametrize("what", ACTIVATIONS)
def test_an_activation_that_keeps_no_promise_is_refused(what: str) -> None:
    base, members, words = ACTIVATIONS[what]
    with pytest.raises(InvalidInput, match=words) as raised:
        Layer.of([[1]], [0], changed(base, **members)())
    assert f"Changed{base.__name__}" in str(raised.value)


class Softplus(Smooth):
    """log(1 + exp z)."""

    def forward_ball(self, z: Ball) -> Ball:
        return (1 + z.exp()).log()

    def forward_float(self, z: FloatArray) -> FloatArray:
        return np.log1p(np.exp(z))


def test_a_smooth_activation_is_compared_with_its_enclosures() -> None:
    assert Layer.of([[1]], [0], Softplus()).bits == 1
    for members in (
        {"forward_float": lambda self, z: np.exp(z)},
        {"forward_ball": lambda self, z: None},
        {"forward_ball": lambda self, z: z},
    ):
        with pytest.raises(InvalidInput, match="forward_ball of the activation ChangedSoftplus"):
            Layer.of([[1]], [0], changed(Softplus, **members)())


def test_bends_far_apart_and_pieces_that_jump_are_no_fault() -> None:
    for bends, parts in (
        (("1/3", 10**400), ((0, 0), (1, "-1/3"), (0, 10**400))),
        ((5e-324, "1/7"), ((1, 0), (1, "1/3"), (-1, 7))),
        ((), ((1e300, 5e-324),)),
    ):
        pairs = tuple((rational(a), rational(b)) for a, b in parts)
        layer = Layer.of([[1]], [0], Pieced(tuple(map(rational, bends)), pairs))
        assert layer.bits == len(bends)


@pytest.mark.parametrize(
    ("base", "part", "missing"),
    [
        (Norm, "norm", "project, sphere_basis, sphere_dim"),
        (Activation, "activation", "breakpoints, forward_float, pieces"),
        (LinearOperator, "linear operator", "apply, shape"),
        (Smooth, "activation", "forward_ball, forward_float"),
    ],
)
def test_a_class_without_its_methods_is_told_which(base: type, part: str, missing: str) -> None:
    for kind in (base, changed(base)):
        with pytest.raises(InvalidInput) as raised:
            kind.of(dim=3) if issubclass(kind, Norm) else kind()
        assert raised.value.wrong == f"the class {kind.__name__} is no {part} yet"
        assert raised.value.value == f"nothing for {missing}"


LAYER = Layer.of([[1, 0], [0, 1]], [0, 0], ReLU())
MADE: dict[str, tuple[Callable[[], Any], str]] = {
    "a class for a norm": (lambda: Block((LAYER,), LayerNorm), "no norm"),  # type: ignore[arg-type]
    "a word for a norm": (lambda: Block((LAYER,), "layernorm"), "no norm"),  # type: ignore[arg-type]
    "a layer for layers": (lambda: Block(LAYER), "other things than of Layers"),  # type: ignore[arg-type]
    "a matrix for a layer": (lambda: Block(([[1]],)), "other things than of Layers"),  # type: ignore[arg-type]
    "a layer for a block": (lambda: Network((LAYER,)), "other things than of Blocks"),  # type: ignore[arg-type]
    "a block for blocks": (lambda: Network(Block((LAYER,))), "other things than of Blocks"),  # type: ignore[arg-type]
    "a norm without its fields": (
        lambda: RMSNorm(3, 1e-5, [1] * 3, [0] * 3),  # type: ignore[arg-type]
        "the fields of the norm RMSNorm",
    ),
    "a class for an activation": (lambda: Layer.of([[1]], [0], ReLU), "not an activation"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("what", MADE)
def test_parts_in_the_wrong_place_are_refused(what: str) -> None:
    make, words = MADE[what]
    with pytest.raises(InvalidInput, match=words):
        make()


def test_lists_of_parts_are_parts() -> None:
    assert Network([Block([LAYER])]) == Network((Block((LAYER,)),))  # type: ignore[arg-type]
    assert hash(Block([LAYER])) == hash(Block((LAYER,)))  # type: ignore[arg-type]
