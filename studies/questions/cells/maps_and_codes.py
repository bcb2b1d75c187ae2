"""Claim 0.12: a direction means one thing if one map acts on it; codes stand for maps.

A code decides the map, but two codes can have one map: a neuron that nothing reads, neurons whose
changes cancel, and layers behind that are off, all flip bits and bend nothing. So maps are counted
beside codes, by exact equality: the share of codes whose map another code has too, and the share of
facets across which the map stays the same. Behind a norm maps are those of the normalised vector.
Of the codes that share a map, those with a constant one stand behind a layer that is off, or
nearly: they are told apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from exact import AffineMap, Network, Partition
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.cells import neighbouring_maps
from studies.questions.cells.neighbouring_maps import cells_of
from studies.questions.shared.cell_families import PLANE_FAMILIES, SPACE_FAMILIES, Family
from studies.questions.shared.intervals import percent
from studies.questions.shared.nets import Measured, Nets
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.rays import must_live
from studies.rules import SHARE, Claim, at_most, below
from studies.statistics import Estimate, wilson
from studies.subjects import LanguageLayer, Subject, Subjects, Toy
from toy_models import TrainResult

CLAIM = "0.12"
FEW = 0.15  # where none of 30 nets has any, Wilson's interval ends at 11%
STATEMENT = f"Different codes are different maps, all but {percent(FEW)} of them."
SHARED = "the share of codes whose map another code has too"
CODES = Claim(
    CLAIM, STATEMENT, Kind.ESTIMATE, below(FEW, SHARED, range=SHARE), measures="share of codes"
)
FACETS = Claim(
    CLAIM,
    f"Every boundary bends the function, all but {percent(FEW)} of them.",
    Kind.ESTIMATE,
    below(FEW, "the share of facets across which the map does not change", range=SHARE),
    measures="share of facets",
)
ONE_NET = Claim(CLAIM, STATEMENT, Kind.CENSUS, at_most(FEW, SHARED, range=SHARE))


def ask(subjects: Subjects) -> Answer:
    """Maps beside codes, net by net."""
    findings = [
        ONE_NET.guarded(toy.name, partial(_of_toy, toy)) for toy in filter(fits, subjects.all_toys)
    ]
    if not subjects.own:
        for family in (*PLANE_FAMILIES, *SPACE_FAMILIES):
            for nets in family.nets(subjects):
                findings += arm_findings(family, measure(nets), subjects.seed)
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """Whether all cells can be listed."""
    return not isinstance(subject, LanguageLayer) and neighbouring_maps.fits(subject)


# ---- one network


@dataclass(frozen=True)
class Counts:
    """Codes and maps of one net: how many there are, how many codes have a map that another has,
    how many of these a constant one, and facets in all and with equal maps on both sides.
    """

    codes: int
    maps: int
    sharing: int
    constant: int
    facets: int
    flat: int

    @classmethod
    def of(cls, found: Partition) -> Counts:
        """By exact equality of maps."""
        every = [region.affine for region in found.regions]
        by_code = {
            found.code_of(place).packed: one for place, one in enumerate(every)
        }  # a code has one map, however many cells it owns
        times = Counter(by_code.values())
        sharing = [one for one in by_code.values() if times[one] > 1]
        edges = found.neighbours().tolist()
        return cls(
            len(by_code),
            len(times),
            len(sharing),
            sum(_is_constant(one) for one in sharing),
            len(edges),
            sum(every[a] == every[b] for a, b in edges),
        )

    @property
    def shared(self) -> float:
        """The share of codes whose map another code has too."""
        return self.sharing / self.codes

    @property
    def flat_share(self) -> float:
        """The share of facets across which the map does not change; 0 without facets."""
        return self.flat / self.facets if self.facets else 0.0


def _is_constant(one: AffineMap) -> bool:
    return not any(any(row) for row in one.matrix.tolist())


# ---- toys and families


def _of_toy(toy: Toy) -> Finding:
    toy.must_have_learned()
    must_live(toy.block)
    one = Counts.of(cells_of(toy))
    value = (
        f"{one.codes} codes, {one.maps} maps; {one.sharing} codes share theirs ({one.constant} a "
        f"constant one); {one.flat} of {one.facets} facets bend nothing"
    )
    data: dict[str, JSON] = {"shared_float": one.shared, **_exactly(one)}
    return ONE_NET.finding(toy.name, Estimate.exactly(one.shared), value=value, data=data)


def _exactly(one: Counts) -> dict[str, JSON]:
    return {
        "codes": one.codes,
        "maps": one.maps,
        "sharing": one.sharing,
        "sharing_a_constant": one.constant,
        "facets": one.facets,
        "flat_facets": one.flat,
    }


@dataclass(frozen=True)
class Arm:
    """Both shares of every net of one arm, and the counts behind them."""

    shared: Measured
    flat: Measured
    counts: dict[int, Counts]


def measure(nets: Nets) -> Arm:
    """The counts of each net."""
    counts: dict[int, Counts] = {}

    def shared(network: Network, result: TrainResult, _: np.random.Generator) -> float:
        must_live(network)
        one = counts[result.config.seed] = Counts.of(cells_of(Toy.of("a net", network)))
        return one.shared

    found = Measured.of(nets, shared)
    flat = {seed: one.flat_share for seed, one in counts.items()}
    return Arm(found, Measured(nets, flat, found.lost), counts)


def arm_findings(family: Family, arm: Arm, seed: int) -> list[Finding]:
    """Both claims on the nets of one arm."""
    subject = f"{family.told}, {arm.shared.nets.arm} nets"
    counts = list(arm.counts.values())
    total = {name: sum(getattr(one, name) for one in counts) for name in Counts.__annotations__}
    told = f"{total['codes']} codes, {total['maps']} maps"
    if total["sharing"]:
        told += f"; of {total['sharing']} that share, {total['constant']} a constant"
    findings = []
    for claim, measured, more in (
        (CODES, arm.shared, told),
        (FACETS, arm.flat, f"{total['flat']} of {total['facets']} facets"),
    ):
        share = _over(measured, seed)
        data = {**measured.data, **share.data("share"), "nets": [_exactly(one) for one in counts]}
        findings.append(claim.finding(subject, share, value=f"{share}; {more}", data=data))
    return findings


def _over(measured: Measured, seed: int) -> Estimate:
    """The mean share over nets. Where every net has none, the interval is Wilson's of nets that
    have any, which is no smaller.
    """
    values = list(measured.values.values())
    if values and not any(values):
        return wilson(0, len(values))
    return measured.over(np.random.default_rng(seed), SHARE)


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    chosen = [
        one
        for one in findings
        if one.statement == STATEMENT and {"share_float", "shared_float"} & one.data.keys()
    ]
    rows = [_row(one) for one in chosen if one.data.get("share_float", 0.0) is not None]
    if not rows:
        return ()
    caption = (
        "The share of codes whose exact affine map another code has too, in per cent: means over "
        "nets with 95% intervals, squares for one net. Left of the line codes stand for maps."
    )
    title = "Codes that share their map"
    draw = partial(forest, rows, title, "of all codes of a net", "share / %", mark=100 * FEW)
    return (Figure("codes-that-share-a-map", caption, draw),)


def _row(finding: Finding) -> Row:
    data = finding.data
    if "shared_float" in data:
        return Row(finding.subject, 100 * number(data["shared_float"]))
    ends = [data[key] for key in ("share_float", "share_low_float", "share_high_float")]
    return Row(finding.subject, *(100 * number(x) for x in ends if x is not None))


QUESTION = Question(
    CLAIM,
    "Are different codes different maps?",
    ask,
    (CODES, FACETS, ONE_NET),
    groups=("toys", "deep", "spheres"),
    fits=fits,
    needs="all cells listed, as for claim 0.6",
    text=texts.MONOSEMANTIC,
    asked="The text calls a direction monosemantic if one and the same affine map acts on all of "
    "it, and reads that off which neurons are on. That is the same question only where different "
    "codes are different maps.",
    controls="None but the margin.",
    beside="The untrained net of the same seed; codes whose common map is a constant told apart, "
    "which stand behind layers that are off.",
    settled="The margin of 15%, which 30 nets without a hit can decide.",
)
