"""Claim 0.4: eps is negligible.

With eps > 0 a direction has a critical radius r_crit: only beyond it is the code that of the
direction at eps = 0 (mathematics.md, "Critical radii"). Whether a residual vector has the code of
its direction is decided exactly. How far it is from the critical radius is read off the exact ray
through it, where the code changes last at the parameter t = r_crit / r, r = |P x|.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network, Ray, partition
from exact.arithmetic.numbers import FloatArray, fraction, nearest_float
from exact.regions.arcs.partition import CurvePartition
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.intervals import Share, finite
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.rays import (
    affordable,
    centred,
    changes_along,
    directed,
    has_the_code_of_its_direction,
    must_live,
)
from studies.rules import SHARE, Claim, below
from studies.subjects import LanguageLayer, Subjects, Toy

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "0.4"
NEGLIGIBLE = 0.02
SAME_CODE = Claim(
    CLAIM,
    "The eps of the norm is negligible: residual vectors have the spline code of their direction "
    "at eps = 0.",
    Kind.ESTIMATE,
    below(
        NEGLIGIBLE,
        "the share of residuals with another code than their direction's at eps = 0",
        range=SHARE,
        unit="residuals",
        least=1,
    ),
)
RESIDUALS, RAYS = 480, 60


def ask(subjects: Subjects) -> Answer:
    """The exact critical radius of the direction of every residual vector, against the vector's own
    length.
    """
    toys = [toy for toy in subjects.all_toys if toy.block.has_norm]
    findings = [SAME_CODE.guarded(toy.name, partial(_of_toy, toy)) for toy in toys]
    findings += [
        SAME_CODE.guarded(layer.name, partial(_of_layer, layer)) for layer in subjects.language
    ]
    return Answer(tuple(findings), (_figure(findings), *map(_ray_figure, subjects.language[:1])))


def _of_toy(toy: Toy) -> Finding:
    toy.must_have_learned()
    return finding_of(toy.name, toy.block, toy.residuals[:RESIDUALS])


def _of_layer(layer: LanguageLayer) -> Finding:
    count = affordable(layer.network, RESIDUALS)
    return finding_of(layer.name, layer.network, layer.vectors[:count])


def finding_of(subject: str, network: Network, residuals: FloatArray) -> Finding:
    """Share of residuals with another code than their direction's, and the median of r / r_crit."""
    must_live(network)
    vectors = directed(network, residuals.tolist())
    inside = sum(not has_the_code_of_its_direction(network, x) for x in vectors)
    share = Share(inside, len(vectors))
    low, high = share.interval
    ratios, critical = against_critical_radius(network, residuals[:RAYS])
    median, (first, last) = (
        float(np.median(ratios)),
        np.quantile(ratios, [0.05, 0.95], method="nearest"),
    )
    eps = nearest_float(network.norms[0].eps)
    value = (
        f"{share} have another code; r / r_crit: median {median:.3g}, 5th percentile {first:.3g}"
    )
    data: dict[str, JSON] = {
        "other_code": share.hits,
        "residuals": share.total,
        "low_float": low,
        "high_float": high,
        "eps": str(fraction(network.norms[0].eps)),
        "median_ratio_float": finite(median),
        "ratio_5_percent_float": finite(float(first)),
        "ratio_95_percent_float": finite(float(last)),
        "median_critical_radius_float": float(np.median(critical)),
        "largest_critical_radius_float": float(np.max(critical)),
    }
    return SAME_CODE.finding(
        f"{subject}, eps = {eps:.3g}", share.estimate("residuals"), value=value, data=data
    )


def against_critical_radius(
    network: Network, residuals: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """r / r_crit of every residual (infinite where the direction never changes), and r_crit itself,
    both float64.
    """
    last = np.array([changes_along(network, x).last_float for x in residuals.tolist()])
    lengths = np.array([np.linalg.norm(centred(network, x)) for x in residuals])
    with np.errstate(divide="ignore"):
        return 1 / last, lengths * last


def _figure(findings: Sequence[Finding]) -> Figure:
    keys = ("median_ratio_float", "ratio_5_percent_float", "ratio_95_percent_float")
    rows = [
        Row(f.subject, *(number(f.data[key]) for key in keys))
        for f in findings
        if None not in map(f.data.get, keys)
    ]
    caption = (
        "How many times longer residual vectors are than the critical radius of their direction "
        "(r / r_crit, logarithmic): the "
        "median and the range from the 5th to the 95th percentile. Right of 1 the code is that of "
        "the direction at eps = 0."
    )
    title, subtitle = (
        "Residuals against their critical radius",
        "median, 5th and 95th percentile; right of 1 eps changes no code",
    )
    return Figure(
        "critical-radius",
        caption,
        lambda: forest(rows, title, subtitle, "r / r_crit", mark=1, scale="log"),
    )


def _ray_figure(layer: LanguageLayer) -> Figure:
    caption = (
        f"The ray from the origin through a residual vector of {layer.name} (t = 1), with ReLU "
        f"for GELU: every change of code "
        "lies where eps acts, far below t = 1; beyond the last one the output no longer changes."
    )
    return Figure("ray-of-a-residual", caption, lambda: _draw_ray(layer))


def _draw_ray(layer: LanguageLayer) -> Canvas:
    from viz.figures.profiles import profile_figure

    (first,) = directed(layer.network, layer.vectors[:1].tolist())
    ray = partition(layer.network.relu_ised(), Ray(0, first))
    return profile_figure(
        ray.seen_as(CurvePartition), title=f"{layer.name}: along a residual vector", log=True
    )


QUESTION = Question(CLAIM, "Is eps negligible?", ask, (SAME_CODE,))
