"""A partition in a file says what the partition says, exactly, and a change to it is noticed."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sympy

from exact import (
    Box,
    Budget,
    GreatCircle,
    InvalidInput,
    Network,
    NotPiecewiseLinear,
    Partition,
    Ray,
    Segment,
    Sphere,
    partition,
)
from exact.networks.activations import GELU
from exact.regions.arcs.partition import CurvePartition
from exact.sources import tensors
from studies import storage

HAT = tensors.mlp([([[1], [1], [1]], [0, -1, -2]), ([[1, -2, 1]], [0])])
NORMED = tensors.block(
    [[1, 2, -1], [0, 1, 1], [2, -1, 0]], ["1/2", "-1/3", 1], [[1, 0, 1]], [0], norm="layernorm"
)


def document(found: Partition, **options: Any) -> dict[str, Any]:
    return storage.document(found, provenance={"seed": 0}, **options)


def test_a_hat_is_written_in_fractions() -> None:
    values = document(partition(HAT, Box(["-1/2"], [3])))
    regions = values["result"]["regions"]
    assert [region["code"] for region in regions] == ["000", "100", "110", "111"]
    maps = [(region["map"]["matrix"], region["map"]["offset"]) for region in regions]
    assert maps == [([["0"]], ["0"]), ([["1"]], ["0"]), ([["-1"]], ["2"]), ([["0"]], ["0"])]
    assert values["counts"] == {
        "codes": 4,
        "cells": 4,
        "regions": 4,
        "distinct_maps": 3,
        "linear_pieces": 4,
    }
    assert values["result"]["domain"] == {
        "kind": "Box",
        "text": "Box([-1/2, 3])",
        "lo": ["-1/2"],
        "hi": ["3"],
    }
    assert values["result"]["network"]["sha256"] == HAT.sha256
    assert values["how"]["engine"] == partition(HAT, Box(["-1/2"], [3])).engine
    assert values["how"]["decisions"] == partition(HAT, Box(["-1/2"], [3])).decisions != {}


def test_witnesses_lie_in_their_regions() -> None:
    values = document(partition(HAT, Box(-1, 3, dim=1)))
    bends = [0, 1, 2]
    for region in values["result"]["regions"]:
        x = Fraction(region["witness"][0])
        assert region["code"] == "".join("1" if x > bend else "0" for bend in bends)


def test_crossings_of_a_line_are_exact() -> None:
    values = document(partition(HAT, Segment([-1], ["7/2"])))["result"]
    u, v = ([Fraction(x) for x in values["curve"][name]] for name in "uv")
    found = [
        (Fraction(c["alpha"]) * u[0] + Fraction(c["beta"]) * v[0]) / Fraction(c["alpha"])
        for c in values["crossings"]
    ]
    assert found == [0, 1, 2]
    assert [crossing["flipped"] for crossing in values["crossings"]] == [
        [[1, 0, 0]],
        [[1, 1, 0]],
        [[1, 2, 0]],
    ]


def test_crossings_of_a_circle_are_exact_directions() -> None:
    found = partition(NORMED, Sphere())
    assert isinstance(found, CurvePartition)
    values = document(found)["result"]
    u, v = (sympy.Matrix([sympy.Rational(x) for x in values["curve"][name]]) for name in "uv")
    body = NORMED.folded().layers[0]
    weight = sympy.Matrix(
        body.weight.shape[0],
        3,
        [sympy.Rational(str(x)) for row in body.weight.tolist() for x in row],
    )
    for crossing, region in zip(values["crossings"], found.regions, strict=True):
        point = sympy.sympify(crossing["alpha"]) * u + sympy.sympify(crossing["beta"]) * v
        point = point * sympy.sqrt(3) / sympy.sqrt(point.dot(point))
        assert [float(x) for x in point] == pytest.approx(region.endpoints_float[0])
        for _, neuron, _ in crossing["flipped"]:
            value = (weight[neuron, :] * point)[0] + sympy.Rational(str(body.bias[neuron, 0]))
            assert sympy.simplify(value) == 0


def test_counts_that_have_no_meaning_are_left_out() -> None:
    assert "regions" not in storage.counts(partition(NORMED, Sphere()))
    assert "regions" not in storage.counts(partition(NORMED, Ray(0, [1, 2, 4])))
    assert "regions" in storage.counts(partition(HAT, Segment([-1], [3])))
    stopped = partition(HAT, Box(-1, 3, dim=1), budget=Budget(regions=2))
    assert "linear_pieces" not in storage.counts(stopped)
    assert storage.counts(stopped)["cells"] == 2


def test_linear_pieces_of_many_regions_are_counted_on_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storage, "PIECES_UP_TO", 3)
    found = partition(HAT, Box(-1, 3, dim=1))
    assert "linear_pieces" not in storage.counts(found)
    assert storage.counts(found, all_counts=True)["linear_pieces"] == 4


def test_infinity_is_text() -> None:
    values = document(partition(HAT, Ray([-1], [1])))["result"]
    assert values["regions"][-1]["end_float"] == "inf"
    json.dumps(values, allow_nan=False)


def test_a_smooth_network_has_codes_and_no_maps() -> None:
    smooth = tensors.mlp([([[1, 0], [1, 1]], [0, "1/2"]), ([[1, 1]], [0])], activation=GELU())
    found = partition(smooth, GreatCircle([1, 0], [0, 1], radius_squared=1))
    assert all("map" not in region for region in document(found, maps=False)["result"]["regions"])
    with pytest.raises(NotPiecewiseLinear):
        document(found)


def test_what_is_written_is_read_and_a_change_is_noticed(tmp_path: Path) -> None:
    path, values = tmp_path / "p.json", document(partition(HAT, Box(-1, 3, dim=1)))
    storage.write(path, values)
    assert storage.read(path) == values
    path.write_text(path.read_text().replace('"code": "100"', '"code": "101"'))
    with pytest.raises(InvalidInput, match="altered"):
        storage.read(path)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("{", "not JSON"), ("[]", "not a partition"), ('{"format": "x"}', "not a partition")],
)
def test_other_files_are_not_read(tmp_path: Path, text: str, wrong: str) -> None:
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(InvalidInput, match=wrong):
        storage.read(tmp_path / "p.json")


def test_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="JSON"):
        storage.write(path, {"x": float("nan")})
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("p.json", "old")]


def test_the_network_is_described_block_by_block() -> None:
    described = storage.document(partition(NORMED, Sphere()), provenance={})["result"]["network"]
    assert described["blocks"][0]["norm"].startswith("LayerNorm(dim=3")
    assert [layer.split()[:3] for layer in described["blocks"][0]["layers"]] == [
        ["3", "->", "3"],
        ["3", "->", "1"],
    ]
    assert isinstance(NORMED, Network)


def test_what_is_not_finite_is_null() -> None:
    values = {"a": [1.5, float("nan"), (float("inf"), "nan", 3, None, True)], "b": {"c": -1e999}}
    found = storage.finite(values)
    assert found == {"a": [1.5, None, [None, "nan", 3, None, True]], "b": {"c": None}}
    json.dumps(found, allow_nan=False)
