"""What an episode is: first as names alone, then as photographs and label maps."""

import json
from collections.abc import Callable, Hashable
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor

from episodes.checks import shown
from episodes.data.source import IGNORE
from episodes.draws import Draws
from episodes.fewshot.geometry import Placement
from episodes.fewshot.settings import Annotation
from episodes.fewshot.weak_supports import weakened
from episodes.inputs import parse_json

ScoreAt = Literal["input", "original"]
SupportIgnore = Literal["ignore", "background"]


@dataclass(frozen=True)
class EpisodeSpec:
    """An N-way K-shot episode as names: what a manifest stores, hashes and sends.

    Attributes:
        index: Its place in the run.
        classes: N different classes of the source, 1-based; way w is `classes[w]`.
        supports: For each way, the ids of its support photographs. Ways may have unequal numbers of shots, and one
            photograph may come twice, as where supports are drawn with replacement.
        queries: Ids of the query photographs; none of them is a support.
    """

    index: int
    classes: tuple[int, ...]
    supports: tuple[tuple[str, ...], ...]
    queries: tuple[str, ...]

    def line(self) -> str:
        """The episode as one line of JSON: the same bytes on every machine.

        >>> EpisodeSpec(0, (8,), (("2007_000528",),), ("2007_000549",)).line()
        '{"index": 0, "classes": [8], "supports": [["2007_000528"]], "queries": ["2007_000549"]}'
        """
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def of_line(cls, line: str) -> Self:
        """The episode of such a line.

        Raises:
            ValueError: if it is none.
        """
        try:
            fields = parse_json(line)
            index, classes = int(fields["index"]), tuple(int(label) for label in fields["classes"])
            supports = tuple(tuple(str(id) for id in way) for way in fields["supports"])
            spec = cls(index, classes, supports, tuple(str(id) for id in fields["queries"]))
        except (TypeError, KeyError, OverflowError) as error:
            raise ValueError(f"not an episode: {line[:80]!r}") from error
        if spec.line() != line.strip():  # which refuses numbers that are no whole ones, too
            raise ValueError(f"episode {shown(index)} is invalid: {line[:80]!r}")
        return spec

    def __post_init__(self) -> None:
        if len(self.supports) != len(self.classes):
            raise ValueError(f"episode {self.index}: {len(self.classes)} classes, {len(self.supports)} ways")
        if len(set(self.classes)) != len(self.classes) or not self.classes:
            raise ValueError(f"episode {self.index}: classes must be different and at least one")
        if strange := [label for label in self.classes if label < 1 or label == IGNORE]:
            raise ValueError(
                f"episode {self.index}: {shown(strange[0])} is not a class: classes are 1, 2, ... without 255"
            )
        if not all(self.supports) or not self.queries:
            raise ValueError(f"episode {self.index}: every way needs a support, and the episode a query")
        if len(set(self.queries)) != len(self.queries):
            raise ValueError(f"episode {self.index}: the same query twice")
        if shared := {id for way in self.supports for id in way} & set(self.queries):
            raise ValueError(f"episode {self.index}: {min(shared)} is both support and query")

    @property
    def slots(self) -> tuple[str, ...]:
        """The id in each slot: supports way by way, then shot by shot, then queries."""
        return tuple(id for ids in (*self.supports, self.queries) for id in ids)


@dataclass(frozen=True)
class Photograph:
    """A photograph as a network sees it, with its label map.

    Attributes:
        id: Its name in the source.
        image: (3, H, W) float32, RGB in [0, 1].
        labels: (H, W) in the source's classes: 0 background, 1..C, 255 ignore. Padding is 255. uint8, or int16 where
            there are more than 254 classes, none of which is 255.
        valid: (H, W) bool, False on padding.
        placement: Where the original lies in (H, W).
        original: (H0, W0), the label map at the photograph's own size.
    """

    id: str
    image: Tensor
    labels: Tensor
    valid: Tensor
    placement: Placement
    original: Tensor

    def with_prepared(self, prepared: Any) -> "PreparedPhotograph":
        """The same with what a method made of its pixels in their place."""
        return PreparedPhotograph(self.id, prepared, self.labels, self.valid, self.placement, self.original)


@dataclass(frozen=True)
class PreparedPhotograph:
    """A photograph whose pixels have served: what a method's `prepare` made of them stands in their place.

    Attributes:
        prepared: Whatever it made.
        id, labels, valid, placement, original: As in `Photograph`.
    """

    id: str
    prepared: Any
    labels: Tensor
    valid: Tensor
    placement: Placement
    original: Tensor


AnyPhotograph = Photograph | PreparedPhotograph
"""A method that prepares photographs finds them prepared in an evaluation, any other finds them with their pixels."""


def episode_labels(labels: Tensor, classes: tuple[int, ...], ignored: frozenset[int] = frozenset()) -> Tensor:
    """Source labels -> episode labels: way w becomes w + 1, other classes 0, `ignored` classes and 255 become 255.

    Args:
        labels: (..., H, W) uint8, or int16 where a source has more than 254 classes.

    >>> episode_labels(torch.tensor([[0, 7, 3, 255, 5]], dtype=torch.uint8), (3, 7), frozenset({5})).tolist()
    [[0, 2, 1, 255, 255]]
    """
    table = torch.zeros(256 if labels.dtype == torch.uint8 else 1 << 15, dtype=torch.uint8)
    table[[IGNORE, *ignored]] = IGNORE
    for way, label in enumerate(classes, start=1):
        table[label] = way
    # A third of the time that `table[labels.long()]` takes.
    return table.index_select(0, labels.flatten().int()).view(labels.shape)


@dataclass(frozen=True)
class Episode:
    """An `EpisodeSpec` with its photographs, loaded when first asked for.

    Attributes:
        spec: The names.
        load: (id, slot) -> Photograph, see `EpisodeSpec.slots`. A training loader can augment the same photograph
            differently in each slot; an evaluator's loader ignores them.
        ignored: Classes whose pixels become 255 (the `novel_pixels="ignore"` rule).
        score_at: The size at which label maps are compared: the network's `input`, or the photograph's `original`.
        support_ignore: What label 255 of a support teaches: nothing (`ignore`), or `background` as in PANet.
        annotation: What is given of a support instead of its mask, see `weakened`. It depends on the photograph and the
            classes alone, so that it is the same in all episodes.
        origin: What a photograph of one id depends on beside it: where origins are equal, `load` returns the same in
            every slot. None says nothing about it, so that an evaluator shares photographs only where `load` is the
            same object and the slot is the same.
        target: The classes that the truth is of, way by way, where they are not those of the supports, see
            `WrongSupports`.
    """

    spec: EpisodeSpec
    load: Callable[[str, int], AnyPhotograph]
    ignored: frozenset[int] = frozenset()
    score_at: ScoreAt = "input"
    support_ignore: SupportIgnore = "ignore"
    annotation: Annotation = "mask"
    origin: Hashable = None
    target: tuple[int, ...] | None = None

    def key(self, id: str, slot: int) -> Hashable:
        """All that the photograph in a slot depends on."""
        return (id, slot, self.load) if self.origin is None else (id, self.origin)

    @property
    def lesson(self) -> Hashable:
        """All that `support_labels` depends on beside the support."""
        return self.spec.classes, self.ignored, self.support_ignore, self.annotation

    @property
    def truth_classes(self) -> tuple[int, ...]:
        """The classes that the truth is of, way by way."""
        return self.target or self.spec.classes

    @property
    def support_ways(self) -> Tensor:
        """(S,) int64: the way, 0..N-1, that each of the S supports stands for."""
        return torch.tensor([way for way, ids in enumerate(self.spec.supports) for _ in ids])

    def supports(self) -> list[AnyPhotograph]:
        """The S support photographs, way by way, then shot by shot."""
        return [self.load(id, slot) for slot, id in enumerate(self.spec.slots[: -len(self.spec.queries)])]

    def queries(self) -> list[AnyPhotograph]:
        """The Q query photographs."""
        first = len(self.spec.slots) - len(self.spec.queries)
        return [self.load(id, first + slot) for slot, id in enumerate(self.spec.queries)]

    def labels(self, photograph: AnyPhotograph) -> Tensor:
        """(H, W) uint8: the photograph's label map in this episode's terms, 0..N and 255."""
        return episode_labels(photograph.labels, self.spec.classes, self.ignored)

    def support_labels(self, support: AnyPhotograph) -> Tensor:
        """(H, W) uint8: what a support teaches, 0..N and 255; see `support_ignore`. Padding stays 255."""
        labels = self.labels(support)
        if self.support_ignore == "background":
            labels = labels.masked_fill((labels == IGNORE) & support.valid, 0)
        return weakened(labels, self.annotation, Draws("annotation", self.annotation, support.id, *self.spec.classes))

    def truth(self, photograph: AnyPhotograph) -> Tensor:
        """The label map that a prediction is compared with: (H, W), or (H0, W0) if `score_at` is `original`."""
        labels = photograph.labels if self.score_at == "input" else photograph.original
        return episode_labels(labels, self.truth_classes, self.ignored)
