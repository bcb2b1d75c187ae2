"""Claim 1.16: boundaries stand between features that are not orthogonal, and silence their
interference.

Toys recover sparse features from a superposition of more features than there are dimensions (task
sparse_features), so that the directions of the features are known. Two features are separated by a
neuron whose pre-activation has different signs at the two of them, each alone and half active: the
Hamming distance of two exact codes. By chance neurons separate a pair the more often the larger its
angle is, so the same frame of features, rotated at random, is the control: it has the same angles.
Pairs of a cosine above 0.2 overlap, those within 0.2 of 0 are orthogonal. Interference is what the
network says of feature j where only feature i is active, against what a linear read-out would say:
the cosine of the two. A net whose held-out R^2 is below one half did not learn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from exact import Network, hamming
from exact.arithmetic.numbers import FloatArray
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind, number
from studies.question import Question
from studies.questions.shared.nets import Measured, ensemble
from studies.questions.shared.pictures import Row, forest
from studies.questions.shared.several import Found, brief, several
from studies.rules import Claim, below, larger_than
from studies.statistics import Degenerate
from studies.subjects import Subject, Subjects
from studies.training import Training
from toy_models import ModelConfig, TrainConfig, TrainResult
from toy_models.tasks import feature_frame

CLAIM = "1.16"
ACTIVE, OVERLAP, SILENT, LEAST_R_SQUARED = 0.5, 0.2, 0.5, 0.5
ROTATIONS = 20


@dataclass(frozen=True)
class Task:
    """So many features in so many dimensions, and the widths of the toys that recover them."""

    features: int
    dimension: int
    widths: tuple[int, ...]
    group: int

    @property
    def name(self) -> str:
        """What findings call it."""
        shape = "-".join(map(str, self.widths))
        return f"{self.features} features in R^{self.dimension} ({shape})"

    @property
    def options(self) -> dict[str, int]:
        """Of the data, and of their frame."""
        return {"features": self.features, "dimension": self.dimension}


TASKS = (Task(8, 4, (24,), 1), Task(12, 6, (32,), 2), Task(8, 4, (24, 16), 3))

SEPARATED = Claim(
    CLAIM,
    "Boundaries stand between superposed features: more neurons separate two features that overlap "
    "than would by chance.",
    Kind.ESTIMATE,
    larger_than(
        "the same frame of features, rotated at random",
        "the mean number of neurons with different signs at two features of cosine above "
        f"{OVERLAP:g}",
    ),
)
RATHER = Claim(
    CLAIM,
    "Boundaries stand where features interfere: more of them, beyond chance, between features that "
    "overlap than between orthogonal ones.",
    Kind.ESTIMATE,
    larger_than(
        f"pairs of cosine within {OVERLAP:g} of 0",
        "the excess of separating neurons over rotated frames, of pairs that overlap,",
    ),
)
SILENCED = Claim(
    CLAIM,
    "The network silences interference: it says less than half as much of a feature that is not "
    "there as a linear read-out would.",
    Kind.ESTIMATE,
    below(
        SILENT,
        "the mean output for a feature that overlaps the active one, over what their cosine gives,",
    ),
)
CLAIMS = (SEPARATED, RATHER, SILENCED)
NAMES = ("excess", "contrast", "interference", "separating", "separated pairs", "R squared")


def ask(subjects: Subjects) -> Answer:
    """Neurons that separate features, and what is left of their interference."""
    findings: list[Finding] = []
    for task in TASKS:
        config = TrainConfig(
            task="sparse_features",
            task_options=task.options,
            model=ModelConfig(task.widths, embed_dim=0),
        )
        arms = ensemble(subjects, config, ("trained", "untrained"), group=task.group)
        after, before = (several(nets, NAMES, partial(statistics, task=task)) for nets in arms)
        findings += task_findings(task.name, after, before, subjects.seed)
    return Answer(tuple(findings), _figures(findings))


def fits(subject: Subject) -> bool:
    """The directions of the features must be known, so that the toys are the question's own."""
    return False


# ---- one network


def statistics(
    network: Network, result: TrainResult, rng: np.random.Generator, *, task: Task
) -> Found:
    """Separating neurons of the first layer and interference of one toy, with its own frame."""
    told = Training.of(task.name, result).held_out
    learned = None if told is None else told.r_squared
    if result.steps and (learned is None or learned < LEAST_R_SQUARED):
        remedy = "train it longer"
        raise Degenerate("the toy did not learn", value=f"R^2 {learned}", remedy=remedy)
    frame = feature_frame(**task.options, seed=result.config.seed)
    columns = np.asarray(frame.double().numpy())
    found = of_frame(network, columns, rng)
    return {**found, "R squared": "not told" if learned is None else learned}


def of_frame(network: Network, frame: FloatArray, rng: np.random.Generator) -> Found:
    """The same for any frame of features (inputs x features), as columns of length 1."""
    pairs = np.triu_indices(frame.shape[1], 1)
    cosine = (frame.T @ frame)[pairs]
    near, right = cosine > OVERLAP, np.abs(cosine) <= OVERLAP
    if not near.any():
        remedy = "take more features"
        raise Degenerate("no features overlap", value=f"{len(cosine)} pairs", remedy=remedy)
    own = separating(network, frame)[pairs]
    turned = [separating(network, turn @ frame)[pairs] for turn in _turns(len(frame), rng)]
    excess = own - np.mean(turned, axis=0)
    told: dict[str, float | str] = {
        "excess": float(excess[near].mean()),
        "separating": float(own[near].mean()),
        "separated pairs": float((own[near] > 0).mean()),
        "interference": interference(network, frame),
        "contrast": "no pair is orthogonal",
    }
    if right.any():
        told["contrast"] = float(excess[near].mean() - excess[right].mean())
    return told


def separating(network: Network, frame: FloatArray) -> FloatArray:
    """How many neurons of the first layer have different signs at each two features, exactly."""
    codes = network.codes(ACTIVE * frame.T, (1, 1))
    return hamming(codes, codes, pairs=False).astype(np.float64)


def interference(network: Network, frame: FloatArray) -> float:
    """The mean size of output j at feature i alone, over that of a linear read-out, of all ordered
    pairs that overlap.
    """
    linear = ACTIVE * frame.T @ frame
    near = (linear > ACTIVE * OVERLAP) & ~np.eye(len(linear), dtype=bool)
    said = network.forward_float(ACTIVE * frame.T)
    return float((np.abs(said[near]) / linear[near]).mean())


def _turns(dimension: int, rng: np.random.Generator) -> list[FloatArray]:
    """Random rotations, uniform among orthogonal matrices."""
    found = []
    for _ in range(ROTATIONS):
        q, r = np.linalg.qr(rng.standard_normal((dimension, dimension)))
        found.append(np.asarray(q * np.sign(np.diag(r))))
    return found


# ---- many nets


def task_findings(
    subject: str, after: Mapping[str, Measured], before: Mapping[str, Measured], seed: int
) -> list[Finding]:
    """The three claims over nets; what untrained nets do stands beside."""
    rng = np.random.default_rng(seed)
    found = {name: one.over(rng) for name, one in after.items()}
    control = {name: one.over(rng) for name, one in before.items()}
    lost = len(after["excess"].lost)
    left = f"; {lost} not measured" if lost else ""
    told = {
        "excess": f"{brief(found['separating'])} neurons; beyond rotated frames",
        "contrast": "excess of overlapping pairs minus orthogonal ones",
        "interference": "output over linear read-out",
    }
    findings = []
    for claim, name in zip(CLAIMS, told, strict=True):
        value = f"{told[name]} {brief(found[name])}; untrained {brief(control[name])}{left}"
        data: dict[str, JSON] = {
            **found[name].data(name),
            **control[name].data(f"untrained_{name}"),
            **found["separated pairs"].data("separated_pairs"),
            **found["R squared"].data("r_squared"),
            **after[name].data,
        }
        findings.append(claim.finding(subject, found[name], value=value, data=data))
    return findings


# ---- figures


def _figures(findings: Sequence[Finding]) -> tuple[Figure, ...]:
    rows = []
    for one in findings:
        if one.statement != SEPARATED.statement:
            continue
        for arm, key in (("trained", "excess"), ("untrained", "untrained_excess")):
            ends = [one.data[f"{key}{end}_float"] for end in ("", "_low", "_high")]
            if ends[0] is not None:
                rows.append(
                    Row(f"{one.subject}, {arm}", *(number(x) for x in ends if x is not None))
                )
    caption = (
        "How many more neurons of the first layer have different signs at two features that "
        "overlap than at the same two after a random rotation of all features: means over nets "
        "with 95% intervals. Right of 0 boundaries stand between features rather than anywhere."
    )
    title, subtitle = "Neurons between features", "beyond those of rotated frames"
    return (
        Figure(
            "between-features",
            caption,
            lambda: forest(rows, title, subtitle, "separating neurons beyond chance", mark=0),
        ),
    )


QUESTION = Question(
    CLAIM,
    "Do boundaries stand between features?",
    ask,
    CLAIMS,
    groups=(),
    fits=fits,
    needs="toys whose features are known, which the question trains for itself",
    text=texts.POLYTOPE_LENS,
    asked="Where more features than dimensions are superposed, boundaries of polytopes are said to "
    "stand between features that are not orthogonal, and so to silence their interference.",
    controls="The same features rotated at random, and orthogonal pairs of features.",
    beside="The same nets untrained.",
)
