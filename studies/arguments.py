"""What a user types becomes exact: numbers, vectors and domains, read before any network is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf

from exact import (
    Box,
    Domain,
    GreatCircle,
    GreatSphere,
    InvalidInput,
    Line,
    NormBall,
    Plane,
    Ray,
    RealSpace,
    Segment,
    Sphere,
)

NUMBER = re.compile(r"[+-]?(\d+/\d+|(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?)", re.ASCII)
SIZE = re.compile(r"(\d{1,30}(?:\.\d{1,30})?) ?([A-Za-z]*)", re.ASCII)
UNITS = {
    "": 1,
    "b": 1,
    **{
        f"{prefix}{kind}b": base**power
        for kind, base in (("", 1000), ("i", 1024))
        for power, prefix in enumerate("kmgt", 1)
    },
}
LONGEST = 1000

Vector = tuple[Fraction, ...]
ORIGIN: Vector = (Fraction(0),)


def number(text: str, option: str) -> Fraction:
    """The rational that a decimal or a fraction denotes, exactly: "0.1" is 1/10, not the nearest
    float.

    Raises InvalidInput for anything else, NaN and infinities included.
    """
    remedy = (
        "write decimals or fractions, such as 0.5 or -1/3, with commas inside a vector: 1,0,-1/2"
    )
    if len(text) > LONGEST or not NUMBER.fullmatch(text):
        raise InvalidInput(
            f"{option} has an entry that is not a number", value=repr(text[:40]), remedy=remedy
        )
    try:
        return Fraction(text)
    except ZeroDivisionError as error:
        raise InvalidInput(
            f"{option} divides by zero", value=repr(text[:40]), remedy=remedy
        ) from error


def vectors(values: Sequence[str], option: str) -> tuple[Vector, ...]:
    """The vectors of an option: separated by spaces, their entries by commas."""
    words = " ".join(values).split()
    return tuple(tuple(number(entry, option) for entry in word.split(",")) for word in words)


def integers(values: Sequence[str], option: str) -> tuple[int, ...]:
    """Integers separated by spaces or commas. Raises InvalidInput for anything else."""
    words = " ".join(values).replace(",", " ").split()
    for word in words:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", word):
            raise InvalidInput(
                f"{option} has an entry that is not an integer",
                value=repr(word[:40]),
                remedy=f"write integers, such as {option} 16 16",
            )
    return tuple(int(word) for word in words)


def limit(text: str) -> int | None:
    """An upper bound on the number of regions, or None for "none"."""
    if text.strip().lower() == "none":
        return None
    if not re.fullmatch(r"[0-9]{1,30}", text.strip()) or int(text) == 0:
        raise InvalidInput(
            "--limit is not a positive integer",
            value=repr(text[:40]),
            remedy="write --limit 1000000 or none",
        )
    return int(text)


def memory(text: str) -> float:
    """A number of bytes: plain, or with a unit, of powers of 1000 (kB, MB, GB, TB) or 1024 (KiB,
    ...); infinity for "none".
    """
    if text.strip().lower() == "none":
        return inf
    found = SIZE.fullmatch(text.strip())
    if found is None or found[2].lower() not in UNITS:
        raise InvalidInput(
            "--budget-bytes is not a size",
            value=repr(text[:40]),
            remedy="write bytes, or a number and a unit: --budget-bytes 500MB, 1.5GiB or none",
        )
    return int(Fraction(found[1]) * UNITS[found[2].lower()])


def settings(values: Sequence[str], option: str) -> dict[str, object]:
    """KEY=VALUE pairs, separated by spaces; a value is an integer, a decimal, true or false, else
    text.
    """
    pairs = {}
    for word in " ".join(values).split():
        key, equals, value = word.partition("=")
        if not equals or not key.isidentifier():
            raise InvalidInput(
                f"{option} has an entry without KEY=VALUE",
                value=repr(word[:40]),
                remedy=f"write for instance {option} dimension=4 classes=5",
            )
        pairs[key] = _setting(value)
    return pairs


def _setting(text: str) -> object:
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return int(text)
    return float(Fraction(text)) if NUMBER.fullmatch(text) and "/" not in text else text


@dataclass(frozen=True)
class DomainRequest:
    """A domain as it was typed; `build` makes it once the dimension of the network is known."""

    kind: str
    points: tuple[Vector, ...]
    radius_squared: Fraction | None = None

    @property
    def is_round(self) -> bool:
        """Whether it is a sphere or a circle of directions, or the norm's ball: all of them start
        at the norm.
        """
        return self.kind in (*_WITH_RADIUS, "norm-ball")

    def build(self, dim: int) -> Domain:
        """The domain in R^dim. Raises InvalidInput where the points cannot span it."""
        return _BUILDERS[self.kind](self, dim)

    def _spread(self, dim: int) -> list[Vector]:
        """The points; a bare 0 is the origin."""
        return [(Fraction(0),) * dim if point == ORIGIN else point for point in self.points]


def _box(request: DomainRequest, dim: int) -> Domain:
    for point in request.points:
        if len(point) not in (1, dim):
            raise InvalidInput(
                "--box does not fit the network",
                value=f"{len(point)} entries",
                remedy=f"give 1 or {dim}",
            )
    lo, hi = (point * dim if len(point) == 1 else point for point in request.points)
    return Box(lo, hi)


_BUILDERS: Mapping[str, Callable[[DomainRequest, int], Domain]] = {
    "box": _box,
    "space": lambda request, dim: RealSpace(dim),
    "sphere": lambda request, dim: Sphere(request.radius_squared),
    "segment": lambda request, dim: Segment(*request._spread(dim)),
    "ray": lambda request, dim: Ray(*request._spread(dim)),
    "line": lambda request, dim: Line(*request._spread(dim)),
    "plane": lambda request, dim: Plane(*request._spread(dim)),
    "norm-ball": lambda request, dim: NormBall(),
    "great-circle": lambda request, dim: GreatCircle(
        request.points[0], request.points[1], request.radius_squared
    ),
    "great-sphere": lambda request, dim: GreatSphere(*request.points, request.radius_squared),
}
_WITH_RADIUS = ("sphere", "great-circle", "great-sphere")
_POINTS = {
    "box": 2,
    "segment": 2,
    "ray": 2,
    "line": 2,
    "plane": 3,
    "great-circle": 2,
    "great-sphere": 3,
}
_EXAMPLES = {
    "box": "--box -1 1",
    "segment": "--segment -1,-1 1,1",
    "ray": "--ray 0 1,2,4",
    "line": "--line 0,0 1,2",
    "plane": "--plane 0,0,0 1,0,0 0,1,0",
    "great-circle": "--great-circle 1,0,-1 0,1,-1",
    "great-sphere": "--great-sphere 1,0,0,-1 0,1,0,-1 0,0,1,-1",
}


def domain(
    given: Mapping[str, Sequence[str]], flags: Sequence[str], radius_squared: str | None
) -> DomainRequest | None:
    """The one domain among the options, or None where there is none.

    `given` maps the names of options to the words behind them, `flags` names those that take none.
    Raises InvalidInput for two domains, for a wrong number of points, and for entries that are not
    numbers.
    """
    named = [*(kind for kind, words in given.items() if words), *flags]
    if len(named) > 1:
        raise InvalidInput(
            "there is more than one domain",
            value=" ".join(f"--{kind}" for kind in named),
            remedy="keep one",
        )
    if not named:
        return None
    radius = None if radius_squared is None else number(radius_squared, "--radius-squared")
    request = DomainRequest(named[0], vectors(given.get(named[0], ()), f"--{named[0]}"), radius)
    if radius is not None and request.kind not in _WITH_RADIUS:
        raise InvalidInput(
            "only a sphere, a great circle or a great sphere has a radius",
            value=f"--{request.kind}",
            remedy="leave out --radius-squared",
        )
    expected = _POINTS.get(request.kind, 0)
    if len(request.points) != expected:
        raise InvalidInput(
            f"--{request.kind} takes {expected} points",
            value=f"{len(request.points)}",
            remedy=f"write for instance {_EXAMPLES[request.kind]}",
        )
    return request
