"""SRPNet as a method to be scored: Episode in, label maps out, each photograph encoded once.

Letters in names: B photographs, S supports, N ways, P = N + 1 classes with background, C channels, h w feature size,
H W pixels.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from episodes.episode import Episode, Photograph, SupportIgnore
from episodes.evaluation import Answer
from episodes.shelf import TOGETHER, chunks
from srpnet.inference import QueryInference
from srpnet.network import SRPNet
from srpnet.prototypes import Pooled, joined, mean_prototypes
from srpnet.runtime import Runtime

Engine = Literal["shared", "plain"]
T = TypeVar("T")


def membership(episode: Episode) -> Tensor:
    """(S, N) bool: which way each support of the episode stands for."""
    return torch.nn.functional.one_hot(episode.support_ways, len(episode.spec.classes)).bool()


class Encoded(NamedTuple):
    """What is kept of a photograph.

    Attributes:
        features_hwC: The final feature map as it was computed, in bfloat16 or float32.
        pooled: Classes of an episode and its rule for label 255 -> what the photograph says of them as a support, once
            it was one.
    """

    features_hwC: Tensor
    pooled: dict[tuple[tuple[int, ...], SupportIgnore], Pooled]


class Part(NamedTuple):
    """A photograph to be segmented: a query, or a support that is to be restored."""

    photograph: Photograph
    encoded: Encoded
    prototypes_PC: Tensor
    original: bool
    iqi: QueryInference | None

    def kind(self) -> Hashable:
        """Parts of one kind are worked on together."""
        sizes = self.encoded.features_hwC.shape, self.prototypes_PC.shape
        return sizes, self.photograph.placement, self.original, self.iqi


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

    def prepare(self, photograph: Photograph) -> Encoded:
        """The final feature map of a photograph."""
        return self.prepare_many([photograph])[0]

    @torch.inference_mode()
    def prepare_many(self, photographs: Sequence[Photograph]) -> list[Encoded]:
        """The same for several, those of one size encoded together."""
        encoded: dict[int, Encoded] = {}
        for same in alike(range(len(photographs)), lambda place: photographs[place].image.shape):
            images_B3HW = torch.stack([photographs[place].image for place in same])
            with self.runtime.autocast():
                features_BhwC = self.network.encode(images_B3HW.to(self.runtime.device)).permute(0, 2, 3, 1)
            for place, features_hwC in zip(same, features_BhwC, strict=True):
                # A copy, so that maps that were encoded together can leave memory one by one.
                encoded[place] = Encoded(features_hwC.clone(memory_format=torch.contiguous_format), {})
        return [encoded[place] for place in range(len(photographs))]

    def __call__(self, episode: Episode) -> Sequence[Tensor]:
        """Segment the queries: a uint8 label map for each, of the size of `episode.truth`."""
        return self.answer_many([episode])[0].queries

    def restore_supports(self, episode: Episode) -> Sequence[Tensor]:
        """Segment the supports by their own prototypes, without query inference: (S) label maps at input size."""
        return self.answer_many([episode])[0].supports

    @torch.inference_mode()
    def answer_many(self, episodes: Sequence[Episode]) -> list[Answer]:
        """Both, for several episodes."""
        parts: list[Part] = []
        for episode in episodes:
            queries, supports = (
                [(photograph, photograph.prepared or self.prepare(photograph)) for photograph in photographs]
                for photographs in (episode.queries(), episode.supports())
            )
            prototypes_PC = self._prototypes(episode, supports)
            original = episode.score_at == "original"
            parts += [Part(*query, prototypes_PC, original, self.iqi) for query in queries]
            parts += [Part(*support, prototypes_PC, False, None) for support in supports]
        maps: dict[int, Tensor] = {}
        for same in alike(range(len(parts)), lambda place: parts[place].kind()):
            for some in chunks(same, TOGETHER):
                maps |= zip(some, self._segment([parts[place] for place in some]).cpu(), strict=True)
        rest = iter(maps[place] for place in range(len(parts)))
        return [
            Answer([next(rest) for _ in episode.spec.queries], [next(rest) for _ in episode.support_ways])
            for episode in episodes
        ]

    def _prototypes(self, episode: Episode, supports: Sequence[tuple[Photograph, Encoded]]) -> Tensor:
        key, device = (episode.spec.classes, episode.support_ignore), self.runtime.device
        for support, encoded in supports:
            if key not in encoded.pooled:
                features_1Chw = encoded.features_hwC.permute(2, 0, 1)[None]
                labels_1HW = episode.support_labels(support)[None].to(device)
                encoded.pooled[key] = self.network.pool(features_1Chw, labels_1HW, len(episode.spec.classes))
        pooled = joined([each.pooled[key] for _, each in supports])
        return mean_prototypes(pooled, membership(episode).to(device), [support.id for support, _ in supports])

    def _segment(self, parts: Sequence[Part]) -> Tensor:
        """The label maps (B, H, W) of parts of one kind."""
        first, placement = parts[0], parts[0].photograph.placement
        features_BChw = torch.stack([part.encoded.features_hwC for part in parts]).permute(0, 3, 1, 2)
        prototypes_BPC = torch.stack([part.prototypes_PC for part in parts])
        valid_BHW = None
        if first.iqi is not None and placement.inner != placement.outer:
            valid_BHW = torch.stack([part.photograph.valid for part in parts]).to(features_BChw.device)
        logits_BPhw = self.network.segment(features_BChw, prototypes_BPC, valid_BHW, first.iqi)
        return self.network.label_maps(logits_BPhw, placement, first.original)


class PlainMethod:
    """The reference for `SRPNetMethod`, which equals it up to rounding, in the way of published code.

    Each episode encodes all its photographs, and upsamples the logits of all classes. Arguments as there.
    """

    def __init__(self, network: SRPNet, runtime: Runtime, iqi: QueryInference | None = None) -> None:
        self.network = network.for_inference(runtime.device)
        self.runtime = runtime
        self.iqi = iqi or network.config.iqi

    def __call__(self, episode: Episode) -> Sequence[Tensor]:
        """Segment the queries: a uint8 label map for each, of the size of `episode.truth`."""
        return self._answer(episode).queries

    def restore_supports(self, episode: Episode) -> Sequence[Tensor]:
        """Segment the supports by their own prototypes, without query inference: (S) label maps at input size."""
        return self._answer(episode).supports

    def answer_many(self, episodes: Sequence[Episode]) -> list[Answer]:
        """Both, for several episodes, one after the other."""
        return [self._answer(episode) for episode in episodes]

    @torch.inference_mode()
    def _answer(self, episode: Episode) -> Answer:
        device, network = self.runtime.device, self.network
        supports, queries = episode.supports(), episode.queries()
        with self.runtime.autocast():
            features = [network.encode(each.image[None].to(device)) for each in (*supports, *queries)]
        labels = [episode.support_labels(support)[None].to(device) for support in supports]
        ways, shown = len(episode.spec.classes), features[: len(supports)]  # supports may differ in size
        pooled = joined([network.pool(*support, ways) for support in zip(shown, labels, strict=True)])
        ids = [support.id for support in supports]
        prototypes_PC = mean_prototypes(pooled, membership(episode).to(device), ids)
        maps = []
        for query, features_1Chw in zip(queries, features[len(supports) :], strict=True):
            logits_1Phw = network.segment(features_1Chw, prototypes_PC, query.valid[None].to(device), self.iqi)
            scores_1PHW = network.upsample(logits_1Phw, query.labels.shape)
            if episode.score_at == "original":
                scores_1PHW = query.placement.restore(scores_1PHW)
            maps.append(scores_1PHW.argmax(1)[0].byte())
        restored = []
        for features_1Chw, labels_1HW in zip(shown, labels, strict=True):
            scores_1PHW = network.upsample(network.segment(features_1Chw, prototypes_PC), labels_1HW.shape)
            restored.append(scores_1PHW.argmax(1)[0].byte())
        return Answer(maps, restored)


ENGINES: dict[str, type[SRPNetMethod] | type[PlainMethod]] = {"shared": SRPNetMethod, "plain": PlainMethod}
"""The two ways to the same score by name."""


def alike(items: Iterable[T], kind: Callable[[T], Hashable]) -> list[list[T]]:
    """Items of the same kind together, in the order in which they came.

    >>> alike([1, 4, 3, 2], lambda number: number % 2)
    [[1, 3], [4, 2]]
    """
    found: dict[Hashable, list[T]] = {}
    for item in items:
        found.setdefault(kind(item), []).append(item)
    return list(found.values())
