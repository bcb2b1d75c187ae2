"""Claim 1.11: a heat map, Hamming distances of neighbouring grid points under a Gaussian blur,
shows where boundaries are dense.

The exact length of edges in each of 16 x 16 pixels stands beside it (the referee of
`studies.methods`, which also has the heat map as a method). A grid misses pairs of boundaries
between two points and sees a slanted line up to sqrt(2) times as long as one along an axis; blur
hides both and smears what is there. Asked is how well the ranks of pixels agree, for four blurs and
three grids, and whether the total length is right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from exact import Box, Network
from exact.arithmetic.numbers import FloatArray
from exact.sources import torch_modules
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.methods.approximations.heat_map import edge_lengths, heat_of
from studies.methods.quantities.edge_lengths import edge_length_map
from studies.question import Question
from studies.questions.shared.linear_curves import linear_curves
from studies.questions.shared.nets import Measured, Nets, ensemble
from studies.questions.shared.pictures import Curve
from studies.questions.shared.several import Found, brief, data_of, named, several
from studies.questions.shared.starts import TASKS, deep_toy, is_deep
from studies.rules import Claim, above, exceeds, within
from studies.statistics import Degenerate, Estimate
from studies.subjects import Subject, Subjects, Toy
from studies.texts import POLYTOPE_LENS
from toy_models import TrainResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "1.11"
TASK = "moons"
GRIDS, BLURS = (32, 128, 512), (1, 2, 4, 8)
AGREES, OFF = 0.9, 0.05
RANKS = (-1.0, 1.0)
OF = (
    f"Spearman's correlation over pixels of a heat map of {GRIDS[-1]} x {GRIDS[-1]} points with "
    "exact edge lengths, mean over blurs"
)
SHOWS = Claim(
    CLAIM,
    "A heat map shows where boundaries are dense.",
    Kind.ESTIMATE,
    above(AGREES, OF, range=RANKS),
    measures="Spearman",
)
TRUE_LENGTH = Claim(
    CLAIM,
    "A heat map has the right amount of boundary in it.",
    Kind.ESTIMATE,
    within(-OFF, OFF, "the relative error of its total length"),
    measures="relative error",
)
HERE = Claim(
    CLAIM,
    "A heat map of this network shows where its boundaries are dense.",
    Kind.CENSUS,
    exceeds(AGREES, OF, range=RANKS),
)
SWEEP = tuple(f"{grid} points, blur {blur}" for grid in GRIDS for blur in BLURS)
ERRORS = tuple(f"error at {grid}" for grid in GRIDS)
NAMES = ("agreement", *SWEEP, *ERRORS)
CONSTANT = "all pixels have the same length of boundary"


def ask(subjects: Subjects) -> Answer:
    """Heat maps against exact lengths, pixel by pixel."""
    if subjects.own:
        toys = [toy for toy in subjects.all_toys if fits(toy)]
        found = [HERE.guarded(toy.name, partial(of_toy, toy)) for toy in toys]
        return Answer(tuple(found))
    group = list(TASKS).index(TASK)
    nets = ensemble(subjects, deep_toy(TASK), ("trained", "untrained"), group=group)
    arms = [several(one, NAMES, of_net) for one in nets]
    findings = [one for arm in arms for one in of_nets(arm, subjects.seed)]
    return Answer(tuple(findings), _figures(arms, nets))


def fits(subject: Subject) -> bool:
    """Whether its input is a plane, without a norm and without a skip, and there are data."""
    return is_deep(subject) and subject.network.input_dim == 2


# ---- maps


def square_around(points: FloatArray) -> Box:
    """The square around data, a tenth larger. Degenerate where all are one point."""
    low, high = points.min(axis=0), points.max(axis=0)
    half = 0.55 * float((high - low).max())
    if not half > 0:
        raise Degenerate("all data are one point", value=len(points), remedy="give others")
    middle = (low + high) / 2
    return Box((middle - half).tolist(), (middle + half).tolist())


@lru_cache(maxsize=16)
def exact_map(network: Network, square: Box) -> FloatArray:
    """The exact lengths in the pixels, remembered for the figure."""
    return edge_length_map(network, square)


def compared(network: Network, square: Box) -> dict[str, float | str]:
    """All statistics of one network in a square."""
    exact = exact_map(network, square)
    if not np.ptp(exact):
        raise Degenerate(CONSTANT, value=float(exact.sum()), remedy="take a living network")
    found: dict[str, float | str] = {}
    for side in GRIDS:
        heat = heat_of(network, square, side**2)
        found[f"error at {side}"] = float(edge_lengths(heat, square, 0).sum() / exact.sum() - 1)
        for blur in BLURS:
            seen = edge_lengths(heat, square, blur)
            rank = (
                float(stats.spearmanr(seen.ravel(), exact.ravel()).statistic) if np.ptp(seen) else 0
            )
            found[f"{side} points, blur {blur}"] = rank
    finest = [found[f"{GRIDS[-1]} points, blur {blur}"] for blur in BLURS]
    found["agreement"] = float(np.mean(np.array(finest, dtype=float)))
    return found


# ---- nets of many seeds


def of_net(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
    """In the square around the data."""
    return compared(network, square_around(result.dataset.inputs.double().numpy()))


def of_nets(arm: Mapping[str, Measured], seed: int) -> list[Finding]:
    """Both claims over the nets of an arm."""
    rng = np.random.default_rng(seed)
    agreement, error = arm["agreement"].over(rng, RANKS), arm[ERRORS[-1]].over(rng)
    coarse, coarse_error = arm[SWEEP[0]].over(rng), arm[ERRORS[0]].over(rng)
    subject = named(TASK, arm["agreement"])
    sweep: dict[str, JSON] = {
        f"{name} (mean)_float": _mean(arm[name]) for name in (*SWEEP, *ERRORS)
    }
    return [
        SHOWS.finding(
            subject,
            agreement,
            value=f"{brief(agreement)}; with {GRIDS[0]} x {GRIDS[0]} points, blur {BLURS[0]}, "
            f"Spearman {brief(coarse)}",
            data={**data_of({"agreement": agreement}), **sweep, **arm["agreement"].data},
        ),
        TRUE_LENGTH.finding(
            subject,
            error,
            value=f"{brief(error)} with {GRIDS[-1]} points a side, {brief(coarse_error)} with "
            f"{GRIDS[0]}",
            data={
                **data_of({"error": error, "coarse_error": coarse_error}),
                **arm[ERRORS[-1]].data,
            },
        ),
    ]


def _mean(measured: Measured) -> float | None:
    return float(np.mean([*measured.values.values()])) if measured.values else None


def of_toy(toy: Toy) -> Finding:
    """A network of one's own, in the square around its data."""
    toy.must_have_learned()
    found = compared(toy.network, square_around(toy.inputs))
    agreement, error = (float(found[name]) for name in ("agreement", ERRORS[-1]))
    data = {f"{name}_float": value for name, value in found.items()}
    value = f"correlation {agreement:.3g}, total length {100 * error:+.2g}%"
    return HERE.finding(toy.name, Estimate.exactly(agreement), value=value, data=data)


# ---- figures


def _figures(arms: Sequence[Mapping[str, Measured]], nets: Sequence[Nets]) -> tuple[Figure, ...]:
    lines = [_curve(arm, side, k) for k, side in enumerate(GRIDS) for arm in arms]
    lines = [line for line in lines if line.x]
    found = []
    if lines:
        caption = (
            "How well a heat map agrees with the exact length of boundaries in 16 x 16 pixels "
            "(Spearman's correlation), by its blur and its number of grid points a side; mean over "
            "nets."
        )
        found.append(Figure("heat-maps", caption, partial(_draw, lines)))
    for one in nets[:1]:
        if one.results:
            caption = (
                "The exact length of boundaries in each pixel of the square around the data "
                "(upper) and what a heat map of 128 x 128 grid points shows at a blur of two "
                "points (lower), of a trained net."
            )
            found.append(Figure("heat-map", caption, partial(_draw_maps, one)))
    return tuple(found)


def _curve(arm: Mapping[str, Measured], side: int, group: int) -> Curve:
    values = [(float(blur), _mean(arm[f"{side} points, blur {blur}"])) for blur in BLURS]
    known = [(blur, value) for blur, value in values if value is not None]
    control = arm["agreement"].nets.arm != "trained"
    label = f"{side} x {side} points{', untrained' if control else ''}"
    return Curve(label, [blur for blur, _ in known], [v for _, v in known], group, control)


def _draw(lines: Sequence[Curve]) -> Canvas:
    axes = ("blur / grid points", "rank correlation with exact lengths")
    title, subtitle = "Heat maps against exact lengths", "solid: trained, dashed: untrained"
    return linear_curves(lines, title, subtitle, axes, level=AGREES)


def _draw_maps(nets: Nets) -> Canvas:
    from viz import style

    result = nets.results[0]
    network = torch_modules.read(result.model)
    square = square_around(result.dataset.inputs.double().numpy())
    exact = exact_map(network, square)
    seen = edge_lengths(heat_of(network, square, 128**2), square, 2)
    with style.house():
        figure: Canvas
        figure, axes = style.figure(4.6, 7.6, 2, 1)
        most = max(exact.max(), seen.max())
        for ax, shown, name in zip(axes, (exact, seen), ("exact", "heat map"), strict=True):
            image = ax.imshow(shown.T, origin="lower", cmap=style.sequential(), vmin=0, vmax=most)
            ax.set(xticks=[], yticks=[], xlabel=name)
        figure.colorbar(image, ax=list(axes), label="length of boundaries in a pixel", shrink=0.6)
        style.headline(axes[0], "Boundaries in a plane", "in 16 x 16 pixels")
        return figure


QUESTION = Question(
    CLAIM,
    "Does a heat map show where boundaries are dense?",
    ask,
    (SHOWS, TRUE_LENGTH, HERE),
    groups=(),
    fits=fits,
    needs="two inputs in front of layers without a norm and without a skip, and data",
    text=POLYTOPE_LENS,
    asked="Heat maps of the density of boundaries in a slice are read there: the Hamming distances "
    "of neighbouring pixels, blurred.",
    controls="The exact length of edges in each pixel.",
    beside="Grids and blurs of several sizes; untrained nets.",
)
