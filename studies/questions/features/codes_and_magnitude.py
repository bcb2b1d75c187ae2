"""Claim 1.18: spline codes keep much of the magnitude, although they are signs.

Of the first hidden layer the pre-activations z, their length, and the exact code. A ridge
regression from the bits (its penalty chosen by leave-one-out on the rows it is fitted to) predicts
both on rows that it has not seen: R^2. Nearest neighbours are compared as well: of the 10 nearest
by exact Hamming distance, ties at random, how many are among the 10 nearest by Euclidean distance.
Bits dealt out at random, each with its own frequency, and nets before training stand beside. Tokens
of one sequence are never on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from exact import Network
from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.nets import Measured
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.several import Found, brief, several
from studies.questions.shared.subject_rows import LEAST, ROWS, Rows, has_rows, nets_with_rows
from studies.rules import SHARE, Claim, above
from studies.statistics import NETS, SEQUENCES, Degenerate, Estimate
from studies.subjects import Subject, Subjects, Toy
from toy_models import TrainResult

CLAIM = "1.18"
MUCH, NEIGHBOURS = 0.5, 10
PENALTIES = (0.1, 1.0, 10.0, 100.0)
BELOW_ONE = (-np.inf, 1.0)


def _claims(unit: str) -> tuple[Claim, Claim, Claim]:
    """Of the length, the vector and the neighbours, over these units."""
    least = LEAST[unit]
    asked = (
        (
            "Spline codes keep much of the magnitude of activations: their length can be told from "
            "the code.",
            "the held-out R^2 of the length |z| from the bits",
            BELOW_ONE,
        ),
        (
            "Spline codes keep much of the activations: the vector can be told from the code.",
            "the held-out R^2 of the vector z from the bits",
            BELOW_ONE,
        ),
        (
            "Nearness of codes is nearness of activations: nearest neighbours are mostly the same.",
            f"the share of the {NEIGHBOURS} nearest by code among the {NEIGHBOURS} nearest by "
            "activation",
            SHARE,
        ),
    )
    length, vector, near = (
        Claim(
            CLAIM, statement, Kind.ESTIMATE, above(MUCH, of, range=within, unit=unit, least=least)
        )
        for statement, of, within in asked
    )
    return length, vector, near


CLAIMS = {unit: _claims(unit) for unit in (NETS, SEQUENCES, ROWS)}
STATISTICS = ("length", "vector", "neighbours")
RANGES = {"length": BELOW_ONE, "vector": BELOW_ONE, "neighbours": SHARE}
NAMES = (*STATISTICS, "random bits")


def ask(subjects: Subjects) -> Answer:
    """What codes tell of activations."""
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


# ---- one network


@dataclass(frozen=True, eq=False)
class Told:
    """What the code tells of each row that was not fitted: squared errors and squared distances
    from the mean of the fitted rows, of the length and of the vector, and shared neighbours.
    """

    rows: IndexArray
    errors: Mapping[str, FloatArray]
    spreads: Mapping[str, FloatArray]
    shared: FloatArray

    @classmethod
    def of(
        cls,
        z: FloatArray,
        bits: BitArray,
        halves: tuple[IndexArray, IndexArray],
        rng: np.random.Generator,
    ) -> Told:
        """Fitted on one half, told of the other. Raises Degenerate where z or the code is the same
        at all rows.
        """
        fitted, rows = halves
        if not np.ptp(z, axis=0).any() or not np.ptp(bits.astype(np.int8), axis=0).any():
            remedy = "take a network that lives"
            raise Degenerate("all rows have one code", value=f"{len(z)} rows", remedy=remedy)
        signs = np.where(bits, 1.0, -1.0)
        errors, spreads = {}, {}
        for name, y in (("length", np.linalg.norm(z, axis=1)[:, None]), ("vector", z)):
            said = ridge(signs[fitted], y[fitted], signs[rows])
            errors[name] = ((y[rows] - said) ** 2).sum(axis=1)
            spreads[name] = ((y[rows] - y[fitted].mean(axis=0)) ** 2).sum(axis=1)
        return cls(rows, errors, spreads, shared_neighbours(z[rows], signs[rows], rng))

    def value(self, name: str, places: IndexArray | None = None) -> float:
        """R^2, or the share of neighbours, of all rows, or of those at some places."""
        chosen = np.arange(len(self.rows)) if places is None else places
        if name == "neighbours":
            return float(self.shared[chosen].mean())
        spread = float(self.spreads[name][chosen].sum())
        return 1 - float(self.errors[name][chosen].sum()) / spread if spread else float("nan")


def ridge(x: FloatArray, y: FloatArray, asked: FloatArray) -> FloatArray:
    """A ridge regression with an intercept, at rows that were not fitted; of some penalties that
    of the smallest leave-one-out error.
    """
    middle, mean = x.mean(axis=0), y.mean(axis=0)
    u, sizes, v = np.linalg.svd(x - middle, full_matrices=False)
    inside = u.T @ (y - mean)
    tried = []
    for penalty in PENALTIES:
        kept = sizes**2 / (sizes**2 + penalty)
        leverage = 1 / len(x) + (u**2 * kept).sum(axis=1)
        left = (y - mean - (u * kept) @ inside) / (1 - np.minimum(leverage, 1 - 1e-9))[:, None]
        tried.append((float((left**2).sum()), penalty))
    penalty = min(tried)[1]
    weights = v.T @ ((sizes / (sizes**2 + penalty))[:, None] * inside)
    return np.asarray(mean + (asked - middle) @ weights)


def shared_neighbours(z: FloatArray, signs: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Of each row the share of its nearest rows by code that are among its nearest by z."""
    count = min(NEIGHBOURS, len(z) - 1)
    order = rng.permutation(len(z))  # so that ties fall at random
    squares = (z**2).sum(axis=1)
    far = squares[:, None] + squares - 2 * z @ z.T
    found = []
    for distances in (far, -signs @ signs.T):
        shuffled = distances[:, order]
        shuffled[order, np.arange(len(z))] = np.inf
        found.append(order[np.argsort(shuffled, axis=1, kind="stable")[:, :count]])
    return np.array([len(np.intersect1d(*pair)) / count for pair in zip(*found, strict=True)])


def statistics(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
    """What codes tell of the activations of one toy, and what random bits tell of their length."""
    rows = Rows.of(Toy.of("a net", result.model, result.dataset), learned=False)
    z, bits = _seen(rows)
    told = Told.of(z, bits, rows.halves(), rng)
    mixed = Told.of(z, rng.permuted(bits, axis=0), rows.halves(), rng)
    values: dict[str, float | str] = {name: told.value(name) for name in STATISTICS}
    return {**values, "random bits": mixed.value("length")}


def _seen(rows: Rows) -> tuple[FloatArray, BitArray]:
    """Pre-activations of the first hidden layer, and its exact bits."""
    return rows.network.hidden_float(rows.vectors)[0], rows.network.codes(rows.vectors, (1, 1)).bits


# ---- findings


def of_subject(subject: Subject, seed: int) -> list[Finding]:
    """One toy by its rows, or a language layer by its sequences."""
    try:
        rows = Rows.of(subject)
        return rows_findings(rows, *_seen(rows), seed)
    except Degenerate as why:
        return [one.undecided(subject.name, str(why)) for one in CLAIMS[ROWS]]


def rows_findings(rows: Rows, z: FloatArray, bits: BitArray, seed: int) -> list[Finding]:
    """The three claims over the units of some rows."""
    rng = np.random.default_rng(seed)
    told = Told.of(z, bits, rows.halves(), rng)
    mixed = Told.of(z, rng.permuted(bits, axis=0), rows.halves(), rng)
    numbers = np.full(len(z), -1)
    numbers[told.rows] = np.arange(len(told.rows))
    found = {
        name: rows.over_units(told.rows, partial(_at, told, name, numbers), rng, RANGES[name])
        for name in STATISTICS
    }
    beside = f"random bits {mixed.value('length'):.2g}"
    data: dict[str, JSON] = {"rows": len(z), "bits": bits.shape[1]}
    return _findings(rows.name, rows.unit, found, beside, data)


def _at(told: Told, name: str, numbers: IndexArray, rows: IndexArray) -> float:
    return told.value(name, numbers[rows])


def nets_findings(
    subject: str, after: Mapping[str, Measured], before: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """The three claims over nets."""
    rng = np.random.default_rng(seed)
    found = {name: after[name].over(rng, RANGES[name]) for name in STATISTICS}
    control = {name: before[name].over(rng) for name in STATISTICS}
    bits = after["random bits"].over(rng).value
    beside = "random bits " + ("none" if bits is None else f"{bits:.2g}")
    data: dict[str, JSON] = dict(after["length"].data)
    for name, one in control.items():
        data |= one.data(f"untrained_{name}")
    return _findings(subject, NETS, found, beside, data, control)


def _findings(
    subject: str,
    unit: str,
    found: Mapping[str, Estimate],
    beside: str,
    data: Mapping[str, JSON],
    control: Mapping[str, Estimate] | None = None,
) -> list[Finding]:
    words = {
        "length": "R² of the length",
        "vector": "R² of the vector",
        "neighbours": "shared neighbours",
    }
    findings = []
    for claim, name in zip(CLAIMS[unit], STATISTICS, strict=True):
        value = f"{words[name]} {found[name]}"
        if control is not None:
            value += f"; untrained {brief(control[name])}"
        if name == "length":
            value += f"; {beside}"
        numbers = {**found[name].data(name), **data}
        findings.append(claim.finding(subject, found[name], value=value, data=numbers))
    return findings


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = []
    for one in findings:
        for name in STATISTICS:
            ends = [one.data.get(f"{name}{end}_float") for end in ("", "_low", "_high")]
            if ends[0] is not None:
                label = f"{one.subject}: {name}" if name == STATISTICS[0] else name
                rows.append(Row(label, *(max(number(x), -1) for x in ends if x is not None)))
    caption = (
        "What the exact code of the first hidden layer tells of its pre-activations on rows that "
        "were not fitted: R² of their length and of the vector, and the share of nearest "
        "neighbours by code that are nearest by activation, with 95% intervals. Values below -1 "
        "stand at -1."
    )
    title, subtitle = "What codes keep", "R² of length and vector, share of neighbours"
    return (
        Figure(
            "codes-keep", caption, lambda: forest(rows, title, subtitle, "R², or share", mark=MUCH)
        ),
    )


QUESTION = Question(
    CLAIM,
    "Do codes keep the magnitude?",
    ask,
    tuple(claim for claims in CLAIMS.values() for claim in claims),
    groups=("toys", "language"),
    fits=fits,
    needs="a hidden layer, and rows in front of it",
    text=texts.POLYTOPE_LENS,
    asked="A code has only the signs of pre-activations, and yet is said to keep much of their "
    "magnitude, so that little is lost by looking at codes.",
    controls="None but the margin: R^2 is 0 where nothing is told.",
    beside="Bits dealt out at random with the same frequencies, and the same nets untrained.",
    settled="That 10 sequences or 20 rows of data are wanted: after full runs.",
)
