"""Claim 1.3: the Hamming distance of two spline codes tells how far apart the affine maps are.

For every two cells of a net: the exact Hamming distance H of their codes, and the Frobenius norm
|A - A'| of the difference of their exact maps, behind a norm of the projected ones. Their rank
correlation is taken over all pairs of cells, each counted once, and over pairs of data points,
since most pairs of cells hold no data. Beside it stand: the same weighted by the exact volume of
the cells, for the bits of every layer, within deciles of the distance between the cells (of the
angle behind a norm), and without neurons whose outgoing weights are zero, which flip and change
nothing. Mantel's test permutes cells. On a language layer the pairs are tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from exact import Network
from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.cells import neighbouring_maps
from studies.questions.cells.neighbouring_maps import cells_of
from studies.questions.shared.cell_families import PLANE_FAMILIES, SPACE_FAMILIES, Family
from studies.questions.shared.intervals import finite
from studies.questions.shared.map_changes import Changes
from studies.questions.shared.nets import Measured, Nets
from studies.questions.shared.pairs_of_cells import (
    SHUFFLED_CELLS,
    SHUFFLES,
    Agreement,
    Points,
    agreement,
)
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.rays import directed
from studies.rules import Claim, above, exceeds, larger_than
from studies.statistics import SEQUENCES, Degenerate, Estimate, mantel, over_clusters
from studies.statistics.ranks import RankCorrelation
from studies.subjects import LanguageLayer, Subject, Subjects, Toy
from toy_models import TrainResult

CLAIM = "1.3"
STRONG, CORRELATION = 0.5, (-1.0, 1.0)
STATEMENT = "The Hamming distance of two spline codes tells how far apart their affine maps are."
OF = "the rank correlation of Hamming distance and |A - A'|"
CELLS = Claim(
    CLAIM,
    STATEMENT,
    Kind.ESTIMATE,
    above(STRONG, f"{OF} over pairs of cells", range=CORRELATION),
    measures="rank correlation",
)
DATA = Claim(
    CLAIM,
    "The Hamming distance of the codes of two data points tells how far apart their maps are.",
    Kind.ESTIMATE,
    above(STRONG, f"{OF} over pairs of data points", range=CORRELATION),
    measures="rank correlation",
)
TRAINED = Claim(
    CLAIM,
    "In trained nets the Hamming distance tells more of the distance of maps than in untrained.",
    Kind.ESTIMATE,
    larger_than("the untrained net of the same seed", f"{OF} over pairs of cells"),
    measures="rank correlation beyond untrained",
)
ONE_NET = Claim(
    CLAIM,
    STATEMENT,
    Kind.CENSUS,
    exceeds(STRONG, f"{OF} over all pairs of cells", range=CORRELATION),
    measures="rank correlation",
)
TOKENS = Claim(
    CLAIM,
    "The Hamming distance of the codes of two tokens tells how far apart their maps are.",
    Kind.ESTIMATE,
    above(STRONG, f"{OF} over pairs of tokens", range=CORRELATION, unit=SEQUENCES, least=10),
    measures="rank correlation",
)
MOST_TOKENS, DRAWS = 300, 999
DECAYS = (0.3, 3.0)


def ask(subjects: Subjects) -> Answer:
    """Rank correlations over pairs of cells, of data points and of tokens."""
    findings = [
        ONE_NET.guarded(toy.name, partial(_of_toy, toy, subjects.seed))
        for toy in filter(fits, subjects.all_toys)
    ]
    if not subjects.own:
        for family in (*PLANE_FAMILIES, *SPACE_FAMILIES):
            trained, untrained = (measure(nets) for nets in family.nets(subjects))
            findings += family_findings(family, trained, untrained, subjects.seed)
        for decay in DECAYS[: 1 if subjects.quick else None]:
            family = Family("circles", (8, 8), decay=decay)
            (nets,) = family.nets(subjects, ("trained",))
            findings += arm_findings(family, measure(nets), subjects.seed)
    for layer in filter(fits, subjects.language):
        findings += _of_layer(layer, subjects.seed)
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """Whether all cells can be listed, or the layer is a block of two layers behind a norm."""
    if isinstance(subject, LanguageLayer):
        return subject.network.has_norm and len(subject.network.blocks[0].layers) == 2
    return neighbouring_maps.fits(subject)


# ---- toys and families


def _of_toy(toy: Toy, seed: int) -> Finding:
    toy.must_have_learned()
    found, data = cells_of(toy), None
    if toy.dataset is not None:
        data = _rows(found.network, toy.residuals if toy.network.has_norm else toy.inputs)
    one = agreement(found, data, np.random.default_rng(seed))
    value = f"{one.rho:.3g} exactly, over all pairs of {one.cells} cells; {_told([one])}"
    data_of: dict[str, JSON] = {
        "rho_float": one.rho,
        "cells": one.cells,
        "idle_neurons": one.idle,
        "mantel_p_float": one.mantel_p,
        "weighted_float": {name: finite(x) for name, x in one.weighted.items()},
    }
    return ONE_NET.finding(toy.name, Estimate.exactly(one.rho), value=value, data=data_of)


def _rows(network: Network, rows: FloatArray) -> FloatArray:
    """Data rows that have a code. Raises Degenerate where there is none."""
    if network.has_norm:
        directed(network, rows[:1].tolist())
    return rows


@dataclass(frozen=True)
class Arm:
    """The agreement of every net of one arm."""

    measured: Measured
    by_seed: dict[int, Agreement] = field(default_factory=dict)

    def weighted(self, name: str) -> Measured:
        """The rank correlations of one weighting, by seed."""
        values = {
            seed: one.weighted[name]
            for seed, one in self.by_seed.items()
            if math.isfinite(one.weighted.get(name, math.nan))
        }
        return Measured(self.measured.nets, values, {})


def measure(nets: Nets) -> Arm:
    """The agreement of each net."""
    by_seed: dict[int, Agreement] = {}

    def statistic(network: Network, result: TrainResult, rng: np.random.Generator) -> float:
        inputs = np.asarray(result.dataset.inputs.double().numpy())
        found = cells_of(Toy.of("a net", network))
        one = agreement(found, inputs, rng)
        by_seed[result.config.seed] = one
        return one.rho

    return Arm(Measured.of(nets, statistic), by_seed)


def arm_findings(family: Family, arm: Arm, seed: int) -> list[Finding]:
    """The claim on the nets of one arm, over pairs of cells and of data."""
    rng, found = np.random.default_rng(seed), list(arm.by_seed.values())
    subject = f"{family.told}, {arm.measured.nets.arm} nets"
    data = {
        **arm.measured.data,
        "cells": [one.cells for one in found],
        "idle_neurons": sum(one.idle for one in found),
        "mantel_below_5_percent": sum((one.mantel_p or 1) < 0.05 for one in found),
        "weighted_float": _means(found),
    }
    findings = []
    for claim, measured in ((CELLS, arm.measured), (DATA, arm.weighted("by data"))):
        rho = measured.over(rng, CORRELATION)
        value = f"{rho}; {_told(found)}" if claim is CELLS and found else str(rho)
        findings.append(claim.finding(subject, rho, value=value, data={**data, **rho.data("rho")}))
    return findings


def family_findings(family: Family, trained: Arm, untrained: Arm, seed: int) -> list[Finding]:
    """The claim on both arms, and the paired difference."""
    found = [one for arm in (trained, untrained) for one in arm_findings(family, arm, seed)]
    more = trained.measured.minus(untrained.measured, np.random.default_rng(seed))
    subject = f"{family.told}, trained minus untrained"
    data = {**trained.measured.data, **more.data("difference")}
    return [*found, TRAINED.finding(subject, more, value=str(more), data=data)]


def _means(found: Sequence[Agreement]) -> dict[str, JSON]:
    names = dict.fromkeys(name for one in found for name in one.weighted)
    values = {name: [one.weighted.get(name, math.nan) for one in found] for name in names}
    known = {name: [x for x in xs if math.isfinite(x)] for name, xs in values.items()}
    return {name: float(np.mean(xs)) for name, xs in known.items() if xs}


def _told(found: Sequence[Agreement]) -> str:
    means = _means(found)
    names = ("at equal distance", "by volume")
    told = [f"{name} {number(means[name]):.2g}" for name in names if name in means]
    hits = sum((one.mantel_p or 1) < 0.05 for one in found)
    return ", ".join([*told, f"Mantel p < 0.05 in {hits} of {len(found)}"])


# ---- language layers


def _of_layer(layer: LanguageLayer, seed: int) -> list[Finding]:
    name, network = layer.relu_ised
    arms = [(name, network, layer)]
    if layer.untrained is not None:
        arms.append((f"{name}, untrained", layer.untrained.relu_ised[1], layer.untrained))
    return [
        TOKENS.guarded(subject, partial(tokens_finding, subject, net, one, seed))
        for subject, net, one in arms
    ]


def tokens_finding(subject: str, network: Network, layer: LanguageLayer, seed: int) -> Finding:
    """The rank correlation over pairs of tokens, resampled by sequence; maps differ by
    `W_out diag(difference of the codes) W`, so that their distance is a quadratic form in it.
    """
    taken = layer.vectors[:MOST_TOKENS]
    directed(network, taken.tolist())
    bits = network.codes(taken).bits
    points = Points(bits, np.zeros((len(bits), 1)))
    gram, rows = Changes.of(network).gram, bits.astype(np.float64)
    product = rows @ gram @ rows.T
    size = np.diag(product)
    apart = np.sqrt(np.maximum(size[:, None] + size - 2 * product, 0.0))
    hamming = points.hamming()
    where = np.arange(len(bits)) if layer.places is None else layer.places[: len(bits)]
    groups = [np.flatnonzero(where == one).astype(np.float64) for one in np.unique(where)]
    upper = np.triu_indices(len(bits), 1)
    ranks = RankCorrelation.of(hamming[upper], apart[upper])
    whole = ranks.weighted(np.ones(len(upper[0])))

    def of_drawn(chosen: FloatArray) -> float:
        counts = np.bincount(chosen.astype(np.int64), minlength=len(bits))
        try:
            return ranks.weighted(np.outer(counts, counts)[upper].astype(np.float64))
        except Degenerate:
            return math.nan

    rng = np.random.default_rng(seed)
    rho = over_clusters(
        groups, rng, statistic=of_drawn, unit=SEQUENCES, draws=DRAWS, range=CORRELATION
    )
    some = rng.permutation(len(bits))[:SHUFFLED_CELLS]
    square = np.ix_(some, some)
    test = mantel(hamming[square], apart[square], rng, draws=SHUFFLES)
    value = f"{rho}; Mantel p {'none' if test.p is None else f'{test.p:.2g}'}"
    data = {**rho.data("rho"), "tokens": len(bits), "whole_float": whole, "mantel_p_float": test.p}
    return TOKENS.finding(subject, rho, value=value, data=data)


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    shown = {
        "cells": ("Pairs of cells", [CELLS, ONE_NET], "all pairs of cells of a net"),
        "data": ("Pairs of data points, and of tokens", [DATA, TOKENS], "pairs of data"),
    }
    figures = []
    for name, (title, claims, over) in shown.items():
        statements = {(claim.statement, claim.kind) for claim in claims}
        rows = [
            _row(one)
            for one in findings
            if (one.statement, one.kind) in statements and one.data.get("rho_float") is not None
        ]
        if rows:
            caption = (
                "The rank correlation (Spearman) of the exact Hamming distance of codes and the "
                f"distance of exact maps, over {over}: means over nets with 95% intervals, squares "
                "for one net. Right of the line the claim holds."
            )
            draw = partial(forest, rows, title, "do codes tell of maps?", "rank correlation")
            figures.append(Figure(f"codes-and-maps-{name}", caption, partial(draw, mark=STRONG)))
    return tuple(figures)


def _row(finding: Finding) -> Row:
    data = finding.data
    low, high = data.get("rho_low_float"), data.get("rho_high_float")
    if low is None or high is None:
        return Row(finding.subject, number(data["rho_float"]))
    return Row(finding.subject, *(number(x) for x in (data["rho_float"], low, high)))


QUESTION = Question(
    CLAIM,
    "Does the Hamming distance tell how far apart maps are?",
    ask,
    (CELLS, DATA, TRAINED, ONE_NET, TOKENS),
    groups=("toys", "deep", "language"),
    fits=fits,
    needs="all cells listed, as for claim 0.6, or a language layer behind a norm",
    text=texts.POLYTOPE_LENS,
    asked="Codes that differ in few neurons take nearly the same path through the network, so the "
    "text expects the Hamming distance between codes to stand for the distance between the affine "
    "maps, as long as no weights are unusually large.",
    controls="The untrained net of the same seed; weights by data, which have a claim of their "
    "own.",
    beside="Mantel's test, which permutes cells; pairs at equal distance, so that what is far "
    "apart in space is no reason; weights by exact volume; neurons with no outgoing weight left "
    "out; weight decays, which hold the weights small.",
)
