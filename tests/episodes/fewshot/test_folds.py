"""A fold: which photographs and classes serve training, validation and testing, and what is left out."""

from pathlib import Path
from typing import Any

import pytest

from episodes.data.joined import Joined
from episodes.errors import InputError
from episodes.fewshot.folds import Fold
from episodes.fewshot.pairs import pairs_from_areas
from episodes.fewshot.settings import DataSettings
from tests.episodes.fakes import Fake, label_map

# Eight classes in four folds: fold 0 has ant and bee (1, 2), fold 3 has gnu and hen (7, 8).
# Each class has six photographs a split; those of number 0 also show the next class.
MAPS = {
    f"{split}{label}{number}": label_map({label: 50, label % 8 + 1: 50 if number == 0 else 9})
    for label in range(1, 9)
    for number in range(6)
    for split in "tv"
}


def fold(source: Fake | None = None, **settings: Any) -> Fold:
    return Fold(DataSettings(**{"data": "fake", "min_pixels": 10} | settings), source or Fake(MAPS))


def without(*ids: str) -> Fake:
    return Fake({id: labels for id, labels in MAPS.items() if not id.startswith(ids)})


def test_novel_and_base_classes() -> None:
    assert fold().novel == (1, 2)
    assert fold(fold=3).base == (1, 2, 3, 4, 5, 6)
    assert fold(fold=1, fold_order="interleaved").novel == (2, 6)
    assert fold(fold=1, folds=2).novel == (5, 6, 7, 8)
    assert fold().names((8, 1)) == {1: "ant", 8: "hen"}


def test_a_fold_that_does_not_exist() -> None:
    with pytest.raises(InputError, match="fold 4 does not exist"):
        fold(fold=4)


def test_pools_by_pixels() -> None:
    pools = fold().pools("val", (1, 2))
    assert pools.queries is pools.supports
    assert pools.queries == pairs_from_areas(Fake(MAPS), "val", "query", (1, 2), 10)
    assert pools.queries.by_class[2] == ("v10", *(f"v2{number}" for number in range(6)))
    assert len(fold(min_pixels=9).pools("val", (1, 2)).queries.items) == 6 + 6 + 6 + 6
    assert fold(min_pixels=51).pools("val", (1, 2)).queries.items == ()


def test_splits_share_no_photograph() -> None:
    train, val = (fold().pools(split, range(1, 9)).queries for split in ("train", "val"))
    assert {id[0] for id, _ in train.items} == {"t"}
    assert {id[0] for id, _ in val.items} == {"v"}


def test_separate_pools_of_supports_and_queries() -> None:
    supports = [id for id in MAPS if id[-1] in "12"]
    pools = fold(Fake(MAPS, supports)).pools("val", (1,))
    assert pools.supports.items == (("v11", 1), ("v12", 1))
    assert [id for id, _ in pools.queries.items] == ["v10", "v13", "v14", "v15", "v80"]
    sampler = fold(Fake(MAPS, supports)).novel_sampler((1, 2), shot=2)
    assert {id for index in range(50) for id in sampler.spec(index).supports[0]} == {"v11", "v12", "v21", "v22"}


def test_the_record_of_pools() -> None:
    supports = [id for id in MAPS if id[-1] in "12"]
    pools = fold(Fake(MAPS, supports)).pools("val", (1,))
    assert pools.record() == {
        "rule": "min_pixels=10",
        "sha256": pools.queries.sha256,
        "queries": 5,
        "supports": 2,
        "supports_sha256": pools.supports.sha256,
        "missing": 0,
    }


def listed(folder: Path) -> Path:
    """Pair lists of four folds, of which each class has three photographs; one of ant is not there."""
    for split, fold in [(split, fold) for split in ("train", "val") for fold in range(4)]:
        labels = (2 * fold + 1, 2 * fold + 2)
        lines = [f"{split[0]}{label}{number}__{label:02d}" for label in labels for number in (3, 1, 2)]
        (folder / f"{split}_fold{fold}.txt").write_text("\n".join(lines))
    return folder


def test_pools_by_lists(tmp_path: Path) -> None:
    pools = fold(pairs=str(listed(tmp_path))).pools("val", (1, 2))
    assert pools.queries.items == tuple((f"v{label}{number}", label) for label in (1, 2) for number in (3, 1, 2))
    assert pools.queries == pools.supports
    assert pools.record()["rule"] == "pair list: val_fold0.txt"


def test_base_training_by_lists_reads_the_other_folds_alone(tmp_path: Path) -> None:
    folder = listed(tmp_path)
    (folder / "train_fold1.txt").unlink()
    sampler, short = fold(pairs=str(folder), fold=1).training_sampler((), "background")
    assert sampler.classes == (1, 2, 5, 6, 7, 8)
    assert short == {}
    assert sampler.queries.rule == "pair list: train_fold0.txt + train_fold2.txt + train_fold3.txt"


def test_some_classes_of_a_list(tmp_path: Path) -> None:
    assert fold(pairs=str(listed(tmp_path))).novel_sampler((2,)).classes == (2,)


def test_listed_photographs_that_are_missing(tmp_path: Path) -> None:
    folder, source = listed(tmp_path), without("v13")
    with pytest.raises(InputError, match="`allow_missing`"):
        fold(source, pairs=str(folder)).novel_sampler((1, 2))
    pools = fold(source, pairs=str(folder), allow_missing=True).pools("val", (1, 2))
    assert pools.record()["missing"] == 1
    assert pools.queries.by_class[1] == ("v11", "v12")


def test_lists_are_for_four_folds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="pair lists are for 4 folds: leave out `pairs`, or `folds` 2"):
        fold(pairs=str(listed(tmp_path)), folds=2)


def test_novel_episodes_show_novel_classes_of_val() -> None:
    sampler = fold().novel_sampler((1, 2), way=2, seed=5)
    assert (sampler.classes, sampler.role, sampler.way, sampler.seed) == ((1, 2), "novel", 2, 5)
    assert {id[0] for id, _ in sampler.queries.items} == {"v"}


def test_a_novel_class_with_too_few_images() -> None:
    with pytest.raises(InputError, match="class bee has 1 support image and needs 2"):
        fold(without("v2")).novel_sampler((1, 2))


@pytest.mark.parametrize("role", ["novel_sampler", "validation_sampler"])
def test_a_class_without_any_pair_is_refused(role: str) -> None:
    """It would be scored as one that nobody found."""
    classes = (1, 2) if role == "novel_sampler" else (3, 4)
    name = fold().source.classes[classes[0] - 1]
    source = Fake({id: labels for id, labels in MAPS.items() if classes[0] not in labels})
    with pytest.raises(InputError, match=f"class {name} has 0 support images and needs 1: leave it out or add"):
        getattr(fold(source), role)(classes)
    assert getattr(fold(source), role)(classes[1:]).classes == classes[1:]


def test_the_number_of_queries_counts_for_what_a_class_needs() -> None:
    assert fold().novel_sampler((1, 2), shot=2, query_count=4)
    with pytest.raises(InputError, match="class ant has 7 support images and needs 8"):
        fold().novel_sampler((1, 2), shot=2, query_count=6)


def test_validation_shows_base_classes_of_val() -> None:
    sampler = fold().validation_sampler((3, 4))
    assert (sampler.classes, sampler.role) == ((3, 4), "base")
    assert {id[0] for id, _ in sampler.queries.items} == {"v"}


@pytest.mark.parametrize("novel_pixels", ["background", "ignore", "drop"])
def test_training_excludes_novel_and_held_back_classes(novel_pixels: Any) -> None:
    sampler, short = fold().training_sampler((5,), novel_pixels, way=2, seed=9)
    # Every photograph of dog also shows elk, which is held back, and every one of hen shows ant.
    expected = {3, 6, 7} if novel_pixels == "drop" else {3, 4, 6, 7, 8}
    assert set(sampler.classes) == expected
    assert set(short) == {fold().source.classes[label - 1] for label in {3, 4, 6, 7, 8} - expected}
    assert (sampler.role, sampler.way, sampler.seed) == ("base", 2, 9)
    assert {id[0] for id, _ in sampler.queries.items} == {"t"}
    assert {label for index in range(100) for label in sampler.spec(index).classes} == expected


def test_photographs_with_unseen_classes_are_kept_unless_dropped() -> None:
    kept = [fold().training_sampler((), rule)[0] for rule in ("background", "ignore")]
    assert kept[0] == kept[1]
    ids = {id for id, _ in kept[0].queries.items}
    # t20 shows bee and cat, all of class 8 show hen and ant.
    assert "t20" in ids
    assert "t85" in ids


def test_the_share_of_training_photographs_with_unseen_classes() -> None:
    """Of 36 of cat to hen in train, all 6 of hen show ant, t20 shows bee and cat; all 6 of dog show elk."""
    whole = fold()
    sampler, _ = whole.training_sampler((), "background")
    assert len(sampler.queries.ids) == 37
    assert whole.unseen_share(sampler, ()) == 7 / 37
    without_elk, _ = whole.training_sampler((5,), "background")
    # Elk's own leave, but for t50, which shows enough of fox.
    assert len(without_elk.queries.ids) == 37 - 5
    assert whole.unseen_share(without_elk, (5,)) == (7 + 6 + 1) / 32
    assert whole.unseen_share(whole.training_sampler((5,), "drop")[0], (5,)) == 0


def test_the_share_counts_supports_and_queries_each_once() -> None:
    supports = [id for id in MAPS if id[-1] in "0123"]
    split = fold(Fake(MAPS, supports))
    sampler, _ = split.training_sampler((), "background")
    assert split.unseen_share(sampler, ()) == 7 / 37


def test_dropped_photographs_show_not_one_unseen_pixel() -> None:
    source = Fake({id: labels for id, labels in MAPS.items() if not id.startswith("t8")} | {"t8": label_map({8: 50})})
    sampler, short = fold(source).training_sampler((5,), "drop")
    # Dog is left in one photograph, of cat: its own also show elk. Hen is left in one of its own and one of gnu.
    assert sampler.classes == (3, 6, 7, 8)
    assert list(short) == ["dog"]
    assert "1 support image and needs 2" in short["dog"]
    for id, _ in (*sampler.queries.items, *sampler.supports.items):
        assert not set(source.classes_in(id)) & {1, 2, 5}
    assert sampler.queries.rule == "min_pixels=10, photographs with unseen classes dropped"


def test_dropping_applies_to_both_pools() -> None:
    supports = [id for id in MAPS if id[-1] in "0123"]
    sampler, _ = fold(Fake(MAPS, supports)).training_sampler((), "drop")
    assert sampler.supports.items != sampler.queries.items
    for id, _ in (*sampler.queries.items, *sampler.supports.items):
        assert not set(Fake(MAPS).classes_in(id)) & {1, 2}


def test_classes_without_enough_images_are_left_out_and_reported() -> None:
    sampler, short = fold(without("t6", "t5")).training_sampler((), "background")
    assert sampler.classes == (3, 4, 7, 8)
    assert list(short) == ["elk", "fox"]
    assert "class elk has 1 support image and needs 2" in short["elk"]
    assert "class fox has 0 support images" in short["fox"]


def test_more_shots_leave_out_more() -> None:
    assert fold().training_sampler((), "background", shot=6)[1] == {}
    with pytest.raises(InputError, match="1-way episodes need 1 classes: there are 0"):
        fold().training_sampler((), "background", shot=7)


def test_more_ways_than_training_classes() -> None:
    with pytest.raises(InputError, match="6-way episodes need 6 classes: there are 5"):
        fold().training_sampler((5,), "background", way=6)


def test_hold_back_none() -> None:
    assert fold().hold_back("none", 1, 0) == ()


def test_hold_back_by_name() -> None:
    assert fold().hold_back("gnu, cat,gnu", 1, 0) == (3, 7)


@pytest.mark.parametrize("choice", ["ant", "cat,ant", "whale", "", "cat,", "-1", "1.5"])
def test_hold_back_what_is_no_base_class(choice: str) -> None:
    with pytest.raises(InputError, match=r"is not a base class of fold 0: there are cat, dog, elk, fox, gnu, hen"):
        fold().hold_back(choice, 1, 0)


def test_hold_back_a_number() -> None:
    drawn = {seed: fold().hold_back("2", 1, seed) for seed in range(20)}
    assert drawn == {seed: fold().hold_back("2", 1, seed) for seed in range(20)}
    assert all(len(set(classes)) == 2 and set(classes) <= set(fold().base) for classes in drawn.values())
    assert all(list(classes) == sorted(classes) for classes in drawn.values())
    assert len(set(drawn.values())) > 5


def test_hold_back_a_number_of_those_with_images_enough() -> None:
    source = without("v3", "v4", "v5")
    assert fold(source).hold_back("2", 1, 0)
    assert {label for seed in range(30) for label in fold(source).hold_back("2", 1, seed)} == {6, 7, 8}


@pytest.mark.parametrize("choice", ["0", "6", "99"])
def test_hold_back_too_many_or_nothing(choice: str) -> None:
    with pytest.raises(InputError, match=f"cannot hold back {choice} of the 6 base classes .* `hold_back` none"):
        fold().hold_back(choice, 1, 0)


def test_hold_back_a_number_that_is_none() -> None:
    with pytest.raises(InputError, match="is not a base class"):
        fold().hold_back("²", 1, 0)


def test_held_back_classes_can_be_validated_on() -> None:
    held_back = fold().hold_back("2", 5, 1)
    assert fold().validation_sampler(held_back, shot=5).classes == held_back


def test_class_names() -> None:
    assert fold().labels(["bee", "ant", "bee"], (1, 2), "novel class") == (1, 2)
    with pytest.raises(InputError, match="'cat' is not a novel class of fold 0: there are ant, bee"):
        fold().labels(["ant", "cat"], (1, 2), "novel class")


def test_planning_reads_no_photograph() -> None:
    source = Fake(MAPS)
    planned = fold(source)
    planned.hold_back("2", 1, 0)
    planned.training_sampler((5,), "drop")[0].spec(3)
    planned.novel_sampler((1, 2)).spec(3)
    assert source.loaded == []


def test_excluded_classes_are_neither_novel_nor_base() -> None:
    excluding = Fold(DataSettings("fake", min_pixels=10), Fake(MAPS), excluded=("BEE", "gnu"))
    assert (excluding.novel, excluding.base, excluding.excluded) == ((1,), (3, 4, 5, 6, 8), (2, 7))
    assert excluding.unseen((8,)) == {1, 2, 7, 8}
    sampler, short = excluding.training_sampler((), "ignore")
    assert (sampler.classes, short) == ((3, 4, 5, 6, 8), {})
    assert excluding.unseen_share(sampler, ()) == 14 / 32  # all of fox and hen, and those of bee and gnu with the next
    dropping, _ = excluding.training_sampler((), "drop")
    assert dropping.classes == (3, 4, 5)
    with pytest.raises(InputError, match="'zebra' is not a class of fake"):
        Fold(DataSettings("fake"), Fake(MAPS), excluded=("zebra",))


def test_of_several_sources_the_first_says_what_is_novel() -> None:
    other = Fake({"t1": label_map({1: 50, 2: 50})})
    other.classes = ("elk", "yak")
    together = Joined([Fake(MAPS), other])
    assert Fold(DataSettings(fold=2), together).novel == (5, 6)
    assert Fold(DataSettings(fold=2), together).base == (1, 2, 3, 4, 7, 8, 9)
    assert Fold(DataSettings(fold="all"), together).base == tuple(range(1, 10))
    with pytest.raises(InputError, match="pair lists cover the classes of fake only"):
        Fold(DataSettings(pairs="lists"), together)
    Fold(DataSettings(pairs="lists"), Joined([Fake(MAPS), Fake(MAPS)]))
