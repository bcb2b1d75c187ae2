"""What a certificate states about its domain, in one sha256: two domains with the same one are the
same, point by point.
"""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any

from exact.check.network import coprime, written
from exact.check.records import Json


def domain_digest(record: Json) -> str:
    """The sha256 of a domain that some check has read: of its numbers in lowest terms, walls sorted
    and without repetition.

    Walls that hold everywhere are left out, and so is `cube`, by which an unbounded domain is
    written. Of the vectors around a circle or a sphere only their span counts.
    """
    rows = _rows(record["chart"])
    if not record.keys() & {"walls", "end", "cosine"}:
        rows = _echelon([list(column) for column in zip(*rows, strict=True)][:-1])
    parts = [",".join(" ".join(map(written, row)) for row in rows)]
    if "walls" in record:
        walls = {coprime(_numbers(wall)) for wall in record["walls"]}
        parts += [
            "walls",
            *sorted(
                " ".join(f"{x:x}" for x in wall)
                for wall in walls
                if any(wall[:-1]) or wall[-1] <= 0
            ),
        ]
    if "radius_squared" in record:
        parts += ["radius", written(Fraction(*_numbers(record["radius_squared"])))]
    if "cosine" in record:
        parts += ["cosine", written(Fraction(*_numbers(record["cosine"])))]
    if "end" in record:
        parts += [
            "end",
            *(f"{x:x}" for x in (*coprime(_numbers(record["end"])), *_numbers(record["one"]))),
        ]
    return hashlib.sha256(";".join(parts).encode()).hexdigest()


def _rows(chart: Any) -> list[list[Fraction]]:
    scale = _numbers(chart["denominator"])[0]
    return [[Fraction(x, scale) for x in _numbers(row)] for row in chart["rows"]]


def _echelon(rows: list[list[Fraction]]) -> list[list[Fraction]]:
    """The reduced echelon form of independent vectors: the same for all that span one space."""
    for k in range(len(rows)):
        pivot = min(next(i for i, x in enumerate(other) if x) for other in rows[k:])
        place = next(i for i, other in enumerate(rows) if i >= k and other[pivot])
        rows[k], rows[place] = rows[place], rows[k]
        lead = [x / rows[k][pivot] for x in rows[k]]
        rows = [
            lead
            if i == k
            else [x - other[pivot] * y for x, y in zip(other, lead, strict=True)]
            if other[pivot]
            else other
            for i, other in enumerate(rows)
        ]
    return rows


def _numbers(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]
