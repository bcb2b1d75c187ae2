"""Claim 0.5: the norm's gain and bias fold into the next layer.

The fold `W diag(gain) P`, `b + W bias` is exact in rationals. It is compared with the unfolded
network in two ways: spline codes at rational points, exactly, and outputs in float64. It is a
theorem, and the run checks the code.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from exact import Block, Layer, Network, Norm, RationalMatrix
from studies.finding import JSON, Answer, Finding, Kind
from studies.question import Question
from studies.questions.shared.sampling import random_points
from studies.rules import Claim, theorem
from studies.statistics import Estimate
from studies.subjects import LanguageLayer, Subjects, Toy

CLAIM = "0.5"
WITHIN = 2.0**-40
FOLDS = Claim(
    CLAIM,
    "Gain and bias of the norm fold into the next layer without changing the network.",
    Kind.THEOREM,
    theorem(
        "every spline code is equal exactly",
        open_if="float64 outputs differ by more than 2^-40 of the largest",
    ),
)
POINTS, CODES, NEURONS_IF_WIDE, WIDE = 1000, 40, 8, 2_000_000


def ask(subjects: Subjects) -> Answer:
    """Codes and outputs of every network behind a norm against those of its fold."""
    toys = [toy for toy in subjects.all_toys if toy.block.has_norm]
    findings = [_toy(toy, subjects.seed) for toy in toys]
    findings += [_layer(layer, subjects.seed) for layer in subjects.language]
    return Answer(tuple(findings))


def _toy(toy: Toy, seed: int) -> Finding:
    return FOLDS.guarded(
        toy.name, lambda: finding_of(toy.name, toy.block, toy.block.folded(), seed)
    )


def _layer(layer: LanguageLayer, seed: int) -> Finding:
    network = layer.network.relu_ised()
    wide = network.hinge_count * network.input_dim > WIDE
    part = first_neurons(network, NEURONS_IF_WIDE) if wide else network
    name = f"{layer.name}, first {NEURONS_IF_WIDE} neurons" if wide else layer.name
    name = f"{name}, ReLU for GELU"
    return FOLDS.guarded(name, lambda: finding_of(name, part, part.folded(), seed))


@dataclass(frozen=True)
class Parity:
    """Codes that are equal, of how many, and the largest difference of outputs: absolute, and
    relative to the largest.
    """

    equal_codes: int
    codes: int
    absolute_float: float
    relative_float: float


def parity(network: Network, folded: Network, seed: int) -> Parity:
    """Compare a network with a fold of it, a function of the plainly normalised vector."""
    refolded = behind_plain_norm(network, folded)
    rng = np.random.default_rng(seed)
    points = [[int(x) for x in row] for row in rng.integers(-999, 1000, (CODES, network.input_dim))]
    equal = sum(network.code(x) == refolded.code(x) for x in points)
    x = random_points(network.input_dim, POINTS, seed)
    outputs = network.forward_float(x)
    gap = float(np.abs(outputs - refolded.forward_float(x)).max())
    return Parity(equal, CODES, gap, gap / (float(np.abs(outputs).max()) or 1.0))


def behind_plain_norm(network: Network, folded: Network) -> Network:
    """The folded network put behind the same norm without gain and bias."""
    norm = network.blocks[0].norm
    assert norm is not None, "only what stands behind a norm can be folded"
    first, *rest = folded.blocks
    return Network((Block(first.layers, _plain(norm), network.blocks[0].residual), *rest))


def _plain(norm: Norm) -> Norm:
    ones, zeros = (RationalMatrix.from_floats(np.full(norm.dim, x)) for x in (1.0, 0.0))
    return replace(norm, gain=ones, bias=zeros)


def first_neurons(network: Network, count: int) -> Network:
    """The block with the first `count` neurons of its hidden layer: a part of a layer too wide to
    fold whole.
    """
    block = network.blocks[0]
    head, tail = block.layers
    kept = Layer(_rows(head.weight, count), _rows(head.bias, count), head.activation)
    columns = RationalMatrix.from_floats(tail.weight.float64()[:, :count].copy())
    return Network((Block((kept, Layer(columns, tail.bias, tail.activation)), block.norm),))


def _rows(matrix: RationalMatrix, count: int) -> RationalMatrix:
    return RationalMatrix.from_floats(matrix.float64()[:count].copy())


def finding_of(subject: str, network: Network, folded: Network, seed: int) -> Finding:
    """The finding from comparing `network` with `folded`."""
    found = parity(network, folded, seed)
    violations = Estimate.exactly(found.codes - found.equal_codes)
    if not violations.value and found.relative_float > WITHIN:
        violations = Estimate.unknown("the float64 outputs differ")
    value = (
        f"{found.equal_codes} of {found.codes} codes equal exactly; float64 outputs within "
        f"{found.absolute_float:.1e} "
        f"({found.relative_float:.1e} of the largest)"
    )
    data: dict[str, JSON] = {
        "equal_codes": found.equal_codes,
        "codes": found.codes,
        "points": POINTS,
        "absolute_difference_float": found.absolute_float,
        "relative_difference_float": found.relative_float,
    }
    return FOLDS.finding(subject, violations, value=value, data=data)


QUESTION = Question(CLAIM, "Do gain and bias fold?", ask, (FOLDS,))
