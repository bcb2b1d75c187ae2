"""Twenty thousand random small networks, rich in degeneracies, of several kinds; every engine is
asked, and must be right.

`python -m tests.laws.fuzz --count 20000` runs the seeds 0, 1, ... of every kind, as many as its
share of the count in `SHARES`, and prints those with a fault; `--only flat --first S --count 1`
runs seed S of one kind again and shows its network.

The kind `flat` is the one of this module: every engine must say what brute force says. Weights,
biases and domains are integers in -2..2, so that zero rows, duplicates, opposite and parallel
planes, planes through a vertex and layers that vanish on open sets are the rule. A seed is one
network and one domain: a box, all of R^d, a polyhedron (which may be unbounded, flat or empty), a
plane in R^3, or a straight line.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from importlib import import_module
from random import Random
from types import ModuleType

import numpy as np

from exact import (
    Box,
    Hinge,
    HPolytope,
    Line,
    Outcome,
    Partition,
    Plane,
    Ray,
    RealSpace,
    Segment,
    partition,
)
from exact.geometry.domains.base import Domain
from tests.laws.random_networks import HINGES, Bits, LayerSpec, Spec, codes, edges
from tests.truths import engines

SHARES = {
    "flat": 36,
    "spheres": 8,
    "certificates": 20,
    "tangent": 8,
    "ulp": 8,
    "scaling": 8,
    "headers": 8,
    "ambient": 4,
}
"""Percent of the count by kind. A kind is a module `fuzz_NAME` here (flat: this one) with
`job(seed)`, what a seed shows, and `verdict(seed)`, the seed with its faults: one more is one more
line, and the others' shares less by as much."""
REFERENCE = "brute_force"
MOST_HINGES = {1: 15, 2: 13, 3: 10}
"""Hinges by the dimension of the domain: what brute force does within a few tenths of a second."""
Integers = tuple[Fraction, ...]
Adjacent = Counter[tuple[frozenset[Bits], frozenset[Hinge]]]
RandomDomain = Callable[[Random, int], Domain]


def integers(random: Random, count: int) -> Integers:
    return tuple(Fraction(random.randint(-2, 2)) for _ in range(count))


def nonzero(random: Random, count: int) -> Integers:
    return next(row for row in iter(lambda: integers(random, count), ()) if any(row))


def layer(random: Random, columns: int, width: int, activation: str) -> LayerSpec:
    return LayerSpec(
        tuple(integers(random, columns) for _ in range(width)), integers(random, width), activation
    )


def network(random: Random, dim: int, most: int) -> Spec:
    """One to three hidden layers of one to five neurons, at most `most` hinges in all, and a
    readout.
    """
    found, width = list[LayerSpec](), dim
    for _ in range(random.randint(1, 3)):
        activation = random.choice(["relu", "relu", *HINGES])
        left = most - sum(each.hinges for each in found)
        size = min(random.randint(1, 5), left // max(HINGES[activation], 1))
        if size > 0:
            found.append(layer(random, width, size, activation))
            width = size
    return Spec((*found, layer(random, width, random.randint(1, 2), "identity")))


def box(random: Random, dim: int) -> Domain:
    lo = [Fraction(random.randint(-2, 1)) for _ in range(dim)]
    return Box(lo, [x + Fraction(random.randint(1, 6), 2) for x in lo])


def polyhedron(random: Random, dim: int) -> Domain:
    return HPolytope([integers(random, dim + 1) for _ in range(random.randint(1, 5))])


def plane(random: Random, dim: int) -> Domain:
    origin = integers(random, dim)
    while True:
        u, v = integers(random, dim), integers(random, dim)
        if any(u[i] * v[j] != u[j] * v[i] for i in range(dim) for j in range(i)):
            break
    bounds = random.choice([{}, {"s": (-1, 1), "t": (0, Fraction(3, 2))}])
    return Plane(
        origin, *(tuple(a + b for a, b in zip(origin, w, strict=True)) for w in (u, v)), **bounds
    )


def straight(random: Random, dim: int) -> Domain:
    point, direction = integers(random, dim), nonzero(random, dim)
    kind = random.choice([Line, Ray, Segment])
    end = (
        tuple(a + b for a, b in zip(point, direction, strict=True))
        if kind is Segment
        else direction
    )
    return kind(point, end)


def real_space(random: Random, dim: int) -> Domain:
    return RealSpace(dim)


def job(seed: int) -> tuple[Spec, Domain]:
    """The network and the domain of a seed."""
    random = Random(seed)
    dim = random.choice([1, 2, 2, 3, 3])
    kinds: dict[RandomDomain, int] = {box: dim, polyhedron: dim, real_space: dim, straight: 1}
    kinds |= {plane: 2} if dim == 3 else {}
    kind = random.choice(list(kinds))
    return network(random, dim, MOST_HINGES[kinds[kind]]), kind(random, dim)


def disagreements(spec: Spec, domain: Domain) -> Iterator[str]:
    """What any engine says that differs from brute force, or that is not true of its own
    witnesses.
    """
    exact_network = spec.network
    reference = partition(exact_network, domain, engine=REFERENCE)
    adjacent = edges(reference)
    yield from (f"{REFERENCE}: {fault}" for fault in faults(spec, reference))
    for engine in engines.ALL:
        if engine == REFERENCE or not engines.takes(engine, exact_network, domain):
            continue
        wrong = fault(spec, domain, engine, reference, adjacent)
        if wrong is not None:
            yield f"{engine}: {wrong}"


def fault(
    spec: Spec, domain: Domain, engine: str, reference: Partition, adjacent: Adjacent
) -> str | None:
    """The first thing that is wrong with an engine's partition; an exception is one."""
    try:
        found = partition(spec.network, domain, engine=engine)
        return next(faults(spec, found), None) or difference(found, reference, adjacent)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def difference(found: Partition, reference: Partition, adjacent: Adjacent) -> str | None:
    """The first way in which a partition is not the reference, whose facets are `adjacent`."""
    if Counter(codes(found)) != Counter(codes(reference)):
        return f"{len(found)} codes, {REFERENCE} has {len(reference)}"
    if (facets := edges(found)) != adjacent:
        return f"{sum(facets.values())} facets, {REFERENCE} has {sum(adjacent.values())}"
    if found.engine in engines.ONE_LAYER and not np.array_equal(found.codes, reference.codes):
        return "the codes are not in canonical order"
    return None if found.digest == reference.digest else "the digest differs"


def faults(spec: Spec, found: Partition) -> Iterator[str]:
    """Checks a partition by itself: complete, and every witness has its code and lies in its
    region.
    """
    if found.outcome is not Outcome.COMPLETE:
        yield f"the outcome is {found.outcome.value}"
    for region, code in zip(found.regions, codes(found), strict=True):
        if spec.code(region.witness) != code or found.locate(region.witness) != region.index:
            yield f"the witness of region {region.index} is not in it"


def verdict(seed: int) -> tuple[int, list[str]]:
    """The disagreements of one seed; an exception is one too."""
    try:
        return seed, list(disagreements(*job(seed)))
    except Exception as error:
        return seed, [f"{type(error).__name__}: {error}"]


Verdict = Callable[[int], tuple[int, list[str]]]


def report(judge: Verdict, first: int, count: int, workers: int) -> int:
    """Run the seeds, print the failures as they come, and return their number."""
    started, failed = time.monotonic(), 0
    with ProcessPoolExecutor(workers) as pool:
        for done, (seed, found) in enumerate(
            pool.map(judge, range(first, first + count), chunksize=10), start=1
        ):
            failed += bool(found)
            for line in found:
                print(f"seed {seed}: {line}", flush=True)
            if done % 500 == 0 or done == count:
                print(
                    f"{done:,} networks, {failed} with faults, {time.monotonic() - started:.0f} s",
                    flush=True,
                )
    return failed


def kind(name: str) -> ModuleType:
    """The module of a kind."""
    return import_module("tests.laws.fuzz" if name == "flat" else f"tests.laws.fuzz_{name}")


def counts(count: int) -> dict[str, int]:
    """How many networks of every kind make up a count, one of each at least."""
    return {name: max(1, count * share // sum(SHARES.values())) for name, share in SHARES.items()}


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Ask every engine about random small networks, and verify what it says."
    )
    parser.add_argument("--first", type=int, default=0, help="the first seed of every kind")
    parser.add_argument(
        "--count", type=int, default=20_000, help="how many networks, of all kinds or of one"
    )
    parser.add_argument(
        "--only", choices=sorted(SHARES), help="one kind; all by their shares if left out"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes")
    options, failed = parser.parse_args(), 0
    wanted = {options.only: options.count} if options.only else counts(options.count)
    for name, count in wanted.items():
        module = kind(name)
        if options.only and count == 1:
            print(module.job(options.first))
        print(f"{name}: {count:,} networks")
        failed += report(module.verdict, options.first, count, options.workers)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
