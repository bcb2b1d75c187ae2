"""The report of a language model on a text: one HTML file, with a table of all layers and a figure
for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from studies.layer_tables import Columns, LayerTables
from studies.report import Picture, data_uri, flattened, template
from viz import style
from viz.layers import LayerFigure

Summary = Mapping[str, Any]
Cell = Callable[[Summary], str]
_NAME = "layer"


def _float(name: str, form: str) -> Cell:
    def cell(one: Summary) -> str:
        value = one[name]
        return "—" if value is None or not np.isfinite(value) else format(value, form)

    return cell


TOTALS: Mapping[str, Cell] = {
    "distinct codes": lambda one: f"{one['distinct_codes']:,}",
    "bits on": _float("on_share_float", ".1%"),
    "Hamming to next token": _float("hamming_mean_float", ",.1f"),
    "median angle": _float("angle_median_degrees_float", ".3g"),
    "median distance": _float("distance_median_float", ".3g"),
    "never on": lambda one: f"{one['never']:,}",
    "always on": lambda one: f"{one['always']:,}",
    "never / always everywhere": lambda one: (
        f"{one['never_anywhere']:,} / {one['always_anywhere']:,}"
    ),
    "wrong bits": _float("wrong_bits_share_float", ".3%"),
    "wrong codes": _float("wrong_codes_share_float", ".1%"),
    "crossings": _float("crossings_mean_float", ",.1f"),
    "expected": _float("expected_mean_float", ",.1f"),
}
"""The columns of the table of layers, and what stands in them."""


def totals(summaries: Sequence[Summary]) -> Columns:
    """The numbers of all layers as columns."""
    names = [
        name
        for name, value in summaries[0].items()
        if isinstance(value, str | int | float | None) and name != "network_sha256"
    ]
    plain = {name: [one[name] for one in summaries] for name in names}
    return {
        name: np.array(
            [np.nan if x is None else x for x in values] if name.endswith("_float") else values,
            dtype=np.float64 if name.endswith("_float") else None,
        )
        for name, values in plain.items()
        if name.endswith("_float") or None not in values
    }


def figure_of(layer: int, found: LayerTables, folder: Path) -> None:
    """Draw a layer into its folder."""
    tokens, neurons, pairs = (found.tables[name] for name in ("tokens", "neurons", "pairs"))
    has_norm = bool(np.isfinite(tokens["angle"]).any())
    figure = LayerFigure(
        f"Layer {layer}",
        np.degrees(tokens["angle"]) if has_norm else tokens["distance"],
        "angle to it (degrees)" if has_norm else "distance to it",
        neurons["share"],
        neurons["uniform_share"] if has_norm else None,
        pairs["crossings"],
        pairs["expected"] if has_norm else None,
    )
    style.save(figure.draw(), folder, _NAME)


def render(title: str, out: Path, summaries: Sequence[Summary], provenance: Summary) -> str:
    """The report as HTML; the figures lie in the folders of the layers."""
    pictures = []
    for one in summaries:
        place = out / f"layer-{one['layer']:02d}"
        caption = f"Layer {one['layer']}: nearest boundaries, firing, and what is crossed"
        picture = Picture(place.name, caption, place / f"{_NAME}.svg", place / f"{_NAME}.png")
        pictures.append((one, data_uri(picture), caption))
    first = summaries[0]
    return template("layers.html.j2").render(
        title=title,
        facts=[
            ("tokens", f"{first['tokens']:,}"),
            ("layers", f"{len(summaries)}"),
            ("width", f"{first['width']:,}"),
            ("neurons", f"{first['neurons']:,}"),
            ("activation", first["activation"]),
            ("norm", first["norm"] or "none"),
        ],
        gated=first["gated"],
        dtype=first["dtype"],
        norm_computed_by=first["norm_computed_by"],
        totals=TOTALS,
        layers=pictures,
        provenance=list(flattened(provenance)),
    )
