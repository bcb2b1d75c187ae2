"""The referee: what sampling sees of codes and crossings, over nets.

A small part of `exactlens validate`: 30 trained and 30 untrained nets of two hidden layers in the
plane, and segments between residual vectors of language models. Random points count codes, Chao's
interval claims to hold their number, Hamming distances of two ends and of 50 samples count flips;
each is judged by the share of nets on which it is right, so that verdicts do not hang on one net.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network, Segment
from exact.arithmetic.numbers import FloatArray
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.methods.approximations.endpoint_hamming import endpoint_hamming
from studies.methods.approximations.sampled_regions import sampled_codes, sampled_codes_chao1
from studies.methods.approximations.stepped_hamming import stepped_hamming
from studies.methods.interface import Method
from studies.methods.quantities.flips import flips_per_length
from studies.question import Question
from studies.questions.shared.intervals import percent
from studies.questions.shared.rays import affordable
from studies.rules import SHARE, Claim, above
from studies.statistics import MINIMUM, Degenerate, wilson
from studies.statistics import NETS as NETS_UNIT
from studies.subjects import LanguageLayer, Subjects
from studies.training import LEARNED
from studies.validation.judge import Row, judge
from studies.validation.population import Net, NetKind, population
from studies.validation.scores import NetValue, holds, net_values, scores

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "referee"
TOKENS = "segments"
KIND = NetKind("box", "none", 2)
NETS, POINTS, STEPS, SEGMENTS = 30, 10_000, 50, 24
COUNTED, SEEN, FEWEST = 0.05, 0.01, 10
MOST, NEARLY_ALL = 0.5, 0.85  # 30 nets of 30 have the interval [0.886, 1]
METHODS = (sampled_codes, sampled_codes_chao1, endpoint_hamming, stepped_hamming)


def _claim(statement: str, what: str, *, unit: str = NETS_UNIT, margin: float = MOST) -> Claim:
    least = MINIMUM if unit == NETS_UNIT else FEWEST
    rule = above(margin, f"the share of {unit} {what}", range=SHARE, unit=unit, least=least)
    return Claim(CLAIM, statement, Kind.ESTIMATE, rule, f"share of {unit}")


COUNT = _claim(
    f"Distinct codes of {POINTS:,} random points count the codes.",
    f"whose number of codes is met within {percent(COUNTED)}",
)
COVER = _claim(
    f"Chao's 95% interval from {POINTS:,} random points holds the number of codes.",
    "whose interval holds it",
    margin=NEARLY_ALL,
)
SAMPLED = f"Hamming distances summed over {STEPS} samples along segments count the flips."
ENDS = "The Hamming distance of both ends of segments counts the flips."
RIGHT = f"whose flips are met within {percent(SEEN)}"
STEPPED, BY_ENDS = _claim(SAMPLED, RIGHT), _claim(ENDS, RIGHT)
STEPPED_TOKENS, ENDS_TOKENS = _claim(SAMPLED, RIGHT, unit=TOKENS), _claim(ENDS, RIGHT, unit=TOKENS)


def ask(subjects: Subjects) -> Answer:
    """Methods before their referees, on nets of their own and on segments between tokens; of
    subjects that a user gave on these alone.
    """
    findings, figures = ([], []) if subjects.own else _of_nets(subjects)
    for layer in subjects.language:
        pairs = _pairs(layer.vectors[: 2 * affordable(layer.network, SEGMENTS // 2)])
        findings += _of_layer(layer, pairs)
    return Answer(tuple(findings), tuple(figures))


# ---- nets


def _of_nets(subjects: Subjects) -> tuple[list[Finding], list[Figure]]:
    """30 seeds, or as many as the study has, trained and untrained."""
    first = 1_000 * subjects.seed
    nets = list(population(KIND, range(first, first + subjects.nets(NETS))))
    rows = [row for found in judge(METHODS, nets, most=POINTS) for row in found]
    findings: list[Finding] = []
    for arm in ("untrained", "trained"):
        lacking = unlearned(nets) if arm == "trained" else []
        own = [row for row in rows if row.trained == (arm == "trained") and row.seed not in lacking]
        findings += net_findings(f"{arm} nets in the plane", own, lacking)
    return findings, [_figure(rows)] if any(row.is_ok for row in rows) else []


def unlearned(nets: Sequence[Net]) -> list[int]:
    """The seeds of nets whose training failed or stayed below 90%; they stand for nothing."""
    return [
        net.seed
        for net in nets
        if net.trained and (net.network is None or not net.accuracy >= LEARNED)
    ]


def net_findings(subject: str, rows: Sequence[Row], lacking: Sequence[int]) -> list[Finding]:
    """How many nets each method is right on."""
    counted, stepped = _values(rows, sampled_codes, POINTS), _values(rows, stepped_hamming, STEPS)
    ends = _values(rows, endpoint_hamming, endpoint_hamming.budgets[-1])
    chao = [row for row in _rows(rows, sampled_codes_chao1, POINTS) if row.is_ok]
    held = {row.seed: holds(row) for row in chao}
    return [
        _finding(COUNT, subject, _within(counted, COUNTED), _bias(counted), lacking),
        _finding(COVER, subject, held, "", lacking),
        _finding(STEPPED, subject, _within(stepped, SEEN), _bias(stepped), lacking),
        _finding(BY_ENDS, subject, _within(ends, SEEN), _bias(ends), lacking),
    ]


def _rows(rows: Sequence[Row], method: Method, budget: int) -> list[Row]:
    return [row for row in rows if (row.method, row.budget) == (method.name, budget)]


def _values(rows: Sequence[Row], method: Method, budget: int) -> dict[int, NetValue]:
    return net_values(_rows(rows, method, budget))


def _within(values: Mapping[int, NetValue], margin: float) -> dict[int, bool]:
    return {seed: abs(net.value - net.truth) <= margin * net.truth for seed, net in values.items()}


def _bias(values: Mapping[int, NetValue]) -> str:
    truth = sum(net.truth for net in values.values())
    if not truth:
        return ""
    share = sum(net.value for net in values.values()) / truth
    return f"; {percent(round(share, 9))} of the exact total"


def _finding(
    claim: Claim, subject: str, right: Mapping[int, bool], more: str, lacking: Sequence[int]
) -> Finding:
    share = wilson(sum(right.values()), len(right))
    data: dict[str, JSON] = {
        "seeds": list(right),
        "right": [seed for seed, hit in right.items() if hit],
        "did_not_learn": list(lacking),
        **share.data("share"),
    }
    return claim.finding(subject, share, value=f"{share}{more}", data=data)


# ---- segments between tokens


def _pairs(rows: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Every two rows."""
    even = rows[: len(rows) // 2 * 2]
    return list(zip(even[::2], even[1::2], strict=True))


def _of_layer(
    layer: LanguageLayer, pairs: Sequence[tuple[FloatArray, FloatArray]]
) -> list[Finding]:
    asked: Sequence[tuple[Claim, Method, int]] = (
        (STEPPED_TOKENS, stepped_hamming, STEPS),
        (ENDS_TOKENS, endpoint_hamming, endpoint_hamming.budgets[-1]),
    )
    found: list[Callable[[], Finding]] = [
        partial(segments_finding, claim, layer.name, layer.network, pairs, method, budget)
        for claim, method, budget in asked
    ]
    return [
        claim.guarded(layer.name, measure)
        for (claim, _, _), measure in zip(asked, found, strict=True)
    ]


def segments_finding(
    claim: Claim,
    subject: str,
    network: Network,
    pairs: Sequence[tuple[FloatArray, FloatArray]],
    method: Method,
    budget: int,
) -> Finding:
    """On how many segments between pairs of vectors a method is right."""
    points = sum(np.array_equal(p, q) for p, q in pairs)
    if points or not pairs:
        raise Degenerate(
            "segments without a length" if pairs else "no segments",
            value=f"{points} of {len(pairs)}",
            remedy="take other data",
        )
    segments = [Segment(p.tolist(), q.tolist()) for p, q in pairs]
    exact = np.array([flips_per_length(network, segment) for segment in segments])
    if not exact.any():
        raise Degenerate(
            "no neuron flips on a segment", value=f"{len(pairs)} segments", remedy="take others"
        )
    rng = np.random.default_rng(0)
    found = np.array([method(network, segment, budget, rng).value for segment in segments])
    right = np.abs(found - exact) <= SEEN * exact
    share = wilson(int(right.sum()), len(right), unit=TOKENS)
    lengths = np.array([float(np.linalg.norm(q - p)) for p, q in pairs])
    seen = percent(round(float((found * lengths).sum() / (exact * lengths).sum()), 9))
    data: dict[str, JSON] = {
        "exact": np.rint(exact * lengths).astype(int).tolist(),
        "found": np.rint(found * lengths).astype(int).tolist(),
        **share.data("share"),
    }
    return claim.finding(subject, share, value=f"{share}; {seen} of the exact total", data=data)


# ---- figure


def _figure(rows: Sequence[Row]) -> Figure:
    caption = (
        "Relative errors (root of the mean square over nets, trained and untrained) of sampled "
        "counts against the number of samples, on nets of two hidden layers in the plane. Errors "
        "below 0.0001 are drawn at the lower edge."
    )

    def draw() -> Canvas:
        from studies.validation.page import figure

        drawn = figure(scores(rows, {}), METHODS)
        assert drawn is not None
        return drawn

    return Figure("sampled-counts", caption, draw)


QUESTION = Question(
    CLAIM,
    "What does sampling see?",
    ask,
    (STEPPED_TOKENS, ENDS_TOKENS, COUNT, COVER, STEPPED, BY_ENDS),
    groups=("language",),
    fits=lambda subject: isinstance(subject, LanguageLayer),
    needs="vectors of a language model",
    asked="How far off are the ways in which regions, boundaries and densities are estimated "
    "without enumeration?",
    controls="Exact enumeration of the same nets.",
    core=True,
)
