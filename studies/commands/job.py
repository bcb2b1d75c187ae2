"""What partition, graph and draw share: a network from a checkpoint, a domain for it, and the
enumeration.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from exact import (
    Budget,
    Domain,
    ExactlensError,
    InvalidInput,
    Network,
    NotPiecewiseLinear,
    Outcome,
    Partition,
    partition,
)
from exact.sources import weight_files
from studies import arguments
from studies.arguments import DomainRequest, domain_kinds
from studies.runs import find, provenance
from toy_models.checkpoints import Checkpoint, load

COMPLETE, INCOMPLETE = 0, 3


@dataclass(frozen=True)
class JobOptions:
    """The options of one enumeration, as the command line gave them."""

    target: str
    root: Path
    domain: DomainRequest | None
    from_block: int | None = None
    engine: str | None = None
    device: str = "cpu"
    threads: int = 1
    limit: int | None = None
    budget_regions: int | None = None
    budget_seconds: float | None = None
    budget_bytes: float | None = None
    relu_ised: bool = False


def job_options(run: str, given: Mapping[str, Any]) -> JobOptions:
    """What partition, graph and draw have in common, from the values of their shared options; those
    a command does not take are as `JobOptions` has them.
    """
    values = {name: given.get(name.replace("-", "_")) for name in domain_kinds()}
    pointed = [name for name, kind in domain_kinds().items() if kind.cli.size]
    words = {name: values[name] or [] for name in pointed}
    flags = [name for name, value in values.items() if value and name not in words]
    request = arguments.domain(words, flags, given.get("radius_squared"))
    names = {one.name for one in fields(JobOptions)} - {"limit", "budget_bytes"}
    size = given.get("budget_bytes")
    return JobOptions(
        run,
        domain=request,
        limit=arguments.limit(given["limit"]),
        budget_bytes=None if size is None else arguments.memory(size),
        **{name: value for name, value in given.items() if name in names},
    )


@dataclass(frozen=True)
class Opened:
    """A run or a file: the whole network in it, and the one that is asked, which starts at block
    `start` of the whole.

    `checkpoint` is that of a run; a .safetensors file has none, only weights, whose file has the
    given sha256.
    """

    name: str
    whole: Network
    network: Network
    start: int
    weights_sha256: str
    checkpoint: Checkpoint | None = None

    def label(self) -> str:
        """The name, and where the network starts when that is not its beginning."""
        return self.name if self.start == 0 else f"{self.name}, from block {self.start} on"


@dataclass(frozen=True)
class Result:
    """A partition and how long it took, with the run it belongs to."""

    opened: Opened
    partition: Partition
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 for a complete enumeration, 3 for one that ended before."""
        return COMPLETE if self.partition.outcome is Outcome.COMPLETE else INCOMPLETE

    def provenance(self, options: JobOptions) -> Mapping[str, Any]:
        """Version, command, seed, device, libraries, and the weights that were read."""
        checkpoint = self.opened.checkpoint
        training = None if checkpoint is None else checkpoint.provenance.to_json()
        return provenance(
            seed=None if checkpoint is None else checkpoint.provenance.seed,
            device=options.device,
            weights_sha256=self.opened.weights_sha256,
            training=training,
            from_block=self.opened.start,
        )


def console(*, stderr: bool = False) -> Console:
    """A console that prints text as it is: brackets are no markup, and a line of a pipe is never
    broken.
    """
    return Console(stderr=stderr, markup=False, highlight=False, soft_wrap=True)


def open_run(options: JobOptions) -> Opened:
    """Read the network of a run or a file. Spheres, circles and the ball start at the norm where
    that is not in front.
    """
    place = find(options.target, options.root)
    checkpoint = load(place) if place.is_dir() else None
    whole = weight_files.read(place) if checkpoint is None else checkpoint.network
    start = options.from_block
    if start is None:
        start = (
            _norm_position(whole) if options.domain is not None and options.domain.is_round else 0
        )
    network = whole.from_block(start)
    sha256 = _sha256(place) if checkpoint is None else checkpoint.sha256
    return Opened(
        place.name,
        whole,
        network.relu_ised() if options.relu_ised else network,
        start,
        sha256,
        checkpoint,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _norm_position(network: Network) -> int:
    return next((i for i, block in enumerate(network.blocks) if block.norm is not None), 0)


def built_domain(options: JobOptions, network: Network) -> Domain:
    """The domain that was asked for, in the input space of `network`."""
    if options.domain is None:
        first = "sphere" if network.has_norm else "box"
        example = " ".join(filter(None, (f"--{first}", domain_kinds()[first].cli.example)))
        others = ", ".join(f"--{name}" for name in domain_kinds() if name != first)
        raise InvalidInput(
            "no option says which part of the input space to cut",
            value=f"{options.target} alone",
            remedy=f"add for instance {example}, or one of {others}",
        )
    with in_words_of_the_command_line():
        return options.domain.build(network.input_dim)


def enumerate_regions(options: JobOptions, *, maps: bool = False) -> Result:
    """Open the run and partition the domain; with `maps` a network that has none is refused before
    the work starts.
    """
    opened = open_run(options)
    domain = built_domain(options, opened.network)
    with in_words_of_the_command_line():
        if maps:
            opened.network.require_piecewise_linear()
        return Result(opened, *timed_partition(opened.network, domain, options))


def timed_partition(
    network: Network, domain: Domain, options: JobOptions
) -> tuple[Partition, float]:
    """The partition and the seconds it took; the number of regions so far is shown on a
    terminal.
    """
    started = time.monotonic()
    budget = Budget(options.budget_regions, options.budget_seconds, options.budget_bytes)
    with spinner("regions") as count:
        found = partition(
            network,
            domain,
            engine=options.engine,
            device=options.device,
            threads=options.threads,
            limit=options.limit,
            budget=budget,
            progress=count,
        )
    return found, time.monotonic() - started


@contextmanager
def spinner(what: str) -> Iterator[Any]:
    """A line on stderr with a number that grows; nothing where stderr is no terminal."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.completed:,.0f} {task.description}"),
        TimeElapsedColumn(),
    )
    screen = console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        row = bar.add_task(what, total=None)
        yield lambda number: bar.update(row, completed=number)


_WORDS = (
    (r"give radius_squared > 0", "give --radius-squared above 0"),
    (
        r"use Sphere, GreatCircle, Segment, Ray or Line",
        "use --sphere, --great-circle U V, --segment P Q, --ray or --line",
    ),
    (r"give radius_squared=", "give --radius-squared, such as --radius-squared 1"),
    (r"leave out radius_squared=", "leave out --radius-squared"),
    (r"give Ball\(centre, radius_squared\)", "give --box, or another domain"),
    (r", or network\.folded\(\) for the layers behind it", ""),
    (r"GreatCircle\(u, v\)", "--great-circle U V"),
    (r"NormBall\(\)", "--norm-ball"),
    (r"Sphere\(\)", "--sphere"),
    (r"network\.from_block\(k\)", "--from-block K"),
    (r"network\.relu_ised\(\)", "--relu-ised"),
    (r"partition\.certificate\(path\)", "exactlens partition --certificate"),
    (r"engine='(\w+)'", r"--engine \1"),
    (r'device="cpu"', "--device cpu"),
    (r"limit=None", "--limit none"),
    (r'errors="keep"', "--keep"),
    (r"a budget of regions or seconds", "a budget such as --budget-seconds 60"),
    (r"Budget\(bytes=\.\.\.\)", "a larger --budget-bytes"),
)
"""What remedies for Python say, and the options of the same meaning."""


def in_options(text: str) -> str:
    """A remedy, or evidence that ends with one, with options in place of Python arguments."""
    for pattern, option in _WORDS:
        text = re.sub(pattern, option, text)
    return text


@contextmanager
def in_words_of_the_command_line(*, codes_only: bool = True) -> Iterator[None]:
    """Remedies that name Python arguments become the options of the same meaning; whether
    `--codes-only` is one of the command's.
    """
    try:
        yield
    except NotPiecewiseLinear as error:
        remedy = "add --relu-ised to put ReLU in its place"
        remedy += ", or where there is one hidden layer --codes-only" if codes_only else ""
        raise NotPiecewiseLinear(error.wrong, value=error.value, remedy=remedy) from error
    except ExactlensError as error:
        raise type(error)(
            error.wrong, value=error.value, remedy=in_options(error.remedy)
        ) from error
