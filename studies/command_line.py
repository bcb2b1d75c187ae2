"""The commands: `exactlens train | partition | holds | check | graph | ... | cache`.

Only typer is imported here: `exactlens --help` must not wait for torch. Longer than others: every
command has its options and its help in this one file.
"""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from studies import models, studying, validating
from studies.options import (
    ByteBudget,
    Device,
    Force,
    FromBlock,
    How,
    Limit,
    RegionBudget,
    ReluIsed,
    Root,
    SecondBudget,
    Seed,
    Target,
    Where,
    WhereDrawn,
    Words,
    file_to_write,
    gathered,
    with_groups,
)

BAD_INPUT, INTERRUPTED = 2, 130

_EPILOG = (
    "Exit codes: 0 done, 2 bad input, 3 the enumeration ended early, 4 a certificate is rejected, "
    "5 a theorem fails in a study: the code is wrong, 6 a question of your own fails, "
    "7 a condition fails, 130 interrupted, 141 closed pipe."
)
app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


class SeveralValues(TyperCommand):
    """A command whose options in `SEVERAL` take every value behind them: `--widths 16 16`, `--box
    -1 1`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, gathered(args))


# ---- commands


@app.callback(epilog=_EPILOG)
def exactlens() -> None:
    """The exact regions of networks with ReLUs and LayerNorm: polytopes, arcs and affine maps in
    rational arithmetic.
    """


@app.command(cls=SeveralValues)
def train(
    task: Annotated[
        str | None,
        typer.Option(
            help="moons (default), circles, spirals, xor, checkerboard, blobs, "
            "hierarchical_blobs, direction (direction3 and direction4 for R^3 and R^4), shells, "
            "direction_and_length, sparse_features, or package:function for your own.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="Your own data in place of a task: arrays inputs (rows x numbers) and targets "
            "(class numbers from 0, or rows of floats for a regression).",
            show_default=False,
        ),
    ] = None,
    norm: Annotated[str, typer.Option(help="none, layernorm or rms.")] = "none",
    widths: Annotated[
        Words, typer.Option("--widths", metavar="N...", help="Hidden widths: 16 16 or 16,16.")
    ] = None,
    architecture: Annotated[str, typer.Option(help="mlp, or residual as in GPT-2.")] = "mlp",
    activation: Annotated[
        str, typer.Option(help="relu, leaky_relu, hardtanh, gelu, gelu_tanh, silu, identity.")
    ] = "relu",
    steps: Annotated[int, typer.Option(help="Steps of the optimiser.")] = 1000,
    samples: Annotated[
        int | None, typer.Option(help="Rows of the task (default: 1000).", show_default=False)
    ] = None,
    learning_rate: Annotated[
        float, typer.Option(help="At the start; it falls along half a cosine.")
    ] = 1e-2,
    dtype: Annotated[str, typer.Option(help="float32 or float64.")] = "float32",
    task_option: Annotated[
        Words,
        typer.Option(
            "--task-option", metavar="KEY=VALUE...", help="For the task: dimension=4 classes=5."
        ),
    ] = None,
    seed: Seed = 0,
    device: Device = "cpu",
    name: Annotated[
        str | None, typer.Option(help="Of the run (default: TASK-NORM, or FILE-NORM).")
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder of all runs.")] = Path("runs"),
    force: Force = False,
) -> int:
    """Train a toy network and save it as a run, on a task or on data of your own.

    A task of your own, package:function, is a function of (count, seed=0) that returns a
    toy_models.Dataset; its rows are saved with the run, as those of --data are.

    The run is a folder under --out; the other commands take it by its name.

    Examples:

        exactlens train --task moons --norm layernorm --widths 16 16

        exactlens train --task direction --norm layernorm --widths 8 --task-option dimension=3
        classes=4 --name dirs

        exactlens train --data mine.npz --norm layernorm --widths 16
    """
    from studies import arguments
    from studies.commands import train as command

    sizes = arguments.integers(widths if widths is not None else ["16", "16"], "--widths")
    shape = {"widths": sizes, "norm": norm, "architecture": architecture, "activation": activation}
    options = arguments.settings(task_option or [], "--task-option")
    training = {
        "task": task,
        "steps": steps,
        "samples": samples,
        "learning_rate": learning_rate,
        "seed": seed,
        "device": device,
        "dtype": dtype,
        "task_options": options,
    }
    return command.run(shape, training, data=data, name=name, root=out, force=force)


@app.command(cls=SeveralValues)
@with_groups
def partition(
    *,
    run: Target,
    where: Where,
    codes_only: Annotated[
        bool, typer.Option("--codes-only", help="No affine maps: signs of pre-activations only.")
    ] = False,
    how: How,
    all_counts: Annotated[
        bool, typer.Option("--all-counts", help="Count linear pieces beyond 1,000 regions too.")
    ] = False,
    show: Annotated[int, typer.Option(help="How many regions to print.", min=0)] = 5,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the partition to this .json.",
            parser=file_to_write,
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            help="Write a proof for `check` to this .jsonl or .jsonl.gz.",
            parser=file_to_write,
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    root: Root = Path("runs"),
) -> int:
    """Cut a domain into the regions of a trained network, exactly.

    Numbers are read exactly: 0.1 is 1/10, and 1/3 may be written. Behind an embedding, spheres and
    circles start at the norm.

    Examples:

        exactlens partition moons-layernorm --sphere

        exactlens partition moons-none --box -1 1 --out polytopes.json

        exactlens partition moons-layernorm --segment -1,-1 1,1/2

        exactlens partition moons-none --plane 0,0 1,0 0,1 --budget-seconds 60

        exactlens partition moons-none --box -1 1 --certificate moons.jsonl.gz
    """
    from studies.commands import partition as command
    from studies.commands.job import job_options

    return command.run(
        job_options(run, {**where, **how, "root": root}),
        maps=not codes_only,
        all_counts=all_counts,
        show=show,
        out=out,
        certificate=certificate,
    )


@app.command(cls=SeveralValues)
@with_groups
def holds(
    *,
    run: Target,
    condition: Annotated[
        str,
        typer.Argument(
            metavar="CONDITION",
            help="On the outputs y0, y1, ...: <, <=, >, >= between sums, joined by and, or, not.",
            show_default=False,
        ),
    ],
    where: Where,
    certificate: Annotated[
        Path | None,
        typer.Option(
            help="Write a proof for others to check: .json, or .json.gz.",
            parser=file_to_write,
            metavar="PATH",
            show_default=False,
        ),
    ] = None,
    budget_regions: RegionBudget = None,
    budget_seconds: SecondBudget = None,
    budget_bytes: ByteBudget = None,
    root: Root = Path("runs"),
) -> int:
    """Decide exactly whether a condition on the outputs holds on all of a domain.

    Bounds on boxes come first; on what is left all cells are listed. The domain is closed, and a
    tie fails < and fulfils <=. Regions of a budget are boxes and cells.

    Exit codes: 0 it holds, 7 it fails, with a point where it does, 3 the budget was reached.

    Examples:

        exactlens holds moons-none "y0 < 100" --box -1 1

        exactlens holds moons-none "y0 <= 50 and y0 > -50" --segment -1,-1 1,1/2
    """
    from studies.commands import holds as command
    from studies.commands.job import job_options

    bounds = {
        "budget_regions": budget_regions,
        "budget_seconds": budget_seconds,
        "budget_bytes": budget_bytes,
    }
    options = job_options(run, {**where, **bounds, "limit": "none", "root": root})
    return command.run(options, condition, certificate=certificate)


@app.command()
def check(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A certificate.", show_default=False)
    ],
    run: Annotated[
        str | None,
        typer.Option(
            help="The run, or checkpoint, whose weights it must be about.", show_default=False
        ),
    ] = None,
    from_block: FromBlock = None,
    relu_ised: ReluIsed = False,
    root: Root = Path("runs"),
) -> int:
    """Verify a certificate that `partition --certificate` or `holds --certificate` wrote.

    Python's integers and fractions alone decide.

    Exit codes: 0 proved and complete, 3 proved but not complete, 4 rejected, 2 not a certificate;
    of a condition 0 it holds, 7 it fails.

    Examples:

        exactlens check moons.jsonl.gz

        exactlens check moons.jsonl.gz --run moons-none
    """
    from studies.commands import check as command
    from studies.commands.job import JobOptions

    options = (
        JobOptions(run, root, None, from_block=from_block, relu_ised=relu_ised)
        if run is not None
        else None
    )
    return command.run(file, options)


@app.command(cls=SeveralValues)
@with_groups
def graph(
    *,
    run: Target,
    out: Annotated[
        Path,
        typer.Option(
            help="A .json (node-link) or .graphml.",
            parser=file_to_write,
            metavar="PATH",
            show_default=False,
        ),
    ],
    where: Where,
    how: How,
    root: Root = Path("runs"),
) -> int:
    """Write the adjacency graph of a partition, with codes and witnesses.

    A node is a region with its code and a point in it (the point up to 10,000 regions), an edge a
    shared facet with the hinges that flip: (layer, neuron, breakpoint).

    Examples:

        exactlens graph moons-none --box -1 1 --out moons.graphml

        exactlens graph moons-layernorm --sphere --out arcs.json
    """
    from studies.commands import graph as command
    from studies.commands.job import job_options

    return command.run(job_options(run, {**where, **how, "root": root}), out=out)


@app.command(cls=SeveralValues)
@with_groups
def draw(
    *,
    run: Target,
    where: WhereDrawn,
    device: Device = "cpu",
    limit: Limit = "1000000",
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder for the figures (default: RUN/figures, or FILE-figures).",
            show_default=False,
        ),
    ] = None,
    root: Root = Path("runs"),
) -> int:
    """Draw the partition of a run as SVG and PNG.

    Polytopes and their graph in a box or plane, arcs on a circle, profiles along a ray, a segment
    or a great circle. 2-spheres as a globe, as a map, and as an HTML page that can be turned; the
    disc of a norm with eps > 0. Without a domain, what fits the network: the circle or 2-sphere
    behind a norm, the box [-1, 1]^2 for two inputs.

    Examples:

        exactlens draw moons-layernorm

        exactlens draw moons-none --box -1 1 --out figures
    """
    from studies.commands import draw as command
    from studies.commands.job import job_options

    return command.run(
        job_options(run, {**where, "device": device, "limit": limit, "root": root}), out=out
    )


for _command in (models.gpt2, models.steer, models.codes):
    app.command(cls=SeveralValues)(_command)
app.command()(studying.study)
app.command()(studying.moved)
app.command(cls=SeveralValues)(validating.validate)


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete them.")] = False,
    root: Root = Path("runs"),
) -> int:
    """Say where toys that were trained in numbers are kept, and how large they are.

    Examples:

        exactlens cache

        exactlens cache --clear
    """
    from studies.commands import cache as command

    return command.run(root, clear=clear)


@app.command()
def compile(
    processes: Annotated[
        int | None, typer.Option(help="How many at a time; as many as there are cores by default.")
    ] = None,
) -> int:
    """Compile every kernel now, so that no first answer waits for it.

    Examples:

        exactlens compile

        exactlens compile --processes 2
    """
    from studies.commands import compile as command

    return command.run(processes)


# ---- errors


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code; a mistake of the user's gives one line on
    stderr.
    """
    try:
        code = int(app(list(args) or ["--help"], prog_name="exactlens", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        line = line_of(error, args)
        if line is None:
            raise
        print(line, file=sys.stderr)
        return BAD_INPUT
    if code == INTERRUPTED:
        print("interrupted", file=sys.stderr)
    return code


def line_of(error: Exception, args: Sequence[str]) -> str | None:
    """The one line that tells of a mistake, or None for a defect of the program."""
    # click's usage errors, from whichever package typer takes them
    if hasattr(error, "format_message"):
        known = {
            info.name or info.callback.__name__ for info in app.registered_commands if info.callback
        }
        command = f"exactlens {args[0]}" if args[0] in known else "exactlens"
        wrong = _plain(error.format_message().rstrip("."))
        text = f"{wrong[:1].lower()}{wrong[1:]}; got {' '.join(args)}; see {command} --help"
    elif isinstance(error, OSError) and error.strerror:
        text = (
            f"{error.strerror}; got {error.filename or 'a file without a name'}; "
            f"{_REMEDIES.get(error.errno or 0, _LOOK)}"
        )
    elif _is_ours(error):
        text = str(error)
    else:
        return None
    return "error: " + "".join(c if c.isprintable() else " " for c in text)


_BOUNDS = (
    (r"Input should be a valid (number|integer).*", r"not a \1"),
    (r"Input should be greater than or equal to (\S+)", r"less than \1"),
)


def _plain(text: str) -> str:
    """A message about the value of an option, in words for who typed it."""
    for pattern, words in _BOUNDS:
        text = re.sub(pattern, words, text)
    return text


_LOOK = "check the path and its permissions"
_REMEDIES = {
    errno.ENOSPC: "free some space, or write to another disk",
    errno.EDQUOT: "free some space, or write to another disk",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EROFS: "write to a disk that is not read-only",
}


def _is_ours(error: Exception) -> bool:
    errors = sys.modules.get("exact.errors")
    return errors is not None and isinstance(error, errors.ExactlensError)
