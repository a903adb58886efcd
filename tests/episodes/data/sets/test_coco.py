"""COCO folders: label maps with known pixels, both layouts, crowds as they are treated."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from episodes.data.sets.coco import Coco
from episodes.data.source import COCO_NAMES, PASCAL_CLASSES, Crowds, Source, same_name
from episodes.errors import InputError
from episodes.fewshot.settings import DataSettings
from episodes.scoring.plans.planning import plans
from episodes.scoring.plans.settings import PlanSettings
from episodes.scoring.protocols import departures
from tests.episodes.data.sets.coco_folder import EXPECTED, HEIGHT, WIDTH, example, write

pytest.importorskip("ijson")
pytest.importorskip("pycocotools")

# pycocotools 2.0 hands numpy 2 arrays in numpy 1's way; nothing here can change that.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path / "coco", example())


def test_ids_classes_and_name(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source: Source = Coco(root)
    assert source.ids("val") == source.ids("val", "support") == ("000007", "000008")
    assert source.classes == ("dog", "cat"), "ascending category id, not file order"
    assert source.name == f"coco:{root}"
    assert [source.has(id) for id in ("000007", "000009")] == [True, False]
    assert capsys.readouterr().out == ""


def test_label_map_crowd_below_large_below_small(root: Path) -> None:
    photograph, labels = Coco(root).load("000007")
    assert photograph.shape == (HEIGHT, WIDTH, 3)
    assert labels.dtype == np.uint8
    assert labels.flags.c_contiguous
    np.testing.assert_array_equal(labels, EXPECTED)


def test_order_of_annotations_does_not_matter(tmp_path: Path) -> None:
    content = example()
    content["annotations"].reverse()
    np.testing.assert_array_equal(Coco(write(tmp_path, content)).load("000007")[1], EXPECTED)


def test_classes_in_counts_visible_pixels(root: Path) -> None:
    source = Coco(root)
    assert source.classes_in("000007") == {1: 20, 2: 4}
    assert source.classes_in("000008") == {}
    assert not source.load("000008")[1].any()


def test_a_changed_annotation_file_is_counted_again(root: Path) -> None:
    assert Coco(root).classes_in("000007") == {1: 20, 2: 4}
    content = example()
    del content["annotations"][0]
    write(root, content)
    assert Coco(root).classes_in("000007") == {1: 24}


@pytest.mark.parametrize("year", ["2014", "2017"])
@pytest.mark.parametrize("folder", ["{part}", "images/{part}", "images"])
def test_official_layout(tmp_path: Path, year: str, folder: str) -> None:
    train = example()
    for image in train["images"]:
        image["file_name"] = "train_" + image["file_name"]
    write(tmp_path, train, f"instances_train{year}", folder.format(part=f"train{year}"))
    write(tmp_path, example(), f"instances_val{year}", folder.format(part=f"val{year}"))
    source = Coco(tmp_path)
    assert source.ids("train") == ("train_000007", "train_000008")
    assert source.ids("val") == ("000007", "000008")
    for id in ("train_000007", "000007"):
        assert source.has(id)
        assert source.classes_in(id) == {1: 20, 2: 4}
        np.testing.assert_array_equal(source.load(id)[1], EXPECTED)


def test_the_train_file_is_not_read_for_val(tmp_path: Path) -> None:
    write(tmp_path, example(), "instances_val2014", "val2014")
    (tmp_path / "train2014").mkdir()
    (tmp_path / "annotations" / "instances_train2014.json").write_text("{ broken")
    source = Coco(tmp_path)
    assert source.classes
    assert source.load("000007")
    with pytest.raises(InputError, match=r"instances_train2014\.json is not a COCO instances file"):
        source.ids("train")


def test_train_is_not_made_of_a_single_file(root: Path) -> None:
    with pytest.raises(InputError, match=r"no annotations for train: .*instances_train2014\.json"):
        Coco(root).ids("train")


def test_splits_that_share_a_photograph(tmp_path: Path) -> None:
    write(tmp_path, example(), "instances_train2017", "train2017")
    write(tmp_path, example(), "instances_val2017", "val2017")
    source = Coco(tmp_path)
    source.ids("val")
    with pytest.raises(InputError, match="share 2 photographs, for example 000007"):
        source.ids("train")


def test_names_that_begin_with_the_folder(tmp_path: Path) -> None:
    root = write(tmp_path, example())
    content = example()
    for image in content["images"]:
        image["file_name"] = "images\\" + image["file_name"]
    (root / "annotations/instances.json").write_text(json.dumps(content))
    source = Coco(root)
    assert source.has("000007")
    np.testing.assert_array_equal(source.load("000007")[1], EXPECTED)
    assert not source.remarks("val")


def test_one_name_in_several_folders(tmp_path: Path) -> None:
    content = example()
    content["images"][0]["file_name"], content["images"][1]["file_name"] = "cam0/1.jpg", "cam1/1.jpg"
    for camera in ("cam0", "cam1"):
        (tmp_path / "images" / camera).mkdir(parents=True)
    source = Coco(write(tmp_path, content))
    assert source.ids("val") == ("cam0/1", "cam1/1")
    assert source.has("cam0/1")
    assert source.classes_in("cam0/1") == {1: 20, 2: 4}
    np.testing.assert_array_equal(source.load("cam0/1")[1], EXPECTED)
    assert source.classes_in("cam1/1") == {}


def test_equal_class_names_are_told_apart(tmp_path: Path) -> None:
    content = example()
    content["categories"] += [{"id": 91, "name": "dog"}, {"id": 92, "name": "dog (1)"}]
    source = Coco(write(tmp_path, content))
    assert source.classes == ("dog (1) (1)", "cat", "dog (3)", "dog (1)")


def test_six_classes_have_another_name_in_pascal() -> None:
    assert len(COCO_NAMES) == 6
    for name, pascal in COCO_NAMES.items():
        assert pascal in PASCAL_CLASSES
        assert name not in PASCAL_CLASSES
        assert same_name(name) == same_name(pascal) == pascal
    coco = (
        *("airplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table", "dog"),
        *("horse", "motorcycle", "person", "potted plant", "sheep", "couch", "train", "tv"),
    )
    assert tuple(map(same_name, coco)) == PASCAL_CLASSES
    assert same_name("giraffe") == "giraffe"


def test_photographs_in_folders_of_their_own(tmp_path: Path) -> None:
    content = example()
    (tmp_path / "images" / "deep").mkdir(parents=True)
    for image in content["images"]:
        image["file_name"] = "deep/" + image["file_name"]
    root = write(tmp_path, content)
    (root / "images" / "deep" / "000008.jpg").unlink()
    assert [Coco(root).has(id) for id in ("000007", "000008")] == [True, False]
    assert Coco(root).load("000007")[0].shape == (HEIGHT, WIDTH, 3)


def test_a_link_is_a_photograph_if_it_leads_to_one(root: Path) -> None:
    (root / "images" / "000007.jpg").rename(root / "elsewhere.jpg")
    (root / "images" / "000007.jpg").symlink_to(root / "elsewhere.jpg")
    assert Coco(root).has("000007")
    (root / "elsewhere.jpg").unlink()
    assert not Coco(root).has("000007")


def test_progress_stays_in_this_process(root: Path) -> None:
    told: list[tuple[str, int, int]] = []
    source = Coco(root, on_progress=lambda *step: told.append(step))
    sent = pickle.loads(pickle.dumps(source))
    assert sent.classes_in("000007") == {1: 20, 2: 4}
    assert told == []
    source.ids("val")
    assert pickle.loads(pickle.dumps(source)).has("000007")


CROWDS: dict[Crowds, int] = {"ignore": 255, "object": 1, "background": 0}


@pytest.mark.parametrize("crowds", CROWDS)
def test_crowds_as_they_are_treated(root: Path, crowds: Crowds) -> None:
    source = Coco(root).treating(crowds)
    _, labels = source.load("000007")
    assert np.array_equal(labels, np.where(EXPECTED == 255, CROWDS[crowds], EXPECTED))
    assert dict(source.classes_in("000007")) == {label: int((labels == label).sum()) for label in (1, 2)}
    assert source.treating("ignore").classes_in("000007") == {1: 20, 2: 4}
    assert source.treating(crowds) is source


def test_each_protocol_treats_crowds_in_its_way(tmp_path: Path) -> None:
    content = example()
    for number in (9, 10):
        content["images"].append({"id": number, "file_name": f"00000{number}.jpg", "height": HEIGHT, "width": WIDTH})
        content["annotations"] += [
            {**one, "id": number * 10 + one["id"], "image_id": number} for one in example()["annotations"]
        ]
    write(tmp_path, content, "instances_train2014", "train2014")
    for image in content["images"]:
        image |= {"id": image["id"] + 100, "file_name": f"v{image['file_name']}"}
    for one in content["annotations"]:
        one |= {"id": one["id"] + 1000, "image_id": one["image_id"] + 100}
    write(tmp_path, content, "instances_val2014", "val2014")
    data = DataSettings(f"coco:{tmp_path}", min_pixels=1, fold="all")
    seen = {}
    for name, plan in plans(PlanSettings(data, "all", episodes=1, seeds=1)).items():
        episode = plan.loader().build(next(next(plan.runs())[1]))
        (query,) = episode.queries()
        seen[name] = int(query.original[0, 0])
    assert seen == {"panet": 1, "pfenet": 255, "bam": 255, "hsnet": 0, "ssp": 255}


def test_a_manifest_says_what_crowds_were(root: Path, tmp_path: Path) -> None:
    content = example()
    content["images"] += [{"id": 9, "file_name": "000009.jpg", "height": HEIGHT, "width": WIDTH}]
    content["annotations"] += [{**one, "id": one["id"] + 10, "image_id": 9} for one in example()["annotations"]]
    data = DataSettings(f"coco:{write(tmp_path / 'COCO', content)}", min_pixels=1, fold="all")
    (plan,) = plans(PlanSettings(data, episodes=4)).values()
    plan.export().write(tmp_path / "m.jsonl")
    assert '"crowds": "background"}' in (tmp_path / "m.jsonl").read_text()
    (again,) = plans(PlanSettings(data, manifest=str(tmp_path / "m.jsonl"))).values()
    assert again.export() == plan.export()
    text = (tmp_path / "m.jsonl").read_text()
    (tmp_path / "m.jsonl").write_text(text.replace(', "crowds": "background"', ""))  # as before crowds had a rule
    (before,) = plans(PlanSettings(data, manifest=str(tmp_path / "m.jsonl"))).values()
    assert before.rules.crowds == before.header.crowds == "ignore"
    assert "COCO crowds: ignored, not background" in departures(
        before.protocol, before.rules, data.data, data.fold_order
    )
