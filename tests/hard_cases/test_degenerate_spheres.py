"""Degenerate spheres: circles that touch, nearly touch or coincide beyond floats, extreme scales,
and nothing to cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pytest

from exact import (
    Box,
    Budget,
    GreatSphere,
    InvalidInput,
    Outcome,
    Partition,
    Sphere,
    Unsupported,
    partition,
)
from exact.networks.layers import Block, Layer
from exact.networks.network import Network
from exact.networks.norms import LayerNorm, RMSNorm
from exact.sources import tensors
from tests.hard_cases.test_degenerate import planes
from tests.truths import sphere_files, sphere_oracle
from tests.truths.engines import DEEP_ON_SPHERES, ON_SPHERES, ON_THREE_SPHERES, ON_TWO_SPHERES
from tests.truths.sphere_files import SphereTruth

Rows = Sequence[Sequence[object]]
two_spheres = pytest.mark.parametrize("engine", ON_TWO_SPHERES)


def sphere(rows: Rows, squared: object, engine: str) -> Partition:
    return partition(planes(rows), Sphere(squared), engine=engine)


def codes(found: Partition) -> list[str]:
    return sorted({str(region.code) for region in found.regions})


def counts(found: Partition) -> tuple[int, int]:
    return found.code_count, found.cell_count


def vertex_count(found: Any) -> int | None:
    """None for results that are codes and no complex."""
    return found.complex.vertex_count if hasattr(found, "complex") else None


# --- nearly degenerate
# ------------------------------------------------------------------------------------------------

BITS = [50, 60, 200, 1000]


@two_spheres
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize(
    ("side", "expected", "vertices"), [(-1, (4, 4), 2), (0, (3, 3), 1), (1, (3, 3), 0)]
)
def test_circles_that_nearly_touch(
    engine: str, bits: int, side: int, expected: tuple[int, int], vertices: int
) -> None:
    """x = 1 and y = 1 + gap on |x|^2 = 2: the circles of x = 1 and y = 1 touch in (1, 1, 0)."""
    found = sphere([[1, 0, 0, -1], [0, 1, 0, -1 - Fraction(side, 2**bits)]], 2, engine)
    assert counts(found) == expected
    assert vertex_count(found) in (vertices, None)


@two_spheres
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize(("side", "expected"), [(-1, (2, 2)), (0, (1, 1)), (1, (1, 1))])
def test_planes_that_nearly_touch_the_sphere(
    engine: str, bits: int, side: int, expected: tuple[int, int]
) -> None:
    for sign in (1, -1):
        found = sphere(
            [[sign, 2 * sign, -2 * sign, -sign * (3 + Fraction(side, 2**bits))]], 1, engine
        )
        assert counts(found) == expected


@two_spheres
@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize(
    ("side", "expected", "vertices"), [(-1, (7, 8), 6), (0, (6, 6), 2), (1, (7, 8), 6)]
)
def test_three_circles_through_irrational_points(
    engine: str, bits: int, side: int, expected: tuple[int, int], vertices: int
) -> None:
    """x = 1/3, y = 1/5 and their sum on |x|^2 = 1 share two points of irrational height; a gap
    opens two triangles.
    """
    third, fifth = Fraction(1, 3), Fraction(1, 5)
    rows = [
        [1, 0, 0, -third],
        [0, 1, 0, -fifth],
        [1, 1, 0, -third - fifth + Fraction(side, 2**bits)],
    ]
    found = sphere(rows, 1, engine)
    assert counts(found) == expected
    assert vertex_count(found) in (vertices, None)


@two_spheres
@pytest.mark.parametrize("bits", BITS)
def test_bands_narrower_than_floats_tell(engine: str, bits: int) -> None:
    heights = [Fraction(1, 3) + Fraction(k, 2**bits) for k in range(-2, 3)]
    found = sphere([[1, 1, 1, -h] for h in heights], 5, engine)
    assert counts(found) == (6, 6)
    assert codes(found) == ["00000", "10000", "11000", "11100", "11110", "11111"]


@two_spheres
def test_a_band_between_opposite_planes_that_nearly_coincide(engine: str) -> None:
    """Above both planes, below both, and the band where both are on, or both off."""
    gap = Fraction(1, 2**200)
    for side, middle in ((1, "11"), (-1, "00")):
        found = sphere([[1, 2, 3, side * gap], [-1, -2, -3, side * gap]], 7, engine)
        assert codes(found) == sorted(["10", "01", middle])
        assert found.cell_count == 3


# --- scales
# --------------------------------------------------------------------------------------------------


@two_spheres
@pytest.mark.parametrize("scale", [1e300, 1e-300, 5e-324])
def test_scale_of_weights_and_directions(engine: str, scale: float) -> None:
    rows = [[scale, 0.0, 0.0], [0.0, -scale, scale], [scale, scale, scale]]
    network = tensors.mlp([(rows, [0.0, 0.0, -scale]), ([[1.0] * 3], [0.0])])
    reference = sphere([[1, 0, 0, 0], [0, -1, 1, 0], [1, 1, 1, -1]], 2, engine)
    for domain in (
        Sphere(2),
        GreatSphere([scale, 0, 0], [0, 1, 0], [0, scale, 1], radius_squared=2),
    ):
        assert codes(partition(network, domain, engine=engine)) == codes(reference)


@two_spheres
@pytest.mark.parametrize("squared", [Fraction(1, 10**600), Fraction(10**600), 5e-324, 1.7e308])
def test_extreme_radius(engine: str, squared: object) -> None:
    found = sphere([[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, -3, 0]], squared, engine)
    assert counts(found) == (8, 8)
    assert counts(sphere([[1, 0, 0, -1], [0, 0, 1, 1]], squared, engine)) == (
        (4, 4) if squared > 1 else (1, 1)
    )  # type: ignore[operator]


@two_spheres
def test_nearly_dependent_directions(engine: str) -> None:
    tiny = Fraction(1, 2**80)
    domain = GreatSphere([1, 1, 1], [1, 1 + tiny, 1], [1, 1, 1 - tiny], radius_squared=1)
    assert counts(
        partition(planes([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]), domain, engine=engine)
    ) == (8, 8)


# --- little or nothing to cut
# -----------------------------------------------------------------------------------------


@two_spheres
def test_no_plane_one_cell(engine: str) -> None:
    found = sphere(
        [[1, 0, 0, -2], [0, 0, 0, 1], [0, 0, 0, 0], [1, 1, 1, 5], [0, 0, -1, 2]], 3, engine
    )
    assert codes(found) == ["01011"]
    assert counts(found) == (1, 1)
    assert len(found.neighbours()) == 0


@two_spheres
@pytest.mark.parametrize("sign", [1, -1])
def test_touching_planes_are_on_or_off_throughout(engine: str, sign: int) -> None:
    """From both sides, in the poles and elsewhere; the witness avoids the touching point."""
    normals = [(1, 0, 0), (0, 0, 1), (0, -1, 0), (2, -1, 2), (-6, 3, 2)]
    lengths = [1, 1, 1, 3, 7]
    rows = [[*normal, sign * length] for normal, length in zip(normals, lengths, strict=True)]
    found = sphere(rows, 1, engine)
    assert codes(found) == ["11111" if sign > 0 else "00000"]
    truth = SphereTruth("", "", 3, (sphere_files.rows(rows),), {}, radius_squared=Fraction(1))
    assert sphere_oracle.code_at(truth, found.regions[0].witness) == (int(sign > 0),) * 5


@pytest.mark.parametrize("engine", ON_SPHERES)
def test_a_network_without_hinges(engine: str) -> None:
    for n, norm in ((3, RMSNorm.of(0, dim=3)), (4, LayerNorm.of(0, dim=4))):
        network = Network((Block((Layer.of([[1] * n]),), norm),))
        try:
            found = partition(network, Sphere(), engine=engine)
        except Unsupported:
            continue
        assert counts(found) == (1, 1)
        assert found.outcome is Outcome.COMPLETE


@two_spheres
def test_a_sphere_inside_a_plane(engine: str) -> None:
    """Planes that contain the great sphere are zero on an open set: off."""
    domain = GreatSphere([1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], radius_squared=1)
    found = partition(
        planes([[0, 0, 0, 1, 0], [0, 0, 0, -1, 0], [1, 0, 0, 1, 0], [0, 0, 0, 2, 1]]),
        domain,
        engine=engine,
    )
    assert codes(found) == ["0001", "0011"]


@two_spheres
def test_copies_flip_together(engine: str) -> None:
    found: Any = sphere(
        [[1, 2, 0, -1], [1, 2, 0, -1], [-1, -2, 0, 1], [3, 6, 0, -3], [-7, -14, 0, 7]], 1, engine
    )
    assert codes(found) == ["00101", "11010"]
    assert [hinge.neuron for hinge in found.hinges_between(0, 1)] == [0, 1, 2, 3, 4]


@two_spheres
def test_everything_collapses_behind_layer_norm(engine: str) -> None:
    """A gain with a single entry leaves parallel planes, a gain of zero leaves constants."""
    rows = [[1, 2, 3, 4, -1], [2, 0, 0, 7, 1], [0, 5, 0, 0, 1]]
    for gain, expected in (([1, 0, 0, 0], (3, 3)), ([0, 0, 0, 0], (1, 1))):
        network = tensors.block(
            [row[:-1] for row in rows],
            [row[-1] for row in rows],
            [[1, 1, 1]],
            [0],
            norm="layernorm",
            gain=gain,
            eps=0,
        )
        assert counts(partition(network, Sphere(), engine=engine)) == expected


@pytest.mark.parametrize("engine", DEEP_ON_SPHERES)
def test_boundaries_of_two_layers_that_coincide(engine: str) -> None:
    """relu(x) + relu(y) = 1 is x = 1 where y is off, on |x| = 2.

    The quadrant ++ is two sheets over a quarter disc, joined at the rim, which the corner beyond x
    + y = 1 does not reach (2 cells off); nor does the square between x + y = 1, x = 1 and y = 1. +-
    and -+ are cut in two, -- is off.
    """
    first = ([[1, 0, 0], [0, 1, 0]], [0, 0])
    second = ([[1, 1], [1, 0], [0, 1], [2, 0]], [-1, -1, -1, -2])
    found = partition(tensors.mlp([first, second, ([[1] * 4], [0])]), Sphere(4), engine=engine)
    alone = partition(
        tensors.mlp([first, (second[0][:1], second[1][:1]), ([[1]], [0])]), Sphere(4), engine=engine
    )
    assert {code[:4] for code in codes(found)} == set(codes(alone))
    assert counts(alone) == (2 + 2 + 2 + 1, 3 + 2 + 2 + 1)
    assert counts(found) == (5 + 2 + 2 + 1, 7 + 2 + 2 + 1)


@pytest.mark.parametrize("engine", DEEP_ON_SPHERES)
def test_a_second_layer_that_touches_where_the_first_bends(engine: str) -> None:
    """|x| + z = 1 on the unit sphere: in both lunes with z > 0 a circle that touches x = 0 in the
    pole, and z = 0.

    It leaves the disc and two ends of the lune; the lunes with z < 0 are off.
    """
    absolute = Layer.of(
        [[1, 0, 0], [-1, 0, 0], [0, 0, 1], [0, 0, -1]],
        [0, 0, 0, 0],
        planes([[1, 0]]).layers[0].activation,
    )
    last = Layer.of([[1, 1, 1, -1]], [-1], absolute.activation)
    found = partition(
        Network((Block((absolute, last, Layer.of([[1]]))),)), Sphere(1), engine=engine
    )
    assert found.outcome is Outcome.COMPLETE
    assert counts(found) == (2 + 2 + 1 + 1, 3 + 3 + 1 + 1)


# --- outcomes and refusals
# --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ON_SPHERES)
def test_a_budget_never_invents_a_code(engine: str) -> None:
    rows = [[1, k, k * k, (-1) ** k * k] for k in range(6)]
    whole = sphere(rows, 9, engine)
    for budget in (Budget(regions=3), Budget(seconds=0)):
        found = partition(planes(rows), Sphere(9), engine=engine, budget=budget)
        assert found.outcome is Outcome.BUDGET_REACHED or len(found) == len(whole)
        assert set(codes(found)) <= set(codes(whole))


@pytest.mark.parametrize("engine", ON_SPHERES)
def test_what_is_no_sphere_is_refused_by_name(engine: str) -> None:
    network = planes([[1, 0, 0, 0]])
    with pytest.raises(Unsupported, match=engine):
        partition(network, Box(0, 1, dim=3), engine=engine)
    with pytest.raises(InvalidInput, match="radius"):
        partition(network, Sphere(), engine=engine)


@pytest.mark.parametrize("engine", ON_THREE_SPHERES)
@pytest.mark.parametrize(("side", "expected"), [(-1, 2), (0, 1), (1, 1)])
def test_planes_that_nearly_touch_a_large_sphere(engine: str, side: int, expected: int) -> None:
    rows = [[1, 2, 4, 2, -5 * 3 - Fraction(side, 2**300)]]
    assert sphere(rows, 9, engine).code_count == expected
