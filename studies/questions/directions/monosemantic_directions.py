"""Claim 0.1: behind a norm every direction is monosemantic for one MLP layer; without a norm it is
not.

A direction is monosemantic when its spline code is constant along the whole ray from the origin.
The seed text sets eps aside; at eps = 0 the first half is a theorem, so that there the run checks
the code. What eps > 0 leaves of it is told beside it, and judged by claim 0.4. For one hidden layer
the share of directions that meet a boundary is exact (`shared.directions`); deeper networks and
wide layers get exact rays along random directions and a Wilson interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network
from exact.arithmetic.numbers import FloatArray, fraction
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.directions import crossed_witnesses, directions, is_exact
from studies.questions.shared.eps_effects import has_batched_radii, largest_ratio
from studies.questions.shared.intervals import Share, finite, percent
from studies.questions.shared.nets import Nets, ensemble
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.rays import (
    affordable,
    changes_along,
    directed,
    must_live,
    random_directions,
    with_eps,
    without_biases,
)
from studies.rules import SHARE, Claim, above, exceeds, theorem
from studies.statistics import NETS, Estimate, over_clusters, share_above
from studies.subjects import NORM_NAMES, NORMS, LanguageLayer, Subject, Subjects, Toy
from toy_models import ModelConfig, TrainConfig
from toy_models.models import NormName
from toy_models.populations import Arm

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

Rows = Sequence[Sequence[float]]
Beside = Callable[[], tuple[str, dict[str, JSON]]]
CLAIM = "0.1"
RAYS, LANGUAGE_RAYS, RAYS_OF_A_NET, SHOWN = 60, 16, 3, 150
WIDTH = 12
SOME, MOST = 0.1, 0.5
SOME_TOLD = percent(SOME)
CROSSED = "the share of crossed rays"
NO_REASON = "Without a norm there is no reason why directions should be monosemantic"

WITH = Claim(
    CLAIM,
    "Behind a norm, its eps set aside, all vectors of one direction undergo one affine map of the "
    "MLP layer: every direction is monosemantic.",
    Kind.THEOREM,
    theorem("no direction is crossed"),
)
BARE = Claim(
    CLAIM,
    "Without a norm it is the biases that make directions polysemantic: a net without biases, our "
    "control, has one code along every ray.",
    Kind.THEOREM,
    theorem("no direction is crossed"),
)
WITHOUT = Claim(
    CLAIM,
    f"{NO_REASON}: in this net there are some that are not.",
    Kind.CENSUS,
    exceeds(0, "the number of crossed cells of directions", range=(0, math.inf)),
)
WITHOUT_IN_MOST = Claim(
    CLAIM,
    f"{NO_REASON}: in most nets more than {SOME_TOLD} of them are not.",
    Kind.ESTIMATE,
    above(
        MOST,
        f"the share of nets in which more than {SOME_TOLD} of directions are crossed",
        range=SHARE,
    ),
)
WITHOUT_SAMPLED = Claim(
    CLAIM,
    f"{NO_REASON}: along more than {SOME_TOLD} of the rays of this net the map changes.",
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
    if not subjects.own:
        for norm in NORMS:
            findings += _of_many(subjects, norm)
    return Answer(tuple(findings), (*_figures(findings), *_norm_figures(subjects)))


def fits(subject: Subject) -> bool:
    """Whether there is no norm, or one whose length no skip hands on to hinges behind it."""
    if not isinstance(subject, Toy):
        return subject.network.has_norm
    first, *rest = subject.block.blocks
    hinges = any(layer.bits for block in rest for layer in block.layers)
    return first.norm is None or not (first.residual and hinges)


# ---- one toy


def _of_toy(toy: Toy, seed: int) -> list[Finding]:
    network = toy.block
    drawn = random_directions(network.input_dim, RAYS, seed)
    if toy.norm != "none":
        subject, still = f"{toy.name}, eps = 0", with_eps(network, 0)
        rows = None if toy.dataset is None else toy.residuals
        told = partial(as_trained, network, drawn, rows)
        return [WITH.guarded(subject, partial(still_finding, WITH, subject, still, drawn, told))]
    bare, claim = without_biases(network), WITHOUT if is_exact(network) else WITHOUT_SAMPLED

    def crossed() -> Finding:
        toy.must_have_learned()
        must_live(network)
        if is_exact(network):
            return exact_finding(toy.name, network)
        return rays_finding(toy.name, network, drawn)

    subject = f"{toy.name}, no biases"
    control = partial(still_finding, BARE, subject, bare, drawn)
    return [claim.guarded(toy.name, crossed), BARE.guarded(subject, control)]


def still_finding(
    claim: Claim, subject: str, network: Network, rows: Rows, beside: Beside | None = None
) -> Finding:
    """That no direction is crossed: a witness of every cell where they are known, else rows.
    `beside` says what is told with it, where there is something.
    """
    if is_exact(network):
        crossed, tried = crossed_witnesses(network)
        what = "cells of directions"
    else:
        crossed = sum(changes_along(network, row).crossed for row in directed(network, rows))
        tried, what = len(rows), "rays"
    told, data = ("", {}) if beside is None else beside()
    return claim.finding(
        subject,
        Estimate.exactly(crossed),
        value=f"{crossed} of {tried} {what} crossed{told}",
        data={"crossed": crossed, "tried": tried, **data},
    )


def as_trained(
    network: Network, rows: Rows, inputs: FloatArray | None
) -> tuple[str, dict[str, JSON]]:
    """What eps > 0 leaves: the share of directions that are crossed (of rows, where it is not
    exact), the mean number of crossings, and the largest r_crit / r over all inputs, or those that
    there is time for.
    """
    if network.norms[0].eps == 0:
        return "", {}
    data: dict[str, JSON] = {"eps": str(fraction(network.norms[0].eps))}
    if is_exact(network):
        found = directions(network)
        mean, told = found.mean_float, percent(found.share_float)
        data |= {"share": str(found.share), "crossed_cells": found.crossed, "cells": found.cells}
        data |= {"share_float": found.share_float}
    else:
        share, mean = _along(network, rows)
        told, data = str(share), {**data, **_share_data(share)}
    data["mean_crossings_float"] = mean
    text = f"; with eps as trained {told} of directions, {mean:.3g} times on average"
    if inputs is not None:
        taken = inputs if has_batched_radii(network) else inputs[:RAYS]
        data["largest_ratio_float"] = finite(ratio := largest_ratio(network, taken))
        data["rows_of_the_ratio"] = len(taken)
        of = "the data" if len(taken) == len(inputs) else f"the first {len(taken)} rows"
        text += f", at r_crit / r up to {ratio:.2g} for {of}"
    return text, data


def _along(network: Network, rows: Rows) -> tuple[Share, float]:
    """The share of rays that are crossed, and the mean number of changes."""
    rays = [changes_along(network, row) for row in directed(network, rows)]
    mean = sum(ray.regions - 1 for ray in rays) / len(rays)
    return Share(sum(ray.crossed for ray in rays), len(rays)), mean


def _share_data(share: Share) -> dict[str, JSON]:
    low, high = share.interval
    value = share.hits / share.total
    return {"share_float": value, "low_float": low, "high_float": high, "rays": share.total}


def exact_finding(subject: str, network: Network) -> Finding:
    """Of a net without a norm: the exact share of all directions that is crossed."""
    found = directions(network)
    return WITHOUT.finding(
        subject,
        Estimate.exactly(found.crossed),
        value=f"{percent(found.share_float)} of all directions crossed, exactly ({found.crossed} "
        f"of {found.cells} cells), {found.mean_float:.3g} times on average",
        data={
            "share": str(found.share),
            "share_float": found.share_float,
            "crossed_cells": found.crossed,
            "cells": found.cells,
            "mean_crossings_float": found.mean_float,
        },
    )


def rays_finding(subject: str, network: Network, rows: Rows) -> Finding:
    """Of a net without a norm: exact rays along sampled directions."""
    share, mean = _along(network, rows)
    data = {"crossed": share.hits, **_share_data(share), "mean_crossings_float": mean}
    value = f"{share} of rays crossed, {mean:.3g} changes a ray"
    return WITHOUT_SAMPLED.finding(subject, share.estimate("rays"), value=value, data=data)


# ---- many nets


def _of_many(subjects: Subjects, norm: NormName) -> list[Finding]:
    """Nets of many seeds, trained and not; without a norm also without biases."""
    config = TrainConfig(task="direction3", model=ModelConfig((WIDTH,), norm, embed_dim=0))
    arms: tuple[Arm, ...] = ("trained", "untrained")
    if norm != "none":
        asked = [(WITH, nets, normed_nets_finding) for nets in ensemble(subjects, config, arms)]
    else:
        *others, bare = ensemble(subjects, config, (*arms, "zero_biases"))
        asked = [(WITHOUT_IN_MOST, nets, nets_finding) for nets in others]
        asked.append((BARE, bare, bare_nets_finding))
    told = f"{NORM_NAMES[norm]}, eps = 0" if norm != "none" else NORM_NAMES[norm]
    found = []
    for claim, nets, finding_of in asked:
        subject = f"{nets.told}, {told}"
        found.append(claim.guarded(subject, partial(finding_of, subject, nets, subjects.seed)))
    return found


def nets_finding(subject: str, nets: Nets, seed: int) -> Finding:
    """In how many nets without a norm more than some directions are crossed."""
    shares, told, data = _shares(nets, seed)
    return WITHOUT_IN_MOST.finding(
        subject, share_above(shares, SOME), value=f"crossed are {told}", data=data
    )


def bare_nets_finding(subject: str, nets: Nets, _: int) -> Finding:
    """The control: nets without a norm and without biases."""
    found = [directions(network) for network in nets.networks]
    crossed, tried = sum(one.crossed for one in found), sum(one.cells for one in found)
    return BARE.finding(
        subject,
        Estimate.exactly(crossed),
        value=f"{crossed} of {tried:,} cells of directions crossed",
        data={**nets.data, "crossed": crossed, "tried": tried},
    )


def normed_nets_finding(subject: str, nets: Nets, seed: int) -> Finding:
    """Rays of nets behind a norm at eps = 0, and what eps > 0 leaves."""
    crossed = 0
    last = []
    for network, result in zip(nets.networks, nets.results, strict=True):
        rows = np.asarray(result.dataset.inputs.double().numpy())
        still = with_eps(network, 0)
        crossed += sum(changes_along(still, row).crossed for row in rows[:RAYS_OF_A_NET].tolist())
        last.append(largest_ratio(network, rows))
    _, told, data = _shares(nets, seed)
    tried = RAYS_OF_A_NET * len(nets.results)
    data |= {"crossed": crossed, "tried": tried, "largest_ratio_float": finite(max(last))}
    return WITH.finding(
        subject,
        Estimate.exactly(crossed),
        value=f"{crossed} of {tried} rays crossed; with eps as trained {told}, at "
        f"r_crit / r up to {max(last):.2g} for the data",
        data=data,
    )


def _shares(nets: Nets, seed: int) -> tuple[list[float], str, dict[str, JSON]]:
    """The share of crossed directions of every net, and what is told of them."""
    found = [directions(network) for network in nets.networks]
    shares, counts = [one.share_float for one in found], [one.mean_float for one in found]
    rng = np.random.default_rng(seed)
    share = over_clusters(shares, rng, unit=NETS, range=SHARE)
    mean = over_clusters(counts, rng, unit=NETS)
    data = {**nets.data, **share.data("share"), **mean.data("mean_crossings"), "shares": shares}
    told = (
        f"{percent(float(np.mean(shares)))} of directions (at least {percent(min(shares))}), "
        f"{np.mean(counts):.3g} times on average"
    )
    return shares, told, data


# ---- GPT-2 layers: exact rays along sampled directions


def _language(layer: LanguageLayer, seed: int) -> list[Finding]:
    count, network = affordable(layer.network, LANGUAGE_RAYS), layer.network
    residuals = [tuple(row) for row in layer.vectors[:count].tolist()]
    drawn = random_directions(network.input_dim, count, seed)
    still, without = with_eps(network, 0), _without_norm(network)
    told = partial(as_trained, network, residuals, layer.vectors)
    subject, other = f"{layer.name}, residual directions, eps = 0", f"{layer.name}, norm taken out"

    def crossed() -> Finding:
        must_live(without)
        return rays_finding(other, without, drawn)

    return [
        WITH.guarded(subject, partial(still_finding, WITH, subject, still, residuals, told)),
        WITHOUT_SAMPLED.guarded(other, crossed),
    ]


def _without_norm(network: Network) -> Network:
    """The MLP reading the residual stream itself, as a control: the seed's picture of a network
    without LayerNorm.
    """
    first = network.blocks[0]
    return Network((type(first)(first.layers),))


def _figures(findings: list[Finding]) -> tuple[Figure, ...]:
    rows = [row for finding in findings for row in _rows(finding)]
    caption = (
        "The share of directions from the origin along which the spline code changes, in per "
        "cent: exact for one toy of one hidden layer, the mean over nets with its interval for "
        "many, 95% Wilson intervals where rays are sampled. Behind a norm nothing is crossed at "
        "eps = 0, nor is anything without a norm and without biases; with eps as trained the code "
        "changes close to the origin (how close: claim 0.4)."
    )
    title, subtitle = (
        "Directions that meet a boundary",
        "squares: exact, or alike in all nets; dots: 95% intervals",
    )
    return (
        Figure(
            "crossed-directions",
            caption,
            lambda: forest(rows, title, subtitle, "crossed directions / %"),
        ),
    )


def _rows(finding: Finding) -> Iterator[Row]:
    """What a finding checks at eps = 0 or without biases, and what it measures."""
    data = finding.data
    if "tried" in data:
        yield Row(finding.subject, 100 * number(data["crossed"]) / number(data["tried"]))
    if "share_float" not in data:
        return
    label = finding.subject.replace("eps = 0", "eps as trained")
    middle, *ends = (data.get(key) for key in ("share_float", *_keys(data)))
    low, high = (None if end is None else 100 * number(end) for end in ends)
    yield Row(label, 100 * number(middle), low, high)


def _keys(data: Mapping[str, JSON]) -> tuple[str, str]:
    """Under which names the ends of the interval are."""
    of_nets = "share_low_float" in data
    return ("share_low_float", "share_high_float") if of_nets else ("low_float", "high_float")


def _norm_figures(subjects: Subjects) -> list[Figure]:
    """What a norm does to the data, and the training of the toys."""
    losses = {
        NORM_NAMES[toy.norm]: toy.result.losses
        for toy in subjects.toys.values()
        if toy.result is not None
    }
    figures = []
    for toy in subjects.toys.values():
        if toy.norm == "layernorm" and toy.block.input_dim == 3 and toy.dataset is not None:
            caption = (
                f"The data of {toy.name} in R^3 through LayerNorm's three steps; every ray "
                f"from the origin ends in one point."
            )
            figures.append(Figure(f"layer-norm-{toy.slug}", caption, partial(_draw_norm, toy)))
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
    shown = toy.shown(SHOWN)
    return layer_norm_figure(norm, shown["data"], classes=shown["classes"])


def _draw_losses(losses: dict[str, tuple[float, ...]]) -> Canvas:
    from viz.figures.curves import loss_figure

    return loss_figure(losses)


QUESTION = Question(
    CLAIM,
    "Is every direction monosemantic?",
    ask,
    (WITH, BARE, WITHOUT, WITHOUT_IN_MOST, WITHOUT_SAMPLED),
    groups=("toys", "deep", "language"),
    fits=fits,
    needs="layers that see their input through a norm alone, or no norm at all (of a language "
    "layer: a norm)",
    text=texts.MONOSEMANTIC,
    asked="Behind LayerNorm every direction of the residual stream means one thing to one MLP "
    "layer: scaling a vector changes nothing, since the norm gives all multiples the same "
    "image. Without a norm directions cross boundaries.",
    controls="eps = 0; no norm; RMSNorm; nets without norm whose biases are zero, which cross "
    "nothing, exactly.",
    beside="eps as it was trained.",
    core=True,
)
