"""Loss curves of several runs, and sampled counts beside the exact one.

The counts on the exact side are integers that a partition proved; losses and samples are
measurements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from exact import InvalidInput
from viz import style


@dataclass(frozen=True)
class Counts:
    """What was drawn: a bar per exact count, a cloud of dots and a median mark per set of samples,
    the bars' numbers.
    """

    bars: BarContainer
    samples: tuple[PathCollection, ...]
    medians: tuple[Line2D, ...]
    numbers: tuple[Text, ...]


def loss_curves(
    runs: Mapping[str, Sequence[float]],
    ax: Axes,
    *,
    steps: Mapping[str, Sequence[float]] | None = None,
    log: bool = True,
) -> tuple[Line2D, ...]:
    """One line per run: its losses in order, at `steps[name]` where given, else at 0, 1, 2, ....

    Raises InvalidInput when nothing is given, or steps and losses differ in length.
    """
    if not runs:
        raise InvalidInput(
            "there is no run to draw", value=runs, remedy="give at least one name and its losses"
        )
    lines = []
    for number, (name, losses) in enumerate(runs.items()):
        at = list(steps[name]) if steps is not None and name in steps else list(range(len(losses)))
        if len(at) != len(losses):
            raise InvalidInput(
                "steps do not fit the losses",
                value=f"{name}: {len(at)} and {len(losses)}",
                remedy="give one step per loss",
            )
        lines += ax.plot(
            at, losses, color=style.series_colour(number), linewidth=style.LINE, label=name
        )
    ax.set(xlabel="training step", ylabel="loss" + (" (logarithmic)" if log else ""))
    ax.margins(x=0)
    if log:
        style.logarithmic(ax, "y")
    return tuple(lines)


def loss_figure(
    runs: Mapping[str, Sequence[float]],
    *,
    title: str = "Training loss",
    steps: Mapping[str, Sequence[float]] | None = None,
    log: bool = True,
) -> Figure:
    """A complete figure of :func:`loss_curves`."""
    with style.house():
        fig, ax = style.figure(6.4, 3.8)
        loss_curves(runs, ax, steps=steps, log=log)
        last = ", ".join(f"{name} {losses[-1]:.3g}" for name, losses in runs.items() if len(losses))
        style.headline(ax, title, f"at the end: {last}" if len(runs) <= 5 else f"{len(runs)} runs")
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.02))
    return fig


def sampled_against_exact(
    exact: Mapping[str, int], samples: Mapping[str, Sequence[float]], ax: Axes
) -> Counts:
    """A bar for each exact count, with its number, and on it the counts that repeated sampling
    found as dots.

    A dark line marks the median of the samples. `samples` has the names of `exact`; InvalidInput
    where one is missing.
    """
    missing = [name for name in exact if name not in samples or not len(samples[name])]
    if not exact or missing:
        raise InvalidInput(
            "exact and sampled counts do not match",
            value=missing or "no count",
            remedy="give samples for every exact count",
        )
    places = np.arange(len(exact))[::-1]
    bars = ax.barh(
        places,
        list(exact.values()),
        height=0.62,
        color=style.tint(style.BLUE, 0.7),
        edgecolor=style.BLUE,
        linewidth=style.THIN,
        label="exact",
    )
    dots, medians = [], []
    for place, name in zip(places, exact, strict=True):
        found = np.sort(np.asarray(samples[name], dtype=float))
        rise = place + 0.36 * ((np.arange(len(found)) * 0.618) % 1 - 0.5)
        dots.append(
            ax.scatter(
                found,
                rise,
                s=12,
                color=style.VERMILLION,
                linewidths=0.3,
                edgecolors=style.PAPER,
                zorder=3,
            )
        )
        middle = float(np.median(found))
        medians += ax.plot(
            [middle, middle],
            [place - 0.26, place + 0.26],
            color=style.INK,
            linewidth=style.BOLD,
            zorder=4,
        )
    numbers = [
        ax.annotate(
            f"{count:,}",
            (count, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=style.SMALL,
        )
        for place, count in zip(places, exact.values(), strict=True)
    ]
    ax.set_yticks(places, list(exact))
    ax.set(
        xlabel="regions",
        xlim=(0, 1.12 * max(max(exact.values()), *(max(samples[name]) for name in exact))),
    )
    ax.tick_params(axis="y", length=0)
    return Counts(bars, tuple(dots), tuple(medians), tuple(numbers))


def counts_figure(
    exact: Mapping[str, int],
    samples: Mapping[str, Sequence[float]],
    *,
    title: str = "Regions found by sampling, and all there are",
    subtitle: str | None = None,
) -> Figure:
    """A complete figure of :func:`sampled_against_exact`; the subtitle defaults to the smallest
    share that was found.
    """
    with style.house():
        fig, ax = style.figure(6.4, 1.9 + 0.42 * len(exact))
        drawn = sampled_against_exact(exact, samples, ax)
        shares = {
            name: float(np.median(samples[name])) / count for name, count in exact.items() if count
        }
        worst = min(shares, key=shares.__getitem__)
        style.headline(
            ax,
            title,
            subtitle or f"the median sample finds {shares[worst]:.0%} of the regions of {worst}",
        )
        dot = Line2D(
            [],
            [],
            linestyle="",
            marker="o",
            markersize=4,
            color=style.VERMILLION,
            label="one sample",
        )
        median = Line2D(
            [],
            [],
            linestyle="",
            marker="|",
            markersize=9,
            markeredgewidth=style.BOLD,
            color=style.INK,
            label="median of the samples",
        )
        style.key(fig, [drawn.bars, dot, median])
    return fig
