"""Claim 1.27: the number of polytopes grows exponentially with the neurons, but there are far fewer
than one would think.

Every count is exact: the codes of a net on a square, a cube, or behind a norm on its sphere. It is
held against 2^N for N neurons, and against two bounds that know the widths: Montufar's, the product
of what the layers could do one by one, and that of Serra, Tjandraatmadja and Ramalingam, which
knows that neurons that are off leave less room behind them. That no net exceeds them is a theorem.
Growth is asked of nets of 8, 16 and 32 neurons: as r = the logarithm's second increase over its
first, log2 r is 1 for exponential growth and 0 for a power of N; by width (two layers) and by depth
(layers of 8).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from exact import Network
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.methods.approximations.upper_bounds import ambient_dimension, montufar, serra
from studies.question import Question
from studies.questions.cells import neighbouring_maps
from studies.questions.cells.neighbouring_maps import cells_of
from studies.questions.shared.cell_families import BOTH, SPACE_FAMILIES, Family
from studies.questions.shared.nets import Measured, Nets
from studies.questions.shared.pictures import Curve, sweeps
from studies.rules import Claim, above, at_most, below, theorem
from studies.statistics import Estimate
from studies.subjects import LanguageLayer, Subject, Subjects, Toy
from toy_models import TrainResult
from toy_models.populations import Arm as Kept

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "1.27"
FAR, HALF_WAY = 10.0, 0.5
BOUNDED = Claim(
    CLAIM,
    "No net has more codes than Serra's bound, nor that more than Montufar's.",
    Kind.THEOREM,
    theorem("count <= Serra <= Montufar for every net"),
)
STATEMENT = "There are far fewer polytopes than the widths would allow."
RATIO = "log10 of the number of codes over Serra's bound"
FEWER = Claim(
    CLAIM,
    STATEMENT,
    Kind.ESTIMATE,
    below(-math.log10(FAR), RATIO),
    measures="log10 of codes over Serra's bound",
)
ONE_NET = Claim(CLAIM, STATEMENT, Kind.CENSUS, at_most(-math.log10(FAR), RATIO))
OF = "log2 of the second increase of log(codes) over the first, at 8, 16, 32 neurons"


def _grows(what: str) -> Claim:
    return Claim(
        CLAIM,
        f"The number of polytopes grows exponentially with the neurons, as {what}.",
        Kind.ESTIMATE,
        above(HALF_WAY, f"{OF}, as {what}"),
        measures="log2 of increase over increase",
    )


WIDTH, DEPTH = _grows("layers get wider"), _grows("layers are added")
SWEEPS: dict[str, tuple[tuple[int, ...], ...]] = {
    "width": ((4, 4), (8, 8), (16, 16)),
    "depth": ((8,), (8, 8), (8, 8, 8, 8)),
}
TASK = "blobs"


def ask(subjects: Subjects) -> Answer:
    """Exact counts against bounds, and how they grow."""
    findings: list[Finding] = []
    for toy in filter(fits, subjects.all_toys):
        findings += [
            claim.guarded(toy.name, partial(_of_toy, claim, toy)) for claim in (BOUNDED, ONE_NET)
        ]
    figures: list[Figure] = []
    if not subjects.own:
        shapes = dict.fromkeys(shape for sweep in SWEEPS.values() for shape in sweep)
        counted: dict[tuple[int, ...], dict[Kept, Measured]] = {}
        for shape in shapes:
            counted[shape] = _counted(subjects, Family(TASK, shape), findings)
        for family in SPACE_FAMILIES:
            _counted(subjects, family, findings)
        for claim, name in ((WIDTH, "width"), (DEPTH, "depth")):
            arms = {arm: [counted[shape][arm] for shape in SWEEPS[name]] for arm in BOTH}
            findings += [
                growth_finding(claim, arm, sweep, subjects.seed) for arm, sweep in arms.items()
            ]
            figures.append(_figure(name, arms))
    return Answer(tuple(findings), (*_shown(findings), *figures))


def fits(subject: Subject) -> bool:
    """Whether all cells can be listed."""
    return not isinstance(subject, LanguageLayer) and neighbouring_maps.fits(subject)


# ---- one network


@dataclass(frozen=True)
class Size:
    """The number of codes of one net, its neurons, and the bounds for its widths."""

    codes: int
    neurons: int
    serra: int
    montufar: int

    @classmethod
    def of(cls, network: Network) -> Size:
        """On the domain on which its cells are listed."""
        found = cells_of(Toy.of("a net", network))
        one = found.network
        dim = ambient_dimension(one, found.domain)
        widths = one.bits_per_layer
        return cls(found.code_count, one.hinge_count, serra(dim, widths), montufar(dim, widths))

    @property
    def is_bounded(self) -> bool:
        """Whether the theorems hold."""
        return self.codes <= self.serra <= self.montufar

    @property
    def ratio(self) -> float:
        """log10 of codes / Serra's bound."""
        return math.log10(self.codes) - math.log10(self.serra)

    @property
    def told(self) -> str:
        """All numbers, short."""
        return (
            f"Serra {self.serra:,}, Montufar {self.montufar:,}, 2^{self.neurons} = "
            f"{2**self.neurons:.2g}"
        )


def _of_toy(claim: Claim, toy: Toy) -> Finding:
    if claim is ONE_NET:
        toy.must_have_learned()
    one = Size.of(toy.network)
    value = f"{one.codes:,} codes; {one.told}"
    data: dict[str, JSON] = {
        "codes": one.codes,
        "neurons": one.neurons,
        "serra": str(one.serra),
        "montufar": str(one.montufar),
        "log10_ratio_float": one.ratio,
    }
    judged = not one.is_bounded if claim is BOUNDED else one.ratio
    return claim.finding(toy.name, Estimate.exactly(judged), value=value, data=data)


# ---- many nets


def _counted(subjects: Subjects, family: Family, findings: list[Finding]) -> dict[Kept, Measured]:
    """The number of codes of every net of a family; the findings on it are added."""
    found: dict[Kept, Measured] = {}
    for nets in family.nets(subjects):
        sizes: dict[int, Size] = {}
        found[nets.arm] = measure(nets, sizes)
        findings += arm_findings(family, found[nets.arm], sizes, subjects.seed)
    return found


def measure(nets: Nets, sizes: dict[int, Size]) -> Measured:
    """The number of codes of each net; `sizes` takes the rest."""

    def codes(network: Network, result: TrainResult, _: np.random.Generator) -> float:
        sizes[result.config.seed] = Size.of(network)
        return sizes[result.config.seed].codes

    return Measured.of(nets, codes)


def arm_findings(
    family: Family, counted: Measured, sizes: Mapping[int, Size], seed: int
) -> list[Finding]:
    """The theorem and the ratio, on the nets of one arm."""
    subject, every = f"{family.told}, {counted.nets.arm} nets", list(sizes.values())
    if not every:
        return [claim.undecided(subject, "no net could be counted") for claim in (BOUNDED, FEWER)]
    ratios = Measured(counted.nets, {k: one.ratio for k, one in sizes.items()}, counted.lost)
    ratio = ratios.over(np.random.default_rng(seed))
    counts = sorted(one.codes for one in every)
    span = f"{counts[0]:,} to {counts[-1]:,} codes"
    broken = sum(not one.is_bounded for one in every)
    data: dict[str, JSON] = {
        **counted.data,
        "codes": list(counts),
        "neurons": every[0].neurons,
        "serra": str(every[0].serra),
        "montufar": str(every[0].montufar),
    }
    return [
        BOUNDED.finding(
            subject,
            Estimate.exactly(broken),
            value=f"{broken} of {len(every)} nets exceed it: {span}; {every[0].told}",
            data={**data, "violations": broken},
        ),
        FEWER.finding(
            subject,
            ratio,
            value=f"{ratio}; {span}, Serra {every[0].serra:,}",
            data={**data, **ratio.data("log10_ratio")},
        ),
    ]


def curvature(counts: Sequence[float]) -> float:
    """log2 of the second increase of the logarithms of three counts over the first: 1 where these
    grow like 2^N as N doubles twice, 0 where they grow like a power of N.

    >>> curvature([2**8, 2**16, 2**32]), curvature([8**2, 16**2, 32**2])
    (1.0, 0.0)
    """
    first, second = np.diff(np.log2(counts))
    if first <= 0 or second <= 0:
        return math.nan
    return round(math.log2(second / first), 12)


def growth_finding(claim: Claim, arm: Kept, sweep: Sequence[Measured], seed: int) -> Finding:
    """How the counts of nets of one seed grow from 8 to 32 neurons."""
    shared = sorted(set.intersection(*(set(one.values) for one in sweep)))
    found = {s: curvature([one.values[s] for one in sweep]) for s in shared}
    known = {s: x for s, x in found.items() if math.isfinite(x)}
    bent = Measured(sweep[0].nets, known, {}).over(np.random.default_rng(seed))
    means = [
        2 ** float(np.mean(np.log2([one.values[s] for s in shared]))) if shared else math.nan
        for one in sweep
    ]
    lost = len(shared) - len(known)
    told = f"; {lost} did not grow" if lost else ""
    value = f"{bent}; codes {', '.join(f'{x:.0f}' for x in means)}{told}" if shared else str(bent)
    data: dict[str, JSON] = {
        **bent.data("curvature"),
        "by_seed_float": {str(s): x for s, x in known.items()},
        "geometric_means_float": list(means) if shared else [],
        "did_not_grow": lost,
    }
    return claim.finding(f"{TASK}, no norm, {arm} nets", bent, value=value, data=data)


# ---- figures


def _shown(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    """Counts of single toys and of families against the bound, on logarithmic axes."""
    points = [one for one in findings if one.statement == STATEMENT and "serra" in one.data]
    if not points:
        return ()
    caption = (
        "The exact number of codes against Serra's bound for the widths, a dot for each toy, or "
        "for each family of nets (its median). On the dotted line the bound is reached."
    )
    return (Figure("counts-and-bounds", caption, partial(_draw_points, points)),)


def _draw_points(points: Sequence[Finding]) -> Canvas:
    pairs = [(float(str(one.data["serra"])), _median(one)) for one in points]
    ends = [min(y for _, y in pairs), max(x for x, _ in pairs)]
    curves = [Curve("the bound", ends, ends, -1)]
    for group, word in enumerate(("untrained", "trained")):
        own = [
            pair
            for pair, one in zip(pairs, points, strict=True)
            if (", untrained" in one.subject) == (word == "untrained")
        ]
        curves += [
            Curve(word if place == 0 else "_", [x], [y], group) for place, (x, y) in enumerate(own)
        ]
    return sweeps([("codes", curves)], "Codes against Serra's bound", "exact counts", "bound")


def _median(finding: Finding) -> float:
    codes = finding.data["codes"]
    return float(np.median(codes)) if isinstance(codes, list) else number(codes)


def _figure(name: str, arms: Mapping[Kept, Sequence[Measured]]) -> Figure:
    caption = (
        f"The exact number of codes (geometric mean over nets) as nets grow in {name}, beside "
        "Serra's bound and 2^N."
    )
    return Figure(f"counts-by-{name}", caption, partial(_draw_sweep, name, arms))


def _draw_sweep(name: str, arms: Mapping[Kept, Sequence[Measured]]) -> Canvas:
    shapes = SWEEPS[name]
    neurons = [float(sum(shape)) for shape in shapes]
    curves = [
        Curve("2^N (dotted)", neurons, [2.0**n for n in neurons], -1),
        Curve("Serra's bound", neurons, [float(serra(2, shape)) for shape in shapes], 2),
    ]
    for arm, sweep in arms.items():
        means = [
            2 ** float(np.mean(np.log2([*one.values.values()]))) if one.values else 0.0
            for one in sweep
        ]
        curves.append(
            Curve(f"{arm} nets", neurons, means, int(arm == "trained"), dashed=arm != "trained")
        )
    subtitle = "nets of the plane, on a square"
    return sweeps([("codes", curves)], f"Codes as nets grow in {name}", subtitle, "neurons N")


QUESTION = Question(
    CLAIM,
    "How many polytopes are there?",
    ask,
    (BOUNDED, FEWER, ONE_NET, WIDTH, DEPTH),
    groups=("toys", "deep", "spheres"),
    fits=fits,
    needs="all cells listed, as for claim 0.6",
    text=texts.POLYTOPE_LENS,
    asked="The text says that N neurons could cut the space into 2^N regions and that their number "
    "grows exponentially, and notes that there are not as many as one would naively expect.",
    controls="Two published bounds; growth by width and by depth at equal numbers of neurons.",
    beside="The untrained net of the same seed; 2^N.",
)
