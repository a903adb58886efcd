"""FSS-1000: its lists, its classes beyond 254, and the way through a fold."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from episodes.data import open_source
from episodes.data.sets.fss import Fss
from episodes.errors import InputError
from episodes.fewshot.episode import episode_labels
from episodes.fewshot.folds import Fold
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.scenes.augmentation import Augmentation
from episodes.fewshot.scenes.loading import Loader
from episodes.fewshot.settings import DataSettings
from episodes.score import score
from episodes.scoring.plans.planning import plans
from episodes.scoring.plans.settings import PlanSettings
from episodes.scoring.protocols import PROTOCOLS
from tests.episodes.scored import perfect

SPLITS = {"trn": ("ant", "bee", "cat"), "val": ("dog",), "test": ("elk", "fox")}


def folder(root: Path, splits: Mapping[str, Sequence[str]] = SPLITS, photographs: int = 3) -> Path:
    """Photographs of 20 x 16 pixels; number n has a light square of n x n + 1 pixels, on a dark ground."""
    root.mkdir(exist_ok=True)
    for split, names in splits.items():
        (root / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
        for name in names:
            (root / name).mkdir(parents=True)
            for number in range(1, photographs + 1):
                mask = np.zeros((16, 20), np.uint8)
                mask[2 : 2 + number, 3 : 4 + number] = 200
                mask[15, :5] = 100  # blur below the threshold
                Image.fromarray(mask).convert("RGB").save(root / name / f"{number}.png")
                Image.fromarray(np.repeat(mask[..., None], 3, 2)).save(root / name / f"{number}.jpg")
    return root


def test_lists_and_folds(tmp_path: Path) -> None:
    source = open_source(f"fss:{folder(tmp_path)}")
    assert isinstance(source, Fss)
    assert source.classes == ("ant", "bee", "cat", "dog", "elk", "fox")
    assert source.novel_and_base(0) == ((5, 6), (1, 2, 3))
    assert source.novel_and_base(1) == ((4,), (1, 2, 3))
    assert source.novel_and_base("all") == ((), (1, 2, 3, 4, 5, 6))
    assert source.ids("train") == tuple(f"{name}/{number}" for name in SPLITS["trn"] for number in (1, 2, 3))
    assert source.ids("val")[:4] == ("dog/1", "dog/2", "dog/3", "elk/1")
    with pytest.raises(InputError, match="fold 2 does not exist: FSS-1000 has fold 0"):
        source.novel_and_base(2)


def test_numbers_are_ordered_as_numbers(tmp_path: Path) -> None:
    source = Fss(folder(tmp_path, photographs=10))
    assert [id.partition("/")[2] for id in source.ids("train")[:10]] == [str(number) for number in range(1, 11)]


def test_masks_are_light_where_the_class_is(tmp_path: Path) -> None:
    source = Fss(folder(tmp_path))
    photograph, labels = source.load("elk/2")
    assert photograph.shape == (16, 20, 3)
    assert np.unique(labels).tolist() == [0, 5]
    assert (labels == 5).sum() == 6
    assert source.classes_in("elk/2") == {5: 6}
    assert source.has("elk/2")
    assert not source.has("elk/9")
    assert not source.has("zebra/1")
    assert not source.has("../elk/1")


def test_a_mask_of_another_size_is_resized(tmp_path: Path) -> None:
    source = Fss(folder(tmp_path))
    assert not source.remarks("val")
    mask = tmp_path / "elk/2.png"
    with Image.open(mask) as image:
        image.resize((3 * image.width, 3 * image.height), Image.Resampling.NEAREST).save(mask)
    source = Fss(tmp_path)
    photograph, labels = source.load("elk/2")
    assert photograph.shape[:2] == labels.shape == (16, 20)
    assert source.classes_in("elk/2") == {5: 6}
    assert [str(remark) for remark in source.remarks("val")] == [
        "masks whose size differs from their photograph's, resized by nearest neighbour: 1 of 9 (elk/2)"
    ]


def test_what_cannot_be_used_is_passed_over(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "elk/1.png").unlink()
    (tmp_path / "elk/2.jpg").write_bytes(b"no picture")
    (tmp_path / "elk/3.jpg").rename(tmp_path / "elk/3.JPG")
    (tmp_path / "fox/1.jpg").unlink()
    source = Fss(tmp_path)
    assert [id for id in source.ids("val") if not source.has(id)] == ["elk/1", "elk/2", "fox/1"]
    assert [source.classes_in(f"elk/{number}") for number in (1, 2, 3)] == [{}, {}, {5: 12}]
    assert sorted(remark.count for remark in source.remarks("val")) == [1, 2]


def test_official_names_of_the_lists_and_their_folder(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "splits").mkdir()
    (tmp_path / "trn.txt").rename(tmp_path / "splits" / "train.txt")
    (tmp_path / "test.txt").rename(tmp_path / "splits" / "fss_test_set.txt")
    assert Fss(tmp_path).novel_and_base(0) == ((5, 6), (1, 2, 3))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: (root / "val.txt").unlink(), "has no list val.txt: an FSS-1000 folder holds"),
        (lambda root: (root / "val.txt").write_text("dog\nfox\n"), "class fox is on the lists val and test: leave one"),
        (lambda root: (root / "val.txt").write_text("gnu\n"), "has no folder gnu, a class of the list val"),
        (lambda root: (root / "val.txt").write_text("dog\ndog\n"), "dog is listed twice"),
        (lambda root: (root / "val.txt").write_text("../dog\n"), "is not a class name"),
    ],
)
def test_a_folder_that_is_not_as_it_should_be(tmp_path: Path, change: object, message: str) -> None:
    root = folder(tmp_path)
    assert callable(change)
    change(root)
    with pytest.raises(InputError, match=message):
        Fss(root)


def test_unknown_photographs(tmp_path: Path) -> None:
    source = Fss(folder(tmp_path))
    with pytest.raises(InputError, match="an id is <class>/<number>"):
        source.load("ant/x")
    with pytest.raises(InputError, match="an id is <class>/<number>"):
        source.classes_in("ant/77")
    with pytest.raises(InputError, match="does not exist"):
        source.load("ant/77")


def test_a_task_needs_no_list_and_no_least_number_of_pixels(tmp_path: Path) -> None:
    settings = DataSettings(f"fss:{folder(tmp_path)}")
    fold = Fold(settings)
    assert (fold.novel, fold.base) == ((5, 6), (1, 2, 3))
    assert settings.least_pixels == 1
    assert DataSettings("pascal:x").least_pixels == 2048
    assert DataSettings("pascal:x", min_pixels=5).least_pixels == 5
    sampler = fold.novel_sampler(fold.novel, drawing="list", way=2)
    assert len(sampler.queries.items) == 6
    episode = Loader(fold.source, Geometry(32)).build(sampler.spec(0))
    assert set(episode.labels(episode.queries()[0]).unique().tolist()) == {0, 1}
    trained, short = fold.training_sampler((), "drop")
    assert (trained.classes, short) == ((1, 2, 3), {})
    with pytest.raises(InputError, match="has its own lists: leave out `pairs`"):
        Fold(DataSettings(settings.data, pairs="lists"))
    with pytest.raises(InputError, match="leave out `folds` and `fold_order`"):
        Fold(DataSettings(settings.data, folds=5))


def test_hsnet_scores_every_test_pair_once() -> None:
    assert PROTOCOLS["hsnet"].on("fss:x").episodes == 2400
    assert PROTOCOLS["hsnet"].on("pascal:x").episodes == 1000
    assert PROTOCOLS["hsnet"].table()["episodes"] == "1000 (2400 on FSS-1000)"
    assert PROTOCOLS["pfenet"].on("fss:x").episodes == 5000


def test_classes_that_no_episode_drew_are_named(tmp_path: Path) -> None:
    settings = PlanSettings(DataSettings(f"fss:{folder(tmp_path)}"), episodes=2)
    content = score(plans(settings), perfect, {})["hsnet"]
    assert content["per_class"] == {"elk": 1.0, "fox": None}
    assert content["departures"] == [
        "episodes: 2, not 2400",
        "no episode drew fox, each of which counts as 0 in the mIoU",
    ]


def test_more_classes_than_a_byte_holds(tmp_path: Path) -> None:
    names = [f"c{number:03d}" for number in range(300)]
    source = Fss(folder(tmp_path, {"train": names[:290], "val": names[290:295], "test": names[295:]}, photographs=2))
    assert (source.classes[253], source.classes[254], source.classes[255]) == ("c253", "", "c254")
    assert source.novel_and_base(0)[0] == (297, 298, 299, 300, 301)
    assert 255 not in source.novel_and_base("all")[1]
    loader = Loader(source, Geometry(40, "letterbox"), Augmentation(scale=0.5))
    episode = loader.build(Fold(DataSettings(source.name), source).novel_sampler((297, 301), way=2).spec(0))
    labels = [episode.labels(photograph) for photograph in (*episode.supports(), *episode.queries())]
    assert all(each.dtype == torch.uint8 for each in labels)
    assert [set(each.unique().tolist()) for each in labels[:2]] == [{0, 1, 255}, {0, 2, 255}]


def test_labels_beyond_a_byte_become_ways() -> None:
    labels = torch.tensor([0, 255, 256, 1001, 511], dtype=torch.int16)
    assert episode_labels(labels, (1001, 256), frozenset({511})).tolist() == [0, 255, 2, 1, 255]
