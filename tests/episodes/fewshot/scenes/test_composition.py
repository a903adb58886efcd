"""Which photographs training scenes are composed of, and what becomes of their labels."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from episodes.data.source import IGNORE, UNNAMED
from episodes.errors import InputError
from episodes.fewshot.episode import EpisodeSpec, Photograph
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.pairs import Pairs
from episodes.fewshot.sampler import Sampler
from episodes.fewshot.scenes.augmentation import Augmentation
from episodes.fewshot.scenes.composition import Composer, Scene
from episodes.fewshot.scenes.loading import EpisodeList, Loader
from episodes.fewshot.settings import Composition
from tests.episodes.fakes import ANIMALS, Fake, label_map

BASE = (1, 2, 3, 4)
NOVEL = 5


def fake() -> Fake:
    """Four photographs of each base class, and t1x, which shows classes 1 and 2; each has 60 novel pixels."""
    maps = {f"t{label}{letter}": label_map({label: 400, NOVEL: 60}, 40, 40) for label in BASE for letter in "abcd"}
    return Fake(maps | {"t1x": label_map({1: 300, 2: 300, NOVEL: 60}, 40, 40)})


def sampler(source: Fake, classes: tuple[int, ...] = BASE, **fields: Any) -> Sampler:
    pairs = tuple((id, label) for id in source.ids("train") for label in source.classes_in(id) if label in classes)
    return Sampler(Pairs(pairs, "test"), Pairs(pairs, "test"), ANIMALS, "base", **fields)


def composer(settings: Composition, seed: int = 0, **fields: Any) -> Composer:
    source = fake()
    return Composer(settings, sampler(source, **fields), source, seed)


def scenes(settings: Composition, count: int = 300, **fields: Any) -> list[tuple[EpisodeSpec, int, Scene]]:
    made = composer(settings, **fields)
    specs = [sampler(fake(), **fields).spec(index) for index in range(count)]
    return [(spec, slot, made.scene(spec, slot)) for spec in specs for slot in range(len(spec.slots))]


def photographs(settings: Composition, count: int = 40, **fields: Any) -> list[tuple[EpisodeSpec, list[Photograph]]]:
    source = fake()
    drawn = sampler(source)
    loader = Loader(source, Geometry(40), seed=1, composer=Composer(settings, drawn, source, 1), **fields)
    built = map(EpisodeList(drawn, loader).__getitem__, range(count))
    return [(episode.spec, [*episode.supports(), *episode.queries()]) for episode in built]


ALL = Composition(0.5, 0.3, 0.2, 0.15)


def test_shares_are_kept() -> None:
    kinds = Counter[str]()
    for spec, slot, scene in scenes(ALL, 2000):
        query, own = slot == 1, scene.id == spec.slots[slot]
        moved = (spec.slots[slot], spec.classes[0]) in scene.pasted
        kinds["absent"] += not own and not moved
        kinds["transplanted"] += moved
        kinds["distractors" if query else "support_distractors"] += len(scene.pasted) - moved
        assert query or own
    for name, share in (("absent", 0.2), ("transplanted", 0.15), ("distractors", 0.5), ("support_distractors", 0.3)):
        assert kinds[name] / 2000 == pytest.approx(share, abs=0.04)


def test_nothing_is_composed_unless_asked() -> None:
    assert not Composition()
    assert all(scene == Scene(spec.slots[slot]) for spec, slot, scene in scenes(Composition()))


@pytest.mark.parametrize("way", [1, 2])
def test_other_photographs_show_no_class_of_the_episode(way: int) -> None:
    source = fake()
    for spec, slot, scene in scenes(Composition(1, 1, 0.5, 0.5), way=way):
        others = [(scene.id, 0), *scene.pasted] if scene.id != spec.slots[slot] else list(scene.pasted)
        for id, label in others:
            if label not in spec.classes:
                assert source.classes_in(id).keys().isdisjoint(spec.classes)
                assert label in (0, *BASE)


def test_the_largest_class_of_a_query_is_transplanted() -> None:
    moved = composer(Composition(transplant=1), way=2)
    spec = EpisodeSpec(0, (2, 3), (("t2a",), ("t3a",)), ("t3b",))
    assert moved.scene(spec, 2).pasted == (("t3b", 3),)


def test_scenes_are_a_function_of_seed_index_and_slot() -> None:
    assert scenes(ALL) == scenes(ALL)
    assert [scene for *_, scene in scenes(ALL)] != [scene for *_, scene in scenes(ALL, seed=1)]


def test_a_class_that_is_everywhere_has_no_other_photographs() -> None:
    source = Fake({f"t{letter}": label_map({1: 400, 2: 300}, 40, 40) for letter in "abc"})
    made = Composer(Composition(1, 1, rivals=1), sampler(source), source, 0)
    assert made.scene(EpisodeSpec(0, (1,), (("ta",),), ("tb",)), 1) == Scene("tb")


def test_one_class_alone_cannot_be_composed() -> None:
    source = fake()
    with pytest.raises(InputError, match="need classes beside the 1"):
        Composer(ALL, sampler(source, (1,)), source, 0)


def test_several_classes_come_as_they_are() -> None:
    """t1x alone shows two classes; an episode that has it already, or of another class, keeps its own query."""
    for spec, slot, scene in scenes(Composition(several=1)):
        if slot == 1 and spec.classes[0] in (1, 2) and "t1x" not in spec.slots:
            assert scene == Scene("t1x")
        else:
            assert scene == Scene(spec.slots[slot])


def test_hard_classes_are_those_that_look_alike() -> None:
    alike = {1: (3,), 2: (4, 3), 3: (1, 2), 4: (2,)}
    for spec, _, scene in scenes(Composition(1, 1, 0.4, 0.4), hard=1.0, alike=alike):
        for _, label in scene.pasted:
            assert label in (*alike[spec.classes[0]], *spec.classes)


def test_where_those_that_look_alike_always_come_together_others_do() -> None:
    """Photographs of bees all show ants: none can be a distractor of ants."""
    maps = {f"t{label}{letter}": label_map({label: 400}, 40, 40) for label in (1, 3) for letter in "ab"}
    source = Fake(maps | {f"t2{letter}": label_map({2: 400, 1: 300}, 40, 40) for letter in "ab"})
    made = Composer(Composition(1, 1), sampler(source, hard=1.0, alike={1: (2,)}), source, 0)
    assert made.scene(EpisodeSpec(0, (1,), (("t1a",),), ("t1b",)), 1).pasted[0][1] == 3


@pytest.mark.parametrize("shares", [(-0.1,), (1.1,), (0, 0, float("nan")), (0, 0, 0.6, 0.5), (0, 0, 0.4, 0.4, 0, 0.4)])
def test_bad_shares(shares: tuple[float, ...]) -> None:
    with pytest.raises(InputError):
        Composition(*shares)


def test_an_absent_class_has_no_pixel() -> None:
    for spec, (support, query) in photographs(Composition(distractors=1, absent=1)):
        assert (support.labels == spec.classes[0]).any()
        assert not (query.labels == spec.classes[0]).any()
        assert query.id == spec.queries[0]


def test_a_transplanted_class_is_there_beside_another() -> None:
    for spec, (_, query) in photographs(Composition(transplant=1)):
        shown = set(query.labels.unique().tolist()) - {0, NOVEL, IGNORE}
        assert spec.classes[0] in shown
        assert len(shown) > 1
        assert (query.labels == spec.classes[0]).float().mean() > 0.01


def test_a_distractor_is_another_class() -> None:
    before = {spec.index: two for spec, two in photographs(Composition())}
    for spec, composed in photographs(Composition(1, 1)):
        for old, new in zip(before[spec.index], composed, strict=True):
            target = old.labels == spec.classes[0]
            assert ((new.labels == spec.classes[0]) & target).sum() >= 0.5 * target.sum()
            changed = new.labels != old.labels
            assert changed.any()
            assert set(new.labels[changed].unique().tolist()) <= set(BASE) - {*spec.classes}


def test_ignored_classes_stay_ignored_and_are_never_pasted() -> None:
    settings = Composition(1, 1, 0.3, 0.3)
    for spec, two in photographs(settings, ignored=frozenset({NOVEL})):
        for photograph in two:
            assert not (photograph.labels == NOVEL).any()
            assert (photograph.labels == IGNORE).sum() == 60, spec


def test_what_is_not_composed_is_as_before() -> None:
    augmentation, source = Augmentation(0.5, 0.7, 0.3), fake()
    drawn = sampler(source)
    plain = EpisodeList(drawn, Loader(source, Geometry(40), augmentation))
    composed = EpisodeList(drawn, Loader(source, Geometry(40), augmentation, composer=composer(Composition(absent=1))))
    for index in range(10):
        (one,), (two,) = plain[index].supports(), composed[index].supports()
        assert torch.equal(one.image, two.image)
        assert torch.equal(one.labels, two.labels)


def test_composed_photographs_are_the_same_every_time() -> None:
    for augmentation in (None, Augmentation(0.5, 0.7, 0.3)):
        runs = [photographs(ALL, augmentation=augmentation) for _ in range(2)]
        for (_, one), (_, two) in zip(*runs, strict=True):
            assert all(
                torch.equal(a.image, b.image) and torch.equal(a.labels, b.labels) for a, b in zip(one, two, strict=True)
            )


def test_an_evaluator_shares_no_composed_photograph() -> None:
    source = fake()
    drawn = sampler(source)
    loader = Loader(source, Geometry(40), composer=Composer(ALL, drawn, source, 0))
    assert loader.build(drawn.spec(0)).origin is None


def test_a_source_keeps_what_it_loaded() -> None:
    class Keeping(Fake):
        """Hands out the same arrays again and again."""

        def load(self, id: str) -> Any:
            if id not in self.kept:
                self.kept[id] = super().load(id)
            return self.kept[id]

    source = Keeping({id: label_map({label: 400}, 40, 40) for label in BASE for id in (f"t{label}a", f"t{label}b")})
    source.kept: dict[str, Any] = {}
    drawn = sampler(source)
    loader = Loader(source, Geometry(40), composer=Composer(Composition(1, 1), drawn, source, 0))
    for index in range(20):
        episode = loader.build(drawn.spec(index))
        episode.supports(), episode.queries()
    for id, (image, labels) in source.kept.items():
        fresh = Fake.load(source, id)
        assert np.array_equal(image, fresh[0])
        assert np.array_equal(labels, fresh[1])


def test_rivals_are_of_the_other_ways_and_of_other_photographs() -> None:
    source, pasted = fake(), Counter[bool]()
    for spec, slot, scene in scenes(Composition(1, 1, rivals=0.5), 500, way=2):
        own = source.classes_in(spec.slots[slot])
        ((id, label),) = scene.pasted
        pasted[label in spec.classes] += 1
        assert id not in spec.slots
        assert label not in own or label not in spec.classes
        assert label in source.classes_in(id)
    assert pasted[True] / pasted.total() == pytest.approx(0.5, abs=0.06)


def test_an_episode_of_one_class_has_no_rivals() -> None:
    assert all(
        label not in spec.classes for spec, _, scene in scenes(Composition(1, 1, rivals=1)) for _, label in scene.pasted
    )


def test_a_rival_bears_its_own_label() -> None:
    """So that the one query asks for either, as the support says."""
    source, fields = fake(), {"way": 2, "query_count": 2, "drawing": "even"}
    drawn = sampler(source, **fields)
    loader = Loader(source, Geometry(40), seed=1, composer=Composer(Composition(1, rivals=1), drawn, source, 1))
    both = 0
    for episode in map(EpisodeList(drawn, loader).__getitem__, range(20)):
        both += sum({1, 2} <= set(episode.labels(query).unique().tolist()) for query in episode.queries())
    assert both > 20


def with_unnamed() -> Fake:
    """Also photographs of objects without a class, label 6; tu2 shows too little of one."""
    sizes = {"tu0": 1100, "tu1": 1200, "tu2": 300}
    maps = {f"t{label}{letter}": label_map({label: 400}, 40, 40) for label in BASE for letter in "abcd"}
    source = Fake(maps | {id: label_map({6: pixels}, 40, 40) for id, pixels in sizes.items()})
    source.classes = (*ANIMALS[:5], UNNAMED)
    return source


@pytest.mark.parametrize("way", [1, 3])
def test_views_find_an_unnamed_object_again(way: int) -> None:
    source = with_unnamed()
    drawn = sampler(source, way=way, query_count=way, shot=2 if way == 1 else 1, drawing="even")
    made = Composer(Composition(0.5, 0.5, rivals=0.5, views=0.4), drawn, source, 1)
    assert made.unnamed_ids == ("tu0", "tu1")
    loader = Loader(source, Geometry(40), composer=made)
    views = 0
    for index in range(150):
        before, episode = drawn.spec(index), EpisodeList(drawn, loader)[index]
        spec = episode.spec
        if spec == before:
            continue
        views += 1
        assert spec.classes == (*before.classes[:-1], 6)
        assert spec.supports[:-1] == before.supports[:-1]
        assert len(set(spec.supports[-1])) == 1
        assert spec.supports[-1][0] in ("tu0", "tu1")
        query = episode.queries()[way - 1]
        assert query.id == spec.queries[way - 1]
        assert (episode.labels(query) == way).sum() > 20
        assert (episode.labels(episode.supports()[-1]) == way).any()
    assert views / 150 == pytest.approx(0.4, abs=0.12)


def test_views_need_unnamed_objects() -> None:
    source = fake()
    with pytest.raises(InputError, match="has no unnamed objects"):
        Composer(Composition(views=0.1), sampler(source), source, 0)
