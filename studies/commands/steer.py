"""`exactlens steer`: which neurons flip, on or off, and at which strength."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exact import InvalidInput, steering
from studies import arguments
from studies.commands.job import console, in_options, in_words_of_the_command_line
from studies.commands.networks import asked
from studies.commands.tables import require_writable, shown, write_table
from studies.commands.vectors import read_rows

SHOWN = 20


def run(
    target: str,
    *,
    vectors: Path,
    direction: Path,
    alphas: Sequence[str],
    layer: int | None,
    relu_ised: bool,
    product: bool,
    keep: bool,
    device: str,
    out: Path | None,
    root: Path,
) -> int:
    """Write every crossing of x + alpha d, print the first ones, and return the exit code."""
    require_writable(out)
    ends = arguments.vectors(alphas, "--alphas")
    if [len(end) for end in ends] != [1, 1]:
        raise InvalidInput(
            "--alphas are not two numbers",
            value=" ".join(alphas) or "nothing",
            remedy="write --alphas 0 8",
        )
    if ends[0] >= ends[1]:
        raise InvalidInput(
            "the range of --alphas is empty",
            value=" ".join(alphas),
            remedy="write the lower one first: --alphas 0 8",
        )
    found = asked(target, root, layer, relu_ised)
    network = found.network
    rows = read_rows(vectors, network.input_dim, "--vectors")
    directions = read_rows(direction, network.input_dim, "--direction")
    if len(directions) not in (1, len(rows)) and not product:
        raise InvalidInput(
            "--direction has neither one row nor one a vector",
            value=f"{len(directions)} directions, {len(rows)} vectors",
            remedy="add --product to steer every vector in every direction",
        )
    with in_words_of_the_command_line(codes_only=False):
        table = steering(
            network,
            rows,
            directions,
            alphas=(ends[0][0], ends[1][0]),
            product=product,
            errors="keep" if keep else "raise",
            first_block=found.blocks_before,
            device=device,
        )
    columns = table.columns()
    columns["layer"] = columns["layer"] + found.layers_before
    if out is not None:
        write_table(out, columns)
    screen = console()
    screen.print(found.label)
    screen.print(f"{table!r}, {int(table.on.sum()):,} turn a neuron on")
    screen.print(shown(columns, SHOWN))
    if len(table) > SHOWN:
        screen.print(f"... {len(table):,} in all")
    for (row, place), why in table.failures.items():
        screen.print(f"left out: vector {row}, direction {place}: {in_options(str(why))}")
    decided = table.lines.decisions
    screen.print(
        f"evidence: every crossing is isolated and in order; {decided['exact']:,} needed exact "
        f"arithmetic"
    )
    if out is not None:
        screen.print(f"written to {out}")
    return 0
