"""InceptionV1: the sizes of the paper, torchvision's names, its graph, training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from exact.errors import InvalidInput
from exact.sources import torch_modules
from toy_models.inception import (
    DIGITS,
    InceptionConfig,
    InceptionTraining,
    InceptionV1,
    of_state_dict,
    random_inception,
    train_inception,
    upsampled,
)

TORCHVISION = InceptionConfig(10, 1 / 32, batch_norm=True, third_kernel=3, last_pool=2)
TINY = InceptionConfig(classes=10, width=1 / 32, input_channels=1, resolution=33)


def test_the_paper_at_full_width():
    with torch.device("meta"):
        model = InceptionV1(InceptionConfig())
        front = model.front(torch.zeros(1, 3, 224, 224))
        shapes, hooks = [], []
        for part in model.behind.modules():
            if type(part).__name__ in ("Convolution", "MaxPool2d"):
                hooks.append(part.register_forward_hook(lambda m, _, y: shapes.append((m, y))))
        model.behind(front)
    assert front.shape[1:] == InceptionConfig().cut_shape == (832, 7, 7)
    units = sum(y.numel() for m, y in shapes if type(m).__name__ == "Convolution")
    windows = sum(y.numel() for m, y in shapes if type(m).__name__ == "MaxPool2d")
    assert (units, windows) == (112_112, 81_536)
    # Table 1 of the paper counts weights without biases: about 6.8 million
    weights = sum(p.numel() for p in model.parameters() if p.ndim > 1)
    assert weights == 6_990_272


@pytest.mark.parametrize("resolution", [31, 32, 33, 64, 224])
@pytest.mark.parametrize("last_pool", [2, 3])
def test_the_cut_has_the_shape_that_the_config_says(resolution, last_pool):
    config = replace(TINY, resolution=resolution, last_pool=last_pool)
    model = random_inception(config)
    images = torch.zeros(1, *config.input_shape)
    assert model.front(images).shape[1:] == config.cut_shape
    assert torch.equal(model.behind(model.front(images)), model(images))


def test_torchvision_names_and_shapes():
    names = {name: tuple(x.shape) for name, x in random_inception(TORCHVISION).state_dict().items()}
    assert names["conv1.conv.weight"] == (2, 3, 7, 7)
    assert names["inception4c.branch3.1.bn.running_var"] == (2,)
    assert names["inception5b.branch4.1.conv.weight"] == (4, 26, 1, 1)
    assert not any(name.endswith("conv.bias") for name in names)


def test_a_state_dict_makes_the_same_network():
    model = random_inception(TORCHVISION, 3)
    weights = {**model.state_dict(), "aux1.fc1.weight": torch.zeros(2, 2)}
    images = torch.rand(2, 3, 64, 64)
    assert torch.equal(of_state_dict(weights)(images), model(images))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conv1.conv.weight": None}, "misses"),
        ({"inception5b.branch1.bn.weight": None}, "misses"),
        ({"extra.weight": torch.zeros(1)}, "has not"),
        ({"inception3b.branch1.conv.weight": torch.zeros(4, 8, 3, 3)}, "another shape"),
    ],
)
def test_other_weights_are_refused_by_name(change, message):
    weights = {**random_inception(TORCHVISION).state_dict(), **change}
    weights = {name: x for name, x in weights.items() if x is not None}
    with pytest.raises(InvalidInput, match=f"{message}(?s:.)*{next(iter(change))}|{message}"):
        of_state_dict(weights)


@pytest.mark.parametrize(
    "setting",
    [
        {"width": 0},
        {"classes": 0},
        {"third_kernel": 4},
        {"last_pool": 4},
        {"resolution": 30},
        {"batch_norm": 1},
    ],
)
def test_settings_that_no_model_has_are_refused(setting):
    with pytest.raises(InvalidInput, match=next(iter(setting))):
        InceptionConfig(**setting)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_graph_says_what_the_module_says(batch_norm):
    model = random_inception(replace(TINY, batch_norm=batch_norm)).double()
    if batch_norm:
        for part in model.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(part.running_var, 0.5, 2.0)
                torch.nn.init.normal_(part.running_mean)
    shape = model.config.cut_shape
    graph = torch_modules.read(model.behind, input_shape=shape)
    x = torch.rand(3, *shape, dtype=torch.float64)
    with torch.no_grad():
        said = model.behind(x).numpy()
    for point, there in zip(x, said, strict=True):
        at = point.flatten().tolist()
        exact = graph.affine_at(at)(at)
        assert np.allclose(np.array(exact, dtype=float), there, rtol=1e-12, atol=1e-12)


@pytest.mark.needs("sklearn")
def test_digits_are_learned_alike_from_one_seed():
    config = replace(DIGITS, width=1 / 32, resolution=32)
    before = torch.get_rng_state()
    one, other = (train_inception(config, InceptionTraining(1), progress=False) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert one.losses == other.losses
    assert one.accuracy == other.accuracy
    assert min(one.losses) < one.losses[0]  # of batches, which go up and down
    assert not one.model.training
    vectors = torch.as_tensor(one.activations(np.arange(2)), dtype=torch.float32)
    said = one.model.behind(vectors.reshape(2, *config.cut_shape))
    assert torch.equal(said, one.model(upsampled(one.held_out.inputs[:2], config)))
