"""Several sources as one: classes of one name are one, ids stay apart, and each split holds what it should."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from episodes.data import data_set, open_source
from episodes.data.joined import Joined
from episodes.data.source import IGNORE, UNNAMED, Array, Crowds, Source, Split
from episodes.errors import InputError
from episodes.fewshot.folds import Fold
from episodes.fewshot.settings import DataSettings
from tests.episodes.fakes import ANIMALS, Fake, label_map, masks_folder


class Named(Fake):
    """A fake with other classes."""

    def __init__(self, maps: Mapping[str, Array], classes: tuple[str, ...]) -> None:
        super().__init__(maps)
        self.classes, self.name = classes, f"fake:{classes[0]}"


def things() -> Named:
    """Classes of which the second is the fakes' `cat`, spelled otherwise, and both ids are theirs too."""
    labels = label_map({1: 200, 2: 100, IGNORE: 50})
    return Named({"t1": labels, "v1": labels, "t9": labels}, ("cup", "CAT", "wine_glass"))


def joined() -> Joined:
    labels = label_map({3: 300})
    return Joined([Fake({"t1": labels, "v1": labels}), things()])


def test_classes_of_one_name_are_one() -> None:
    assert joined().classes == (*ANIMALS, "cup", "wine_glass")
    assert joined().name == "fake + fake:cup"
    assert joined().labels_of(1, (1, 2, 3)) == (3, 9, 10)


def test_labels_and_areas_are_those_of_the_joined_classes() -> None:
    source = joined()
    assert source.classes_in("t1") == {3: 300}
    assert source.classes_in("2:t1") == {9: 200, 3: 100}
    image, labels = source.load("2:t1")
    assert labels.dtype == np.uint8
    assert dict(zip(*map(list, np.unique(labels, return_counts=True)), strict=True)) == {
        0: 32 * 32 - 350,
        3: 100,
        9: 200,
        IGNORE: 50,
    }
    assert np.array_equal(image, things().load("t1")[0])


def test_ids_that_two_sources_have_are_told_apart() -> None:
    source = joined()
    assert source.ids("train") == ("t1", "2:t1", "t9")
    assert source.ids("val") == ("v1", "2:v1")
    assert all(source.has(id) for id in (*source.ids("train"), *source.ids("val")))
    assert not source.has("3:t1")
    with pytest.raises(InputError, match="zebra is not there"):
        source.load("zebra")


def test_more_than_254_classes_leave_out_255() -> None:
    many = Named({"t1": label_map({200: 300})}, tuple(f"c{number:03}" for number in range(1, 254)))
    source = Joined([many, things()])
    assert source.classes[252:] == ("c253", "cup", "", "CAT", "wine_glass")
    assert source.load("2:t1")[1].dtype == np.int16
    assert source.classes_in("2:t1") == {254: 200, 256: 100}
    assert set(np.unique(source.load("2:t1")[1])) == {0, 254, IGNORE, 256}
    assert 255 not in Fold(DataSettings(fold="all"), source).base


def test_unnamed_objects_come_last_and_are_no_base_class() -> None:
    labels = label_map({2: 100})
    source = Joined([Named({"t1": labels}, ("cup", UNNAMED)), Named({"t2": labels}, ("cup", "elk")), Fake({})])
    assert source.classes == ("cup", "elk", *ANIMALS[:4], *ANIMALS[5:], UNNAMED)
    assert source.classes_in("t1") == {10: 100}
    assert Fold(DataSettings(fold="all"), source).base == tuple(range(1, 10))


def test_two_classes_of_a_source_can_become_one() -> None:
    source = Joined([Named({"t1": label_map({1: 200, 2: 100})}, ("dining table", "diningtable"))])
    assert source.classes == ("dining table",)
    assert source.classes_in("t1") == {1: 300}


def test_what_has_one_split_alone_is_for_training() -> None:
    class Lone(Fake):
        """Annotated in one file."""

        splits: tuple[Split, ...] = ("val",)

        def ids(self, split: Split, role: str = "query") -> list[str]:
            assert split == "val"
            return ["v7"]

    source = Joined([Fake({"t1": label_map({3: 300})}), Lone({"v7": label_map({3: 300})})])
    assert source.ids("train") == ("t1", "v7")
    assert source.ids("val") == ()
    assert source.remarks("val") == []


def test_crowds_are_treated_where_there_are_some() -> None:
    class Crowd(Fake):
        """Has crowds."""

        crowds: Crowds = "ignore"

        def treating(self, crowds: Crowds) -> Source:
            other = Crowd({"t1": label_map({3: 300})})
            other.crowds = crowds
            return other

    plain, source = joined(), Joined([Fake({}), Crowd({"t1": label_map({3: 300})})])
    assert plain.treating("object") is plain
    assert source.treating("ignore") is source
    treated = source.treating("object")
    assert treated is source.treating("object")
    assert (source.crowds, treated.crowds) == ("ignore", "object")


def test_a_name_with_a_plus_is_several_sources(tmp_path: Path) -> None:
    one, two = masks_folder(tmp_path / "a + b"), masks_folder(tmp_path / "two", "elk elk Bee")
    name = f"masks:{one} + masks:{two}"
    source = open_source(name)
    assert isinstance(source, Joined)
    assert source.name == name
    assert source.classes == ("ant", "bee", "cup", "elk")
    assert len(source.ids("train")) == 10
    assert source.classes_in("2:p1") == {4: 4}
    assert data_set(name).name == "masks"
    assert DataSettings(name).least_pixels == 1


def test_sources_of_two_kinds_have_a_record_of_both() -> None:
    record = data_set("stickers + masks:somewhere + masks:elsewhere")
    assert record.name == "stickers + masks"
    assert record.note == data_set("stickers").note
    assert not record.embedded
    assert DataSettings("coco:a + masks:b").least_pixels == 2048
