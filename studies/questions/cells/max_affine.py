"""Claim 1.12: a layer of ReLUs takes the larger of two affine functions for each neuron (a max-
affine spline operator), and a smooth activation is the same with probabilities for the two pieces.

Both are theorems, so their run checks the code. Of every hidden layer, at rational points in front
of it: each neuron is computed here in plain fractions as the largest of its affine pieces, and held
against the exact map of the layer and the exact bit of its code. With probabilities p the layer is
sum_r p_r (A_r x + b_r): GELU weighs its pieces z and 0 by Phi(z) and 1 - Phi(z), its tanh form by
that form's own sigmoid, SiLU by the softmax of both pieces. The soft codes of the instrument are
held against these closed forms, which it does not use, and the network's output against the sum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit, ndtr

from exact import GELU, Activation, Block, Layer, Network, SiLU, partition_lines, soft_codes
from exact.arithmetic.numbers import FloatArray, fraction
from exact.networks.activations import Smooth
from studies import texts
from studies.finding import JSON, Answer, Figure, Finding, Kind
from studies.question import Question
from studies.questions.shared.rays import directed
from studies.rules import Claim, theorem
from studies.statistics import Degenerate, Estimate
from studies.subjects import LanguageLayer, Subject, Subjects, Toy

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

CLAIM = "1.12"
LARGEST = Claim(
    CLAIM,
    "Each neuron of a layer is the largest of its affine pieces, and its code says which.",
    Kind.THEOREM,
    theorem(
        "every neuron at every point has the value and the bits of its largest piece",
        open_if="an activation is smooth or not convex, so that it is no maximum",
    ),
)
SOFT = Claim(
    CLAIM,
    "With smooth activations a layer is the mean of its affine pieces, weighted by the soft code.",
    Kind.THEOREM,
    theorem("every soft code, and every output, agrees with the closed form within rounding"),
)
POINTS, ENTRIES, ROWS, ROUNDING = 20, 40_000, 200, 2.0**-36
SHOWN = 6


def ask(subjects: Subjects) -> Answer:
    """Both theorems on every subject, and the soft code on a way between two inputs."""
    findings: list[Finding] = []
    for subject in filter(fits, subjects.each):
        network, rows = _network(subject), partial(_rows, subject, subjects.seed)
        hard = network.relu_ised()
        findings += [
            LARGEST.guarded(subject.name, partial(largest_finding, subject.name, hard, rows)),
            SOFT.guarded(subject.name, partial(soft_finding, subject.name, network, rows)),
        ]
    chosen = [one for one in reversed(subjects.each) if fits(one)][:1]
    return Answer(tuple(findings), tuple(_figure(one, subjects.seed) for one in chosen))


def fits(subject: Subject) -> bool:
    """Whether there is a hidden layer."""
    return bool(_network(subject).hidden_layers)


def _network(subject: Subject) -> Network:
    return subject.network if isinstance(subject, LanguageLayer) else subject.block


def _rows(subject: Subject, seed: int) -> FloatArray:
    """Vectors in front of the network: the data, or random ones where there are none. Raises
    Degenerate for vectors without a direction behind a norm.
    """
    network = _network(subject)
    if isinstance(subject, Toy):
        drawn = np.random.default_rng(seed).standard_normal((ROWS, network.input_dim))
        rows = drawn if subject.dataset is None else subject.residuals[:ROWS]
    else:
        rows = subject.vectors[:ROWS]
    if network.blocks[0].norm is not None:
        directed(network, rows.tolist())
    if not len(rows):
        raise Degenerate("no vectors", value=0, remedy="take a longer text")
    return rows


# ---- the largest of affine pieces


def largest_finding(subject: str, network: Network, rows: Callable[[], FloatArray]) -> Finding:
    """Every hidden layer by itself, at its own inputs on data."""
    lacking = [layer for layer in network.hidden_layers if not is_maximum(layer.activation)]
    if lacking:
        why = f"{lacking[0].activation.name} is not the largest of affine pieces"
        return LARGEST.finding(subject, Estimate.unknown(why, unit="net"))
    asked = wrong = 0
    for layer, points in zip(network.hidden_layers, _in_front(network, rows()), strict=True):
        count = max(2, min(POINTS, ENTRIES // (layer.width * layer.input_dim)))
        for point in points[:count]:
            asked += layer.width
            wrong += violations(layer, [Fraction(x) for x in point.tolist()])
    value = f"{wrong} of {asked} neurons at points differ from their largest piece"
    data: dict[str, JSON] = {"neurons_at_points": asked, "violations": wrong}
    return LARGEST.finding(subject, Estimate.exactly(wrong), value=value, data=data)


def is_maximum(activation: Activation) -> bool:
    """Whether an activation is the largest of its affine pieces: it has no jump, and slopes
    ascend.
    """
    if not activation.is_piecewise_linear or not activation.is_continuous:
        return False
    slopes = [slope for slope, _ in activation.pieces]
    return slopes == sorted(slopes)


def violations(layer: Layer, point: Sequence[Fraction]) -> int:
    """How many neurons of a layer do not have, at a point, the value and the bits of their largest
    affine piece.

    >>> from exact import ReLU
    >>> violations(Layer.of([[1], [-1]], [0, 0], ReLU()), [Fraction(2)])
    0
    """
    alone = Network((Block((layer,)),))
    code = alone.code(point)
    values, bits = alone.affine_map(code)(point), code.bits.reshape(layer.width, -1)
    pieces = [(fraction(a), fraction(b)) for a, b in layer.activation.pieces]
    wrong = 0
    for row, offset, value, own in zip(
        layer.weight.tolist(), layer.bias.column(), values, bits, strict=True
    ):
        z = sum((w * x for w, x in zip(row, point, strict=True)), fraction(offset))
        heights = [slope * z + intercept for slope, intercept in pieces]
        best = heights.index(max(heights))  # the first of equal ones: a hinge is on above its bend
        wrong += max(heights) != value or int(own.sum()) != best
    return wrong


def _in_front(network: Network, rows: FloatArray) -> list[FloatArray]:
    """The vectors in front of every hidden layer: those behind the one before; in front of the
    first, and behind norms in between, random ones of its width.
    """
    rng, found = np.random.default_rng(0), list[FloatArray]()
    behind = [rows, *network.hidden_float(rows, activated=True)]
    for layer, before in zip(network.hidden_layers, behind[:-1], strict=True):
        fitting = before.shape[1] == layer.input_dim
        found.append(before if fitting else rng.standard_normal((len(rows), layer.input_dim)))
    return found


# ---- soft codes


def soft_finding(subject: str, network: Network, rows: Callable[[], FloatArray]) -> Finding:
    """Of a smooth network itself; of another with GELU, its tanh form and SiLU in place of its
    activations.
    """
    given = rows()
    asked = wrong = 0
    worst = 0.0
    for twin in smooth_twins(network):
        gates, output = soft_errors(twin, given)
        asked += gates.size + output.size
        wrong += int((gates > ROUNDING).sum() + (output > ROUNDING).sum())
        worst = max(worst, float(gates.max()), float(output.max()))
    value = (
        f"{wrong} of {asked} gates and outputs are off by more than rounding, at most {worst:.1g}"
    )
    data: dict[str, JSON] = {"compared": asked, "violations": wrong, "worst_float": worst}
    return SOFT.finding(subject, Estimate.exactly(wrong), value=value, data=data)


def smooth_twins(network: Network) -> list[Network]:
    """The network where all hidden activations are smooth ones whose gate is known; else the same
    weights with each of these.
    """
    hidden = network.hidden_layers
    if all(isinstance(layer.activation, GELU | SiLU) for layer in hidden):
        return [network]
    return [_with_activation(network, smooth) for smooth in (GELU(), GELU("tanh"), SiLU())]


def _with_activation(network: Network, activation: Smooth) -> Network:
    blocks = []
    for block in network.blocks:
        layers = [replace(one, activation=activation) if one.bits else one for one in block.layers]
        blocks.append(replace(block, layers=tuple(layers)))
    return Network(tuple(blocks))


def gate(activation: Activation, z: FloatArray) -> FloatArray:
    """The probability of the piece z, against the piece 0, in closed form.

    >>> gate(SiLU(), np.array([0.0])).tolist(), gate(GELU(), np.array([0.0])).tolist()
    ([0.5], [0.5])
    """
    if isinstance(activation, SiLU):
        pieces = np.exp(np.stack([z, np.zeros_like(z)]) - np.maximum(z, 0.0))
        return np.asarray(pieces[0] / pieces.sum(axis=0))
    if isinstance(activation, GELU) and activation.approximate == "tanh":
        return np.asarray(expit(2 * math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))
    return np.asarray(ndtr(z))


def soft_errors(network: Network, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How far the soft codes are from closed form, and the outputs of all hidden layers from the
    mean of their pieces, relative to the largest of each.
    """
    found, gates = soft_codes(network, rows), list[FloatArray]()
    apart = list[FloatArray]()
    for layer, z, y in zip(
        network.hidden_layers,
        network.hidden_float(rows),
        network.hidden_float(rows, activated=True),
        strict=True,
    ):
        own = gate(layer.activation, z)
        gates.append(own)
        mean = own * z + (1 - own) * 0.0
        apart.append(np.abs(mean - y) / (np.abs(y).max() or 1.0))
    return np.abs(np.hstack(gates) - found.gates_float), np.hstack(apart)


# ---- figures


def _figure(subject: Subject, seed: int) -> Figure:
    caption = (
        f"{subject.name}: soft codes on the way from one input to another, of the neurons of the "
        "first layer whose soft codes change most; a vertical line stands where the hard code of "
        "the neuron changes, exactly. A hard code would be a step there."
    )
    return Figure("soft-codes", caption, partial(_draw, subject, seed))


def _draw(subject: Subject, seed: int) -> Canvas:
    from viz import style

    rows = _rows(subject, seed)
    far = rows[int(np.linalg.norm(rows - rows[0], axis=1).argmax())]
    if not np.ptp(far - rows[0]) and not (far - rows[0]).any():
        raise Degenerate("all inputs are one point", value=len(rows), remedy="take others")
    twin = smooth_twins(_network(subject))[0]
    first = twin.up_to_layer(1)
    ways = np.linspace(0, 1, 201)
    gates = soft_codes(first, rows[0] + ways[:, None] * (far - rows[0])).gates_float
    chosen = np.argsort(-np.ptp(gates, axis=0), kind="stable")[:SHOWN]
    batch = partition_lines(first.relu_ised(), rows[:1], far[None])
    places = dict(zip(batch.rows.tolist(), batch.alphas_float(0).tolist(), strict=True))
    with style.house():
        figure: Canvas
        figure, ax = style.figure(6.4, 4.2)
        for rank, neuron in enumerate(chosen.tolist()):
            colour = style.series_colour(rank)
            ax.plot(ways, gates[:, neuron], color=colour, label=f"neuron {neuron}", lw=style.LINE)
            if neuron in places:
                ax.axvline(places[neuron], color=colour, lw=style.THIN, linestyle=":")
        ax.set(xlabel="from one input to the other", ylabel="soft code", ylim=(-0.02, 1.02))
        kind = twin.hidden_layers[0].activation
        style.headline(ax, "Soft codes on the way between two inputs", f"{kind}, dotted: hard")
        style.key(figure, ax.get_legend_handles_labels()[0], columns=3)
        return figure


QUESTION = Question(
    CLAIM,
    "Is a layer the largest of affine pieces?",
    ask,
    (LARGEST, SOFT),
    fits=fits,
    needs="a hidden layer",
    text=texts.POLYTOPE_LENS,
    asked="The text describes a layer of ReLUs as a max-affine spline operator, which takes for "
    "each neuron the larger of two affine functions, and says that smooth activations replace the "
    "code of zeros and ones by probabilities that weigh the affine functions.",
    controls="Both are theorems, and what fails is the code. The largest piece is found in plain "
    "fractions, and soft codes by closed forms that the instrument does not use.",
)
