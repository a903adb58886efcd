"""Keras' ResNet-50 under torchvision's names: every layer is found, and computes the same."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from episodes.errors import InputError
from srpnet.nn.backbone import IMAGENET_MEAN, IMAGENET_STD
from srpnet.nn.keras import convert_keras


def keras_arrays() -> dict[str, NDArray[np.float32]]:
    """Every layer of Keras' ResNet-50 under its name, each with only three channels in and four out."""
    random = np.random.default_rng(0)
    arrays: dict[str, NDArray[np.float64]] = {}
    convolutions = {"conv1": ("bn_conv1", 7)}
    for stage, blocks in zip("2345", ("abc", "abcd", "abcdef", "abc"), strict=True):
        for block in blocks:
            for branch, size in {"2a": 1, "2b": 3, "2c": 1, **({"1": 1} if block == "a" else {})}.items():
                name = f"{stage}{block}_branch{branch}"
                convolutions[f"res{name}"] = (f"bn{name}", size)
    for convolution, (norm, size) in convolutions.items():
        arrays[f"{norm}/gamma"] = random.normal(1, 0.1, 4)
        arrays[f"{norm}/beta"] = random.normal(0, 1, 4)
        arrays[f"{norm}/moving_mean"] = random.normal(0, 1, 4)
        arrays[f"{norm}/moving_variance"] = random.uniform(0.01, 2, 4)
        arrays[f"{convolution}/kernel"] = random.normal(0, 0.1, (size, size, 3, 4))
        arrays[f"{convolution}/bias"] = random.normal(0, 1, 4)
    arrays["fc1000/kernel"] = random.normal(0, 1, (4, 5))
    arrays["fc1000/bias"] = random.normal(0, 1, 5)
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def write_tfjs(folder: Path, arrays: dict[str, NDArray[np.float32]]) -> Path:
    """A TensorFlow.js layers model: model.json beside shards whose cuts do not mind where an array ends."""
    folder.mkdir(parents=True, exist_ok=True)
    content = b"".join(array.astype("<f4").tobytes() for array in arrays.values())
    paths = [f"group1-shard{number}of3.bin" for number in (1, 2, 3)]
    for path, start in zip(paths, (0, 1000, 2000), strict=True):
        (folder / path).write_bytes(content[start : start + 1000] if start < 2000 else content[start:])
    entries = [{"name": name, "shape": array.shape, "dtype": "float32"} for name, array in arrays.items()]
    manifest = {"format": "layers-model", "weightsManifest": [{"paths": paths, "weights": entries}]}
    (folder / "model.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def keras_layer(arrays: dict[str, Any], layer: str, norm: str, images_BHWI: NDArray[np.float64]) -> Tensor:
    """Convolution with bias, then BatchNorm, written out as Keras defines them, without padding."""
    kernel, bias = arrays[f"{layer}/kernel"].astype(np.float64), arrays[f"{layer}/bias"]
    size = kernel.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(images_BHWI, (size, size), axis=(1, 2))
    outputs = np.einsum("bhwiyx,yxio->bohw", windows, kernel)
    outputs += bias[:, None, None]
    mean, variance, gamma, beta = (
        arrays[f"{norm}/{part}"].astype(np.float64)[:, None, None]
        for part in ("moving_mean", "moving_variance", "gamma", "beta")
    )
    return torch.from_numpy((outputs - mean) / np.sqrt(variance + 1e-3) * gamma + beta)


def torch_layer(state_dict: dict[str, Tensor], convolution: str, norm: str, images_BIHW: Tensor) -> Tensor:
    state_dict = {name: value.double() for name, value in state_dict.items()}
    outputs = functional.conv2d(images_BIHW, state_dict[f"{convolution}.weight"])
    mean, variance, gamma, beta = (
        state_dict[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
    )
    return functional.batch_norm(outputs, mean, variance, gamma, beta, eps=1e-5)


def test_every_keras_layer_finds_its_torchvision_name(tmp_path: Path) -> None:
    with torch.device("meta"):
        expected = set(torchvision.models.resnet50().state_dict())
    converted = convert_keras(write_tfjs(tmp_path, keras_arrays()))
    assert set(converted) == {name for name in expected if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        ("2a_branch1", ("layer1.0.downsample.0", "layer1.0.downsample.1")),
        ("2c_branch2a", ("layer1.2.conv1", "layer1.2.bn1")),
        ("3d_branch2b", ("layer2.3.conv2", "layer2.3.bn2")),
        ("5b_branch2c", ("layer4.1.conv3", "layer4.1.bn3")),
    ],
)
def test_a_converted_layer_computes_the_same(tmp_path: Path, layer: str, names: tuple[str, str]) -> None:
    arrays = keras_arrays()
    images = np.random.default_rng(1).normal(0, 1, (2, 5, 6, 3))
    expected = keras_layer(arrays, f"res{layer}", f"bn{layer}", images)
    converted = convert_keras(write_tfjs(tmp_path, arrays))
    got = torch_layer(converted, *names, torch.from_numpy(images).permute(0, 3, 1, 2))
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


def test_the_first_layer_takes_normalised_rgb_for_shifted_bgr(tmp_path: Path) -> None:
    arrays = keras_arrays()
    rgb = np.random.default_rng(1).uniform(0, 1, (2, 9, 10, 3))
    bgr = 255 * rgb[..., ::-1] - np.array([103.939, 116.779, 123.68])
    expected = keras_layer(arrays, "conv1", "bn_conv1", bgr)
    normalised = torch.from_numpy((rgb - IMAGENET_MEAN) / IMAGENET_STD).permute(0, 3, 1, 2)
    got = torch_layer(convert_keras(write_tfjs(tmp_path, arrays)), "conv1", "bn1", normalised)
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-4)


def test_the_classifier_is_transposed(tmp_path: Path) -> None:
    arrays = keras_arrays()
    converted = convert_keras(write_tfjs(tmp_path, arrays))
    assert np.array_equal(converted["fc.weight"].numpy(), arrays["fc1000/kernel"].T)
    assert np.array_equal(converted["fc.bias"].numpy(), arrays["fc1000/bias"])


def test_a_model_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a complete"):
        convert_keras(tmp_path)
    shard = write_tfjs(tmp_path, keras_arrays()) / "group1-shard2of3.bin"
    shard.write_bytes(shard.read_bytes()[:-4])
    with pytest.raises(InputError, match="is not a complete"):
        convert_keras(tmp_path)
    shard.write_bytes(bytes(1008))
    with pytest.raises(InputError, match="2 values too many"):
        convert_keras(tmp_path)


def test_a_layer_of_another_network_is_named(tmp_path: Path) -> None:
    arrays = {"dense_1/kernel": np.ones((1, 1, 1, 1), np.float32), "dense_1/bias": np.ones(1, np.float32)}
    with pytest.raises(InputError, match="'dense_1'"):
        convert_keras(write_tfjs(tmp_path, arrays))
