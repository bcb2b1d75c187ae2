"""Random small networks on spheres, rich in tangencies: every engine must say what the oracle of
the spheres says.

`python -m tests.laws.fuzz --only spheres --count 1000` runs seeds of this kind. Weights, biases and
spans are integers in -2..2 and squared radii small, so that planes which touch the sphere or each
other's circles, circles through common points, zero rows, duplicates and layers that vanish on open
sets are the rule. A seed is one network and one sphere: behind LayerNorm or RMSNorm (perhaps with
gain and bias), of a radius, or a great sphere of R^4 or R^5; of dimension two, sometimes three.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from exact import Outcome, Partition, partition
from exact.arithmetic.linear_algebra import rank
from exact.arithmetic.numbers import rational
from tests.laws import fuzz
from tests.laws.random_networks import HINGES, Bits, Spec
from tests.laws.random_spheres import (
    SQUARES,
    SphereSpec,
    code_pairs,
    faults,
    random_norm,
    random_sphere,
)
from tests.truths import engines

MOST_HINGES = {2: 7, 3: 5}
"""Hinges by the dimension of the sphere: what the slowest engine and the oracle do within a few
tenths of a second.
"""


def network(random: Random, dim: int, most: int) -> Spec:
    """A network with at least one hinge."""
    specs = iter(lambda: fuzz.network(random, dim, most), None)
    return next(spec for spec in specs if any(HINGES[layer.activation] for layer in spec.layers))


def job(seed: int) -> SphereSpec:
    """The network and the sphere of a seed."""
    random = Random(seed)
    sphere_dim = random.choice([2, 2, 2, 3])
    great = sphere_dim == 2 and random.random() < 0.25
    dim = random.choice([4, 5]) if great else sphere_dim + random.choice([1, 2])
    spec = network(random, dim, MOST_HINGES[sphere_dim])
    return great_sphere(random, spec) if great else random_sphere(random, spec, sphere_dim)


def great_sphere(random: Random, spec: Spec) -> SphereSpec:
    """A great sphere through three small integer vectors, without norm or behind one that keeps
    them independent.
    """
    n, name = spec.input_dim, random.choice([None, "layer_norm", "rms_norm"])
    while True:
        span = tuple(fuzz.integers(random, n) for _ in range(3))
        ones = [[rational(1, "one")] * n] if name == "layer_norm" else []
        if rank([[rational(x, "span") for x in row] for row in span] + ones) == 3 + len(ones):
            break
    if name is None:
        return SphereSpec(spec, random.choice(SQUARES), span)
    return SphereSpec(replace(spec, norm=random_norm(random, name, n)), None, span)


def disagreements(one: SphereSpec) -> Iterator[str]:
    """What any engine says that the oracle does not, that is not true of its witnesses, or that
    another does not say.
    """
    pairs: dict[str, set[frozenset[Bits]]] = {}
    network_, domain = one.network, one.domain
    for engine in engines.ON_SPHERES:
        if engines.takes(engine, network_, domain):
            try:
                found = partition(network_, domain, engine=engine)
                yield from (f"{engine}: {wrong}" for wrong in wrongs(one, found))
                pairs[engine] = code_pairs(found)
            except Exception as error:
                yield f"{engine}: {type(error).__name__}: {error}"
    if any(found != next(iter(pairs.values())) for found in pairs.values()):
        yield f"the engines {', '.join(pairs)} differ in the pairs of codes that share a facet"


def wrongs(one: SphereSpec, found: Partition) -> Iterator[str]:
    if found.outcome is not Outcome.COMPLETE:
        yield f"the outcome is {found.outcome.value}"
    yield from faults(one, found)


def verdict(seed: int) -> tuple[int, list[str]]:
    """The disagreements of one seed; an exception is one too."""
    try:
        return seed, list(disagreements(job(seed)))
    except Exception as error:
        return seed, [f"{type(error).__name__}: {error}"]
