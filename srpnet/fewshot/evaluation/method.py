"""SRPNet as a method to be scored: Episode in, label maps out, each photograph encoded once.

Letters in names: B photographs, S supports, N ways, P = N + 1 classes with background, C channels, D channels of the
deepest stage, h w feature size, y x size of the deepest stage, H W pixels.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from episodes.fewshot.episode import AnyPhotograph, Episode, Photograph, PreparedPhotograph
from episodes.scoring.methods import Answer, BaseMethod
from episodes.scoring.photograph_cache import TOGETHER, chunks
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.predictor import Encoded, Predictor
from srpnet.fewshot.settings import Fit, Naming, QueryInference
from srpnet.fewshot.support_set import Shots, SupportSet
from srpnet.nn.device import Runtime
from srpnet.nn.grid import label_maps

T = TypeVar("T")


def membership(episode: Episode) -> Tensor:
    """(S, N) bool: which way each support of the episode stands for."""
    return torch.nn.functional.one_hot(episode.support_ways, len(episode.spec.classes)).bool()


class Kept(NamedTuple):
    """What is kept of a photograph.

    Attributes:
        features_hwC: The final feature map as it was computed, in bfloat16 or float32.
        shots: `Episode.lesson` -> its masked averages as a support of such episodes, once it was one.
        deep_Dyx: What the `Recogniser` makes of it, if presence or regions are asked for.
        levels_Chw: All that it makes of it, if heads are fitted.
    """

    features_hwC: Tensor
    shots: dict[Hashable, Shots]
    deep_Dyx: Tensor | None = None
    levels_Chw: tuple[Tensor, ...] = ()


class Part(NamedTuple):
    """A photograph to be segmented: a query, or a support that is to be restored."""

    photograph: AnyPhotograph
    kept: Kept
    supports: SupportSet
    original: bool
    iqi: QueryInference | None
    deep: bool

    def kind(self) -> Hashable:
        """Parts of one kind are worked on together."""
        sizes = self.kept.features_hwC.shape, self.supports.prototypes_PC.shape, self.supports.head is None
        return sizes, self.photograph.placement, self.original, self.iqi, self.deep


class Segmented(NamedTuple):
    """A label map (H, W), and the presence score of each way, if that was asked for."""

    labels: Tensor
    presence: Sequence[float] = ()


class SRPNetMethod(BaseMethod):
    """A network in evaluation mode behind the interface of `episodes.evaluate`.

    Args:
        network: Copied for inference, and left as it is.
        runtime: Device and precision.
        iqi: The recipe of query inference; None takes the network's own.
        presence: Also score, for each query, whether the classes are present, see `srpnet.fewshot.presence`.
        fit: Whether a head is fitted to the supports of each episode, see `srpnet.fewshot.fitted_head`.
        naming: How several ways are told apart in queries, see `srpnet.fewshot.naming`. Restored supports are told
            apart by pixels in any case: they are what the prototypes alone can do.

    Raises:
        InputError: if one of the three is asked for, and the weights that it takes cannot be had.
    """

    def __init__(
        self,
        network: SRPNet,
        runtime: Runtime,
        iqi: QueryInference | None = None,
        presence: bool = False,
        fit: Fit = "none",
        naming: Naming = "pixels",
    ) -> None:
        self.predictor = Predictor(network, runtime)
        self.iqi = iqi or network.config.iqi
        self.presence, self.naming = presence, naming
        self.deep, self.fits = presence or naming == "regions", fit == "auto"
        if self.deep or self.fits:
            _ = self.predictor.recogniser  # now, not after the first photographs

    @torch.inference_mode()
    def prepare(self, photographs: Sequence[Photograph]) -> list[Kept]:
        """The final feature map of each photograph, those of one size encoded together."""
        kept: dict[int, Kept] = {}
        for same in alike(range(len(photographs)), lambda index: photographs[index].image.shape):
            images_B3HW = torch.stack([photographs[index].image for index in same])
            features_BChw, deep_BDyx, levels_BChw = self.predictor.encode(images_B3HW, self.deep, self.fits)
            for row, index in enumerate(same):
                # Copies, so that maps that were encoded together can leave memory one by one.
                features_hwC = features_BChw[row].permute(1, 2, 0).clone(memory_format=torch.contiguous_format)
                deep_Dyx = None if deep_BDyx is None else deep_BDyx[row].clone()
                kept[index] = Kept(features_hwC, {}, deep_Dyx, tuple(level[row].clone() for level in levels_BChw))
        return [kept[index] for index in range(len(photographs))]

    def __call__(self, episode: Episode) -> Sequence[Tensor]:
        """Segment the queries: a uint8 label map for each, of the size of `episode.truth`."""
        return self.answer([episode])[0].queries

    def restore_supports(self, episode: Episode) -> Sequence[Tensor]:
        """Segment the supports by their own prototypes alone, without query inference: (S) label maps at input size."""
        return self.answer([episode])[0].supports

    @torch.inference_mode()
    def answer(self, episodes: Sequence[Episode]) -> list[Answer]:
        """Both, for several episodes."""
        parts: list[Part] = []
        for episode in episodes:
            queries, supports = (
                [(photograph, self._kept(photograph)) for photograph in photographs]
                for photographs in (episode.queries(), episode.supports())
            )
            support_set, original = self.supports(episode, supports), episode.score_at == "original"
            parts += [Part(*query, support_set, original, self.iqi, self.deep) for query in queries]
            parts += [Part(*support, replace(support_set, head=None), False, None, False) for support in supports]
        done: dict[int, Segmented] = {}
        for same in alike(range(len(parts)), lambda index: parts[index].kind()):
            for some in chunks(same, TOGETHER):
                done |= zip(some, self._segment([parts[index] for index in some]), strict=True)
        in_order = iter(done[index] for index in range(len(parts)))
        answers = []
        for episode in episodes:
            segmented = [next(in_order) for _ in episode.spec.queries]
            restored = [next(in_order) for _ in episode.support_ways]
            presence = [query.presence for query in segmented] if self.presence else ()
            answers.append(Answer([query.labels for query in segmented], [one.labels for one in restored], presence))
        return answers

    def _kept(self, photograph: AnyPhotograph) -> Kept:
        if isinstance(photograph, PreparedPhotograph):
            kept: Kept = photograph.prepared
            return kept
        return self.prepare([photograph])[0]

    def supports(self, episode: Episode, supports: Sequence[tuple[AnyPhotograph, Kept]]) -> SupportSet:
        """The set of an episode's supports; the masked averages of each are kept for other episodes."""
        lesson, ways = episode.lesson, len(episode.spec.classes)
        for support, kept in supports:
            if lesson not in kept.shots:
                labels_1HW = episode.support_labels(support)[None]
                kept.shots[lesson] = self.predictor.shots(_encoded([kept]), labels_1HW, ways)
        membership_SN = membership(episode).to(self.predictor.runtime.device)
        ids = [support.id for support, _ in supports]
        shots = [kept.shots[lesson] for _, kept in supports]
        support_set = SupportSet.of(shots, membership_SN, ids)
        if not self.fits:
            return support_set
        encoded, valid = [_encoded([kept]) for _, kept in supports], [_valid([support]) for support, _ in supports]
        return replace(support_set, head=self.predictor.fit(encoded, shots, membership_SN, valid, self.iqi))

    def _segment(self, parts: Sequence[Part]) -> list[Segmented]:
        """Parts of one kind, segmented together."""
        first, placement, predictor = parts[0], parts[0].photograph.placement, self.predictor
        encoded = _encoded([part.kept for part in parts], first.deep, first.supports.head is not None)
        valid_BHW = None if first.iqi is None else _valid([part.photograph for part in parts])
        prediction = predictor.segment(encoded, [part.supports for part in parts], valid_BHW, first.iqi, self.naming)
        maps = label_maps(prediction.logits_BPhw, predictor.network.stride, placement, first.original).cpu()
        if prediction.presence_BN is None:
            return [Segmented(labels_HW) for labels_HW in maps]
        return [Segmented(*pair) for pair in zip(maps, prediction.presence_BN.tolist(), strict=True)]


def _encoded(kept: Sequence[Kept], presence: bool = True, fitted: bool = True) -> Encoded:
    """Kept photographs of one size together."""
    features_BChw = torch.stack([each.features_hwC for each in kept]).permute(0, 3, 1, 2)
    deep = [each.deep_Dyx for each in kept if presence and each.deep_Dyx is not None]
    levels = zip(*(each.levels_Chw for each in kept if fitted), strict=True)
    return Encoded(features_BChw, torch.stack(deep) if deep else None, tuple(map(torch.stack, levels)))


def _valid(photographs: Sequence[AnyPhotograph]) -> Tensor | None:
    """Where photographs of one placement are no padding, bool (B, H, W); None if they are nowhere padded."""
    placement = photographs[0].placement
    if placement.inner == placement.outer:
        return None
    return torch.stack([photograph.valid for photograph in photographs])


def alike(items: Iterable[T], kind: Callable[[T], Hashable]) -> list[list[T]]:
    """Items of the same kind together, in the order in which they came.

    >>> alike([1, 4, 3, 2], lambda number: number % 2)
    [[1, 3], [4, 2]]
    """
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(kind(item), []).append(item)
    return list(groups.values())
