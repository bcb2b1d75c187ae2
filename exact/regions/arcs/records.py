"""The cells of a curve as plain values and arrays: crossings are pairs of surds, or zeros of
functions with nested roots.

A point is a list of six rationals, a + b sqrt(d) for alpha and for beta, or an object: quadrant and
enclosure of a zero, and the polynomial or the function that changes sign there. Functions name one
of the `chains`, lists of the steps that make their basis. A step is an object with the fields of
its kind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np

from exact.arithmetic.numbers import Polynomial, Rational
from exact.arithmetic.surds import Surd
from exact.arithmetic.texts.number_texts import (
    Json,
    rational_text,
    rationals_of_texts,
    rationals_text,
    text_array,
)
from exact.arithmetic.texts.records import Record
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
from exact.networks.network import Network
from exact.regions.arcs.cells import CurveCells, Cut
from exact.regions.storage import (
    Arrays,
    Parts,
    array_of,
    indices,
    record_of,
    shared_fields,
    shared_values,
    steps_of,
    text_lines,
)


def curve_parts(cells: CurveCells) -> Parts:
    """JSON values and arrays that hold the cells of a curve. Cost: the exact point of every cut."""
    writer = _Writer()
    record = {
        "cuts": [
            [writer.point(cut.direction), *_pair(_plain(cut.near)), bool(cut.undefined)]
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
        "closed": bool(cells.closed),
        "curve": _curve_record(cells.curve),
        "frame": _frame_record(cells.frame),
        "breaks": None if cells.breaks is None else sorted(int(i) for i in cells.breaks),
        **shared_values(cells),
    }
    return values, arrays


def curve_cells(network: Network, values: Json, arrays: Mapping[str, Any]) -> CurveCells:
    """The cells that `curve_parts` took apart. Raises InvalidInput for parts that do not fit each
    other.
    """
    record = record_of(values, "curve")
    points = Record.of_text(text_lines(arrays, "points", 1)[0], "the points of a curve")
    reader = _Reader([_chain(chain) for chain in points.records("chains")])
    cuts = [
        Cut(partial(_itself, reader.point(point)), _near(near), _truth(undefined))
        for point, *near, undefined in points.rows("cuts", 4)
    ]
    codes = _running_codes(network.hinge_count, arrays)
    witnesses = [_two(rationals_of_texts(pair)) for pair in points.rows("witnesses", 2)]
    closed, enclosures = record.truth("closed"), None
    if "enclosures" in arrays:
        enclosures = array_of(arrays, "enclosures", np.float64, (len(cuts), 2))
    expected = len(codes) if closed or not len(codes) else len(codes) + 1
    if len(witnesses) != len(codes) or (cuts and len(cuts) != expected):
        raise InvalidInput(
            "the cells of a curve do not fit its cuts",
            value=f"{len(codes)} cells, {len(cuts)} cuts",
            remedy="save the partition again",
        )
    curve = _curve(network, record.record("curve"))
    return CurveCells(
        curve,
        _frame(curve, record.record("frame")),
        tuple(cuts),
        codes,
        witnesses,
        tuple(_touching(reader, network, *pair) for pair in points.rows("tangent", 2)),
        **shared_fields(record),
        closed=closed,
        enclosures=enclosures,
        breaks=frozenset(record.numbers("breaks", len(cuts))) if "breaks" in record else None,
    )


Batch = TypeVar("Batch", bound="Settled")


class Settled(Protocol):
    """A batch of curves, a dataclass: some are kept by their cells, those that exact algebra
    settled.
    """

    @property
    def network(self) -> Network: ...

    @property
    def settled(self) -> Mapping[int, CurveCells]: ...


def batch_parts(batch: Settled) -> dict[str, Any]:
    """The fields of a batch as they are, and the cells of settled curves as plain arrays."""
    own = {entry.name: getattr(batch, entry.name) for entry in fields(batch)}  # type: ignore[arg-type]
    return own | {"settled": {place: curve_parts(cells) for place, cells in batch.settled.items()}}


def batch_of_parts(kind: Callable[..., Batch], parts: Mapping[str, Any]) -> Batch:
    """The batch that `batch_parts` took apart."""
    cells = {
        place: curve_cells(parts["network"], values, arrays)
        for place, (values, arrays) in parts["settled"].items()
    }
    return kind(**{**parts, "settled": cells})


def _running_codes(hinges: int, arrays: Mapping[str, Any]) -> RunningCodes:
    first = array_of(arrays, "first", np.uint8, (hinges,))
    rows = indices(arrays, "flips", (-1,), hinges)
    return RunningCodes(first.astype(bool), steps_of(arrays, "starts", len(rows)), rows)


def _near(pair: Sequence[Json]) -> Direction:
    alpha, beta = rationals_of_texts(pair)
    if alpha == beta == 0:
        raise _wrong("a direction is zero", "0, 0", "give two numbers, not both zero")
    return Direction.rational(alpha, beta)


def _truth(value: Json) -> bool:
    if not isinstance(value, bool):
        raise _wrong("a cut is neither defined nor undefined", value, "give true or false")
    return value


def _touching(
    reader: _Reader, network: Network, point: Json, hinge: Json
) -> tuple[CurvePoint, int]:
    if type(hinge) is not int or not 0 <= hinge < network.hinge_count:
        raise _wrong("no such hinge", hinge, f"give 0 to {network.hinge_count - 1}")
    return reader.point(point), hinge


def _wrong(what: str, value: Json, remedy: str) -> InvalidInput:
    return InvalidInput(what, value=repr(value)[:60], remedy=remedy)


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
            if len(numbers) != 6 or min(numbers[2], numbers[5]) < 0:
                raise _wrong("a direction has not two coordinates", record, "give a, b, d twice")
            return Direction(Surd(*numbers[:3]), Surd(*numbers[3:]))
        zero = Record.of(record, "a point of a curve")
        place = zero.number("quadrant", 4), zero.rational("low"), zero.rational("high")
        if "polynomial" in zero:
            return IsolatedDirection(
                *place, polynomial=Polynomial(list(zero.rationals("polynomial")))
            )
        if "chain" not in zero:
            return IsolatedDirection(*place)
        chain = self.chains[zero.number("chain", len(self.chains))]
        function = NestedFunction(chain, zero.rationals("row"), *zero.rationals("arc", 2))
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


def _step(record: Record) -> Step:
    if "form" in record:
        return FormRoot(tuple(rationals_of_texts(row) for row in record.rows("form")))
    if "line" in record:
        return LineRoot(record.rational("square"), record.rationals("line"))
    if "square" in record:
        return Constants(record.rational("square"))
    return SkipProduct(record.rationals("inner"), record.rationals("outer"))


def _chain(record: Record) -> Chain:
    chain = Chain(record.number("quadrant", 4))
    for step in record.records("steps"):
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


def _read_pair(record: Record, name: str) -> tuple[Rational, Rational] | None:
    return _two(record.rationals(name, 2)) if name in record else None


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


def _curve(network: Network, record: Record) -> Curve:
    radius = record.rational("radius_squared") if "radius_squared" in record else None
    u, v = (record.rationals(name, network.input_dim) for name in ("u", "v"))
    end, one, along = (_read_pair(record, name) for name in ("end", "one", "along"))
    if "centre" not in record:
        return Curve(u, v, end, one, along, radius)
    centre, cosine = record.rationals("centre", network.input_dim), record.rational("cosine")
    return Curve(u, v, end, one, along, radius, centre, cosine)


def _frame_record(frame: Frame) -> Json:
    return {
        "form": rationals_text([frame.form.a, frame.form.b, frame.form.c]),
        "one": _maybe(frame.one),
        "along": _maybe(frame.along),
        "radius_squared": rational_text(frame.radius_squared),
    }


def _frame(curve: Curve, record: Record) -> Frame:
    """The metric, which knows a straight line by the same functionals as the curve."""
    one, along = _read_pair(record, "one"), _read_pair(record, "along")
    if (one, along) != (curve.one, curve.along) or (one is None) != (along is None):
        raise _wrong(
            "a curve and its metric differ", record.values.get("one"), "save the partition again"
        )
    return Frame(Form(*record.rationals("form", 3)), record.rational("radius_squared"), one, along)
