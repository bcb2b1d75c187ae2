"""One ulp off: degenerate integer networks whose floats are moved by an ulp, so that planes are
nearly parallel, nearly concurrent, nearly touch, and neurons nearly vanish.

The jobs are those of `fuzz_certificates`; some of their weights, biases, gains and norm biases go
to the next float up or down, zeros to 2^-60 or, in one network of four, to the least subnormal.
What engines say is verified by `tests.laws.claims`.
"""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

from tests.laws import claims, fuzz_certificates
from tests.laws.claims import Claim
from tests.truths.reading import Json

_LEAST = (2.0**-60, 2.0**-60, 2.0**-60, 5e-324)


def moved(random: Random, text: str, share: float, least: float) -> str:
    """A number as a float that may be the next one up or down; zero goes to `least`."""
    value = float(Fraction(text))
    if random.random() < share:
        side = random.choice([-1, 1])
        value = math.nextafter(value, side * math.inf) if value else side * least
    return str(Fraction(value))


def moved_network(random: Random, data: Json) -> Json:
    """The same network with a share of its floats moved; one share for all of it, so that some
    change in one place only.
    """
    share, least = random.choice([0.03, 0.1, 0.5]), random.choice(_LEAST)

    def row(texts: list[str]) -> list[str]:
        return [moved(random, text, share, least) for text in texts]

    def block(part: Json) -> Json:
        layers = [
            layer | {"weight": [row(w) for w in layer["weight"]], "bias": row(layer["bias"])}
            for layer in part["layers"]
        ]
        norm = part["norm"]
        return {
            "layers": layers,
            "norm": norm and norm | {k: row(norm[k]) for k in ("gain", "bias") if k in norm},
        }

    return {"blocks": [block(part) for part in data["blocks"]]}


def job(seed: int) -> Claim:
    """The network and the domain of a seed."""
    random = Random(seed)
    claim = fuzz_certificates.job(random.randrange(10**9))
    return Claim(moved_network(random, claim.data), claim.domain)


def verdict(seed: int) -> tuple[int, list[str]]:
    """What is wrong with the claims about one seed; an exception is one too."""
    try:
        return seed, list(claims.verdict(job(seed)))
    except Exception as error:
        return seed, [f"{type(error).__name__}: {error}"]
