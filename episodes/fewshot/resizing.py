"""How pixels and labels are resampled, in the ways of the libraries that published code uses."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as V

from episodes.data.source import IGNORE
from episodes.fewshot.geometry import Filter, Nearest, Placement


def place_image(image: Tensor, placement: Placement) -> Tensor:
    """See `Placement.image`."""
    resized = image if placement.inner == placement.original else FILTERS[placement.filter](image, placement.inner)
    padded: Tensor = V.pad(tv_tensors.Image(_floats(resized)), placement.padding, fill=placement.fill)
    return padded.as_subclass(Tensor)


def place_labels(labels: Tensor, placement: Placement) -> Tensor:
    """See `Placement.labels`."""
    resized = labels if placement.inner == placement.original else NEAREST[placement.nearest](labels, placement.inner)
    padded: Tensor = V.pad(tv_tensors.Mask(resized), placement.padding, fill=IGNORE)
    return padded.as_subclass(Tensor)


def _floats(image: Tensor) -> Tensor:
    scaled: Tensor = V.to_dtype(tv_tensors.Image(image), torch.float32, scale=True)
    return scaled.as_subclass(Tensor)


def _smooth(image: Tensor, size: tuple[int, int]) -> Tensor:
    resized: Tensor = V.resize(tv_tensors.Image(_floats(image)), list(size), antialias=True)
    return resized.as_subclass(Tensor)


def _linear(image: Tensor, size: tuple[int, int]) -> Tensor:
    return torch.nn.functional.interpolate(_floats(image)[None], size, mode="bilinear", align_corners=False)[0]


def _bytes(image: Tensor, size: tuple[int, int]) -> Tensor:
    pixels = image if image.dtype == torch.uint8 else (image * 255).round().to(torch.uint8)
    picture = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    resized = np.array(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return torch.from_numpy(resized).permute(2, 0, 1)


FILTERS: dict[Filter, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    "smooth": _smooth,
    "bytes": _bytes,
    "linear": _linear,
}


def _floor(labels: Tensor, size: tuple[int, int]) -> Tensor:
    resized: Tensor = V.resize(tv_tensors.Mask(labels), list(size), InterpolationMode.NEAREST)
    return resized.as_subclass(Tensor)


def _centre(labels: Tensor, size: tuple[int, int]) -> Tensor:
    rows, columns = (_pillow_positions(count, of) for count, of in zip(size, labels.shape, strict=True))
    return labels[rows][:, columns]


def _opencv(labels: Tensor, size: tuple[int, int]) -> Tensor:
    rows, columns = (_opencv_positions(count, of) for count, of in zip(size, labels.shape, strict=True))
    return labels[rows][:, columns]


def _pillow_positions(count: int, of: int) -> Tensor:
    """Which of so many pixels in a row are taken: asked of Pillow itself, which adds up steps in its own way."""
    ramp = Image.fromarray(np.arange(of, dtype=np.int32)[None])
    return torch.from_numpy(np.array(ramp.resize((count, 1), Image.Resampling.NEAREST))[0]).long()


def _opencv_positions(count: int, of: int) -> Tensor:
    """Which of so many pixels in a row are taken: OpenCV divides twice."""
    positions = (torch.arange(count, dtype=torch.float64) * (1 / (count / of))).long()
    return positions.clamp(max=of - 1)


NEAREST: dict[Nearest, Callable[[Tensor, tuple[int, int]], Tensor]] = {
    "floor": _floor,
    "centre": _centre,
    "opencv": _opencv,
}
