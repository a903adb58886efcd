"""Look again closer: what was found is cropped from the photograph at full resolution, segmented there, and put back.

The first look sees the whole photograph at the network's size. Where it found something that fills only a part of the
photograph, the network looks at that part alone, at the same size; the prototypes are the same. A closer look has finer
edges, sees small things, and knows less of the surroundings: where both see a pixel, it is their weighted mean.

Letters: N ways, P = N + 1 classes with background, C components, h w cells, H W pixels of the photograph or a window.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from episodes.data.source import Array
from episodes.fewshot.geometry import Placement
from srpnet.apps.looks.windows import Box, Window, around, groups
from srpnet.fewshot.naming import connected
from srpnet.nn.crop import compose, inverse, sample, theta_of
from srpnet.nn.grid import label_maps, pixel_weights, upsample

MARGIN = 1.6
"""The side of a closer look, beside that of what it looks at."""
ZOOM = 1.25
"""A look that enlarges less is not worth its time."""
WEIGHT = 0.5
"""Of a closer look, where the first look has 1: that knows more of the surroundings."""
LOOKS = 2
"""At most so many in a photograph: at the largest of what was found."""
SMALLEST = 8
"""Pixels of a look's shorter side at least."""
RAMP = 0.15
"""Of a look's side, over which it gains weight from its border on, where it knows nothing of what lies beyond."""

WHOLE = theta_of(torch.ones(1, 2), torch.zeros(1, 2))


class Look(NamedTuple):
    """A closer look at a window.

    Attributes:
        window: Where.
        theta_123: What was cropped, on the photograph's canvas.
        size: Of the network's input, (height, width).
        logits_1Phw: At the cells.
        weight: Of it, beside the first look's.
    """

    window: Window
    theta_123: Tensor
    size: tuple[int, int]
    logits_1Phw: Tensor
    weight: float = WEIGHT


@dataclass
class Looks:
    """All that was seen of a photograph.

    Attributes:
        placement: Of the first look, at the whole photograph.
        stride: Pixels of the network's input from one cell to the next.
        logits_1Phw: Of the first look, at the cells, background first.
        closer: The others.
    """

    placement: Placement
    stride: int
    logits_1Phw: Tensor
    closer: list[Look] = field(default_factory=list)

    def logits(self, window: Window) -> Tensor:
        """(P, H, W) of a window: the weighted mean of the first look and the closer ones that see it."""
        rows_Hh, columns_Ww = (
            weights[part].to(self.logits_1Phw)
            for weights, part in zip(
                pixel_weights(self.logits_1Phw.shape[-2:], self.stride, self.placement, original=True),
                window.slices,
                strict=True,
            )
        )
        logits_PHW = rows_Hh @ self.logits_1Phw[0] @ columns_Ww.mT
        weight_HW = logits_PHW.new_ones(logits_PHW.shape[1:])
        for look in self.closer:
            if look.window.meets(window):
                more_HW, closer_PHW = self._seen(look, window)
                logits_PHW, weight_HW = logits_PHW + more_HW * closer_PHW, weight_HW + more_HW
        return logits_PHW / weight_HW

    def labels(self) -> Array:
        """The class with the highest logit at each pixel, uint8 (H, W)."""
        labels: Array = label_maps(self.logits_1Phw, self.stride, self.placement, original=True)[0].cpu().numpy()
        for window in groups([look.window for look in self.closer]):
            labels[window.slices] = self.logits(window).argmax(0).to(torch.uint8).cpu().numpy()
        return labels

    def probabilities(self) -> Tensor:
        """Of each class at each pixel, (P, H, W)."""
        scores = upsample(self.logits_1Phw, self.placement.outer, self.stride)
        probabilities_PHW = self.placement.restore(scores)[0].softmax(0)
        for window in groups([look.window for look in self.closer]):
            rows, columns = window.slices
            probabilities_PHW[:, rows, columns] = self.logits(window).softmax(0)
        return probabilities_PHW

    def cell(self, window: Window) -> float:
        """Pixels of the photograph from one cell to the next, in the look that counts for most in a window.

        What closer looks at what was found already show finer is too little sure to leave edges less room.
        """
        seeing = [look for look in self.closer if look.weight > 1 and look.window.joined(window) == look.window]
        zooms = [max(look.size) / max(look.window.width, look.window.height) for look in seeing]
        return self.stride / max([max(self.placement.inner) / max(self.placement.original), *zooms])

    def _seen(self, look: Look, window: Window) -> tuple[Tensor, Tensor]:
        """The weight of a closer look in a window (H, W), and its logits (P, H, W), both 0 where it sees nothing."""
        height, width = self.placement.original
        ends = (look.window.top > 0, look.window.bottom < height), (look.window.left > 0, look.window.right < width)
        rows_h, columns_w = (ramp(pixels, *open_) for pixels, open_ in zip(look.size, ends, strict=True))
        weight_1hw = (rows_h[:, None] * columns_w)[None].to(look.logits_1Phw)
        maps_1Rhw = torch.cat([weight_1hw[None], upsample(look.logits_1Phw, look.size, self.stride)], dim=1)
        theta_123 = compose(inverse(look.theta_123), window.theta((height, width)))
        seen_RHW = sample(maps_1Rhw, theta_123.to(maps_1Rhw), (window.height, window.width))[0]
        return look.weight * seen_RHW[0], seen_RHW[1:]


def ramp(pixels: int, before: bool, behind: bool) -> Tensor:
    """Weights of so many pixels in a row: rising from 0 at an end beyond which the photograph goes on.

    >>> [round(weight, 2) for weight in ramp(11, True, False).tolist()]
    [0.0, 0.67, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    """
    position = torch.linspace(0, 1, pixels)
    from_before = position / RAMP if before else torch.ones(pixels)
    from_behind = (1 - position) / RAMP if behind else torch.ones(pixels)
    return torch.minimum(from_before, from_behind).clamp(0, 1)


def crop(photograph: Image.Image, window: Window, size: int) -> tuple[Tensor, Tensor]:
    """A window at the network's size: image (3, H, W) in [0, 1], its longer side `size`; and its theta, see `Look`.

    What is larger than that is first shrunk by a whole number of pixels, of each of which the mean is taken.
    """
    step = max(1, round(max(window.width, window.height) / size))
    step = min(step, max(1, window.width // 2), max(1, window.height // 2))
    width, height = window.width // step * step, window.height // step * step
    pixels = photograph.crop((window.left, window.top, window.left + width, window.top + height)).reduce(step)
    image_13HW = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None].float() / 255
    scale = size / max(pixels.size)
    inner = max(2, round(pixels.height * scale)), max(2, round(pixels.width * scale))
    canvas = photograph.height, photograph.width
    return sample(image_13HW, WHOLE, inner)[0], window.theta(canvas, step)


def look_closer(photograph: Image.Image, looks: Looks, size: int, segment: Callable[[Tensor], Tensor]) -> None:
    """Look closer at the largest of what the first look found, where that enlarges it; into `looks`.

    Args:
        photograph: RGB.
        looks: The first one.
        size: Longer side of the network's input.
        segment: An image (3, H, W) in [0, 1] -> its logits (1, P, h, w).
    """
    for window in windows(looks):
        image_3HW, theta_123 = crop(photograph, window, size)
        looks.closer.append(Look(window, theta_123, (image_3HW.shape[1], image_3HW.shape[2]), segment(image_3HW)))


def windows(looks: Looks) -> list[Window]:
    """Where to look closer: around each component of the foreground, the largest first."""
    logits_Phw = looks.logits_1Phw[0]
    foreground_hw = logits_Phw[1:].amax(0) > logits_Phw[0]
    if not foreground_hw.any():
        return []
    components_Chw = connected(foreground_hw)
    order = components_Chw.flatten(1).sum(1).argsort(descending=True, stable=True)
    chosen: list[Window] = []
    for number in order.tolist():
        window = around(box_of(components_Chw[number], looks), MARGIN, looks.placement.original)
        zoom = max(looks.placement.original) / max(window.width, window.height)
        seen = any(window.joined(other) == other for other in chosen)
        if zoom >= ZOOM and min(window.width, window.height) >= SMALLEST and not seen:
            chosen.append(window)
        if len(chosen) == LOOKS:
            break
    return chosen


def box_of(component_hw: Tensor, looks: Looks) -> Box:
    """The box around some cells, each of which reaches half way to the next."""
    sides = []
    for axis, (inner, original) in enumerate(zip(looks.placement.inner, looks.placement.original, strict=True)):
        cells = component_hw.any(1 - axis).nonzero()[:, 0]
        pixels = looks.stride * original / inner
        sides.append(((float(cells[0]) - 0.5) * pixels, (float(cells[-1]) + 0.5) * pixels))
    (top, bottom), (left, right) = sides
    return Box(left, top, right, bottom)
