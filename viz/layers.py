"""What a text shows of one wide layer: how near its boundaries are, how often neurons fire, and how
many boundaries lie between neighbouring tokens. Floats, drawn from the tables of a report.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from exact.arithmetic.numbers import FloatArray
from viz import style

_BINS = 40


@dataclass(frozen=True)
class LayerFigure:
    """`near` holds the angle (degrees) or, without a norm, the distance of each token's nearest
    boundary; `fired` and `uniform` the shares of each neuron on the text and under a uniform
    direction; `crossed` and `expected` the boundaries between neighbouring tokens and Crofton's
    mean. What only a norm gives is None without one.
    """

    title: str
    near: FloatArray
    near_label: str
    fired: FloatArray
    uniform: FloatArray | None
    crossed: FloatArray
    expected: FloatArray | None

    def draw(self) -> Figure:
        """Three panels side by side."""
        fig, axes = style.figure(10.8, 3.5, 1, 3)
        with style.house():
            self._near(axes[0])
            self._fired(axes[1])
            self._crossed(axes[2])
        return fig

    def _near(self, ax: Axes) -> None:
        values = self.near[np.isfinite(self.near) & (self.near > 0)]
        if len(values):
            low, high = float(values.min()), float(values.max())
            ends = (low, high) if low < high else (low / 2, high * 2)
            ax.hist(
                values,
                bins=np.geomspace(*ends, _BINS + 1).tolist(),
                color=style.tint(style.BLUE, style.SOFT),
            )
            median = float(np.median(values))
            ax.axvline(median, color=style.BLUE, linewidth=style.LINE)
            style.headline(ax, self.title, f"nearest boundary of each token, median {median:.2g}")
            ax.set_xlim(*ends)
            style.logarithmic(ax, "x")
        ax.set(xlabel=self.near_label, ylabel="tokens")

    def _fired(self, ax: Axes) -> None:
        never, always = (int((self.fired == share).sum()) for share in (0.0, 1.0))
        style.headline(ax, "Firing", f"neurons never on this text: {never:,}, always: {always:,}")
        if self.uniform is None:
            ax.hist(self.fired, bins=_BINS, color=style.tint(style.GREEN, style.SOFT))
            ax.set(xlabel="share of tokens on which a neuron is on", ylabel="neurons")
            return
        ax.plot([0, 1], [0, 1], color=style.HAIRLINE, linewidth=style.LINE, zorder=0)
        ax.plot(self.uniform, self.fired, ".", color=style.GREEN, markersize=3, alpha=0.6)
        ax.set(
            xlim=(-0.03, 1.03),
            ylim=(-0.03, 1.03),
            xlabel="share under a uniform direction",
            ylabel="share of the tokens",
        )

    def _crossed(self, ax: Axes) -> None:
        mean = f"{self.crossed.mean():,.0f}" if len(self.crossed) else "no"
        style.headline(ax, "From token to token", f"{mean} boundaries are crossed in the mean")
        if self.expected is None or not len(self.crossed):
            if len(self.crossed):
                ax.hist(self.crossed, bins=_BINS, color=style.tint(style.VERMILLION, style.SOFT))
            ax.set(xlabel="boundaries crossed", ylabel="pairs of tokens")
            return
        most = 1.05 * max(float(self.crossed.max()), float(self.expected.max()), 1.0)
        ax.plot([0, most], [0, most], color=style.HAIRLINE, linewidth=style.LINE, zorder=0)
        ax.plot(self.expected, self.crossed, ".", color=style.VERMILLION, markersize=4, alpha=0.7)
        ax.set(
            xlim=(0, most),
            ylim=(0, most),
            xlabel="expected for that angle (Crofton)",
            ylabel="boundaries crossed",
        )
