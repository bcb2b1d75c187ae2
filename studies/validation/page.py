"""The table, the figure and the page of a validation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from studies.methods import QUANTITIES, Method
from studies.report import Picture, data_uri, flattened, template
from studies.validation.decisions import Decision, agreement
from studies.validation.judge import OK, Row, counts
from studies.validation.scores import ALL, Score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DASH = "—"
HEADS = (
    "quantity",
    "method",
    "d",
    "budget",
    "nets",
    "bias",
    "RMS",
    "rank",
    "covers",
    "verdicts",
    "passes",
    "ms",
    "failed",
)
MISSED = 12  # outcomes that are listed


@dataclass(frozen=True)
class Line:
    """A line of the table: all nets of one dimension together."""

    score: Score
    agree: tuple[int, int]

    def cells(self) -> tuple[str, ...]:
        """Its texts, in the order of `HEADS`."""
        one, group = self.score, self.score.group
        agree, total = self.agree
        failed = f"{one.failed} of {one.asked}" if one.failed else ""
        return (
            group.quantity,
            f"{group.number} {group.method}".strip(),
            str(group.dimension),
            f"{group.budget:,}" if group.unit != "none" else DASH,
            str(one.nets),
            _signed(one),
            _size(one.rmse, one.scale),
            _plain(one.spearman),
            _coverage(one),
            f"{agree}/{total}" if total else DASH,
            f"{one.passes:,.0f}" if math.isfinite(one.passes) else DASH,
            f"{1000 * one.seconds:,.3g}" if math.isfinite(one.seconds) else DASH,
            failed,
        )


def lines(
    found: Iterable[Score], decided: Iterable[Decision], *, largest: bool = False
) -> list[Line]:
    """The lines of all nets together, in the order of quantities and methods; with `largest` those
    of the largest budget only, and none for what a method has no meaning for.
    """
    agree = agreement(decided)
    pooled = [one for one in found if one.group.norm == ALL and one.refused < one.asked]
    if largest:
        most: dict[tuple[str, int], int] = {}
        for one in pooled:
            key = one.group.method, one.group.dimension
            most[key] = max(one.group.budget, most.get(key, 0))
        pooled = [
            one for one in pooled if one.group.budget == most[one.group.method, one.group.dimension]
        ]
    order = {name: place for place, name in enumerate(QUANTITIES)}
    pooled.sort(key=lambda one: order[one.group.quantity])
    return [
        Line(
            one,
            agree.get(
                (one.group.quantity, one.group.method, one.group.budget, one.group.dimension),
                (0, 0),
            ),
        )
        for one in pooled
    ]


def _size(value: float, scale: str) -> str:
    """An error: a percentage, or decades."""
    if not math.isfinite(value):
        return DASH
    return f"{value:.2f} dec." if scale == "log10" else _percent(value)


def _percent(value: float) -> str:
    size = abs(value)
    if size < 1e-9:
        return "0"
    return f"{100 * value:.2g}%" if size < 0.1 else f"{100 * value:,.0f}%"


def _signed(one: Score) -> str:
    if one.bias.value is None:
        return DASH
    return _size(float(one.bias.value), one.scale)


def _plain(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else DASH


def _coverage(one: Score) -> str:
    if one.coverage.value is None:
        return DASH
    return f"{one.coverage.value:.0%}"


# ---- what is no estimate


def missed(rows: Iterable[Row]) -> list[tuple[str, str, int]]:
    """What came of the estimates that are none: method, outcome, how many; the most frequent
    first.
    """
    found: dict[tuple[str, str], int] = {}
    for row in rows:
        if not row.is_ok:
            key = row.method, row.outcome
            found[key] = found.get(key, 0) + 1
    ordered = sorted(found.items(), key=lambda item: -item[1])
    return [(method, outcome, count) for (method, outcome), count in ordered]


def told(rows: Sequence[Row]) -> str:
    """How many estimates there are, and how many of each other outcome."""
    found = dict(counts(rows))
    good, none = found.pop(OK, 0), sum(found.values())
    rest = ", ".join(f"{count:,} {name}" for name, count in sorted(found.items()))
    left = f", and {none:,} times there is none: {rest}" if none else ""
    return f"{good:,} estimate{'' if good == 1 else 's'}{left}"


# ---- the figure


def figure(found: Sequence[Score], methods: Sequence[Method]) -> Figure | None:
    """Errors against budgets, a panel a quantity; None where nothing has a relative error."""
    from viz.figures.error_curves import ErrorCurve, error_figure

    panels: dict[str, tuple[list[str], list[ErrorCurve]]] = {}
    for method in methods:
        own = [
            one
            for one in found
            if one.group.method == method.name
            and one.group.norm == ALL
            and one.scale != "log10"
            and one.nets
        ]
        if not own:
            continue
        budgets = sorted({one.group.budget for one in own})
        errors = {
            d: [_rmse(own, d, budget) for budget in budgets]
            for d in sorted({one.group.dimension for one in own})
        }
        title = QUANTITIES[method.quantity].title
        units, curves = panels.setdefault(title, ([], []))
        units += [method.unit] * (method.unit not in units)
        curves.append(ErrorCurve(method.name, budgets, errors))
    if not panels:
        return None
    return error_figure(
        {
            title: (f"budget: {', '.join(units)}", curves)
            for title, (units, curves) in panels.items()
        },
        subtitle="thin: one dimension; bold: all",
    )


def _rmse(found: Sequence[Score], dimension: int, budget: int) -> float:
    hits = [
        one.rmse for one in found if (one.group.dimension, one.group.budget) == (dimension, budget)
    ]
    return hits[0] if hits else math.nan


# ---- the page


def render(
    title: str,
    methods: Sequence[Method],
    found: Sequence[Score],
    decided: Sequence[Decision],
    rows: Sequence[Row],
    picture: Picture | None,
    provenance: Mapping[str, Any],
) -> str:
    """The report as HTML, in one file."""
    return template("validation.html.j2").render(
        title=title,
        facts=told(rows),
        heads=HEADS,
        lines=[line.cells() for line in lines(found, decided)],
        methods=[
            (m.number, m.name, QUANTITIES[m.quantity].title, m.unit, m.source) for m in methods
        ],
        decisions=[_decided(one) for one in decided if one.nets],
        missed=missed(rows),
        picture=None if picture is None else (data_uri(picture), picture.caption),
        provenance=list(flattened(provenance)),
    )


def _decided(one: Decision) -> tuple[str, ...]:
    group = one.group
    kind = f"{group.family}, {group.norm}, {group.trained}"
    return (
        group.quantity,
        group.method,
        f"{group.budget:,}",
        str(group.dimension),
        kind,
        one.comparison,
        one.exact.value,
        one.found.value,
        str(one.signs) if one.nets else DASH,
    )
