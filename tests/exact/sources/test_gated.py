"""Gated MLPs: the gate is a network, the product is a quadratic form on each of its codes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from exact import (
    GELU,
    AbsoluteValue,
    Activation,
    Block,
    Box,
    ExactlensError,
    GatedMLP,
    GreatCircle,
    HardTanh,
    Identity,
    InvalidInput,
    Layer,
    LeakyReLU,
    Network,
    NotPiecewiseLinear,
    ReLU,
    SiLU,
    partition,
)
from exact.sources import tensors, torch_comparison

N, M, OUT = 3, 5, 2


def gated(
    activation: Activation | None = None, norm: str | None = None, seed: int = 0, **more: Any
) -> GatedMLP:
    """Dyadic numbers, so that products stay small."""
    rng = np.random.default_rng(seed)

    def drawn(*shape: int) -> np.ndarray[Any, Any]:
        return rng.integers(-16, 17, size=shape) / 8

    if norm is not None:
        more = {"norm": norm, "gain": drawn(N) + 3, "bias": drawn(N)} | more
        more |= {"bias": None} if norm == "rms" else {}
    weights = [drawn(M, N), drawn(M, N), drawn(OUT, M), drawn(M), drawn(M), drawn(OUT)]
    return tensors.gated_mlp(*weights, activation=activation, **more)


def by_hand(mlp: GatedMLP, n: list[Fraction], output: int) -> Fraction:
    """The output from the vector behind the norm, by Python's fractions and the definition."""

    def values(layer: Layer) -> list[Fraction]:
        rows, shifts = layer.weight.tolist(), layer.bias.tolist()
        return [
            sum(map(Fraction.__mul__, row, n), b[0]) for row, b in zip(rows, shifts, strict=True)
        ]

    kind = mlp.gate.layers[0].activation
    bends = {
        ReLU(): lambda z: max(z, Fraction(0)),
        AbsoluteValue(): abs,
        LeakyReLU("1/4"): lambda z: z if z > 0 else z / 4,  # type: ignore[arg-type]
        HardTanh(-1, 2): lambda z: min(max(z, Fraction(-1)), Fraction(2)),  # type: ignore[arg-type]
    }
    hidden = [
        bends[kind](g) * u  # type: ignore[index]
        for g, u in zip(values(mlp.gate.layers[0]), values(mlp.up), strict=True)
    ]
    row, shift = mlp.down.weight.tolist()[output], mlp.down.bias.tolist()[output][0]
    return sum(map(Fraction.__mul__, row, hidden), shift)


PIECEWISE = [ReLU(), AbsoluteValue(), LeakyReLU("1/4"), HardTanh(-1, 2)]  # type: ignore[arg-type]


@pytest.mark.parametrize("activation", PIECEWISE, ids=lambda a: a.name)
def test_the_form_is_the_output_on_its_code(activation: Activation) -> None:
    mlp, rng = gated(activation), np.random.default_rng(3)
    seen = set()
    for x in rng.integers(-24, 25, size=(40, N)):
        point = [Fraction(int(v), 8) for v in x]
        code = mlp.gate.code(point)
        seen.add(str(code))
        for output in range(OUT):
            form = mlp.quadratic_form(code, output)
            assert form(point) == by_hand(mlp, point, output)
            assert form.of == "x"
            assert form.matrix.shape == (N + 1, N + 1)
            assert form.matrix.tolist() == [
                list(row) for row in zip(*form.matrix.tolist(), strict=True)
            ]
    assert len(seen) > 8


def test_codes_are_asked_of_the_gated_mlp_itself() -> None:
    mlp = gated(SiLU(), "rms", eps=0)
    rows = np.random.default_rng(1).normal(size=(7, N))
    assert mlp.codes(rows, errors="keep") == mlp.gate.codes(rows)
    assert mlp.code(rows[3].tolist()) == mlp.codes(rows)[3]
    for kind in (False, True):
        (ours,), (gates,) = mlp.hidden_float(rows, kind), mlp.gate.hidden_float(rows, kind)
        assert np.array_equal(ours, gates) and ours.shape == (7, M)


def test_behind_an_rms_norm_the_form_is_one_of_y() -> None:
    """y = sqrt(n) x / |x| is rational where the entries are 1 and -1; gain and bias are in the
    form.
    """
    mlp = gated(ReLU(), "rms", eps=0)
    gains = mlp.gate.norms[0].gain.tolist()
    for x in ([1, 1, 1], [-1, 1, 1], [5, -5, 5]):
        y = [Fraction(v, abs(v)) for v in x]
        n = [g[0] * v for g, v in zip(gains, y, strict=True)]
        for output in range(OUT):
            form = mlp.quadratic_form(mlp.gate.code(x), output)
            assert form.of == "norm(x)"
            assert form(y) == by_hand(mlp, n, output)


@pytest.mark.parametrize("norm", ["layernorm", "rms"])
def test_behind_a_norm_the_form_is_the_forward_pass(norm: str) -> None:
    mlp = gated(ReLU(), norm, eps=0)
    for x in np.random.default_rng(5).normal(size=(20, N)):
        c = x - x.mean() if norm == "layernorm" else x
        y = (c / np.sqrt((c**2).mean())).tolist()
        code = mlp.gate.code(x.tolist())
        found = [float(mlp.quadratic_form(code, k)(y)) for k in range(OUT)]
        np.testing.assert_allclose(found, mlp.forward_float(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", [SiLU(), GELU(), GELU("tanh"), ReLU()])
@pytest.mark.parametrize("norm", [None, "layernorm", "rms"])
def test_the_forward_pass(activation: Activation, norm: str | None) -> None:
    mlp = gated(activation, norm, eps=0.25)
    x = np.random.default_rng(1).normal(size=(7, N))
    n = x if norm is None else mlp.gate.norms[0].forward_float(x)
    gate, up, down = (
        (layer.weight.float64(), layer.bias.float64()[:, 0])
        for layer in (mlp.gate.layers[0], mlp.up, mlp.down)
    )
    hidden = activation.forward_float(n @ gate[0].T + gate[1]) * (n @ up[0].T + up[1])
    expected = hidden @ down[0].T + down[1]
    np.testing.assert_allclose(mlp.forward_float(x), expected, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(mlp.forward_float(x[0]), expected[0], rtol=1e-13, atol=1e-13)
    values, errors = torch_comparison._forward(mlp, x)
    assert (np.abs(values - expected) <= 2 * errors).all()
    assert (errors < 1e-9).all()


def test_codes_and_crossings_are_those_of_the_gate() -> None:
    mlp = gated(SiLU())
    found = partition(mlp.gate, Box(-1, 1, dim=N))
    assert found.region_count == partition(mlp.relu_ised().gate, Box(-1, 1, dim=N)).region_count > 5
    normed = gated(SiLU(), "rms")
    arcs = partition(normed.gate, GreatCircle([1, 0, 0], [0, 1, 2]))
    assert arcs.cell_count > 2
    point = [1, 2, 4]
    z = normed.gate.relu_ised().forward_float(np.array(point, dtype=float))
    assert normed.gate.code(point).bits.tolist() == (z > 0).tolist()


@pytest.mark.parametrize("activation", [SiLU(), GELU()])
def test_smooth_gates_have_codes_and_no_form(activation: Activation) -> None:
    mlp = gated(activation)
    code = mlp.gate.code([1, 2, 3])
    with pytest.raises(NotPiecewiseLinear, match=r"gate is smooth.*; got .*; use the codes alone"):
        mlp.quadratic_form(code, 0)
    relu = mlp.relu_ised()
    assert relu.gate.layers[0].activation == ReLU()
    assert relu.quadratic_form(code, 0)([1, 2, 3]) == by_hand(
        relu, [Fraction(k) for k in (1, 2, 3)], 0
    )


def test_there_is_no_affine_map() -> None:
    mlp = gated(ReLU())
    wrong = r"quadratic inside a code.*; got act\(gate\) \* up; take quadratic_form"
    with pytest.raises(NotPiecewiseLinear, match=wrong):
        mlp.affine_at([1, 2, 3])
    with pytest.raises(NotPiecewiseLinear, match=wrong):
        mlp.affine_map(mlp.gate.code([1, 2, 3]))
    with pytest.raises(InvalidInput, match="GatedMLP"):
        partition(mlp, Box(-1, 1, dim=N))  # type: ignore[arg-type]


def test_digests_tell_every_part() -> None:
    parts = {
        "w_gate": [[1]],
        "w_up": [[2]],
        "w_down": [[3]],
        "b_gate": [4],
        "b_up": [5],
        "b_down": [6],
    }
    made = {tensors.gated_mlp(**parts).sha256}  # type: ignore[arg-type]
    for name, value in parts.items():
        changed = [[9]] if isinstance(value[0], list) else [9]
        made.add(tensors.gated_mlp(**parts | {name: changed}).sha256)  # type: ignore[arg-type]
    for more in ({"activation": ReLU()}, {"norm": "rms"}, {"norm": "rms", "eps": 0}):
        made.add(tensors.gated_mlp(**parts | more).sha256)  # type: ignore[arg-type]
    assert len(made) == 10
    assert tensors.gated_mlp(**parts).sha256 in made  # type: ignore[arg-type]


def test_what_does_not_fit_is_refused() -> None:
    mlp = gated(ReLU())
    code = mlp.gate.code([1, 2, 3])
    other = tensors.mlp([([[1, 2, 3]], None), ([[1]], None)]).code([1, 2, 3])
    two = Network((Block((Layer.of([[1, 0]]), Layer.of([[1]]))),))
    cases = {
        "no such output; got 2; give 0 .. 1": lambda: mlp.quadratic_form(code, 2),
        "output is not a whole number": lambda: mlp.quadratic_form(code, True),
        "the code is not one of the gate": lambda: mlp.quadratic_form(other, 0),
        "argument does not fit the form": lambda: mlp.quadratic_form(code, 0)([1, 2]),
        "the gate is not one layer": lambda: GatedMLP(two, mlp.up, mlp.down),
        "do not fit together": lambda: GatedMLP(mlp.gate, Layer.of([[1, 0, 0]]), mlp.down),
        "up has an activation": lambda: GatedMLP(
            mlp.gate, Layer(mlp.up.operator, mlp.up.bias, ReLU()), mlp.down
        ),
        "unknown norm": lambda: tensors.gated_mlp([[1]], [[1]], [[1]], norm="batch"),
    }
    for wrong, call in cases.items():
        with pytest.raises(ExactlensError, match=wrong) as caught:
            call()
        assert caught.value.remedy
    assert mlp.up.activation == Identity()


def test_the_bound_of_a_product_holds_at_its_corners() -> None:
    """Errors of both factors, far above rounding, at their worst signs."""
    rng = np.random.default_rng(2)
    values, errors = rng.normal(size=(2, 4, 50)), rng.uniform(0, 0.5, size=(2, 4, 50))
    x, y = (torch_comparison._Rows(*pair) for pair in zip(values, errors, strict=True))
    found = torch_comparison._multiplied(x, y)
    for s in (-1, 1):
        for t in (-1, 1):
            corner = (x.values + s * x.errors) * (y.values + t * y.errors)
            assert (np.abs(corner - found.values) <= found.errors).all()
    exact = torch_comparison._multiplied(*(torch_comparison._Rows(v, 0 * v) for v in values))
    for a, b, c, bound in zip(*(z.ravel() for z in (*values, *exact)), strict=True):
        assert abs(Fraction(a) * Fraction(b) - Fraction(c)) <= bound
    assert (exact.errors < 1e-14).all()
