"""The referee: what sampled counts find of the exact ones.

Three approximations in common use are run beside the exact enumeration: distinct codes on a grid or
at random points of a plane, distinct codes of random directions on a circle, and the summed Hamming
distance of 50 samples along a segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import numpy as np

from exact import Network, Partition, Segment, partition
from exact.arithmetic.numbers import FloatArray
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.neighbouring_maps import cells_of
from studies.questions.shared.intervals import Share, percent
from studies.questions.shared.pictures import curves
from studies.questions.shared.rays import affordable
from studies.questions.shared.sampling import codes_float, distinct_codes, random_points
from studies.rules import SHARE, Claim, above, exceeds
from studies.statistics import Degenerate, Estimate
from studies.subjects import LanguageLayer, Subjects, Toy

CLAIM = "referee"
NEARLY_ALL, MOST = 0.99, 0.8
COUNT = Claim(
    CLAIM,
    "Distinct codes of sampled points count the regions.",
    Kind.CENSUS,
    exceeds(NEARLY_ALL, "the share of the exact codes that the largest sample finds", range=SHARE),
)
PATH = Claim(
    CLAIM,
    "Hamming distances summed over 50 samples along a segment count the crossings.",
    Kind.ESTIMATE,
    above(
        MOST,
        "the share of segments on which the sampled sum is the exact number of flips",
        range=SHARE,
        unit="segments",
        least=1,
    ),
)
GRIDS, RANDOM, DIRECTIONS = (
    (10, 20, 50, 100, 200, 400),
    (100, 1000, 10_000, 100_000),
    (10, 30, 100, 300, 1000, 10_000),
)
STEPS, SEGMENTS = 50, 24
SUBTITLE = "share of the exact number of spline codes, by number of samples"


@dataclass(frozen=True)
class Tally:
    """Numbers of samples, and how many different codes each sample found, of an exact number."""

    samples: tuple[int, ...]
    found: tuple[int, ...]
    exact: int

    @property
    def value(self) -> str:
        largest = list(zip(self.samples, self.found, strict=True))[-3:]
        return f"{self.exact} exactly; " + ", ".join(
            f"{percent(f / self.exact)} with {n:,}" for n, f in largest
        )

    def data(self) -> dict[str, JSON]:
        return {
            "exact": self.exact,
            "samples": list(self.samples),
            "found": list(self.found),
            "bias_float": [f / self.exact - 1 for f in self.found],
        }


def ask(subjects: Subjects) -> Answer:
    """Sampled counts of regions, arcs and crossings against the exact ones."""
    toys = (*subjects.toys.values(), *subjects.deep.values())
    tallies: list[tuple[str, Tally]] = []

    def counted(toy: Toy, subject: str, samples: Sequence[FloatArray]) -> Finding:
        tallies.append((subject, tally(cells_of(toy), samples)))
        return count_finding(*tallies[-1])

    findings = [
        COUNT.guarded(subject, partial(counted, toy, subject, samples))
        for toy in toys
        for subject, samples in (_circle if toy.network.has_norm else _planes)(toy, subjects.seed)
    ]
    asked = [(toy.name, toy.block, _toy_segments(toy)) for toy in toys]
    asked += [(one.name, one.network, _language_segments(one)) for one in subjects.language]
    findings += [PATH.guarded(one[0], partial(segments_finding, *one)) for one in asked]
    return Answer(tuple(findings), (_figure(tallies),) if tallies else ())


def _planes(toy: Toy, seed: int) -> list[tuple[str, list[FloatArray]]]:
    if toy.network.input_dim != 2:
        return []
    rng = np.random.default_rng(seed)
    randoms = [rng.uniform(-1.5, 1.5, (count, 2)) for count in RANDOM]
    return [
        (f"{toy.name}, grid on the square", [grid(side) for side in GRIDS]),
        (f"{toy.name}, random points of the square", randoms),
    ]


def _circle(toy: Toy, seed: int) -> list[tuple[str, list[FloatArray]]]:
    norm = toy.block.blocks[0].norm
    if norm is None or norm.sphere_dim != 1:
        return []
    far = [2.0**40 * random_points(toy.block.input_dim, count, seed) for count in DIRECTIONS]
    return [(f"{toy.name}, random directions", far)]


def grid(side: int) -> FloatArray:
    """The centres of side x side equal squares that tile [-3/2, 3/2]^2."""
    ticks = 1.5 * ((2 * np.arange(side) + 1) / side - 1)
    return np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)


def tally(exact: Partition, samples: Sequence[FloatArray]) -> Tally:
    """Count the distinct codes of every sample; the exact number is that of codes."""
    found = [len(distinct_codes(codes_float(exact.network, points))) for points in samples]
    return Tally(tuple(map(len, samples)), tuple(found), exact.code_count)


def count_finding(subject: str, counted: Tally) -> Finding:
    """How many of the regions the largest sample found."""
    share = Estimate.exactly(Fraction(counted.found[-1], counted.exact))
    return COUNT.finding(subject, share, value=counted.value, data=counted.data())


def _toy_segments(toy: Toy) -> list[tuple[FloatArray, FloatArray]]:
    return _pairs(toy.residuals[: 2 * SEGMENTS])


def _language_segments(layer: LanguageLayer) -> list[tuple[FloatArray, FloatArray]]:
    return _pairs(layer.vectors[: 2 * affordable(layer.network, SEGMENTS // 2)])


def _pairs(rows: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Every two rows."""
    even = rows[: len(rows) // 2 * 2]
    return list(zip(even[::2], even[1::2], strict=True))


def flips_on(network: Network, p: FloatArray, q: FloatArray) -> int:
    """The exact number of neuron flips along a straight segment."""
    found = partition(network, Segment(p.tolist(), q.tolist()))
    return sum(len(crossing.hinges) for crossing in found.crossings if not crossing.tangent)


def sampled_flips(network: Network, p: FloatArray, q: FloatArray, steps: int = STEPS) -> int:
    """The Hamming distances between consecutive samples, summed."""
    t = np.linspace(0, 1, steps)[:, None]
    codes = codes_float(network, (1 - t) * p + t * q)
    return int((codes[1:] != codes[:-1]).sum())


def segments_finding(
    subject: str, network: Network, segments: Sequence[tuple[FloatArray, FloatArray]]
) -> Finding:
    """Sampled against exact flips along segments between data points; the two ends alone are
    counted too.
    """
    points = sum(np.array_equal(p, q) for p, q in segments)
    if points or not segments:
        raise Degenerate(
            "segments without a length" if segments else "no segments",
            value=f"{points} of {len(segments)}",
            remedy="take other data",
        )
    exact = np.array([flips_on(network, p, q) for p, q in segments])
    if not exact.any():
        raise Degenerate(
            "no neuron flips on a segment", value=f"{len(segments)} segments", remedy="take others"
        )
    sampled = np.array([sampled_flips(network, p, q) for p, q in segments])
    ends = np.array([sampled_flips(network, p, q, 2) for p, q in segments])
    right, total = Share(int((sampled == exact).sum()), len(segments)), int(exact.sum())
    bias = float((sampled - exact).mean())
    seen, by_ends = percent(sampled.sum() / total), percent(ends.sum() / total)
    value = (
        f"{seen} of {exact.sum()} flips seen (bias {bias:+.2g} a segment); {by_ends} by the "
        f"ends alone"
    )
    data = {
        "segments": len(segments),
        "exact": exact.tolist(),
        "sampled": sampled.tolist(),
        "ends": ends.tolist(),
        "wrong": right.total - right.hits,
        "bias_float": bias,
    }
    return PATH.finding(
        f"{subject}, {len(segments)} segments", right.estimate("segments"), value=value, data=data
    )


def _figure(tallies: Sequence[tuple[str, Tally]]) -> Figure:
    lines = [(name, t.samples, [100 * f / t.exact for f in t.found]) for name, t in tallies]
    caption = (
        "The share of the exact number of spline codes, in per cent, that samples of growing size "
        "find (logarithmic): points "
        "on a grid or at random in the square [-3/2, 3/2]², or random directions of the circle. "
        "Small regions escape."
    )
    title, axes = "What sampled counts find", ("samples", "codes found / %")
    return Figure("sampled-counts", caption, lambda: curves(lines, title, SUBTITLE, *axes))


QUESTION = Question(CLAIM, "What does sampling see?", ask, (COUNT, PATH))
