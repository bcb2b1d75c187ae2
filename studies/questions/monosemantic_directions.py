"""Claim 0.1: behind a norm every direction is monosemantic for one MLP layer; without a norm it is
not.

A direction is monosemantic when its spline code is constant along the whole ray from the origin.
For one hidden layer that is the same for all directions of an arc between two crossings at
infinity, so the share of crossed directions on a circle is a sum of exact arc lengths. Deeper
networks and wide layers get exact rays along random directions and a Wilson interval. At eps = 0
the answer is a theorem, so that there the run checks the code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import sympy

from exact import GreatCircle, Network, partition
from exact.regions.arcs.partition import CurvePartition
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.intervals import Share, percent
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.rays import (
    affordable,
    centred,
    changes_along,
    directed,
    must_live,
    random_directions,
    with_eps,
    without_biases,
)
from studies.rules import SHARE, Claim, above, at_most, below, exceeds, theorem
from studies.statistics import Estimate
from studies.subjects import NORM_NAMES, LanguageLayer, Subjects, Toy

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

Directions = Sequence[Sequence[float]]
CLAIM = "0.1"
RAYS, LANGUAGE_RAYS, SHOWN = 60, 16, 150
CENTRED_CIRCLE = ((1, -1, 0), (1, 1, -2))  # an orthogonal basis of the vectors of mean zero in R^3
SOME = 0.1
CROSSED, CROSSED_ARCS = "the share of crossed rays", "the number of crossed arcs of directions"
SOME_TOLD = percent(SOME)

WITH = Claim(
    CLAIM,
    "Behind a norm with eps = 0 every direction is monosemantic.",
    Kind.THEOREM,
    theorem("no direction is crossed"),
)
WITH_EPS = Claim(
    CLAIM,
    "Behind the norm as trained, with eps > 0, every direction is monosemantic along its whole "
    "ray.",
    Kind.CENSUS,
    at_most(0, CROSSED_ARCS, range=(0, math.inf)),
)
WITH_EPS_SAMPLED = Claim(
    CLAIM,
    f"Behind the norm as trained, with eps > 0, all directions but {SOME_TOLD} are monosemantic "
    "along their whole ray.",
    Kind.ESTIMATE,
    below(SOME, CROSSED, range=SHARE, unit="rays", least=1),
)
WITHOUT = Claim(
    CLAIM,
    "Without a norm there are directions that are not monosemantic.",
    Kind.CENSUS,
    exceeds(0, CROSSED_ARCS, range=(0, math.inf)),
)
WITHOUT_SAMPLED = Claim(
    CLAIM,
    f"Without a norm more than {SOME_TOLD} of directions are not monosemantic.",
    Kind.ESTIMATE,
    above(SOME, CROSSED, range=SHARE, unit="rays", least=1),
)


def ask(subjects: Subjects) -> Answer:
    """The share of directions whose ray crosses a boundary, by norm and eps."""
    findings: list[Finding] = []
    for toy in (*subjects.toys.values(), *subjects.deep.values()):
        findings += _of_toy(toy, subjects.seed)
    for layer in subjects.language:
        findings += _language(layer, subjects.seed)
    return Answer(tuple(findings), (*_figures(findings), *_norm_figures(subjects)))


# ---- one hidden layer in R^3: exact shares


def exact_share(network: Network) -> tuple[sympy.Expr, float, int, int]:
    """The share of the directions of mean zero in R^3 that are crossed, for one hidden layer.

    Returned as a SymPy expression and a float, with the numbers of crossed and of all arcs. The
    arcs are those of the code far out: on each of them no neuron changes sign at infinity or at the
    centre, so one witness ray decides for all.
    """
    far_out = network if network.has_norm else without_biases(network)
    arcs = partition(
        far_out, GreatCircle(*CENTRED_CIRCLE, radius_squared=None if network.has_norm else 1)
    ).seen_as(CurvePartition)
    crossed = [arc for arc in arcs.regions if changes_along(network, arc.witness).crossed]
    if len(crossed) in (0, len(arcs)):
        return sympy.Integer(bool(crossed)), float(bool(crossed)), len(crossed), len(arcs)
    radius_squared = arcs.frame.radius_squared
    radius = sympy.sqrt(sympy.Rational(int(radius_squared.p), int(radius_squared.q)))
    share = sympy.expand(sum(arc.length / radius for arc in crossed)) / (2 * sympy.pi)
    total = sum(arc.length_float for arc in arcs.regions)
    return share, sum(arc.length_float for arc in crossed) / total, len(crossed), len(arcs)


def _of_toy(toy: Toy, seed: int) -> list[Finding]:
    exact = len(toy.block.hidden_layers) == 1 and toy.block.input_dim == 3
    if toy.norm == "none":
        return [_judged(toy, toy.name, toy.block, WITHOUT if exact else WITHOUT_SAMPLED, seed)]
    as_trained = WITH_EPS if exact else WITH_EPS_SAMPLED
    return [
        _judged(toy, f"{toy.name}, eps = 0", with_eps(toy.block, 0), WITH, seed),
        _judged(toy, f"{toy.name}, eps as trained", toy.block, as_trained, seed),
    ]


def _judged(toy: Toy, subject: str, network: Network, claim: Claim, seed: int) -> Finding:
    """The share of directions where it is known exactly, rays along some of them elsewhere."""

    def measured() -> Finding:
        if claim.kind is not Kind.THEOREM:
            toy.must_have_learned()
            must_live(network)
        if len(network.hidden_layers) == 1 and network.input_dim == 3:
            return exact_finding(claim, subject, network)
        return rays_finding(
            claim, subject, network, random_directions(network.input_dim, RAYS, seed)
        )

    return claim.guarded(subject, measured)


def exact_finding(claim: Claim, subject: str, network: Network) -> Finding:
    """The finding from the exact share, by the number of arcs that are crossed."""
    share, share_float, crossed, arcs = exact_share(network)
    return claim.finding(
        subject,
        Estimate.exactly(crossed),
        value=f"{percent(share_float)} of directions crossed, exactly ({crossed} of {arcs} arcs)",
        data={
            "share": str(share),
            "share_float": share_float,
            "crossed_arcs": crossed,
            "arcs": arcs,
        },
    )


# ---- deep networks and GPT-2 layers: exact rays along sampled directions


def rays_finding(claim: Claim, subject: str, network: Network, directions: Directions) -> Finding:
    """The finding from exact rays along the given directions."""
    rays = [changes_along(network, direction) for direction in directed(network, directions)]
    share = Share(sum(ray.crossed for ray in rays), len(rays))
    mean = sum(ray.regions - 1 for ray in rays) / len(rays)
    low, high = share.interval
    data: dict[str, JSON] = {
        "crossed": share.hits,
        "rays": share.total,
        "share_of_rays_float": share.hits / share.total,
        "low_float": low,
        "high_float": high,
        "changes_per_ray_float": mean,
    }
    value = f"{share} of rays crossed, {mean:.3g} changes a ray"
    if network.has_norm and share.hits:
        data["median_critical_radius_float"] = critical_radius_float(network, directions)
        value += f", last at r = {data['median_critical_radius_float']:.2g} (median)"
    found = Estimate.exactly(share.hits) if claim is WITH else share.estimate("rays")
    return claim.finding(subject, found, value=value, data=data)


def critical_radius_float(network: Network, directions: Sequence[Sequence[float]]) -> float:
    """The median over directions of the length |P x| beyond which the code changes no more; 0
    without changes.
    """
    rays = [changes_along(network, direction) for direction in directions]
    lengths = [float(np.linalg.norm(centred(network, direction))) for direction in directions]
    return float(
        np.median([ray.last_float * length for ray, length in zip(rays, lengths, strict=True)])
    )


def _language(layer: LanguageLayer, seed: int) -> list[Finding]:
    count, network = affordable(layer.network, LANGUAGE_RAYS), layer.network
    residuals = [tuple(row) for row in layer.vectors[:count].tolist()]
    drawn = random_directions(network.input_dim, count, seed)
    along = f"{layer.name}, residual directions"
    asked = (
        (WITH, f"{along}, eps = 0", with_eps(network, 0), residuals),
        (WITH_EPS_SAMPLED, f"{along}, eps as trained", network, residuals),
        (WITH_EPS_SAMPLED, f"{layer.name}, random directions, eps as trained", network, drawn),
        (WITHOUT_SAMPLED, f"{layer.name}, norm taken out", _without_norm(network), drawn),
    )

    def measured(claim: Claim, subject: str, taken: Network, along: Directions) -> Finding:
        if claim.kind is not Kind.THEOREM:
            must_live(taken)
        return rays_finding(claim, subject, taken, along)

    return [
        claim.guarded(subject, partial(measured, claim, subject, taken, rows))
        for claim, subject, taken, rows in asked
    ]


def _without_norm(network: Network) -> Network:
    """The MLP reading the residual stream itself, as a control: the seed's picture of a network
    without LayerNorm.
    """
    first = network.blocks[0]
    return Network((type(first)(first.layers),))


def _figures(findings: list[Finding]) -> tuple[Figure, ...]:
    rows = [_row(finding) for finding in findings if finding.data]
    caption = (
        "The share of directions from the origin along which the spline code changes, in per "
        "cent; exact on the toys of one "
        "hidden layer, with 95% Wilson intervals where rays are sampled. With a norm and eps = 0 "
        "nothing is crossed; with "
        "eps > 0 the code still changes close to the origin (how close: claim 0.4)."
    )
    title, subtitle = (
        "Directions that meet a boundary",
        "squares: exact; dots: exact rays, sampled directions, 95% intervals",
    )
    return (
        Figure(
            "crossed-directions",
            caption,
            lambda: forest(rows, title, subtitle, "crossed directions / %"),
        ),
    )


def _row(finding: Finding) -> Row:
    data = finding.data
    if "share_float" in data:
        return Row(finding.subject, 100 * number(data["share_float"]))
    low, high, middle = (
        100 * number(x)
        for x in (data["low_float"], data["high_float"], data["share_of_rays_float"])
    )
    return Row(finding.subject, middle, low, high)


def _norm_figures(subjects: Subjects) -> list[Figure]:
    """What a norm does to the data, and the training of the toys."""
    losses = {
        NORM_NAMES[toy.norm]: toy.result.losses
        for toy in subjects.toys.values()
        if toy.result is not None
    }
    figures = []
    for toy in subjects.toys.values():
        if toy.norm == "layernorm" and toy.block.input_dim == 3:
            caption = (
                f"The data of {toy.name} in R^3 through LayerNorm's three steps; every ray "
                f"from the origin ends in one point."
            )
            figures.append(Figure("layer-norm", caption, partial(_draw_norm, toy)))
    if losses:
        caption = (
            "Training losses of the toys of one hidden layer: the same data, seed and width "
            "for every norm."
        )
        figures.append(Figure("training-losses", caption, partial(_draw_losses, losses)))
    return figures


def _draw_norm(toy: Toy) -> Canvas:
    from viz.figures.layer_norm import layer_norm_figure

    norm = toy.block.blocks[0].norm
    assert norm is not None
    return layer_norm_figure(
        norm, toy.residuals[:SHOWN], classes=toy.dataset.targets[:SHOWN].tolist()
    )


def _draw_losses(losses: dict[str, tuple[float, ...]]) -> Canvas:
    from viz.figures.curves import loss_figure

    return loss_figure(losses)


CLAIMS = (WITH, WITH_EPS, WITH_EPS_SAMPLED, WITHOUT, WITHOUT_SAMPLED)
QUESTION = Question(CLAIM, "Is every direction monosemantic?", ask, CLAIMS)
