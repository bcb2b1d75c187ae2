"""A norm and an activation that a user wrote: every engine, batch, count and figure is right about
them, or refuses by name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import nn

import exact
from exact import (
    Activation,
    Block,
    Box,
    GreatCircle,
    GreatSphere,
    InvalidInput,
    Layer,
    Network,
    NormBall,
    Outcome,
    Partition,
    Segment,
    Sphere,
    Unsupported,
    partition,
    partition_circles,
)
from exact.arithmetic.numbers import FloatArray, Rational, RationalArray, rational
from exact.check import verify_file
from exact.geometry.domains.base import Domain
from exact.instruments import counting, critical_radii, decision, norm_geometry
from exact.instruments.batches.neurons.radius_bounds import critical_radii_float
from exact.instruments.comparisons import eps_comparison
from exact.instruments.loading import load
from exact.networks import activations, norms
from exact.networks.architectures import architecture, network_of
from exact.networks.graphs.graph import Graph
from exact.sources import tensors, torch_modules
from tests.exact.reference import integers
from tests.truths import engines


class WithoutTwo(exact.Norm):
    """Takes the parts along (1, ..., 1) and (1, -1, 0, ..., 0) off: P has rank n - 2."""

    def project(self, columns: RationalArray) -> RationalArray:
        n, k = columns.nrows(), columns.ncols()
        rows = [[columns[i, j] for j in range(k)] for i in range(n)]
        means = [sum((row[j] for row in rows), Rational(0)) / n for j in range(k)]
        halves = [(rows[0][j] - rows[1][j]) / 2 for j in range(k)]
        signs = [1, -1, *[0] * (n - 2)]
        return RationalArray(
            n, k, [rows[i][j] - means[j] - signs[i] * halves[j] for i in range(n) for j in range(k)]
        )

    @property
    def sphere_dim(self) -> int:
        return self.dim - 3

    def sphere_basis(self) -> list[list[Rational]]:
        """(1, 1, -2, 0, ...), then contrasts of the others."""
        first = [Rational(1), Rational(1), Rational(-2), *[Rational(0)] * (self.dim - 3)]
        rest = [
            [Rational((j == i) - (j == i + 1)) for j in range(self.dim)]
            for i in range(2, self.dim - 1)
        ]
        return [first, *rest]


@dataclass(frozen=True)
class Staircase(Activation):
    """Three pieces: z below 0, flat up to 1, steep beyond."""

    @property
    def breakpoints(self) -> tuple[Rational, ...]:
        return Rational(0), Rational(1)

    @property
    def pieces(self) -> tuple[tuple[Rational, Rational], ...]:
        return (Rational(1), Rational(0)), (Rational(0), Rational(0)), (Rational(3), Rational(-3))

    def forward_float(self, z: FloatArray) -> FloatArray:
        return np.minimum(z, 0) + 3 * np.maximum(z - 1, 0)


def layer(seed: int, width: int, columns: int, activation: Activation) -> Layer:
    generator = np.random.default_rng(seed)
    return Layer.of(
        integers(generator, (width, columns), 3), integers(generator, width, 3), activation
    )


def behind(
    seed: int, dim: int, width: int = 5, eps: object = 0, activation: Activation | None = None
) -> Network:
    norm = WithoutTwo.of(
        eps=eps,
        gain=[Fraction(k + 2, 3) for k in range(dim)],
        bias=[Fraction(k, 4) for k in range(dim)],
    )
    head = layer(seed, width, dim, activation or exact.ReLU())
    return Network((Block((head, Layer.of([[1] * width], [0])), norm),))


def stairs(seed: int, dim: int) -> Network:
    first, second = layer(seed, 3, dim, Staircase()), layer(seed + 50, 2, 3, Staircase())
    return Network((Block((first, second, Layer.of([[1, 1]], [0]))),))


def normed(norm: exact.Norm, x: tuple[Fraction, ...]) -> list[float]:
    """norm(x) in float64 from the definition alone."""
    mean, half = sum(x) / len(x), (x[0] - x[1]) / 2
    centred = [v - mean - half * s for v, s in zip(x, (1, -1, *[0] * (len(x) - 2)), strict=True)]
    scale = (
        sum(float(v) ** 2 for v in centred) / len(x)
        + float(Fraction(int(norm.eps.p), int(norm.eps.q)))
    ) ** 0.5
    gain, bias = (np.array(m.tolist(), dtype=float)[:, 0] for m in (norm.gain, norm.bias))
    return [float(v) / scale * g + b for v, g, b in zip(centred, gain, bias, strict=True)]


def signs(network: Network, x: tuple[Fraction, ...]) -> list[bool]:
    """The bits of a network's first hidden layer behind its norm at x, in float64."""
    block = network.blocks[0]
    assert block.norm is not None
    inner, head = np.array(normed(block.norm, x)), block.layers[0]
    z = head.weight.float64() @ inner + head.bias.float64()[:, 0]
    assert np.abs(z).min() > 2.0**-40  # a witness in the open region, far from rounding
    return [
        bool(v > float(t))
        for v in z
        for t in (Fraction(int(b.p), int(b.q)) for b in head.activation.breakpoints)
    ]


def every_engine(network: Network, domain: Domain) -> list[Partition]:
    """The partitions by all engines that take the job; they must agree."""
    found = [
        partition(network, domain, engine=name)
        for name in engines.ALL
        if engines.takes(name, network, domain)
    ]
    # on spheres some engines list cells, others codes
    codes = [{region.code for region in each.regions} for each in found]
    assert found and all(each == codes[0] for each in codes)
    assert all(each.outcome is Outcome.COMPLETE for each in found)
    return found


NORMED = [
    (4, Sphere()),
    (5, Sphere()),
    (6, Sphere()),
    (4, GreatCircle([1, 0, 2, 0], [0, 1, 0, 1])),
    (5, GreatSphere([1, 0, 2, 0, 0], [0, 0, 0, 1, 1], [0, 1, 0, 0, 2])),
    (4, Segment([1, 0, 2, 0], [0, 3, -1, 1])),
]


@pytest.mark.parametrize(("dim", "domain"), NORMED)
def test_engines_behind_a_norm_of_ones_own(dim: int, domain: Domain) -> None:
    network = behind(dim, dim, eps=Fraction(1, 9) if isinstance(domain, Segment) else 0)
    for found in every_engine(network, domain):
        for region in found.regions:
            assert region.code.bits.tolist() == signs(network, region.witness)


@pytest.mark.parametrize("dim", [4, 5, 7])
def test_batches_behind_a_norm_of_ones_own(dim: int) -> None:
    network, generator = behind(dim, dim), np.random.default_rng(dim)
    u, v = generator.standard_normal((2, 12, dim))
    batch = partition_circles(network, u, v)
    for i in range(12):
        alone = partition(network, GreatCircle(u[i].tolist(), v[i].tolist()))
        assert batch[i].digest == alone.digest
        assert [region.code for region in batch[i].regions] == [
            region.code for region in alone.regions
        ]
    assert batch.decisions["settled circles"] == 0  # the filter knows this P too


def test_the_ball_of_a_norm_of_ones_own() -> None:
    network = behind(1, 4, eps=Fraction(1, 9))
    for found in every_engine_of_ball(network):
        for region in found.regions:
            assert region.code.bits.tolist() == signs(network, region.witness)
    flips = critical_radii.critical_radii(network, [1, 2, 0, 5]).flips
    bounds = critical_radii_float(network, [[1.0, 2.0, 0.0, 5.0]])
    largest = max((float(flip.radius_squared) ** 0.5 for flip in flips), default=0.0)
    assert bounds.lower[0] <= largest <= bounds.upper[0]
    assert eps_comparison.compare_eps(network, samples=5) is not None


def every_engine_of_ball(network: Network) -> list[Partition]:
    return [partition(network, NormBall(), engine=name) for name in ("vertices", "round_layers")]


def test_cells_are_counted_behind_a_norm_of_ones_own() -> None:
    network = behind(3, 5)
    count = counting.sphere_cell_count(network)
    assert count.cells == len(partition(network, Sphere()))


def test_the_image_of_a_norm_of_ones_own_is_exact_and_its_axes_are_refused() -> None:
    norm = behind(1, 5).blocks[0].norm
    assert norm is not None
    x = tuple(map(Fraction, (1, 5, -2, 4, 0)))
    assert [float(value) for value in norm_geometry.image(norm, x)] == pytest.approx(
        normed(norm, x), rel=1e-14
    )
    assert norm.forward_float(np.array([[float(v) for v in x]]))[0] == pytest.approx(
        normed(norm, x), rel=1e-14
    )
    for refused in (
        norm_geometry.ellipsoid,
        lambda n: norm_geometry.side_of(n, [0] * 5),
        lambda n: norm_geometry.is_image(n, [0] * 5),
    ):
        with pytest.raises(Unsupported, match="WithoutTwo"):
            refused(norm)


class Twice(WithoutTwo):
    def project(self, columns: RationalArray) -> RationalArray:
        return super().project(columns) * Rational(2)


class TooSmall(WithoutTwo):
    def sphere_basis(self) -> list[list[Rational]]:
        return super().sphere_basis()[:-1]


class Renamed(exact.LayerNorm):
    """LayerNorm under another name."""


class Halved(exact.LayerNorm):
    """A LayerNorm only by name: its P takes (1, -1, 0, ...) off too."""

    def project(self, columns: RationalArray) -> RationalArray:
        return WithoutTwo.project(self, columns)  # type: ignore[arg-type]

    @property
    def sphere_dim(self) -> int:
        return self.dim - 3

    def sphere_basis(self) -> list[list[Rational]]:
        return WithoutTwo.sphere_basis(self)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "message"), [(Twice, "no orthogonal projection"), (TooSmall, "no basis of the image")]
)
def test_what_is_no_projection_is_refused(kind: type[exact.Norm], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        kind.of(eps=0, dim=5)


def test_what_a_norm_does_counts_and_not_its_class() -> None:
    assert Renamed.of(dim=4).projector() == "mean"
    network = behind(2, 5)
    head, u, v = network.blocks[0].layers, [[1, 0, 2, 0, 1]], [[0, 1, 1, 3, 0]]
    halved = Network(
        (Block(head, Halved.of(eps=0, gain=network.norms[0].gain, bias=network.norms[0].bias)),)
    )
    assert partition_circles(halved, u, v)[0].digest == partition_circles(network, u, v)[0].digest
    with pytest.raises(Unsupported):
        norm_geometry.ellipsoid(halved.norms[0])


def on_its_sphere(domain: Domain, x: FloatArray) -> FloatArray:
    """The point that a witness stands for: on a sphere it is a direction."""
    square = getattr(domain, "radius_squared", None)
    return (
        x
        if square is None
        else x * (float(Fraction(int(square.p), int(square.q))) ** 0.5 / float(np.linalg.norm(x)))
    )


def has_its_proof(found: Partition, folder: Path, stored: str | None) -> None:
    """The certificate is verified, or refused by name; the partition is saved, or refused by
    name.
    """
    target = folder / f"{found.engine}.safetensors"
    if isinstance(found.domain, NormBall):
        with pytest.raises(Unsupported, match="no certificate"):
            found.certificate(folder / "refused.jsonl")
    else:
        path = found.certificate(folder / f"{found.engine}.jsonl")
        assert verify_file(path).status.value == "verified, complete"
    if stored is None:
        assert load(found.save(target)).digest == found.digest
    else:
        with pytest.raises(Unsupported, match=stored):
            found.save(target)


@pytest.mark.parametrize(("dim", "domain"), NORMED)
def test_certificates_behind_a_norm_of_ones_own(dim: int, domain: Domain, tmp_path: Path) -> None:
    network = behind(dim, dim, eps=Fraction(1, 9) if isinstance(domain, Segment) else 0)
    for found in every_engine(network, domain):
        has_its_proof(found, tmp_path, "WithoutTwo")


def test_the_ball_of_a_norm_of_ones_own_has_no_certificate(tmp_path: Path) -> None:
    for found in every_engine_of_ball(behind(1, 4, eps=Fraction(1, 9))):
        has_its_proof(found, tmp_path, "WithoutTwo")


class Living(exact.Norm):
    """Takes off the coordinates that its gain kills: P depends on the norm, not on its class."""

    def project(self, columns: RationalArray) -> RationalArray:
        rows, k = columns.nrows(), columns.ncols()
        kept = [g != 0 for g in self.gain.column()]
        return RationalArray(
            rows, k, [columns[i, j] * Rational(kept[i]) for i in range(rows) for j in range(k)]
        )

    @property
    def sphere_dim(self) -> int:
        return sum(g != 0 for g in self.gain.column()) - 1

    def sphere_basis(self) -> list[list[Rational]]:
        n = self.dim
        return [
            [Rational(int(i == j)) for j in range(n)]
            for i, g in enumerate(self.gain.column())
            if g != 0
        ]


def test_a_projection_that_depends_on_more_than_the_class() -> None:
    norms = [Living.of(eps="1/9", gain=gain) for gain in ([1, 0, 2, 1], [1, 1, 0, 3])]
    counts = list[int]()
    for seed in range(3, 7):
        heads = [layer(seed + k, 4, 4, exact.ReLU()) for k in range(2)]
        blocks = [Block((head,), norm) for head, norm in zip(heads, norms, strict=True)]
        network = Network((*blocks, Block((Layer.of([[1] * 4]),))))
        for found in every_engine(network, Segment([1, 40, 2, 0], [0, 3, -1, 50])):
            counts.append(len(found))
            for region in found.regions:
                assert network.code(region.witness) == region.code
    assert max(counts) > 2


STAIRS = [
    (2, Box(-2, 2, dim=2)),
    (2, Segment([-3, 1], [3, 2])),
    (2, Sphere(4)),
    (3, Sphere(3)),
    (4, Sphere(2)),
    (2, GreatCircle([1, 0], [0, 1], radius_squared=5)),
]


@pytest.mark.parametrize(("dim", "domain"), STAIRS)
def test_engines_with_an_activation_of_ones_own(dim: int, domain: Domain) -> None:
    network = stairs(dim, dim)
    for found in every_engine(network, domain):
        for region in found.regions:
            x = on_its_sphere(domain, np.array([float(v) for v in region.witness]))
            for head, bits in zip(network.layers[:2], np.split(region.code.bits, [6]), strict=True):
                z = head.weight.float64() @ x + head.bias.float64()[:, 0]
                assert bits.tolist() == [bool(v > t) for v in z for t in (0, 1)]
                x = head.activation.forward_float(z)


@pytest.mark.parametrize(("dim", "domain"), STAIRS)
def test_certificates_with_an_activation_of_ones_own(
    dim: int, domain: Domain, tmp_path: Path
) -> None:
    for found in every_engine(stairs(dim, dim), domain):
        has_its_proof(found, tmp_path, "Staircase")


def test_batches_counts_and_ties_with_an_activation_of_ones_own() -> None:
    network = behind(3, 5, activation=Staircase())
    u, v = np.random.default_rng(1).standard_normal((2, 8, 5))
    batch = partition_circles(network, u, v)
    assert [batch[i].digest for i in range(8)] == [
        partition(network, GreatCircle(list(a), list(b))).digest
        for a, b in zip(u.tolist(), v.tolist(), strict=True)
    ]
    assert counting.sphere_cell_count(network).cells == len(partition(network, Sphere()))
    square = Box(-2, 2, dim=2)
    flat = Network(
        (Block((layer(3, 4, 2, Staircase()), Layer.of([[1] * 4, [1, -1, 2, 0]], [0, 1]))),)
    )
    assert counting.region_count(flat, square) == len(partition(flat, square))
    assert decision.count_without_ties(partition(decision.tied(flat), square)) == len(
        partition(flat, square)
    )


def figures() -> list[Callable[[], Any]]:
    from viz.figures.circle import circle_figure
    from viz.figures.polytopes import polytopes_figure
    from viz.figures.profiles import profile_figure
    from viz.figures.sphere_adjacency import sphere_adjacency_figure

    return [
        lambda: circle_figure(partition(behind(4, 4), Sphere())),  # type: ignore[arg-type]
        lambda: sphere_adjacency_figure(partition(behind(5, 5), Sphere())),  # type: ignore[arg-type]
        lambda: polytopes_figure(partition(stairs(2, 2), Box(-2, 2, dim=2))),  # type: ignore[arg-type]
        lambda: profile_figure(partition(stairs(2, 2), Segment([-3, 1], [3, 2]))),  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize("number", range(4))
def test_figures_are_drawn(number: int) -> None:
    assert figures()[number]().axes


# ---- an activation without a bend that is not the identity


@dataclass(frozen=True)
class DoubledPlusOne(Activation):
    """`2 z + 1`."""

    @property
    def breakpoints(self) -> tuple[Rational, ...]:
        return ()

    @property
    def pieces(self) -> tuple[tuple[Rational, Rational], ...]:
        return ((Rational(2), Rational(1)),)

    def forward_float(self, z: FloatArray) -> FloatArray:
        return 2 * z + 1


def with_and_without(dim: int, norm: exact.Norm | None, seed: int) -> tuple[Network, Network]:
    """A network with affine activations in front, between and behind its hidden layers, and the
    same with them folded in.
    """
    rng, own, folded, inputs = np.random.default_rng(seed), list[Layer](), list[Layer](), dim
    for width, bends in ((3, False), (4, True), (2, False), (3, True), (2, False)):
        weight, bias = rng.integers(-3, 4, (width, inputs)), rng.integers(-3, 4, width)
        own.append(Layer.of(weight, bias, exact.ReLU() if bends else DoubledPlusOne()))
        folded.append(own[-1] if bends else Layer.of(2 * weight, 2 * bias + 1))
        inputs = width
    return Network((Block(tuple(own), norm),)), Network((Block(tuple(folded), norm),))


def straight(dim: int) -> Segment:
    return Segment([0] * dim, list(range(1, dim + 1)))


@pytest.mark.parametrize("engine", sorted(engines.ALL))
def test_an_affine_activation_is_part_of_its_layer(engine: str) -> None:
    tried = 0
    for seed in range(2):
        for dim in (2, 3, 4):
            everywhere, ball = exact.RealSpace(dim), exact.Ball([0] * dim, 2)
            plain: list[Domain] = [Box(-2, 2, dim=dim), everywhere, straight(dim), Sphere(1), ball]
            behind: list[Domain] = [Sphere(), straight(dim), NormBall()] if dim > 2 else []
            for domain in [*plain, *behind]:
                norm = (
                    exact.LayerNorm.of(0, dim=dim)
                    if any(domain is each for each in behind)
                    else None
                )
                own, folded = with_and_without(dim, norm, seed)
                if engines.BY_NAME[engine].cuts_maxima and norm is None:  # which cut graphs alone
                    own, folded = Graph.of(own), Graph.of(folded)
                if engines.takes(engine, folded, domain):
                    expected, found = (
                        partition(net, domain, engine=engine) for net in (folded, own)
                    )
                    assert (found.digest, found.outcome) == (expected.digest, Outcome.COMPLETE)
                    tried += 1
                    if norm is None and isinstance(domain, Box):
                        assert found.check().status.value == "verified, complete"
                        assert found.distinct_map_count == expected.distinct_map_count
    one_layer = {"vertices", "small_circles", "sphere_flats"}
    fewer_rows_than_dimensions = {"slice"}
    assert tried > 0 or engine in one_layer | fewer_rows_than_dimensions


def test_a_layer_with_bends_is_no_affine_map() -> None:
    with pytest.raises(InvalidInput, match="no affine map"):
        _ = Layer.of([[1]], [0], exact.ReLU()).as_affine


GREAT = [
    GreatSphere([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]),
    GreatCircle([1, 0, 0, 0], [0, 1, 0, 0]),
]
FRONT = [[1, -1, -2, 1], [1, 1, -2, 1], [0, 0, -2, 0], [-2, -2, 0, -2]]


@dataclass(frozen=True)
class Scaled(Activation):
    """`slope z + intercept`."""

    slope: int
    intercept: int

    @property
    def breakpoints(self) -> tuple[Rational, ...]:
        return ()

    @property
    def pieces(self) -> tuple[tuple[Rational, Rational], ...]:
        return ((Rational(self.slope), Rational(self.intercept)),)

    def forward_float(self, z: FloatArray) -> FloatArray:
        return self.slope * z + self.intercept


def in_front(front: Layer, residual: bool) -> Network:
    """A linear block, then a norm and a hidden layer."""
    inner = Layer.of([[0, 0, -1, -2], [-1, 0, -2, 2], [-1, -1, -2, -1]], [-2, -2, 0], exact.ReLU())
    behind = Block((inner, Layer.of([[1] * 3])), exact.RMSNorm.of(0, dim=4))
    return Network((Block((front,), None, residual), behind))


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("slope", [2, 3, -1])
@pytest.mark.parametrize("domain", GREAT)
def test_an_affine_activation_in_front_of_a_norm(
    domain: Domain, slope: int, residual: bool
) -> None:
    own = in_front(Layer.of(FRONT, None, Scaled(slope, 0)), residual)
    folded = in_front(Layer.of([[slope * x for x in row] for row in FRONT]), residual)
    tried = [engine for engine in sorted(engines.ALL) if engines.takes(engine, folded, domain)]
    assert tried
    for engine in tried:
        expected, found = (partition(net, domain, engine=engine) for net in (folded, own))
        assert found.digest == expected.digest
        assert found.check().status.value == "verified, complete"
        assert all(own.code(region.witness) == region.code for region in found.regions)


@pytest.mark.parametrize("domain", GREAT)
def test_an_intercept_in_front_of_a_norm_is_refused_as_a_bias_is(domain: Domain) -> None:
    with pytest.raises(Unsupported, match="a bias stands in front of the norm"):
        partition(in_front(Layer.of(FRONT, None, Scaled(1, 5)), residual=False), domain)


# ---- an activation that jumps


@dataclass(frozen=True)
class Jump(Activation):
    """0 up to 0, and `z + 1` beyond."""

    @property
    def breakpoints(self) -> tuple[Rational, ...]:
        return (Rational(0),)

    @property
    def pieces(self) -> tuple[tuple[Rational, Rational], ...]:
        return ((Rational(0), Rational(0)), (Rational(1), Rational(1)))

    def forward_float(self, z: FloatArray) -> FloatArray:
        return np.where(z > 0, z + 1, 0)


def jumping(dim: int, seed: int) -> Network:
    rng = np.random.default_rng(seed)

    def layer(width: int, inputs: int, activation: Activation | None) -> Layer:
        return Layer.of(
            rng.integers(-2, 3, (width, inputs)), rng.integers(-2, 3, width), activation
        )

    return Network((Block((layer(3, dim, Jump()), layer(3, 3, exact.ReLU()), layer(1, 3, None))),))


def test_hidden_layers_behind_a_jump_are_followed_along_curves_only() -> None:
    for domain in (Box(-2, 2, dim=3), exact.RealSpace(3), Sphere(1), exact.Ball([0, 0, 0], 2)):
        with pytest.raises(
            Unsupported, match=r"behind Jump.*, which jumps, so hinges break off at facets"
        ):
            partition(jumping(3, 0), domain)
    for seed in range(20):
        for engine in ("circle", "nested_roots"):
            found = partition(jumping(2, seed), Segment([-3, -2], [3, 4]), engine=engine)
            assert all(
                jumping(2, seed).code(region.witness) == region.code for region in found.regions
            )


def test_one_hidden_layer_may_jump() -> None:
    network = Network(
        (Block((Layer.of([[1, 2], [2, -1], [1, 1]], [0, 1, -1], Jump()), Layer.of([[1, 1, 1]]))),)
    )
    found = partition(network, Box(-2, 2, dim=2))
    assert found.digest == partition(network, Box(-2, 2, dim=2), engine="brute_force").digest


@dataclass(frozen=True)
class InFractions(Jump):
    @property
    def breakpoints(self) -> Any:
        return (Fraction(1, 2),)


def test_bends_that_are_no_rationals_are_refused() -> None:
    with pytest.raises(
        InvalidInput,
        match=r"breakpoints of the activation InFractions is no tuple of Rationals; "
        r"got \(Fraction\(1, 2\),\); .*exact.rational",
    ):
        Layer.of([[1]], [0], InFractions())


# ---- a norm and an activation that readers and files know: all about each is said beside its class


class TwoOff(nn.Module):
    """What `KnownNorm` does, in torch."""

    def __init__(self, n: int, eps: float) -> None:
        super().__init__()
        self.normalized_shape, self.eps = (n,), eps
        self.weight, self.bias = (nn.Parameter(torch.arange(a, a + n) / 4) for a in (1, -1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = torch.zeros_like(x)
        first[..., 0], first[..., 1] = 1, -1
        half = (x[..., :1] - x[..., 1:2]) / 2
        c = x - x.mean(dim=-1, keepdim=True) - half * first
        scale = (c.square().mean(dim=-1, keepdim=True) + self.eps).sqrt()
        return c / scale * self.weight + self.bias


class Ramp(nn.Module):
    """What `KnownStairs` does, in torch."""

    def __init__(self, top: float) -> None:
        super().__init__()
        self.top = top

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.minimum(x, torch.zeros_like(x)) + 3 * torch.relu(x - self.top)


@pytest.fixture
def known() -> Iterator[None]:
    """The two classes below, known as long as a test runs."""
    tables = (*(norms.KINDS, norms.NAMED, norms.TORCH), *(activations.KINDS, activations.NAMED))
    with ExitStack() as stack:
        for table in (*tables, activations.TORCH):
            stack.enter_context(patch.dict(table))  # type: ignore[call-overload]
        norms.known("two_off", TwoOff)(KnownNorm)
        activations.known(torch={Ramp: ["top"]}, named={"ramp": ["1/2"]})(KnownStairs)
        yield


class KnownNorm(WithoutTwo):
    """`WithoutTwo` under a name."""


@dataclass(frozen=True)
class KnownStairs(Activation):
    """z below 0, flat up to `top`, steep beyond."""

    top: Rational

    def __post_init__(self) -> None:
        object.__setattr__(self, "top", rational(self.top))

    @property
    def breakpoints(self) -> tuple[Rational, ...]:
        return Rational(0), self.top

    @property
    def pieces(self) -> tuple[tuple[Rational, Rational], ...]:
        zero = Rational(0)
        return (Rational(1), zero), (zero, zero), (Rational(3), -3 * self.top)

    def forward_float(self, z: FloatArray) -> FloatArray:
        return np.minimum(z, 0) + 3 * np.maximum(
            z - float(Fraction(int(self.top.p), int(self.top.q))), 0
        )


def known_networks() -> list[tuple[Network, Domain]]:
    """By arrays, and from a torch module whose norm stands behind a first layer."""
    rng = np.random.default_rng(7)
    w, b = integers(rng, (3, 5), 3), integers(rng, 3, 3)
    ramp = activations.NAMED["ramp"]
    block = tensors.block(w, b, [[1] * 3] * 5, None, norm="two_off", eps=0, activation=ramp)
    torch.manual_seed(1)
    modules = (nn.Linear(2, 3), Ramp(0.75), nn.Linear(3, 4), TwoOff(4, 0.5), nn.Linear(4, 2))
    module = nn.Sequential(*modules, Ramp(0.25), nn.Linear(2, 2)).double()
    return [(block, Sphere()), (torch_modules.read(module), Segment([-3, 1], [3, 2]))]


@pytest.mark.usefixtures("known")
def test_a_norm_and_an_activation_that_are_known_go_everywhere(tmp_path: Path) -> None:
    for network, domain in known_networks():
        assert [type(norm) for norm in network.norms] == [KnownNorm]
        assert {type(layer.activation) for layer in network.hidden_layers} == {KnownStairs}
        line, arrays = architecture(network)
        assert network_of(json.loads(json.dumps(line)), arrays.__getitem__) == network
        for found in every_engine(network, domain):
            has_its_proof(found, tmp_path, stored=None)
            assert all(network.code(r.witness) == r.code for r in found.regions)


class OtherTwo(WithoutTwo):
    """Takes (0, ..., 0, -1, 1) off in the place of (1, -1, 0, ..., 0)."""

    def project(self, columns: RationalArray) -> RationalArray:
        return turned(super().project(turned(columns)))

    def sphere_basis(self) -> list[list[Rational]]:
        return [vector[::-1] for vector in super().sphere_basis()]


def turned(columns: RationalArray) -> RationalArray:
    rows, k = columns.nrows(), columns.ncols()
    return RationalArray(rows, k, [columns[rows - 1 - i, j] for i in range(rows) for j in range(k)])


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("wrong", [exact.LayerNorm, OtherTwo])
def test_a_torch_norm_is_compared_by_what_it_does(wrong: type[exact.Norm]) -> None:
    """The bound of the comparison holds for any projection, and is no licence."""
    torch.manual_seed(2)
    module = nn.Sequential(TwoOff(4, 0.5), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)).double()
    network = torch_modules.read(module)
    x = torch.randn(20, 4, dtype=torch.float64) * 5
    np.testing.assert_allclose(
        network.forward_float(x.numpy()), module(x).detach().numpy(), rtol=1e-12, atol=1e-13
    )
    norms.TORCH[TwoOff] = wrong
    with pytest.raises(InvalidInput, match="the module computes something else"):
        torch_modules.read(module)


def test_what_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match="unknown norm; got 'two_off'; write one of layernorm"):
        tensors.block([[1]], [0], [[1]], [0], norm="two_off")
    with pytest.raises(Unsupported, match="unknown module; got 1: Ramp"):
        torch_modules.read(nn.Sequential(nn.Linear(2, 3), Ramp(1.0), nn.Linear(3, 1)))
