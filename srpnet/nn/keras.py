"""Keras' ResNet-50, read from TensorFlow.js files and put under torchvision's names, for torchvision's input."""

import json
import math
import re
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from episodes.errors import InputError
from srpnet.nn.backbone import IMAGENET_MEAN, IMAGENET_STD

KERAS_MEAN = (123.68, 116.779, 103.939)
"""What Keras' ResNet-50 subtracts from red, green and blue on a 0..255 scale."""
KERAS_EPSILON, TORCH_EPSILON = 1e-3, 1e-5
"""What each adds to BatchNorm's variance."""


def convert_keras(folder: Path) -> dict[str, Tensor]:
    """Keras' ResNet-50, a TensorFlow.js layers model, under torchvision's names and for torchvision's input.

    - Kernels HWIO become OIHW. `res2a_branch2a` becomes `layer1.0.conv1`, `branch1` becomes `downsample`.
    - Torchvision's convolutions have no bias: it is subtracted from BatchNorm's running mean.
    - The running variance grows by the difference of the two epsilons.
    - Keras feeds blue, green, red on a 0..255 scale less `KERAS_MEAN`. The scale and order of colours go into
      the first kernel and the shift into its BatchNorm, so that RGB normalised with ImageNet's mean and
      standard deviation is the right input. That is exact but at the border, padded with Keras' own zero.

    The arithmetic is done in float64 and rounded once, so that the hash is the same everywhere.

    Args:
        folder: holds `model.json` and the shards that it names.

    Raises:
        InputError: the folder holds no such model, or a layer of another network.
    """
    keras = _read_tfjs(folder)
    converted: dict[str, NDArray[np.float64]] = {}
    for layer in (name.removesuffix("/kernel") for name in keras if name.endswith("/kernel")):
        kernel, bias = keras[f"{layer}/kernel"].astype(np.float64), keras[f"{layer}/bias"].astype(np.float64)
        if layer == "fc1000":
            converted |= {"fc.weight": kernel.T, "fc.bias": bias}
            continue
        kernel = kernel.transpose(3, 2, 0, 1)
        if layer == "conv1":
            kernel, bias = _take_normalised_rgb(kernel, bias)
        convolution, norm, keras_norm = _torchvision_names(layer)
        gamma, beta, mean, variance = (
            keras[f"{keras_norm}/{part}"].astype(np.float64)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        converted |= {
            f"{convolution}.weight": kernel,
            f"{norm}.weight": gamma,
            f"{norm}.bias": beta,
            f"{norm}.running_mean": mean - bias,
            f"{norm}.running_var": variance + (KERAS_EPSILON - TORCH_EPSILON),
        }
    return {name: torch.from_numpy(value.astype(np.float32, order="C")) for name, value in converted.items()}


def _take_normalised_rgb(
    kernel_OIHW: NDArray[np.float64], bias_O: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first convolution for x = (rgb - mean) / std in place of 255 rgb - KERAS_MEAN in the order BGR."""
    mean_I, std_I = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
    kernel_OIHW = kernel_OIHW[:, ::-1]
    shifted = kernel_OIHW * (255 * mean_I - np.array(KERAS_MEAN))[:, None, None]
    # fsum, as numpy's order of summation differs between processors
    shift_O = np.array([math.fsum(of_one.ravel()) for of_one in shifted])
    return kernel_OIHW * (255 * std_I)[:, None, None], bias_O + shift_O


def _torchvision_names(layer: str) -> tuple[str, str, str]:
    """For a Keras convolution: torchvision's names of it and of its BatchNorm, and Keras' name of the latter.

    >>> _torchvision_names("res3d_branch2a")
    ('layer2.3.conv1', 'layer2.3.bn1', 'bn3d_branch2a')
    >>> _torchvision_names("res5a_branch1")
    ('layer4.0.downsample.0', 'layer4.0.downsample.1', 'bn5a_branch1')
    """
    if layer == "conv1":
        return "conv1", "bn1", "bn_conv1"
    match = re.fullmatch(r"res([2-5])([a-z])_branch(1|2[abc])", layer)
    if match is None:
        raise InputError(f"layer {layer!r} is not a layer of Keras' ResNet-50")
    stage, block, branch = match.groups()
    inside = f"layer{int(stage) - 1}.{ord(block) - ord('a')}"
    keras_norm = layer.replace("res", "bn")
    if branch == "1":
        return f"{inside}.downsample.0", f"{inside}.downsample.1", keras_norm
    number = "abc".index(branch[1]) + 1
    return f"{inside}.conv{number}", f"{inside}.bn{number}", keras_norm


def _read_tfjs(folder: Path) -> dict[str, NDArray[np.float32]]:
    """The named arrays of a TensorFlow.js layers model: one run of little-endian float32, cut into shards."""
    arrays = {}
    try:
        for group in json.loads((folder / "model.json").read_text(encoding="utf-8"))["weightsManifest"]:
            values = np.frombuffer(b"".join((folder / path).read_bytes() for path in group["paths"]), "<f4")
            for entry in group["weights"]:
                if entry["dtype"] != "float32" or "quantization" in entry:
                    raise ValueError(f"{entry['name']} is not plain float32")
                array, values = np.split(values, [math.prod(entry["shape"])])
                arrays[entry["name"]] = array.reshape(entry["shape"])
            if values.size:
                raise ValueError(f"the shards have {values.size} values too many")
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder} is not a complete TensorFlow.js layers model: {error}") from error
    return arrays
