"""Every question on hand-made networks whose answer is known beforehand, with each of its verdicts
seen at least once.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
import torch

import toy_models.train
from exact import (
    GELU,
    Activation,
    Block,
    HardTanh,
    InvalidInput,
    Layer,
    LayerNorm,
    LeakyReLU,
    Network,
    ReLU,
)
from exact.arithmetic.enclosures.intervals import Interval
from exact.sources import tensors
from studies import asking, cli
from studies import subjects as subjects_module
from studies.enumerated_toys import random_toys
from studies.finding import Answer, Finding, Kind, Verdict, number
from studies.instruments_on_toys import INSTRUMENTS
from studies.methods import Method
from studies.methods.approximations.endpoint_hamming import endpoint_hamming
from studies.methods.approximations.sampled_regions import sampled_codes, sampled_codes_chao1
from studies.methods.approximations.stepped_hamming import stepped_hamming
from studies.methods.passes import codes_float
from studies.question import Question
from studies.questions import CORE
from studies.questions.cells import arcs_of_the_circle, cells_of_spheres, neighbouring_maps
from studies.questions.checks import instruments, referee
from studies.questions.directions import monosemantic_directions, negligible_eps, one_layer_or_two
from studies.questions.shared import nets
from studies.questions.shared.directions import directions, far_out, is_exact
from studies.questions.shared.intervals import Share, finite, percent
from studies.questions.shared.nets import Nets
from studies.questions.shared.rays import (
    affordable,
    centred,
    changes_along,
    must_live,
    random_directions,
    with_eps,
)
from studies.statistics import Degenerate
from studies.subjects import LanguageLayer, Subjects, Toy, prepare
from studies.validation.judge import Row
from studies.validation.population import Net
from toy_models import Dataset, ModelConfig, TrainConfig, fit, language, make
from toy_models.models import NormName, initialised
from toy_models.populations import Arm
from toy_models.train import Score
from toy_models.training_cache import TrainingCache

SUPPORTED, REFUTED, UNDECIDED = Verdict.SUPPORTED, Verdict.REFUTED, Verdict.UNDECIDED


def block(
    w: list[list[object]],
    b: list[object],
    norm: str | None = "layernorm",
    eps: object = 1e-5,
    **more: Any,
) -> Network:
    """One hidden layer with the identity behind it, so that different codes have different maps."""
    return tensors.block(w, b, np.eye(len(w)), np.zeros(len(w)), norm=norm, eps=eps, **more)  # type: ignore[arg-type]


SLAB = [[1, -1, 0], [-1, 1, 0]]
QUADRANTS = tensors.mlp([(np.eye(2), [0, 0]), ([[1, 1]], [0])])
# orthogonal vectors of mean zero in R^5
HELMERT = np.array([[1, -1, 0, 0, 0], [0, 0, 1, -1, 0], [1, 1, -1, -1, 0], [1, 1, 1, 1, -4]])
BEAM = [row for axis in np.eye(4)[:3] @ HELMERT for row in (axis.tolist(), (-axis).tolist())]
GENERIC = [[1, -2, 0, 3], [2, 1, -1, 0], [0, 3, 1, -1]]


# ---- 0.1


CAP = (
    1 - 1 / sympy.sqrt(6)
) / 2  # of the sphere, where |w| = sqrt(2), c = 1 and the radius sqrt(3)


@pytest.mark.parametrize(
    ("network", "share", "mean"),
    [
        (block([[1, -1, 0]], [1], None), sympy.Rational(1, 2), 0.5),
        (block([[1, -1, 0], [1, 1, -2]], [1, 1], None), sympy.Rational(3, 4), 1),
        (block([[1, -1, 0], [1, 1, -2]], [1, 0], None), sympy.Rational(1, 2), 0.5),
        (block([[1, -1, 0], [1, 1, -2]], [0, 0], None), sympy.Integer(0), 0),
        (block([[1, -1, 0], [-1, 1, 0]], [1, 1], None), sympy.Integer(1), 1),
        (block([[1, 1, 1]], [-1], None), sympy.Rational(1, 2), 0.5),
        (block([[0, 0, 0], [1, 1, 1]], [1, 0], None), sympy.Integer(0), 0),
        (block(np.eye(3).tolist(), [1, 1, 1], None), sympy.Rational(7, 8), 1.5),
        (block([[1, 0, 0]], [0], None, activation=HardTanh()), sympy.Integer(1), 1),
        (block([[2, 0, 0]], [2], None, activation=HardTanh()), sympy.Rational(1, 2), 1),
        (block([[1, 0]], [1], None), sympy.Rational(1, 2), 0.5),
        (block([[1, -1, 0]], [0]), sympy.Integer(0), 0),
        (block([[1, -1, 0]], [0], bias=[1, 1, 5]), sympy.Integer(0), 0),
        (block([[1, -1, 0]], [1]), sympy.acos(1 / sympy.sqrt(6)) / sympy.pi, None),
        (block([[1, -1, 0]], [0], bias=[1, 0, 0]), sympy.acos(1 / sympy.sqrt(6)) / sympy.pi, None),
        (block([[1, -1, 0]], [1], "rms"), CAP, None),
        (block([[1, -1, 0, 0]], [1]), (1 - 1 / sympy.sqrt(8)) / 2, None),
        (block([[1, -1, 0]], [3]), sympy.Integer(0), 0),
    ],
    ids=[
        "half",
        "three quarters",
        "zero bias",
        "no bias",
        "all",
        "across the diagonal",
        "constant",
        "an octant that no vector of mean zero lies in",
        "two bends",
        "two bends on one side of the origin",
        "plane",
        "LN no bias",
        "LN bias killed by w",
        "LN cap",
        "LN bias of the norm",
        "RMS cap",
        "LN cap in R^4",
        "never reached",
    ],
)
def test_the_share_of_crossed_directions_has_its_closed_form(
    network: Network, share: sympy.Expr, mean: float | None
) -> None:
    assert is_exact(network)
    found = directions(network)
    if isinstance(found.share, Interval):
        low, high = (sympy.Rational(str(end)) for end in (found.share.lower, found.share.upper))
        assert low <= share <= high and high - low < sympy.Float("1e-12")
    else:
        assert abs((found.share - share).evalf(40)) < sympy.Float("1e-35")
    assert found.share_float == pytest.approx(float(share), abs=1e-12)
    assert found.mean_float == pytest.approx(float(share) if mean is None else mean, abs=1e-12)
    assert 0 <= found.crossed <= found.cells and (found.crossed == 0) == (share == 0)


@pytest.mark.parametrize("norm", [None, "layernorm", "rms"])
def test_a_direction_is_crossed_iff_its_ray_is(norm: str | None) -> None:
    rng = np.random.default_rng(0)
    weight, bias = rng.integers(-9, 10, (5, 3)), rng.integers(-4, 5, 5)
    network = block(weight.tolist(), bias.tolist(), norm)
    rays = [changes_along(network, x) for x in random_directions(3, 200, 1)]
    found = directions(network)
    hits = sum(ray.crossed for ray in rays)
    assert Share(hits, 200).interval[0] < found.share_float < Share(hits, 200).interval[1]
    mean = np.mean([ray.regions - 1 for ray in rays])
    assert found.mean_float == pytest.approx(mean, abs=0.35)
    crossed = [changes_along(network, cell.witness).crossed for cell in far_out(network).regions]
    assert (sum(crossed), len(crossed)) == (found.crossed, found.cells)
    assert 0 < found.crossed < found.cells or norm is None


def test_a_direction_off_the_circle_of_mean_zero_counts() -> None:
    """Every direction of mean zero is crossed, (656, 517, 543) is not."""
    octant = block(np.eye(3).tolist(), [1, 1, 1], None)
    assert all(changes_along(octant, x).crossed for x in ((1, -1, 0), (1, 1, -2), (-2, 1, 1)))
    assert not changes_along(octant, (656, 517, 543)).crossed
    finding = monosemantic_directions.exact_finding("", octant)
    assert finding.data["share_float"] == pytest.approx(7 / 8) and finding.data["cells"] == 8
    assert "87.5% of all directions" in finding.value and finding.verdict is SUPPORTED


def test_only_one_layer_in_front_of_a_small_sphere_is_exact() -> None:
    hidden = block([[1, 0, 0]], [1], None)
    for network in (
        tensors.mlp([(np.eye(3), [0] * 3), (np.eye(3), [0] * 3), (np.eye(3), [0] * 3)]),
        Network((*tensors.mlp([(np.eye(3), None)]).blocks, *hidden.blocks)),
        block([[1, 0, 0, 0]], [1], None),
        block([[1, 0]], [1]),
    ):
        assert not is_exact(network)


def toy_of(
    norm: NormName,
    weight: list[list[float]],
    bias: list[float],
    task: str = "direction3",
    **more: object,
) -> Toy:
    """A toy of one hidden layer with these weights, whose classes are what it says."""
    data = make(task, count=60)
    config = ModelConfig(widths=(len(weight),), norm=norm, embed_dim=0, **more).fitted_to(data)  # type: ignore[arg-type]
    model = initialised(config, 0)
    layer = model.blocks[0].layers[0]
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(weight))
        layer.bias.copy_(torch.tensor(bias))
        said = model(data.inputs.float()).argmax(dim=1)
    return Toy.of(f"hand-made {norm}", model, replace(data, targets=said))


def subjects_of(toys: dict[str, Toy], language: tuple[LanguageLayer, ...] = ()) -> Subjects:
    """Subjects of which no ensemble is trained."""
    return Subjects(toys, {}, {}, language, own=True)


@pytest.mark.parametrize(
    ("norm", "bias", "verdicts", "share"),
    [
        ("none", [1.0, 0.0], [SUPPORTED, SUPPORTED], 0.5),
        ("none", [0.0, 0.0], [REFUTED, SUPPORTED], 0),
        ("layernorm", [1.0, 0.0], [SUPPORTED], math.acos(6**-0.5) / math.pi),
        ("layernorm", [0.0, 0.0], [SUPPORTED], 0),
        ("rms", [1.0, 0.0], [SUPPORTED], (1 - 6**-0.5) / 2),
    ],
)
def test_directions_are_judged_by_whether_any_is_crossed(
    norm: NormName, bias: list[float], verdicts: list[Verdict], share: float
) -> None:
    toy = toy_of(norm, [[1, -1, 0], [1, 1, -2]], bias)
    findings = monosemantic_directions.ask(subjects_of({norm: toy})).findings
    assert [f.verdict for f in findings] == verdicts
    assert {f.claim for f in findings} == {"0.1"}
    assert findings[0].data["share_float"] == pytest.approx(share, abs=1e-4)  # eps = 1e-5
    if norm != "none":
        assert (number(findings[0].data["largest_ratio_float"]) > 0) == (share > 0)


def test_one_crossed_cell_is_enough() -> None:
    found, bare = monosemantic_directions.ask(
        subjects_of({"none": toy_of("none", [[1, -1, 0]], [1.0])})
    ).findings
    assert found.data["crossed_cells"] == 1 and found.verdict is SUPPORTED
    assert (bare.data["crossed"], bare.data["tried"]) == (0, 2) and bare.kind is Kind.THEOREM


def test_rays_decide_what_they_can_and_no_more() -> None:
    drawn, many = random_directions(3, 12, 0), random_directions(3, 60, 0)
    bare, normed = block([[1, -1, 0]], [1], None), block([[1, -1, 0]], [1])
    some = partial(monosemantic_directions.rays_finding, "")
    assert some(bare, drawn).verdict is SUPPORTED
    assert some(block([[1, -1, 0]], [0], None), drawn).verdict is UNDECIDED
    assert some(block([[1, -1, 0]], [0], None), many).verdict is REFUTED
    crossed = sum(x - y < 0 for x, y, _ in drawn)
    assert some(bare, drawn).data["crossed"] == crossed
    never = partial(monosemantic_directions.still_finding, monosemantic_directions.WITH, "")
    assert never(with_eps(normed, 0), drawn).word == "holds (checks the code)"
    assert never(normed, drawn).is_alarm
    wide = block(np.eye(5).tolist(), [1] * 5)
    five = random_directions(5, 4, 0)
    assert never(with_eps(wide, 0), five).data == {"crossed": 0, "tried": 4}
    assert never(wide, five).is_alarm


def test_what_eps_leaves_is_told_beside_the_theorem() -> None:
    # on iff s > 1/2 at s = r / sqrt(r^2 + 3): r_crit = 1 along (1, 0, 0), none along (-1, 0, 0)
    network = block([[2, 0, 0]], [-1], "rms", 1)
    rows = np.array([[4.0, 0, 0], [-1, 0, 0]])
    text, data = monosemantic_directions.as_trained(network, rows.tolist(), rows)
    last = changes_along(network, (4, 0, 0)).last_float
    assert data["largest_ratio_float"] == pytest.approx(last, rel=1e-9) and 0 < last < 1
    assert f"up to {last:.2g} for the data" in text
    assert data["share_float"] == pytest.approx((1 - 1 / math.sqrt(12)) / 2)
    assert monosemantic_directions.as_trained(with_eps(network, 0), rows.tolist(), rows) == ("", {})
    five = np.pad(rows, ((0, 0), (0, 2)))
    text, data = monosemantic_directions.as_trained(
        block([[2, 0, 0, 0, 0]], [-1], "rms", 1), five.tolist(), five
    )
    assert (data["share_float"], data["rays"], data["mean_crossings_float"]) == (0.5, 2, 0.5)


@pytest.mark.parametrize("dim", [3, 5])
def test_the_largest_ratio_is_that_of_all_rows(dim: int) -> None:
    network = block([[2, *[0] * (dim - 1)]], [-1], "rms", 1)
    rows = np.zeros((300, dim))
    rows[:, 0] = [4.0] * 299 + [0.1]
    toy = Toy.of("mine", network, Dataset.of(rows, np.arange(300) % 2))
    finding = monosemantic_directions.ask(subjects_of({"mine": toy})).findings[0]
    last = changes_along(network, rows[-1].tolist()).last_float
    assert finding.data["largest_ratio_float"] == pytest.approx(last) and last > 1
    assert finding.value.endswith(f"up to {last:.2g} for the data")
    with pytest.raises(Degenerate, match="without a direction"):
        monosemantic_directions.largest_ratio(network, np.zeros((2, dim)))


def test_a_ratio_of_some_rows_says_of_which() -> None:
    network = block([[2, 0, 0]], [-1], "rms", 1)
    deep = Network((*network.blocks, *block([[1.0]], [0], None).blocks))
    rows = np.tile([4.0, 0, 0], (300, 1))
    text, data = monosemantic_directions.as_trained(deep, random_directions(3, 4, 0), rows)
    assert text.endswith("for the first 60 rows") and data["rows_of_the_ratio"] == 60


def nets_of(arm: Arm, norm: NormName, bias: float | None, count: int = 30) -> Nets:
    """Untrained nets of three neurons, of which every bias may be replaced."""
    config = TrainConfig("direction3", ModelConfig((3,), norm, embed_dim=0), samples=40)
    results = [toy_models.train.untrained(replace(config, seed=seed)) for seed in range(count)]
    for result in results:
        layer = result.model.blocks[0].layers[0]
        if bias is not None:
            with torch.no_grad():
                layer.bias.fill_(bias)
    return Nets(arm, tuple(results), 0)


def test_many_nets_are_judged_by_the_share_of_those_that_are_crossed() -> None:
    judged = monosemantic_directions.nets_finding("", nets_of("untrained", "none", None), 0)
    assert judged.verdict is SUPPORTED and len(judged.data["shares"]) == 30  # type: ignore[arg-type]
    still = nets_of("untrained", "none", 0.0)
    assert monosemantic_directions.nets_finding("", still, 0).verdict is REFUTED
    few = monosemantic_directions.nets_finding("", nets_of("untrained", "none", None, 5), 0)
    assert (few.verdict, few.why) == (UNDECIDED, "only 5 nets")
    control = monosemantic_directions.bare_nets_finding("", still, 0)
    assert control.verdict is SUPPORTED and control.data["crossed"] == 0
    assert number(control.data["tried"]) > 60
    biased = nets_of("untrained", "none", None, 2)
    assert monosemantic_directions.bare_nets_finding("", biased, 0).is_alarm
    behind = monosemantic_directions.normed_nets_finding(
        "", nets_of("untrained", "layernorm", None, 2), 0
    )
    assert (behind.data["crossed"], behind.data["tried"]) == (0, 6)
    assert 0 < number(behind.data["share_float"]) <= 1 and "eps as trained" in behind.value


def test_nets_that_did_not_learn_are_left_out_and_counted() -> None:
    untrained = nets_of("untrained", "none", None, 3).results
    failed = [replace(one, held_out_score=Score(2.0, 0.4)) for one in untrained]
    passed = replace(failed[0], training_score=Score(0.1, 1.0), held_out_score=Score(0.1, 0.95))
    found = Nets.of("trained", [passed, *failed])
    assert (len(found.results), found.left_out) == (1, 3)
    assert found.told == "1 net, trained, 3 more did not learn"
    assert found.data["lowest_held_out_accuracy_float"] == 0.95
    assert Nets.of("untrained", failed).left_out == 0
    with pytest.raises(Degenerate, match="no net learned; got 3 nets"):
        _ = Nets.of("trained", failed).networks


def test_groups_of_an_ensemble_share_no_seed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(nets, "STEPS", 2)
    config = TrainConfig("direction3", ModelConfig((3,), embed_dim=0), samples=40)
    subjects = Subjects({}, {}, {}, (), seed=1, seeds=3, cache=TrainingCache(tmp_path))
    seeds = []
    for group in (0, 1):
        (found,) = nets.ensemble(subjects, config, ("untrained",), group=group)
        seeds += [one.config.seed for one in found.results]
    assert len(set(seeds)) == 6 and not len(subjects.cache)  # type: ignore[arg-type]
    trained, _ = nets.ensemble(subjects, config, ("trained", "untrained"))
    assert trained.left_out + len(trained.results) == 3 == len(subjects.cache)  # type: ignore[arg-type]


# ---- 0.1b


def stack(first: float, second: float, eps: float = 1e-5) -> Network:
    """Two residual blocks behind LayerNorm in R^3. The first adds (1, -1, 0) * `first` whatever it
    sees, the second is cut where the first coordinate behind its norm is `second`.
    """
    norm = LayerNorm.of(eps, dim=3)
    constant = Layer.of(np.zeros((1, 3)), [1], ReLU()), Layer.of([[first], [-first], [0]], None)
    cut = Layer.of([[1, 0, 0]], [-second], ReLU()), Layer.of([[1], [0], [0]], None)
    return Network((Block(constant, norm, True), Block(cut, norm, True)))


def test_the_second_layer_sees_the_length() -> None:
    # x + v = (t + 1, -1, -t) for x = t (1, 0, -1): behind the norm the first coordinate rises from
    # 1.31 to sqrt(2) at t = 1 and falls to 1.36
    found = one_layer_or_two.way(with_eps(stack(1, 1.38), 0), [1, 0, -1], (0.25, 4))
    assert (found.first, found.second, found.flips, found.later) == (False, True, 0, False)
    assert not one_layer_or_two.way(with_eps(stack(0, 1.38), 0), [1, 0, -1], (0.25, 4)).second
    changed = one_layer_or_two.way(with_eps(stack(-1, 0), 0), [1, 0, -1], (0.25, 4))
    assert (changed.second, changed.flips) == (True, 1)
    assert not one_layer_or_two.way(with_eps(stack(-1, 0), 0), [1, 0, -1], (2, 4)).second
    third = Network((*stack(-1, 5).blocks, stack(0, 0).blocks[1]))
    assert one_layer_or_two.way(with_eps(third, 0), [1, 0, -1], (0.25, 4)).later


def stacked(first: float, second: float, name: str = "stack") -> Toy:
    rows = np.random.default_rng(0).standard_normal((60, 3))
    data = Dataset.of(rows, np.arange(60) % 2, name="rows")
    return Toy.of(name, stack(first, second), data)


@pytest.mark.parametrize(("first", "verdict"), [(-1, SUPPORTED), (0, UNDECIDED)])
def test_a_stack_is_judged_by_its_data_directions(first: float, verdict: Verdict) -> None:
    toy = stacked(first, 0)
    theorem, found = one_layer_or_two.ask(subjects_of({"stack": toy})).findings
    assert theorem.word == "holds (checks the code)" and theorem.data["directions"] == 40
    assert found.verdict is verdict and (number(found.data["share_float"]) > 0) == (first != 0)


def test_stacks_of_many_seeds_are_judged_over_nets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_layer_or_two, "DIRECTIONS", 2)
    model = ModelConfig((3, 3), "layernorm", "residual", embed_dim=0)
    config = TrainConfig("direction3", model, samples=40)
    made = [toy_models.train.untrained(replace(config, seed=seed)) for seed in range(30)]
    theorem, found = one_layer_or_two.of_nets(Nets("untrained", tuple(made), 0), 2, 0)
    assert (theorem.data["crossed"], theorem.data["directions"]) == (0, 60)
    assert found.verdict is SUPPORTED and len(found.data["shares"]) == 30  # type: ignore[arg-type]
    assert found.subject == "30 nets, untrained, 2 residual blocks"
    few = one_layer_or_two.of_nets(Nets("untrained", tuple(made[:5]), 0), 2, 0)[1]
    assert few.verdict is UNDECIDED
    lost = one_layer_or_two.of_nets(Nets("trained", (), 5), 2, 0)
    assert [f.verdict for f in lost] == [UNDECIDED] * 2 and "no net learned" in lost[0].why
    stuck = one_layer_or_two.Stack((one_layer_or_two.Way(True, False, 0, False),), 1.0)
    assert one_layer_or_two.first_finding("", [stuck]).is_alarm


# ---- rays


def test_a_ray_knows_its_regions_and_its_last_change() -> None:
    network = tensors.mlp([([[1, 0], [1, 1]], [-1, -4]), ([[1, 1]], [0])])
    assert changes_along(network, (1, 1)) == changes_along(network, [1, 1])
    along = changes_along(network, (1, 1))
    assert (along.regions, along.last_float, along.crossed) == (3, 2.0, True)
    assert (
        not changes_along(network, (-1, 0)).crossed
        and changes_along(network, (-1, 0)).last_float == 0
    )


def test_a_touching_hyperplane_is_no_change() -> None:
    assert changes_along(block([[1, 0, 0, 0]], [-2], "rms"), (1, 0, 0, 0)).regions == 1


def test_centring_and_affordability() -> None:
    assert centred(block(SLAB, [0, 0]), [1, 2, 6]).tolist() == [-2, -1, 3]
    assert centred(block(SLAB, [0, 0], "rms"), [1, 2, 6]).tolist() == [1, 2, 6]
    assert affordable(block(SLAB, [0, 0]), 100) == 100
    wide = tensors.block(np.ones((400, 300)), np.zeros(400), np.ones((1, 400)), [0])
    assert affordable(wide, 240) == 40 and affordable(wide, 12) == 12
    assert all(all(isinstance(c, int) and c for c in row) for row in random_directions(2, 50, 1))


# ---- 0.2


def test_one_neuron_cuts_the_circle_into_two_arcs_of_known_length() -> None:
    found = arcs_of_the_circle.arcs_of(block([[1, -1, 0]], [0]))
    cut, own = (
        arcs_of_the_circle.cut_finding("", found),
        arcs_of_the_circle.own_map_finding("", found),
    )
    assert [sympy.sympify(text) for text in cut.data["lengths"]] == [sympy.sqrt(3) * sympy.pi] * 2
    assert cut.verdict is SUPPORTED and own.verdict is SUPPORTED and found.shared_codes == 0


def test_a_slab_gives_one_code_two_arcs() -> None:
    found = arcs_of_the_circle.arcs_of(block(SLAB, [Fraction(1, 2)] * 2))
    own = arcs_of_the_circle.own_map_finding("", found)
    assert own.verdict is REFUTED and own.data == {
        "arcs": 4,
        "codes": 3,
        "maps": 3,
        "codes_with_several_arcs": 1,
    }
    assert arcs_of_the_circle.cut_finding("", found).verdict is SUPPORTED


def test_arcs_that_do_not_fill_the_circle_are_noticed() -> None:
    found = arcs_of_the_circle.arcs_of(block(SLAB, [Fraction(1, 2)] * 2))
    assert (
        arcs_of_the_circle.cut_finding(
            "", replace(found, length=found.length * Fraction(99, 100))
        ).verdict
        is REFUTED
    )


def test_rms_norm_leaves_a_circle_of_the_plane() -> None:
    network = block([[1, -1], [-1, 1]], [Fraction(1, 2)] * 2, "rms")
    found = arcs_of_the_circle.arcs_of(network)
    assert arcs_of_the_circle.cut_finding("", found).verdict is SUPPORTED
    assert found.shared_codes == 1 and found.partition.cell_count == 4
    assert arcs_of_the_circle.fits(Toy.of("plane", network))
    assert not arcs_of_the_circle.fits(Toy.of("space", block([[1, 0, 0]], [0], "rms")))


def test_an_ensemble_is_judged_by_the_share_of_its_nets() -> None:
    judged = partial(arcs_of_the_circle.nets_finding, norm="layernorm", seed=0)
    none = judged([nets_of("untrained", "layernorm", 0.0, 80)])
    assert (none.verdict, none.data["with_shared_code"]) == (SUPPORTED, 0)
    assert "all 80 nets have the value 0" in none.value
    some = judged(
        [nets_of("untrained", "layernorm", None, 40), nets_of("untrained", "layernorm", 0.0, 2)]
    )
    assert some.verdict is REFUTED and 0 < number(some.data["with_shared_code"]) <= 40
    assert some.data["networks_by_width"] == [40, 2] and number(some.data["mean_codes_float"]) > 0
    few = judged([nets_of("untrained", "layernorm", None, 20)])
    assert (few.verdict, few.why) == (UNDECIDED, "only 20 nets")
    with pytest.raises(Degenerate, match="a share of nothing"):
        judged([Nets("trained", (), 5)])


# ---- 0.3


@pytest.mark.parametrize(
    ("weight", "bias", "cells", "verdict"),
    [
        ([[1, -1, 0, 0]], [0], 2, SUPPORTED),
        ([[1, -1, 0, 0], [0, 0, 1, -1]], [0, 0], 4, SUPPORTED),
        ([[1, -1, 0, 0], [-1, 1, 0, 0]], [1, 1], 3, SUPPORTED),
        (GENERIC, [0, 0, 0], 8, SUPPORTED),
        ([[1, 1, -1, -1]], [-4], 1, SUPPORTED),
    ],
    ids=[
        "one circle",
        "two that cross",
        "two that do not",
        "three great circles",
        "a plane that touches",
    ],
)
def test_cells_of_the_two_sphere(
    weight: list[list[object]], bias: list[object], cells: int, verdict: Verdict
) -> None:
    finding = cells_of_spheres.cells_finding("", block(weight, bias), 0)
    assert finding.verdict is verdict and finding.data["cells"] == cells
    assert finding.data["sampled_codes"] == finding.data["codes"] == cells


@pytest.mark.parametrize(
    ("weight", "bias", "cells", "codes", "most"),
    [
        (np.eye(5)[:3].tolist(), [0] * 3, 8, 8, 8),
        ([[1, -1, 0, 0, 0], [-1, 1, 0, 0, 0]], [1, 1], 3, 3, 4),
        # |x| < 1, |y| < 1 and |z| < 1 leave a 3-sphere of radius sqrt(5) at both ends of an axis
        (BEAM, [1] * 6, 28, 27, 52),
    ],
    ids=["great spheres", "two that do not meet", "a beam with two ends"],
)
def test_cells_in_higher_dimensions(
    weight: list[list[object]], bias: list[object], cells: int, codes: int, most: int
) -> None:
    network = block(weight, bias)
    finding = cells_of_spheres.cells_finding("", network, 0)
    assert finding.verdict is SUPPORTED
    assert [finding.data[key] for key in ("cells", "codes", "maximum")] == [cells, codes, most]
    own = cells_of_spheres.own_cells_finding("", network)
    assert own.data["with_several_cells"] == cells - codes
    assert own.verdict is (SUPPORTED if cells == codes else REFUTED)


def test_a_code_on_two_cells_of_a_2_sphere_is_counted() -> None:
    slab = [[1, -1, 0, 0], [-1, 1, 0, 0], [1, 1, -1, -1], [-1, -1, 1, 1]]
    own = cells_of_spheres.own_cells_finding("", block(slab, [1] * 4))
    assert (own.data["with_several_cells"], own.data["most_cells"]) == (1, 2)
    assert own.verdict is REFUTED


def test_more_cells_than_general_position_leaves_are_an_alarm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cells_of_spheres, "most_cells", lambda *_: 7)
    assert cells_of_spheres.cells_finding("", block(GENERIC, [0, 0, 0]), 0).is_alarm


def test_a_sampled_code_that_is_not_among_those_found_refutes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ring = block([[1, -1, 0, 0], [-1, 1, 0, 0]], [1, 1])  # codes 11, 10 and 01: 00 does not occur
    for extra, verdict in ((0b00, REFUTED), (0b10, SUPPORTED)):
        sampled = {bytes([code << 6]) for code in (0b11, 0b01, extra)}
        monkeypatch.setattr(cells_of_spheres, "distinct_codes", lambda _, sampled=sampled: sampled)
        assert cells_of_spheres.cells_finding("", ring, 0).verdict is verdict


def layer_of(network: Network, residuals: object) -> LanguageLayer:
    return LanguageLayer(
        "hand-made", 0, network, torch.tensor(residuals, dtype=torch.float64), Path(".")
    )


def test_a_geodesic_takes_the_short_way() -> None:
    cap = block([[1, -1, 0]], [-2])  # on within 35.3 degrees of (1, -1, 0)
    u, v = (12, -2, -10), (2, -12, 10)  # 51 degrees on either side
    assert cells_of_spheres.geodesic(cap, u, v).crossings == 2
    behind = (-12, 2, 10), (-2, 12, -10)
    assert cells_of_spheres.geodesic(cap, *behind).crossings == 0
    assert cells_of_spheres.geodesic(cap, (1, -1, 0), u).crossings == 1


def test_crossings_that_flip_several_neurons_are_noticed() -> None:
    rng = np.random.default_rng(0)
    residuals, rows = rng.standard_normal((12, 4)), rng.standard_normal((90, 4)).tolist()
    single = cells_of_spheres.geodesics_finding(
        layer_of(block(rows, [0] * 90, activation=GELU("tanh")), residuals)
    )
    assert single.verdict is SUPPORTED and single.data["single_flips"] == single.data["crossings"]
    double = cells_of_spheres.geodesics_finding(
        layer_of(block([*rows, *rows[:9]], [0] * 99), residuals)
    )
    assert double.verdict is REFUTED
    few = cells_of_spheres.geodesics_finding(layer_of(block(GENERIC, [1, 0, -1]), residuals))
    assert few.verdict is UNDECIDED and few.data["single_flips"] == few.data["crossings"]


# ---- the referee


def row_of(method: Method, budget: int, seed: int, value: float, truth: float, **more: Any) -> Row:
    """A row of the referee on an untrained net."""
    names = (method.quantity, method.name, method.number, method.unit)
    kind = referee.KIND
    where = (kind.family, kind.norm, kind.dimension, False)
    error = {"value": value, "truth": truth, "error": value - truth}
    return Row(*names, budget, *where, seed, 0, "", "ok", **error, **more)


def rows_of(counted: list[float], stepped: list[float], held: int) -> list[Row]:
    """Rows of as many nets, each with ten codes and ten flips."""
    rows = []
    for seed, (count, steps) in enumerate(zip(counted, stepped, strict=True)):
        low = 9.0 if seed < held else 11.0
        rows += [
            row_of(sampled_codes, referee.POINTS, seed, count, 10),
            row_of(sampled_codes_chao1, referee.POINTS, seed, 12, 10, low=low, high=13.0),
            row_of(stepped_hamming, referee.STEPS, seed, steps, 10),
            row_of(endpoint_hamming, 2, seed, steps - 1, 10),
        ]
    return rows


def test_the_referee_supports_refutes_and_leaves_open() -> None:
    def verdicts(*given: Any) -> list[Verdict]:
        found = referee.net_findings("nets", rows_of(*given), [])
        assert [f.rule for f in found] == [c.rule.text for c in referee.QUESTION.claims[2:]]
        return [f.verdict for f in found]

    right, wrong, mixed = [10.0] * 30, [8.0] * 30, [10.0, 8.0] * 15
    assert verdicts(right, right, 30) == [SUPPORTED, SUPPORTED, SUPPORTED, REFUTED]
    assert verdicts(wrong, [11.0] * 30, 3) == [REFUTED, REFUTED, REFUTED, SUPPORTED]
    assert verdicts(mixed, mixed, 24) == [UNDECIDED, UNDECIDED, UNDECIDED, REFUTED]
    assert verdicts(right[:29], right[:29], 29) == [UNDECIDED] * 4
    assert verdicts([], [], 0) == [UNDECIDED] * 4


def test_a_count_within_its_margin_is_right_and_one_beyond_is_not() -> None:
    within, beyond = [10 * (1 - referee.COUNTED)] * 30, [10 * (1 - referee.COUNTED) - 0.01] * 30
    flips = [10.0] * 30
    assert referee.net_findings("", rows_of(within, flips, 30), [])[0].verdict is SUPPORTED
    assert referee.net_findings("", rows_of(beyond, flips, 30), [])[0].verdict is REFUTED


def test_nets_that_did_not_learn_stand_for_nothing() -> None:
    nets = [
        Net(referee.KIND, seed, True, QUADRANTS, np.zeros((1, 2)), np.zeros(1), accuracy)
        for seed, accuracy in enumerate((0.95, 0.5, math.nan))
    ]
    assert referee.unlearned(nets) == [1, 2]
    assert referee.unlearned([replace(nets[0], network=None), replace(nets[1], trained=False)]) == [
        0
    ]


def test_a_strip_between_two_samples_is_not_seen() -> None:
    there = [(np.array([0.0, 0.0]), np.array([1.0, 0.0]))]
    strip = tensors.mlp([([[1, 0], [1, 0]], [-0.5, -0.501]), ([[1, -1]], [0])])
    hat = tensors.mlp(
        [
            ([[1, 0], [1, 0], [1, 0]], [-0.5, -0.5005, -0.501]),
            ([[1, -2, 1], [0, 0, 0]], [-1e-4, 0]),
            ([[1, 1]], [0]),
        ]
    )

    def stepped(network: Network, count: int) -> Finding:
        claim = referee.STEPPED_TOKENS
        return referee.segments_finding(claim, "", network, there * count, stepped_hamming, 50)

    assert stepped(strip, 10).verdict is SUPPORTED and stepped(strip, 9).verdict is UNDECIDED
    missed = stepped(hat, 10)
    assert missed.verdict is REFUTED
    assert (missed.data["exact"], missed.data["found"]) == ([5] * 10, [3] * 10)
    by_ends = referee.segments_finding(
        referee.ENDS_TOKENS, "", strip, there * 10, endpoint_hamming, 2
    )
    assert by_ends.verdict is SUPPORTED


def test_few_nets_leave_the_referee_open_at_every_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nets of another seed are other nets."""
    monkeypatch.setattr(referee, "NETS", 2)
    answers = [referee.ask(Subjects({}, {}, {}, (), seed)).findings for seed in (0, 1)]
    assert [len(found) for found in answers] == [8, 8]
    assert [f.data["seeds"] for f in answers[1][:1]] == [[1000, 1001]]
    assert {f.verdict for found in answers for f in found} == {UNDECIDED}
    assert {f.why for found in answers for f in found} <= {f"only {k} nets" for k in range(3)}


@pytest.mark.parametrize("norm", ["layernorm", "rms", None])
@pytest.mark.parametrize("activation", [ReLU(), HardTanh(-1, 1), LeakyReLU(Fraction(1, 4))])
def test_sampled_codes_are_the_exact_ones_off_the_boundaries(
    norm: str | None, activation: Activation
) -> None:
    rng = np.random.default_rng(5)
    weights = (
        rng.standard_normal((7, 3)),
        rng.standard_normal(7),
        rng.standard_normal((3, 7)),
        rng.standard_normal(3),
    )
    first = tensors.block(*weights, norm=norm, activation=activation, residual=True)  # type: ignore[arg-type]
    network = Network(
        (*first.blocks, *tensors.mlp([(weights[0], weights[1]), (weights[2], weights[3])]).blocks)
    )
    points = rng.integers(-9, 10, (20, 3))
    codes = codes_float(network, points)
    assert codes.shape == (20, network.hinge_count)
    assert all(
        np.array_equal(row, network.code(point.tolist()).bits)
        for row, point in zip(codes, points, strict=True)
    )


# ---- the instruments


def test_what_instruments_answer_is_compared(
    untrained: Subjects, answers: dict[str, Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = {finding.subject: finding for finding in answers["instruments"].findings}
    assert findings.keys() == INSTRUMENTS.keys()
    assert all(finding.verdict is SUPPORTED for finding in findings.values())
    toys = instruments.trained(untrained)
    norms = [toy.norm for toy in toys]
    assert [type(norm).__name__ for norm in norms] == ["NoneType", "RMSNorm", "LayerNorm"]
    asked = findings["rotations"].data["toys"]
    assert isinstance(asked, list) and {toy.name for toy in toys} < set(asked)
    for answered, verdict in (([True, False], REFUTED), ([], UNDECIDED)):
        monkeypatch.setitem(INSTRUMENTS, "rotations", lambda toy, given=answered: given)
        found = instruments.finding_of("rotations", toys)
        assert found.verdict is verdict
    monkeypatch.setitem(INSTRUMENTS, "rotations", lambda toy: [True, toy.norm is None])
    found = instruments.finding_of("rotations", toys)
    assert found.verdict is REFUTED and found.value == "6 answers on 3 toys, 2 differ"
    assert found.data["differences"] == 2


# ---- intervals


def test_shares_and_their_intervals() -> None:
    low, high = Share(0, 10).interval
    assert low == 0 and high == pytest.approx(1.96**2 / (10 + 1.96**2), abs=1e-4)
    assert str(Share(5, 10)).startswith("50% of 10 [23.7%, 76.3%]")
    assert (percent(0), percent(1), percent(0.0001), percent(0.99999)) == (
        "0%",
        "100%",
        "0.01%",
        "100% - 0.001%",
    )
    assert finite(2.5) == 2.5 and finite(math.inf) is None and finite(math.nan) is None


# ---- all questions on all kinds of subjects


@pytest.fixture(scope="module")
def untrained() -> Subjects:
    """Small untrained subjects of every kind."""

    def toy(task: str, norm: NormName, widths: tuple[int, ...], embed: int = 0) -> Toy:
        data = make(task, count=80)
        return Toy.of(
            f"{task} {norm}",
            initialised(ModelConfig(widths=widths, norm=norm, embed_dim=embed).fitted_to(data), 1),
            data,
        )

    norms: tuple[NormName, ...] = ("none", "layernorm", "rms")
    toys = {norm: toy("direction3", norm, (4,)) for norm in norms}
    deep = {norm: toy("moons", norm, (5, 5), 0 if norm == "none" else 3) for norm in norms}
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(shape) for shape in ((8, 6), 8, (6, 8), 6)]
    layer = layer_of(
        tensors.block(*weights, norm="layernorm", activation=GELU("tanh")),
        rng.standard_normal((40, 6)),
    )
    spheres = {"layernorm": toy("direction4", "layernorm", (4,))}
    return Subjects(toys, deep, spheres, (layer,), seeds=2, quick=True)


@pytest.fixture(scope="module")
def answers(untrained: Subjects) -> dict[str, Answer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nets, "STEPS", 20)
        patch.setattr(cells_of_spheres, "SAMPLES", 5000)
        patch.setattr(referee, "NETS", 2)
        patch.setattr(instruments, "random_toys", lambda: random_toys()[:4])
        return {question.claim: question.ask(untrained) for question in CORE}


def test_the_questions_are_those_of_the_claims() -> None:
    assert [q.claim for q in CORE] == [
        *("0.1", "0.1b", "0.2", "0.3", "0.4", "0.5", "0.6", "instruments", "referee")
    ]
    assert all(isinstance(q, Question) and q.title for q in CORE)


@pytest.mark.parametrize("question", CORE, ids=lambda q: q.claim)
def test_findings_fit_a_table_and_json(question: Question, answers: dict[str, Answer]) -> None:
    findings = answers[question.claim].findings
    assert findings and len({(f.statement, f.subject) for f in findings}) == len(findings)
    for finding in findings:
        assert finding.claim == question.claim and isinstance(finding.verdict, Verdict)
        assert 0 < len(finding.value) <= 160 and len(finding.subject) <= 80
        assert bool(finding.why) == (finding.verdict is UNDECIDED)
        json.dumps(finding.values(), allow_nan=False)


@pytest.mark.parametrize("question", CORE, ids=lambda q: q.claim)
def test_every_finding_is_one_of_a_claim_of_its_question(
    question: Question, answers: dict[str, Answer]
) -> None:
    made = {(c.statement, c.kind, c.rule.text) for c in question.claims}
    found = {(f.statement, f.kind, f.rule) for f in answers[question.claim].findings}
    assert found and found <= made


KINDS = {
    "0.1": {Kind.THEOREM, Kind.CENSUS, Kind.ESTIMATE},
    "0.2": {Kind.THEOREM, Kind.CENSUS, Kind.ESTIMATE},
    "0.1b": {Kind.THEOREM, Kind.ESTIMATE},
    "0.3": {Kind.THEOREM, Kind.CENSUS, Kind.ESTIMATE},
    "0.4": {Kind.ESTIMATE},
    "0.5": {Kind.THEOREM},
    "0.6": {Kind.THEOREM, Kind.CENSUS, Kind.ESTIMATE},
    "referee": {Kind.ESTIMATE},
    "instruments": {Kind.THEOREM},
}


def test_what_cannot_fail_is_a_theorem(answers: dict[str, Answer]) -> None:
    assert {number: {f.kind for f in a.findings} for number, a in answers.items()} == KINDS
    at_zero = [f for f in answers["0.1"].findings if f.subject.endswith("eps = 0")]
    assert at_zero and {f.kind for f in at_zero} == {Kind.THEOREM}
    assert not any(f.is_alarm for answer in answers.values() for f in answer.findings)


def test_every_kind_of_subject_is_asked(untrained: Subjects, answers: dict[str, Answer]) -> None:
    def asked(claim: str) -> list[Finding]:
        return [f for f in answers[claim].findings if f.subject]

    for claim in ("0.1", "0.3", "0.4", "0.5", "0.6", "referee"):
        assert any(f.subject.startswith("hand-made") for f in asked(claim)), claim
    for toy in (*untrained.toys.values(), *untrained.deep.values()):
        assert any(f.subject.startswith(toy.name) for f in asked("0.1"))
    folds = {f.subject: f.verdict for f in asked("0.5")}
    assert folds.pop("hand-made") is UNDECIDED  # there is no model beside it
    assert list(folds.values()) == [SUPPORTED] * 5


def test_figures_have_names_of_their_own_and_can_be_drawn(
    answers: dict[str, Answer], tmp_path: Path
) -> None:
    from viz import style

    figures = [figure for answer in answers.values() for figure in answer.figures]
    assert len({figure.name for figure in figures}) == len(figures) >= 9
    for figure in figures:
        svg, png, _ = style.save(figure.draw(), tmp_path, figure.name)
        assert (
            figure.caption.endswith(".") and svg.stat().st_size > 2000 and png.stat().st_size > 2000
        )


def dead(task: str, norm: NormName, widths: tuple[int, ...], embed: int = 0) -> Toy:
    """A toy of which every weight is zero and every bias -1; all rows have the class it says. The
    rows name a class that it has no output for, so that nobody knows whether it learned.
    """
    data = make(task, count=60)
    model = initialised(ModelConfig(widths=widths, norm=norm, embed_dim=embed).fitted_to(data), 1)
    with torch.no_grad():
        for name, values in model.named_parameters():
            if "layers" in name:
                values.fill_(-1.0 if name.endswith("bias") else 0.0)
        said = model(data.inputs.float()).argmax(dim=1)
    return Toy.of(
        f"dead {task} {norm}", model, replace(data, targets=said, output_dim=data.output_dim + 1)
    )


def test_degenerate_subjects_leave_claims_open_and_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name, few in (
        (nets, "STEPS", 2),
        (cells_of_spheres, "SAMPLES", 100),
        (referee, "NETS", 1),
    ):
        monkeypatch.setattr(module, name, few)
    norms: tuple[NormName, ...] = ("none", "layernorm", "rms")
    rng = np.random.default_rng(0)
    lives = block(rng.standard_normal((8, 6)).tolist(), [1] * 8)
    silent = block(np.zeros((8, 6)).tolist(), [-1] * 8)
    layers = (
        layer_of(lives, np.ones((4, 6))),
        layer_of(lives, np.ones((0, 6))),
        layer_of(silent, rng.standard_normal((5, 6))),
    )
    subjects = Subjects(
        {norm: dead("direction3", norm, (4,)) for norm in norms},
        {norm: dead("moons", norm, (5, 5), 0 if norm == "none" else 3) for norm in norms},
        {"layernorm": dead("direction4", "layernorm", (4,))},
        tuple(
            replace(layer, name=name)
            for name, layer in zip(("constant", "no text", "silent"), layers, strict=True)
        ),
        seeds=2,
        quick=True,
    )
    answers = {question.claim: question.ask(subjects) for question in CORE}
    found = [f for answer in answers.values() for f in answer.findings]
    assert not any(f.is_alarm for f in found)
    assert all(bool(f.why) == (f.verdict is UNDECIDED) for f in found)
    of_the_net = ("text, random directions", "constant, random directions", "norm taken out")
    estimates = [
        f
        for f in found
        if f.kind is Kind.ESTIMATE
        and (f.subject.startswith("silent") or not any(part in f.subject for part in of_the_net))
    ]
    assert {f.verdict for f in estimates} == {UNDECIDED}
    reasons = " ".join(f.why for f in found)
    for said in (
        "no neuron of its first layer ever changes; got 8 neurons",
        "vectors without a direction; got 4 of 4",
        "no vectors; got 0 of 0",
        "pairs of vectors of one direction; got 2 of 2",
        "no pairs of vectors",
        "no geodesic crosses a boundary",
        "fewer than two geodesics",
        "fewer than 5 cells",
        "segments without a length; got 2 of 2",
        "no segments",
        "no neuron flips on a segment",
        "only 2 nets",
        "no net learned; got 2 nets",
    ):
        assert said in reasons, said
    undrawn = []
    for figure in (f for answer in answers.values() for f in answer.figures):
        try:
            figure.draw()
        except Degenerate:
            undrawn.append(figure.name)
    assert undrawn == ["sectors-moons", "critical-radius", "eps-swept", "ray-of-a-residual"]


@pytest.mark.parametrize(
    ("front", "deep"), [(False, False), (True, False), (False, True)], ids=["", "linear", "deep"]
)
@pytest.mark.parametrize("dim", [3, 4, 6])
def test_a_net_that_is_off_everywhere_says_nothing(dim: int, front: bool, deep: bool) -> None:
    # |w . y| <= sqrt(dim) |w| < 100 on the sphere
    rng = np.random.default_rng(0)
    head = (Layer.of(rng.standard_normal((dim, dim)), None),) if front else ()
    hidden = Layer.of(rng.standard_normal((4, dim)), [-100.0] * 4, ReLU())
    more = (Layer.of(rng.standard_normal((3, 4)), [1.0, -1, 1], ReLU()),) if deep else ()
    last = Layer.of(np.eye(3 if deep else 4)[:2], None)
    network = Network((Block((*head, hidden, *more, last), LayerNorm.of(1e-5, dim=dim)),))
    data = Dataset.of(rng.standard_normal((200, dim)), np.zeros((200, 2)))
    given = Subjects.of(Toy.of("dead", network, data))
    for question in (q for q in CORE if q.claim not in ("instruments", "referee")):
        for finding in asking.answer(question, given).findings:
            if finding.kind is not Kind.THEOREM:
                assert finding.verdict is UNDECIDED and finding.why, finding
    with pytest.raises(Degenerate, match=r"the net is dead: .* got 4 neurons"):
        must_live(network)
    alive = Layer.of(hidden.weight, [-100.0] * 3 + [0.0], ReLU())
    must_live(Network((Block((*head, alive, *more, last), LayerNorm.of(1e-5, dim=dim)),)))


def test_one_arc_has_none_to_differ_from() -> None:
    # x + y = 2 touches the circle x^2 + y^2 = 2
    found = arcs_of_the_circle.arcs_of(block([[1, 1]], [-2], "rms"))
    own = arcs_of_the_circle.own_map_finding("", found)
    assert (own.verdict, own.why) == (UNDECIDED, "one arc has no other to differ from")
    assert own.value == "1 arc, 1 code, 1 map; codes of several arcs: none"


def test_claims_about_a_toy_that_did_not_learn_are_left_open() -> None:
    toy = toy_of("layernorm", [[1, -1, 0], [1, 1, -2]], [1.0, 0.0])
    config = TrainConfig("direction3", ModelConfig(widths=(2,), norm="layernorm", embed_dim=0))
    result = replace(fit(replace(config, steps=1), progress=False), held_out_score=Score(2.0, 0.4))
    subjects = subjects_of({"layernorm": replace(toy, result=result)})
    assert [t.lacks.endswith("%") for t in subjects.trainings] == [True]
    for module in (monosemantic_directions, negligible_eps, neighbouring_maps):
        for finding in module.ask(subjects).findings:
            if finding.kind is not Kind.THEOREM:
                assert finding.verdict is UNDECIDED and "did not learn" in finding.why
    (own,) = (f for f in arcs_of_the_circle._of_toy(replace(toy, result=result)) if "did" in f.why)
    assert own.verdict is UNDECIDED


@pytest.mark.parametrize("kind", ["module", "network"])
def test_a_network_of_ones_own_that_did_not_learn_its_rows_is_left_open(kind: str) -> None:
    wrong = toy_of("none", [[1, -1, 0], [1, 1, -2]], [1.0, 0.5])
    targets = (wrong.rows.targets + 1) % wrong.rows.output_dim
    model = wrong.model if kind == "module" else wrong.network
    given = subjects_of({"mine": Toy.of("mine", model, replace(wrong.rows, targets=targets))})
    (told,) = given.trainings
    assert (told.lacks, told.seed) == ("did not learn: accuracy 0.0%", None)
    findings = monosemantic_directions.ask(given).findings
    assert [f.verdict for f in findings] == [UNDECIDED, SUPPORTED]
    assert findings[0].why == (
        "the network did not learn; got accuracy 0.0%; train it to 90%, and beyond the share of "
        "its largest class"
    )
    assert findings[1].kind is Kind.THEOREM


def test_a_toy_whose_training_diverges_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configs = {
        norm: TrainConfig(
            model=ModelConfig(widths=(3,), norm=norm), steps=9, learning_rate=rate, seed=4
        )
        for norm, rate in (("none", 1e30), ("layernorm", 1e-2))
    }
    monkeypatch.setattr(
        subjects_module,
        "_configs",
        lambda seed, device: {"toys": configs, "deep": {}, "spheres": {}},
    )
    monkeypatch.setattr(subjects_module, "_tiny_layers", lambda *_: ())
    found = prepare(tmp_path)
    assert list(found.toys) == ["layernorm"]
    first, last = found.trainings
    assert first.name == "moons (3), LayerNorm" and first.seed == 4
    assert last.name == "moons (3), no norm" and "diverged" in last.lacks


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Subjects, list[str]]:
    """The study's own subjects after a few steps of training, where they were written, and what was
    said meanwhile.
    """
    folder, said = tmp_path_factory.mktemp("prepared"), list[str]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subjects_module, "LANGUAGE_STEPS", 2)
        patch.setattr(subjects_module, "STEPS", 3)
        found = prepare(folder, seed=1, progress=said.append)
        assert len(said) == 8 and len(found.language) == 3  # asked for while there are few steps
        return folder, found, said


def test_subjects_are_trained_written_and_read_back(
    prepared: tuple[Path, Subjects, list[str]],
) -> None:
    folder, found, said = prepared
    assert len(said) == 8 + 1 + 3 and len(found.all_toys) == 8 and len(found.language) == 3
    toy, layer = found.deep["layernorm"], found.language[1]
    assert (
        toy.network.input_dim == 2
        and toy.block.input_dim == 3
        and toy.block.blocks[0].norm is not None
    )
    assert np.array_equal(
        toy.block.forward_float(toy.residuals), toy.network.forward_float(toy.inputs)
    )
    with torch.no_grad():
        outputs = toy.model(toy.dataset.inputs.float()).double().numpy()
    assert toy.network.forward_float(toy.inputs) == pytest.approx(outputs, abs=1e-4)
    assert (
        layer.network.widths == (256,)
        and layer.vectors.shape == (12_000, 64)
        and layer.folder.is_relative_to(folder)
    )
    trained = {
        f"{group}-{norm}" for group in ("toys", "deep") for norm in ("none", "layernorm", "rms")
    }
    written = {path.name for path in (folder / "models").iterdir()}
    assert written == {"tiny-gpt2", "spheres-layernorm-12", "spheres-layernorm-24", *trained}


def test_residuals_are_what_the_layer_reads(prepared: tuple[Path, Subjects, list[str]]) -> None:
    layer = prepared[1].language[2]
    model, kept = language.load(layer.folder), list[torch.Tensor]()
    text = language.standard_library_text()
    tokens = language.tokenise(text[-(len(text) // 10) :], layer.folder)[:64]
    model.transformer.h[2].ln_2.register_forward_pre_hook(
        lambda _, inputs: kept.append(inputs[0][0])
    )
    with torch.no_grad():
        model(input_ids=tokens[None])
    gaps = torch.cdist(layer.residuals, kept[0][4:]).amin(dim=0)
    assert (gaps < 1e-4).any() and torch.cdist(layer.residuals, kept[0][:4]).min() > 1e-3


def test_only_the_groups_that_are_asked_for_are_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects_module, "STEPS", 3)
    found = prepare(tmp_path, groups=("spheres",), seeds=7, quick=True)
    assert [toy.norm for toy in found.each] == ["layernorm"] * 2  # type: ignore[union-attr]
    assert (found.toys, found.deep, found.own, [*found.language]) == ({}, {}, False, [])
    assert (found.nets(200), found.quick) == (7, True)
    names = {path.name for path in (tmp_path / "models").iterdir()}
    assert names == {"spheres-layernorm-12", "spheres-layernorm-24"}


def test_the_tiny_model_of_a_study_before_is_taken_over(
    prepared: tuple[Path, Subjects, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects_module, "LANGUAGE_STEPS", 2)
    monkeypatch.setattr(subjects_module, "SEQUENCES", 4)
    folder, before, _ = prepared
    said: list[str] = []
    layers = subjects_module._tiny_layers(tmp_path, 1, "cpu", said.append, 30, folder)
    assert said[0] == "taking over the tiny GPT-2 of the study before"
    assert [layer.network for layer in layers] == [layer.network for layer in before.language]
    assert layers[0].folder == tmp_path / "models" / "tiny-gpt2" and len(layers[0].vectors) == 30
    subjects_module._tiny_layers(tmp_path / "other", 2, "cpu", said.append, 30, folder)
    assert "training a tiny GPT-2 on the standard library's sources" in said


def test_the_tiny_model_of_a_study_that_was_cut_off_is_kept(
    prepared: tuple[Path, Subjects, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects_module, "LANGUAGE_STEPS", 2)
    monkeypatch.setattr(subjects_module, "SEQUENCES", 4)
    said: list[str] = []
    runs = tmp_path / "runs"
    for attempt in ("cut-off", "again"):  # neither becomes runs/study
        subjects_module._tiny_layers(tmp_path / attempt, 1, "cpu", said.append, 30, runs / "study")
    assert said.count("training a tiny GPT-2 on the standard library's sources") == 1
    assert said.count("taking over the tiny GPT-2 kept") == 1
    shown = [
        (tmp_path / name / "models" / "tiny-gpt2" / "model.safetensors").read_bytes()
        for name in ("cut-off", "again")
    ]
    assert shown[0] == shown[1]
    assert [path.name for path in (runs / ".cache" / "language").glob("*")] == ["tiny-gpt2-1"]
    assert cli.run(["cache", "--clear", "--root", str(runs)]) == 0
    assert not [*(runs / ".cache" / "language").glob("*")]


def test_an_ensemble_has_as_many_nets_as_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arcs_of_the_circle, "WIDTHS", (4,))
    monkeypatch.setattr(nets, "STEPS", 2)
    for options, count in (({"seeds": 3}, 3), ({"quick": True}, 5)):
        found = arcs_of_the_circle.ask(Subjects({}, {}, {}, (), **options))  # type: ignore[arg-type]
        assert [f.subject for f in found.findings if "untrained" in f.subject] == [
            f"{count} nets, untrained, {norm}, 4 to 4 neurons" for norm in ("LayerNorm", "RMSNorm")
        ]


def test_real_weights_are_examined_beside_the_tiny_model(
    prepared: tuple[Path, Subjects, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, found, _ = prepared
    monkeypatch.setattr(
        subjects_module, "_configs", lambda seed, device: {"toys": {}, "deep": {}, "spheres": {}}
    )
    monkeypatch.setattr(subjects_module, "_tiny_layers", lambda *_: found.language)
    both = prepare(tmp_path, gpt2=folder / "models" / "tiny-gpt2").language
    assert [layer.name for layer in both[3:]] == [f"tiny-gpt2, layer {k}" for k in (0, 1, 2)]
    assert [layer.network.sha256 for layer in both[3:]] == [
        layer.network.sha256 for layer in both[:3]
    ]


def test_a_missing_checkpoint_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no such folder"):
        prepare(tmp_path, gpt2="no-such/model-anywhere")
    assert not any(tmp_path.iterdir())
