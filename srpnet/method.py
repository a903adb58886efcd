"""SRPNet as a method to be scored: Episode in, label maps out, each photograph encoded once."""

from collections.abc import Sequence

import torch
from torch import Tensor

from episodes.episode import Episode, Photograph
from srpnet.inference import QueryInference
from srpnet.network import SRPNet
from srpnet.runtime import Runtime


def membership(episode: Episode) -> Tensor:
    """(S, N) bool: which way each support of the episode stands for."""
    return torch.nn.functional.one_hot(episode.support_ways, len(episode.spec.classes)).bool()


class SRPNetMethod:
    """A network in evaluation mode behind the interface of `episodes.evaluate`.

    Args:
        network: Copied for inference, and left as it is.
        runtime: Device and precision.
        iqi: The recipe of query inference; None takes the network's own.
    """

    def __init__(self, network: SRPNet, runtime: Runtime, iqi: QueryInference | None = None) -> None:
        self.network = network.for_inference(runtime.device)
        self.runtime = runtime
        self.iqi = iqi or network.config.iqi

    @torch.inference_mode()
    def prepare(self, photograph: Photograph) -> Tensor:
        """The final feature map (C, h, w) of a photograph."""
        with self.runtime.autocast():
            return self.network.encode(photograph.image[None].to(self.runtime.device))[0]

    @torch.inference_mode()
    def __call__(self, episode: Episode) -> list[Tensor]:
        """Segment the queries: a uint8 label map for each, of the size of `episode.truth`."""
        prototypes = self._prototypes(episode)
        return [self._label_map(episode, query, prototypes) for query in episode.queries()]

    @torch.inference_mode()
    def restore_supports(self, episode: Episode) -> list[Tensor]:
        """Segment the supports by their own prototypes, without query inference: (S) label maps at input size."""
        prototypes = self._prototypes(episode)
        supports = episode.supports()
        logits = self.network.segment(self._features(supports), prototypes)
        return list(highest(self.network.upsample(logits, supports[0].labels.shape)))

    def _features(self, photographs: Sequence[Photograph]) -> Tensor:
        maps = [self.prepare(each) if each.prepared is None else each.prepared for each in photographs]
        return torch.stack(maps)

    def _prototypes(self, episode: Episode) -> Tensor:
        supports = episode.supports()
        device = self.runtime.device
        labels = torch.stack([episode.labels(support) for support in supports]).to(device)
        ids = [support.id for support in supports]
        return self.network.prototypes(self._features(supports), labels, membership(episode).to(device), ids)

    def _label_map(self, episode: Episode, query: Photograph, prototypes: Tensor) -> Tensor:
        valid = query.valid[None].to(self.runtime.device)
        logits = self.network.segment(self._features([query]), prototypes, valid, self.iqi)
        scores = self.network.upsample(logits, query.labels.shape)
        return highest(query.placement.restore(scores) if episode.score_at == "original" else scores)[0]


def highest(scores_BPHW: Tensor) -> Tensor:
    """The class with the highest score at each pixel, the first of equal ones: uint8 (B, H, W).

    The same as `argmax(1)`, which on the CPU takes many times as long over so few classes.
    """
    best, *others = scores_BPHW.detach().unbind(1)
    labels = torch.zeros_like(best, dtype=torch.uint8)
    for label, score in enumerate(others, start=1):
        labels = torch.where(score > best, label, labels)
        best = torch.maximum(score, best)
    return labels
