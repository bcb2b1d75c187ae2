"""Both formats of certificates, and networks known by what they compute: activations and norms of
one's own among them.
"""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exact import (
    Activation,
    Block,
    Box,
    Domain,
    GreatCircle,
    GreatSphere,
    HardTanh,
    InvalidInput,
    Layer,
    Line,
    Network,
    Norm,
    RealSpace,
    ReLU,
    RMSNorm,
    Segment,
    Sphere,
    Unsupported,
    check,
    partition,
)
from exact import LayerNorm as TrueLayerNorm
from exact.arithmetic.numbers import Rational
from exact.check import FORMAT, Status
from exact.check.network import DIALECT
from exact.check.network import Network as CheckedNetwork
from exact.partition import ENGINES
from exact.regions import certificate as certificates
from exact.regions.engine import Problem
from tests.exact import own_parts, round_jobs
from tests.exact import test_check as flat_jobs
from tests.exact.forgeries import Record, numbers, records_of, verdict, written
from tests.exact.own_parts import Contrast, Doubled, Pieced, Shrink

OLD = Path(__file__).parent / "certificates_of_format_1"
# as the program printed them when it wrote these files: sha256 of the network, digest of the codes,
# regions
TOLD = {
    "circle": (
        "c5320a8e5dcd8fe74f3412dc2cf8208a74947a975f3ab5088e1602f7ed7492d6",
        "265554c6d40ca0c2c3254b79ea1c12ad6e42a6b94f47d5f2a763c792502f04b1",
        10,
    ),
    "codes": (
        "110f54a074f8b3cdd01f69c1b51df57cbad2fdf0659352f013e1509a27c93dc1",
        "b23ff1cffad6315f200236094450dedf1b3eae31a474d1a85542555c2903c41e",
        7,
    ),
    "complex": (
        "68dfb64f0ada840aa07cfd4bc76c5b7b6c99935e9742a4878a2ad483b9492cb4",
        "1ebcaf5a2ed794f3fbe4a86c8e2792f84faeff2cbc533ca22cff82e173c49357",
        12,
    ),
    "curve": (
        "595ca3b4ada735f312570bf5dc9cb0ca08214f5b65ad1fa62fc3b947856c4165",
        "552fbfec41cd98fb766dc9232291878294c0cf8f234a394a42d0fb8ac4503be6",
        2,
    ),
    "facets": (
        "b95fdd60341cfaee9717e8dce413ebe48e549c911df528b4869e6cbe6c752f06",
        "37e403ff1a387c78a0849bcc897e01f4ebdb3403113105fa672fcb4b73902f7e",
        7,
    ),
    "flat": (
        "d9dfae85ca47bb6c51fa1427d5b7c0ffa1513ef38b3e7bdfe523f8863c7c0956",
        "b1119840e7cbe62ace20e2428ccd74e29e6e42182dc60c81235197a66ab284b9",
        0,
    ),
    "nowhere": (
        "d9dfae85ca47bb6c51fa1427d5b7c0ffa1513ef38b3e7bdfe523f8863c7c0956",
        "b1119840e7cbe62ace20e2428ccd74e29e6e42182dc60c81235197a66ab284b9",
        0,
    ),
    "sphere": (
        "5f1f6ed644a172721b76e572e5fa1295b22b9e90e3ef144c35466fbe0799e155",
        "4088aa97fa66e12fd8294329de04b694e1c9bfc27132b0f960af827b29a15779",
        8,
    ),
    "thirds": (
        "697695021ae1c538b7ded8693fba590f6f9bcc77d3efa6125e0f848ac6c33bdf",
        "8c1f57e53d9b351b320a68bc84caf13b7dbd0e85455c2d8d27f6825897d4d00d",
        11,
    ),
}
SECOND = Path(__file__).parent / "certificates_of_format_2"
TOLD_SECOND = {
    "complex": (
        "2cfe0813e9dad3991819d7d3878b11e99dcc87bf1c2c21b9e6365531aaedda4d",
        "1ebcaf5a2ed794f3fbe4a86c8e2792f84faeff2cbc533ca22cff82e173c49357",
        12,
    ),
    "space": (
        "a1ab5af23db558b168449d312f129b37a43dc09f0aaabebd0a71978dd7d63b9b",
        "37e403ff1a387c78a0849bcc897e01f4ebdb3403113105fa672fcb4b73902f7e",
        7,
    ),
    "facets": (
        "8c45508a30410d8cd613654820c4db4bb9551049d924053bf8b7a3f280b1006e",
        "37e403ff1a387c78a0849bcc897e01f4ebdb3403113105fa672fcb4b73902f7e",
        7,
    ),
    "bounded": (
        "5940b54b94faa3664fc723d6d0ef852075fe99aa53f50e945ed0a9f506cec652",
        "fbabc743b67446c0ecda70f05fded2a694733d6fea0d478a6e001466a6c48c74",
        8,
    ),
    "circle": (
        "abb59656a5ecdb2aebf4997bf04d2add0ad48c65d0c767dfa4816ad51c4a6f52",
        "265554c6d40ca0c2c3254b79ea1c12ad6e42a6b94f47d5f2a763c792502f04b1",
        10,
    ),
    "sphere": (
        "0274a3efda4da8574cf25b3a3e1a8c1bdca82b3087889fa8292be60a5a56e42f",
        "4088aa97fa66e12fd8294329de04b694e1c9bfc27132b0f960af827b29a15779",
        8,
    ),
}
NETWORKS = {
    "circle": round_jobs.CURVES["norm, n = 3"][0],
    "codes": round_jobs.OCTAHEDRON,
    "complex": flat_jobs.MIXED,
    "curve": round_jobs.CURVES["undefined"][0],
    "facets": flat_jobs.SMOOTH,
    "flat": flat_jobs.DEEP,
    "nowhere": flat_jobs.DEEP,
    "sphere": round_jobs.SPHERES["norm, n = 4"][0],
    "thirds": round_jobs.CODES["of thirds"][0],
}


def old(name: str) -> list[Record]:
    return records_of((OLD / f"{name}.jsonl").read_bytes().splitlines(keepends=True))


# ---- the first format


@pytest.mark.parametrize("name", TOLD)
def test_certificates_of_the_first_format_are_verified(name: str) -> None:
    """With the sha256 that they bear; the verdict names the network as it is known today, too."""
    answer = check.verify_file(OLD / f"{name}.jsonl")
    assert (answer.status, answer.named_sha256, answer.digest, answer.regions) == (
        Status.COMPLETE,
        *TOLD[name],
    )
    assert answer.network_sha256 == NETWORKS[name].sha256 != answer.named_sha256


@pytest.mark.parametrize("name", TOLD_SECOND)
def test_certificates_of_the_second_format_are_verified(name: str) -> None:
    """As the program printed of them, and as lists of regions whose last cell is left out."""
    answer = check.verify_file(SECOND / f"{name}.jsonl")
    assert (answer.status, answer.named_sha256, answer.digest, answer.regions) == (
        Status.COMPLETE,
        *TOLD_SECOND[name],
    )
    assert answer.network_sha256 == answer.named_sha256
    lines = (SECOND / f"{name}.jsonl").read_bytes().splitlines(keepends=True)
    assert verdict(records_of([*lines[:-2], b"{}\n"])).status is Status.REJECTED


@pytest.mark.parametrize("name", TOLD)
def test_weights_changed_under_an_old_name(name: str) -> None:
    records = old(name)
    layer = records[0]["network"]["blocks"][0]["layers"][0]
    layer["rows"][0] = written([x + 1 for x in numbers(layer["rows"][0])])
    assert (
        verdict(records).reason == "header: network_sha256 is not that of the weights in the file"
    )


@pytest.mark.parametrize(
    "activation",
    [
        "Step()",
        "HardTanh(lo=1, hi=1)",
        "LeakyReLU(slope=1/0)",
        "ReLU() ",
        "",
        None,
        7,
        "Identity()\u0661",
        "LeakyReLU(slope=" + "1" * 5000 + ")",
        {"unit": "1", "bends": "0", "pieces": ["0 0", "1 0"]},
    ],
)
def test_names_that_the_first_format_has_not(activation: object) -> None:
    records = old("complex")
    records[0]["network"]["blocks"][0]["layers"][0]["activation"] = activation
    assert "activation" in verdict(records).reason


@pytest.mark.parametrize(
    "change", [{"eps": "-1 3"}, {"eps_rule": "none"}, {"name": "BatchNorm"}, {"projection": "mean"}]
)
def test_norms_that_the_first_format_has_not(change: dict[str, str]) -> None:
    records = old("curve")
    records[0]["network"]["blocks"][0]["norm"].update(change)
    assert "block 0, norm: " in verdict(records).reason


def test_each_format_has_its_own_network() -> None:
    new = records_of(certificates.of(flat_jobs.found("complex", "mixed")))
    for records, name in ((old("complex"), FORMAT), (new, "exactlens-certificate-1")):
        records[0]["format"] = name
        assert "activation is missing, or not of type" in verdict(records).reason
    new[0]["format"] = "exactlens-certificate-4"
    with pytest.raises(check.InvalidInput, match="got another format"):
        verdict(new)


def test_a_domain_without_inside_was_empty() -> None:
    """The point (0, 1) is on all three walls: no region in the first format, of the inside; a point
    in the second.
    """
    assert old("flat")[0]["domain"]["walls"] == ["1 1 -1", "-1 0 0", "0 -1 1"]
    said = "no point is strictly inside all walls; the closed domain may have points"
    assert check.verify_file(OLD / "flat.jsonl").reason == said
    assert (
        check.verify_file(OLD / "nowhere.jsonl").reason
        == "the domain has no point, not even on the walls"
    )
    new = records_of(
        certificates.of(partition(flat_jobs.DEEP, flat_jobs.NOWHERE, engine="lp_tree"))
    )
    assert verdict(new).status is Status.COMPLETE
    new[0]["domain"]["walls"] = old("flat")[0]["domain"]["walls"]
    assert (
        verdict(new).reason
        == "header, empty: the multipliers do not prove that the domain has no point"
    )


@pytest.mark.parametrize(
    ("walls", "multipliers"),
    [
        (["1 1 -1", "-1 0 0", "0 -1 2"], "1 1 1"),
        (["1 1 -1", "-1 0 0", "0 -1 1"], "0 0 0"),
        ([], ""),
        (["1 1 -1", "-1 0 0", "0 -1 1"], "2 1 1"),
        (["1 1 -1", "1 1 -1"], "1 -1"),
    ],
)
def test_forged_proofs_that_a_domain_was_empty(walls: list[str], multipliers: str) -> None:
    """A triangle; no multiplier; one too large; a negative one."""
    records = old("flat")
    records[0]["domain"]["walls"], records[0]["empty"] = walls, multipliers
    assert (
        verdict(records).reason
        == "header, empty: the multipliers do not prove that the domain has no point"
    )


def test_the_wall_that_emptied_the_domain() -> None:
    """In the first format too: a cell left out, and a wall that all its faces lie in."""
    records = old("complex")
    parts = flat_jobs.sections(records)
    del parts[-1][0]
    forged = flat_jobs.without_unused(records[0], parts)
    assert "a region is missing" in verdict(forged).reason
    forged[0]["domain"]["walls"].append("0 0 0")
    assert (
        verdict(forged).reason
        == "domain, wall 4: no point is strictly inside it, and regions are listed"
    )


# ---- activations of one's own


def net(dim: int, activation: Activation, *widths: int) -> Network:
    rng, made, inputs = np.random.default_rng(0), list[Layer](), dim
    for width in widths:
        made.append(
            Layer.of(rng.integers(-2, 3, (width, inputs)), rng.integers(-2, 3, width), activation)
        )
        inputs = width
    return Network((Block((*made, Layer.of(rng.integers(-2, 3, (1, inputs)), [0]))),))


DOMAINS: list[tuple[int, Domain]] = [
    (1, Line([0], [1])),
    (2, Box(-2, 2, dim=2)),
    (2, RealSpace(2)),
    (2, Segment([-2, 1], [2, 0])),
    (2, Sphere(2)),
    (2, GreatCircle([1, 0], [0, 1], radius_squared=2)),
    (3, Box(-1, 1, dim=3)),
    (3, Sphere(2)),
    (4, Sphere(2)),
]


@pytest.mark.parametrize(("dim", "domain"), DOMAINS)
def test_an_activation_of_ones_own_is_proved_by_every_engine(dim: int, domain: Domain) -> None:
    """Three pieces, none of them that of a known name."""
    network = net(dim, Shrink(), 2, 2) if dim < 3 else net(dim, Shrink(), 3)
    counts, named = set[tuple[str, int]](), False
    for engine in ENGINES:
        if engine.refusal(Problem(network, domain)) is None:
            own = partition(network, domain, engine=engine.name)
            answer = own.check()
            assert (answer.status, answer.network_sha256) == (Status.COMPLETE, network.sha256), (
                engine.name
            )
            counts.add((answer.digest, answer.regions))
            named |= "Shrink" in json.dumps(records_of(certificates.of(own))[0]["network"])
    # cells, and codes
    assert len(counts) == (1 if dim != 3 or not isinstance(domain, Sphere) else 2)
    assert not named


def test_an_activation_without_bends_is_applied() -> None:
    """2 z + 1, or z / 3: no bit, but other maps and other hinges behind it."""
    for slope, constant in ((2, 1), (Fraction(1, 3), 0), (0, -1)):
        affine = Pieced((), ((Rational(*Fraction(slope).as_integer_ratio()), Rational(constant)),))
        first, second = (
            Layer.of([[1, 1], [1, -1]], [0, 1], affine),
            Layer.of([[1, 2], [-1, 1]], [1, 0], ReLU()),
        )
        network = Network((Block((first, second, Layer.of([[1, 1]], [0], affine))),))
        for domain in (
            Box(-2, 2, dim=2),
            Segment([-2, 1], [2, 0]),
            GreatCircle([1, 0], [0, 1], radius_squared=2),
        ):
            for engine in ("lp_tree", "facet_walk", "circle", "nested_roots"):
                if (
                    next(e for e in ENGINES if e.name == engine).refusal(Problem(network, domain))
                    is None
                ):
                    assert (
                        partition(network, domain, engine=engine).check().status is Status.COMPLETE
                    ), engine
        records = records_of(
            certificates.of(partition(network, Box(-2, 2, dim=2), engine="lp_tree"))
        )
        records[0]["network"]["blocks"][0]["layers"][0]["activation"] = {
            "unit": "1",
            "bends": "",
            "pieces": ["1 0"],
        }
        records[0]["network_sha256"] = CheckedNetwork.read(records[0]["network"], DIALECT).sha256
        assert verdict(records).status is Status.REJECTED


JUMPS = {
    "a jump": ((0,), ((0, 0), (0, 1))),
    "bends that do not ascend": ((1, 0), ((0, 0), (0, 0), (0, 0))),
    "a bend twice": ((0, 0), ((0, 0), (1, 0), (2, 0))),
    "a piece too few": ((0, 1), ((0, 0), (1, 0))),
    "a piece too many": ((0,), ((0, 0), (1, 0), (1, 0))),
}


@pytest.mark.parametrize("name", JUMPS)
def test_an_activation_that_breaks_its_promise_has_no_certificate(name: str) -> None:
    bends, pieces = JUMPS[name]
    activation = Pieced(
        tuple(map(Rational, bends)), tuple((Rational(a), Rational(b)) for a, b in pieces)
    )
    assert not activation.is_continuous
    own = flat_jobs.found("facets", "cross")
    layers = own.network.blocks[0].layers
    if name != "a jump":  # of which no layer is made
        with pytest.raises(InvalidInput, match=r"do not ascend|do not fit its breakpoints"):
            replace(layers[0], activation=activation)
        return
    network = Network((Block((replace(layers[0], activation=activation), *layers[1:])),))
    object.__setattr__(own := copy.copy(own), "network", network)
    with pytest.raises(Unsupported, match="such an activation has no certificate; got Pieced"):
        list(certificates.of(own))


ACTIVATION = ["network", "blocks", 0, "layers", 0, "activation"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"pieces": ["0 0", "1 1"]}, "two pieces do not meet at the bend"),
        ({"bends": "1"}, "two pieces do not meet"),
        ({"bends": "0 0", "pieces": ["0 0", "1 0", "0 0"]}, "bends that do not ascend"),
        ({"bends": "1 0", "pieces": ["0 0", "0 0", "0 0"]}, "bends that do not ascend"),
        ({"pieces": ["0 0"]}, "not a list of 2 entries"),
        ({"pieces": ["0 0", "1"]}, "1 integers where 2 belong"),
        ({"pieces": []}, "not a list of 2 entries"),
        ({"unit": "0"}, "not positive"),
        ({"unit": "-1"}, "not positive"),
        ({"smooth": "SiLU()"}, "there is no entry pieces"),
        ({"name": "ReLU()"}, "there is no entry name"),
        ({"pieces": None, "smooth": ""}, "there is no entry pieces"),
        ({"bends": None}, "bends is missing"),
        ({"unit": None}, "unit is missing"),
    ],
)
def test_activations_that_are_none(changes: dict[str, Any], said: str) -> None:
    records = flat_jobs.honest("complex", "deep")
    records[0]["network"]["blocks"][0]["layers"][0]["activation"].update(changes)
    assert said in verdict(records).reason


@pytest.mark.parametrize(
    ("bends", "name"), [("", "SiLU()"), ("0", ""), ("0", None), ("0 0", "SiLU()")]
)
def test_smooth_activations_that_are_none(bends: str, name: object) -> None:
    records = flat_jobs.honest("facets", "smooth")
    place = records[0]["network"]["blocks"][0]["layers"][1]
    assert place["activation"] == {"unit": "1", "bends": "0", "smooth": "GELU(approximate='none')"}
    place["activation"] = {"unit": "1", "bends": bends, "smooth": name}
    assert "block 0, layer 1, activation: " in verdict(records).reason


def test_a_hidden_layer_behind_a_smooth_one() -> None:
    records = flat_jobs.honest("facets", "smooth")
    records[0]["network"]["blocks"][0]["layers"][0]["activation"] = {
        "unit": "1",
        "bends": "0",
        "smooth": "SiLU()",
    }
    assert verdict(records).reason == "network: a hidden layer stands behind a smooth activation"


def test_networks_are_known_by_what_they_compute() -> None:
    """Not by the names of classes; a smooth activation by its name, since nothing else tells it."""
    relu = Pieced((Rational(0),), ((Rational(0), Rational(0)), (Rational(1), Rational(0))))
    zero, one = Rational(0), Rational(1)
    clipped = Pieced((-one, one), ((zero, -one), (one, zero), (zero, one)))
    assert net(2, relu, 2).sha256 == net(2, ReLU(), 2).sha256
    assert net(2, clipped, 2).sha256 == net(2, HardTanh(), 2).sha256 != net(2, ReLU(), 2).sha256


# ---- norms of one's own


def normed(norm: Norm) -> Network:
    rng = np.random.default_rng(1)
    first = Layer.of(rng.integers(-2, 3, (4, norm.dim)), rng.integers(-2, 3, 4), ReLU())
    return Network((Block((first, Layer.of(np.ones((1, 4)))), norm=norm),))


@pytest.mark.parametrize(
    ("dim", "domain"),
    [
        (3, Sphere()),
        (4, Sphere()),
        (5, Sphere()),
        (7, Sphere()),
        (4, Segment([1, 0, 2, 0], [0, 1, -1, 3])),
        (5, GreatCircle([1, 0, 2, 0, 1], [0, 1, -1, 3, 0])),
        (6, GreatSphere(*np.eye(6, dtype=int)[::2].tolist())),
    ],
)
@pytest.mark.parametrize("rule", ["var", "std"])
def test_a_norm_of_ones_own_is_proved_by_every_engine(dim: int, domain: Domain, rule: Any) -> None:
    rng = np.random.default_rng(2)
    norm = Contrast.of(
        Fraction(1, 1000), rng.integers(1, 4, dim), rng.integers(-1, 2, dim), eps_rule=rule
    )
    network, tried = normed(norm), 0
    for engine in ENGINES:
        if engine.refusal(Problem(network, domain)) is None:
            answer = partition(network, domain, engine=engine.name).check()
            assert (answer.status, answer.network_sha256) == (Status.COMPLETE, network.sha256), (
                engine.name
            )
            tried += 1
    assert tried >= 2


def test_a_norm_is_known_by_its_projection() -> None:
    false, true = own_parts.LayerNorm.of(dim=3), TrueLayerNorm.of(dim=3)
    assert normed(false).sha256 == normed(RMSNorm.of(dim=3)).sha256 != normed(true).sha256
    assert normed(Contrast.of(dim=3)).sha256 not in (normed(false).sha256, normed(true).sha256)
    for norm, said in ((false, "identity"), (true, "mean")):
        own = partition(normed(norm), Segment([1, 0, 2], [0, 1, -1]))
        assert (
            records_of(certificates.of(own))[0]["network"]["blocks"][0]["norm"]["projection"]
            == said
        )
        assert own.check().status is Status.COMPLETE


def test_a_norm_that_projects_on_nothing_is_refused_before_any_certificate() -> None:
    with pytest.raises(check.InvalidInput, match="of the norm Doubled is no orthogonal projection"):
        Doubled.of(dim=3)


# ---- networks without hinges


def test_networks_of_no_hinge() -> None:
    affine = Network((Block((Layer.of([[1, 2, 3]], [3]),)),))
    for own, regions in (
        (partition(affine, Box(-1, 1, dim=3)), 1),
        (partition(affine, Segment([0, 0, 0], [1, 1, 1])), 1),
        (partition(affine, Sphere(1)), 1),
        (partition(affine, GreatCircle([1, 0, 0], [0, 1, 0], radius_squared=1)), 1),
    ):
        answer = own.check()
        assert (answer.status, answer.regions) == (Status.COMPLETE, regions)
