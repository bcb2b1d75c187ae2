"""`exactlens codes`: the exact spline codes of vectors, and those of a low precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console

from exact import Codes, PrecisionCodes, codes_in_precision, hamming
from studies.commands.job import console, in_options, in_words_of_the_command_line
from studies.commands.networks import asked
from studies.commands.tables import require_writable, write_table
from studies.commands.vectors import read_rows
from studies.layer_tables import distinct


def run(
    target: str,
    *,
    vectors: Path,
    layer: int | None,
    relu_ised: bool,
    dtype: str | None,
    keep: bool,
    device: str,
    out: Path | None,
    root: Path,
) -> int:
    """Print what the codes of all rows say, write them, and return the exit code."""
    require_writable(out)
    found = asked(target, root, layer, relu_ised)
    network = found.network
    rows = read_rows(vectors, network.input_dim, "--vectors")
    errors = "keep" if keep else "raise"
    low = None
    with in_words_of_the_command_line(codes_only=False):
        if dtype is None:
            codes = network.codes(rows, device=device, errors=errors)
        else:
            low = codes_in_precision(network, rows, dtype, device=device, errors=errors)
            codes = low.exact
    columns = {
        "row": np.arange(len(codes)),
        "code": np.array([row.tobytes().hex() for row in codes.packed], dtype=object),
        "has_code": ~np.isin(np.arange(len(codes)), list(codes.failures)),
    }
    if low is not None:
        columns["wrong_bits"] = np.bincount(low.rows, minlength=len(codes))
        columns["overflowed"] = low.overflowed
    if out is not None:
        write_table(out, columns)
    screen = console()
    screen.print(found.label)
    screen.print(codes)
    good = codes.packed[columns["has_code"]]
    screen.print(f"  different codes  {distinct(good):,}")
    if len(good) > 1 and not codes.failures:
        screen.print(f"  neighbours differ in {_steps(codes):.1f} of {network.hinge_count:,} bits")
    if low is not None:
        _print_precision(screen, low, found.layers_before + 1)
    for row, why in codes.failures.items():
        screen.print(f"left out: row {row}: {in_options(str(why))}")
    decided = codes.decisions
    screen.print(
        f"evidence: {decided['filter']:,} codes are proved by error bounds, {decided['exact']:,} "
        f"by exact arithmetic"
    )
    if out is not None:
        screen.print(f"written to {out}")
    return 0


def _print_precision(screen: Console, low: PrecisionCodes, first: int) -> None:
    """A line for each hidden layer, of which the first has the number `first`."""
    layers = zip(
        low.wrong_bit_shares_float,
        low.wrong_code_shares_float,
        low.largest_margins_float,
        strict=True,
    )
    shown = () if low.overflowed.all() else layers
    for number, (bits, wrong, margin) in enumerate(shown, first):
        screen.print(
            f"  {low.dtype}, hidden layer {number}: {bits:.4%} of the bits and {wrong:.2%} of "
            f"the codes are wrong, to a margin of {margin:.2g}"
        )
    if low.norm is not None:
        screen.print(f"  the norm is {low.norm}'s own function; a model's may round elsewhere")
    if low.overflowed.any():
        screen.print(f"  {int(low.overflowed.sum()):,} rows have no code in {low.dtype}")


def _steps(codes: Codes) -> float:
    places = np.arange(len(codes) - 1)
    return float(hamming(codes[places], codes[places + 1]).mean())
