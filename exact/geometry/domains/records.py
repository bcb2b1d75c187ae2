"""Domains as JSON values: their kind and their fields, every rational as text in base 16."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from exact.arithmetic.numbers import Rational
from exact.arithmetic.texts.number_texts import rational_of_text, rational_text
from exact.errors import InvalidInput, Unsupported
from exact.geometry.domains import flat, round, straight
from exact.geometry.domains.base import Domain
from exact.geometry.domains.flat import Box, Plane
from exact.geometry.polyhedra.halfspace import Halfspace

Json = Any
_KINDS: Mapping[str, type[Domain]] = {
    name: kind
    for module in (flat, round, straight)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and issubclass(kind, Domain) and kind.__module__ == module.__name__
}


def domain_record(domain: Domain) -> Json:
    """A domain as JSON values. Raises Unsupported for a kind that is not Exactlens' own.

    >>> from exact import Sphere
    >>> domain_record(Sphere(10))
    {'kind': 'Sphere', 'radius_squared': 'a'}
    """
    if _KINDS.get(type(domain).__name__) is not type(domain) or not is_dataclass(domain):
        raise Unsupported(
            "a domain of this kind has no record",
            value=type(domain).__name__,
            remedy="use a domain that exact exports, or pickle what you have",
        )
    return {
        "kind": type(domain).__name__,
        **{field.name: _encoded(getattr(domain, field.name)) for field in fields(domain)},
    }


def domain_of_record(record: Json) -> Domain:
    """The domain that `domain_record` wrote. Raises InvalidInput for anything else.

    >>> domain_of_record({"kind": "Sphere", "radius_squared": "a"})
    Sphere(radius_squared=10)
    """
    kind = _KINDS.get(str(record.get("kind"))) if isinstance(record, dict) else None
    if kind is None:
        raise InvalidInput(
            "no such domain", value=repr(record)[:60], remedy=f"give one of {', '.join(_KINDS)}"
        )
    given = {name: _decoded(value) for name, value in record.items() if name != "kind"}
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if given.keys() != set(names):
        raise InvalidInput(
            "a domain has other fields",
            value=repr(record)[:60],
            remedy=f"give {', '.join(names) or 'none'}",
        )
    return _plane(**given) if kind is Plane else kind(**given)


def _plane(points: Any, bounds: Any) -> Plane:
    if not isinstance(points, tuple) or len(points) != 3:
        raise InvalidInput(
            "a plane goes through three points", value=repr(points)[:60], remedy="give 3"
        )
    if bounds is None:
        return Plane(*points)
    if not isinstance(bounds, Box) or len(bounds.lo) != 2:
        raise InvalidInput(
            "a plane is bounded by a rectangle", value=repr(bounds)[:60], remedy="give a Box of R^2"
        )
    s, t = zip(bounds.lo, bounds.hi, strict=True)
    return Plane(points[0], points[1], points[2], s, t)


def _encoded(value: object) -> Json:
    if value is None or type(value) is int:
        return value
    if isinstance(value, Rational):
        return rational_text(value)
    if isinstance(value, Halfspace):
        return [rational_text(Rational(x)) for x in value.coefficients]
    if isinstance(value, Domain):
        return domain_record(value)
    assert isinstance(value, tuple), (
        "the fields of domains are numbers, halfspaces, domains, and tuples of them"
    )
    return [_encoded(entry) for entry in value]


def _decoded(value: Json) -> Any:
    if value is None or type(value) is int:
        return value
    if isinstance(value, str):
        return rational_of_text(value)
    if isinstance(value, dict):
        return domain_of_record(value)
    if isinstance(value, list):
        return tuple(_decoded(entry) for entry in value)
    raise InvalidInput(
        "a domain has an entry that is no number",
        value=repr(value)[:60],
        remedy="write p/q in base 16",
    )
