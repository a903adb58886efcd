"""Episodes as tensors."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from episodes.data.source import IGNORE
from episodes.fewshot.episode import AnyPhotograph, Episode, PreparedPhotograph
from srpnet.fewshot.evaluation.method import membership


class EpisodeTensors(NamedTuple):
    """An episode as the network takes it; see `SRPNet.forward` for the shapes.

    If `encoded`, the images are levels of the backbone (B, L) instead of pixels, see `srpnet.fewshot.training.levels`.
    """

    classes: tuple[int, ...]
    support_images: Tensor
    support_labels: Tensor
    support_valid: Tensor
    membership: Tensor
    query_images: Tensor
    query_labels: Tensor
    query_valid: Tensor
    support_ids: tuple[str, ...] = ()
    encoded: bool = False

    @classmethod
    def of(cls, episode: Episode) -> "EpisodeTensors":
        """Load an episode's photographs."""
        supports, queries = episode.supports(), episode.queries()
        return cls(
            episode.spec.classes,
            _images(supports),
            torch.stack([episode.labels(support) for support in supports]),
            torch.stack([support.valid for support in supports]),
            membership(episode),
            _images(queries),
            torch.stack([episode.labels(query) for query in queries]),
            torch.stack([query.valid for query in queries]),
            tuple(support.id for support in supports),
            isinstance(queries[0], PreparedPhotograph),
        )

    def to(self, device: torch.device) -> "EpisodeTensors":
        """The same on a device."""
        moved = (value.to(device, non_blocking=True) if isinstance(value, Tensor) else value for value in self)
        return EpisodeTensors._make(moved)

    def reversed(self) -> "EpisodeTensors | None":
        """The episode with supports and queries swapped; None if the queries do not show every way."""
        ways = torch.arange(1, self.membership.shape[1] + 1, device=self.query_labels.device)
        shown_QN = (self.query_labels.flatten(1)[..., None] == ways).any(1)
        if not shown_QN.any(0).all():
            return None
        return self._replace(
            support_images=self.query_images,
            support_labels=self.query_labels,
            support_valid=self.query_valid,
            membership=shown_QN,
            support_ids=(),
            query_images=self.support_images,
            query_labels=self.support_labels,
            query_valid=self.support_valid,
        )

    def one_vs_rest(self, way: int) -> tuple["EpisodeTensors", Tensor]:
        """The 1-way episode of one way (0-based), the others being background, and which supports are its shots."""
        shots_S = self.membership[:, way]
        support_labels, query_labels = (
            torch.where(labels == IGNORE, labels, (labels == way + 1).to(labels.dtype))
            for labels in (self.support_labels[shots_S], self.query_labels)
        )
        episode = self._replace(
            classes=(self.classes[way],),
            support_images=self.support_images[shots_S],
            support_labels=support_labels,
            support_valid=self.support_valid[shots_S],
            membership=self.membership[shots_S, way : way + 1],
            query_labels=query_labels,
            support_ids=tuple(id for id, shot in zip(self.support_ids, shots_S.tolist(), strict=True) if shot),
        )
        return episode, shots_S


def _images(photographs: Sequence[AnyPhotograph]) -> Tensor:
    images = [image.prepared if isinstance(image, PreparedPhotograph) else image.image for image in photographs]
    return images[0][None] if len(images) == 1 else torch.stack(images)  # no copy of what is large, and kept
