"""Claim 0.8: how smoothly does the output change when a vector is rotated towards another?

On the geodesic from u to v, at eps = 0, every crossing is exact. At each the velocity of the output
jumps by a kink, |W_out,j| |z_j'|; between them the output runs along an arc of an ellipse, so that
the length of its path is a closed form. Three numbers of a pair: its largest kink over the mean
speed (length per angle); its straightness, length over the distance of the ends; and the share of
its turning that happens in kinks, sum of kinks over that sum and the integral of the acceleration
(float quadrature). Wide layers are smooth because one neuron is a small part of the output, so the
kink is shown against the width as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Layer, Network, Rotations, rotations
from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.nets import Measured, ensemble
from studies.questions.shared.one_hidden_layer import (
    NEEDS,
    Rows,
    by_unit,
    is_one_hidden_layer,
    paired_rows,
    relu_ised,
    unit_of,
    unit_rows,
)
from studies.questions.shared.pictures import Curve, Row, forest, sweeps
from studies.questions.shared.rays import affordable, with_eps
from studies.questions.shared.several import brief
from studies.rules import Claim, below
from studies.statistics import NETS, Degenerate, Estimate
from studies.subjects import NORM_NAMES, LanguageLayer, Subject, Subjects
from toy_models import ModelConfig, TrainConfig, TrainResult
from toy_models.populations import Arm

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "0.8"
KINK, STRAIGHT = 0.05, 1.5
PAIRS, PAIRS_OF_A_NET, NODES = 60, 10, 64
LONGER = (1.0, np.inf)  # a path is no shorter than the distance of its ends
SMOOTH = by_unit(
    lambda unit, least: Claim(
        CLAIM,
        "Rotating a vector towards another changes the output smoothly: no kink is large, and the "
        "path is nearly straight.",
        Kind.ESTIMATE,
        below(
            KINK,
            "the median over pairs of (largest kink / mean speed of the output)",
            unit=unit,
            least=least,
        )
        & below(
            STRAIGHT,
            "the median over pairs of (length of the path / distance of its ends)",
            range=LONGER,
            unit=unit,
            least=least,
        ),
    )
)
WIDTHS, TASK = (8, 32, 128, 512), "blobs"
OPTIONS = {"dimension": 16, "classes": 4, "spread": 0.3}
ARMS: tuple[Arm, ...] = ("trained", "untrained")


def ask(subjects: Subjects) -> Answer:
    """Kinks and lengths of the output's path on geodesics between vectors."""
    findings = [
        SMOOTH[unit_of(one)].guarded(relu_ised(one)[0], partial(_of_one, one, subjects.seed))
        for one in subjects.each
        if fits(one)
    ]
    curves: list[Curve] = []
    if not subjects.own:
        by_width = [_of_width(subjects, width, group) for group, width in enumerate(WIDTHS)]
        findings += [finding for found in by_width for finding in found]
        curves = [_curve(arm, [found[place] for found in by_width]) for place, arm in _arms()]
    return Answer(tuple(findings), _figures(findings, curves))


def fits(subject: Subject) -> bool:
    """Whether the network is one hidden layer, and there are vectors in front of it."""
    return is_one_hidden_layer(subject)


# ---- one pair


@dataclass(frozen=True)
class Paths:
    """The paths of the output between pairs of vectors; one number each a pair, float64 read off
    exact crossings. `kinks` and `straightness` are NaN where the output does not move.
    """

    kinks: FloatArray
    straightness: FloatArray
    turning: FloatArray
    crossings: FloatArray

    def require_motion(self) -> None:
        """Degenerate where no output moves."""
        if not np.isfinite(self.kinks).any():
            raise Degenerate("the output does not move", value=0, remedy="take a living network")

    @property
    def medians(self) -> tuple[float, float]:
        """Largest kink and straightness of the pairs whose output moves."""
        self.require_motion()
        moving = np.isfinite(self.kinks)
        return float(np.median(self.kinks[moving])), float(np.median(self.straightness[moving]))


def paths(network: Network, u: FloatArray, v: FloatArray) -> Paths:
    """The paths of the output from rows of u to rows of v, brought to one length where there is no
    norm.
    """
    still = with_eps(network, 0)
    radius = None if network.has_norm else _common(u)
    found = rotations(still, u, v, radius_squared=None if radius is None else radius**2)
    lengths, count = found.lengths_float, len(u)
    largest = np.zeros(count)
    np.maximum.at(largest, found.rows, found.kinks_float)
    ends = [still.forward_float(x if radius is None else radius * unit_rows(x)) for x in (u, v)]
    apart = np.linalg.norm(ends[1] - ends[0], axis=1)
    speed = lengths / found.ends_float
    size = max(float(np.abs(ends).max()), 1e-300)
    moves = (lengths > 1e-9 * size) & (apart > 1e-9 * size)  # below, all is rounding
    in_kinks = np.bincount(found.rows, found.kinks_float, count)
    smooth = _accelerations(found, u, v, radius)
    return Paths(
        np.divide(largest, speed, out=np.full(count, np.nan), where=moves),
        np.divide(lengths, apart, out=np.full(count, np.nan), where=moves),
        np.divide(in_kinks, in_kinks + smooth, out=np.zeros(count), where=in_kinks > 0),
        np.bincount(found.rows, minlength=count).astype(np.float64),
    )


def _common(u: FloatArray) -> float:
    sizes = np.linalg.norm(u, axis=1)
    return float(np.median(sizes[sizes > 0]))


def _accelerations(
    found: Rotations, u: FloatArray, v: FloatArray, radius: float | None
) -> FloatArray:
    """The integral of |f''| between the kinks: on an arc f'' is minus the part of f that turns."""
    network, norm = found.network, found.network.blocks[0].norm
    head, *behind = network.layers
    size = np.sqrt(network.input_dim) if radius is None else radius
    first, second = (unit_rows(x if norm is None else norm.project_float(x)) for x in (u, v))
    across = unit_rows(second - (first * second).sum(axis=1, keepdims=True) * first)
    weight, bias = head.weight.float64(), head.bias.float64().T
    if norm is not None:
        bias = bias + norm.bias.float64().T @ weight.T
        weight = weight * norm.gain.float64().T
    out = np.eye(head.width)
    for layer in behind:
        out = layer.as_affine.weight.float64() @ out
    totals = np.zeros(len(u))
    for place, end in enumerate(found.ends_float):
        angles = (np.arange(NODES) + 0.5)[:, None] * end / NODES
        turning = size * (np.cos(angles) * first[place] + np.sin(angles) * across[place]) @ weight.T
        moved = _slopes(head, turning + bias) * turning
        totals[place] = np.linalg.norm(moved @ out.T, axis=1).mean() * end
    return totals


def _slopes(layer: Layer, heights: FloatArray) -> FloatArray:
    """The slope of the activation at each height."""
    bends = np.array([float(bend) for bend in layer.activation.breakpoints])
    slopes = np.array([float(slope) for slope, _ in layer.activation.pieces])
    return np.asarray(slopes[np.searchsorted(bends, heights)])


def with_shuffled_columns(network: Network, rng: np.random.Generator) -> Network:
    """The network whose neurons write what others did."""
    head, last, *behind = network.blocks[0].layers
    order = rng.permutation(head.width)
    mixed = Layer.of(last.weight.float64()[:, order], last.bias.float64(), last.activation)
    return Network((replace(network.blocks[0], layers=(head, mixed, *behind)),))


def sampled_straightness(network: Network, u: FloatArray, v: FloatArray) -> float:
    """The median length of the output's path over the distance of its ends, by 4 NODES chords: for
    smooth activations, whose paths have no closed form.
    """
    norm = network.blocks[0].norm
    first, second = (unit_rows(x if norm is None else norm.project_float(x)) for x in (u, v))
    angle = np.arccos((first * second).sum(axis=1).clip(-1, 1))[:, None]
    across = unit_rows(second - np.cos(angle) * first)
    size = _common(u)
    outputs = [
        network.forward_float(size * (np.cos(t * angle) * first + np.sin(t * angle) * across))
        for t in np.linspace(0, 1, 4 * NODES + 1)
    ]
    length = np.linalg.norm(np.diff(outputs, axis=0), axis=2).sum(axis=0)
    apart = np.linalg.norm(outputs[-1] - outputs[0], axis=1)
    return float(np.median(length[apart > 0] / apart[apart > 0])) if apart.any() else 1.0


# ---- one layer or toy


def _of_one(subject: Subject, seed: int) -> Finding:
    name, network = relu_ised(subject)
    rows = Rows.of(subject, 2 * affordable(network, PAIRS))
    u, v, places = paired_rows(rows)
    rng = np.random.default_rng(seed)
    found = paths(network, u, v)
    told: dict[str, JSON] = {}
    told["shuffled_columns_float"] = paths(with_shuffled_columns(network, rng), u, v).medians[0]
    if rows.network != network:
        told["smooth_straightness_float"] = sampled_straightness(rows.network, u, v)
    if isinstance(subject, LanguageLayer) and subject.untrained is not None:
        before = Rows.of(subject.untrained, len(rows.vectors))
        kink, straight = paths(subject.untrained.relu_ised[1], *paired_rows(before)[:2]).medians
        told |= {"untrained_kink_float": kink, "untrained_straightness_float": straight}
    pairs = Rows(network, u, places, rows.unit)
    return pairs_finding(name, pairs, found, sum(network.widths), told, rng)


def pairs_finding(
    subject: str,
    rows: Rows,
    found: Paths,
    width: int,
    told: dict[str, JSON],
    rng: np.random.Generator,
) -> Finding:
    """Both medians over the pairs whose output moves."""
    found.require_motion()
    moving = np.isfinite(found.kinks)
    kept = replace(rows, vectors=rows.vectors[moving], places=rows.places[moving])
    kink = kept.over(found.kinks[moving], rng)
    straight = kept.over(found.straightness[moving], rng, range=LONGER)
    value = (
        f"kink {brief(kink)}, path over distance {brief(straight)}, medians of {int(moving.sum())} "
        "pairs"
    )
    before = told.get("untrained_kink_float")
    if before is not None:
        again = number(told["untrained_straightness_float"])
        value += f"; untrained {number(before):.2g} and {again:.3g}"
    if "smooth_straightness_float" in told:
        value += f"; path with its own activation {number(told['smooth_straightness_float']):.3g}"
    return SMOOTH[rows.unit].finding(
        subject, kink, straight, value=value, data=_data(found, kink, straight, width, told)
    )


def _data(
    found: Paths, kink: Estimate, straight: Estimate, width: int, told: dict[str, JSON]
) -> dict[str, JSON]:
    return {
        **kink.data("kink"),
        **straight.data("straightness"),
        "turning_in_kinks_float": float(np.median(found.turning)),
        "crossings_float": float(np.median(found.crossings)),
        "width": width,
        **told,
    }


# ---- toys of many widths


def _arms() -> list[tuple[int, Arm]]:
    return list(enumerate(ARMS))


def _of_width(subjects: Subjects, width: int, group: int) -> list[Finding]:
    """A finding an arm."""
    model = ModelConfig((width,), "layernorm", embed_dim=0)
    config = TrainConfig(task=TASK, task_options=OPTIONS, model=model)
    rng = np.random.default_rng(subjects.seed)
    findings = []
    for nets in ensemble(subjects, config, ARMS, group=group):
        kink, straight = (Measured.of(nets, partial(net_median, which=which)) for which in (0, 1))
        subject = f"{TASK} (16-{width}), {NORM_NAMES['layernorm']}, {nets.arm} nets"
        findings.append(nets_finding(subject, kink, straight, width, rng))
    return findings


def net_median(
    network: Network, result: TrainResult, _: np.random.Generator, *, which: int
) -> float:
    """The median over pairs of the data of the largest kink, or of the straightness."""
    u, v, _places = paired_rows(Rows.of_net(network, result, 2 * PAIRS_OF_A_NET))
    return paths(network, u, v).medians[which]


def nets_finding(
    subject: str, kink: Measured, straight: Measured, width: int, rng: np.random.Generator
) -> Finding:
    """Both medians over nets."""
    kinks, straightness = kink.over(rng), straight.over(rng, LONGER)
    value = f"kink {brief(kinks)}, path over distance {brief(straightness)}; {kink.told}"
    data = {**kink.data, **kinks.data("kink"), **straightness.data("straightness"), "width": width}
    return SMOOTH[NETS].finding(subject, kinks, straightness, value=value, data=data)


# ---- figures


def _curve(arm: Arm, findings: Sequence[Finding]) -> Curve:
    known = [f for f in findings if f.data["kink_float"] is not None]
    widths = [number(f.data["width"]) for f in known]
    kinks = [number(f.data["kink_float"]) for f in known]
    return Curve(f"{arm} toys", widths, kinks, ARMS.index(arm), arm != "trained")


def _figures(findings: Sequence[Finding], curves: Sequence[Curve]) -> tuple[Figure, ...]:
    figures = []
    if any(curve.x for curve in curves):
        caption = (
            "The largest kink on the way from one vector to another, over the mean speed of the "
            "output, against the width m of the hidden layer; the dotted line falls with the "
            "root of m, as for independent neurons."
        )
        figures.append(Figure("kinks-by-width", caption, partial(_draw_widths, curves)))
    rows = [
        Row(
            f.subject,
            *(number(f.data[f"straightness{end}_float"]) for end in ("", "_low", "_high")),
        )
        for f in findings
        if f.data.get("straightness_low_float") is not None
    ]
    if rows:
        caption = (
            "The length of the output's path on the way from one vector to another, over the "
            "distance of its ends: 1 is a straight path. Left of the line the claim holds."
        )
        figures.append(Figure("straightness", caption, partial(_draw_straightness, rows)))
    return tuple(figures)


def _draw_widths(curves: Sequence[Curve]) -> Canvas:
    start = max((curve.y[0] for curve in curves if curve.y), default=1.0)
    line = Curve(
        "1 / root of m", WIDTHS, [start * (WIDTHS[0] / width) ** 0.5 for width in WIDTHS], -1
    )
    panel = ("largest kink / mean speed", [line, *(curve for curve in curves if curve.x)])
    return sweeps([panel], "Kinks by width", "means over nets of medians over pairs", "width m")


def _draw_straightness(rows: Sequence[Row]) -> Canvas:
    title, axis = "How straight is the output's path?", "length / distance of the ends"
    return forest(rows, title, "medians over pairs, 95% intervals", axis, mark=STRAIGHT)


QUESTION = Question(
    CLAIM,
    "How smoothly does a rotation change the output?",
    ask,
    tuple(SMOOTH.values()),
    groups=("language",),
    fits=fits,
    needs=NEEDS,
    text=texts.MONOSEMANTIC,
    asked="A comment asks how smoothly the output of an MLP layer changes when a normed vector is "
    "rotated towards another direction: if smoothly, polytopes need not be thought of.",
    controls="None but the margins.",
    beside="Untrained layers and nets, neurons that write what others did, the GELU layer itself "
    "beside the one with ReLU, and toys of 8 to 512 neurons.",
)
