"""Random jobs in a process where something global is set: what is said must be what is said in a
plain process.

A seed is a small random network, perhaps with subnormal weights, a domain, an engine that takes it,
and one to three states of `ambient.STATES`. Networks and domains are made inside the states, the
networks from fractions, float64 arrays or tensors. `python -m tests.laws.fuzz_ambient --first S
--count N` runs seeds; the fuzzer of the project runs `verdict` too.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from typing import Any

from exact import (
    GreatCircle,
    GreatSphere,
    Layer,
    LayerNorm,
    Network,
    NormBall,
    RMSNorm,
    Sphere,
    partition,
    partition_circles,
)
from exact.geometry.domains.base import Domain
from exact.regions.engine import Problem
from tests.laws import ambient, fuzz, fuzz_spheres
from tests.laws.ambient_jobs import TINY, float_array
from tests.laws.random_networks import LayerSpec, Spec
from tests.truths import engines

SILENT = frozenset(ambient.SYMBOLIC)
MOST_HINGES = 7


@dataclass(frozen=True)
class Job:
    """One partition, or a batch of circles, in some states; `scales` multiply the layers, read from
    what `stored` says.
    """

    spec: Spec
    scales: tuple[Fraction, ...]
    norm: tuple[str, int] | None
    domain: Any
    engine: str
    states: tuple[str, ...]
    stored: str = "fractions"

    def network(self) -> Network:
        layers = tuple(
            _times(layer, scale) for layer, scale in zip(self.spec.layers, self.scales, strict=True)
        )
        made = Spec(layers).network
        if self.stored != "fractions":
            made = _read_from_floats(made, layers, self.stored)
        if self.norm is None:
            return made
        kind = LayerNorm if self.norm[0] == "layer" else RMSNorm
        (block,) = made.blocks
        gain = [Fraction(k + 1, 2) for k in range(made.input_dim)]
        return Network((replace(block, norm=kind.of(eps=Fraction(self.norm[1], 9), gain=gain)),))

    def run(self) -> str:
        """Everything that the partition says; an error is an answer too."""
        try:
            if self.engine == "batch":
                u, v = self.domain
                square = None if self.norm is not None else 2
                batch = partition_circles(self.network(), u, v, radius_squared=square)
                return ambient.told(
                    [batch, [batch.codes(i) for i in range(len(u))], [x.digest for x in batch]],
                    silent=SILENT,
                )
            return ambient.told(
                partition(self.network(), self.domain, engine=self.engine), silent=SILENT
            )
        except Exception as error:
            return f"{type(error).__name__}: {error}"


def _read_from_floats(made: Network, layers: tuple[LayerSpec, ...], kind: str) -> Network:
    """The same network, its weights read from floats where they are floats."""
    (block,) = made.blocks
    try:
        read = [
            Layer.of(float_array(spec.weight, kind), float_array(spec.bias, kind), layer.activation)
            for spec, layer in zip(layers, block.layers, strict=True)
        ]
    except ValueError:
        return made
    return Network((replace(block, layers=tuple(read)),))


def _times(layer: LayerSpec, scale: Fraction) -> LayerSpec:
    rows = tuple(tuple(x * scale for x in row) for row in layer.weight)
    return replace(layer, weight=rows, bias=tuple(x * scale for x in layer.bias))


def job(seed: int) -> Job:
    """The job of a seed."""
    random = Random(seed)
    states = tuple(random.sample(sorted(ambient.STATES), random.choice([1, 1, 2, 3])))
    kind = random.choice(["flat", "flat", "curve", "sphere", "ball", "batch"])
    spec, norm, domain = {
        "flat": _flat,
        "curve": _curve,
        "sphere": _sphere,
        "ball": _ball,
        "batch": _batch,
    }[kind](random)
    scales = tuple(random.choice([Fraction(1), Fraction(1), TINY]) for _ in spec.layers)
    made = Job(
        spec,
        scales,
        norm,
        domain,
        "batch",
        states,
        random.choice(["fractions", "float64", "tensor"]),
    )
    return made if kind == "batch" else replace(made, engine=_engine(random, made))


def _engine(random: Random, made: Job) -> str:
    read = Problem.of(made.network(), made.domain)
    able = [name for name in engines.ALL if engines.takes(name, read.network, read.domain)]
    return random.choice(able)


def _flat(random: Random) -> tuple[Spec, None, Domain]:
    dim = random.choice([1, 2, 2, 3])
    return (
        fuzz.network(random, dim, MOST_HINGES),
        None,
        random.choice([fuzz.box, fuzz.polyhedron, fuzz.straight])(random, dim),
    )


def _curve(random: Random) -> tuple[Spec, tuple[str, int] | None, Domain]:
    dim = random.choice([3, 4])
    u, v = (
        [1, *(random.randint(-2, 2) for _ in range(dim - 1))],
        [0, 1, *(random.randint(-2, 2) for _ in range(dim - 2))],
    )
    # no combination of them has equal entries, so that LayerNorm keeps them apart
    u[-1], v[-1] = (3, -4)
    norm = random.choice([None, ("layer", 0), ("rms", 0)])
    return (
        fuzz_spheres.network(random, dim, MOST_HINGES),
        norm,
        GreatCircle(u, v, None if norm else 2),
    )


def _sphere(random: Random) -> tuple[Spec, tuple[str, int] | None, Domain]:
    norm = random.choice([None, ("layer", 0), ("rms", 0)])
    dim = 4 if norm == ("layer", 0) else 3
    spec = fuzz_spheres.network(random, dim, 5)
    if norm is None and random.random() < 0.5:
        return (
            fuzz_spheres.network(random, 4, 5),
            None,
            GreatSphere([1, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, -1], 2),
        )
    return spec, norm, Sphere(None if norm else random.choice([1, 2, 3]))


def _ball(random: Random) -> tuple[Spec, tuple[str, int], Domain]:
    return fuzz_spheres.network(random, 2, 5), ("rms", random.randint(1, 9)), NormBall()


def _batch(random: Random) -> tuple[Spec, tuple[str, int] | None, Any]:
    dim, norm = random.choice([3, 4]), random.choice([None, ("layer", 0), ("rms", 0)])
    hidden = fuzz.layer(random, dim, random.randint(1, 5), random.choice(["relu", "hard_tanh"]))
    spec = Spec((hidden, LayerSpec((tuple([Fraction(1)] * hidden.width),), (Fraction(0),))))
    rows = [
        [[random.randint(-3, 3) for _ in range(dim - 1)] + [end + k] for k in range(3)]
        for end in (5, -9)
    ]
    return spec, norm, (rows[0], rows[1])


def verdict(seed: int) -> tuple[int, list[str]]:
    """What differs from the plain process for one seed, and what global is not as it was."""
    try:
        one = job(seed)
        return seed, faults(one)
    except Exception as error:
        return seed, [f"{type(error).__name__}: {error}"]


def faults(one: Job) -> list[str]:
    plain, same = one.run(), replace(one, stored="fractions").network().sha256
    with ambient.state(*one.states):
        before = ambient.everything_global()
        found, read = one.run(), one.network().sha256
        after = ambient.everything_global()
    changed = [
        f"{one.states}: {name} was changed" for name in before if before[name] != after[name]
    ]
    changed += [] if read == same else [f"{one.states}: other weights were read from {one.stored}"]
    return changed + ([] if found == plain else [f"{one.states}: {difference(plain, found)}"])


def difference(plain: str, found: str) -> str:
    """The first place at which two texts differ."""
    at = next(
        (k for k, (a, b) in enumerate(zip(plain, found, strict=False)) if a != b),
        min(len(plain), len(found)),
    )
    return f"...{plain[max(0, at - 80) : at + 40]!r} is here {found[max(0, at - 20) : at + 100]!r}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    given = parser.parse_args()
    wrong = [
        found for found in map(verdict, range(given.first, given.first + given.count)) if found[1]
    ]
    for seed, lines in wrong:
        print(seed, *lines, sep="\n    ")
    print(f"{given.count} seeds, {len(wrong)} with faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
