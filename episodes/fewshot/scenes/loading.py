"""From names to tensors: load, place, and in training augment a photograph."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from episodes.data.source import IGNORE, Array, Source
from episodes.draws import Draws
from episodes.fewshot.episode import Episode, EpisodeSpec, Photograph, ScoreAt, SupportIgnore
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.sampler import Sampler
from episodes.fewshot.scenes.augmentation import Augmentation
from episodes.fewshot.scenes.composition import Composer, Scene
from episodes.fewshot.scenes.pasting import Cutout, cut_out, paste
from episodes.fewshot.settings import Annotation


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
        spec, composer = self.sampler.spec(index), self.loader.composer
        return self.loader.build(composer.episode(spec) if composer is not None else spec)

    def first(self, count: int) -> Iterator[Episode]:
        """Episodes 0..count-1."""
        return (self[index] for index in range(count))
