"""Claim 2.1 (text 002): LayerNorm is a projection, a scaling and an affine map, so that it sends
everything to an ellipsoid, whose axes RMSNorm would leave on the coordinate axes.

That the three maps make LayerNorm is an identity, checked exactly at rational points for both rules
of eps: a value is a + b sqrt(q), so that (value - bias) (sqrt(q) / n + eps) = gain (x - mean) is
decided in rationals. So is where the axes lie: those of RMSNorm are coordinate axes of length
sqrt(n) |gain_i| exactly; the squares of LayerNorm's lie between neighbouring n gain_i^2. Whether
RMSNorm is simpler depends on the gains that training finds: how far are LayerNorm's axes from the
coordinate axes, and how wrong are their lengths if one reads them off the gains? An untrained gain
of ones leaves a sphere, whose axes can be chosen: there is nothing to compare.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from exact import LayerNorm, Network, Norm, RMSNorm
from exact.arithmetic.numbers import FloatArray
from exact.arithmetic.surds import Surd
from exact.instruments.norm_geometry import Ellipsoid, decompose, ellipsoid
from exact.networks.norms import EpsRule
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.nets import Measured, ensemble
from studies.questions.shared.pictures import Row, forest
from studies.rules import Claim, above, exceeds, theorem
from studies.statistics import Degenerate, Estimate
from studies.subjects import Subject, Subjects, Toy
from toy_models import ModelConfig, TrainConfig, TrainResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "2.1"
DEGREES, RIGHT = 5.0, (0.0, 90.0)
SAME = Claim(
    CLAIM,
    "LayerNorm is a projection, a scaling to a sphere, and an affine map, one after another.",
    Kind.THEOREM,
    theorem("the three maps give the value of the norm's definition at every rational point"),
)
AXES = Claim(
    CLAIM,
    "RMSNorm's ellipsoid has the coordinate axes as its axes; LayerNorm's axes lie between "
    "neighbouring ones of these in length.",
    Kind.THEOREM,
    theorem("every axis is a coordinate axis, or lies between neighbouring gains in length"),
)
SIMPLER = (
    "RMSNorm is simpler: LayerNorm's ellipsoid, as it is trained, has axes that are no coordinate "
    "axes."
)
ANGLE = "the median angle between an axis of the ellipsoid and the nearest coordinate axis, degrees"
OBLIQUE = Claim(CLAIM, SIMPLER, Kind.CENSUS, exceeds(DEGREES, ANGLE, range=RIGHT))
OVER_NETS = Claim(
    CLAIM,
    SIMPLER,
    Kind.ESTIMATE,
    above(DEGREES, ANGLE, range=RIGHT),
    measures="median angle in degrees",
)
RULES: tuple[EpsRule, ...] = ("var", "std")
POINTS, MOST = 5, 16  # points of a norm, and coordinates of a point that are drawn anew
TASK, DIM, WIDTH = "blobs", 8, 16


def ask(subjects: Subjects) -> Answer:
    """The maps of norms at rational points, and the axes of their images."""
    findings: list[Finding] = []
    for subject in filter(fits, subjects.each):
        findings += _of_one(subject, subjects.seed)
    if not subjects.own:
        findings += _of_nets(subjects)
    return Answer(tuple(findings), _figures(subjects, findings))


def fits(subject: Subject) -> bool:
    """Whether there is a LayerNorm or an RMSNorm in front of its first hidden layer."""
    return _norm(subject) is not None


def _norm(subject: Subject) -> Norm | None:
    network = subject.block if isinstance(subject, Toy) else subject.network
    norm = network.blocks[0].norm
    return norm if type(norm) in (LayerNorm, RMSNorm) else None


# ---- the three maps


def points_of(norm: Norm, seed: int) -> list[list[Fraction]]:
    """Rational points with few digits."""
    drawn = np.random.default_rng(seed).integers(-30, 31, (POINTS, norm.dim))
    drawn[:, 0] += 40  # no point of equal coordinates
    return [[Fraction(int(x), 10) for x in row] for row in drawn]


def violations(norm: Norm, points: Sequence[Sequence[Fraction]]) -> int:
    """At how many points h(g(f(x))) is not the value of the definition, exactly."""
    f, g, h = decompose(norm)
    return sum(not is_defined_value(norm, x, h(g(f(x)))) for x in points)  # type: ignore[arg-type]


def is_defined_value(norm: Norm, x: Sequence[Fraction], values: Sequence[Surd]) -> bool:
    """Whether values are gain (x - mean) / (sqrt(mean square + eps) [+ eps]) + bias, by what these
    words say.

    With the root r = sqrt(q) / n and value - bias = a + b sqrt(q), (a + b sqrt(q)) (sqrt(q) / n +
    eps) has the rational part a eps + b q / n and the coefficient a / n + b eps of sqrt(q).
    """
    n = norm.dim
    mean = sum(x) / n if isinstance(norm, LayerNorm) else Fraction(0)
    centred = [value - mean for value in x]
    under, beside = (_fraction(e) for e in (norm.eps_under_root, norm.eps_beside_root))
    q = n * sum(value * value for value in centred) + n * n * under
    gains, shifts = ([_fraction(e) for e in m.column()] for m in (norm.gain, norm.bias))
    for gain, shift, value, found in zip(gains, shifts, centred, values, strict=True):
        a, b = _over_root(found, q)
        rational, coefficient = (a - shift) * beside + b * q / n, (a - shift) / n + b * beside
        if not _is_zero(rational - gain * value, coefficient, q):
            return False
    return True


def _fraction(value: object) -> Fraction:
    return Fraction(int(value.p), int(value.q))  # type: ignore[attr-defined]


def _over_root(found: Surd, q: Fraction) -> tuple[Fraction, Fraction]:
    """a and b of a surd a + b sqrt(q), whatever square factor its radicand is written with."""
    if found.is_rational:
        return _fraction(found.a), Fraction(0)
    ratio = _fraction(found.d) / q
    root = Fraction(math.isqrt(ratio.numerator), math.isqrt(ratio.denominator))
    return _fraction(found.a), _fraction(found.b) * (root if root * root == ratio else 0)


def _is_zero(a: Fraction, b: Fraction, q: Fraction) -> bool:
    """Whether a + b sqrt(q) = 0."""
    return a * a == b * b * q and a * b <= 0


# ---- the axes


def misplaced_axes(norm: Norm) -> int:
    """How many axes are not where they must be, in exact numbers: RMSNorm's on coordinate axes,
    LayerNorm's between neighbouring gains in length (bounds of the squares may touch).
    """
    shape = ellipsoid(norm)
    squares = sorted(norm.dim * _fraction(g) ** 2 for g in norm.gain.column())
    found = sorted(axis.bounds for axis in shape.axes for _ in range(axis.multiplicity))
    if isinstance(norm, RMSNorm):
        alive = [square for square in squares if square]
        wrong = sum(low != s or high != s for (low, high), s in zip(found, alive, strict=True))
        return wrong + sum(not _along_coordinates(shape, k) for k in range(len(shape.axes)))
    between = list(pairwise(squares))[-len(found) :]
    return sum(
        high < low_end or low > high_end
        for (low, high), (low_end, high_end) in zip(found, between, strict=True)
    )


def _along_coordinates(shape: Ellipsoid, place: int) -> bool:
    rows = shape.axes[place].directions
    return rows is not None and all(sum(x.sign() != 0 for x in row) == 1 for row in rows)


@dataclass(frozen=True)
class Obliqueness:
    """Of the axes of a norm that are its own (not one of several of one length): the angle to the
    nearest coordinate axis in degrees, and the error of the length that the gains suggest, largest
    to largest. `lengths` are all of them, from the longest.
    """

    angles: FloatArray
    errors: FloatArray
    lengths: FloatArray

    @classmethod
    def of(cls, norm: Norm) -> Obliqueness:
        """From certified axes. Degenerate for a sphere, and for what it is of gains that repeat."""
        axes = ellipsoid(norm).axes
        own = [axis for axis in axes if axis.multiplicity == 1]
        if not own or len(axes) < 2:
            raise Degenerate(
                "the image is a sphere: it has no axes of its own",
                value=f"{norm.dim} equal gains",
                remedy="take a norm whose gain was trained",
            )
        largest = np.array([np.abs(axis.directions_float).max() for axis in own])
        lengths = np.array([a.length_float for a in axes for _ in range(a.multiplicity)])
        gains = np.sort(np.abs(norm.gain.float64().ravel()))[::-1][: len(lengths)]
        suggested = math.sqrt(norm.dim) * gains
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.where(suggested > 0, np.abs(lengths / suggested - 1), 0.0)
        return cls(np.degrees(np.arccos(largest.clip(-1, 1))), errors, lengths)

    @property
    def angle(self) -> float:
        """The median angle."""
        return float(np.median(self.angles))


# ---- one norm, many nets


def _of_one(subject: Subject, seed: int) -> list[Finding]:
    norm = _norm(subject)
    assert norm is not None
    name = subject.name
    found = [
        SAME.guarded(name, lambda: same_finding(name, norm, seed)),
        AXES.guarded(name, lambda: axes_finding(name, norm)),
    ]
    if isinstance(norm, LayerNorm):
        found.append(OBLIQUE.guarded(name, lambda: _oblique(subject, norm)))
    return found


def same_finding(subject: str, norm: Norm, seed: int) -> Finding:
    """The identity at rational points, with both rules of eps."""
    points = points_of(norm, seed)
    wrong = sum(violations(replace(norm, eps_rule=rule), points) for rule in RULES)
    asked = len(points) * len(RULES)
    value = f"exactly equal at {asked - wrong} of {asked} rational points, eps in both places"
    data: dict[str, JSON] = {"points": asked, "violations": wrong}
    return SAME.finding(subject, Estimate.exactly(wrong), value=value, data=data)


def axes_finding(subject: str, norm: Norm) -> Finding:
    """Where the axes lie, exactly."""
    wrong, dim = misplaced_axes(norm), ellipsoid(norm).dim
    value = f"{dim - wrong} of {dim} semi-axes where they must be"
    data: dict[str, JSON] = {"axes": dim, "misplaced": wrong, "norm": type(norm).__name__}
    return AXES.finding(subject, Estimate.exactly(wrong), value=value, data=data)


def _oblique(subject: Subject, norm: Norm) -> Finding:
    if isinstance(subject, Toy):
        subject.must_have_learned()
    return oblique_finding(subject.name, norm)


def oblique_finding(subject: str, norm: Norm) -> Finding:
    """The angles of one norm."""
    found = Obliqueness.of(norm)
    longest, shortest = found.lengths[0], found.lengths[-1]
    value = (
        f"median {found.angle:.3g} degrees of {len(found.angles)} axes; lengths {shortest:.3g} to "
        f"{longest:.3g}, read off the gains wrong by up to {found.errors.max():.2g}"
    )
    data: dict[str, JSON] = {
        "angle_float": found.angle,
        "angles_float": [float(x) for x in found.angles],
        "lengths_float": [float(x) for x in found.lengths],
        "largest_error_of_lengths_float": float(found.errors.max()),
    }
    return OBLIQUE.finding(subject, Estimate.exactly(found.angle), value=value, data=data)


def net_angle(network: Network, _result: TrainResult, _rng: np.random.Generator) -> float:
    """The median angle of a net's LayerNorm."""
    return Obliqueness.of(network.norms[0]).angle


def _of_nets(subjects: Subjects) -> list[Finding]:
    model = ModelConfig((WIDTH,), "layernorm", embed_dim=0)
    options = {"dimension": DIM, "classes": 4, "spread": 0.3}
    config = TrainConfig(task=TASK, task_options=options, model=model)
    rng = np.random.default_rng(subjects.seed)
    return [
        nets_finding(f"LayerNorm of {DIM}, {nets.arm} nets", Measured.of(nets, net_angle), rng)
        for nets in ensemble(subjects, config, ("trained", "untrained"))
    ]


def nets_finding(subject: str, found: Measured, rng: np.random.Generator) -> Finding:
    """The angles over nets."""
    estimate = found.over(rng)
    if not found.values and found.lost:
        return OVER_NETS.undecided(subject, next(iter(found.lost.values())), data=found.data)
    data = {**found.data, **estimate.data("angle")}
    value = f"{estimate}; {found.told}"
    return OVER_NETS.finding(subject, estimate, value=value, data=data)


# ---- figures


def _figures(subjects: Subjects, findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = [
        Row(f.subject, number(f.data["angle_float"]), *_ends(f))
        for f in findings
        if f.data.get("angle_float") is not None
    ]
    figures = [
        Figure(
            f"image-{toy.slug}",
            f"{toy.name}: the image of its norm, with its exact axes; dots are where it sends "
            "data, by class.",
            partial(_draw, toy),
        )
        for toy in subjects.all_toys
        if fits(toy) and _is_drawn(_norm(toy))
    ]
    if rows:
        caption = (
            "The median angle between an axis of LayerNorm's ellipsoid and the nearest coordinate "
            "axis; squares are single norms, exact. RMSNorm's axes have 0 degrees. Right of the "
            "line the claim holds."
        )
        figures.append(Figure("angles-of-axes", caption, partial(_draw_angles, rows)))
    return tuple(figures)


def _ends(finding: Finding) -> tuple[float | None, float | None]:
    low, high = (finding.data.get(f"angle_{end}_float") for end in ("low", "high"))
    return (None, None) if low is None or high is None else (number(low), number(high))


def _is_drawn(norm: Norm | None) -> bool:
    return norm is not None and norm.sphere_dim in (1, 2) and ellipsoid(norm).dim in (2, 3)


def _draw(toy: Toy) -> Canvas:
    from viz.figures.ellipsoid import ellipsoid_figure

    norm, shown = toy.block.norms[0], toy.shown(200)
    points, classes = shown.get("data"), shown.get("classes")
    return ellipsoid_figure([norm], points=points, classes=classes, title=toy.name)


def _draw_angles(rows: Sequence[Row]) -> Canvas:
    title, axis = "Axes of LayerNorm's ellipsoid", "angle to the nearest coordinate axis / degrees"
    return forest(rows, title, "medians over axes, 95% intervals over nets", axis, mark=DEGREES)


QUESTION = Question(
    CLAIM,
    "What does a norm do to space, and is RMSNorm simpler?",
    ask,
    (SAME, AXES, OBLIQUE, OVER_NETS),
    groups=("toys", "language"),
    fits=fits,
    needs="a LayerNorm or an RMSNorm in front of the first hidden layer",
    text=texts.VISUALIZING_NORMS,
    asked="LayerNorm is shown as a projection, a scaling and an affine map, so that its image is "
    "an ellipsoid that lies askew; RMSNorm, whose axes stay where the coordinates are, is "
    "found simpler.",
    controls="RMSNorm's axes, exactly.",
    beside="Nets before training, whose image is a sphere.",
)
