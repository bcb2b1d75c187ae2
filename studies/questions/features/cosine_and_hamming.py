"""Claim 1.19: vectors in nearby polytopes point in similar directions.

Of all pairs of rows the exact Hamming distance H of their codes and the cosine of the two vectors,
as the norm in front of the network leaves them: Spearman's correlation, and the mean cosine of the
nearest pairs by H (one in 20; pairs of equal H share the place). Behind a norm there is an exact
null: a uniformly random great circle crosses E boundaries of the first layer in the mean, so that
angles alone give E angle / 2 pi crossings. Hamming distances undercount, since a neuron may flip
twice on the way. How far the codes of the data are from that null is told beside it, and so is
Mantel's test, which permutes rows. Where the null holds the claim is one of geometry, not of
training; nets before training are the other control.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from exact import Network, expected_crossings, hamming
from exact.arithmetic.arrays import BitArray
from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.left_out import leaving_out
from studies.questions.shared.nets import Measured
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.several import Found, brief, several
from studies.questions.shared.subject_rows import LEAST, ROWS, Rows, has_rows, nets_with_rows
from studies.rules import Claim, above, below, larger_than
from studies.statistics import NETS, SEQUENCES, Degenerate, Estimate, mantel
from studies.statistics.intervals import ANYWHERE
from studies.subjects import Subject, Subjects, Toy
from toy_models import TrainResult

CLAIM = "1.19"
STRONG, HIGH, NEAREST = -0.5, 0.9, 0.05
PAIRED, PERMUTED = 200, 199
CORRELATION, TWICE = (-1.0, 1.0), (-2.0, 2.0)  # of a correlation, and of two's difference


def _claims(unit: str) -> tuple[Claim, Claim]:
    """Of the order of distances and of the nearest pairs, over these units."""
    least = LEAST[unit]
    of = "Spearman's correlation of Hamming distance and cosine over all pairs"
    near = f"the mean cosine of the nearest {NEAREST:.0%} of pairs by Hamming distance"
    return (
        Claim(
            CLAIM,
            "The nearer two polytopes are by their codes, the more similar are the directions of "
            "vectors in them.",
            Kind.ESTIMATE,
            below(STRONG, of, range=CORRELATION, unit=unit, least=least),
        ),
        Claim(
            CLAIM,
            "Vectors in nearby polytopes have high cosine similarity, higher than all have.",
            Kind.ESTIMATE,
            above(HIGH, near, range=CORRELATION, unit=unit, least=least)
            & larger_than("all pairs", near, range=TWICE, unit=unit, least=least),
        ),
    )


CLAIMS = {unit: _claims(unit) for unit in (NETS, SEQUENCES, ROWS)}
STATISTICS = ("correlation", "cosine")
MORE = "minus all pairs"
NAMES = (*STATISTICS, MORE, "mean cosine", "against angles")
RANGES = {
    "correlation": CORRELATION,
    "cosine": CORRELATION,
    "mean cosine": CORRELATION,
    MORE: TWICE,
}


def ask(subjects: Subjects) -> Answer:
    """Hamming distance against cosine."""
    findings: list[Finding] = []
    for subject in filter(fits, subjects.each):
        findings += of_subject(subject, subjects.seed)
    if not subjects.own:
        for name, arms in nets_with_rows(subjects):
            after, before = (several(nets, NAMES, statistics) for nets in arms)
            findings += nets_findings(name, after, before, subjects.seed)
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """Whether there are rows in front of a hidden layer."""
    return has_rows(subject)


# ---- pairs of rows


@dataclass(frozen=True, eq=False)
class Distances:
    """Of all pairs of rows the exact Hamming distance, the cosine, and the crossings that a random
    circle would have on their angle (None without a norm in front).
    """

    hamming: FloatArray
    cosine: FloatArray
    expected: FloatArray | None

    @classmethod
    def of(cls, network: Network, vectors: FloatArray) -> Distances:
        """Raises Degenerate for rows without a direction, and where all codes are equal."""
        norm = network.blocks[0].norm
        seen = vectors if norm is None else norm.project_float(vectors)
        lengths = np.linalg.norm(seen, axis=1, keepdims=True)
        codes = network.codes(vectors, (1, 1), errors="keep")
        if codes.failures or not lengths.all():
            remedy = "take rows that the norm does not take to zero"
            lost = f"{len(codes.failures) or int((lengths == 0).sum())} rows"
            raise Degenerate("rows without a direction", value=lost, remedy=remedy)
        apart = hamming(codes, codes, pairs=False).astype(np.float64)
        if not apart.any():
            remedy = "take a layer that lives"
            raise Degenerate("all rows have one code", value=f"{len(vectors)} rows", remedy=remedy)
        cosine = np.clip((seen / lengths) @ (seen / lengths).T, -1, 1)
        expected = None
        if norm is not None and norm.sphere_dim >= 1:
            a_turn = expected_crossings(network).crossings_float
            expected = np.asarray(a_turn * np.arccos(cosine) / (2 * math.pi))
        return cls(apart, cosine, expected)

    def pairs(self, kept: BitArray | None = None) -> tuple[FloatArray, FloatArray]:
        """Hamming distance and cosine of every two of the rows that are kept."""
        rows = np.arange(len(self.cosine)) if kept is None else np.flatnonzero(kept)
        first, second = np.triu_indices(len(rows), 1)
        place = rows[first], rows[second]
        return self.hamming[place], self.cosine[place]

    def correlation(self, kept: BitArray | None = None) -> float:
        """Spearman's; NaN where all distances are equal."""
        apart, cosine = self.pairs(kept)
        if not np.ptp(apart) or not np.ptp(cosine):
            return float("nan")
        return float(stats.spearmanr(apart, cosine).statistic)

    def cosine_of_nearest(self, kept: BitArray | None = None) -> float:
        """The mean cosine of the nearest pairs; those at the last of their distances count in
        part, all alike.
        """
        apart, cosine = self.pairs(kept)
        wanted = max(1.0, NEAREST * len(apart))
        edge = np.partition(apart, math.ceil(wanted) - 1)[math.ceil(wanted) - 1]
        inside, at = apart < edge, apart == edge
        rest = wanted - float(inside.sum())
        return float((cosine[inside].sum() + rest * cosine[at].mean()) / wanted)

    def beyond_all(self, kept: BitArray | None = None) -> float:
        """The mean cosine of the nearest pairs less that of all."""
        return self.cosine_of_nearest(kept) - float(self.pairs(kept)[1].mean())

    @property
    def against_angles(self) -> float | None:
        """The mean Hamming distance over that which angles alone give; None without a norm."""
        if self.expected is None:
            return None
        upper = np.triu_indices(len(self.cosine), 1)
        total = float(self.expected[upper].sum())
        return float(self.hamming[upper].sum()) / total if total else None


def statistics(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
    """Of one toy, by its data."""
    rows = Rows.of(Toy.of("a net", result.model, result.dataset), PAIRED, learned=False)
    found = Distances.of(rows.network, rows.vectors)
    correlation, angles = found.correlation(), found.against_angles
    return {
        "correlation": correlation if math.isfinite(correlation) else "all distances are equal",
        "cosine": found.cosine_of_nearest(),
        MORE: found.beyond_all(),
        "mean cosine": float(found.pairs()[1].mean()),
        "against angles": "no norm in front" if angles is None else angles,
    }


# ---- findings


def of_subject(subject: Subject, seed: int) -> list[Finding]:
    """One toy by its rows, or a language layer by its sequences."""
    try:
        rows = Rows.of(subject, PAIRED)
        found = Distances.of(rows.network, rows.vectors)
    except Degenerate as why:
        return [one.undecided(subject.name, str(why)) for one in CLAIMS[ROWS]]
    return rows_findings(rows, found, seed)


def rows_findings(rows: Rows, found: Distances, seed: int) -> list[Finding]:
    """Both claims over the units of some rows."""
    rng = np.random.default_rng(seed)
    estimates = {
        name: leaving_out(one, rows.places, rng, rows.unit, RANGES[name])
        for name, one in {
            "correlation": found.correlation,
            "cosine": found.cosine_of_nearest,
            MORE: found.beyond_all,
        }.items()
    }
    test = mantel(found.hamming, found.cosine, rng, alternative="less", draws=PERMUTED)
    p = "none" if test.p is None else f"{test.p:.3g}"
    data: dict[str, JSON] = {"rows": len(rows.vectors), "mantel_p_float": test.p}
    beside = {"correlation": f"; Mantel p {p}{_of_angles(found.against_angles)}"}
    beside["cosine"] = f"; minus all pairs {brief(estimates[MORE])}"
    return _findings(rows.name, rows.unit, estimates, beside, data)


def nets_findings(
    subject: str, after: Mapping[str, Measured], before: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """Both claims over nets."""
    rng = np.random.default_rng(seed)
    found, control = (
        {name: one[name].over(rng, RANGES.get(name, ANYWHERE)) for name in NAMES}
        for one in (after, before)
    )
    beside = {name: f"; untrained {brief(control[name])}" for name in STATISTICS}
    beside["correlation"] += _of_angles(found["against angles"].value)
    beside["cosine"] += f"; minus all pairs {brief(found[MORE])}"
    data: dict[str, JSON] = dict(after["correlation"].data)
    for name in NAMES:
        data |= control[name].data(f"untrained_{name.replace(' ', '_')}")
    return _findings(subject, NETS, found, beside, data)


def _of_angles(ratio: float | None) -> str:
    return "" if ratio is None else f"; H is {ratio:.2g} of what angles give"


def _findings(
    subject: str,
    unit: str,
    found: Mapping[str, Estimate],
    beside: Mapping[str, str],
    data: Mapping[str, JSON],
) -> list[Finding]:
    words = {"correlation": "Spearman", "cosine": "cosine of the nearest"}
    judged = {"correlation": [found["correlation"]], "cosine": [found["cosine"], found[MORE]]}
    return [
        claim.finding(
            subject,
            *judged[name],
            value=f"{words[name]} {found[name]}{beside[name]}",
            data={**found[name].data(name), **found[MORE].data("minus_all_pairs"), **data},
        )
        for claim, name in zip(CLAIMS[unit], STATISTICS, strict=True)
    ]


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = []
    for one in findings:
        ends = [one.data.get(f"correlation{end}_float") for end in ("", "_low", "_high")]
        if ends[0] is not None:
            rows.append(Row(one.subject, *(number(x) for x in ends if x is not None)))
    caption = (
        "Spearman's correlation of the exact Hamming distance of codes and the cosine of vectors, "
        "over all pairs of rows, with 95% intervals. Left of the line the claim holds: vectors in "
        "nearby polytopes point in similar directions."
    )
    title, subtitle = "Hamming distance and cosine", "over all pairs of rows"
    axis = "Spearman's correlation"
    return (
        Figure(
            "hamming-and-cosine", caption, lambda: forest(rows, title, subtitle, axis, mark=STRONG)
        ),
    )


QUESTION = Question(
    CLAIM,
    "Do nearby polytopes have similar directions?",
    ask,
    tuple(claim for claims in CLAIMS.values() for claim in claims),
    groups=("toys", "language"),
    fits=fits,
    needs="a hidden layer, and rows in front of it",
    text=texts.POLYTOPE_LENS,
    asked="Directions are said to work as well as they do because vectors in nearby polytopes have "
    "a high cosine similarity.",
    controls="The cosine of all pairs.",
    beside="What angles alone give behind a norm, Mantel's permutations of rows, and the same "
    "nets untrained.",
    settled="After full runs: that the nearest pairs must exceed all pairs, and that 10 sequences "
    "or 20 rows of data are wanted.",
)
