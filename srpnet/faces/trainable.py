"""The phases of training as the loop takes them: what learns, and from which losses.

Letters: B faces, P cropped parts, W W pixels of the canvas.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srpnet.faces.batches import Canvases, Face, changed
from srpnet.faces.labels import CROPPED, box_centres, own_labels, part_masks
from srpnet.faces.parser import FaceParser
from srpnet.faces.saving import write
from srpnet.faces.settings import FaceTrainSettings
from srpnet.nn.crop import coverage, sample
from srpnet.nn.device import Runtime
from srpnet.training.run import Losses, Trainable


class Phase(Trainable):
    """A phase of training.

    Args:
        parser: Trained in place, on the device.
        settings: Of the whole training.
        kept: The faces in memory; None if they come with their pixels.
        runtime: Device and precision.

    Attributes:
        name: Of the phase, and of its folder.
    """

    name = ""
    unit = "faces"
    buffers = True

    def __init__(
        self, parser: FaceParser, settings: FaceTrainSettings, kept: Canvases | None, runtime: Runtime
    ) -> None:
        self.parser, self.whole, self.kept, self.runtime = parser, settings, kept, runtime
        self.module = self.learns(parser)
        self.settings = replace(settings.training, steps=self.steps(settings), lr=self.largest_lr(settings))

    @abstractmethod
    def learns(self, parser: FaceParser) -> nn.Module:
        """The part of the parser that learns."""

    @staticmethod
    @abstractmethod
    def steps(settings: FaceTrainSettings) -> int:
        """How many."""

    @staticmethod
    def largest_lr(settings: FaceTrainSettings) -> float:
        """The largest learning rate."""
        return settings.first_lr

    @abstractmethod
    def compare(self, canvas_B3WW: Tensor, labels_BWW: Tensor, jitter_BP2: Tensor) -> dict[str, Tensor]:
        """What the log says of each face (B,) by name; `loss` is minimized.

        Args:
            canvas_B3WW: RGB in [0, 1].
            labels_BWW: uint8, the nine.
            jitter_BP2: See `Face`.
        """

    def identity(self) -> Mapping[str, Any]:
        """The settings of the phase."""
        return {"phase": {"name": self.name}, "training": self.settings}

    def groups(self) -> list[dict[str, Any]]:
        """All that learns, alike."""
        return [{"params": list(self.module.parameters()), "peak": self.settings.lr}]

    @staticmethod
    def load(item: Face) -> Face:
        """As it is."""
        return item

    def write(self, folder: Path) -> None:
        """The whole parser, see `srpnet.faces.saving`."""
        write(self.parser, folder)

    def losses(self, batch: Sequence[Face]) -> Losses:
        """Those of a batch of faces."""
        with torch.no_grad():
            canvas_B3WW, labels_BWW = changed(batch, self.kept, self.runtime.device)
        jitter_BP2 = torch.stack([face.jitter_P2 for face in batch]).to(self.runtime.device)
        with self.runtime.autocast():
            logged = self.compare(canvas_B3WW, labels_BWW, jitter_BP2)
        return Losses(logged["loss"], logged)


class CoarsePhase(Phase):
    """The coarse network learns the nine labels by cross-entropy."""

    name = "coarse"

    def learns(self, parser: FaceParser) -> nn.Module:
        """The coarse network."""
        return parser.coarse

    @staticmethod
    def steps(settings: FaceTrainSettings) -> int:
        """Its own."""
        return settings.coarse_steps

    def compare(self, canvas_B3WW: Tensor, labels_BWW: Tensor, jitter_BP2: Tensor) -> dict[str, Tensor]:
        """Each coarse pixel has the label of the canvas in its middle."""
        logits = self.parser.segment_coarsely(canvas_B3WW)
        labels = F.interpolate(labels_BWW[:, None].float(), logits.shape[-2:], mode="nearest-exact")[:, 0].long()
        return {"loss": F.cross_entropy(logits, labels, reduction="none").mean((1, 2))}


class LocalizerPhase(Phase):
    """The localizer learns where the parts are, from what the coarse network says."""

    name = "localizer"

    def learns(self, parser: FaceParser) -> nn.Module:
        """The localizer."""
        assert parser.localizer is not None
        return parser.localizer

    @staticmethod
    def steps(settings: FaceTrainSettings) -> int:
        """Its own."""
        return settings.localizer_steps

    @staticmethod
    def largest_lr(settings: FaceTrainSettings) -> float:
        """Its own."""
        return settings.localizer_lr

    def compare(self, canvas_B3WW: Tensor, labels_BWW: Tensor, jitter_BP2: Tensor) -> dict[str, Tensor]:
        """Smooth L1 between its theta and that of the crop around the box of each part that is there."""
        self.parser.coarse.eval()
        with torch.no_grad():
            coarse = self.parser.segment_coarsely(canvas_B3WW)
        theta_BP23 = self.parser.locate(coarse)
        masks_BPWW = part_masks(labels_BWW)
        return {"loss": theta_loss(self.parser, theta_BP23, masks_BPWW), "coverage": covered(masks_BPWW, theta_BP23)}


class PartsPhase(Phase):
    """The part networks learn from crops around the true boxes, shifted at random."""

    name = "parts"

    def learns(self, parser: FaceParser) -> nn.Module:
        """The part networks."""
        return parser.parts

    @staticmethod
    def steps(settings: FaceTrainSettings) -> int:
        """Their own."""
        return settings.parts_steps

    def compare(self, canvas_B3WW: Tensor, labels_BWW: Tensor, jitter_BP2: Tensor) -> dict[str, Tensor]:
        """The sum of the parts' losses."""
        centres_BP2, _ = box_centres(part_masks(labels_BWW))
        sides_P1 = torch.tensor(self.parser.sides, device=centres_BP2.device)[:, None]
        shifted_BP2 = (centres_BP2 + self.whole.jitter * sides_P1 * jitter_BP2).round()  # whole pixels are a slice
        return part_losses(self.parser, canvas_B3WW, labels_BWW, self.parser.crops_around(shifted_BP2))


class EndPhase(Phase):
    """All of it learns from the part losses, through the crop; the localizer's own loss is the anchor."""

    name = "end"

    def learns(self, parser: FaceParser) -> nn.Module:
        """Everything."""
        return parser

    @staticmethod
    def steps(settings: FaceTrainSettings) -> int:
        """Those of the loop."""
        return settings.training.steps

    @staticmethod
    def largest_lr(settings: FaceTrainSettings) -> float:
        """Those of the loop."""
        return settings.training.lr

    def compare(self, canvas_B3WW: Tensor, labels_BWW: Tensor, jitter_BP2: Tensor) -> dict[str, Tensor]:
        """The sum of the parts' losses, and the anchor."""
        theta_BP23 = self.parser.locate(self.parser.segment_coarsely(canvas_B3WW))
        logged = part_losses(self.parser, canvas_B3WW, labels_BWW, theta_BP23)
        masks_BPWW = part_masks(labels_BWW)
        theta = theta_loss(self.parser, theta_BP23, masks_BPWW)
        total = logged.pop("loss") + self.whole.anchor * theta
        return {"loss": total, "theta_loss": theta, **logged, "coverage": covered(masks_BPWW, theta_BP23)}


PHASES: dict[str, Sequence[type[Phase]]] = {
    "localizer": (CoarsePhase, LocalizerPhase, PartsPhase, EndPhase),
    "centroid": (CoarsePhase, PartsPhase),
}
"""Cropper -> the phases of training, in order. Nothing flows back through a centroid."""


def theta_loss(parser: FaceParser, theta_BP23: Tensor, masks_BPWW: Tensor) -> Tensor:
    """Smooth L1 between theta and that of the crop around each part's box, over the parts that are there: (B,)."""
    centres_BP2, there_BP = box_centres(masks_BPWW)
    wanted_BP23 = parser.crops_around(centres_BP2)
    loss_BP4 = F.smooth_l1_loss(_values(theta_BP23), _values(wanted_BP23), reduction="none")
    return (loss_BP4.mean(2) * there_BP).sum(1) / there_BP.sum(1).clamp(min=1)


def part_losses(parser: FaceParser, canvas_B3WW: Tensor, labels_BWW: Tensor, theta_BP23: Tensor) -> dict[str, Tensor]:
    """Cross-entropy of each part in its crop, (B,) by its name, and their sum as `loss`."""
    logged: dict[str, Tensor] = {}
    parts = parser.segment_parts(canvas_B3WW, theta_BP23)
    fixed_BP23 = theta_BP23.detach()  # to the labels in a crop nothing flows back
    for number, (part, logits) in enumerate(zip(CROPPED, parts, strict=True)):
        own = own_labels(labels_BWW, part)[:, None].float()
        cropped = sample(own, fixed_BP23[:, number], (logits.shape[-2], logits.shape[-1]), "nearest")[:, 0].long()
        logged[f"{part.name.replace(' ', '_')}_loss"] = F.cross_entropy(logits, cropped, reduction="none").mean((1, 2))
    return {"loss": torch.stack(list(logged.values())).sum(0), **logged}


@torch.no_grad()
def covered(masks_BPWW: Tensor, theta_BP23: Tensor) -> Tensor:
    """The mean share of the pixels of each part that lies inside its crop, over the parts that are there: (B,)."""
    shares_BP = coverage(masks_BPWW.flatten(0, 1), theta_BP23.flatten(0, 1)).view(masks_BPWW.shape[:2])
    return shares_BP.nanmean(1).nan_to_num(1.0)


def _values(theta_BP23: Tensor) -> Tensor:
    """The four numbers of each theta."""
    return torch.stack([theta_BP23[..., 0, 0], theta_BP23[..., 1, 1], *theta_BP23[..., 2].unbind(-1)], -1)
