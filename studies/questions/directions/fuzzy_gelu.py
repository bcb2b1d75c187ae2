"""Claim 0.9: with GELU in the place of ReLU polytopes stay, and are only a little fuzzy.

A smooth gate is open by Phi(z) (GELU; its tanh form by f(z)/z of its own) or by the logistic
function (SiLU), and half open at the boundary z = 0: the soft code. Of every vector: the share of
neurons in the band |z| < 1, where a gate is neither open nor shut, the entropy of a gate, and the
distance of the output to that of the ReLU-ised network over the output's norm.

Whether polytopes can still be told apart is another question. Along a geodesic (eps = 0) neuron j
is in its band for an angle of 2 / |z_j'| around its crossing. Where that is more than the way to
the next crossing, bands overlap and no point lies in one polytope: that ratio is the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import GELU, Network, rotations, soft_codes
from exact.arithmetic.arrays import IndexArray
from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.nets import Measured, ensemble
from studies.questions.shared.one_hidden_layer import (
    Rows,
    by_unit,
    is_one_hidden_layer,
    over_places,
    paired_rows,
    unit_of,
)
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.rays import affordable, with_eps
from studies.rules import SHARE, Claim, below
from studies.statistics import NETS, Degenerate, Estimate
from studies.subjects import Subject, Subjects, Toy
from toy_models import ModelConfig, TrainConfig, TrainResult
from toy_models.populations import Arm

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "0.9"
GAP, BAND, TAU = 0.1, 0.25, 1.0
VECTORS, PAIRS, PAIRS_OF_A_NET, VECTORS_OF_A_NET = 400, 40, 10, 100
POSITIVE = (0.0, np.inf)
FUZZY = by_unit(
    lambda unit, least: Claim(
        CLAIM,
        "A smooth activation is a slightly fuzzier ReLU: the output is nearly the same, and few "
        "gates are half open.",
        Kind.ESTIMATE,
        below(GAP, "the median of |f - f with ReLU| / |f|", range=POSITIVE, unit=unit, least=least)
        & below(
            BAND, "the median share of neurons with |z| < 1", range=SHARE, unit=unit, least=least
        ),
    )
)
APART = by_unit(
    lambda unit, least: Claim(
        CLAIM,
        "The fuzzy boundaries can be told apart: the band around one ends before the next.",
        Kind.ESTIMATE,
        below(
            1,
            "the median width of a band / the median distance of neighbouring boundaries",
            range=POSITIVE,
            unit=unit,
            least=least,
        ),
        measures="band over distance",
    )
)
SMOOTH, TASK, WIDTH = ("gelu", "gelu_tanh", "silu"), "blobs", 64
OPTIONS = {"dimension": 16, "classes": 4, "spread": 0.3}
ARMS: tuple[Arm, ...] = ("trained", "untrained")


def ask(subjects: Subjects) -> Answer:
    """Gaps to ReLU, bands and entropies at vectors, and how far bands overlap on geodesics."""
    findings: list[Finding] = []
    for subject in filter(fits, subjects.each):
        findings += _of_one(subject, subjects.seed)
    if not subjects.own:
        for group, activation in enumerate((*SMOOTH, "relu")):
            findings += _of_nets(subjects, activation, group)
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """Whether the network is one hidden layer with a smooth activation, with vectors in front."""
    if not is_one_hidden_layer(subject):
        return False
    network = subject.block if isinstance(subject, Toy) else subject.network
    return network.relu_ised() != network


# ---- vectors and geodesics


@dataclass(frozen=True)
class Fuzz:
    """Of each vector: the gap to ReLU over the output's norm, the share of the band, and the mean
    entropy of a gate in bits. Float64.
    """

    gap: FloatArray
    band: FloatArray
    entropy: FloatArray

    @classmethod
    def of(cls, network: Network, vectors: FloatArray) -> Fuzz:
        """The fuzz at rows of vectors. Degenerate for an output that is zero everywhere."""
        found = soft_codes(network, vectors)
        gap, size = found.relu_gap_float, found.output_norms_float
        if not size.any():
            raise Degenerate("the output is zero", value=len(size), remedy="take a living network")
        relative = np.divide(gap, size, out=np.ones_like(gap), where=size > 0)
        return cls(relative, found.band_float(TAU), found.entropy_float)


@dataclass(frozen=True)
class Bands:
    """Crossings on geodesics, each with the angle that its band covers, and the angles between
    neighbouring crossings with the geodesic that each lies on.
    """

    widths: FloatArray
    distances: FloatArray

    @property
    def overlap(self) -> float:
        """Median width over median distance. Degenerate without neighbouring crossings."""
        if not len(self.distances) or not self.distances.any():
            raise Degenerate(
                "no two boundaries on one geodesic", value=0, remedy="take a wider layer"
            )
        return float(np.median(self.widths) / np.median(self.distances))


def bands(network: Network, u: FloatArray, v: FloatArray) -> list[Bands]:
    """The bands on the geodesic between each pair, of the ReLU-ised network at eps = 0; without a
    norm vectors count by their directions, at the median length.
    """
    still = with_eps(network.relu_ised(), 0)
    radius = None if network.has_norm else float(np.median(np.linalg.norm(u, axis=1))) ** 2
    found = rotations(still, u, v, radius_squared=radius)
    sizes = column_norms(still)
    seen = sizes[found.neurons] > 0
    slopes = found.kinks_float[seen] / sizes[found.neurons[seen]]
    rows, angles = found.rows[seen], found.angles_float[seen]
    return [_bands_of(angles[rows == k], slopes[rows == k]) for k in range(len(u))]


def _bands_of(angles: FloatArray, slopes: FloatArray) -> Bands:
    widths = np.divide(2 * TAU, slopes, out=np.full_like(slopes, np.inf), where=slopes > 0)
    return Bands(widths, np.diff(np.sort(angles)))


def column_norms(network: Network) -> FloatArray:
    """How much each neuron of the hidden layer writes."""
    _, *behind = network.layers
    out = np.eye(network.widths[0])
    for layer in behind:
        out = layer.weight.float64() @ out
    return np.asarray(np.linalg.norm(out, axis=0))


def joined(found: Sequence[Bands]) -> Bands:
    """The bands of several geodesics."""
    return Bands(
        np.concatenate([one.widths for one in found]),
        np.concatenate([one.distances for one in found]),
    )


# ---- one layer or toy


def _of_one(subject: Subject, seed: int) -> list[Finding]:
    network = subject.block if isinstance(subject, Toy) else subject.network
    unit = unit_of(subject)

    def fuzzy() -> Finding:
        rows = Rows.of(subject, affordable(network, VECTORS))
        found, told = Fuzz.of(network, rows.vectors), dict[str, JSON]()
        if not isinstance(subject, Toy) and subject.untrained is not None:
            before = Rows.of(subject.untrained, len(rows.vectors))
            bare = Fuzz.of(before.network, before.vectors)
            told = {
                "untrained_gap_float": float(np.median(bare.gap)),
                "untrained_band_float": float(np.median(bare.band)),
            }
        return fuzzy_finding(subject.name, rows, found, told, np.random.default_rng(seed))

    def apart() -> Finding:
        rows = Rows.of(subject, 2 * affordable(network, PAIRS))
        u, v, places = paired_rows(replace(rows, network=network))
        found = bands(network, u, v)
        return apart_finding(subject.name, found, places, unit, np.random.default_rng(seed))

    return [FUZZY[unit].guarded(subject.name, fuzzy), APART[unit].guarded(subject.name, apart)]


def fuzzy_finding(
    subject: str, rows: Rows, found: Fuzz, told: dict[str, JSON], rng: np.random.Generator
) -> Finding:
    """Gap and band over the units of the vectors."""
    gap, band = rows.over(found.gap, rng, range=POSITIVE), rows.over(found.band, rng, range=SHARE)
    entropy = float(np.median(found.entropy))
    value = f"gap {_short(gap)}, half open {_short(band)}; entropy {entropy:.2g} bits"
    if told:
        before = (number(told[f"untrained_{name}_float"]) for name in ("gap", "band"))
        value += "; untrained " + ", ".join(f"{x:.2g}" for x in before)
    data = {**gap.data("gap"), **band.data("band"), "entropy_float": entropy, **told}
    return FUZZY[rows.unit].finding(subject, gap, band, value=value, data=data)


def _short(found: Estimate) -> str:
    """Value and interval without the units."""
    if found.interval is None or found.value is None:
        return "unknown" if found.value is None else f"{found.value:.2g}"
    return f"{found.value:.2g} [{found.interval[0]:.2g}, {found.interval[1]:.2g}]"


def apart_finding(
    subject: str, found: Sequence[Bands], places: IndexArray, unit: str, rng: np.random.Generator
) -> Finding:
    """The median over geodesics of the overlap on each, over their units."""
    whole = joined(found).overlap
    known = [k for k, one in enumerate(found) if len(one.distances) and one.distances.any()]
    overlaps = np.array([found[k].overlap for k in known])
    estimate = over_places(overlaps, places[known], unit, rng, range=POSITIVE)
    crossings = sum(len(one.widths) for one in found)
    data = {**estimate.data("overlap"), "all_overlap_float": whole, "crossings": crossings}
    value = f"{estimate}; all {crossings} crossings at once {whole:.3g}"
    return APART[unit].finding(subject, estimate, value=value, data=data)


# ---- many nets


def _of_nets(subjects: Subjects, activation: str, group: int) -> list[Finding]:
    model = ModelConfig((WIDTH,), "layernorm", activation=activation, embed_dim=0)
    config = TrainConfig(task=TASK, task_options=OPTIONS, model=model)
    rng = np.random.default_rng(subjects.seed)
    findings = []
    for nets in ensemble(subjects, config, ARMS[: 1 if activation == "relu" else 2], group=group):
        what = f"{activation} given gelu" if activation == "relu" else activation
        subject = f"{TASK} (16-{WIDTH}), {what}, {nets.arm} nets"
        gap, band = (Measured.of(nets, partial(net_fuzz, which=which)) for which in ("gap", "band"))
        findings += nets_findings(subject, gap, band, Measured.of(nets, net_overlap), rng)
    return findings


def net_fuzz(network: Network, result: TrainResult, _: np.random.Generator, *, which: str) -> float:
    """The median gap or band at data of the net; one with ReLU is held against GELU."""
    rows = Rows.of_net(network, result, VECTORS_OF_A_NET)
    return float(np.median(getattr(Fuzz.of(smooth(network), rows.vectors), which)))


def smooth(network: Network) -> Network:
    """The network with GELU where it has ReLU."""
    if network.relu_ised() != network:
        return network
    block = network.blocks[0]
    head, *behind = block.layers
    bent = replace(head, activation=GELU())
    return Network((replace(block, layers=(bent, *behind)),))


def net_overlap(network: Network, result: TrainResult, _: np.random.Generator) -> float:
    """How far bands overlap between data of the net."""
    u, v, _places = paired_rows(Rows.of_net(network, result, 2 * PAIRS_OF_A_NET))
    return joined(bands(network, u, v)).overlap


def nets_findings(
    subject: str, gap: Measured, band: Measured, overlap: Measured, rng: np.random.Generator
) -> list[Finding]:
    """Both claims over nets."""
    gaps, shares = gap.over(rng, POSITIVE), band.over(rng, SHARE)
    overlaps = overlap.over(rng, POSITIVE)
    value = f"gap {_short(gaps)}, half open {_short(shares)}; {gap.told}"
    return [
        FUZZY[NETS].finding(
            subject,
            gaps,
            shares,
            value=value,
            data={**gap.data, **gaps.data("gap"), **shares.data("band")},
        ),
        APART[NETS].finding(
            subject,
            overlaps,
            value=f"{overlaps}; {overlap.told}",
            data={**overlap.data, **overlaps.data("overlap")},
        ),
    ]


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    gaps, overlaps = (_rows(findings, name) for name in ("gap", "overlap"))
    figures = []
    if gaps:
        caption = (
            "How far the output of a layer with a smooth activation is from that of the same layer "
            "with ReLU, over the output's norm (for nets trained with ReLU: GELU put in its "
            "place). Left of the line the claim holds."
        )
        figures.append(Figure("gap-to-relu", caption, partial(_draw_gaps, gaps)))
    if overlaps:
        caption = (
            "The angle for which a neuron is in its band |z| < 1 around a crossing, over the angle "
            "to the next crossing, on geodesics between data. Right of the line the bands overlap, "
            "and polytopes are not resolved."
        )
        figures.append(Figure("overlapping-bands", caption, partial(_draw_overlaps, overlaps)))
    return tuple(figures)


def _rows(findings: Sequence[Finding], name: str) -> list[Row]:
    keys = [f"{name}{end}_float" for end in ("", "_low", "_high")]
    return [
        Row(f.subject, *(number(f.data[key]) for key in keys))
        for f in findings
        if f.data.get(keys[1]) is not None
    ]


def _draw_gaps(rows: Sequence[Row]) -> Canvas:
    title, axis = "A fuzzier ReLU?", "distance to the output with ReLU / norm"
    return forest(rows, title, "medians, 95% intervals", axis, mark=GAP, scale="log")


def _draw_overlaps(rows: Sequence[Row]) -> Canvas:
    title, axis = "Do the bands overlap?", "width of a band / distance of boundaries"
    return forest(rows, title, "medians, 95% intervals", axis, mark=1, scale="log")


QUESTION = Question(
    CLAIM,
    "Is GELU a fuzzier ReLU?",
    ask,
    (*FUZZY.values(), *APART.values()),
    groups=("language",),
    fits=fits,
    needs="one hidden layer with GELU or SiLU, and data in front of it",
    text=texts.MONOSEMANTIC,
    asked="A footnote says that what holds for ReLU should hold for activations like GELU, with "
    "polytopes that are slightly fuzzier at their boundaries.",
    controls="The same layer with ReLU.",
    beside="Untrained layers and nets, and nets trained with ReLU that are given GELU.",
)
