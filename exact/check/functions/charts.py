"""The domains of curves and spheres: vectors that span them, and the form that is constant on a
sphere.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from exact.check.functions.pencils import Form
from exact.check.functions.stages import Stages
from exact.check.network import Layer, Network, dot
from exact.check.records import Integers, Json, Rejected, Values, get, only, scaled


@dataclass(frozen=True)
class Chart:
    """Vectors, column by column over a denominator, and the form that is 1 on a sphere of given
    radius.
    """

    columns: list[Integers]
    denominator: int
    form: Form | None
    radius_squared: Fraction | None = None

    @classmethod
    def read(cls, record: Any, dim: int, inputs: int) -> Chart:
        """Raises Rejected, too, where there is a radius that is not positive."""
        chart = Layer.chart(record, inputs, dim)
        if any(chart.bias):
            raise Rejected("domain: a chart of directions with an offset")
        columns = [list(column) for column in zip(*chart.weight, strict=True)]
        if "radius_squared" not in record:
            return cls(columns, chart.denominator, None)
        top, bottom = scaled(record["radius_squared"], 1, "domain, radius_squared")
        if top <= 0:
            raise Rejected("domain: no positive radius")
        matrix = tuple(tuple(bottom * x for x in row) for row in gram(columns))
        return cls(
            columns,
            chart.denominator,
            Form(matrix, top * chart.denominator**2, True),
            Fraction(top, bottom),
        )

    @classmethod
    def around(cls, record: Any, dim: int, inputs: int) -> Chart:
        """That of an ellipse: behind the vectors stands its centre."""
        chart = Layer.chart(record, inputs, dim)
        columns = [list(column) for column in zip(*chart.weight, strict=True)]
        return cls([*columns, list(chart.bias)], chart.denominator, None)

    @property
    def size(self) -> str:
        """Of which points a sphere or circle consists."""
        if self.radius_squared is None:
            return "of directions"
        if self.radius_squared.numerator * self.radius_squared.denominator < 10**40:
            text = str(self.radius_squared)
        else:
            text = "r"
        return f"|x|^2 = {text}"

    def begin(self, network: Network) -> Stages:
        """The network over the coefficients of the vectors and, on a sphere of given radius, the
        root of the form.
        """
        nothing = [0] * len(self.columns)
        if self.form is None:
            return Stages(network, self.columns, nothing, self.denominator, None)
        columns = [*self.columns, [0] * len(self.columns[0])]
        return Stages(network, columns, [*nothing, self.denominator], self.denominator, self.form)


@dataclass(frozen=True)
class SphereChart:
    """A sphere of dimension `dim`, on which the definite form is 1, and a network with hinges over
    (y, 1) on it.

    The root N of the form is 1 on the sphere, so that functions over (y, N) are planes there.
    """

    dim: int
    inputs: int
    form: Form
    stages: Stages
    size: str

    @classmethod
    def read(cls, header: Json, network: Network) -> SphereChart:
        record = get(header, "domain", dict, "header")
        dim = get(record, "dim", int, "domain")
        only(record, {"dim", "chart", "radius_squared"}, "domain")
        if dim < 1:
            raise Rejected("domain: no sphere")
        chart = Chart.read(record, dim + 1, network.input_dim)
        stages = chart.begin(network)
        form = stages.form
        if form is None:
            raise Rejected("domain: neither a radius, nor a norm that gives one")
        if not is_definite(form):
            raise Rejected("domain: the vectors of the chart do not span a sphere of its dimension")
        return cls(dim, network.input_dim, form, stages, chart.size)

    def __str__(self) -> str:
        return (
            f"the {self.dim}-sphere {self.size} spanned by {self.dim + 1} vectors of "
            f"R^{self.inputs}, as in the file"
        )


def gram(columns: list[Integers]) -> tuple[Values, ...]:
    """The inner products of vectors."""
    return tuple(tuple(dot(u, v) for v in columns) for u in columns)


def are_independent(columns: list[Integers]) -> bool:
    """Whether no vector is a combination of the others."""
    return is_definite(Form(gram(columns), 1, False))


def is_definite(form: Form) -> bool:
    """Whether a form is positive definite: its leading minors, by elimination without fractions."""
    rows, before = [list(row) for row in form.matrix], 1
    for k in range(len(rows)):
        pivot = rows[k][k]
        if pivot <= 0:
            return False
        for i in range(k + 1, len(rows)):
            rows[i] = [
                (pivot * x - rows[i][k] * y) // before
                for x, y in zip(rows[i], rows[k], strict=True)
            ]
        before = pivot
    return True
