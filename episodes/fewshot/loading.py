"""From names to tensors: load, place, and in training augment a photograph."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as V

from episodes.checks import check_number
from episodes.data.source import IGNORE, Array, Source
from episodes.draws import Draws
from episodes.errors import InputError
from episodes.fewshot.compose import Cutout, cut_out, paste
from episodes.fewshot.composition import Composer, Scene
from episodes.fewshot.episode import Episode, EpisodeSpec, Photograph, ScoreAt, SupportIgnore
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.sampler import Sampler
from episodes.fewshot.weak_supports import Annotation


@dataclass(frozen=True)
class Augmentation:
    """Random changes of a training photograph, drawn again for every place that it takes in an episode.

    Attributes:
        flip: Probability of a horizontal flip.
        scale: Smallest share of each side that a random crop keeps, in (0, 1]; 1 is no crop. A photograph stays whole
            if the crop would leave a class less than a quarter of its pixels.
        colour: Strength of brightness, contrast and saturation changes, in [0, 1); 0 is none.

    Raises:
        InputError: if one is out of its range.
    """

    flip: float = 0.5
    scale: float = 1.0
    colour: float = 0.0

    def __post_init__(self) -> None:
        check_number(self, 0, 1, "flip")
        check_number(self, 0, 1, "scale", above=True)
        check_number(self, 0, 1, "colour")
        if self.colour == 1:
            raise InputError("colour strength must be below 1: at 1 a photograph may turn black")

    def mirrors(self, draws: Draws) -> bool:
        """Whether a photograph is flipped: the first of the draws."""
        return draws.chance(self.flip)

    def __call__(self, image: Tensor, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Change a photograph (3, H, W) uint8 and its label map (H, W) jointly; sizes may change by the crop."""
        photograph, mask = tv_tensors.Image(image), tv_tensors.Mask(labels)
        if self.mirrors(draws):
            photograph, mask = V.horizontal_flip(photograph), V.horizontal_flip(mask)
        if self.scale < 1:
            height, width = image.shape[-2:]
            crop = [max(1, round(side * draws.uniform(self.scale, 1))) for side in (height, width)]
            corner = [draws.below(side - kept + 1) for side, kept in zip((height, width), crop, strict=True)]
            window = mask[corner[0] : corner[0] + crop[0], corner[1] : corner[1] + crop[1]]
            if _keeps_classes(window, mask):
                photograph, mask = V.crop(photograph, *corner, *crop), V.crop(mask, *corner, *crop)
        if self.colour > 0:
            for adjust in (V.adjust_brightness, V.adjust_contrast, V.adjust_saturation):
                photograph = adjust(photograph, draws.uniform(1 - self.colour, 1 + self.colour))
        return photograph.as_subclass(Tensor), mask.as_subclass(Tensor)


def _keeps_classes(window: Tensor, mask: Tensor) -> bool:
    """Whether a crop leaves every class a quarter of its pixels: of a few, none may survive the resizing."""
    count = max(IGNORE, int(mask.max())) + 1
    kept, whole = (torch.bincount(labels.flatten().int(), minlength=count) for labels in (window, mask))
    whole[[0, IGNORE]] = 0
    return bool((4 * kept >= whole).all())


@dataclass(frozen=True)
class Loader:
    """Builds episodes from a source.

    Attributes:
        source: Where photographs come from.
        geometry: Their size and shape for the network.
        augmentation: Training only; None loads every photograph as it is.
        seed: Seeds the augmentation, with the episode's index and the photograph's slot.
        ignored: Classes whose pixels count for nothing (`novel_pixels="ignore"`).
        score_at: The size at which predictions are compared with the truth.
        support_ignore: What label 255 of a support teaches, see `Episode`.
        annotation: What is given of a support, see `Episode`.
        composer: Training only: decides which photographs are composed of several.
    """

    source: Source
    geometry: Geometry
    augmentation: Augmentation | None = None
    seed: int = 0
    ignored: frozenset[int] = frozenset()
    score_at: ScoreAt = "input"
    support_ignore: SupportIgnore = "ignore"
    annotation: Annotation = "mask"
    composer: Composer | None = None

    def photograph(self, id: str, draws: Draws | None = None) -> Photograph:
        """Load one photograph; with `draws`, augmented."""
        return self._placed(id, *self._augmented(id, draws))

    def build(self, spec: EpisodeSpec) -> Episode:
        """The episode of a spec. Photographs are loaded when asked for; nothing is read here."""

        def load(name: str, slot: int) -> Photograph:
            if self.composer is not None:
                return self._composed(self.composer.scene(spec, slot), spec, slot)
            return self.photograph(name, self._draws(spec.index, slot))

        # The number names the source as long as it lives, which `load` sees to.
        fixed = self.augmentation is None and self.composer is None
        origin = (id(self.source), self.geometry) if fixed else None
        return Episode(spec, load, self.ignored, self.score_at, self.support_ignore, self.annotation, origin)

    def _composed(self, scene: Scene, spec: EpisodeSpec, slot: int) -> Photograph:
        """The photograph of a scene, under the name of the one in whose place it comes."""
        photograph = self._augmented(scene.id, self._draws(spec.index, slot))
        if scene.pasted:
            image, labels = _arrays(*photograph)
            labels = labels.copy()
            labels[np.isin(labels, [*self.ignored])] = IGNORE  # and that they stay, whatever is pasted on them
            for number, (id, label) in enumerate(scene.pasted):
                draws = Draws("paste", self.seed, spec.index, slot, number)
                if cutout := cut_out(*self.source.load(id), label):
                    image, labels = paste(image, labels, self._varied(cutout, draws), label, draws, spec.classes)
            photograph = _tensors(image, labels)
        return self._placed(spec.slots[slot], *photograph)

    def _augmented(self, id: str, draws: Draws | None) -> tuple[Tensor, Tensor]:
        """A photograph (3, H, W) uint8 and its label map (H, W)."""
        image, labels = _tensors(*self.source.load(id))
        if self.augmentation is None or draws is None:
            return image, labels
        return self.augmentation(image, labels, draws)

    def _varied(self, cutout: Cutout, draws: Draws) -> Cutout:
        """An object, augmented like a photograph but for crops."""
        if self.augmentation is None:
            return cutout
        return Cutout(*_arrays(*replace(self.augmentation, scale=1)(*_tensors(*cutout), draws)))

    def _placed(self, id: str, image: Tensor, labels: Tensor) -> Photograph:
        placement = self.geometry.place(*labels.shape)
        return Photograph(id, placement.image(image), placement.labels(labels), placement.valid(), placement, labels)

    def mirrors(self, index: int, slot: int) -> bool:
        """Whether the photograph in this slot of this episode comes flipped; nothing is read to tell."""
        return self.augmentation is not None and self.augmentation.mirrors(self._draws(index, slot))

    def _draws(self, index: int, slot: int) -> Draws:
        return Draws("augmentation", self.seed, index, slot)


def _tensors(image: Array, labels: NDArray[Any]) -> tuple[Tensor, Tensor]:
    """(H, W, 3) and (H, W) -> (3, H, W) and (H, W), of the same numbers."""
    return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(labels)


def _arrays(image: Tensor, labels: Tensor) -> tuple[Array, NDArray[Any]]:
    """(3, H, W) and (H, W) -> (H, W, 3) and (H, W), of the same numbers."""
    return image.permute(1, 2, 0).numpy(), labels.numpy()


@dataclass(frozen=True)
class EpisodeList:
    """Endless episodes by index: drawn by a sampler, built by a loader. Nothing is read before it is asked for."""

    sampler: Sampler
    loader: Loader

    def __getitem__(self, index: int) -> Episode:
        return self.loader.build(self.sampler.spec(index))

    def first(self, count: int) -> Iterator[Episode]:
        """Episodes 0..count-1."""
        return (self[index] for index in range(count))
