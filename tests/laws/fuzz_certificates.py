"""Certificates of every partition: every engine on every kind of domain, its witnesses, straddling
pairs and certificates.

A seed is a network and a domain of any kind: polyhedra, planes, lines, balls, circles and spheres
of dimension 0 to 4, with and without norms, small integers or random floats. What an engine says is
verified by `tests.laws.claims`; engines that disagree are noticed too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from random import Random

from exact import Ball, GreatCircle, Line, NormBall, Ray, Segment
from exact.geometry.domains.base import Domain
from tests.laws import claims, fuzz, fuzz_spheres
from tests.laws.claims import Claim
from tests.laws.random_networks import LayerSpec, Spec
from tests.laws.random_spheres import SQUARES, SphereSpec, random_norm, random_sphere
from tests.truths.cases import Case
from tests.truths.reading import Json

MOST_HINGES = {1: 9, 2: 7, 3: 6, 4: 5}
"""Hinges by the dimension of the domain."""
EPS = ("0", "0", "1/100000", "1", repr(1e-5))
BIASES = (0.3, 1.0, 3.0)


def as_floats(random: Random, spec: Spec) -> Spec:
    """The same shapes with normal weights, and biases that may be three times as large: hinges then
    miss unit spheres.
    """
    scale = random.choice(BIASES)

    def normal(size: int, scale: float) -> tuple[Fraction, ...]:
        return tuple(Fraction(random.gauss(0, scale)) for _ in range(size))

    def drawn(layer: LayerSpec) -> LayerSpec:
        return replace(
            layer,
            weight=tuple(normal(len(row), 1) for row in layer.weight),
            bias=normal(layer.width, scale),
        )

    return replace(spec, layers=tuple(map(drawn, spec.layers)))


def drawn(random: Random, spec: Spec) -> Spec:
    """Integers, or floats every third time."""
    return spec if random.random() < 2 / 3 else as_floats(random, spec)


def network(random: Random, dim: int, most: int) -> Spec:
    return drawn(random, fuzz_spheres.network(random, dim, most))


def with_eps(random: Random, norm: Case) -> Case:
    return norm | {"eps": str(Fraction(random.choice(EPS)))}


def flat(random: Random) -> Claim:
    """What the fuzzer of flat domains draws, with fewer hinges."""
    dim = random.choice([1, 2, 2, 3])
    kinds: list[fuzz.RandomDomain] = [fuzz.box, fuzz.polyhedron, fuzz.real_space, fuzz.straight]
    kinds += [fuzz.plane] if dim == 3 else []
    return Claim(
        drawn(random, fuzz.network(random, dim, MOST_HINGES[dim])).data,
        random.choice(kinds)(random, dim),
    )


def ball(random: Random) -> Claim:
    dim = random.choice([2, 2, 3])
    spec, square = network(random, dim, 5), random.choice(SQUARES)
    return Claim(spec.data, Ball(fuzz.integers(random, dim), square))


def norm_ball(random: Random) -> Claim:
    dim = random.choice([3, 4])
    norm = random_norm(
        random, random.choice(["layer_norm", "rms_norm"] if dim == 4 else ["layer_norm"]), dim
    )
    spec = network(random, dim, 4)
    return Claim(
        replace(spec, norm=norm | {"eps": random.choice(["1/100000", "1"])}).data, NormBall()
    )


def of_sphere(one: SphereSpec) -> Claim:
    return Claim(one.spec.data, one.domain)


def sphere(random: Random) -> Claim:
    """Spheres of dimension two to four, great spheres among them."""
    one = fuzz_spheres.job(random.randrange(10**9))
    if random.random() < 0.25:
        one = random_sphere(
            random, fuzz_spheres.network(random, 4 + random.choice([1, 2]), MOST_HINGES[4]), 4
        )
    return of_sphere(replace(one, spec=drawn(random, one.spec)))


def circle(random: Random) -> Claim:
    """Circles and spheres of dimension 0 and 1, behind a norm or of a radius."""
    if random.random() < 0.5:
        spec = network(random, random.choice([2, 2, 3]), MOST_HINGES[1])
        return of_sphere(
            random_sphere(random, spec, 1 if spec.input_dim == 2 else random.choice([1, 2]))
        )
    dim = random.choice([3, 4])
    spec, norm = (
        network(random, dim, MOST_HINGES[1]),
        random.choice([None, "layer_norm", "rms_norm"]),
    )
    ends = span(random, dim, sum_zero=norm == "layer_norm")
    if norm is None:
        return Claim(spec.data, GreatCircle(*ends, radius_squared=random.choice(SQUARES)))
    return Claim(
        replace(spec, norm=with_eps(random, random_norm(random, norm, dim))).data,
        GreatCircle(*ends),
    )


def span(random: Random, dim: int, sum_zero: bool) -> tuple[Sequence[Fraction], Sequence[Fraction]]:
    """Two vectors that stay independent when their means are removed."""
    while True:
        u, v = fuzz.integers(random, dim), fuzz.integers(random, dim)
        a, b = ([x - sum(w) / dim for x in w] if sum_zero else list(w) for w in (u, v))
        if any(a[i] * b[j] != a[j] * b[i] for i in range(dim) for j in range(i)):
            return u, v


def line(random: Random) -> Domain:
    """Straight lines, off the points where a norm without eps is undefined or through them."""
    start, along = fuzz.integers(random, 3), fuzz.nonzero(random, 3)
    kind = random.choice([Line, Ray, Segment])
    return kind(
        start, tuple(a + b for a, b in zip(start, along, strict=True)) if kind is Segment else along
    )


def normed_line(random: Random) -> Claim:
    """Lines through a network with a norm of any eps."""
    spec, name = network(random, 3, MOST_HINGES[1]), random.choice(["layer_norm", "rms_norm"])
    norm = with_eps(random, random_norm(random, name, 3))
    if norm["eps"] == "0":
        norm |= {"eps": "1/100000"}
    return Claim(replace(spec, norm=norm).data, line(random))


def two_norms(random: Random) -> Claim:
    """A second norm behind a first block, on a line or on a circle of directions."""
    first, second = (network(random, 3, 4) for _ in range(2))
    first = Spec(
        (*first.layers[:-1], fuzz.layer(random, len(first.layers[-2].bias), 3, "identity"))
    )
    blocks: list[Json] = [spec.data["blocks"][0] for spec in (first, second)]
    for block in blocks:
        block["norm"] = random_norm(random, random.choice(["layer_norm", "rms_norm"]), 3) | {
            "eps": "1/100000"
        }
    if random.random() < 0.3:  # neurons of which the second norm leaves nothing
        blocks[1]["layers"][0]["weight"] = [
            ["1", "1", "1"] for _ in blocks[1]["layers"][0]["weight"]
        ]
    domain = line(random) if random.random() < 0.5 else GreatCircle(*span(random, 3, sum_zero=True))
    return Claim({"blocks": blocks}, domain)


KINDS: tuple[tuple[Callable[[Random], Claim], int], ...] = (
    (flat, 6),
    (ball, 1),
    (norm_ball, 1),
    (sphere, 6),
    (circle, 3),
    (normed_line, 2),
    (two_norms, 1),
)
"""What makes a claim, and how often among all."""


def job(seed: int) -> Claim:
    """The network and the domain of a seed."""
    random = Random(seed)
    return random.choices([make for make, _ in KINDS], [share for _, share in KINDS])[0](random)


def verdict(seed: int) -> tuple[int, list[str]]:
    """What is wrong with the claims about one seed; an exception is one too."""
    try:
        return seed, list(claims.verdict(job(seed)))
    except Exception as error:
        return seed, [f"{type(error).__name__}: {error}"]
