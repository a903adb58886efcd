"""SRPNet for the training loop: its parameter groups with their learning rates, and the losses of episodes."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from episodes.data.source import IGNORE
from episodes.errors import InputError
from srpnet.fewshot.network import Logits, SRPNet
from srpnet.fewshot.prototypes import support_prototypes
from srpnet.fewshot.training.batches import EpisodeTensors
from srpnet.fewshot.training.levels import reduced_levels
from srpnet.fewshot.training.losses import segmentation_loss
from srpnet.fewshot.training.settings import FewShotLoopSettings
from srpnet.nn.device import Runtime
from srpnet.nn.grid import upsample
from srpnet.training.log import iou_rows
from srpnet.training.run import Losses, Trainable


class TrainableSRPNet(Trainable):
    """A network that learns to segment queries, and to restore the masks of supports, by its own prototypes.

    Args:
        network: Trained in place; it is moved to the device.
        settings: How it is trained.
        runtime: Device and precision.
    """

    module: SRPNet
    settings: FewShotLoopSettings
    unit = "episodes"
    load = staticmethod(EpisodeTensors.of)

    def __init__(self, network: SRPNet, settings: FewShotLoopSettings, runtime: Runtime) -> None:
        self.module, self.settings, self.runtime = network.move_to(runtime.device), settings, runtime

    def identity(self) -> Mapping[str, Any]:
        """The settings of network and training."""
        return {"network": self.module.config, "training": self.settings}

    def groups(self) -> list[dict[str, Any]]:
        """Head and backbone, with a learning rate each."""
        groups = [
            {"params": [weights for weights in module.parameters() if weights.requires_grad], "peak": lr}
            for module, lr in (
                (self.module.reduce, self.settings.lr),
                (self.module.backbone, self.settings.backbone_lr),
            )
            if module is not None
        ]
        groups = [group for group in groups if group["params"]]
        if not groups:
            raise InputError("this network has nothing to train: give it a head (`width`) or use `trained` all")
        return groups

    def write(self, folder: Path) -> None:
        """`config.json` and `model.safetensors`, see `SRPNet.write`."""
        self.module.write(folder)

    def losses(self, batch: Sequence[EpisodeTensors]) -> Losses:
        """L_query + lambda * L_support of each episode (method, 5). One pass of the backbone serves them all.

        With `both_ways` the mean of an episode and its reverse is minimized, with `one_vs_rest` that of all its ways;
        the log has each way, and not the reverse.
        """
        episodes = [episode.to(self.runtime.device) for episode in batch]
        totals: list[Tensor] = []
        logged: list[dict[str, Tensor]] = []
        for episode, features in zip(episodes, self._encode(episodes), strict=True):
            parts = [self._losses(*part) for part in self._parts(episode, *features)]
            totals.append(torch.stack([total for total, _ in parts]).mean())
            logged += [figures for _, figures in parts]
        return Losses(
            torch.stack(totals), {name: torch.cat([figures[name] for figures in logged]) for name in logged[0]}
        )

    def _parts(
        self, episode: EpisodeTensors, supports_SChw: Tensor, queries_QChw: Tensor
    ) -> Iterator[tuple[EpisodeTensors, Tensor, Tensor]]:
        """The parts that have a loss of their own: the episode, or each of its ways alone, with their features."""
        if not self.settings.one_vs_rest:
            yield episode, supports_SChw, queries_QChw
            return
        for way in range(len(episode.classes)):
            alone, shots_S = episode.one_vs_rest(way)
            yield alone, supports_SChw[shots_S], queries_QChw

    def _losses(
        self, episode: EpisodeTensors, supports_SChw: Tensor, queries_QChw: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss that is minimized, and the figures of the log."""
        logits = self._segment(episode, supports_SChw, queries_QChw)
        loss, query_loss, support_loss = self._compare(logits, episode)
        total = loss
        if self.settings.both_ways and (reverse := episode.reversed()) is not None:
            total = (loss + self._compare(self._segment(reverse, queries_QChw, supports_SChw), reverse)[0]) / 2
        return total, {
            "loss": loss[None],
            "query_loss": query_loss[None],
            "support_loss": support_loss[None],
            "query_miou": iou_rows(episode.classes, logits.queries, episode.query_labels),
            "support_miou": iou_rows(episode.classes, logits.supports, episode.support_labels),
        }

    def _encode(self, episodes: Sequence[EpisodeTensors]) -> list[tuple[Tensor, Tensor]]:
        """Feature maps of supports and queries of each episode."""
        images = [images for episode in episodes for images in (episode.support_images, episode.query_images)]
        features: Sequence[Tensor]
        with self.runtime.autocast():
            if episodes[0].encoded:  # on their own: put together, they would be copied
                size = episodes[0].query_labels.shape[-2:]
                features = [reduced_levels(self.module, levels, size) for levels in images]
            else:
                features = self.module.encode(torch.cat(images)).split([len(some) for some in images])
        return list(zip(features[::2], features[1::2], strict=True))

    def _segment(self, episode: EpisodeTensors, supports_SChw: Tensor, queries_QChw: Tensor) -> Logits:
        """Logits of all images at the size of their labels; those of supports are by their own prototypes."""
        network, stride, pooling = self.module, self.module.stride, self.module.config.pooling
        prototypes_PC = support_prototypes(
            supports_SChw, episode.support_labels, episode.membership, stride, pooling, episode.support_ids
        )
        iqi = replace(network.config.iqi, rounds=self.settings.train_rounds)
        query_logits_QPhw = network.segment(queries_QChw, prototypes_PC, episode.query_valid, iqi)
        support_logits_SPhw = network.segment(supports_SChw, prototypes_PC)
        return Logits(
            upsample(query_logits_QPhw, episode.query_labels.shape[-2:], stride),
            upsample(support_logits_SPhw, episode.support_labels.shape[-2:], stride),
        )

    def _compare(self, logits: Logits, episode: EpisodeTensors) -> tuple[Tensor, Tensor, Tensor]:
        """L, L_query and L_support."""
        weights_Q = None
        if self.settings.absent_weight != 1:
            labels_QHW = episode.query_labels
            shows_Q = ((labels_QHW > 0) & (labels_QHW != IGNORE)).any(2).any(1)
            weights_Q = torch.where(shows_Q, 1.0, self.settings.absent_weight)
        query_loss = segmentation_loss(logits.queries, episode.query_labels, weights_Q)
        support_loss = segmentation_loss(logits.supports, episode.support_labels)
        return query_loss + self.settings.support_weight * support_loss, query_loss, support_loss
