"""Faces for training: photographs kept in memory on their canvas, and changed at random where they are needed.

Letters: N faces, B of a batch, P cropped parts, W W pixels of the canvas.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from episodes.data.sets.face_layouts import MIRRORED
from episodes.data.sets.faces import Faces
from episodes.data.source import OnProgress, silent
from episodes.draws import Draws
from episodes.threads import map_in_threads
from srpnet.faces.canvas import Frame
from srpnet.faces.labels import CROPPED
from srpnet.faces.settings import FaceAugmentation
from srpnet.nn.crop import sample


class Face(NamedTuple):
    """What a step learns from one photograph: which, and how it is changed.

    Attributes:
        number: Of the photograph among those in memory, int64.
        warp_23: From coordinates of the changed canvas to those of the photograph's, -1..1, see `srpnet.nn.crop`.
        flipped: Whether that mirrors it, bool.
        colours_3: Factors of brightness, contrast and saturation.
        jitter_P2: -1..1, of the crops in the training of the part networks.
        photograph_3WW, labels_WW: uint8, if it is not in memory; else empty.
    """

    number: Tensor
    warp_23: Tensor
    flipped: Tensor
    colours_3: Tensor
    jitter_P2: Tensor
    photograph_3WW: Tensor
    labels_WW: Tensor


class Canvases(NamedTuple):
    """Photographs (N, 3, W, W) and labels (N, W, W) of faces on their canvas, uint8."""

    photographs: Tensor
    labels: Tensor


class FaceItems:
    """Endless faces by index: every epoch all of them, in another order, each changed anew.

    Args:
        source, ids: Which.
        canvas: Side of the canvas.
        augmentation: How they are changed.
        seed, phase: What the order and the changes follow from, beside the index.
        in_memory: Leave the pixels out.
    """

    def __init__(
        self,
        source: Faces,
        ids: Sequence[str],
        canvas: int,
        augmentation: FaceAugmentation,
        seed: int,
        phase: str,
        in_memory: bool,
    ) -> None:
        self.source, self.ids, self.canvas, self.augmentation = source, ids, canvas, augmentation
        self.seed, self.phase, self.in_memory = seed, phase, in_memory
        self._epoch, self._order = -1, list[int]()

    def __getitem__(self, index: int) -> Face:
        epoch, place = divmod(index, len(self.ids))
        if epoch != self._epoch:
            numbers = range(len(self.ids))
            self._epoch, self._order = epoch, Draws("faces", self.phase, self.seed, epoch).sample(numbers, len(numbers))
        number = self._order[place]
        empty = torch.empty(0, dtype=torch.uint8)
        pixels = (empty, empty) if self.in_memory else read_face(self.source, self.canvas, self.ids[number])
        return Face(torch.tensor(number), *_changes(self.augmentation, Draws(self.phase, self.seed, index)), *pixels)


def _changes(augmentation: FaceAugmentation, draws: Draws) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    flipped = draws.chance(augmentation.flip)
    angle = math.radians(draws.uniform(-1, 1) * augmentation.turn)
    size = 1 / (1 + draws.uniform(-1, 1) * augmentation.zoom)
    across, down = (2 * draws.uniform(-1, 1) * augmentation.shift for _ in range(2))
    cosine, sine, side = size * math.cos(angle), size * math.sin(angle), -1 if flipped else 1
    warp_23 = torch.tensor([[side * cosine, -sine, across], [side * sine, cosine, down]])
    colours_3 = torch.tensor([1 + draws.uniform(-1, 1) * augmentation.colour for _ in range(3)])
    jitter_P2 = torch.tensor([[draws.uniform(-1, 1) for _ in range(2)] for _ in CROPPED])
    return warp_23, torch.tensor(flipped), colours_3, jitter_P2


def read_face(source: Faces, canvas: int, id: str) -> tuple[Tensor, Tensor]:
    """A photograph (3, W, W) and its labels (W, W) on the canvas, uint8."""
    photograph, labels = source.parts(id)
    frame = Frame.whole(photograph.shape[1], photograph.shape[0])
    rgb = np.array(frame.put(Image.fromarray(photograph), canvas))
    return torch.from_numpy(rgb).permute(2, 0, 1).contiguous(), torch.from_numpy(
        np.array(frame.put(Image.fromarray(labels), canvas))
    )


def canvas_bytes(count: int, canvas: int) -> int:
    """What so many faces take in memory."""
    return count * 4 * canvas * canvas


def read_canvases(
    source: Faces, ids: Sequence[str], canvas: int, device: torch.device, on_progress: OnProgress = silent
) -> Canvases:
    """All these faces in memory: that of the device, if twice as much is free there, else the machine's."""
    photographs = torch.empty(len(ids), 3, canvas, canvas, dtype=torch.uint8)
    labels = torch.empty(len(ids), canvas, canvas, dtype=torch.uint8)
    for number, (rgb, own) in enumerate(map_in_threads(partial(read_face, source, canvas), ids)):
        photographs[number], labels[number] = rgb, own
        on_progress("Reading faces", number + 1, len(ids))
    if device.type != "cuda" or torch.cuda.mem_get_info(device)[0] > 2 * canvas_bytes(len(ids), canvas):
        return Canvases(photographs.to(device), labels.to(device))
    return Canvases(photographs, labels)


def changed(faces: Sequence[Face], kept: Canvases | None, device: torch.device) -> tuple[Tensor, Tensor]:
    """Photographs (B, 3, W, W), RGB in [0, 1], and labels (B, W, W) uint8, on the device, as the faces say."""
    if kept is None:
        photographs = torch.stack([face.photograph_3WW for face in faces]).to(device, non_blocking=True)
        labels = torch.stack([face.labels_WW for face in faces]).to(device, non_blocking=True)
    else:
        numbers = torch.stack([face.number for face in faces]).to(kept.labels.device)
        photographs, labels = kept.photographs[numbers].to(device), kept.labels[numbers].to(device)
    warp_B23, flipped_B, colours_B3 = (
        torch.stack(values).to(device)
        for values in zip(*((face.warp_23, face.flipped, face.colours_3) for face in faces), strict=True)
    )
    size = (labels.shape[1], labels.shape[2])
    images = sample(photographs.float() / 255, warp_B23, size)
    warped = sample(labels[:, None].float(), warp_B23, size, "nearest")[:, 0].to(torch.uint8)
    mirrored = torch.tensor(MIRRORED, dtype=torch.uint8, device=device)[warped.long()]
    return coloured(images, colours_B3), torch.where(flipped_B[:, None, None], mirrored, warped)


def coloured(images_B3HW: Tensor, colours_B3: Tensor) -> Tensor:
    """Images with their brightness, contrast and saturation times these factors, within [0, 1]."""
    brightness, contrast, saturation = (factor[:, None, None, None] for factor in colours_B3.unbind(1))
    images = images_B3HW * brightness
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * saturation
    mean = grey.mean((2, 3), keepdim=True)
    return (mean + (images - mean) * contrast).clamp(0, 1)
