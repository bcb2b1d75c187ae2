"""Every task against its definition, recomputed from the points."""

import math

import pytest
import torch

from exact.errors import InvalidInput
from toy_models import tasks
from toy_models.tasks import TASKS, Dataset, make

IN_THE_PLANE = ("moons", "circles", "spirals", "xor", "checkerboard")


@pytest.mark.parametrize("name", TASKS)
def test_a_task_keeps_the_promises_of_a_data_set(name: str) -> None:
    data = make(name, count=120, seed=3)
    assert data.name == name
    assert len(data) == 120
    assert data.inputs.dtype == torch.float64
    assert data.inputs.isfinite().all()
    if data.kind == "classification":
        assert data.targets.dtype == torch.int64
        assert set(data.targets.tolist()) == set(range(data.output_dim))
    else:
        assert data.targets.dtype == torch.float64


@pytest.mark.parametrize("name", TASKS)
def test_the_seed_decides_everything_and_the_global_state_nothing(name: str) -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = make(name, count=50, seed=7)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(1)
    again, other = make(name, count=50, seed=7), make(name, count=50, seed=8)
    assert torch.equal(first.inputs, again.inputs)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.inputs, other.inputs)


@pytest.mark.parametrize("name", [*IN_THE_PLANE, "blobs"])
def test_classes_are_balanced_in_random_order(name: str) -> None:
    data = make(name, count=301)
    counts = data.targets.bincount(minlength=data.output_dim)
    assert int(counts.max() - counts.min()) <= 1
    assert 0.3 < (data.targets[1:] != data.targets[:-1]).double().mean() < 0.8


@pytest.mark.parametrize("name", IN_THE_PLANE)
def test_noise_free_points_lie_in_the_square(name: str) -> None:
    data = make(name, count=2000, noise=0.0)
    assert data.inputs.abs().max() <= 1
    assert data.inputs.abs().max() > 0.9
    noisy = make(name, count=2000, noise=0.1)
    assert 0.05 < (noisy.inputs - data.inputs).std() < 0.15


def test_moons_are_two_half_circles() -> None:
    data = tasks.moons(500, noise=0.0)
    sign = 1 - 2 * data.targets[:, None].double()
    arc = 1.5 * data.inputs * sign + torch.tensor([0.5, 0.25], dtype=torch.float64)
    torch.testing.assert_close(arc.norm(dim=1), torch.ones(500, dtype=torch.float64))
    assert (arc[:, 1] >= 0).all()


def test_circles_have_their_radii() -> None:
    data = tasks.circles(500, ratio=0.25, noise=0.0)
    radius = torch.tensor([1.0, 0.25], dtype=torch.float64)[data.targets]
    torch.testing.assert_close(data.inputs.norm(dim=1), radius)


def test_spiral_arms_turn_with_their_radius() -> None:
    data = tasks.spirals(600, classes=3, turns=1.5, noise=0.0)
    radius = data.inputs.norm(dim=1)
    expected = 2 * math.pi * (1.5 * (radius - 0.1) / 0.9 + data.targets / 3)
    unit = torch.stack([expected.cos(), expected.sin()], dim=1)
    torch.testing.assert_close(data.inputs, radius[:, None] * unit)
    assert data.output_dim == 3


def test_xor_compares_signs_and_keeps_the_gap() -> None:
    data = tasks.xor(1000, gap=0.2)
    assert torch.equal(data.targets, (data.inputs.prod(dim=1) < 0).long())
    assert data.inputs.abs().min() >= 0.2
    quadrants = set(map(tuple, data.inputs.sign().tolist()))
    assert len(quadrants) == 4


@pytest.mark.parametrize("squares", [2, 3, 5])
def test_checkerboard_colours_its_squares(squares: int) -> None:
    data = tasks.checkerboard(3000, squares=squares)
    square = ((data.inputs + 1) * squares / 2).floor().long()
    assert torch.equal(data.targets, square.sum(dim=1) % 2)
    assert len(set(map(tuple, square.tolist()))) == squares**2


@pytest.mark.parametrize(("dimension", "classes"), [(1, 2), (2, 3), (3, 5), (7, 4)])
def test_blobs_gather_around_separate_centres(dimension: int, classes: int) -> None:
    data = tasks.blobs(100, dimension=dimension, classes=classes, spread=0.0, seed=5)
    centres = tasks.blob_centres(dimension=dimension, classes=classes, seed=5)
    assert torch.equal(data.inputs, centres[data.targets])
    torch.testing.assert_close(centres.norm(dim=1), torch.ones(classes, dtype=torch.float64))
    assert torch.pdist(centres).min() > 0.5
    spread = tasks.blobs(3000, dimension=dimension, classes=classes, spread=0.3, seed=5)
    assert 0.28 < (spread.inputs - centres[spread.targets]).std() < 0.32


@pytest.mark.parametrize(("name", "dimension"), [("direction3", 3), ("direction4", 4)])
def test_only_the_projected_direction_decides(name: str, dimension: int) -> None:
    data = make(name, count=400, classes=5, seed=2)
    assert data.input_dim == dimension
    prototypes = tasks.direction_prototypes(dimension=dimension, classes=5, seed=2)
    torch.testing.assert_close(prototypes.sum(dim=1), torch.zeros(5, dtype=torch.float64))
    moved = 100 * data.inputs + 17
    normalised = torch.nn.functional.layer_norm(moved, (dimension,), eps=0.0)
    assert torch.equal(
        torch.cdist(normalised / dimension**0.5, prototypes).argmin(dim=1), data.targets
    )


def test_without_centring_the_direction_is_that_of_the_point() -> None:
    data = tasks.direction(400, dimension=2, classes=3, centred=False, seed=4)
    prototypes = tasks.direction_prototypes(dimension=2, classes=3, centred=False, seed=4)
    angle, own = data.inputs / data.inputs.norm(dim=1, keepdim=True), prototypes[data.targets]
    assert ((angle * own).sum(dim=1) >= (angle @ prototypes.T).amax(dim=1) - 1e-12).all()
    lengths = data.inputs.norm(dim=1)
    assert 0.25 <= lengths.min() < 0.3
    assert 3.5 < lengths.max() <= 4


def test_sparse_features_are_superposed_by_the_frame() -> None:
    data = tasks.sparse_features(4000, features=7, dimension=3, density=0.1, seed=6)
    frame = tasks.feature_frame(features=7, dimension=3, seed=6)
    torch.testing.assert_close(data.inputs, data.targets @ frame.T)
    torch.testing.assert_close(frame.norm(dim=0), torch.ones(7, dtype=torch.float64))
    active = data.targets > 0
    assert active.any(dim=1).all()
    assert (data.targets >= 0).all()
    assert (data.targets <= 1).all()
    expected = 0.1 + 0.9**7 / 7
    assert abs(active.double().mean() - expected) < 0.015


def test_split_keeps_every_row_once() -> None:
    data = tasks.moons(101)
    training, held_out = data.split(0.25)
    assert (len(training), len(held_out)) == (76, 25)
    assert torch.equal(torch.cat([training.inputs, held_out.inputs]), data.inputs)
    assert torch.equal(torch.cat([training.targets, held_out.targets]), data.targets)
    assert len(data.split(0.0)[1]) == 0


def test_options_are_those_of_the_function() -> None:
    assert tasks.options_of("circles") == ("ratio", "noise")
    assert "dimension" in tasks.options_of("direction")
    assert "dimension" not in tasks.options_of("direction4")


BAD = [
    ("cats", {}, "unknown task; got 'cats'; write one of moons, circles"),
    (
        "moons",
        {"squares": 3},
        "unknown option of the task moons; got 'squares'; write one of noise",
    ),
    ("direction4", {"dimension": 3}, "unknown option of the task direction4"),
    ("moons", {"count": 1}, "count .* got 1"),
    ("moons", {"count": 10.5}, "count .* got 10.5"),
    ("moons", {"seed": -1}, "seed .* got -1"),
    ("moons", {"seed": 2**31}, "seed .* got 2147483648"),
    ("moons", {"noise": -0.1}, "noise .* got -0.1"),
    ("moons", {"noise": math.nan}, "noise .* got nan"),
    ("moons", {"noise": "loud"}, "noise .* got 'loud'"),
    ("circles", {"ratio": 1.0}, "ratio .* got 1.0"),
    ("spirals", {"classes": 1}, "classes .* got 1"),
    ("spirals", {"turns": math.inf}, "turns .* got inf"),
    ("xor", {"gap": 1}, "gap .* got 1"),
    ("checkerboard", {"squares": 1}, "squares .* got 1"),
    ("blobs", {"dimension": 0}, "dimension .* got 0"),
    ("blobs", {"dimension": 1, "classes": 3}, "a line has two directions only"),
    ("direction", {"dimension": 2}, "dimension .* got 2"),
    ("direction", {"centred": "yes"}, "centred .* got 'yes'"),
    (
        "sparse_features",
        {"features": 3, "dimension": 3},
        "no superposition; got 3 features in R\\^3",
    ),
    ("sparse_features", {"density": -1.0}, "density .* got -1.0"),
]


@pytest.mark.parametrize(("name", "options", "message"), BAD)
def test_a_bad_setting_is_named(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        make(name, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [-0.1, 1.0, math.nan])
def test_a_bad_share_is_named(share: float) -> None:
    with pytest.raises(InvalidInput, match=f"held_out .* got {share}"):
        tasks.moons(10).split(share)


def test_a_data_set_refuses_shapes_that_disagree() -> None:
    inputs, labels = torch.zeros(5, 2), torch.zeros(4, dtype=torch.int64)
    with pytest.raises(InvalidInput, match=r"inputs \(5, 2\), targets \(4,\)"):
        Dataset(inputs, labels, "classification", 2, 2, "own")
    with pytest.raises(InvalidInput, match="give inputs"):
        Dataset(inputs, torch.zeros(5), "regression", 2, 1, "own")
