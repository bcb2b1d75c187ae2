"""What a user types becomes exact: numbers, vectors and domains, read before any network is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf

from exact import Domain, InvalidInput
from exact.geometry.domains.options import Option

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


def number(text: str, option: str) -> Fraction:
    """The rational that a decimal or a fraction denotes, exactly: "0.1" is 1/10, not the nearest
    float.

    Raises InvalidInput for anything else, NaN and infinities included.
    """
    remedy = (
        "write decimals or fractions, such as 0.5 or -1/3, in vectors with commas alone: 1,0,-1/2"
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
    for word in words or [""]:
        if not re.fullmatch(r"[+-]?[0-9]{1,18}", word):
            raise InvalidInput(
                f"{option} has an entry that is not an integer",
                value=repr(word[:40]),
                remedy=f"write integers, such as {option} 16 16",
            )
    return tuple(int(word) for word in words)


def layers(text: str, count: int) -> tuple[int, ...]:
    """Layers from 0 in order: "all", or numbers and ranges with commas, "0,3-5".

    Raises InvalidInput for anything else and for layers that are not there; the remedy names those
    that are.
    """
    if text.strip() == "all":
        return tuple(range(count))
    found = set[int]()
    for word in text.split(","):
        ends = re.fullmatch(r"\s*([0-9]{1,9})(?:-([0-9]{1,9}))?\s*", word)
        first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (0, -1)
        if not first <= last < count:
            raise InvalidInput(
                "--layers names a layer that is not there, or no layer",
                value=repr(word[:40]),
                remedy=f"give all, or numbers and ranges of 0 .. {count - 1}, such as 0,1-2",
            )
        found |= set(range(first, last + 1))
    return tuple(sorted(found))


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
    for word in [word for given in values for word in given.split() or [""]]:
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


def domain_kinds() -> dict[str, type[Domain]]:
    """The domains that can be asked for, by the names of their options, as the help lists them."""
    found = list[type[Domain]]([Domain])
    for kind in found:
        found += kind.__subclasses__()
    stated = [kind for kind in found if "cli" in vars(kind) and kind.cli is not None]
    return {kind.cli.name: kind for kind in sorted(stated, key=lambda kind: kind.cli.place)}


@dataclass(frozen=True)
class DomainRequest:
    """A domain as it was typed; `build` makes it once the dimension of the network is known."""

    kind: str
    points: tuple[Vector, ...]
    radius_squared: Fraction | None = None

    @property
    def option(self) -> Option:
        """What the class of the domain says of it."""
        found = domain_kinds()[self.kind].cli
        assert found is not None, "domain_kinds lists those that have one"
        return found

    @property
    def is_round(self) -> bool:
        """Whether it is a sphere or a circle of directions, or the norm's ball: all of them start
        at the norm.
        """
        return self.option.starts_at_norm

    def build(self, dim: int) -> Domain:
        """The domain in R^dim. Raises InvalidInput where the points cannot span it."""
        return domain_kinds()[self.kind].of_points(self.points, dim, self.radius_squared)


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
    if radius is not None and not request.option.takes_radius:
        *most, last = (
            f"a {name.replace('-', ' ')}"
            for name, kind in domain_kinds().items()
            if kind.cli.takes_radius
        )
        raise InvalidInput(
            f"only {', '.join(most)} or {last} has a radius",
            value=f"--{request.kind}",
            remedy="leave out --radius-squared",
        )
    option, count = request.option, len(request.points)
    if count != option.size:
        typed = " ".join(given[request.kind]).strip()
        raise InvalidInput(
            f"--{request.kind} takes {option.size} values, {option.points}",
            value=f"{count}: {typed}" if count else "none",
            remedy=f"write for instance --{request.kind} {option.example}, with spaces between "
            "the values, and commas inside a vector",
        )
    return request
