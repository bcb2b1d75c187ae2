"""The error bounds of the circle kernels against exact signs and high precision, and the reading of
orders off enclosures.
"""

from __future__ import annotations

import numpy as np
import pytest

from exact.arithmetic.linear_algebra import identity
from exact.arithmetic.numbers import Rational, coprime_integers, rational
from exact.geometry.circles.points import CirclePlanes
from exact.kernels import small_circles as kernels


def near_misses(m: int, seed: int) -> CirclePlanes:
    """Circles of every size; each second one nearly touches, or nearly is, the one before."""
    rng = np.random.default_rng(seed)
    found, own, height = CirclePlanes(identity(3), Rational(1)), np.array([0.0, 0.0, 1.0]), 0.5
    for k in range(m):
        normal = rng.standard_normal(3)
        if k % 2 and rng.random() < 0.7:
            across, turn = np.cross(own, normal), rng.uniform(0.1, 1)
            normal = np.cos(turn) * own + np.sin(turn) * across / np.linalg.norm(across)
            gap = 2.0 ** rng.integers(-50, -2) * rng.choice([-1, 1])
            height = np.cos(np.arccos(height) - turn + gap) if rng.random() < 0.8 else height
        else:
            normal, height = normal / np.linalg.norm(normal), rng.uniform(-0.95, 0.95)
        own = normal
        if found.add(coprime_integers([rational(float(x)) for x in (*normal, -height)])) <= 0:
            found.drop()
    return found


@pytest.mark.parametrize("seed", range(3))
def test_pairs_are_decided_rightly_or_asked(seed: int) -> None:
    found = near_misses(60, seed)
    counts, asked = np.zeros(len(found), dtype=np.int64), np.zeros((2000, 2), dtype=np.int64)
    unknown = kernels.count_meetings(found.unit_rows(), 0, counts, asked)
    doubtful = {tuple(pair) for pair in asked[:unknown].tolist()}
    assert 0 < unknown < 40
    exact = np.zeros_like(counts)
    for i in range(len(found)):
        for j in range(i + 1, len(found)):
            if (i, j) not in doubtful and found.meeting(i, j) >= 0:
                exact[i] += 1
                exact[j] += 1
    assert counts.tolist() == exact.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_enclosures_contain_the_points(seed: int) -> None:
    found, checked, tightest = near_misses(30, seed), 0, 1.0
    rows = found.unit_rows()
    for i in range(len(found)):
        others = np.array(
            [j for j in range(len(found)) if j != i and found.meeting(i, j) > 0], dtype=np.int32
        )
        low, high, hard = (
            np.zeros(2 * len(others)),
            np.zeros(2 * len(others)),
            np.zeros(len(others), dtype=np.int64),
        )
        missed = set(hard[: kernels.enclose(rows, i, others, low, high, hard)].tolist())
        for k in set(range(len(others))) - missed:
            for side in (0, 1):
                balls = found.enclosed(i, (int(others[k]), 2 * side - 1))  # within 2^-44
                middle = (balls[0] + balls[1]) / 2
                inside = (middle - low[2 * k + side] + 2) % 4 - 2
                assert -(2.0**-43) <= inside <= high[2 * k + side] - low[2 * k + side] + 2.0**-43
                assert 0 <= low[2 * k + side] <= 4
                tightest = min(tightest, float(high[2 * k + side] - low[2 * k + side]))
                checked += 1
    assert checked > 200
    assert tightest < 2.0**-43


def ordered(low: list[float], high: list[float]) -> tuple[int, list[int], list[int]]:
    keys, shift = np.zeros(len(low), dtype=np.uint64), (len(low) - 1).bit_length()
    kernels.write_keys(np.array(low), keys, shift)
    keys.sort()
    points, tied = np.zeros(len(low), dtype=np.int32), np.zeros(len(low), dtype=np.uint8)
    count = int(kernels.certain_order(keys, np.array(high), shift, points, 0, tied))
    return count, points.tolist(), tied.tolist()


def test_orders_are_read_off_enclosures() -> None:
    assert ordered([2.0, 0.5, 1.0], [2.25, 0.75, 1.5]) == (0, [1, 2, 0], [0, 0, 0])
    assert ordered([2.0, 0.5, 1.0], [2.25, 1.0, 1.5]) == (1, [1, 2, 0], [0, 1, 0])
    # what reaches over the seam is followed by what it meets there; a wide one hides all that it
    # covers
    assert ordered([3.5, 0.5, 1.5], [4.75, 0.75, 1.75]) == (1, [2, 0, 1], [0, 0, 1])
    assert ordered([0.0, 0.5, 1.5, 3.0], [2.0, 0.75, 1.75, 3.5]) == (2, [0, 1, 2, 3], [0, 1, 1, 0])
    assert ordered([0.0, 2.0], [4.0, 2.5])[0] == -1
    assert ordered([0.0, 1.0, 2.0, 3.0], [1.5, 2.5, 3.5, 4.5])[0] == -1


def test_arcs_begin_at_the_entry_of_the_first_neighbour() -> None:
    starts = np.array([0, 2, 2])
    points, tied = np.array([3, 1, 2, 0], dtype=np.int32), np.array([0, 0, 0, 1], dtype=np.uint8)
    out, first = np.zeros(4, dtype=np.int32), np.zeros(3, dtype=np.int32)
    circle, lead = np.zeros(4, dtype=np.int32), np.zeros(4, dtype=np.int32)
    assert kernels.number_arcs(starts, points, tied, out, circle, lead, first) == 4
    assert out.tolist() == [0, 2, 0, 1]
    assert (circle.tolist(), lead.tolist(), first.tolist()) == (
        [0, 0, 0, 1],
        [0, 3, 1, -1],
        [0, 3, 4],
    )


def test_walks_that_do_not_close_are_found() -> None:
    walk_of = np.zeros(4, dtype=np.int32)
    assert kernels.trace_walks(np.array([1, 0, 3, 2], dtype=np.int32), walk_of) == 2
    assert kernels.trace_walks(np.array([1, 2, 1, 3], dtype=np.int32), walk_of) == -1
