"""Claim 1.25: directions in the space of codes, and examples moved by flipping "their" bits.

Toys of the plane, of which all cells of a square around the data are known exactly. Three sorts of
masks come from the codes of the data: the bits in which the means of two classes differ by more
than one half, set to the other class; the bits of a principal component, and of an NMF component,
whose loading is above half of the largest, set along it. A mask that changes something gives a new
code: whether some point of the square, twice as wide as the data, has it is looked up among all
cells. Masks of as many random bits are the control. Where the code of another class exists, the
example is moved to the nearest point of its cell (of its polygon, in float64, a little inside), and
the network says what it is there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from exact import Box, Network, partition
from exact.arithmetic.arrays import BitArray, IndexArray
from exact.arithmetic.numbers import FloatArray
from exact.regions.polytopes.partition import FlatPartition
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.clustering import without_scikit_learn
from studies.questions.shared.labelled_items import NESTED, Labelled
from studies.questions.shared.nearest_items import nmf
from studies.questions.shared.nets import Measured
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.several import Found, brief, several, share_of_nets, share_or_wilson
from studies.questions.shared.subject_rows import LEAST, ROWS
from studies.rules import APART, SHARE, Claim, above, larger_than
from studies.statistics import NETS, Degenerate, Estimate, over_clusters
from studies.statistics.intervals import ANYWHERE, Range
from studies.subjects import Subject, Subjects, Toy
from toy_models import TrainResult

CLAIM = "1.25"
ITEMS, COMPONENTS, OTHERS = 60, 4, 3
SORTS = ("class", "principal", "NMF")
MOST = 0.5
OF = "the share of flipped codes that exist in a square twice as wide as the data"


def _claims(unit: str) -> tuple[Claim, Claim]:
    """That flipped codes exist, and that their cells are of the other class, over these units."""
    least = LEAST[unit]
    return (
        Claim(
            CLAIM,
            "Codes have directions of their own: flip the bits of one in the code of an example, "
            "and the code that comes out is that of some input.",
            Kind.ESTIMATE,
            above(MOST, OF, range=SHARE, unit=unit, least=least)
            & larger_than("as many random bits", "that share", range=APART, unit=unit, least=least),
        ),
        Claim(
            CLAIM,
            "An example is moved to another class by flipping the bits of that class.",
            Kind.ESTIMATE,
            above(
                MOST,
                "the share of flips towards a class whose code exists and whose nearest point is "
                "of that class",
                range=SHARE,
                unit=unit,
                least=least,
            ),
        ),
    )


def _range(name: str) -> Range:
    """Shares and their differences, but for the number of bits that are flipped."""
    return ANYWHERE if name == "bits" else APART


CLAIMS = {unit: _claims(unit) for unit in (NETS, ROWS)}
NAMES = (*(f"{sort}{end}" for sort in SORTS for end in ("", " minus random")), "moved", "bits")


def ask(subjects: Subjects) -> Answer:
    """Whether flipped codes exist, and where their nearest points lie."""
    missing = without_scikit_learn(CLAIMS[NETS], subjects, [NESTED.name])
    if missing is not None:
        return missing
    findings: list[Finding] = []
    for toy in subjects.all_toys:
        if fits(toy):
            findings += of_toy(toy, subjects.seed)
    if not subjects.own:
        findings += _of_nets(subjects)
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """Whether it is a classification of the plane without a norm, so that all cells are known."""
    if not isinstance(subject, Toy) or subject.dataset is None:
        return False
    network, kind = subject.network, subject.dataset.kind
    plane = network.input_dim == 2 and not network.has_norm and bool(network.hidden_layers)
    return plane and kind == "classification"


# ---- codes and masks


@dataclass(frozen=True, eq=False)
class Flips:
    """New codes of examples: the row of each example, its bits, and the class aimed at (-1 for
    none). Only codes that differ from the example's own are there.
    """

    rows: IndexArray
    bits: BitArray
    aims: IndexArray

    @classmethod
    def of(cls, own: BitArray, wanted: Sequence[tuple[int, BitArray, BitArray, int]]) -> Flips:
        """From (row, mask, values, aim): the bits of the mask take the values."""
        kept = []
        for row, mask, values, aim in wanted:
            bits = np.where(mask, values, own[row])
            if (bits != own[row]).any():
                kept.append((row, bits, aim))
        rows, aims = (np.array([one[k] for one in kept], dtype=np.int64) for k in (0, 2))
        shape = (len(kept), own.shape[1])
        return cls(rows, np.array([bits for _, bits, _ in kept], dtype=bool).reshape(shape), aims)

    def at_random(self, own: BitArray, rng: np.random.Generator) -> Flips:
        """As many random bits of every example flipped."""
        counts = (self.bits != own[self.rows]).sum(axis=1)
        ranks = rng.permuted(np.tile(np.arange(own.shape[1]), (len(self.rows), 1)), axis=1)
        return Flips(self.rows, own[self.rows] ^ (ranks < counts[:, None]), self.aims)


def towards_classes(own: BitArray, labels: IndexArray, rng: np.random.Generator) -> Flips:
    """Towards a few other classes: the bits whose means differ by more than one half."""
    means = {int(c): own[labels == c].mean(axis=0) for c in np.unique(labels)}
    wanted = []
    for row, label in enumerate(labels.tolist()):
        others = rng.permutation([c for c in means if c != label])[:OTHERS]
        for aim in others.tolist():
            mask = np.abs(means[aim] - means[label]) > 0.5
            wanted.append((row, mask, means[aim] > 0.5, aim))
    return Flips.of(own, wanted)


def along(own: BitArray, loadings: FloatArray) -> Flips:
    """Along components of codes: the bits of large loadings, on where these are positive."""
    wanted = [
        (row, np.abs(one) > np.abs(one).max() / 2, one > 0, -1)
        for row in range(len(own))
        for one in loadings
    ]
    return Flips.of(own, wanted)


def all_flips(
    own: BitArray, labels: IndexArray, seed: int, rng: np.random.Generator
) -> dict[str, Flips]:
    """The new codes of every sort. Raises Degenerate where all examples have one code."""
    ones = own.astype(np.float64)
    if not np.ptp(ones, axis=0).any():
        remedy = "take a network that lives"
        raise Degenerate("all examples have one code", value=f"{len(own)} examples", remedy=remedy)
    _, sizes, rows = np.linalg.svd(ones - ones.mean(axis=0), full_matrices=False)
    main = rows[:COMPONENTS][sizes[:COMPONENTS] > 1e-9 * sizes[0]]
    return {
        "class": towards_classes(own, labels, rng),
        "principal": along(own, np.concatenate([main, -main])),
        "NMF": along(own, nmf(ones, COMPONENTS, seed)),
    }


# ---- cells


@dataclass(frozen=True, eq=False)
class Cells:
    """All cells of a square of the plane, by their bits."""

    found: FlatPartition
    numbers: Mapping[bytes, int]

    @classmethod
    def of(cls, network: Network, inputs: FloatArray) -> Cells:
        """Of a square around the inputs, twice as wide."""
        reach = 2 * math.ceil(float(np.abs(inputs).max()) + 1)
        found = partition(network, Box(-reach, reach, dim=2)).seen_as(FlatPartition)
        bits = (np.asarray(one.code.bits, dtype=bool) for one in found.regions)
        return cls(found, {one.tobytes(): place for place, one in enumerate(bits)})

    def exist(self, flips: Flips) -> BitArray:
        """Whether some point of the square has each code, exactly."""
        return np.array([one.tobytes() in self.numbers for one in flips.bits], dtype=bool)

    def moved(self, network: Network, inputs: FloatArray, flips: Flips) -> BitArray:
        """Whether each code exists and the network says the class that is aimed at, at the nearest
        point of its cell, a little inside: floats propose the point, its code and its class are
        exact.
        """
        import shapely

        polygons = self.found.polygons()
        hits = np.zeros(len(flips.rows), dtype=bool)
        for place, (row, bits) in enumerate(zip(flips.rows.tolist(), flips.bits, strict=True)):
            number_of = self.numbers.get(bits.tobytes())
            if number_of is not None:
                cell = polygons[number_of]
                line = shapely.shortest_line(cell, shapely.Point(*inputs[row].tolist()))
                edge, middle = (np.array(one.coords[0]) for one in (line, cell.centroid))
                point = _inside(network, bits, edge, middle)
                said = self.found.regions[number_of].affine(point)
                hits[place] = said.index(max(said)) == flips.aims[place]
        return hits


def _inside(network: Network, bits: BitArray, edge: FloatArray, middle: FloatArray) -> list[float]:
    """A point a millionth of the way from the edge of a cell to its middle, or as little more as
    its exact code asks for.
    """
    for share in 10.0 ** np.arange(-6, 1):
        point: list[float] = (edge + share * (middle - edge)).tolist()
        if np.array_equal(network.code(point).bits, bits):
            break
    return point


# ---- one network


def looked_at(items: Labelled, seed: int, rng: np.random.Generator) -> dict[str, FloatArray]:
    """By name an array over examples: shares of codes that exist, less those of random masks, and
    of flips that arrive; NaN for an example of which no mask changes anything.
    """
    network, inputs = items.network, items.inputs
    own = network.codes(inputs).bits
    cells = Cells.of(network, inputs)
    found: dict[str, FloatArray] = {}
    for sort, flips in all_flips(own, items.labels, seed, rng).items():
        there = cells.exist(flips).astype(np.float64)
        control = cells.exist(flips.at_random(own, rng)).astype(np.float64)
        found[sort] = _by_example(there, flips.rows, len(inputs))
        found[f"{sort} minus random"] = _by_example(there - control, flips.rows, len(inputs))
        if sort == "class":
            moved = cells.moved(network, inputs, flips).astype(np.float64)
            found["moved"] = _by_example(moved, flips.rows, len(inputs))
            changed = (flips.bits != own[flips.rows]).sum(axis=1).astype(np.float64)
            found["bits"] = _by_example(changed, flips.rows, len(inputs))
    return found


def _by_example(values: FloatArray, rows: IndexArray, count: int) -> FloatArray:
    """The mean over the flips of each example, NaN where there is none."""
    sums, counts = (np.bincount(rows, weights=w, minlength=count) for w in (values, None))
    with np.errstate(invalid="ignore"):
        return np.asarray(sums / counts)


def statistics(network: Network, result: TrainResult, rng: np.random.Generator) -> Found:
    """The same of one toy, means over examples."""
    items = Labelled.of_net(network, result, ITEMS)
    told = looked_at(items, result.config.seed, rng)
    return {name: _mean(values) for name, values in told.items()}


def _mean(values: FloatArray) -> float | str:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else "no mask changes a code"


# ---- findings


def of_toy(toy: Toy, seed: int) -> list[Finding]:
    """One toy, over its examples."""
    found: list[Finding] = []

    def first() -> Finding:
        toy.must_have_learned()
        rng, numbers = np.random.default_rng(seed), np.arange(min(ITEMS, len(toy.inputs)))
        labels = np.asarray(toy.rows.targets.numpy())[: len(numbers)]
        if len(np.unique(labels)) < 2:
            remedy = "give examples of two classes"
            raise Degenerate("the examples are of one class", value=toy.name, remedy=remedy)
        items = Labelled(toy.network, toy.inputs[: len(numbers)], labels, numbers, numbers)
        told = looked_at(items, seed, rng)
        estimates = {
            name: over_clusters(values[np.isfinite(values)], rng, unit=ROWS, range=_range(name))
            for name, values in told.items()
        }
        for name in (*SORTS, "moved"):
            known = told[name][np.isfinite(told[name])]
            estimates[name] = share_or_wilson(known, rng, unit=ROWS)
        found.extend(_findings(toy.name, ROWS, estimates, {}, {}))
        return found[0]

    opening = CLAIMS[ROWS][0].guarded(toy.name, first)
    return found or [opening, CLAIMS[ROWS][1].undecided(toy.name, opening.why)]


def _of_nets(subjects: Subjects) -> list[Finding]:
    trained, untrained = NESTED.trained(subjects)
    if not trained.results:
        why = f"no net learned, of {trained.left_out}"
        return [claim.undecided(NESTED.name, why) for claim in CLAIMS[NETS]]
    after, before = (several(nets, NAMES, statistics) for nets in (trained, untrained))
    return nets_findings(NESTED.name, after, before, subjects.seed)


def nets_findings(
    subject: str, after: Mapping[str, Measured], before: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """Both claims over nets."""
    rng = np.random.default_rng(seed)
    found, control = (
        {name: one[name].over(rng, _range(name)) for name in NAMES} for one in (after, before)
    )
    found |= {name: share_of_nets(after[name], rng) for name in (*SORTS, "moved")}
    return _findings(subject, NETS, found, control, after["class"].data)


def _findings(
    subject: str,
    unit: str,
    found: Mapping[str, Estimate],
    control: Mapping[str, Estimate],
    data: Mapping[str, JSON],
) -> list[Finding]:
    exist, moves = CLAIMS[unit]
    findings = []
    for sort in SORTS:
        share, more = found[sort], found[f"{sort} minus random"]
        untrained = f"; untrained {brief(control[sort])}" if control else ""
        findings.append(
            exist.finding(
                f"{subject}: {sort}",
                share,
                more,
                value=f"exist {brief(share)}, minus random bits {brief(more)}{untrained}",
                data={**share.data("exist"), **more.data("minus_random"), **data},
            )
        )
    share, bits = found["moved"], found["bits"].value
    untrained = f"; untrained {brief(control['moved'])}" if control else ""
    told = "none" if bits is None else f"{bits:.2g}"
    findings.append(
        moves.finding(
            subject,
            share,
            value=f"moved {share}{untrained}; {told} bits flipped",
            data={**share.data("moved"), **data},
        )
    )
    return findings


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = []
    for one in findings:
        key = "moved" if "moved_float" in one.data else "exist"
        ends = [one.data.get(f"{key}{end}_float") for end in ("", "_low", "_high")]
        if ends[0] is not None:
            label = f"{one.subject}, moved" if key == "moved" else one.subject
            rows.append(Row(label, *(100 * number(x) for x in ends if x is not None)))
    caption = (
        "The share of codes that exist when bits of an example are flipped along a class, a "
        "principal or an NMF component of codes, and of flips towards a class that arrive in it, "
        "in per cent with 95% intervals."
    )
    title, subtitle = "Codes with flipped bits", "that some point around the data has"
    axis, mark = "flips / %", 100 * MOST
    return (
        Figure("flipped-codes", caption, lambda: forest(rows, title, subtitle, axis, mark=mark)),
    )


QUESTION = Question(
    CLAIM,
    "Can examples be moved by flipping bits?",
    ask,
    tuple(claim for claims in CLAIMS.values() for claim in claims),
    groups=("deep",),
    fits=fits,
    needs="a classification of the plane, without a norm",
    text=texts.POLYTOPE_LENS,
    asked="It is asked whether codes have directions of their own, and whether an example can be "
    "moved by flipping the bits that belong to something.",
    controls="As many random bits flipped.",
    beside="The same nets untrained.",
    settled="That 20 rows of data are wanted: after full runs.",
)
