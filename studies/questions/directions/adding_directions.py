"""Claim 0.7: adding other directions moves a vector into another cell; many random ones cancel.

That a direction meets no boundary behind a norm says nothing of sums: v + d lies in another
direction. Along v + s d, 0 <= s <= alpha (alpha in lengths of v), every flip of a neuron is
counted exactly, eps included; endpoints alone would miss flips that return. The directions are
those of other vectors of the data, random ones, and what neurons write: of the layer itself, and
of the one in front of it, whose writing the layer reads.

Do many added directions cancel? k of them of a tenth of the length of v are added at once. At
eps = 0 only the angle by which v turns can matter, and in which plane: so the flips are held
against those of a turn by the same angle in one random plane. If many directions cancelled, they
would flip fewer. Sums of random directions turn v in a random plane themselves, so that they must
come out even but for their length; sums of other data vectors need not. The flips of each
direction alone, added up, stand beside: that k directions flip fewer than that is the growth of
their sum with the square root of k. Without a norm the vectors are first brought to one length.

That the second rule refutes every ratio above 0.9, and not only those within 0.1 of 1, was settled
after a first look at five nets had shown ratios above 1.1, which the narrower rule left open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network, partition_lines, rotations
from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.nets import Measured, ensemble
from studies.questions.shared.one_hidden_layer import (
    NEEDS,
    Rows,
    by_unit,
    counts_of,
    is_one_hidden_layer,
    relu_ised,
    titled,
    unit_of,
    unit_rows,
    with_random_rows,
)
from studies.questions.shared.pictures import Curve, Row, forest, sweeps
from studies.questions.shared.rays import affordable, with_eps
from studies.rules import Claim, above, below
from studies.statistics import NETS, Degenerate, Estimate
from studies.subjects import NORM_NAMES, NORMS, LanguageLayer, Subject, Subjects
from toy_models import ModelConfig, TrainConfig, TrainResult
from toy_models.models import NormName
from toy_models.populations import Arm

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "0.7"
HALF, SHORT, MANY, CANCELS = 0.5, 0.1, (1, 4, 16, 64), 0.9
HALF_A_TURN = 1e-12  # of the cosine: a millionth of the angle
VECTORS_OF_ONE, VECTORS_OF_A_NET = 120, 20
DATA, RANDOM, WRITTEN = "other data", "random", "written by neurons"
IN_FRONT = "written by the layer in front"

MOVES = by_unit(
    lambda unit, least: Claim(
        CLAIM,
        "Adding another direction, half as long as the vector, moves it into another cell.",
        Kind.ESTIMATE,
        above(1, "the median number of neurons' flips on the way", unit=unit, least=least),
        measures="flips",
    )
)
CANCEL = by_unit(
    lambda unit, least: Claim(
        CLAIM,
        "Many other directions cancel: together they flip fewer neurons than one turn by their "
        "angle.",
        Kind.ESTIMATE,
        below(
            CANCELS,
            f"flips by {MANY[-1]} added directions / flips by a turn in one random plane",
            unit=unit,
            least=least,
        ),
        measures="flips of many over those of a turn",
    )
)
MODEL, TASK = (64,), "blobs"
OPTIONS = {"dimension": 16, "classes": 4, "spread": 0.3}
ARMS: tuple[Arm, ...] = ("trained", "untrained")


def ask(subjects: Subjects) -> Answer:
    """Flips along added directions, and of many at once against one turn."""
    findings: list[Finding] = []
    sums: list[tuple[str, Sums]] = []
    for subject in filter(fits, subjects.each):
        found, of_sums = _of_one(subject, subjects.seed)
        findings += found
        sums += of_sums
    if not subjects.own:
        for group, norm in enumerate(NORMS):
            findings += _of_nets(subjects, norm, group)
    return Answer(tuple(findings), _figures(findings, sums))


def fits(subject: Subject) -> bool:
    """Whether the network is one hidden layer, and there are vectors in front of it."""
    return is_one_hidden_layer(subject)


# ---- one direction


def flips_along(network: Network, vectors: FloatArray, directions: FloatArray) -> FloatArray:
    """The exact number of flips of neurons between each vector and the vector plus its
    direction.
    """
    found = partition_lines(network, vectors, vectors + directions)
    return np.diff(found.starts).astype(np.float64)


def drawn(
    sort: str,
    rows: Rows,
    rng: np.random.Generator,
    copies: int = 1,
    in_front: Network | None = None,
) -> FloatArray:
    """Unit directions of a sort, `copies` for each vector (vectors x copies x dim); `in_front` is
    the layer that writes those `IN_FRONT`. Degenerate where a layer writes nothing of the vectors'
    width.
    """
    count, dim = rows.vectors.shape
    if sort == RANDOM:
        found = rng.standard_normal((count, copies, dim))
    elif sort == DATA:
        others = (np.arange(count)[:, None] + rng.integers(1, count, (count, copies))) % count
        found = rows.vectors[others]
    else:
        columns = written(rows.network if in_front is None else in_front)
        found = columns[rng.integers(0, len(columns), (count, copies))]
    flat = unit_rows(found.reshape(count * copies, dim))
    return flat.reshape(count, copies, dim)


def written(network: Network) -> FloatArray:
    """What each neuron that writes anything writes into a stream of the input's width."""
    *_, last = network.layers
    columns = last.weight.float64().T
    columns = columns[np.linalg.norm(columns, axis=1) > 0]
    if network.output_dim != network.input_dim or not len(columns) or len(network.layers) != 2:
        raise Degenerate(
            "the neurons write nothing of the vectors' width",
            value=f"{network.output_dim} outputs for {network.input_dim} inputs",
            remedy="take a layer of a residual stream",
        )
    return columns


def single_flips(network: Network, rows: Rows, directions: FloatArray) -> FloatArray:
    """Flips on the way to v + |v| / 2 along each direction."""
    sizes = np.linalg.norm(rows.vectors, axis=1, keepdims=True)
    return flips_along(network, rows.vectors, HALF * sizes * directions)


# ---- many directions


@dataclass(frozen=True)
class Sums:
    """Flips of each vector by k directions at once, by each of them alone (added up), and by one
    turn of the same angle in a random plane; all (len(MANY) x vectors), at eps = 0.
    """

    together: FloatArray
    alone: FloatArray
    turned: FloatArray

    @property
    def ratio(self) -> float:
        """Of the most directions: mean flips together over those of turns. Degenerate where turns
        flip nothing.
        """
        if not self.turned[-1].any():
            raise Degenerate("turns flip no neuron", value=0, remedy="take a wider layer")
        return float(self.together[-1].sum() / self.turned[-1].sum())

    @property
    def of_alone(self) -> float:
        """The same over the flips of each alone; 0 where there are none."""
        return float(self.together[-1].sum() / max(1.0, self.alone[-1].sum()))


def sums(network: Network, rows: Rows, sort: str, rng: np.random.Generator) -> Sums:
    """Add 1, 4, 16 and 64 short directions of a sort to each vector."""
    still, vectors = with_eps(network, 0), rows.vectors
    if not network.has_norm:
        sizes = np.linalg.norm(vectors, axis=1)
        vectors = unit_rows(vectors) * float(np.median(sizes[sizes > 0]))
    sizes = np.linalg.norm(vectors, axis=1, keepdims=True)
    steps = SHORT * sizes[:, None] * drawn(sort, rows, rng, MANY[-1])
    count, most, dim = steps.shape
    each = flips_along(
        still, np.repeat(vectors, most, axis=0), steps.reshape(count * most, dim)
    ).reshape(count, most)
    together, turned = [], []
    for k in MANY:
        added = steps[:, :k].sum(axis=1)
        together.append(flips_along(still, vectors, added))
        turned.append(flips_turning(still, vectors, vectors + added, rng))
    alone = [each[:, :k].sum(axis=1) for k in MANY]
    return Sums(np.array(together), np.array(alone), np.array(turned))


def flips_turning(
    network: Network, starts: FloatArray, ends: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Flips on the geodesic that turns each start by the angle to its end, as the norm sees them,
    in a random plane. No turn flips nothing, and half a turn, which lies in no one plane, stops a
    millionth short.
    """
    norm = network.blocks[0].norm
    seen, aim, drawn = (
        unit_rows(x if norm is None else norm.project_float(x))
        for x in (starts, ends, rng.standard_normal(starts.shape))
    )
    cosine = (seen * aim).sum(axis=1, keepdims=True).clip(-1 + HALF_A_TURN, 1)
    across = unit_rows(drawn - (seen * drawn).sum(axis=1, keepdims=True) * seen)
    goals = cosine * seen + np.sqrt(1 - cosine**2) * across
    radius = None if norm is not None else float(np.linalg.norm(starts[0])) ** 2
    flips = np.zeros(len(starts))
    turned = (seen != goals).any(axis=1)
    if turned.any():
        found = rotations(network, seen[turned], goals[turned], radius_squared=radius)
        flips[turned] = counts_of(found.rows, int(turned.sum()))
    return flips


# ---- one layer or toy


def _of_one(subject: Subject, seed: int) -> tuple[list[Finding], list[tuple[str, Sums]]]:
    network = relu_ised(subject)[1]
    layer = subject if isinstance(subject, LanguageLayer) else None
    before = None if layer is None else layer.untrained
    unit, kept = unit_of(subject), list[tuple[str, Sums]]()

    def rows() -> Rows:
        given = Rows.of(subject, affordable(network, VECTORS_OF_ONE))
        return replace(given, network=network)

    def moves(sort: str) -> Finding:
        rng, given = np.random.default_rng(seed), rows()
        directions = drawn(sort, given, rng, in_front=_in_front(sort, layer))[:, 0]
        flips = single_flips(network, given, directions)
        turned = single_flips(with_random_rows(network, rng), given, directions)
        found = given.over(flips, rng)
        data: dict[str, JSON] = {**found.data("flips"), "random_rows_float": _median(turned)}
        told = f"with random rows {_median(turned):.3g}"
        if before is not None:
            bare = Rows.of(before, len(flips))
            network_before = before.relu_ised[1]
            bare = replace(bare, network=network_before)
            again = drawn(sort, bare, rng, in_front=_in_front(sort, before))[:, 0]
            data["untrained_float"] = _median(single_flips(network_before, bare, again))
            told += f", untrained {number(data['untrained_float']):.3g}"
        value = f"{found}; of {sum(network.widths)} neurons; {told}"
        return MOVES[unit].finding(titled(subject, sort), found, value=value, data=data)

    def cancel(sort: str) -> Finding:
        rng, given = np.random.default_rng(seed), rows()
        found = sums(network, given, sort, rng)
        kept.append((titled(subject, sort), found))
        return cancel_finding(titled(subject, sort), given, found, rng)

    findings, sorts = [], [DATA, RANDOM]
    if network.output_dim == network.input_dim:
        sorts.append(WRITTEN)
    if layer is not None and layer.previous is not None:
        sorts.append(IN_FRONT)
    for sort in sorts:
        findings.append(MOVES[unit].guarded(titled(subject, sort), partial(moves, sort)))
    for sort in (DATA, RANDOM):
        findings.append(CANCEL[unit].guarded(titled(subject, sort), partial(cancel, sort)))
    return findings, kept


def _in_front(sort: str, layer: LanguageLayer | None) -> Network | None:
    return layer.previous if sort == IN_FRONT and layer is not None else None


def _median(values: FloatArray) -> float:
    return float(np.median(values))


def cancel_finding(subject: str, rows: Rows, found: Sums, rng: np.random.Generator) -> Finding:
    """The ratio at the largest k: numerator and denominator in the same units."""
    ratio = found.ratio
    mean = float(found.turned[-1].mean())
    linear = ratio + (found.together[-1] - ratio * found.turned[-1]) / mean
    estimate = rows.over(linear, rng, statistic=np.mean)
    value = f"{estimate}; over the flips of each alone {found.of_alone:.2g}"
    return CANCEL[rows.unit].finding(subject, estimate, value=value, data=_data(found, estimate))


def _data(found: Sums, estimate: Estimate) -> dict[str, JSON]:
    means = {
        name: [float(x) for x in values.mean(axis=1)]
        for name, values in (
            ("together", found.together),
            ("alone", found.alone),
            ("turned", found.turned),
        )
    }
    return {
        **estimate.data("ratio"),
        "directions": list(MANY),
        **{f"flips_{name}_float": values for name, values in means.items()},
    }


# ---- many nets


def _of_nets(subjects: Subjects, norm: NormName, group: int) -> list[Finding]:
    model = ModelConfig(MODEL, norm, embed_dim=0)
    config = TrainConfig(task=TASK, task_options=OPTIONS, model=model)
    rng = np.random.default_rng(subjects.seed)
    findings = []
    for nets in ensemble(subjects, config, ARMS, group=group):
        subject = f"{TASK} (16-{MODEL[0]}), {NORM_NAMES[norm]}, {nets.arm} nets"
        statistics = (net_flips, net_flips_of_random_rows, net_ratio)
        measured = (Measured.of(nets, statistic) for statistic in statistics)
        findings += nets_findings(f"{subject}: {DATA}", *measured, rng)
    return findings


def net_flips(network: Network, result: TrainResult, rng: np.random.Generator) -> float:
    """The median number of flips along other data."""
    rows = Rows.of_net(network, result, VECTORS_OF_A_NET)
    return _median(single_flips(network, rows, drawn(DATA, rows, rng)[:, 0]))


def net_flips_of_random_rows(
    network: Network, result: TrainResult, rng: np.random.Generator
) -> float:
    """The same of the layer with its rows turned at random."""
    return net_flips(with_random_rows(network, rng), result, rng)


def net_ratio(network: Network, result: TrainResult, rng: np.random.Generator) -> float:
    """Flips of many other data at once over those of a turn."""
    return sums(network, Rows.of_net(network, result, VECTORS_OF_A_NET), DATA, rng).ratio


def nets_findings(
    subject: str, flips: Measured, turned: Measured, ratio: Measured, rng: np.random.Generator
) -> list[Finding]:
    """Both claims over nets."""
    found, even, control = flips.over(rng), ratio.over(rng), turned.over(rng)
    data = {**flips.data, **found.data("flips"), **control.data("random_rows")}
    told = f"with random rows {control.value:.3g}" if control.value is not None else "no control"
    return [
        MOVES[NETS].finding(
            subject,
            found,
            value=f"{found}; of {MODEL[0]} neurons; {told}; {flips.nets.told}",
            data=data,
        ),
        CANCEL[NETS].finding(
            subject, even, value=f"{even}; {ratio.told}", data={**ratio.data, **even.data("ratio")}
        ),
    ]


# ---- figures


def _figures(findings: Sequence[Finding], found: Sequence[tuple[str, Sums]]) -> tuple[Figure, ...]:
    rows = [
        Row(f.subject, *(number(f.data[f"ratio{end}_float"]) for end in ("", "_low", "_high")))
        for f in findings
        if f.data.get("ratio_low_float") is not None
    ]
    figures = []
    if rows:
        caption = (
            f"Flips of neurons when {MANY[-1]} directions, each a tenth as long as the vector, are "
            "added, over flips of one turn by the same angle in a random plane. Left of the line "
            "the directions cancel."
        )
        figures.append(Figure("added-or-turned", caption, partial(_forest, rows)))
    if found:
        caption = (
            "Exact flips of neurons by k added directions at once (solid), by a turn of the same "
            "angle in a random plane (dashed), and by each direction alone, added up (dotted); "
            "{}, at eps = 0."
        )
        name, one = found[0]
        figures.append(
            Figure("flips-by-number-of-directions", caption.format(name), partial(_curves, one))
        )
    return tuple(figures)


def _forest(rows: Sequence[Row]) -> Canvas:
    title, axis = "Do added directions cancel?", "flips, added / turned"
    return forest(rows, title, "95% intervals", axis, mark=CANCELS)


def _curves(found: Sums) -> Canvas:
    ks = [float(k) for k in MANY]
    lines = [
        Curve("all at once", ks, found.together.mean(axis=1).tolist(), 0),
        Curve("a turn by the same angle", ks, found.turned.mean(axis=1).tolist(), 1, True),
        Curve("each alone, added up", ks, found.alone.mean(axis=1).tolist(), -1),
    ]
    panel = ("flips", lines)
    return sweeps([panel], "Many directions at once", "means over vectors", "directions k")


QUESTION = Question(
    CLAIM,
    "Do added directions move a vector into another cell, or cancel?",
    ask,
    (*MOVES.values(), *CANCEL.values()),
    groups=("language",),
    fits=fits,
    needs=NEEDS,
    text=texts.MONOSEMANTIC,
    asked="A comment objects that a vector is a sum of many features, so that others may push it "
    "into another cell, and hopes that many of them jostle it at random and cancel.",
    controls="One turn in a random plane by the same angle.",
    beside="Untrained layers and nets, the same layer with its rows turned at random, and every "
    "direction alone.",
    settled="That a ratio above 0.9 refutes that directions cancel, also one above 1.1.",
)
