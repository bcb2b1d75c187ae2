"""A network without norms on a convex patch of a few parameters, reduced to the neurons and windows
that are undecided there.

Every value of the network is an affine form over the parameters' basis and one variable for each
undecided neuron or window before it. A neuron whose pre-activation straddles a bend on the patch
gives a new variable, its output; a window whose maximum is open gives `f_b + e` with the most
likely winner b and a variable e >= 0. Neurons that straddle nothing and windows with one winner are
fixed for the whole patch. So convolutions are evaluated once, and what is left is a small dense
network.

Coefficients are float64, each within `share` times its entry of `heft` of the exact one: heft is
what the coefficient would be if no two terms ever cancelled, and every sum of n products adds
(n + 8) roundings to the share (Higham 2002, section 3.1; exact.arithmetic.enclosures.roundoff).
The file is longer than others, so that every operation stands beside its bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.enclosures.roundoff import LEAST, U
from exact.arithmetic.numbers import (
    FloatArray,
    Rational,
    RationalArray,
    nearest_float,
    nearest_floats,
    rational,
    rounding_error,
)
from exact.networks.graphs.marks import classes, marks_behind, numbered
from exact.networks.graphs.maxima import Maximum
from exact.networks.graphs.steps import Step, Sum, walk
from exact.networks.layers import Layer

_UP = 1.0 + 2.0**-30  # for the roundings of bounds themselves, sums of fewer than 2^20 terms
_CHUNK = 1 << 24  # numbers that are gathered at a time


@dataclass(frozen=True)
class Form:
    """Entries of a value as forms: `rows` ((basis + variables) x n), within `share` of `heft`.

    `alive` says which entries may be anything but a constant zero by construction, `sure` which are
    not one in any region of the patch, and `source` the unit whose output an entry is, -1 for none.
    Entries that are `same` are one function, because they are made of the same in the same way.
    """

    rows: FloatArray
    heft: FloatArray
    share: float
    alive: BitArray
    sure: BitArray
    source: IndexArray
    same: IndexArray


@dataclass(frozen=True)
class Bend:
    """What a layer leaves undecided: neurons `places` with pre-activations `rows` (neurons x (basis
    + variables before)). `bits` are those of the whole layer as far as they are decided, `open`
    (neurons x bends) those that are not. Neurons that are `same` are one function. Neuron j is unit
    `first_unit + j` and has variable `first_variable + j`.
    """

    layer: Layer
    places: IndexArray
    rows: FloatArray
    heft: FloatArray
    share: float
    bits: BitArray
    open: BitArray
    sure: BitArray
    same: IndexArray
    first_unit: int
    first_variable: int

    @property
    def template(self) -> BitArray:
        """The bits of the whole layer, as far as they are decided."""
        return self.bits

    @cached_property
    def tables(self) -> tuple[FloatArray, FloatArray, BitArray, BitArray, BitArray]:
        """Slopes and shifts of the activation's pieces; which are constant, which the identity, and
        which have a shift.
        """
        return _tables(self.layer.activation.pieces)


@dataclass(frozen=True)
class Choice:
    """What a maximum leaves undecided: windows `places`, each with the numbers of its candidates
    (windows x most, -1 for none), whose forms are `rows` (windows x most x (basis + variables
    before)).

    `symbols` are those of all windows as far as they are decided. `base` is the candidate that a
    window's variable counts from, `variables` its number, -1 where one candidate is left. Window j
    is unit `first_unit + j`.
    """

    does: Maximum
    places: IndexArray
    candidates: IndexArray
    rows: FloatArray
    heft: FloatArray
    share: float
    alive: BitArray
    sure: BitArray
    source: IndexArray
    symbols: IndexArray
    base: IndexArray
    variables: IndexArray
    first_unit: int

    @cached_property
    def template(self) -> BitArray:
        """The bits of all windows, as far as they are decided."""
        return self.does.coded(self.symbols)


@dataclass
class Patch:
    """The reduced network: a `Bend` or `Choice` for every hidden step, and the output as a form.

    `sizes` bound the basis functions on the patch, the convex hull of `corners`, each of which is
    within `slack` of the exact one in every coordinate; `one` is the constant 1, which is 1 on it
    where it `is_flat`, and elsewhere may be any number from 0. `ranges` (2 x variables) are those
    of the variables.
    """

    sizes: FloatArray
    corners: FloatArray
    slack: float
    one: FloatArray
    is_flat: bool
    stages: list[Bend | Choice] = field(default_factory=list)
    ranges: FloatArray = field(default_factory=lambda: np.zeros((2, 0)))
    units: int = 0
    output: Form | None = None

    @property
    def basis(self) -> int:
        """The number of basis functions."""
        return len(self.sizes)

    @property
    def variables(self) -> int:
        """The number of variables so far."""
        return int(self.ranges.shape[1])

    def span(self, rows: FloatArray, heft: FloatArray, share: float) -> tuple[FloatArray, ...]:
        """Bounds on the least and the greatest value of forms on the patch; none, -inf and inf,
        where numbers overflow.
        """
        k = self.basis
        at = self.corners @ rows[:k]
        (low, high), size = self.ranges, np.abs(rows)
        middle, half = (low + high) / 2, (high - low) / 2 * _UP
        reach = np.maximum(-low, high)
        shift, wide = middle @ rows[k:], half @ size[k:]
        total = self.sizes @ heft[:k] + reach @ heft[k:]
        off = (share + (4 * len(rows) + 32) * U) * total * _UP + LEAST * (total > 0)
        off += wide * (_UP - 1) + self.slack * size[:k].sum(axis=0) * _UP
        least, greatest = at.min(axis=0) + shift - wide - off, at.max(axis=0) + shift + wide + off
        known = ~np.isnan(least) & ~np.isnan(greatest)
        return np.where(known, least, -np.inf), np.where(known, greatest, np.inf)


def reduced(
    steps: Sequence[Step],
    state: RationalArray,
    one: Sequence[Rational],
    corners: FloatArray,
    slack: float,
    is_flat: bool,
) -> Patch:
    """The network over the basis of `state`, on the patch with these corners (corners x basis)."""
    sizes = (np.abs(corners).max(axis=0) + slack) * _UP
    patch = Patch(sizes, corners, slack, nearest_floats(one), is_flat)
    k, n = state.ncols(), state.nrows()
    rows = np.ascontiguousarray(nearest_floats(state.entries()).reshape(n, k).T)
    every = np.ones(n, bool)
    seen = {(Rational(0),) * k: -1}  # a zero, as is padding
    entries = state.entries()
    same = [seen.setdefault(tuple(entries[i * k : i * k + k]), len(seen)) for i in range(n)]
    nothing = np.full(n, -1, np.int64)
    start = Form(rows, np.abs(rows), 2 * U, every, every, nothing, np.array(same, dtype=np.int64))
    with np.errstate(all="ignore"):
        patch.output = walk(steps, start, lambda does, *values: _through(patch, does, values))
    return patch


def _through(patch: Patch, does: Any, values: Sequence[Form]) -> Form:
    if isinstance(does, Sum):
        return _total(patch, values)
    if isinstance(does, Maximum):
        return _maximum(patch, does, _wide(patch, values[0]))
    return _bent(patch, does, _affine(patch, does, _wide(patch, values[0])))


def _wide(patch: Patch, form: Form) -> Form:
    """The form with rows of zeros for the variables that are newer."""
    missing = patch.basis + patch.variables - len(form.rows)
    if not missing:
        return form
    rows, heft = (np.pad(x, ((0, missing), (0, 0))) for x in (form.rows, form.heft))
    return replace(form, rows=rows, heft=heft)


def _total(patch: Patch, values: Sequence[Form]) -> Form:
    found = _wide(patch, values[0])
    for other in (_wide(patch, form) for form in values[1:]):
        source = np.where(~other.alive, found.source, np.where(~found.alive, other.source, -1))
        found = Form(
            found.rows + other.rows,
            (found.heft + other.heft) * _UP,
            max(found.share, other.share) + 2 * U,
            found.alive | other.alive,
            found.sure | other.sure,
            source,
            classes(found.same, other.same),
        )
    return found


def _affine(patch: Patch, layer: Layer, form: Form) -> Form:
    """`operator form + bias`."""
    operator, bias = layer.operator, layer.bias.float64()[:, 0]
    rows, heft = operator.apply_float(form.rows), operator.magnitude(form.heft)
    marks = np.stack([form.alive.astype(np.float64), form.sure.astype(np.float64)])
    alive, sure = operator.magnitude(marks) > 0
    source, share = np.full(len(bias), -1, np.int64), form.share
    if operator.terms:
        share, heft = share + (operator.terms + 8) * U, heft * _UP
    else:  # moved about, not added up: what is read is its place
        marks = (form.source + 1).astype(np.float64)[None]
        source = operator.apply_float(marks)[0].astype(np.int64) - 1
    biased, same = bias != 0, marks_behind(operator, form.same)
    if biased.any():
        same = classes(same, numbered(layer.bias))
        rows[: patch.basis] += np.outer(patch.one, bias)
        heft[: patch.basis] += np.outer(np.abs(patch.one), np.abs(bias))
        heft, share, source[biased] = heft * _UP, share + 8 * U, -1
    return Form(rows, heft, share, alive | biased, sure | biased, source, same)


def _bent(patch: Patch, layer: Layer, z: Form) -> Form:
    """The activation of a layer, with a stage where it bends."""
    bends, pieces = layer.activation.breakpoints, layer.activation.pieces
    if not bends and tuple(pieces[0]) == (Rational(1), Rational(0)):
        return z
    if not bends:
        return _pieces(patch, z, pieces, np.zeros(layer.width, np.int64))
    low, high = patch.span(z.rows, z.heft, z.share)
    on, off = np.zeros((layer.width, len(bends)), bool), np.zeros((layer.width, len(bends)), bool)
    for k, bend in enumerate(bends):
        near = nearest_float(bend)
        lost = 0.0 if rational(near) == bend else float(rounding_error(np.array(near)))
        if patch.is_flat or bend == 0:
            on[:, k], off[:, k] = low > near + lost, high <= near - lost
        else:
            least, most = patch.span(*_less(patch, z, near))
            on[:, k], off[:, k] = least > 0, most <= 0
    is_open = ~(on | off)
    places = np.flatnonzero(is_open.any(axis=1))
    found = _pieces(patch, z, pieces, on.sum(axis=1))
    patch.stages.append(
        Bend(
            layer,
            places,
            np.ascontiguousarray(z.rows[:, places].T),
            np.ascontiguousarray(z.heft[:, places].T),
            z.share,
            on.reshape(-1),
            is_open[places],
            z.sure[places],
            z.same[places],
            patch.units,
            patch.variables,
        )
    )
    rows = [_range(patch, layer, low[j], high[j]) for j in places.tolist()]
    return _with_variables(patch, found, places, np.array(rows).reshape(-1, 2).T)


def _less(patch: Patch, z: Form, bend: float) -> tuple[FloatArray, FloatArray, float]:
    """Pre-activations less a bend times the constant 1."""
    rows, heft = z.rows.copy(), z.heft.copy()
    rows[: patch.basis] -= (bend * patch.one)[:, None]
    heft[: patch.basis] += np.abs(bend * patch.one)[:, None]
    return rows, heft * _UP, z.share + 8 * U


def _pieces(patch: Patch, z: Form, pieces: Sequence[Any], taken: IndexArray) -> Form:
    """Every entry on one piece."""
    tables = _tables(pieces)
    slope, shift = tables[0][taken], tables[1][taken]
    flat, same, shifted = tables[2][taken], tables[3][taken], tables[4][taken]
    rows, heft = np.where(flat, 0.0, z.rows * slope), np.where(flat, 0.0, z.heft * np.abs(slope))
    rows[: patch.basis] += np.outer(patch.one, shift)
    heft[: patch.basis] += np.outer(np.abs(patch.one), np.abs(shift))
    alive, sure = z.alive & ~flat | shifted, z.sure & ~flat | shifted
    source, marks = np.where(same, z.source, -1), classes(z.same, taken)
    return Form(rows, heft * _UP, z.share + 8 * U, alive, sure, source, marks)


def _tables(pieces: Sequence[Any]) -> tuple[FloatArray, FloatArray, BitArray, BitArray, BitArray]:
    slopes, shifts = (nearest_floats([piece[k] for piece in pieces]) for k in (0, 1))
    sloped, shifted = (np.array([piece[k] != 0 for piece in pieces]) for k in (0, 1))
    same = np.array([piece[0] == 1 and piece[1] == 0 for piece in pieces])
    return slopes, shifts, np.logical_not(sloped), same, shifted


def _range(patch: Patch, layer: Layer, low: float, high: float) -> tuple[float, float]:
    """Bounds on the values of an activation where z is in [low, high], times the constant 1."""
    pieces = layer.activation.pieces
    slopes, shifts = (nearest_floats([piece[k] for piece in pieces]) for k in (0, 1))
    unit = float(np.abs(patch.one) @ patch.sizes)
    if patch.is_flat:
        bends = [x for x in map(nearest_float, layer.activation.breakpoints) if low < x < high]
        values = layer.activation.forward_float(np.array([low, *bends, high]))
    else:  # on every piece, whether it is taken there or not
        ends = np.outer(slopes, [low, high])
        values = np.concatenate([ends, ends + unit * shifts[:, None]], axis=None)
    size = float(np.abs(slopes).max()) * max(abs(low), abs(high)) + float(np.abs(shifts).max()) * (
        unit + 1.0
    )
    lost = 32 * U * size + LEAST
    return float(values.min()) - lost, float(values.max()) + lost


def _with_variables(patch: Patch, form: Form, places: IndexArray, ranges: FloatArray) -> Form:
    """The form with a new variable in each of some places, whose outputs they are."""
    count = len(places)
    rows, heft = (np.pad(x, ((0, count), (0, 0))) for x in (form.rows, form.heft))
    for table in (rows, heft):
        table[:, places] = 0.0
        table[len(form.rows) + np.arange(count), places] = 1.0
    alive, sure, source = form.alive.copy(), form.sure.copy(), form.source.copy()
    alive[places], sure[places] = True, False
    source[places] = patch.units + np.arange(count)
    patch.units += count
    patch.ranges = np.hstack([patch.ranges, ranges])
    is_open = np.zeros(rows.shape[1], bool)
    is_open[places] = True
    same = classes(form.same, is_open)
    return Form(rows, heft, form.share, alive, sure, source, same)


def _maximum(patch: Patch, does: Maximum, form: Form) -> Form:
    """The maxima of windows, with a stage."""
    low, high = patch.span(form.rows, form.heft, form.share)
    windows, there, every = does.windows, does.windows >= 0, np.arange(does.width)
    lows = np.where(there, low[windows], -np.inf)
    left = there & (np.where(there, high[windows], -np.inf) >= lows.max(axis=1)[:, None])
    dead = left & ~form.alive[windows]  # the same function, a constant zero
    left &= ~(dead & (np.cumsum(dead, axis=1) > 1))
    marks, alive = form.same[windows], form.alive[windows]
    for column in range(1, windows.shape[1]):  # a function that a candidate before has
        known = there[:, :column] & (marks[:, :column] == marks[:, [column]])
        known &= alive[:, :column] | ~alive[:, [column]]
        left[:, column] &= ~known.any(axis=1)
    best = np.where(left, lows, -np.inf).argmax(axis=1)
    best = np.where(left[every, best], best, left.argmax(axis=1))
    _drop_below(patch, form, windows, left, best)
    base = windows[every, best]
    fixed = (left.sum(axis=1) == 1) & (form.sure[base] | ~form.alive[base])
    numbers = np.cumsum(there, axis=1)  # the symbol of a candidate: from 1
    symbols = np.where(form.alive[base], numbers[every, best], 0)
    return _chosen(patch, does, form, left, best, np.where(fixed, symbols, 0), ~fixed)


def _drop_below(
    patch: Patch, form: Form, windows: IndexArray, left: BitArray, best: IndexArray
) -> None:
    """Candidates that are below the best one all over the patch, by their difference."""
    many = np.flatnonzero(left.sum(axis=1) > 1)
    step = max(1, _CHUNK // max(1, len(form.rows)))
    for start in range(0, len(many), step):
        own = many[start : start + step]
        base = windows[own, best[own]]
        for column in range(windows.shape[1]):
            other = windows[own, column]
            gap = form.rows[:, base] - form.rows[:, other]
            heft = form.heft[:, base] + form.heft[:, other]
            least = patch.span(gap, heft, form.share + 2 * U)[0]
            left[own, column] &= ~((least > 0) & (best[own] != column))


def _chosen(
    patch: Patch,
    does: Maximum,
    form: Form,
    left: BitArray,
    best: IndexArray,
    symbols: IndexArray,
    is_open: BitArray,
) -> Form:
    """The form of the maxima, and the stage of those that are open."""
    windows, every, places = does.windows, np.arange(does.width), np.flatnonzero(is_open)
    base, own = windows[every, best], left[is_open]
    order = np.argsort(~own, axis=1, kind="stable")[:, : int(own.sum(axis=1).max(initial=0))]
    kept = np.take_along_axis(own, order, axis=1)
    read = np.take_along_axis(windows[is_open], order, axis=1)
    read = np.where(kept, read, base[is_open][:, None])
    numbers = np.take_along_axis(np.cumsum(windows[is_open] >= 0, axis=1), order, axis=1)
    many = np.flatnonzero(kept.sum(axis=1) > 1)
    variables = np.full(len(places), -1, np.int64)
    variables[many] = patch.variables + np.arange(len(many))
    rows, heft = (x[:, read].transpose(1, 2, 0).copy() for x in (form.rows, form.heft))
    firsts = np.argmax(order == best[is_open][:, None], axis=1) if len(places) else variables
    patch.stages.append(
        Choice(
            does,
            places,
            np.where(kept, numbers, -1),
            rows,
            heft,
            form.share,
            form.alive[read],
            form.sure[read],
            form.source[read],
            symbols,
            firsts,
            variables,
            patch.units,
        )
    )
    gaps = [_gap(patch, form, base[places[j]], read[j]) for j in many.tolist()]
    return _with_gaps(patch, form, windows, base, places, many, np.array(gaps))


def _gap(patch: Patch, form: Form, base: int, read: IndexArray) -> float:
    """At most how far a window's maximum is above its base."""
    gap = form.rows[:, read] - form.rows[:, [base]]
    heft = form.heft[:, read] + form.heft[:, [base]]
    return max(0.0, float(patch.span(gap, heft, form.share + 2 * U)[1].max()))


def _with_gaps(
    patch: Patch,
    form: Form,
    windows: IndexArray,
    base: IndexArray,
    places: IndexArray,
    many: IndexArray,
    gaps: FloatArray,
) -> Form:
    """The forms of the bases, with a variable for each window of several candidates."""
    count = len(many)
    rows, heft = (np.pad(x[:, base], ((0, count), (0, 0))) for x in (form.rows, form.heft))
    for table in (rows, heft):
        table[len(form.rows) + np.arange(count), places[many]] += 1.0
    alive, sure, source = form.alive[base], form.sure[base], form.source[base]
    alive[places], sure[places] = True, False
    source[places] = patch.units + np.arange(len(places))
    patch.units += len(places)
    patch.ranges = np.hstack([patch.ranges, np.stack([np.zeros(count), gaps.reshape(count)])])
    read = np.where(windows >= 0, form.same[windows], -1)
    return Form(rows, heft, form.share + 2 * U, alive, sure, source, classes(*read.T))
