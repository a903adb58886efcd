"""Two students of one shape that share nothing but what is frozen.

Letters: B images, C classes, D channels, P = C + 1 with background, H W pixels, h w cells.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from srpnet.nn.backbone import IMAGENET_MEAN, IMAGENET_STD
from srpnet.weak.encoders import ENCODERS, Levels, imagenet_weights
from srpnet.weak.settings import Pooling, StudentSettings

DILATION = 5
POOLINGS: dict[Pooling, Callable[[Tensor], Tensor]] = {
    "max": lambda maps_BDhw: maps_BDhw.amax((2, 3), keepdim=True),
    "average": lambda maps_BDhw: maps_BDhw.mean((2, 3), keepdim=True),
}
"""Feature maps (B, D, h, w) -> (B, D, 1, 1)."""


class Features(NamedTuple):
    """F_aux and F of images: (B, D, h, w) each."""

    aux: Tensor
    main: Tensor


class Student(nn.Module):
    """A backbone, a classifier and a segmentation head on F, and an auxiliary classifier on F_aux.

    Args:
        config: Its settings.
        seed: Draws the heads.
    """

    def __init__(self, config: StudentSettings, seed: int = 0) -> None:
        super().__init__()
        self.encoder = ENCODERS[config.architecture](config)
        self._pooling = config.pooling
        aux, main = self.encoder.channels
        classes, width = len(config.classes), config.segmentation_width
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            self.classifier = nn.Conv2d(main, classes, 1, bias=False)
            self.aux_classifier = nn.Conv2d(aux, classes, 1, bias=False)
            # LargeFOV (DeepLab; Chen et al. 2015).
            self.head = nn.Sequential(
                nn.Conv2d(main, width, 3, padding=DILATION, dilation=DILATION, bias=False),
                nn.ReLU(),
                nn.Conv2d(width, width, 3, padding=DILATION, dilation=DILATION, bias=False),
                nn.ReLU(),
                nn.Conv2d(width, classes + 1, 1, bias=False),
            )

    def forward(self, levels: Levels, size: Sequence[int]) -> Features:
        """F_aux and F of images of H x W pixels."""
        return Features(*self.encoder.upper(levels, size))

    def class_logits(self, features: Features) -> tuple[Tensor, Tensor]:
        """Of the whole image, by F and by F_aux, after global pooling: (B, C) each."""
        pool = POOLINGS[self._pooling]
        main, aux = (
            classify(pool(maps)).flatten(1)
            for classify, maps in ((self.classifier, features.main), (self.aux_classifier, features.aux))
        )
        return main, aux

    def class_maps(self, features: Features) -> tuple[Tensor, Tensor]:
        """The classifiers at every cell, by F and by F_aux: (B, C, h, w) each; CAMs before anything is normalised."""
        return self.classifier(features.main.detach()), self.aux_classifier(features.aux.detach())

    def segment(self, features: Features) -> Tensor:
        """Logits (B, P, h, w), background first."""
        return self.head(features.main)


class Students(nn.Module):
    """One or two students.

    Random weights; see `build` and `srpnet.weak.saving.load_students`.

    Args:
        config: Their settings.
        seed: Draws the heads.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: StudentSettings, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.students = nn.ModuleList(Student(config, 2 * seed + number) for number in range(config.students))
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(3, 1, 1), persistent=False)

    def __iter__(self) -> Iterator[Student]:
        return (student for student in self.students if isinstance(student, Student))

    def lower(self, images_B3HW: Tensor) -> Levels:
        """RGB in [0, 1] -> what the frozen blocks make of it, once for both students."""
        first: Student = next(iter(self))
        return first.encoder.lower((images_B3HW - self.mean) / self.std)

    def heads(self) -> list[nn.Parameter]:
        """The parameters that begin at random."""
        return [
            parameter
            for student in self
            for module in (student.classifier, student.aux_classifier, student.head)
            for parameter in module.parameters()
        ]

    def backbones(self) -> list[nn.Parameter]:
        """The parameters of backbones that are trained."""
        return [parameter for student in self for parameter in student.encoder.parameters() if parameter.requires_grad]


def build(
    config: StudentSettings, seed: int = 0, file: Path | None = None, say: Callable[[str], None] = print
) -> Students:
    """Students with ImageNet weights in their backbones and fresh heads.

    Args:
        config: Their settings. If they carry a hash, the weights must have that very hash.
        seed: Draws the heads.
        file: The weights, instead of the cache or a download.
        say: Called with one line about every source of weights that fails.

    Raises:
        InputError: if the weights cannot be had, or do not fit.
    """
    found, state = imagenet_weights(config, file, say)
    students = Students(replace(config, weights=found.name, weights_sha256=found.sha256), seed)
    for student in students:
        student.encoder.load(state)
    return students
