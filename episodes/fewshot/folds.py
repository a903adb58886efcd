"""A fold of a source: which pairs are for base training, for validation, and for the novel classes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

from episodes.data import open_source
from episodes.data.joined import Joined
from episodes.data.pictures.images import Missing
from episodes.data.remarks import Remark, Remarked, check_remarks
from episodes.data.source import UNNAMED, Crowded, Crowds, Divided, OnProgress, Source, Split, same_name, silent
from episodes.draws import Draws
from episodes.errors import InputError
from episodes.fewshot.fold_classes import folds, novel_and_base
from episodes.fewshot.pairs import Absent, Pairs, pairs_from_areas, pairs_from_lists
from episodes.fewshot.sampler import Sampler, dealt_queries, shortage
from episodes.fewshot.settings import DataSettings, Drawing, NovelPixels
from episodes.files import expanded
from episodes.names import for_display


class Pools(NamedTuple):
    """Where the supports and the queries of episodes come from."""

    supports: Pairs
    queries: Pairs

    def record(self) -> dict[str, Any]:
        """What a result says about them: the rule, how many, and the hash that fixes them."""
        return {
            "rule": self.queries.rule,
            "sha256": self.queries.sha256,
            "queries": len(self.queries.items),
            "supports": len(self.supports.items),
            "supports_sha256": self.supports.sha256,
            "missing": len(self.queries.missing),
        }


class Fold:
    """One fold of one source. Photographs are not read here, only lists and class indices.

    Args:
        settings: What data, and how a fold is made of it.
        source: Instead of the one that the settings name.
        on_progress: Called with the progress of reading and counting a source that takes long.
        excluded: Names of classes that are neither novel nor base; training takes them for novel ones.

    Attributes:
        novel, base, excluded: Labels, ascending. Of several sources the first says which classes are novel in a fold.

    Raises:
        InputError: if the source, the fold, a class or the lists are not there.
    """

    def __init__(
        self,
        settings: DataSettings,
        source: Source | None = None,
        on_progress: OnProgress = silent,
        excluded: Sequence[str] = (),
    ) -> None:
        self.settings = settings
        self.source = source or open_source(settings.data, on_progress)
        if settings.pairs is not None and settings.folds != 4:
            raise InputError(f"pair lists are for 4 folds: leave out `pairs`, or `folds` {settings.folds}")
        novel, base = _novel_and_base(self.source, settings)
        self.excluded = _labels_of(self.source, excluded)
        unnamed = {label for label, name in enumerate(self.source.classes, start=1) if name in ("", UNNAMED)}
        self.novel, self.base = (tuple(sorted({*labels} - {*self.excluded} - unnamed)) for labels in (novel, base))

    def treating(self, crowds: Crowds) -> "Fold":
        """The same fold with COCO's crowds treated so; itself where the source has none."""
        if not isinstance(self.source, Crowded) or self.source.crowds == crowds:
            return self
        names = self.names(self.excluded).values()
        return Fold(self.settings, self.source.treating(crowds), excluded=tuple(names))

    def names(self, classes: Collection[int]) -> dict[int, str]:
        """Label -> class name, in ascending order."""
        return {label: self.source.classes[label - 1] for label in sorted(classes)}

    def labels(self, names: Sequence[str], among: Collection[int], what: str) -> tuple[int, ...]:
        """The labels of these classes, each given by its name or, as text, by its label.

        Raises:
            InputError: if one is none of the classes `among`, which are called `what` in the message.
        """
        named = self.names(among)
        known = {str(label): label for label in named} | {name: label for label, name in named.items()}
        for name in names:
            if name not in known:
                there = ", ".join(
                    for_display(name) if _can_be_listed(name) else f"{label} ({for_display(name)})"
                    for label, name in named.items()
                )
                raise InputError(f"{name!r} is not a {what} of fold {self.settings.fold}: there are {there}")
        return tuple(sorted({known[name] for name in names}))

    def remarks(self, split: Split) -> list[Remark]:
        """The records of a split that are skipped or adapted."""
        return list(self.source.remarks(split)) if isinstance(self.source, Remarked) else []

    def pools(
        self,
        split: Split,
        classes: Collection[int],
        min_pixels: int | None = None,
        any_size: bool = False,
        keep_missing: bool = False,
    ) -> Pools:
        """The pairs of these classes in a split.

        Args:
            split, classes: Of the source.
            keep_missing: Keep listed pairs whose photograph is not there, if the settings allow that some are missing.
            min_pixels, any_size: Where there are no pair lists, see `pairs_from_areas`; by default those of the
                settings. `any_size` is of queries alone.

        Raises:
            InputError: if too much of the split has to be skipped, or the lists are wrong.
        """
        settings, source = self.settings, self.source
        lists_what_is_there = settings.allow_missing or settings.pairs is not None  # which is seen to there
        remarks = [each for each in self.remarks(split) if not (lists_what_is_there and each.what == Missing.kind)]
        check_remarks(source.name, remarks, settings.strict)
        if settings.pairs is not None:
            dealt = folds(len(source.classes), order=settings.fold_order)
            touched = [fold for fold, own in enumerate(dealt) if set(own) & set(classes)]
            lists = expanded(settings.pairs)
            absent: Absent = "error" if not settings.allow_missing else "keep" if keep_missing else "leave out"
            pairs = pairs_from_lists(source, lists, split, touched, absent, settings.fold_order)
            return Pools(pairs.of(classes), pairs.of(classes))
        least = settings.least_pixels if min_pixels is None else min_pixels
        queries = pairs_from_areas(source, split, "query", classes, least, any_size)
        if not any_size and source.ids(split, "support") == source.ids(split, "query"):
            return Pools(queries, queries)
        return Pools(pairs_from_areas(source, split, "support", classes, least), queries)

    def novel_sampler(self, classes: Collection[int], split: Split = "val", **episodes: Any) -> Sampler:
        """Episodes of novel classes from one split.

        Args:
            classes: Labels.
            split: Whose photographs.
            episodes: Fields of `Sampler`; `min_pixels`, `any_size` and `keep_missing` as in `pools`.

        Raises:
            InputError: if a class has too few images.
        """
        return self._sampler("novel", classes, split, **episodes)

    def validation_sampler(self, classes: Collection[int], **episodes: Any) -> Sampler:
        """Episodes of base classes held back from training, from the val split: new classes and new photographs."""
        return self._sampler("base", classes, "val", **episodes)

    def _sampler(
        self,
        role: Literal["base", "novel"],
        classes: Collection[int],
        split: Split,
        *,
        min_pixels: int | None = None,
        any_size: bool = False,
        keep_missing: bool = False,
        **episodes: Any,
    ) -> Sampler:
        pools = self.pools(split, classes, min_pixels, any_size, keep_missing)
        # A class without any pair is unknown to the sampler, and would be scored as if nobody had found it.
        repeats = episodes.get("replacement", False) or episodes.get("drawing") == "hsnet-seed0"
        size = _size_of(episodes) | ({"shot": 1} if repeats else {})
        if short := self._short(pools, classes, **size):
            named = self.names(classes).items()
            enough = [name if _can_be_listed(name) else str(label) for label, name in named if name not in short]
            fix = f" (with enough: `classes` {','.join(enough)})" if enough else ""
            raise InputError(next(iter(short.values())) + fix)
        return Sampler(*pools, self.source.classes, role, **episodes)

    def training_sampler(
        self, held_back: Collection[int], novel_pixels: NovelPixels, **episodes: Any
    ) -> tuple[Sampler, dict[str, str]]:
        """Episodes for training, and the base classes that are left out with too few images, with the reason.

        Args:
            held_back: Base classes treated as if they were novel.
            novel_pixels: What becomes of training photographs that also show such or excluded classes: their pixels
                count as `background`, are ignored (by the loader), or the photographs are dropped.
            episodes: Fields of `Sampler`.

        Raises:
            InputError: if fewer classes are left than ways.
        """
        unseen = self.unseen(held_back)
        classes = [label for label in self.base if label not in unseen]
        pools = self.pools("train", classes)
        if novel_pixels == "drop":
            pools = Pools(*(_without(pairs, self.source, unseen) for pairs in pools))
        short = self._short(pools, classes, **_size_of(episodes))
        enough = [label for label in classes if self.source.classes[label - 1] not in short]
        pools = Pools(*(pairs.of(enough) for pairs in pools))
        return Sampler(*pools, self.source.classes, "base", **episodes), short

    def unseen(self, held_back: Collection[int]) -> frozenset[int]:
        """What training must not see: novel, excluded and held-back classes."""
        return frozenset({*self.novel, *self.excluded, *held_back})

    def unseen_share(self, sampler: Sampler, held_back: Collection[int]) -> float:
        """The share of a training sampler's photographs that also show unseen classes, in [0, 1]."""
        unseen = self.unseen(held_back)
        ids = sampler.supports.ids | sampler.queries.ids
        return sum(not unseen.isdisjoint(self.source.classes_in(id)) for id in ids) / len(ids)

    def hold_back(self, choice: str, shot: int, seed: int) -> tuple[int, ...]:
        """Base classes for validation.

        Args:
            choice: `none`, class names with commas between, or how many to draw of those with images enough.
            shot: K of the validation episodes.
            seed: Seeds the draw.

        Raises:
            InputError: if a name is not a base class, or there are not so many classes.
        """
        if choice == "none":
            return ()
        if not choice.isdecimal():
            return self.labels([name.strip() for name in choice.split(",")], self.base, "base class")
        short = self._short(self.pools("val", self.base), self.base, shot)
        able = [label for label, name in self.names(self.base).items() if name not in short]
        if not 0 < int(choice) < len(able):
            raise InputError(
                f"cannot hold back {choice} of the {len(able)} base classes with enough images in the val split: "
                "use `hold_back` none, a smaller number, or names"
            )
        return tuple(sorted(Draws("hold back", self.settings.fold, seed).sample(able, int(choice))))

    def _short(
        self,
        pools: Pools,
        classes: Collection[int],
        shot: int = 1,
        way: int = 1,
        query_count: int = 1,
        drawing: Drawing = "random",
    ) -> dict[str, str]:
        """Name -> why, of the classes that have too few images for episodes of this size."""
        dealt = dealt_queries(drawing, way, query_count)
        named = self.names(classes).items()
        reasons = {name: shortage(name, label, *pools, shot, query_count, dealt) for label, name in named}
        return {name: reason for name, reason in reasons.items() if reason}


def _size_of(episodes: Mapping[str, Any]) -> dict[str, Any]:
    """Of the fields of `Sampler`, those on which it depends how many images a class needs."""
    return {name: episodes[name] for name in ("shot", "way", "query_count", "drawing") if name in episodes}


def _novel_and_base(source: Source, settings: DataSettings) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The novel and the base classes of a fold."""
    if isinstance(source, Joined):
        first = source.sources[0]
        if settings.pairs is not None and source.classes != first.classes:
            raise InputError(f"pair lists cover the classes of {first.name} only: leave out `pairs`")
        novel = source.labels_of(0, _novel_and_base(first, settings)[0])
        return novel, tuple(label for label in range(1, len(source.classes) + 1) if label not in novel)
    if not isinstance(source, Divided):
        return novel_and_base(len(source.classes), settings.fold, settings.folds, settings.fold_order)
    if settings.pairs is not None:
        raise InputError(f"{source.name} has its own lists: leave out `pairs`")
    if settings.folds != 4 or settings.fold_order != "contiguous":
        raise InputError(f"{source.name} assigns classes to folds by lists: leave out `folds` and `fold_order`")
    return source.novel_and_base(settings.fold)


def _labels_of(source: Source, names: Sequence[str]) -> tuple[int, ...]:
    """The labels of classes by their names, in any spelling that `same_name` takes for the same."""
    wanted, known = {same_name(name): name for name in names}, [same_name(name) for name in source.classes]
    if unknown := [name for plain, name in wanted.items() if plain not in known]:
        raise InputError(f"{unknown[0]!r} is not a class of {source.name}: correct the name, or leave it out")
    return tuple(label for label, plain in enumerate(known, start=1) if plain in wanted)


def _can_be_listed(name: str) -> bool:
    """Whether a class can be chosen by its name in a list with commas between."""
    return "," not in name and name == name.strip() != ""


def _without(pairs: Pairs, source: Source, unseen: Collection[int]) -> Pairs:
    """The pairs whose photograph shows none of these classes."""
    kept = tuple(pair for pair in pairs.items if not set(source.classes_in(pair[0])) & set(unseen))
    return replace(pairs, items=kept, rule=f"{pairs.rule}, photographs with unseen classes dropped")
