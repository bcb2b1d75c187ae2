"""Every task against its definition, recomputed from the points."""

import math
from typing import Any

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


@pytest.mark.parametrize("name", [*IN_THE_PLANE, "blobs", "hierarchical_blobs", "shells"])
def test_classes_are_balanced_in_random_order(name: str) -> None:
    data = make(name, count=301)
    counts = data.targets.bincount(minlength=data.output_dim)
    assert int(counts.max() - counts.min()) <= 1
    change, expected = (data.targets[1:] != data.targets[:-1]).double().mean(), 1 - 1 / len(counts)
    assert abs(change - expected) < 0.2


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


@pytest.mark.parametrize(("dimension", "classes", "gap"), [(1, 2, 0.0), (3, 3, 0.2), (5, 4, 0.9)])
def test_the_radius_alone_tells_the_shell(dimension: int, classes: int, gap: float) -> None:
    data = tasks.shells(2000, dimension=dimension, classes=classes, gap=gap, seed=3)
    radius = classes * data.inputs.norm(dim=1)
    assert torch.equal(radius.floor().long(), data.targets)
    across = radius - data.targets
    assert across.min() >= gap / 2 - 1e-12 and across.max() <= 1 - gap / 2 + 1e-12
    assert across.max() - across.min() > 0.95 * (1 - gap)


def test_the_direction_says_nothing_of_the_shell() -> None:
    data = tasks.shells(6000, seed=1)
    units = data.inputs / data.inputs.norm(dim=1, keepdim=True)
    means = torch.stack([units[data.targets == c].mean(dim=0) for c in range(3)])
    assert means.norm(dim=1).max() < 0.05
    octants = ((units > 0).long() * torch.tensor([1, 2, 4])).sum(dim=1)
    shares = torch.stack(
        [octants[data.targets == c].bincount(minlength=8) / 2000 for c in range(3)]
    )
    assert (shares - 1 / 8).abs().max() < 0.03
    noisy = tasks.shells(6000, noise=0.1, seed=1)
    assert 0.09 < (noisy.inputs - data.inputs).std() < 0.11


@pytest.mark.parametrize("centred", [True, False])
def test_the_class_is_direction_and_length_together(centred: bool) -> None:
    options = {"dimension": 3, "centred": centred, "seed": 2}
    data = tasks.direction_and_length(3000, directions=4, lengths=3, **options)  # type: ignore[arg-type]
    prototypes = tasks.direction_prototypes(classes=4, **options)  # type: ignore[arg-type]
    radius = data.inputs.norm(dim=1)
    direction = (data.inputs @ prototypes.T).argmax(dim=1)
    length = ((radius.log2() + 2) * 3 / 4).floor().long()
    assert torch.equal(direction * 3 + length, data.targets)
    assert data.parents is not None and torch.equal(data.parents[data.targets], direction)
    assert length.bincount().tolist() == [1000, 1000, 1000]
    assert radius.min() >= 1 / 4 and radius.max() <= 4
    # neither tells of the other: every length has every direction equally often
    table = torch.stack([direction[length == k].bincount(minlength=4) / 1000 for k in range(3)])
    assert (table - table.mean(dim=0)).abs().max() < 0.05
    assert data.output_dim == 12 and set(data.targets.tolist()) == set(range(12))


@pytest.mark.parametrize(("dimension", "parents", "children"), [(1, 2, 2), (2, 3, 3), (4, 5, 4)])
def test_clouds_of_one_parent_stand_together(dimension: int, parents: int, children: int) -> None:
    shape = {"dimension": dimension, "parents": parents, "children": children, "seed": 5}
    centres = tasks.hierarchy_centres(**shape, nearness=0.24)  # type: ignore[arg-type]
    data = tasks.hierarchical_blobs(400, **shape, nearness=0.24, spread=0.0)  # type: ignore[arg-type]
    assert torch.equal(data.inputs, centres[data.targets])
    assert data.parents is not None
    assert data.parents.tolist() == [p for p in range(parents) for _ in range(children)]
    related = data.parents[:, None] == data.parents
    gaps = torch.cdist(centres, centres)
    for row, own in zip(gaps, related, strict=True):
        assert row[own].max() < row[~own].min()
    assert centres.norm(dim=1).max() <= 1 + 1e-12


def test_nearness_is_that_of_the_definition() -> None:
    """On a line the parents are +1 and -1, their children 2 / 5 of an arm away, and all is scaled
    by 5 / 7.
    """
    centres = tasks.hierarchy_centres(dimension=1, parents=2, children=2, nearness=0.2, seed=3)
    expected = torch.tensor([-1.0, -3 / 7, 3 / 7, 1.0], dtype=torch.float64)
    torch.testing.assert_close(centres[:, 0].sort().values, expected)


def test_hierarchical_blobs_can_be_told_apart() -> None:
    data = make("hierarchical_blobs", count=3000, seed=1)
    centres = tasks.hierarchy_centres(seed=1)
    assert (torch.cdist(data.inputs, centres).argmin(dim=1) == data.targets).double().mean() > 0.97
    assert 0.055 < (data.inputs - centres[data.targets]).std() < 0.065
    assert torch.equal(
        data.targets.bincount(), torch.full((9,), 333).index_fill(0, torch.arange(3), 334)
    )


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
    ("shells", {"gap": 1.0}, "gap .* got 1.0"),
    ("shells", {"classes": 1}, "classes .* got 1"),
    ("shells", {"count": 2}, "count .* got 2"),
    ("direction_and_length", {"lengths": 1}, "lengths .* got 1"),
    ("direction_and_length", {"directions": 1}, "directions .* got 1"),
    ("direction_and_length", {"dimension": 2}, "dimension .* got 2"),
    ("hierarchical_blobs", {"nearness": 0.25}, "nearness .* got 0.25"),
    ("hierarchical_blobs", {"nearness": 0}, "nearness .* got 0"),
    ("hierarchical_blobs", {"spread": -1}, "noise .* got -1"),
    ("hierarchical_blobs", {"dimension": 1, "children": 3}, "a line has two directions only"),
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


# ---- tasks of one's own


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is registered is forgotten again."""
    known = dict(tasks._KNOWN)
    monkeypatch.setattr(tasks, "_KNOWN", known)
    monkeypatch.setattr(tasks, "TASKS", known)


def halves(count: int, seed: int = 0, *, shift: float = 0.0) -> Dataset:
    labels = torch.arange(count) % 2
    points = torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) - 1
    return Dataset.of(points + labels[:, None] + shift, labels)


@pytest.mark.usefixtures("registry")
def test_a_task_of_ones_own_is_made_by_its_name() -> None:
    tasks.register("pkg.mod:halves", halves)
    data = make("pkg.mod:halves", count=40, seed=3, shift=1.0)
    assert data.name == "pkg.mod:halves" and len(data) == 40
    assert torch.equal(data.inputs, halves(40, 3, shift=1.0).inputs)
    assert tasks.options_of("pkg.mod:halves") == ("shift",)
    assert not tasks.is_built_in("pkg.mod:halves") and tasks.is_built_in("moons")
    with pytest.raises(InvalidInput, match=r"unknown option of the task pkg\.mod:halves; got 'up'"):
        make("pkg.mod:halves", up=1)


@pytest.mark.usefixtures("registry")
def test_a_task_may_take_any_option_and_call_its_count_otherwise() -> None:
    tasks.register("any", lambda n, *, seed=0, **more: halves(n, seed, shift=more["by"]))
    assert tasks.options_of("any") is None
    assert make("any", count=6, by=2.0).inputs.min() > 1
    tasks.register("n", lambda n, seed=0, by=0.0: halves(n, seed, shift=by))
    assert tasks.options_of("n") == ("by",)


@pytest.mark.usefixtures("registry")
def test_names_are_taken_once() -> None:
    tasks.register("mine", halves)
    with pytest.raises(InvalidInput, match=r"has the name already; got mine; .* say replace=True"):
        tasks.register("mine", halves)
    tasks.register("mine", lambda n, seed=0: halves(n, seed, shift=3.0), replace=True)
    assert make("mine").inputs.min() > 2
    for replacing in (False, True):
        with pytest.raises(InvalidInput, match=r"has the name already; got moons; choose another$"):
            tasks.register("moons", halves, replace=replacing)


BAD_TASKS: list[tuple[Any, Any, str]] = [
    ("", halves, "no task can have the name; got ''"),
    ("../x", halves, "no task can have the name"),
    ("x" * 65, halves, "no task can have the name"),
    (3, halves, "no task can have the name; got 3"),
    ("a:b-c", halves, "no task can have the name"),
    ("a:b:c", halves, "no task can have the name"),
    (":b", halves, "no task can have the name"),
    ("mine", halves(4), "the task mine is no function; got Dataset"),
    ("mine", lambda: halves(4), "cannot be called as function.count, seed=seed.; got too many"),
    ("mine", lambda count: halves(count), "cannot be called .* got got an unexpected"),
    ("mine", lambda count, width, seed=0: halves(count), "missing a required argument: 'width'"),
]


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(("name", "function", "message"), BAD_TASKS)
def test_what_is_no_task_is_refused(name: Any, function: Any, message: str) -> None:
    before = dict(TASKS)
    with pytest.raises(InvalidInput, match=message):
        tasks.register(name, function)
    assert dict(tasks.TASKS) == before


@pytest.mark.usefixtures("registry")
def test_a_task_that_raises_is_named() -> None:
    def fails(count: int, seed: int = 0) -> Any:
        raise KeyError(f"no\nrows {count}")

    tasks.register("mine", fails)
    with pytest.raises(InvalidInput, match=r"task mine failed; got KeyError: .*rows 7.*seed=3"):
        make("mine", count=7, seed=3)
    tasks.register("mine", lambda count, seed=0: tasks.xor(count, gap=-1, seed=seed), replace=True)
    with pytest.raises(InvalidInput, match="gap is not a finite number"):
        make("mine")


BAD_RETURNS: list[tuple[Any, str]] = [
    (lambda count, seed=0: ([[1.0]], [0]), "returns is not a Dataset; got tuple"),
    (lambda count, seed=0: None, "returns is not a Dataset; got NoneType"),
    (lambda count, seed=0: halves(count + 1), "another number of rows; got 11 rows for count=10"),
    (lambda count, seed=0: halves(count)._rows(slice(0, 0)), "returns has no rows"),
    (lambda count, seed=0: halves(count, shift=math.inf), "not finite; got inputs"),
]


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize(("function", "message"), BAD_RETURNS)
def test_what_a_task_returns_is_looked_at(function: Any, message: str) -> None:
    tasks.register("mine", function)
    with pytest.raises(InvalidInput, match=message):
        make("mine", count=10)
