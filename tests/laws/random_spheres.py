"""Small networks on spheres as plain data: how the oracle of the spheres sees a `Spec`, and what
engines say in its terms.

The oracle knows ReLUs only, so every other activation is written as a sum of ReLUs: `|z| = relu(z)
+ relu(-z)`, and so on. The bits of the further ReLUs say nothing new, and are left out again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from random import Random
from typing import Any

from hypothesis import strategies as st

from exact import Network, Partition
from tests.laws.random_networks import PARAMETERS, Bits, LayerSpec, Rows, Spec, codes
from tests.truths import sphere_oracle, sphere_problems
from tests.truths.cases import layer_norm, rms_norm
from tests.truths.oracle import Row
from tests.truths.sphere_files import SphereTruth, vector

SQUARES = tuple(map(Fraction, ("1", "2", "3", "5", "9", "1/2", "3/4")))
"""Squared radii: on those up to 9, planes with small integers touch the sphere as a rule."""


@dataclass(frozen=True)
class Opinion:
    """The codes, and on a two-sphere the pairs of codes that share an arc and everything that is
    counted.
    """

    codes: set[Bits]
    pairs: set[frozenset[Bits]] | None = None
    counts: dict[str, int] | None = None


@dataclass(frozen=True)
class SphereSpec:
    """A network and the sphere it is cut on: behind the network's norm, or with a radius; `span`
    for a great sphere.
    """

    spec: Spec
    radius_squared: Fraction | None = None
    span: Rows | None = None

    @cached_property
    def network(self) -> Network:
        return self.spec.network

    @property
    def domain(self) -> Any:
        return sphere_problems.domain(self.truth)

    @cached_property
    def truth(self) -> SphereTruth:
        """The same network in ReLUs, without counts."""
        norm = self.spec.norm or {}
        gain, bias = (vector(norm[key]) if key in norm else None for key in ("gain", "bias"))  # type: ignore[arg-type]
        layers = tuple(in_relus(self.spec))
        return SphereTruth(
            "",
            "",
            self.spec.input_dim,
            layers,
            {},
            norm.get("name"),
            gain,
            bias,  # type: ignore[arg-type]
            radius_squared=self.radius_squared,
            span=self.span,
        )

    @cached_property
    def opinion(self) -> Opinion:
        """What the oracle says."""
        if self.truth.sphere_dim != 2:
            return Opinion(set(map(self.own_bits, sphere_oracle.codes(self.truth))))
        seen = sphere_oracle.seen(self.truth)
        pairs = {frozenset(map(self.own_bits, pair)) for pair in seen.pairs}
        return Opinion(set(map(self.own_bits, seen.codes)), pairs, seen.counts)

    def own_bits(self, code: Bits) -> Bits:
        """The bits of the network's own hinges among those of its ReLUs."""
        kept = [
            k
            for layer in self.spec.layers
            for _ in range(layer.width)
            for k in KEPT[layer.activation]
        ]
        return tuple(bit for bit, keep in zip(code, kept, strict=True) if keep)

    def code_at(self, x: Sequence[Fraction]) -> Bits:
        """The exact code in a direction."""
        return self.own_bits(sphere_oracle.code_at(self.truth, x))


KEPT = {
    "relu": (True,),
    "leaky_relu": (True, False),
    "absolute_value": (True, False),
    "hard_tanh": (True, True),
    "identity": (),
}
"""Which of the ReLUs of a neuron are hinges."""


def relus(activation: str) -> list[tuple[Fraction, Fraction, Fraction]]:
    """(sign, shift, factor): the activation is a constant plus the sum of factor relu(sign z +
    shift).
    """
    one, nothing = Fraction(1), Fraction(0)
    if activation == "hard_tanh":
        lo, hi = (PARAMETERS[activation][end] for end in ("lo", "hi"))
        return [(one, -lo, one), (one, -hi, -one)]
    second = {"leaky_relu": -PARAMETERS["leaky_relu"]["slope"], "absolute_value": one}
    return [(one, nothing, one)] + (
        [(-one, nothing, second[activation])] if activation in second else []
    )


def in_relus(spec: Spec) -> Iterator[tuple[Row, ...]]:
    """The hidden layers as rows of ReLUs; linear layers are multiplied out."""
    n = spec.input_dim
    # the layer's inputs, over those of the last
    forms = [tuple(Fraction(int(i == j)) for j in range(n + 1)) for i in range(n)]
    for layer in spec.layers:
        values = list(rows_through(layer, forms))
        if layer.activation == "identity":
            forms = values
            continue
        yield tuple(
            (*(sign * a for a in row[:-1]), sign * row[-1] + shift)
            for row in values
            for sign, shift, _ in relus(layer.activation)
        )
        forms = list(outputs(layer))


def rows_through(layer: LayerSpec, forms: Sequence[Row]) -> Iterator[Row]:
    for weights, bias in zip(layer.weight, layer.bias, strict=True):
        columns = zip(*forms, strict=True)
        *slopes, constant = (
            sum((w * x for w, x in zip(weights, column, strict=True)), Fraction(0))
            for column in columns
        )
        yield (*slopes, constant + bias)


def outputs(layer: LayerSpec) -> Iterator[Row]:
    """A layer's outputs over its ReLUs."""
    parts = relus(layer.activation)
    constant = PARAMETERS["hard_tanh"]["lo"] if layer.activation == "hard_tanh" else Fraction(0)
    for j in range(layer.width):
        row = [Fraction(0)] * (layer.width * len(parts))
        row[j * len(parts) : (j + 1) * len(parts)] = [factor for _, _, factor in parts]
        yield (*row, constant)


# --- what engines say
# -------------------------------------------------------------------------------------------------


def code_pairs(found: Partition) -> set[frozenset[Bits]]:
    """The pairs of codes on both sides of a facet."""
    bits = codes(found)
    return {frozenset({bits[a], bits[b]}) for a, b in found.neighbours().tolist()}


def faults(job: SphereSpec, found: Partition) -> Iterator[str]:
    """What is wrong with a partition by itself, or in the eyes of the oracle."""
    bits, opinion = codes(found), job.opinion
    if set(bits) != opinion.codes:
        yield f"{len(set(bits))} codes, the oracle has {len(opinion.codes)}"
    if opinion.pairs is not None and code_pairs(found) != opinion.pairs:
        yield "the pairs of codes that share an arc are not those of the oracle"
    counts = sphere_problems.counted(found, job.truth)
    if opinion.counts is not None and counts != {name: opinion.counts[name] for name in counts}:
        yield f"counts {counts}, the oracle has {opinion.counts}"
    for region, code in zip(found.regions, bits, strict=True):
        if job.code_at(region.witness) != code or found.locate(region.witness) != region.index:
            yield f"the witness of region {region.index} is not in it"
    if any(found.hinges_between(a, b) == () for a, b in found.neighbours().tolist()):
        yield "two neighbours have one code"


# --- random spheres
# --------------------------------------------------------------------------------------------------


def random_sphere(random: Random, spec: Spec, sphere_dim: int) -> SphereSpec:
    """A sphere for a network of input dimension `sphere_dim` + 1 (+ 2 behind LayerNorm), which gets
    the norm.
    """
    n = spec.input_dim
    if n == sphere_dim + 2:
        return SphereSpec(replace(spec, norm=random_norm(random, "layer_norm", n)))
    if random.random() < 0.4:
        return SphereSpec(replace(spec, norm=random_norm(random, "rms_norm", n)))
    return SphereSpec(spec, random.choice(SQUARES))


def random_norm(random: Random, name: str, dim: int) -> dict[str, object]:
    make = {"layer_norm": layer_norm, "rms_norm": rms_norm}[name]
    if random.random() < 0.5:
        return make(dim)
    gain = [random.choice([1, 2, -1, Fraction(1, 2), 0]) for _ in range(dim)]
    return make(dim, gain, [random.randint(-1, 1) for _ in range(dim)])


@st.composite
def spheres(draw: st.DrawFn, spec: st.SearchStrategy[Spec], sphere_dim: int = 2) -> SphereSpec:
    """Networks on spheres; small random choices from a seed, so that they shrink with the
    network.
    """
    return random_sphere(Random(draw(st.integers(0, 99))), draw(spec), sphere_dim)
