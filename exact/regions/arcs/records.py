"""The cells of a curve as plain values and arrays: crossings are pairs of surds, or zeros of
functions with nested roots.

A point is a list of six rationals, a + b sqrt(d) for alpha and for beta, or an object: quadrant and
enclosure of a zero, and the polynomial or the function that changes sign there. Functions name one
of the `chains`, lists of the steps that make their basis. A step is an object with the fields of
its kind.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from exact.arithmetic.numbers import Polynomial, Rational
from exact.arithmetic.surds import Surd
from exact.arithmetic.texts.number_texts import (
    Json,
    lines,
    rational_of_text,
    rational_text,
    rationals_of_texts,
    rationals_text,
    text_array,
)
from exact.errors import InvalidInput, require
from exact.geometry.combinatorics.running_codes import RunningCodes
from exact.geometry.domains.base import Curve
from exact.geometry.pencils.isolated_directions import IsolatedDirection
from exact.geometry.pencils.nested_functions import (
    Chain,
    Constants,
    FormRoot,
    LineRoot,
    NestedFunction,
    SkipProduct,
    Step,
)
from exact.geometry.pencils.pencil import Direction, Form, Frame
from exact.geometry.pencils.positions import CurvePoint
from exact.regions.arcs.cells import CurveCells, Cut
from exact.regions.storage import Arrays, Parts, require_kind, shared_fields, shared_values


def curve_parts(cells: CurveCells) -> Parts:
    """JSON values and arrays that hold the cells of a curve. Cost: the exact point of every cut."""
    writer = _Writer()
    record = {
        "cuts": [
            [writer.point(cut.direction), *_pair(_plain(cut.near)), cut.undefined]
            for cut in cells.cuts
        ],
        "tangent": [[writer.point(point), int(hinge)] for point, hinge in cells.tangent],
        "witnesses": [_pair(witness) for witness in cells.witnesses],
    }
    text = json.dumps({**record, "chains": writer.chains}, separators=(",", ":"))
    arrays: Arrays = {
        "first": np.asarray(cells.codes.first, dtype=np.uint8),
        "points": text_array([text]),
        "starts": np.asarray(cells.codes.starts, dtype=np.int64),
        "flips": np.asarray(cells.codes.rows, dtype=np.int64),
    }
    if cells.enclosures is not None:
        arrays["enclosures"] = cells.enclosures
    values = {
        "cells": "curve",
        "closed": cells.closed,
        "curve": _curve_record(cells.curve),
        "frame": _frame_record(cells.frame),
        "breaks": None if cells.breaks is None else sorted(int(i) for i in cells.breaks),
        **shared_values(cells),
    }
    return values, arrays


def curve_cells(values: Mapping[str, Json], arrays: Mapping[str, Any]) -> CurveCells:
    """The cells that `curve_parts` took apart. Raises InvalidInput for parts that do not fit each
    other.
    """
    require_kind(values, "curve")
    record = json.loads(lines(arrays["points"], 1)[0])
    reader = _Reader([_chain(steps["quadrant"], steps["steps"]) for steps in record["chains"]])
    cuts = [
        Cut(
            partial(_itself, reader.point(point)),
            Direction.rational(*rationals_of_texts(near)),
            bool(undefined),
        )
        for point, *near, undefined in record["cuts"]
    ]
    codes = _running_codes(arrays)
    witnesses = [_two(rationals_of_texts(pair)) for pair in record["witnesses"]]
    closed, breaks, enclosures = bool(values["closed"]), values["breaks"], arrays.get("enclosures")
    expected = len(codes) if closed or not len(codes) else len(codes) + 1
    if (
        len(witnesses) != len(codes)
        or (cuts and len(cuts) != expected)
        or not _encloses(enclosures, len(cuts))
    ):
        raise InvalidInput(
            "the cells of a curve do not fit its cuts",
            value=f"{len(codes)} cells, {len(cuts)} cuts",
            remedy="save the partition again",
        )
    return CurveCells(
        _curve(values["curve"]),
        _frame(values["frame"]),
        tuple(cuts),
        codes,
        witnesses,
        tuple((reader.point(point), int(hinge)) for point, hinge in record["tangent"]),
        **shared_fields(values),
        closed=closed,
        enclosures=enclosures,
        breaks=None if breaks is None else frozenset(int(i) for i in breaks),
    )


def _encloses(enclosures: Any, cuts: int) -> bool:
    return enclosures is None or (enclosures.dtype == np.float64 and enclosures.shape == (cuts, 2))


def _running_codes(arrays: Mapping[str, Any]) -> RunningCodes:
    first, starts, rows = arrays["first"], arrays["starts"], arrays["flips"]
    fits = (
        first.dtype == np.uint8
        and starts.dtype == rows.dtype == np.int64
        and first.ndim == starts.ndim == rows.ndim == 1
    )
    fits = (
        fits
        and len(starts) > 0
        and starts[0] == 0
        and starts[-1] == len(rows)
        and not np.any(np.diff(starts) < 0)
    )
    if not fits or (len(rows) and not (rows.min() >= 0 and rows.max() < len(first))):
        raise InvalidInput(
            "the codes along a curve are damaged",
            value=f"{len(starts) - 1} cells",
            remedy="save again",
        )
    return RunningCodes(first.astype(bool), starts, rows)


def _itself(point: CurvePoint) -> CurvePoint:
    return point


# ---- points


@dataclass
class _Writer:
    """Points as JSON values; functions on the same arc share their chain."""

    chains: list[Json] = field(default_factory=list)
    _numbers: dict[tuple[int, tuple[Step, ...]], int] = field(default_factory=dict)

    def point(self, point: CurvePoint) -> Json:
        """Six rationals, or a zero."""
        if isinstance(point, Direction):
            return rationals_text([x for s in (point.alpha, point.beta) for x in (s.a, s.b, s.d)])
        found = {
            "quadrant": point.quadrant,
            "low": rational_text(point.low),
            "high": rational_text(point.high),
        }
        zero = point.definition
        if isinstance(zero, NestedFunction):
            return {
                **found,
                "chain": self._number(zero.chain),
                "row": rationals_text(zero.row),
                "arc": rationals_text([zero.low, zero.high]),
            }
        return found if zero is None else {**found, "polynomial": rationals_text(zero.coeffs())}

    def _number(self, chain: Chain) -> int:
        key = chain.quadrant, chain.steps
        if key not in self._numbers:
            self._numbers[key] = len(self.chains)
            self.chains.append(
                {"quadrant": chain.quadrant, "steps": [_step_record(step) for step in chain.steps]}
            )
        return self._numbers[key]


@dataclass(frozen=True)
class _Reader:
    """Points from JSON values."""

    chains: Sequence[Chain]

    def point(self, record: Json) -> CurvePoint:
        """The point that a writer wrote."""
        if isinstance(record, list):
            numbers = rationals_of_texts(record)
            if len(numbers) != 6:
                raise InvalidInput(
                    "a direction has not two coordinates",
                    value=f"{len(numbers)} numbers",
                    remedy="give 6",
                )
            return Direction(Surd(*numbers[:3]), Surd(*numbers[3:]))
        place = (
            int(record["quadrant"]),
            rational_of_text(record["low"]),
            rational_of_text(record["high"]),
        )
        if "polynomial" in record:
            return IsolatedDirection(
                *place, polynomial=Polynomial(list(rationals_of_texts(record["polynomial"])))
            )
        if "chain" not in record:
            return IsolatedDirection(*place)
        low, high = rationals_of_texts(record["arc"])
        function = NestedFunction(
            self.chains[record["chain"]], rationals_of_texts(record["row"]), low, high
        )
        return IsolatedDirection(*place, partial(_the_function, function))


def _the_function(function: NestedFunction) -> NestedFunction:
    return function


def _step_record(step: Step) -> Json:
    if isinstance(step, FormRoot):
        return {"form": [rationals_text(row) for row in step.form]}
    if isinstance(step, LineRoot):
        return {"square": rational_text(step.square), "line": rationals_text(step.line)}
    if isinstance(step, Constants):
        return {"square": rational_text(step.square)}
    assert isinstance(step, SkipProduct), "these are all kinds of steps"
    return {"inner": rationals_text(step.inner), "outer": rationals_text(step.outer)}


def _step(record: Mapping[str, Json]) -> Step:
    if "form" in record:
        return FormRoot(tuple(rationals_of_texts(row) for row in record["form"]))
    if "line" in record:
        return LineRoot(rational_of_text(record["square"]), rationals_of_texts(record["line"]))
    if "square" in record:
        return Constants(rational_of_text(record["square"]))
    return SkipProduct(rationals_of_texts(record["inner"]), rationals_of_texts(record["outer"]))


def _chain(quadrant: int, steps: Sequence[Mapping[str, Json]]) -> Chain:
    chain = Chain(int(quadrant))
    for step in steps:
        chain = chain.extended(_step(step))
    return chain


# ---- curves and their metric


def _pair(pair: Sequence[Rational]) -> list[str]:
    return rationals_text(pair)


def _plain(near: Direction) -> tuple[Rational, Rational]:
    require(
        near.alpha.is_rational and near.beta.is_rational, "a direction near a cut is rational", near
    )
    return near.alpha.a, near.beta.a


def _two(numbers: tuple[Rational, ...]) -> tuple[Rational, Rational]:
    first, second = numbers
    return first, second


def _maybe(pair: Sequence[Rational] | None) -> Json:
    return None if pair is None else rationals_text(pair)


def _read_pair(record: Json) -> tuple[Rational, Rational] | None:
    return None if record is None else _two(rationals_of_texts(record))


def _curve_record(curve: Curve) -> Json:
    return {
        "u": rationals_text(curve.u),
        "v": rationals_text(curve.v),
        "end": _maybe(curve.end),
        "one": _maybe(curve.one),
        "along": _maybe(curve.along),
        "radius_squared": None
        if curve.radius_squared is None
        else rational_text(curve.radius_squared),
        **({} if curve.centre is None else _ellipse_record(curve.centre, curve.cosine)),
    }


def _ellipse_record(centre: Sequence[Rational], cosine: Rational) -> dict[str, Json]:
    return {"centre": rationals_text(centre), "cosine": rational_text(cosine)}


def _curve(record: Mapping[str, Json]) -> Curve:
    radius, ellipse = record["radius_squared"], dict[str, Any]()
    if "centre" in record:
        ellipse = {
            "centre": rationals_of_texts(record["centre"]),
            "cosine": rational_of_text(record["cosine"]),
        }
    return Curve(
        rationals_of_texts(record["u"]),
        rationals_of_texts(record["v"]),
        _read_pair(record["end"]),
        _read_pair(record["one"]),
        _read_pair(record["along"]),
        None if radius is None else rational_of_text(radius),
        **ellipse,
    )


def _frame_record(frame: Frame) -> Json:
    return {
        "form": rationals_text([frame.form.a, frame.form.b, frame.form.c]),
        "one": _maybe(frame.one),
        "along": _maybe(frame.along),
        "radius_squared": rational_text(frame.radius_squared),
    }


def _frame(record: Mapping[str, Json]) -> Frame:
    return Frame(
        Form(*rationals_of_texts(record["form"])),
        rational_of_text(record["radius_squared"]),
        _read_pair(record["one"]),
        _read_pair(record["along"]),
    )
