"""Functions of a few coordinates carried through a network, one hidden layer after the other.

A function is a row of integers over the basis, all over one scale; the constant 1 is such a row,
too. In front of a norm the basis are the coordinates. Behind it one more stands last, the root N of
the form that the norm divides by: `gain P x / (N + eps) + bias`, and what is divided by (N + eps)
counts as multiplied by it, since only signs matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from exact.check.functions.pencils import Form
from exact.check.network import Block, Layer, Network, Norm, dot
from exact.check.records import Integers, Rejected, Values


@dataclass(frozen=True)
class Stage:
    """In front of layer `layer` of block `block`: its input, column by column, `one` the constant 1
    in the same columns.

    Both are over `scale` in front of the norm; the input of the block, `outside`, is over that
    divided by `factor`.
    """

    inner: list[Integers]
    one: Integers
    outside: list[Integers]
    scale: int
    factor: int = 1
    block: int = 0
    layer: int = 0
    form: Form | None = None
    z: list[Integers] = field(default_factory=list)
    hinges: tuple[Values, ...] = ()


class Stages:
    """The hinge functions of every hidden layer, for the bits of the layers before it; the last
    chain of them is kept.
    """

    def __init__(
        self,
        network: Network,
        columns: list[Integers],
        one: Integers,
        scale: int,
        form: Form | None,
    ) -> None:
        self.network = network
        self.sizes = [len(layer.bends) * len(layer.weight) for layer in network.bent]
        self._start = Stage(columns, one, columns, scale, form=form)
        self._chain = list[tuple[tuple[bool, ...], Stage]]()
        if self.sizes:
            self._chain.append(((), self._settle(self._start)))

    @property
    def form(self) -> Form | None:
        """The form under the root in front of the first hidden layer; without hidden layers that of
        the first norm.
        """
        return self._chain[0][1].form if self._chain else self._settle(self._start).form

    def at(self, layer: int, bits: Sequence[bool]) -> Stage:
        """The stage of hidden layer `layer` on the piece with these bits (of the layers before it,
        or more).
        """
        ends = [sum(self.sizes[:k]) for k in range(layer + 1)]
        for k in range(1, layer + 1):
            prefix = tuple(bits[: ends[k]])
            if len(self._chain) > k and self._chain[k][0] == prefix:
                continue
            del self._chain[k:]
            self._chain.append((prefix, self._after(self._chain[k - 1][1], prefix[ends[k - 1] :])))
        return self._chain[layer][1]

    def _after(self, stage: Stage, bits: Sequence[bool]) -> Stage:
        """The next stage, behind the pieces that the bits choose."""
        layer = self.network.blocks[stage.block].layers[stage.layer]
        if not layer.pieces:
            raise Rejected("network: a hidden layer stands behind a smooth activation")
        count = len(layer.bends)
        places = [sum(bits[j * count : (j + 1) * count]) for j in range(len(layer.weight))]
        return self._settle(_piecewise(stage, layer, places))

    def _settle(self, stage: Stage) -> Stage:
        """Go on to the next hidden layer, through norms and affine layers; where there is none, to
        the first norm.
        """
        while True:
            if not self.sizes and (
                stage.form is not None or stage.block == len(self.network.blocks)
            ):
                return stage
            block = self.network.blocks[stage.block]
            if stage.layer == len(block.layers):
                stage = _leave(stage, block)
                continue
            if block.norm is not None and stage.layer == 0 and stage.inner is stage.outside:
                stage = _behind_norm(stage, block.norm)
                continue
            layer = block.layers[stage.layer]
            columns, one = _affine(stage, layer), [layer.denominator * o for o in stage.one]
            stage = replace(
                stage,
                one=one,
                scale=layer.denominator * stage.scale,
                factor=layer.denominator * stage.factor,
            )
            if layer.bends:
                return replace(stage, z=columns, hinges=_hinges(layer, columns, one))
            if layer.activation.is_identity:
                stage = replace(stage, inner=columns, layer=stage.layer + 1)
            else:
                stage = _piecewise(replace(stage, z=columns), layer, [0] * len(layer.weight))


def _piecewise(stage: Stage, layer: Layer, places: Sequence[int]) -> Stage:
    """Behind a layer, on one piece of the activation of each neuron."""
    chosen = [layer.pieces[place] for place in places]
    columns = [
        [slope * v + intercept * o for (slope, intercept), v in zip(chosen, column, strict=True)]
        for column, o in zip(stage.z, stage.one, strict=True)
    ]
    return replace(
        stage,
        inner=columns,
        one=[layer.unit * o for o in stage.one],
        scale=layer.unit * stage.scale,
        factor=layer.unit * stage.factor,
        layer=stage.layer + 1,
    )


def _affine(stage: Stage, layer: Layer) -> list[Integers]:
    if not any(stage.one) and (layer.bends or any(layer.bias) or layer.pieces[0][1]):
        raise Rejected(
            "network: a bias or a hidden layer in front of the norm, where directions have no scale"
        )
    return [
        [dot(row, column) + b * o for row, b in zip(layer.weight, layer.bias, strict=True)]
        for column, o in zip(stage.inner, stage.one, strict=True)
    ]


def _hinges(layer: Layer, columns: list[Integers], one: Integers) -> tuple[Values, ...]:
    return tuple(
        tuple(layer.unit * v - bend * o for v, o in zip(values, one, strict=True))
        for values in zip(*columns, strict=True)
        for bend in layer.bends
    )


def _leave(stage: Stage, block: Block) -> Stage:
    inner = stage.inner
    if block.residual:
        if block.norm is not None:
            raise Rejected("network: a hidden layer follows a skip connection around a norm")
        inner = [
            [stage.factor * x + y for x, y in zip(*pair, strict=True)]
            for pair in zip(stage.outside, inner, strict=True)
        ]
    return Stage(inner, stage.one, inner, stage.scale, block=stage.block + 1, form=stage.form)


def _behind_norm(stage: Stage, norm: Norm) -> Stage:
    if stage.form is not None:
        raise Rejected(
            "network: a hidden layer stands behind two norms, or behind a norm on a sphere of "
            "given radius"
        )
    n, share, under, beside = len(norm.gain), norm.share, norm.under, norm.beside
    centred = norm.project(stage.inner)
    weight = share * share * n * under.numerator
    matrix = tuple(
        tuple(
            under.denominator * dot(u, v) + weight * a * b
            for v, b in zip(centred, stage.one, strict=True)
        )
        for u, a in zip(centred, stage.one, strict=True)
    )
    top, bottom = beside.numerator, beside.denominator
    columns = [
        [
            bottom * g * x + b * share * top * o
            for g, x, b in zip(norm.gain, column, norm.bias, strict=True)
        ]
        for column, o in zip(centred, stage.one, strict=True)
    ]
    columns.append([share * bottom * stage.scale * b for b in norm.bias])
    one = [
        norm.denominator * share * x for x in (*(top * o for o in stage.one), bottom * stage.scale)
    ]
    unit = (share * stage.scale) ** 2 * n * under.denominator
    return replace(
        stage,
        inner=columns,
        one=one,
        form=Form(matrix, unit, under + beside == 0 or not any(stage.one)),
    )
