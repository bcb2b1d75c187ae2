"""Domains of every kind travel, and are the same when they come back from JSON."""

import copy
import json
import pickle
from typing import Any

import pytest

from exact import (
    Ball,
    Box,
    Domain,
    Ellipse,
    GreatCircle,
    GreatSphere,
    HPolytope,
    InvalidInput,
    Line,
    NormBall,
    Plane,
    Ray,
    RealSpace,
    Segment,
    Sphere,
    Unsupported,
)
from exact.geometry.domains.records import domain_of_record, domain_record

DOMAINS: list[Domain] = [
    Box(-1, "1/3", dim=2),
    Box([0, 5e-324], [1e300, 1]),
    RealSpace(3),
    HPolytope([[1, 0, "1/3"], [-2, 4, 6]]),
    HPolytope([], dim=2),
    Ball([0, "1/2"], 2),
    Ball([0, 0, 0], 3, [[1, -1, 0], [0, 1, -1]]),
    Plane([0, 0, 0], [1, 0, 0], [0, 1, "1/7"]),
    Plane([0, 0, 0], [1, 0, 0], [0, 1, 0], s=(0, 1), t=(-1, "1/3")),
    Segment([0, 0], [1, "2/3"]),
    Ray([0, 0], [1, 1]),
    Line([0, 0], [1, 10**5000]),
    Sphere(),
    Sphere("1/3"),
    GreatCircle([1, 0, 0], [0, 1, 0]),
    GreatCircle([1, 0, 0], [0, 1, 0], 3),
    Ellipse([1, 0, 0], [0, 1, "1/3"]),
    Ellipse([1, 0], [0, 1], ["1/2", 3], "-4/5"),
    GreatSphere([1, 0, 0], [0, 1, 0], [0, 0, 1], 2),
    NormBall(),
]


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: repr(domain)[:60])
def test_domains_travel(domain: Domain) -> None:
    _ = getattr(domain, "flat", lambda: None)(), hash(domain)
    written = domain_of_record(json.loads(json.dumps(domain_record(domain))))
    for again in (
        pickle.loads(pickle.dumps(domain)),
        copy.deepcopy(domain),
        copy.copy(domain),
        written,
    ):
        assert again == domain
        assert type(again) is type(domain)
        assert hash(again) == hash(domain)
        assert repr(again) == repr(domain)


WRONG: list[Any] = [
    None,
    [],
    {},
    {"kind": "Cube"},
    {"kind": "Box"},
    {"kind": "Box", "lo": ["0"], "hi": ["0.5"]},
    {"kind": "Box", "lo": ["0"], "hi": ["1/0"]},
    {"kind": "Box", "lo": ["0"], "hi": [0.5]},
    {"kind": "RealSpace", "dim": 0},
    {"kind": "RealSpace", "dim": 2, "more": 1},
    {"kind": "Plane", "points": [["0", "0"]], "bounds": None},
    {"kind": "Sphere", "radius_squared": "-1"},
    {"kind": "Segment", "p": ["0"], "q": ["0"]},
]


@pytest.mark.parametrize("record", WRONG, ids=repr)
def test_what_is_no_domain_is_refused(record: Any) -> None:
    with pytest.raises(InvalidInput):
        domain_of_record(record)


class Halfplane(RealSpace):
    """A domain of one's own."""


def test_a_domain_of_ones_own_pickles_but_has_no_record() -> None:
    assert pickle.loads(pickle.dumps(Halfplane(2))) == Halfplane(2)
    with pytest.raises(Unsupported, match="a domain of this kind has no record; got Halfplane"):
        domain_record(Halfplane(2))
