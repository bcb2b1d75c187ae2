"""A layer that is no matrix: a convolution given by what it does, beside its matrix.

Whatever is computed, stored, drawn or certified is the same for both, to the bit.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import exact
from exact import (
    Block,
    Box,
    GreatCircle,
    GreatSphere,
    InvalidInput,
    Layer,
    LayerNorm,
    LinearOperator,
    Network,
    NormBall,
    Outcome,
    RealSpace,
    ReLU,
    Segment,
    Sphere,
    Unsupported,
    partition,
    partition_circles,
)
from exact.arithmetic.linear_algebra import identity
from exact.arithmetic.numbers import Rational, RationalArray, RationalMatrix
from exact.geometry.domains.base import Domain
from exact.instruments import counting, critical_radii, decision
from exact.instruments.loading import load
from exact.networks.operators import Dense
from exact.regions.engine import Problem
from tests.truths import engines

KERNEL = (2, -1, 3)


class Convolution(LinearOperator):
    """The 1-D convolution of `inputs` values with a kernel, without padding, for each of several
    channels.
    """

    def __init__(self, inputs: int, *kernels: tuple[int, ...]) -> None:
        self.inputs, self.kernels = inputs, kernels

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.kernels) * (self.inputs - len(self.kernels[0]) + 1), self.inputs

    def apply(self, columns: RationalArray) -> RationalArray:
        k, width = columns.ncols(), len(self.kernels[0])
        entries = [
            sum((Rational(w) * columns[i + t, j] for t, w in enumerate(kernel)), Rational(0))
            for kernel in self.kernels
            for i in range(self.inputs - width + 1)
            for j in range(k)
        ]
        return RationalArray(self.shape[0], k, entries)


def by_hand(inputs: int, *kernels: tuple[int, ...]) -> list[list[int]]:
    """The matrix of the convolution."""
    places = inputs - len(kernels[0]) + 1
    return [
        [*[0] * i, *kernel, *[0] * (places - 1 - i)] for kernel in kernels for i in range(places)
    ]


def pair(dim: int, norm: bool = False, deep: bool = False) -> tuple[Network, Network]:
    """A network with convolutions, and the same with their matrices."""
    kernels = (KERNEL[:2], (1, 1)) if dim == 2 else (KERNEL[: dim - 1], (1, -2, 1)[: dim - 1])
    width = len(by_hand(dim, *kernels))
    own, plain = list[Layer](), list[Layer]()
    bias = [k - 1 for k in range(width)]
    own.append(Layer.of(Convolution(dim, *kernels), bias, ReLU()))
    plain.append(Layer.of(by_hand(dim, *kernels), bias, ReLU()))
    if deep:
        own.append(Layer.of(Convolution(width, (1, -2), (3, 1)), [1] * (2 * width - 2), ReLU()))
        plain.append(Layer.of(by_hand(width, (1, -2), (3, 1)), [1] * (2 * width - 2), ReLU()))
        width = 2 * width - 2
    own.append(Layer.of(Convolution(width, (1,) * width), [1]))
    plain.append(Layer.of([[1] * width], [1]))
    made = (LayerNorm.of(eps="1/9" if dim == 3 else 0, dim=dim)) if norm else None
    return Network((Block(tuple(own), made),)), Network((Block(tuple(plain), made),))


JOBS: list[tuple[int, bool, Domain]] = [
    (2, False, Box(-2, 2, dim=2)),
    (3, False, RealSpace(3)),
    (3, False, exact.Ball([0, 0, 0], 2)),
    (3, False, Segment([-3, 1, 0], [3, 2, 5])),
    (3, False, Sphere(4)),
    (4, False, Sphere(2)),
    (3, False, GreatCircle([1, 0, 1], [0, 1, 3], radius_squared=5)),
    (4, True, Sphere()),
    (5, True, Sphere()),
    (6, True, Sphere()),
    (4, True, GreatCircle([1, 0, 2, 0], [0, 1, 0, 1])),
    (5, True, GreatSphere([1, 0, 2, 0, 0], [0, 0, 0, 1, 1], [0, 1, 0, 0, 2])),
    (3, True, Segment([1, 0, 2], [0, 3, -1])),
]


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("job", range(len(JOBS)))
def test_every_engine_gives_what_it_gives_for_the_matrix(
    job: int, deep: bool, tmp_path: Path
) -> None:
    dim, norm, domain = JOBS[job]
    own, plain = pair(dim, norm, deep)
    taken = 0
    for name in engines.ALL:
        refusals = [engines.BY_NAME[name].refusal(Problem(net, domain)) for net in (own, plain)]
        assert refusals[0] == refusals[1]
        if refusals[0] is not None:
            continue
        found, expected = (partition(net, domain, engine=name) for net in (own, plain))
        taken += 1
        assert found.outcome is Outcome.COMPLETE
        assert (found.digest, len(found)) == (expected.digest, len(expected))
        assert found.decisions == expected.decisions
        assert np.array_equal(found.bits, expected.bits)
        certified(found, expected, tmp_path)
        saved = found.save(tmp_path / f"{name}.safetensors")
        loaded = load(saved)
        assert loaded.digest == found.digest
        assert loaded.network.sha256 == own.sha256
    assert taken or deep


def certified(found: exact.Partition, expected: exact.Partition, folder: Path) -> None:
    """Both have one certificate, which is verified; of round domains neither has one."""
    if isinstance(found.domain, exact.Ball | NormBall):
        for each in (found, expected):
            with pytest.raises(Unsupported, match="no certificate"):
                each.certificate(folder / "refused.jsonl")
        return
    texts = [
        each.certificate(folder / f"{each.engine}-{k}.jsonl").read_bytes()
        for k, each in enumerate((found, expected))
    ]
    assert texts[0] == texts[1]
    assert found.check().status.value == "verified, complete"


@pytest.mark.parametrize("engine", ["vertices", "round_layers"])
def test_the_ball_of_a_norm(engine: str, tmp_path: Path) -> None:
    found, expected = (partition(net, NormBall(), engine=engine) for net in pair(3, norm=True))
    assert (found.digest, found.outcome) == (expected.digest, Outcome.COMPLETE)
    certified(found, expected, tmp_path)


@pytest.mark.parametrize("norm", [False, True])
def test_networks_are_known_by_what_they_do(norm: bool) -> None:
    own, plain = pair(4, norm, deep=True)
    assert own == plain
    assert own.sha256 == plain.sha256
    assert pickle.loads(pickle.dumps(own)).sha256 == own.sha256
    x = np.random.default_rng(1).standard_normal((7, 4))
    assert np.array_equal(own.forward_float(x), plain.forward_float(x))
    for point in x.tolist():
        assert own.code(point) == plain.code(point)
        assert own.affine_at(point) == plain.affine_at(point)


def test_codes_behind_two_norms() -> None:
    found = []
    for net in pair(4, norm=True):
        again = Block((net.layers[0], Layer.of([[1] * net.layers[0].width] * 4)), net.norms[0])
        found.append(Network((replace(again, residual=True), *net.blocks)).code([1, 5, -2, 3]))
    assert found[0] == found[1]


def test_batches_counts_and_radii() -> None:
    own, plain = pair(5, norm=True)
    u, v = np.random.default_rng(5).standard_normal((2, 12, 5))
    batches = [partition_circles(net, u, v) for net in (own, plain)]
    assert [batches[0][i].digest for i in range(12)] == [batches[1][i].digest for i in range(12)]
    assert batches[0].decisions == batches[1].decisions
    assert batches[0].decisions["settled circles"] == 0
    cells = [counting.sphere_cell_count(net) for net in pair(4, norm=True)]
    assert cells[0] == cells[1]
    radii = [critical_radii.critical_radii(net, [1, 2, 0, 5, -1]).flips for net in (own, plain)]
    assert [flip.radius_squared for flip in radii[0]] == [f.radius_squared for f in radii[1]]
    flat = [counting.region_count(net, Box(-2, 2, dim=3)) for net in pair(3)]
    assert flat[0] == flat[1]
    tied = [partition(decision.tied(net), Box(-2, 2, dim=3)).digest for net in pair(3)]
    assert tied[0] == tied[1]


def test_figures_are_drawn() -> None:
    from viz.figures.polytopes import polytopes_figure
    from viz.figures.profiles import profile_figure
    from viz.figures.sphere_adjacency import sphere_adjacency_figure

    own, _ = pair(2)
    sphere, _ = pair(4, norm=True)
    assert polytopes_figure(partition(own, Box(-2, 2, dim=2))).axes  # type: ignore[arg-type]
    assert profile_figure(partition(own, Segment([-3, 1], [3, 2]))).axes  # type: ignore[arg-type]
    assert sphere_adjacency_figure(partition(sphere, Sphere())).axes  # type: ignore[arg-type]


def test_an_operator_and_its_matrix() -> None:
    own, plain = Convolution(5, KERNEL), Dense(RationalMatrix.from_rationals(by_hand(5, KERNEL)))
    assert own == plain
    assert hash(own) == hash(plain)
    assert own != Convolution(5, (2, -1, 4))
    assert repr(own) == "Convolution(3 x 5)"
    assert own.row(1) == plain.row(1)
    row = RationalArray(1, 3, [Rational(k) for k in (1, 2, 5)])
    assert own.pull_back(row) == row * plain.matrix.exact
    assert Layer.of(own).weight == plain.matrix
    layer = Layer.of(own, [1, 2, 3])
    assert layer == Layer(plain.matrix, layer.bias, exact.Identity())


def test_a_layer_does_not_ask_for_the_matrix_to_apply_itself() -> None:
    layer = Layer.of(Convolution(5, KERNEL), activation=ReLU())
    layer.pre_activations(identity(5), [Rational(1)] * 5)
    assert "matrix" not in vars(layer.operator)
    assert "matrix" not in vars(replace(layer, activation=exact.Identity()).operator)


class TooTall(Convolution):
    """Says one output too many."""

    @property
    def shape(self) -> tuple[int, int]:
        return super().shape[0] + 1, self.inputs

    def apply(self, columns: RationalArray) -> RationalArray:
        return Convolution(self.inputs, *self.kernels).apply(columns)


def test_what_is_no_operator_is_refused() -> None:
    with pytest.raises(InvalidInput, match="another shape than it says"):
        _ = Layer.of(TooTall(5, KERNEL)).weight
    with pytest.raises(InvalidInput, match="a matrix or a linear operator"):
        Layer([[1]], Layer.of([[1]]).bias, ReLU())  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="bias does not fit"):
        Layer.of(Convolution(5, KERNEL), [1, 2])
