"""Piecewise linear functions of one parameter carried through the steps of a network: what bends,
and which candidate of a maximum wins, event by event along [0, 1].

A form is its values at both ends with one bound on how far either may be off. A value of the
network is forms at the start and records in the order of events: what an event adds to an entry.
Every kernel keeps the running forms of what it reads. At an event, and at the end, a running form
is checked by its value there: it is linear since its last event, so that it was zero in between
where the sign has changed, and nowhere else. The place of a zero comes from the form itself; a sign
that its bound leaves open is trouble, which is reported with the stretch that it spoils.

Bounds. With x and d within X and D of the exact ones and a weight within U of its own, n terms
`x + w d` are within `X + |w| D + 2 (n + 16) U |w d| + 2 U |x + w d|` of theirs, fused or not, after
all sums; that a bound itself is rounded is covered by `_UP`, underflow by `_FAINT`. A form g within
G has at t, an event within w of it, a value within `G + |g1 - g0| w + 8 U (|g0| + |g1|)`; its zero
g0 / (g0 - g1) is within `G / |g1 - g0|` and four roundings of the exact one's, since the exact form
is within G of g all over [0, 1].

Longer than others: numba caches compiled functions by file, so that the kernels stay in one file.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

_U = 2.0**-53
_UP = 1.0 + 2.0**-40
_FAINT = 2.0**-990
_WIDE = 8.0  # how far from a sign that is open it is sure, in bounds over slopes

Ints = np.ndarray[Any, np.dtype[np.int64]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
Signs = np.ndarray[Any, np.dtype[np.int8]]


part = numba.njit(  # type: ignore[call-overload]
    nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


class Records(NamedTuple):
    """What events add to the entries of a value. Records `starts[g] : starts[g + 1]` are those of
    event `events[g]`, in the order of events: entry, what is added to its form at both ends, within
    `off`; `change` is 1 where the entry stops being a constant zero by construction, -1 where it
    begins to be one, and `zero` says that its value is zero at the event.
    """

    events: Ints
    starts: Ints
    entry: Ints
    first: Floats
    last: Floats
    off: Floats
    change: Signs
    zero: Signs


class Fans(NamedTuple):
    """A linear operator by what each input adds to: entries `starts[i] : starts[i + 1]` add to the
    outputs of `blocks`, `size` in a row, by the weights from `rows` on. `order` (outputs) is the
    place of each output in a row of all blocks.
    """

    size: int
    starts: Ints
    blocks: Ints
    rows: Ints
    weights: Floats
    order: Ints


class Forms(NamedTuple):
    """Forms at the start: values at both ends, each within `off`; how many inputs that are alive
    each has, where `counted`; and whether it has one input, and no shift, at all times.
    """

    first: Floats
    last: Floats
    off: Floats
    alive: Ints
    counted: Signs
    single: Signs


class Bends(NamedTuple):
    """An activation: bends, within `lost`; slopes and shifts of its pieces; the constant 1 at both
    ends; and the number of its bend at zero where zero is sent to zero on both sides, -1 for none.
    """

    bends: Floats
    lost: Floats
    slopes: Floats
    shifts: Floats
    one_first: float
    one_last: float
    zero: int
    keeps_zero: bool


class Found(NamedTuple):
    """What a step does: its records at known events, its new events with a record each, what it is
    at the start, and what changes: event (new ones numbered on), unit, and from what to what;
    stretches that are open; and how many signs were settled.
    """

    records: Records
    low: Floats
    high: Floats
    labels: Ints
    news: Records
    start: Ints
    changes: Ints
    trouble: Floats
    signs: int


@part
def _sign(first: float, last: float, off: float, t: float, wide: float) -> int:
    """The sign of a form at an event, 2 where it is open."""
    value = (1.0 - t) * first + t * last
    doubt = off + abs(last - first) * wide + 8.0 * _U * (abs(first) + abs(last))
    if abs(value) > doubt * _UP + (_FAINT if doubt > 0.0 else 0.0):
        return 1 if value > 0.0 else -1
    return 2


@part
def _zero(first: float, last: float, off: float) -> tuple[float, float]:
    """Bounds on the zero of a form that has one."""
    gap = first - last
    place = first / gap
    far = (off / abs(gap)) * _UP + 8.0 * _U * abs(place) + _FAINT
    return place - far, place + far


@part
def _spoilt(
    trouble: Floats, count: int, low: float, high: float, off: float, slope: float
) -> tuple[Floats, int]:
    """A stretch around an event, beyond which a form of such a slope is far from zero."""
    if count == len(trouble):
        wider = np.empty((2 * count, 2))
        wider[:count] = trouble
        trouble = wider
    far = _WIDE * (off + 16.0 * _U) / slope if slope > 0.0 else 1.0
    far = far if far < 1.0 else 1.0
    trouble[count, 0], trouble[count, 1] = low - far, high + far
    return trouble, count + 1


@part
def _more(column: Any, size: int) -> Any:
    wider = np.empty(size, column.dtype)
    wider[: len(column)] = column
    return wider


@part
def _with_room(own: Records, count: int, more: int) -> Records:
    """The records with room for more."""
    if count + more <= len(own.entry):
        return own
    size = 2 * (count + more)
    return Records(
        own.events,
        own.starts,
        _more(own.entry, size),
        _more(own.first, size),
        _more(own.last, size),
        _more(own.off, size),
        _more(own.change, size),
        _more(own.zero, size),
    )


@part
def _empty(groups: int) -> Records:
    return Records(
        np.empty(groups, np.int64),
        np.zeros(groups + 1, np.int64),
        np.empty(64, np.int64),
        np.empty(64),
        np.empty(64),
        np.empty(64),
        np.empty(64, np.int8),
        np.empty(64, np.int8),
    )


@part
def _cut(own: Records, groups: int, count: int) -> Records:
    return Records(
        own.events[:groups],
        own.starts[: groups + 1],
        own.entry[:count],
        own.first[:count],
        own.last[:count],
        own.off[:count],
        own.change[:count],
        own.zero[:count],
    )


@part
def _write(
    own: Records,
    at: int,
    entry: int,
    first: float,
    last: float,
    off: float,
    change: int,
    zero: bool,
) -> None:
    own.entry[at], own.first[at], own.last[at], own.off[at] = entry, first, last, off
    own.change[at], own.zero[at] = change, zero


@numba.njit(cache=True, nogil=True)
def count_alive(fans: Fans, alive: Signs) -> Ints:
    """How many inputs that are alive each output has, in the order of blocks."""
    found = np.zeros(len(fans.order), np.int64)
    for i in range(len(alive)):
        if not alive[i]:
            continue
        for e in range(fans.starts[i], fans.starts[i + 1]):
            base, row = fans.blocks[e] * fans.size, fans.rows[e]
            for s in range(fans.size):
                found[base + s] += fans.weights[row + s] != 0.0
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")
def bend(
    given: Records, low: Floats, high: Floats, fans: Fans, forms: Forms, bends: Bends
) -> Found:
    """A layer: what it reads times `fans` in front of an activation. `forms` are pre-activations in
    the order of blocks; labels are unit and bend, changes a unit, its bend, and the bit.
    """
    n, size, kinks = len(forms.first), fans.size, len(bends.bends)
    first, last, off = forms.first.copy(), forms.last.copy(), forms.off.copy()
    alive, piece = forms.alive.copy(), np.zeros(n, np.int64)
    flat = np.zeros(n, np.int8)
    add_first, add_last, add_off = np.zeros(n), np.zeros(n), np.zeros(n)
    turn, zeros = np.zeros(n, np.int64), np.zeros(n, np.int8)
    stamp, touched = np.full(n // size, -1, np.int64), np.empty(n // size, np.int64)
    own, count = _empty(len(given.events)), 0
    news, new_low, new_high = _empty(0), np.empty(64), np.empty(64)
    labels, made = np.empty((64, 2), np.int64), 0
    changes, changed = np.empty((64, 4), np.int64), 0
    trouble, spoilt, signs = np.empty((4, 2)), 0, 0
    for v in range(n):  # what it is behind the start
        flat[v] = first[v] == 0.0 and last[v] == 0.0 and off[v] == 0.0
        for k in range(kinks):
            a, b = first[v] - bends.bends[k] * bends.one_first, last[v]
            b -= bends.bends[k] * bends.one_last
            doubt = off[v]
            if bends.bends[k] != 0.0:
                doubt += bends.lost[k] + 4.0 * _U * (abs(a) + abs(b) + abs(first[v]) + abs(last[v]))
            if a == 0.0 and doubt == 0.0:
                a = b  # zero at the start, and linear: the sign is that at the end
            if abs(a) > doubt * _UP:
                piece[v] += a > 0.0
            elif not (a == 0.0 and doubt == 0.0):
                slope = abs(b - a)
                trouble, spoilt = _spoilt(trouble, spoilt, 0.0, 0.0, doubt, slope)
    start = piece.copy()
    groups = len(given.events)
    for g in range(groups + 1):
        is_end, reached = g == groups, 0
        if is_end:
            t, wide, event, lowest, highest = 1.0, 0.0, -1, 1.0, 1.0
            reached = n // size
            for q in range(reached):
                touched[q] = q
        else:
            event = given.events[g]
            lowest, highest = low[event], high[event]
            t, wide = 0.5 * (lowest + highest), (highest - lowest) * _UP
            terms = given.starts[g + 1] - given.starts[g] + 16
            for r in range(given.starts[g], given.starts[g + 1]):
                i, d0, d1 = given.entry[r], given.first[r], given.last[r]
                lost = given.off[r] + 2.0 * terms * _U * max(abs(d0), abs(d1))
                for e in range(fans.starts[i], fans.starts[i + 1]):
                    q = fans.blocks[e]
                    base, row = q * size, fans.rows[e]
                    if stamp[q] != g:
                        stamp[q] = g
                        touched[reached] = q
                        reached += 1
                        add_first[base : base + size] = 0.0
                        add_last[base : base + size] = 0.0
                        add_off[base : base + size] = 0.0
                        turn[base : base + size] = 0
                        zeros[base : base + size] = 0
                    for s in range(size):
                        w = fans.weights[row + s]
                        add_first[base + s] += w * d0
                        add_last[base + s] += w * d1
                        add_off[base + s] += abs(w) * lost
                    if given.change[r] != 0 or given.zero[r]:
                        for s in range(size):
                            if fans.weights[row + s] != 0.0:
                                turn[base + s] += given.change[r]
                                zeros[base + s] = given.zero[r] and forms.single[base + s]
        own = _with_room(own, count, reached * size)
        if not is_end:
            own.events[g], own.starts[g] = event, count
        for place in range(reached):
            for v in range(touched[place] * size, (touched[place] + 1) * size):
                if not is_end and add_off[v] == 0.0 and turn[v] == 0 and not zeros[v]:
                    continue
                was_zero = not is_end and (flat[v] or zeros[v])
                before, lives = piece[v], not forms.counted[v] or alive[v] > 0
                reach = 0
                for k in range(kinks):
                    if bends.bends[k] == 0.0 and (flat[v] or was_zero):
                        reach += before > k
                        continue
                    shift = bends.bends[k]
                    a, b = first[v] - shift * bends.one_first, last[v] - shift * bends.one_last
                    doubt = off[v]
                    if shift != 0.0:
                        doubt += bends.lost[k] + 4.0 * _U * (
                            abs(a) + abs(b) + abs(first[v]) + abs(last[v])
                        )
                    if is_end and b == 0.0 and doubt == 0.0:
                        reach += before > k  # zero at the end alone
                        continue
                    sign = _sign(a, b, doubt, t, wide)
                    signs += 1
                    if sign == 2:
                        slope = abs(b - a)
                        if not is_end:
                            after = abs(b + add_last[v] - a - add_first[v])
                            doubt += abs(b - a) * wide + add_off[v]
                            slope = min(slope, after) if after > 0.0 else slope
                        trouble, spoilt = _spoilt(trouble, spoilt, lowest, highest, doubt, slope)
                        reach += before > k
                        continue
                    reach += sign > 0
                    if (sign > 0) == (before > k):
                        continue
                    old, new = (k, k + 1) if sign > 0 else (k + 1, k)
                    if made == len(new_low):
                        new_low, new_high = _more(new_low, 2 * made), _more(new_high, 2 * made)
                        wider = np.empty((2 * made, 2), np.int64)
                        wider[:made] = labels
                        labels = wider
                    new_low[made], new_high[made] = _zero(a, b, doubt)
                    labels[made, 0], labels[made, 1] = fans.order[v], k
                    news = _with_room(news, made, 1)
                    steep = bends.slopes[new] - bends.slopes[old]
                    lift = bends.shifts[new] - bends.shifts[old]
                    d0 = steep * first[v] + lift * bends.one_first
                    d1 = steep * last[v] + lift * bends.one_last
                    size_of = abs(steep) * max(abs(first[v]), abs(last[v]))
                    size_of += (abs(bends.shifts[new]) + abs(bends.shifts[old])) * max(
                        bends.one_first, bends.one_last
                    )
                    size_of += (abs(bends.slopes[new]) + abs(bends.slopes[old])) * max(
                        abs(first[v]), abs(last[v])
                    )
                    lost = (abs(steep) * off[v] + 8.0 * _U * size_of) * _UP + _FAINT
                    turned = _lives(bends, new, lives) - _lives(bends, old, lives)
                    nothing = bends.keeps_zero and k == bends.zero
                    _write(news, made, fans.order[v], d0, d1, lost, turned, nothing)
                    if changed == len(changes):
                        changes = _longer(changes)
                    changes[changed, 0], changes[changed, 1] = len(low) + made, fans.order[v]
                    changes[changed, 2], changes[changed, 3] = k, sign > 0
                    changed += 1
                    made += 1
                piece[v] = reach
                if is_end:
                    continue
                old_first, old_last, old_off = first[v], last[v], off[v]
                d0, d1, lost = add_first[v], add_last[v], add_off[v] * _UP + _FAINT
                alive[v] += turn[v]
                still = not forms.counted[v] or alive[v] > 0
                if not still:  # a constant zero, by construction
                    first[v] = last[v] = off[v] = 0.0
                    d0, d1, lost = -old_first, -old_last, old_off
                else:
                    first[v] += d0
                    last[v] += d1
                    off[v] = off[v] + lost + 2.0 * _U * max(abs(first[v]), abs(last[v]))
                    off[v] *= _UP
                flat[v] = not still
                if was_zero and bends.zero >= 0:
                    if flat[v]:
                        piece[v] = bends.zero
                    elif abs(last[v]) > off[v] * _UP:
                        piece[v] = bends.zero + (last[v] > 0.0)
                    else:
                        trouble, spoilt = _spoilt(trouble, spoilt, lowest, highest, 1.0, 0.0)
                p = piece[v]
                turned = _lives(bends, p, still) - _lives(bends, reach, lives)
                nothing = was_zero and bends.keeps_zero
                if p == reach:
                    slope = bends.slopes[p]
                    if slope != 0.0:
                        lost = abs(slope) * lost + 4.0 * _U * abs(slope) * max(abs(d0), abs(d1))
                        lost = lost * _UP if slope != 1.0 else lost
                        _write(
                            own, count, fans.order[v], slope * d0, slope * d1, lost, turned, nothing
                        )
                        count += 1
                    continue
                a, b = bends.slopes[p], bends.slopes[reach]
                lift = bends.shifts[p] - bends.shifts[reach]
                d0 = a * first[v] - b * old_first + lift * bends.one_first
                d1 = a * last[v] - b * old_last + lift * bends.one_last
                size_of = abs(a) * max(abs(first[v]), abs(last[v]))
                size_of += abs(b) * max(abs(old_first), abs(old_last))
                size_of += (abs(bends.shifts[p]) + abs(bends.shifts[reach])) * max(
                    bends.one_first, bends.one_last
                )
                lost = (abs(a) * off[v] + abs(b) * old_off + 8.0 * _U * size_of) * _UP + _FAINT
                _write(own, count, fans.order[v], d0, d1, lost, turned, nothing)
                count += 1
                if changed == len(changes):
                    changes = _longer(changes)
                changes[changed, 0], changes[changed, 1] = event, fans.order[v]
                changes[changed, 2], changes[changed, 3] = bends.zero, p > bends.zero
                changed += 1
        if not is_end:
            own.starts[g + 1] = count
    return Found(
        _cut(own, groups, count),
        new_low[:made],
        new_high[:made],
        labels[:made],
        _cut(news, 0, made),
        start,
        changes[:changed],
        trouble[:spoilt],
        signs,
    )


@part
def _lives(bends: Bends, piece: int, alive: bool) -> int:
    """Whether an output on a piece is anything but a constant zero by construction."""
    return int(bends.shifts[piece] != 0.0 or (bends.slopes[piece] != 0.0 and alive))


@part
def _longer(table: Ints) -> Ints:
    wider = np.empty((2 * len(table), table.shape[1]), np.int64)
    wider[: len(table)] = table
    return wider


class Windows(NamedTuple):
    """Windows (windows x candidates, -1 for none), and those that read each entry. Entries with the
    same mark are one function; with the same one of `begins` or `ends` they are equal at the start
    or the end.
    """

    reads: Ints
    starts: Ints
    windows: Ints
    marks: Ints
    begins: Ints
    ends: Ints


class _Running(NamedTuple):
    """The running forms of the entries; `alive` says which are no constant zeros by construction,
    `nought` (the number of an event) which are zero at it.
    """

    first: Floats
    last: Floats
    off: Floats
    alive: Ints
    nought: Ints


@part
def _is_nothing(now: _Running, i: int) -> bool:
    """Whether an entry is zero all over, for certain."""
    return now.first[i] == 0.0 and now.last[i] == 0.0 and now.off[i] == 0.0


@part
def _are_same(now: _Running, windows: Windows, i: int, j: int) -> bool:
    """Whether two entries are one function, for certain."""
    if i == j or (windows.marks[i] == windows.marks[j] and now.alive[i] == now.alive[j]):
        return True
    exact = now.off[i] == 0.0 and now.off[j] == 0.0
    return exact and now.first[i] == now.first[j] and now.last[i] == now.last[j]


@part
def _compare(now: _Running, windows: Windows, i: int, j: int, t: float, wide: float, g: int) -> int:
    """The sign of entry j less entry i at an event, 0 where that is zero for certain, 2 where it is
    open.
    """
    if _are_same(now, windows, i, j):
        return 0
    none_i = now.nought[i] == g or _is_nothing(now, i)
    none_j = now.nought[j] == g or _is_nothing(now, j)
    if none_i and none_j:
        return 0
    exact = now.off[i] == 0.0 and now.off[j] == 0.0 and wide == 0.0
    equal = windows.ends[i] == windows.ends[j] or (exact and now.last[i] == now.last[j])
    if equal and t == 1.0 and wide == 0.0:
        return 0
    a, b = now.first[j] - now.first[i], now.last[j] - now.last[i]
    off = now.off[i] + now.off[j]
    if not exact:
        off += 2.0 * _U * (abs(a) + abs(b))
    if none_i:
        a, b, off = now.first[j], now.last[j], now.off[j]
    if none_j:
        a, b, off = -now.first[i], -now.last[i], now.off[i]
    return _sign(a, b, off, t, wide)


@part
def _symbol(now: _Running, windows: Windows, w: int, best: int) -> int:
    """The first candidate that is the function of the best one; -1 where that is a constant zero of
    candidates that are none but such by construction.
    """
    reads = windows.reads[w]
    b, found, lives = reads[best], -1, False
    for c in range(len(reads)):
        i = reads[c]
        if i >= 0 and _are_same(now, windows, b, i):
            found = c if found < 0 else found
            lives = lives or now.alive[i] > 0
    return found if lives or not _is_nothing(now, b) else -1


@part
def _begin_equal(now: _Running, windows: Windows, i: int, j: int) -> bool:
    """Whether two entries are equal at the start, for certain."""
    exact = now.off[i] == 0.0 and now.off[j] == 0.0
    return windows.begins[i] == windows.begins[j] or (exact and now.first[i] == now.first[j])


@part
def _begin(now: _Running, windows: Windows, w: int) -> tuple[int, bool, float, float]:
    """The symbol of a window behind the start, whether it is certain, and a gap that is not."""
    reads, best = windows.reads[w], -1
    for c in range(len(reads)):
        i = reads[c]
        if i < 0:
            continue
        if best < 0:
            best = c
            continue
        b = reads[best]
        if _begin_equal(now, windows, i, b):
            best = c if now.last[i] > now.last[b] else best
        elif now.first[i] > now.first[b]:
            best = c
    b = reads[best]
    for c in range(len(reads)):
        i = reads[c]
        if i < 0 or _are_same(now, windows, b, i):
            continue
        gap, off = now.first[b] - now.first[i], now.off[b] + now.off[i]
        slope = abs(gap - now.last[b] + now.last[i])
        if _begin_equal(now, windows, i, b):
            gap = now.last[b] - now.last[i]
        off = off + 2.0 * _U * abs(gap)
        if not gap > off * _UP:
            return 0, False, off, slope
    return _symbol(now, windows, w, best), True, 0.0, 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def choose(given: Records, low: Floats, high: Floats, forms: Forms, windows: Windows) -> Found:
    """A maximum over windows. `forms` are those of the entries; labels are a window and the two
    candidates that are equal at the event, changes a window, its symbol before and behind, each
    from 0 for none.
    """
    n, count_of = len(forms.first), len(windows.reads)
    now = _Running(
        forms.first.copy(),
        forms.last.copy(),
        forms.off.copy(),
        forms.alive.copy(),
        np.full(n, -1, np.int64),
    )
    old_first, old_last, old_off = np.empty(n), np.empty(n), np.empty(n)
    add_first, add_last, add_off = np.zeros(n), np.zeros(n), np.zeros(n)
    seen = np.full(n, -1, np.int64)
    stamp, touched = np.full(count_of, -1, np.int64), np.empty(count_of, np.int64)
    own, count = _empty(len(given.events)), 0
    news, new_low, new_high = _empty(0), np.empty(64), np.empty(64)
    labels, made = np.empty((64, 3), np.int64), 0
    changes, changed = np.empty((64, 4), np.int64), 0
    trouble, spoilt, signs = np.empty((4, 2)), 0, 0
    winner = np.empty(count_of, np.int64)
    width = windows.reads.shape[1]
    for w in range(count_of):
        winner[w], sure, off, slope = _begin(now, windows, w)
        if not sure:
            trouble, spoilt = _spoilt(trouble, spoilt, 0.0, 0.0, off, slope)
    start, groups = winner + 1, len(given.events)
    for g in range(groups + 1):
        is_end, reached = g == groups, 0
        if is_end:
            t, wide, event, lowest, highest = 1.0, 0.0, -1, 1.0, 1.0
            reached = count_of
            for w in range(count_of):
                touched[w] = w
        else:
            event = given.events[g]
            lowest, highest = low[event], high[event]
            t, wide = 0.5 * (lowest + highest), (highest - lowest) * _UP
            for r in range(given.starts[g], given.starts[g + 1]):
                i = given.entry[r]
                seen[i] = g
                add_first[i], add_last[i], add_off[i] = given.first[r], given.last[r], given.off[r]
                if given.zero[r]:
                    now.nought[i] = g
                for e in range(windows.starts[i], windows.starts[i + 1]):
                    w = windows.windows[e]
                    if stamp[w] != g:
                        stamp[w] = g
                        touched[reached] = w
                        reached += 1
            own.events[g], own.starts[g] = event, count
        for place in range(reached):  # up to the event
            w = touched[place]
            reads = windows.reads[w]
            if winner[w] < 0:
                continue
            for _ in range(width + 1):
                i = reads[winner[w]]
                best, best_low, best_high, after = -1, 2.0, 2.0, 3.0
                for c in range(width):
                    j = reads[c]
                    if j < 0 or c == winner[w]:
                        continue
                    sign = _compare(now, windows, i, j, t, wide, g)
                    signs += 1
                    if sign == 2:
                        a, b = now.first[j] - now.first[i], now.last[j] - now.last[i]
                        doubt = now.off[i] + now.off[j] + abs(b - a) * wide
                        trouble, spoilt = _spoilt(
                            trouble, spoilt, lowest, highest, doubt, abs(b - a)
                        )
                    if sign != 1:
                        continue
                    a, b = now.first[j] - now.first[i], now.last[j] - now.last[i]
                    off = (
                        now.off[i]
                        + now.off[j]
                        + 2.0
                        * _U
                        * (
                            abs(now.first[i])
                            + abs(now.first[j])
                            + abs(now.last[i])
                            + abs(now.last[j])
                        )
                    )
                    zero_low, zero_high = _zero(a, b, off)
                    if best >= 0 and _are_same(now, windows, reads[best], j):
                        continue
                    if zero_low < best_low:
                        after = best_low
                        best, best_low, best_high = c, zero_low, zero_high
                    elif zero_low < after:
                        after = zero_low
                if best < 0:
                    break
                if after <= best_high:
                    trouble, spoilt = _spoilt(
                        trouble, spoilt, best_low, max(best_high, after), 2.0**-40, 1.0
                    )
                    break
                j = reads[best]
                if made == len(new_low):
                    new_low, new_high = _more(new_low, 2 * made), _more(new_high, 2 * made)
                    labels = _longer(labels)
                new_low[made], new_high[made] = best_low, best_high
                labels[made, 0], labels[made, 1], labels[made, 2] = w, winner[w], best
                news = _with_room(news, made, 1)
                d0, d1 = now.first[j] - now.first[i], now.last[j] - now.last[i]
                lost = now.off[i] + now.off[j] + 2.0 * _U * max(abs(d0), abs(d1))
                _write(news, made, w, d0, d1, lost * _UP + _FAINT, 0, False)
                if changed == len(changes):
                    changes = _longer(changes)
                changes[changed, 0], changes[changed, 1] = len(low) + made, w
                changes[changed, 2], changes[changed, 3] = winner[w] + 1, best + 1
                changed += 1
                made += 1
                winner[w] = best
        if is_end:
            break
        for r in range(given.starts[g], given.starts[g + 1]):  # the event itself
            i = given.entry[r]
            old_first[i], old_last[i], old_off[i] = now.first[i], now.last[i], now.off[i]
            now.alive[i] += given.change[r]
            if now.alive[i] > 0:
                now.first[i] += given.first[r]
                now.last[i] += given.last[r]
                sum_of = now.off[i] + given.off[r]
                sum_of += 2.0 * _U * max(abs(now.first[i]), abs(now.last[i]))
                now.off[i] = sum_of * _UP + _FAINT
            else:
                add_first[i], add_last[i] = -now.first[i], -now.last[i]
                add_off[i] = now.off[i]
                now.first[i] = now.last[i] = now.off[i] = 0.0
        own = _with_room(own, count, reached)
        for place in range(reached):
            w = touched[place]
            reads, before = windows.reads[w], winner[w]
            i = reads[before] if before >= 0 else -1
            was_nothing = before < 0 or now.nought[i] == g or _is_nothing(now, i)
            behind, is_clear = before, True
            if was_nothing:
                behind, is_clear = _behind_zero(now, windows, w, t, wide, g)
            else:
                for c in range(width):
                    j = reads[c]
                    if j < 0 or c == before or _are_same(now, windows, i, j):
                        continue
                    is_clear = is_clear and _compare(now, windows, i, j, t, wide, g) == -1
            if not is_clear:
                trouble, spoilt = _spoilt(trouble, spoilt, lowest, highest, 2.0**-40, 1.0)
                continue
            winner[w] = behind
            if behind == before:
                if before >= 0 and seen[i] == g:
                    _write(own, count, w, add_first[i], add_last[i], add_off[i], 0, was_nothing)
                    count += 1
                continue
            a0 = a1 = lost = 0.0
            if behind >= 0:
                j = reads[behind]
                a0, a1, lost = now.first[j], now.last[j], now.off[j]
            if before >= 0:
                fresh = seen[i] == g
                b0 = old_first[i] if fresh else now.first[i]
                b1 = old_last[i] if fresh else now.last[i]
                lost += old_off[i] if fresh else now.off[i]
                a0, a1 = a0 - b0, a1 - b1
            lost += 2.0 * _U * max(abs(a0), abs(a1))
            turned = int(behind >= 0) - int(before >= 0)
            _write(own, count, w, a0, a1, lost * _UP + _FAINT, turned, was_nothing)
            count += 1
            if changed == len(changes):
                changes = _longer(changes)
            changes[changed, 0], changes[changed, 1] = event, w
            changes[changed, 2], changes[changed, 3] = before + 1, behind + 1
            changed += 1
        own.starts[g + 1] = count
    return Found(
        _cut(own, groups, count),
        new_low[:made],
        new_high[:made],
        labels[:made],
        _cut(news, 0, made),
        start,
        changes[:changed],
        trouble[:spoilt],
        signs,
    )


@part
def _behind_zero(
    now: _Running, windows: Windows, w: int, t: float, wide: float, g: int
) -> tuple[int, bool]:
    """The winner of a window behind an event at which its maximum is zero, and whether that is
    certain.
    """
    reads, kept = windows.reads[w], now.nought
    best, sure = -1, True
    for c in range(len(reads)):
        i = reads[c]
        if i < 0:
            continue
        if not (kept[i] == g or _is_nothing(now, i)):
            sure = sure and _sign(now.first[i], now.last[i], now.off[i], t, wide) == -1
            continue
        if best < 0 or now.last[i] > now.last[reads[best]]:
            best = c
    if best < 0:
        return -1, False
    b = reads[best]
    for c in range(len(reads)):
        i = reads[c]
        if i < 0 or _are_same(now, windows, b, i):
            continue
        if kept[i] == g or _is_nothing(now, i):
            gap = now.last[b] - now.last[i]
            sure = sure and gap > (now.off[b] + now.off[i] + 2.0 * _U * abs(gap)) * _UP
    return _symbol(now, windows, w, best), sure


@numba.njit(cache=True, nogil=True)
def arranged(own: Records, news: Records, order: Ints, ids: Ints) -> Records:
    """The records of known events and new ones in one order: `order` lists groups, the new ones
    numbered on, `ids` their events; groups of one event in a row become one.
    """
    known, total = len(own.events), len(own.entry) + len(news.entry)
    found = Records(
        np.empty(len(order), np.int64),
        np.zeros(len(order) + 1, np.int64),
        np.empty(total, np.int64),
        np.empty(total),
        np.empty(total),
        np.empty(total),
        np.empty(total, np.int8),
        np.empty(total, np.int8),
    )
    groups = count = 0
    for k in range(len(order)):
        g = order[k]
        event = ids[k]
        if g < known and own.starts[g] == own.starts[g + 1]:
            continue
        if groups == 0 or found.events[groups - 1] != event:
            found.events[groups] = event
            groups += 1
        source = own if g < known else news
        begin = own.starts[g] if g < known else g - known
        end = own.starts[g + 1] if g < known else begin + 1
        for r in range(begin, end):
            _write(
                found,
                count,
                source.entry[r],
                source.first[r],
                source.last[r],
                source.off[r],
                source.change[r],
                bool(source.zero[r]),
            )
            count += 1
        found.starts[groups] = count
    return _cut(found, groups, count)
