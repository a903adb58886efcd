"""SRPNet as a method to be scored: Episode in, label maps out, each photograph encoded once.

Letters in names: B photographs, S supports, N ways, P = N + 1 classes with background, C channels, h w feature size,
H W pixels.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from episodes.fewshot.episode import Episode, Photograph
from episodes.scoring.methods import Answer, BaseMethod
from episodes.scoring.photograph_cache import TOGETHER, chunks
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.presence import Recogniser, examples
from srpnet.fewshot.prototypes import Pooled, joined, mean_prototypes, pool_supports
from srpnet.fewshot.query_inference import QueryInference
from srpnet.nn.device import Runtime
from srpnet.nn.grid import label_maps, upsample

Engine = Literal["shared", "plain"]
T = TypeVar("T")


def membership(episode: Episode) -> Tensor:
    """(S, N) bool: which way each support of the episode stands for."""
    return torch.nn.functional.one_hot(episode.support_ways, len(episode.spec.classes)).bool()


class Encoded(NamedTuple):
    """What is kept of a photograph.

    Attributes:
        features_hwC: The final feature map as it was computed, in bfloat16 or float32.
        pooled: `Episode.lesson` -> what the photograph says as a support of such episodes, once it was one.
        deep_Dyx: What the `Recogniser` makes of it, if presence is asked for.
    """

    features_hwC: Tensor
    pooled: dict[Hashable, Pooled]
    deep_Dyx: Tensor | None = None


class Part(NamedTuple):
    """A photograph to be segmented: a query, or a support that is to be restored.

    With examples, the presence of the classes is asked for, too.
    """

    photograph: Photograph
    encoded: Encoded
    prototypes_PC: Tensor
    original: bool
    iqi: QueryInference | None
    examples_ND: Tensor | None = None

    def kind(self) -> Hashable:
        """Parts of one kind are worked on together."""
        sizes = self.encoded.features_hwC.shape, self.prototypes_PC.shape
        return sizes, self.photograph.placement, self.original, self.iqi, self.examples_ND is None


class Segmented(NamedTuple):
    """A label map (H, W), and how sure the network is that each way is there, if that was asked for."""

    labels: Tensor
    presence: Sequence[float] = ()


class SRPNetMethod(BaseMethod):
    """A network in evaluation mode behind the interface of `episodes.evaluate`.

    Args:
        network: Copied for inference, and left as it is.
        runtime: Device and precision.
        iqi: The recipe of query inference; None takes the network's own.
        presence: Say of each query, too, how sure it is that the classes are there, see `srpnet.fewshot.presence`.
    """

    def __init__(
        self, network: SRPNet, runtime: Runtime, iqi: QueryInference | None = None, presence: bool = False
    ) -> None:
        self.network = network.for_inference(runtime.device)
        self.runtime = runtime
        self.iqi = iqi or network.config.iqi
        self.recogniser = Recogniser(network, runtime.device) if presence else None

    @torch.inference_mode()
    def prepare(self, photographs: Sequence[Photograph]) -> list[Encoded]:
        """The final feature map of each photograph, those of one size encoded together."""
        encoded: dict[int, Encoded] = {}
        for same in alike(range(len(photographs)), lambda place: photographs[place].image.shape):
            images_B3HW = torch.stack([photographs[place].image for place in same])
            images_B3HW = images_B3HW.to(self.runtime.device)
            with self.runtime.autocast():
                features_BChw = self.network.encode(images_B3HW)
                deep = self.recogniser.describe(images_B3HW) if self.recogniser else [None] * len(same)
            for place, features_Chw, deep_Dyx in zip(same, features_BChw, deep, strict=True):
                # Copies, so that maps that were encoded together can leave memory one by one.
                features_hwC = features_Chw.permute(1, 2, 0).clone(memory_format=torch.contiguous_format)
                encoded[place] = Encoded(features_hwC, {}, None if deep_Dyx is None else deep_Dyx.clone())
        return [encoded[place] for place in range(len(photographs))]

    def __call__(self, episode: Episode) -> Sequence[Tensor]:
        """Segment the queries: a uint8 label map for each, of the size of `episode.truth`."""
        return self.answer([episode])[0].queries

    def restore_supports(self, episode: Episode) -> Sequence[Tensor]:
        """Segment the supports by their own prototypes, without query inference: (S) label maps at input size."""
        return self.answer([episode])[0].supports

    @torch.inference_mode()
    def answer(self, episodes: Sequence[Episode]) -> list[Answer]:
        """Both, for several episodes."""
        parts: list[Part] = []
        for episode in episodes:
            asked, shown = (
                [(photograph, photograph.prepared or self.prepare([photograph])[0]) for photograph in photographs]
                for photographs in (episode.queries(), episode.supports())
            )
            prototypes_PC = self._prototypes(episode, shown)
            examples_ND = None
            if self.recogniser is not None:
                deep = [encoded.deep_Dyx for _, encoded in shown if encoded.deep_Dyx is not None]
                examples_ND = examples_of(self.recogniser, episode, deep, [support for support, _ in shown])
            original = episode.score_at == "original"
            parts += [Part(*query, prototypes_PC, original, self.iqi, examples_ND) for query in asked]
            parts += [Part(*support, prototypes_PC, False, None) for support in shown]
        done: dict[int, Segmented] = {}
        for same in alike(range(len(parts)), lambda place: parts[place].kind()):
            for some in chunks(same, TOGETHER):
                done |= zip(some, self._segment([parts[place] for place in some]), strict=True)
        rest = iter(done[place] for place in range(len(parts)))
        answers = []
        for episode in episodes:
            queries = [next(rest) for _ in episode.spec.queries]
            supports = [next(rest) for _ in episode.support_ways]
            presence = [query.presence for query in queries] if self.recogniser else ()
            answers.append(Answer([each.labels for each in queries], [each.labels for each in supports], presence))
        return answers

    def _prototypes(self, episode: Episode, supports: Sequence[tuple[Photograph, Encoded]]) -> Tensor:
        lesson, device = episode.lesson, self.runtime.device
        for support, encoded in supports:
            if lesson not in encoded.pooled:
                features_1Chw = encoded.features_hwC.permute(2, 0, 1)[None]
                labels_1HW = episode.support_labels(support)[None].to(device)
                network, ways = self.network, len(episode.spec.classes)
                encoded.pooled[lesson] = pool_supports(
                    features_1Chw, labels_1HW, ways, network.stride, network.config.pooling
                )
        pooled = joined([each.pooled[lesson] for _, each in supports])
        return mean_prototypes(pooled, membership(episode).to(device), [support.id for support, _ in supports])

    def _segment(self, parts: Sequence[Part]) -> list[Segmented]:
        """What is found in parts of one kind."""
        first, placement = parts[0], parts[0].photograph.placement
        features_BChw = torch.stack([part.encoded.features_hwC for part in parts]).permute(0, 3, 1, 2)
        prototypes_BPC = torch.stack([part.prototypes_PC for part in parts])
        valid_BHW = None
        if first.iqi is not None and placement.inner != placement.outer:
            valid_BHW = torch.stack([part.photograph.valid for part in parts]).to(features_BChw.device)
        logits_BPhw = self.network.segment(features_BChw, prototypes_BPC, valid_BHW, first.iqi)
        maps = label_maps(logits_BPhw, self.network.stride, placement, first.original).cpu()
        if self.recogniser is None or first.examples_ND is None:
            return [Segmented(labels_HW) for labels_HW in maps]
        deep_BDyx = torch.stack([part.encoded.deep_Dyx for part in parts if part.encoded.deep_Dyx is not None])
        examples_BND = torch.stack([part.examples_ND for part in parts if part.examples_ND is not None])
        presence_BN = self.recogniser.presence(deep_BDyx, logits_BPhw, examples_BND, valid_BHW)
        return [Segmented(*each) for each in zip(maps, presence_BN.tolist(), strict=True)]


def examples_of(
    recogniser: Recogniser, episode: Episode, deep: Sequence[Tensor], supports: Sequence[Photograph]
) -> Tensor:
    """What the supports of an episode show of each way, to a recogniser: (N, D)."""
    ways = len(episode.spec.classes)
    shown = [
        recogniser.shown(deep_Dyx[None], episode.support_labels(support)[None].to(deep_Dyx.device), ways)
        for deep_Dyx, support in zip(deep, supports, strict=True)
    ]
    return examples(torch.cat(shown), membership(episode).to(shown[0].device))


class PlainMethod(BaseMethod):
    """The reference for `SRPNetMethod`, which equals it up to rounding, in the way of published code.

    Each episode encodes all its photographs, and upsamples the logits of all classes. Arguments as there.
    """

    def __init__(
        self, network: SRPNet, runtime: Runtime, iqi: QueryInference | None = None, presence: bool = False
    ) -> None:
        self.network = network.for_inference(runtime.device)
        self.runtime = runtime
        self.iqi = iqi or network.config.iqi
        self.recogniser = Recogniser(network, runtime.device) if presence else None

    def __call__(self, episode: Episode) -> Sequence[Tensor]:
        """Segment the queries: a uint8 label map for each, of the size of `episode.truth`."""
        return self._answer(episode).queries

    def restore_supports(self, episode: Episode) -> Sequence[Tensor]:
        """Segment the supports by their own prototypes, without query inference: (S) label maps at input size."""
        return self._answer(episode).supports

    def answer(self, episodes: Sequence[Episode]) -> list[Answer]:
        """Both, for several episodes, one after the other."""
        return [self._answer(episode) for episode in episodes]

    @torch.inference_mode()
    def _answer(self, episode: Episode) -> Answer:
        device, network = self.runtime.device, self.network
        supports, queries = episode.supports(), episode.queries()
        with self.runtime.autocast():
            images = [each.image[None].to(device) for each in (*supports, *queries)]
            features = [network.encode(image_13HW) for image_13HW in images]
            deep = [self.recogniser.describe(image_13HW)[0] for image_13HW in images] if self.recogniser else []
        shown = features[: len(supports)]  # supports may differ in size
        labels = [episode.support_labels(support)[None].to(device) for support in supports]
        ways = len(episode.spec.classes)
        pooled = joined(
            [
                pool_supports(*support, ways, network.stride, network.config.pooling)
                for support in zip(shown, labels, strict=True)
            ]
        )
        ids = [support.id for support in supports]
        prototypes_PC = mean_prototypes(pooled, membership(episode).to(device), ids)
        if self.recogniser is not None:
            examples_ND = examples_of(self.recogniser, episode, deep[: len(supports)], supports)
        maps, said = [], []
        for place, query in enumerate(queries, start=len(supports)):
            valid_1HW = query.valid[None].to(device)
            logits_1Phw = network.segment(features[place], prototypes_PC, valid_1HW, self.iqi)
            scores_1PHW = upsample(logits_1Phw, query.labels.shape, network.stride)
            if episode.score_at == "original":
                scores_1PHW = query.placement.restore(scores_1PHW)
            maps.append(scores_1PHW.argmax(1)[0].byte())
            if self.recogniser is not None:
                presence_1N = self.recogniser.presence(deep[place][None], logits_1Phw, examples_ND[None], valid_1HW)
                said.append(presence_1N[0].tolist())
        restored = []
        for features_1Chw, labels_1HW in zip(shown, labels, strict=True):
            logits_1Phw = network.segment(features_1Chw, prototypes_PC)
            scores_1PHW = upsample(logits_1Phw, labels_1HW.shape[-2:], network.stride)
            restored.append(scores_1PHW.argmax(1)[0].byte())
        return Answer(maps, restored, said)


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
