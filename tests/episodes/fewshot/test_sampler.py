"""The sampler: frozen episodes, no query among its supports, and no episode that depends on another."""

import pickle
from collections import Counter
from dataclasses import replace
from itertools import product
from typing import Any, get_args

import pytest

from episodes.draws import Draws
from episodes.errors import InputError
from episodes.fewshot.episode import EpisodeSpec
from episodes.fewshot.pairs import Pair, Pairs
from episodes.fewshot.sampler import Sampler
from episodes.fewshot.settings import Drawing

OURS = [drawing for drawing in get_args(Drawing) if drawing != "hsnet-seed0"]
NAMES = ("ant", "bee", "cat", "dog")
TINY = Pairs(
    (("a", 1), ("b", 1), ("c", 1), ("c", 2), ("d", 2), ("e", 2), ("a", 3), ("e", 3), ("f", 3)),
    rule="tiny",
)


def sampler(supports: Pairs = TINY, queries: Pairs | None = None, **fields: Any) -> Sampler:
    return Sampler(supports, queries or supports, NAMES, fields.pop("role", "novel"), **fields)


def specs(drawn: Sampler, count: int = 20) -> list[EpisodeSpec]:
    return [drawn.spec(index) for index in range(count)]


def pairs_of(*items: Pair) -> Pairs:
    return Pairs(items, rule="by hand")


def each_with(label: int, ids: str) -> tuple[Pair, ...]:
    return tuple((id, label) for id in ids)


def test_golden_random_episodes() -> None:
    drawn = sampler(way=2, shot=1, query_count=2, seed=7)
    assert specs(drawn, 3) == [
        EpisodeSpec(0, (1, 2), (("b",), ("d",)), ("a", "c")),
        EpisodeSpec(1, (2, 1), (("c",), ("a",)), ("d", "e")),
        EpisodeSpec(2, (3, 2), (("a",), ("d",)), ("e", "f")),
    ]


def test_golden_list_episodes() -> None:
    drawn = sampler(drawing="list", shot=2)
    assert specs(drawn, 4) == [
        EpisodeSpec(0, (1,), (("c", "b"),), ("a",)),
        EpisodeSpec(1, (1,), (("a", "c"),), ("b",)),
        EpisodeSpec(2, (1,), (("b", "a"),), ("c",)),
        EpisodeSpec(3, (2,), (("e", "d"),), ("c",)),
    ]


def test_a_random_episode_step_by_step() -> None:
    """The order of draws that the goldens froze: classes, then the query's class and id, then supports."""
    drawn = sampler(seed=3)
    for index in range(30):
        draws = Draws("episode", TINY.sha256, TINY.sha256, "novel", "random", 1, 1, 1, 3, index)
        (label,) = draws.sample([1, 2, 3], 1)
        assert draws.choice([label]) == label
        query = draws.choice(TINY.by_class[label])
        while (support := draws.choice(TINY.by_class[label])) == query:
            pass
        assert drawn.spec(index) == EpisodeSpec(index, (label,), ((support,),), (query,))


@pytest.mark.parametrize("drawing", OURS)
@pytest.mark.parametrize(("way", "shot", "query_count"), [(1, 1, 1), (1, 2, 1), (2, 1, 2), (3, 1, 1), (3, 2, 1)])
def test_what_every_episode_keeps(drawing: str, way: int, shot: int, query_count: int) -> None:
    # In TINY each class has 3 images, and 2 + 1 and 1 + 2 use all of them.
    for index, spec in enumerate(specs(sampler(drawing=drawing, way=way, shot=shot, query_count=query_count), 200)):
        assert spec.index == index
        assert len(set(spec.classes)) == len(spec.classes) == way
        assert len(set(spec.queries)) == len(spec.queries) == query_count
        for label, supports in zip(spec.classes, spec.supports, strict=True):
            assert len(set(supports)) == len(supports) == shot
            assert set(supports) <= set(TINY.by_class[label])
            assert not set(supports) & set(spec.queries)
        for query in spec.queries:
            assert any((query, label) in TINY.items for label in spec.classes)


@pytest.mark.parametrize("drawing", OURS)
def test_an_episode_needs_no_other(drawing: str) -> None:
    forward = specs(sampler(drawing=drawing, way=2), 9)
    backward = sampler(drawing=drawing, way=2)
    assert [backward.spec(index) for index in reversed(range(9))] == forward[::-1]
    assert sampler(drawing=drawing, way=2).spec(5) == forward[5]


def test_even_drawing_deals_the_queries_to_the_ways_in_turn() -> None:
    pairs = pairs_of(*each_with(1, "abc"), *each_with(2, "def"), *each_with(3, "ghi"))
    for spec in specs(sampler(pairs, drawing="even", way=2, query_count=3)):
        assert [dict(pairs.items)[query] for query in spec.queries] == [*spec.classes, spec.classes[0]]


def test_even_drawing_needs_as_many_images_as_it_may_take() -> None:
    """Two queries of two ways: one of its own, and another if a query of the other way may show it too."""
    two = pairs_of(*each_with(1, "ab"), *each_with(2, "cd"))
    assert len(specs(sampler(two, drawing="even", way=2, query_count=2))) == 20
    with pytest.raises(InputError, match="ant has 2 support images and needs 3"):
        sampler(two, drawing="random", way=2, query_count=2)
    shared = pairs_of(*each_with(1, "ab"), *each_with(2, "bcd"))
    with pytest.raises(InputError, match="ant has 2 support images and needs 3"):
        sampler(shared, drawing="even", way=2, query_count=2)


def test_list_drawing_takes_the_query_pairs_in_order_and_begins_again() -> None:
    drawn = specs(sampler(drawing="list", way=2), 2 * len(TINY.items))
    assert [(spec.queries[0], spec.classes[0]) for spec in drawn] == [*TINY.items, *TINY.items]
    first, again = drawn[: len(TINY.items)], drawn[len(TINY.items) :]
    assert [spec.supports for spec in first] != [spec.supports for spec in again]


def test_list_drawing_takes_further_queries_from_the_class_of_the_pair() -> None:
    for spec in specs(sampler(drawing="list", query_count=2), 50):
        assert set(spec.queries) <= set(TINY.by_class[spec.classes[0]])


def test_pairs_are_drawn_alike() -> None:
    drawn = specs(sampler(pairs_of(*each_with(1, "abcdefgh"), *each_with(2, "xy")), drawing="pairs", way=2), 500)
    assert sum(spec.classes == (1, 2) for spec in drawn) == pytest.approx(400, abs=40)
    assert {spec.queries[0] for spec in drawn if spec.classes == (1, 2)} == set("abcdefgh")
    assert all(set(spec.queries) <= set("xy") for spec in drawn if spec.classes == (2, 1))


def test_image_lists_take_the_query_images_in_order_and_begin_again() -> None:
    drawn = specs(sampler(drawing="image-list", way=2), 600)
    assert [spec.queries[0] for spec in drawn] == list("abcdef") * 100
    classes = {id: {spec.classes[0] for spec in drawn if spec.queries[0] == id} for id in "abcdef"}
    assert classes == {"a": {1, 3}, "b": {1}, "c": {1, 2}, "d": {2}, "e": {2, 3}, "f": {3}}
    assert sum(spec.classes[0] == 1 for spec in drawn if spec.queries[0] == "a") == pytest.approx(50, abs=20)


def test_images_are_drawn_alike_and_then_one_of_their_classes() -> None:
    shown = pairs_of(("a", 1), ("b", 1), ("b", 2), ("c", 2), ("d", 2))
    drawn = specs(sampler(shown, drawing="images"), 800)
    counts = {id: sum(spec.queries[0] == id for spec in drawn) for id in "abcd"}
    assert all(count == pytest.approx(200, abs=45) for count in counts.values())
    both = [spec.classes[0] for spec in drawn if spec.queries[0] == "b"]
    assert both.count(1) == pytest.approx(len(both) / 2, abs=30)


def test_golden_image_episodes() -> None:
    assert specs(sampler(drawing="images", seed=5), 3) == [
        EpisodeSpec(0, (3,), (("a",),), ("f",)),
        EpisodeSpec(1, (1,), (("b",),), ("c",)),
        EpisodeSpec(2, (1,), (("b",),), ("c",)),
    ]
    assert specs(sampler(drawing="image-list", seed=5), 3) == [
        EpisodeSpec(0, (3,), (("e",),), ("a",)),
        EpisodeSpec(1, (1,), (("a",),), ("b",)),
        EpisodeSpec(2, (2,), (("e",),), ("c",)),
    ]


def test_every_choice_is_reached() -> None:
    drawn = specs(sampler(), 300)
    seen = {(spec.classes[0], spec.queries[0], spec.supports[0][0]) for spec in drawn}
    assert seen == {(c, q, s) for c, ids in TINY.by_class.items() for q, s in product(ids, ids) if q != s}


def test_a_query_that_shows_both_classes_supports_neither() -> None:
    shared = pairs_of(("x", 1), ("y", 1), ("x", 2), ("z", 2))
    drawn = [spec for spec in specs(sampler(shared, way=2), 200) if spec.queries == ("x",)]
    assert len(drawn) > 50
    for spec in drawn:
        assert dict(zip(spec.classes, spec.supports, strict=True)) == {1: ("y",), 2: ("z",)}


def test_a_photograph_may_support_two_ways() -> None:
    drawn = specs(sampler(way=3), 200)
    assert any(len({*spec.supports}) < 3 for spec in drawn)


CHANGES: list[dict[str, Any]] = [
    {"seed": 1},
    {"seed": -1},
    {"role": "base"},
    {"shot": 2},
    {"query_count": 2},
    {"drawing": "list"},
    {"queries": pairs_of(*TINY.items[::-1])},
    {"supports": pairs_of(*TINY.items[::-1])},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "-".join(map(str, change))[:20])
def test_each_setting_changes_the_draws(change: dict[str, Any]) -> None:
    supports = change.get("supports", TINY)
    fields = {name: value for name, value in change.items() if name not in ("supports", "queries")}
    changed = sampler(supports, change.get("queries", TINY), **fields)
    names = [(spec.classes, spec.queries[0], spec.supports[0][0]) for spec in specs(sampler())]
    assert [(spec.classes, spec.queries[0], spec.supports[0][0]) for spec in specs(changed)] != names


def test_words_about_the_pairs_do_not_change_the_draws() -> None:
    assert specs(sampler(replace(TINY, rule="another name", missing=5))) == specs(sampler())


def test_class_names_do_not_change_the_draws() -> None:
    assert specs(Sampler(TINY, TINY, NAMES[::-1], "novel")) == specs(sampler())


def test_pickled_samplers_draw_alike() -> None:
    drawn = sampler(way=2)
    before = pickle.loads(pickle.dumps(drawn))
    expected = specs(drawn)
    assert specs(before) == specs(pickle.loads(pickle.dumps(drawn))) == expected


def test_classes_ascend() -> None:
    assert sampler(pairs_of(*each_with(3, "ab"), *each_with(1, "cd"))).classes == (1, 3)


@pytest.mark.parametrize("drawing", OURS)
@pytest.mark.parametrize(("way", "shot", "query_count"), [(1, 1, 1), (1, 5, 1), (1, 1, 4), (2, 2, 3)])
def test_just_enough_images(drawing: str, way: int, shot: int, query_count: int) -> None:
    ids = "abcdefgh"[: shot + query_count]
    enough = pairs_of(*each_with(1, ids), *each_with(2, ids))
    fields = {"drawing": drawing, "way": way, "shot": shot, "query_count": query_count}
    assert len(specs(sampler(enough, **fields), 200)) == 200
    one_less = pairs_of(*each_with(1, ids), *each_with(2, ids[:-1]))
    with pytest.raises(InputError, match=f"class bee has {len(ids) - 1} support images? and needs {len(ids)}"):
        sampler(one_less, **fields)


def test_pools_that_share_nothing_need_no_reserve() -> None:
    supports, queries = pairs_of(*each_with(1, "ab")), pairs_of(*each_with(1, "xyz"))
    drawn = specs(sampler(supports, queries, shot=2, query_count=3), 200)
    assert all({*spec.supports[0]} == {"a", "b"} and {*spec.queries} == set("xyz") for spec in drawn)


def test_pools_that_share_one_photograph_need_one_more() -> None:
    queries = pairs_of(*each_with(1, "axyz"))
    drawn = sampler(pairs_of(*each_with(1, "abc")), queries, shot=2, query_count=3)
    assert len(specs(drawn, 200)) == 200
    with pytest.raises(InputError, match="class ant has 2 support images and needs 3"):
        sampler(pairs_of(*each_with(1, "ab")), queries, shot=2, query_count=3)


def test_too_few_queries() -> None:
    with pytest.raises(InputError, match="class ant has 1 query image and needs 2: leave it out"):
        sampler(pairs_of(*each_with(1, "abc")), pairs_of(("x", 1)), query_count=2)


@pytest.mark.parametrize(("supports", "queries"), [((("a", 1),), ()), ((), (("a", 1),)), ((("a", 1),), (("x", 2),))])
def test_a_class_in_one_pool_alone(supports: tuple[Pair, ...], queries: tuple[Pair, ...]) -> None:
    with pytest.raises(InputError, match=r"class (ant|bee) has 0 (query|support) images"):
        Sampler(pairs_of(*supports), pairs_of(*queries), NAMES, "novel")


@pytest.mark.parametrize("way", [4, 9])
def test_more_ways_than_classes(way: int) -> None:
    with pytest.raises(InputError, match=f"{way}-way episodes need {way} classes: there are 3"):
        sampler(way=way)


def test_no_pairs_at_all() -> None:
    with pytest.raises(InputError, match="1-way episodes need 1 classes: there are 0"):
        sampler(pairs_of())


@pytest.mark.parametrize("field", ["way", "shot", "query_count"])
@pytest.mark.parametrize("value", [0, -1])
def test_nothing_to_draw(field: str, value: int) -> None:
    with pytest.raises(InputError, match="must each be at least 1"):
        sampler(**{field: value})


def test_with_replacement_a_support_may_come_twice_and_one_image_is_enough() -> None:
    drawn = specs(sampler(shot=2, replacement=True), 200)
    repeated = sum(len(set(spec.supports[0])) == 1 for spec in drawn)
    assert repeated == pytest.approx(100, abs=30)  # of two images beside the query
    assert not any(set(spec.queries) & set(spec.supports[0]) for spec in drawn)
    few = pairs_of(*each_with(1, "ab"), *each_with(2, "ab"))
    assert {spec.supports[0] for spec in specs(sampler(few, shot=3, replacement=True))} == {("a",) * 3, ("b",) * 3}


def test_a_support_with_replacement_step_by_step() -> None:
    drawn = sampler(seed=3, shot=2, replacement=True)
    for index in range(30):
        draws = Draws("episode", TINY.sha256, TINY.sha256, "novel", "random", 1, 2, 1, 3, "replacement", index)
        (label,) = draws.sample([1, 2, 3], 1)
        assert draws.choice([label]) == label
        query, supports = draws.choice(TINY.by_class[label]), []
        while len(supports) < 2:
            if (support := draws.choice(TINY.by_class[label])) != query:
                supports.append(support)
        assert drawn.spec(index) == EpisodeSpec(index, (label,), (tuple(supports),), (query,))


def test_of_one_support_replacement_changes_nothing() -> None:
    assert specs(sampler(replacement=True)) == specs(sampler())


def test_a_pair_listed_twice_is_one_image() -> None:
    with pytest.raises(InputError, match="class ant"):
        sampler(pairs_of(("a", 1), ("a", 1)))


MANY = pairs_of(*each_with(1, "abcd"), *each_with(2, "efghijklmnopqrst"), *((f"z{i}", 3) for i in range(64)))


@pytest.mark.parametrize(("temper", "expected"), [(0.0, (1, 1, 1)), (0.5, (2, 4, 8)), (1.0, (4, 16, 64))])
def test_tempered_classes_come_as_often_as_their_images_to_a_power(temper: float, expected: tuple[float, ...]) -> None:
    counts = Counter(spec.classes[0] for spec in specs(sampler(MANY, temper=temper), 3000))
    for label, share in enumerate(expected, start=1):
        assert counts[label] / 3000 == pytest.approx(share / sum(expected), abs=0.03)


def test_tempered_ways_are_different_classes() -> None:
    for spec in specs(sampler(MANY, temper=1.0, way=3), 50):
        assert sorted(spec.classes) == [1, 2, 3]


def test_the_temper_is_part_of_the_draw() -> None:
    assert specs(sampler(MANY, temper=0.5)) == specs(sampler(MANY, temper=0.5))
    assert len({tuple(specs(sampler(MANY, temper=temper))) for temper in (0.0, 0.4, 0.5)}) == 3


def test_golden_tempered_episodes() -> None:
    drawn = [spec.classes for spec in specs(sampler(MANY, temper=0.5, way=2), 6)]
    assert drawn == [(1, 2), (2, 3), (2, 3), (3, 2), (2, 3), (3, 2)]


def test_a_class_beside_those_taken() -> None:
    drawn = sampler(MANY, temper=0.5)
    assert {drawn.other_class((1, 3), Draws("test", seed)) for seed in range(9)} == {2}
    with pytest.raises(ValueError, match="cannot draw"):
        sampler(MANY).other_class((1, 2, 3), Draws("test"))


def test_hard_classes_look_like_those_taken() -> None:
    drawn = sampler(MANY, hard=0.6, alike={1: (2,), 2: (1, 9)})
    counts = Counter(drawn.other_class((1,), Draws("test", seed)) for seed in range(2000))
    assert counts[2] / 2000 == pytest.approx(0.8, abs=0.03)  # and of the rest each as often
    assert {drawn.other_class((3,), Draws("test", seed)) for seed in range(20)} == {1, 2}
    easy = Counter(drawn.other_class((1,), Draws("test", seed), hard=False) for seed in range(2000))
    assert easy[2] / 2000 == pytest.approx(0.5, abs=0.04)


def test_hard_ways_look_alike_and_are_part_of_the_draw() -> None:
    drawn = sampler(MANY, hard=1.0, alike={1: (2,), 2: (1,)}, way=2)
    assert {tuple(sorted(spec.classes)) for spec in specs(drawn, 50)} <= {(1, 2), (1, 3), (2, 3)}
    assert all(set(spec.classes) == {1, 2} for spec in specs(drawn, 50) if spec.classes[0] != 3)
    assert specs(drawn) != specs(replace(drawn, alike={1: (2,), 2: (1,), 3: ()}))
    assert specs(drawn) == specs(pickle.loads(pickle.dumps(drawn)))


@pytest.mark.parametrize("name", ["temper", "hard"])
@pytest.mark.parametrize("fields", [{"value": 0.5, "drawing": "pairs"}, {"value": 1.5}, {"value": float("nan")}])
def test_bad_temper(name: str, fields: dict[str, Any]) -> None:
    fields = {name if key == "value" else key: value for key, value in fields.items()}
    with pytest.raises(InputError, match=r"temper|hard"):
        sampler(MANY, **fields)
