"""Cells of tables: rates, ratios, and quantities with three digits."""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]
"""What was measured on one job: `job`, `ours`, and `relucent`, `highs` where they ran."""


def rate(result: Row | None) -> float | None:
    """Regions per second; None without an answer."""
    if result is None or not result.get("regions"):
        return None
    return float(result["regions"]) / max(float(result["seconds"]), 1e-9)


def ratio(first: float | None, second: float | None) -> str:
    """How many times the first is the second."""
    if not first or not second:
        return ""
    return quantity(first / second)


def quantity(value: float | None) -> str:
    """A number with two or three significant digits and thousands separated.

    >>> quantity(12345.6), quantity(2.345), quantity(0.0123), quantity(None)
    ('12,346', '2.3', '0.012', '')
    """
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2g}"
