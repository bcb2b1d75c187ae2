"""Claim 0.1b: a direction is monosemantic for one MLP layer behind a norm, and no longer for the
next, since the skip brings the length back.

Blocks x + MLP(norm(x)) at eps = 0. Along the ray t x the first layer sees one point, a theorem that
the run checks; the second sees t x + v behind a norm, v the constant that the first has added, so
that small and large t differ. What counts are lengths that occur: from the 1st to the 99th
percentile of the data. Where the codes at both ends differ the direction is crossed; where they
agree an exact partition of the segment between them decides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from exact import Network, Segment, partition
from exact.arithmetic.numbers import FloatArray
from exact.regions.arcs.partition import CurvePartition
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.intervals import Share, percent
from studies.questions.shared.nets import Nets, ensemble
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.rays import changes_along, directed, must_live, with_eps
from studies.rules import SHARE, Claim, above, theorem
from studies.statistics import Degenerate, Estimate, over_clusters
from studies.subjects import Subject, Subjects, Toy
from toy_models import ModelConfig, TrainConfig

CLAIM = "0.1b"
SOME = 0.05
SOME_TOLD = percent(SOME)
SHELL = (0.01, 0.99)
TASK, STACKS, DIRECTIONS, DIRECTIONS_OF_A_TOY = "direction4", ((16, 16), (16, 16, 16)), 8, 40

FIRST = Claim(
    CLAIM,
    "For a single MLP layer behind a norm, its eps set aside, each direction of the residual "
    "stream is monosemantic.",
    Kind.THEOREM,
    theorem("no direction of the data is crossed by the first layer"),
)
LENGTH = "For the next layer it is not, since the residual stream that it reads kept the length"
SECOND = Claim(
    CLAIM,
    f"{LENGTH}: more than {SOME_TOLD} of data directions are crossed.",
    Kind.ESTIMATE,
    above(
        SOME,
        "the share of data directions that the second layer crosses at lengths of the data",
        range=SHARE,
    ),
    measures="share of directions",
)
SECOND_SAMPLED = Claim(
    CLAIM,
    f"{LENGTH}: more than {SOME_TOLD} of this net's data directions are crossed.",
    Kind.ESTIMATE,
    above(
        SOME,
        "the share of data directions that the second layer crosses at lengths of the data",
        range=SHARE,
        unit="directions",
        least=1,
    ),
)


def ask(subjects: Subjects) -> Answer:
    """The share of data directions that each layer of a residual stack crosses."""
    findings: list[Finding] = []
    for toy in filter(fits, subjects.all_toys):
        findings += _of_toy(toy)
    if not subjects.own:
        for group, widths in enumerate(STACKS):
            model = ModelConfig(widths, "layernorm", "residual", embed_dim=0)
            config = TrainConfig(task=TASK, model=model)
            for nets in ensemble(subjects, config, ("trained", "untrained"), group=group):
                findings += of_nets(nets, len(widths), subjects.seed)
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """Whether two layers in a row see the residual stream through a norm each, and there are
    data.
    """
    if not isinstance(subject, Toy) or subject.dataset is None:
        return False
    blocks = subject.block.blocks[:2]
    return len(blocks) == 2 and all(
        block.norm is not None
        and block.residual
        and sum(bool(one.bits) for one in block.layers) == 1
        for block in blocks
    )


# ---- one direction


@dataclass(frozen=True)
class Way:
    """What happens along a direction: whether the first layer changes anywhere (it cannot), whether
    the second does at lengths of the data, how many of its bits differ between their ends, and
    whether those of a later layer do.
    """

    first: bool
    second: bool
    flips: int
    later: bool


def way(network: Network, x: Sequence[float], lengths: tuple[float, float]) -> Way:
    """Along the ray of x, from one length to another; exact, but for the rounding of the two
    lengths.
    """
    size = math.hypot(*x)
    ends = [[Fraction(length / size) * Fraction(value) for value in x] for length in lengths]
    codes = [network.code(end).bits for end in ends]
    moved, numbers = codes[0] != codes[1], np.array([hinge.layer for hinge in network.hinges])
    flips = int(moved[numbers == 2].sum())
    return Way(
        first=changes_along(Network(network.blocks[:1]), x).crossed,
        second=flips > 0 or _second_is_cut(network, ends),
        flips=flips,
        later=bool(moved[numbers > 2].any()),
    )


def _second_is_cut(network: Network, ends: Sequence[Sequence[Fraction]]) -> bool:
    """Whether the second layer changes between two points, and back; the first does not."""
    segment = partition(Network(network.blocks[:2]), Segment(*ends)).seen_as(CurvePartition)
    return any(not crossing.tangent for crossing in segment.crossings)


@dataclass(frozen=True)
class Stack:
    """The ways along data directions of one network, over `octaves` of length."""

    ways: tuple[Way, ...]
    octaves: float

    @classmethod
    def of(cls, network: Network, rows: FloatArray, count: int) -> Stack:
        """The first rows as directions, at lengths from the 1st to the 99th percentile of all."""
        still = with_eps(network, 0)
        near, far = np.quantile(np.linalg.norm(rows, axis=1), SHELL).tolist()
        along = directed(still, rows[:count].tolist())
        found = tuple(way(still, [float(c) for c in x], (near, far)) for x in along)  # type: ignore[arg-type]
        return cls(found, math.log2(far / near))

    @property
    def first(self) -> int:
        """How many directions the first layer crosses."""
        return sum(one.first for one in self.ways)

    def share(self, which: str = "second") -> float:
        """The share of directions that the second layer crosses, or at least a later one."""
        return sum(getattr(one, which) for one in self.ways) / len(self.ways)

    @property
    def flips(self) -> float:
        """Bits of the second layer that differ between the ends, an octave: so many at least."""
        return sum(one.flips for one in self.ways) / len(self.ways) / self.octaves


# ---- one toy, many nets


def _of_toy(toy: Toy) -> list[Finding]:
    def second() -> Finding:
        toy.must_have_learned()
        must_live(Network(toy.block.blocks[1:]))
        stack = Stack.of(toy.block, toy.residuals, DIRECTIONS_OF_A_TOY)
        share = Share(sum(one.second for one in stack.ways), len(stack.ways))
        low, high = share.interval
        data = {"low_float": low, "high_float": high, **_data([stack])}
        value = f"{share} of directions, {_told([stack])}"
        return SECOND_SAMPLED.finding(
            toy.name, share.estimate("directions"), value=value, data=data
        )

    def first() -> Finding:
        return first_finding(toy.name, [Stack.of(toy.block, toy.residuals, DIRECTIONS_OF_A_TOY)])

    return [FIRST.guarded(toy.name, first), SECOND_SAMPLED.guarded(toy.name, second)]


def of_nets(nets: Nets, blocks: int, seed: int) -> list[Finding]:
    """Stacks of many seeds: the theorem on the first layer, and the share of the second."""
    subject = f"{nets.told}, {blocks} residual blocks"
    try:
        stacks = [
            Stack.of(network, np.asarray(one.dataset.inputs.double().numpy()), DIRECTIONS)
            for network, one in zip(nets.networks, nets.results, strict=True)
        ]
    except Degenerate as why:
        return [claim.undecided(subject, str(why)) for claim in (FIRST, SECOND)]
    return [first_finding(subject, stacks), second_finding(subject, nets, stacks, seed)]


def second_finding(subject: str, nets: Nets, stacks: Sequence[Stack], seed: int) -> Finding:
    """The share of directions that the second layer crosses, over nets."""
    shares = [stack.share() for stack in stacks]
    found = over_clusters(shares, np.random.default_rng(seed), range=SHARE)
    data = {**nets.data, **_data(stacks), **found.data("share")}
    return SECOND.finding(subject, found, value=f"{found}, {_told(stacks)}", data=data)


def first_finding(subject: str, stacks: Sequence[Stack]) -> Finding:
    """That the first layer crosses nothing, on whole rays."""
    crossed, tried = sum(one.first for one in stacks), sum(len(one.ways) for one in stacks)
    value = f"{crossed} of {tried} directions crossed by the first layer"
    data: dict[str, JSON] = {"crossed": crossed, "directions": tried}
    return FIRST.finding(subject, Estimate.exactly(crossed), value=value, data=data)


def _told(stacks: Sequence[Stack]) -> str:
    flips = np.mean([stack.flips for stack in stacks])
    later = float(np.mean([stack.share("later") for stack in stacks]))
    more = f"; a later layer crosses at least {percent(later)}" if later else ""
    return f"at least {flips:.2g} crossings an octave{more}"


def _data(stacks: Sequence[Stack]) -> dict[str, JSON]:
    return {
        "share_float": float(np.mean([stack.share() for stack in stacks])),
        "shares": [stack.share() for stack in stacks],
        "at_least_an_octave_float": float(np.mean([stack.flips for stack in stacks])),
        "later_at_least_float": float(np.mean([stack.share("later") for stack in stacks])),
    }


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = [_row(one) for one in findings if "share_float" in one.data]
    caption = (
        "The share of data directions along which the second layer of a residual stack changes its "
        "spline code, at eps = 0 and lengths of the data, in per cent. The first layer changes "
        "along none. Right of the line the claim holds."
    )
    title, subtitle = "Directions that the second layer crosses", "means with 95% intervals"
    return (
        Figure(
            "second-layer",
            caption,
            lambda: forest(rows, title, subtitle, "crossed directions / %", mark=100 * SOME),
        ),
    )


def _row(finding: Finding) -> Row:
    data = finding.data
    of_nets = "share_low_float" in data
    ends = ("share_low_float", "share_high_float") if of_nets else ("low_float", "high_float")
    low, high = (data[key] for key in ends)
    if low is None or high is None:
        return Row(finding.subject, 100 * number(data["share_float"]))
    return Row(finding.subject, *(100 * number(x) for x in (data["share_float"], low, high)))


QUESTION = Question(
    CLAIM,
    "One layer, or two?",
    ask,
    (FIRST, SECOND, SECOND_SAMPLED),
    groups=(),
    fits=fits,
    needs="two blocks x + MLP(norm(x)) in a row, of one hidden layer each, and data",
    text=texts.MONOSEMANTIC,
    asked="A direction is monosemantic for a single MLP layer; the skip brings the length back, so "
    "that it need not be for the next.",
    controls="The first layer, for which it is a theorem.",
    beside="The same nets untrained.",
    core=True,
)
