"""What base training of a fold sees of the novel classes, and of the photographs they are tested on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from episodes.data.source import FoldNumber, OnProgress, silent
from episodes.errors import InputError
from episodes.fewshot.checks.imagenet_kinds import imagenet_classes_of
from episodes.fewshot.checks.near_duplicates import Duplicate, duplicates
from episodes.fewshot.folds import Fold
from episodes.fewshot.settings import NovelPixels


@dataclass(frozen=True)
class Exposure:
    """What stands of a novel class in the photographs of base training.

    Attributes:
        name: The class.
        images: Photographs that show a pixel of it.
        listed: Those that also make an (image, class) pair with it, by the rule for pairs.
        pixels: All of its pixels in them.
    """

    name: str
    images: int
    listed: int
    pixels: int


@dataclass(frozen=True)
class Effect:
    """What a rule for novel pixels makes of base training.

    Attributes:
        rule: Of `--novel-pixels`.
        images, pairs: What is left to train on.
        background: Pixels of novel classes that are taught as background.
        ignored: Those that count for nothing.
        left_out: Base classes that have too few images then.
    """

    rule: NovelPixels
    images: int
    pairs: int
    background: int
    ignored: int
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Leakage:
    """How well the novel classes of a fold are kept from its training.

    Attributes:
        source: Where the photographs are.
        fold: Which fold.
        pairs: The rule for (image, class) pairs.
        images: Photographs of base training.
        exposed: Those that show a pixel of any novel class.
        tested: Photographs of the val split that the novel classes are tested on.
        classes: The exposure to each novel class.
        effects: What each rule for novel pixels does about it.
        shared: Ids that are both trained and tested on.
        duplicates: Photographs of training that are also tested on, under another id.
        repeated: Photographs that are tested on under two ids, so that one may be the support of the other.
        pretrained: Novel class -> the classes of ImageNet that are of its kind, which the backbone has seen with their
            names; see `imagenet_classes_of`.
    """

    source: str
    fold: FoldNumber
    pairs: str
    images: int
    exposed: int
    tested: int
    classes: tuple[Exposure, ...]
    effects: tuple[Effect, ...]
    shared: tuple[str, ...]
    duplicates: tuple[Duplicate, ...]
    repeated: tuple[Duplicate, ...]
    pretrained: Mapping[str, tuple[str, ...]]


def leakage(fold: Fold, on_progress: OnProgress = silent) -> Leakage:
    """Look at every photograph of base training and of the novel classes' test, which takes a while.

    Args:
        fold: The fold.
        on_progress: Called with the progress.

    Raises:
        InputError: if the fold has no novel classes, or a photograph cannot be read.
    """
    if not fold.novel:
        raise InputError("fold all has no novel classes: name one with `fold`")
    source, novel = fold.source, fold.names(fold.novel)
    sampler, _ = fold.training_sampler((), "background")
    trained = sorted(sampler.supports.ids | sampler.queries.ids)
    shown = {id: {label: n for label, n in source.classes_in(id).items() if label in novel} for id in trained}
    own = fold.pools("train", fold.novel)
    listed = {*own.supports.items, *own.queries.items}
    classes = tuple(
        Exposure(
            name,
            sum(label in found for found in shown.values()),
            sum((id, label) in listed for id in trained),
            sum(found.get(label, 0) for found in shown.values()),
        )
        for label, name in novel.items()
    )
    test = fold.pools("val", fold.novel)
    tested = sorted(test.supports.ids | test.queries.ids)
    pairs = duplicates(source, sorted({*trained, *tested}), tested, on_progress)
    of_training = frozenset(trained)
    return Leakage(
        source.name,
        fold.settings.fold,
        sampler.supports.rule,
        len(trained),
        sum(map(bool, shown.values())),
        len(tested),
        classes,
        tuple(_effect(fold, rule, shown) for rule in get_args(NovelPixels)),
        tuple(sorted({*trained} & {*tested})),
        tuple(pair for pair in pairs if pair.first in of_training),
        tuple(pair for pair in pairs if pair.first not in of_training and pair.first < pair.second),
        {name: imagenet_classes_of(name) for name in novel.values()},
    )


def _effect(fold: Fold, rule: NovelPixels, shown: Mapping[str, Mapping[int, int]]) -> Effect:
    """What a rule makes of photographs that show so many pixels of novel classes."""
    try:
        sampler, short = fold.training_sampler((), rule)
    except InputError:  # it leaves nothing to train on
        return Effect(rule, 0, 0, 0, 0, tuple(fold.names(fold.base).values()))
    kept = sampler.supports.ids | sampler.queries.ids
    pixels = sum(sum(shown[id].values()) for id in kept)
    taught, ignored = (pixels if rule == name else 0 for name in ("background", "ignore"))
    pairs = {*sampler.supports.items, *sampler.queries.items}
    return Effect(rule, len(kept), len(pairs), taught, ignored, tuple(short))
