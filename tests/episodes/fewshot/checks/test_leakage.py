"""What training sees of the novel classes, against counts made by hand, and copies of photographs."""

import json
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageFilter

from cli.main import main
from episodes.data import DATA_SETS
from episodes.data.data_set import DataSet
from episodes.data.source import PASCAL_CLASSES, Array, Split, same_name
from episodes.errors import InputError
from episodes.fewshot.checks.imagenet_kinds import KINDS, imagenet_classes_of, imagenet_names
from episodes.fewshot.checks.leakage import leakage
from episodes.fewshot.checks.near_duplicates import duplicates
from episodes.fewshot.folds import Fold
from episodes.fewshot.settings import DataSettings
from tests.episodes.fakes import Fake, label_map

# Fold 0 has ant and bee; the base classes are cat to hen, 3..8. A pair needs 10 pixels.
MAPS = {
    **{f"t{label}{number}": label_map({label: 50}) for label in range(3, 9) for number in range(3)},
    "tca": label_map({3: 50, 1: 30}),
    "tcb": label_map({3: 50, 2: 4}),
    "tdab": label_map({4: 50, 1: 20, 2: 7}),
    "ta": label_map({1: 50}),
    **{f"v{label}{number}": label_map({label: 50}) for label in range(1, 9) for number in range(3)},
}


def scene(seed: int) -> Array:
    """A photograph of soft spots, like no other."""
    noise = np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    return np.array(Image.fromarray(noise).resize((160, 120), Image.Resampling.BICUBIC))


class Scenes(Fake):
    """Photographs that differ, but for some that are copies of others."""

    def __init__(self, copies: dict[str, Array]) -> None:
        super().__init__(MAPS)
        self.copies = copies

    def load(self, id: str) -> tuple[Array, Array]:
        image = self.copies[id] if id in self.copies else scene(sorted(self.maps).index(id))
        return image, np.zeros(image.shape[:2], np.uint8)


def fold(source: Fake, **settings: object) -> Fold:
    return Fold(DataSettings(**{"data": "fake", "min_pixels": 10} | settings), source)


def recompressed(image: Array, folder: Path) -> Array:
    Image.fromarray(image).resize((96, 72)).save(folder / "copy.jpg", quality=40)
    return np.array(Image.open(folder / "copy.jpg"))


def test_exposure_and_rules_by_hand() -> None:
    found = leakage(fold(Scenes({})))
    assert (found.images, found.exposed, found.tested) == (21, 3, 6)
    ant, bee = found.classes
    assert (ant.name, ant.images, ant.listed, ant.pixels) == ("ant", 2, 2, 50)
    assert (bee.name, bee.images, bee.listed, bee.pixels) == ("bee", 2, 0, 11)
    background, ignore, drop = found.effects
    assert (background.rule, background.images, background.background, background.ignored) == ("background", 21, 61, 0)
    assert (ignore.rule, ignore.images, ignore.background, ignore.ignored) == ("ignore", 21, 0, 61)
    assert (drop.rule, drop.images, drop.pairs, drop.background, drop.ignored) == ("drop", 18, 18, 0, 0)
    assert (found.shared, found.duplicates) == ((), ())


def test_classes_that_a_rule_leaves_out_are_named() -> None:
    maps = {id: labels for id, labels in MAPS.items() if not id.startswith("t3")}
    source = Scenes({})
    source.maps = maps
    found = leakage(fold(source))
    assert [effect.left_out for effect in found.effects] == [(), (), ("cat",)]


def test_a_rule_that_leaves_nothing_to_train_on() -> None:
    source = Scenes({})
    source.maps = {id: labels for id, labels in MAPS.items() if not id.startswith("t")}
    source.maps |= {f"t{number}": label_map({3: 50, 1: 30}) for number in range(3)}
    drop = leakage(fold(source)).effects[-1]
    assert (drop.rule, drop.images, drop.pairs) == ("drop", 0, 0)
    assert drop.left_out == ("cat", "dog", "elk", "fox", "gnu", "hen")


def test_photographs_without_structure_are_no_copies_of_each_other() -> None:
    black, white = np.zeros((120, 160, 3), np.uint8), np.full((90, 100, 3), 255, np.uint8)
    source = Scenes({"t30": black, "t31": white, "v10": black, "v11": white})
    assert duplicates(source, ["t30", "t31"], ["v10", "v11"]) == []


def test_a_copy_under_another_name_is_found(tmp_path: Path) -> None:
    original = scene(sorted(MAPS).index("v10"))
    found = leakage(fold(Scenes({"t30": recompressed(original, tmp_path)})))
    ((first, second, bits, mirrored),) = found.duplicates
    assert (first, second, mirrored) == ("t30", "v10", False)
    assert bits <= 50


def test_every_planted_leak_is_found_and_none_invented(tmp_path: Path) -> None:
    """A copy, a mirrored copy, a cropped one, and a test photograph that is there twice."""
    images = {id: scene(number) for number, id in enumerate(sorted(MAPS))}
    cropped = Image.fromarray(images["v12"]).crop((2, 2, 158, 118)).resize((160, 120))
    planted = {
        "t30": recompressed(images["v10"], tmp_path),
        "t31": recompressed(np.ascontiguousarray(images["v11"][:, ::-1]), tmp_path),
        "t32": np.array(cropped),
        "v20": recompressed(images["v21"], tmp_path),
    }
    found = leakage(fold(Scenes(planted)))
    assert {(pair.first, pair.second, pair.mirrored) for pair in found.duplicates} == {
        ("t30", "v10", False),
        ("t31", "v11", True),
        ("t32", "v12", False),
    }
    assert [(pair.first, pair.second) for pair in found.repeated] == [("v20", "v21")]


def test_what_of_imagenet_is_of_a_kind() -> None:
    names = imagenet_names()
    assert all(0 <= number < len(names) for numbers in KINDS.values() for number in numbers)
    assert {same_name(name) for name in PASCAL_CLASSES} <= KINDS.keys()
    assert imagenet_classes_of("potted plant") == ()
    assert imagenet_classes_of("TV") == imagenet_classes_of("tvmonitor") == ("monitor", "television")
    assert len(imagenet_classes_of("dog")) == 118
    assert "sea lion" not in imagenet_classes_of("lion")
    assert leakage(fold(Scenes({}))).pretrained["bee"] == ("bee",)


def test_photographs_that_only_resemble_one_another_are_not_copies() -> None:
    original = Image.fromarray(scene(0))
    other = np.array(original.crop((30, 30, 160, 120)).filter(ImageFilter.GaussianBlur(2)).resize((160, 120)))
    assert duplicates(Scenes({"t30": other, "v10": np.array(original)}), ["t30"], ["v10"]) == []


def test_the_same_id_is_no_duplicate_of_itself() -> None:
    assert duplicates(Scenes({}), ["t30", "t31"], ["t30"]) == []
    assert duplicates(Scenes({}), [], ["t30"]) == []


def test_a_photograph_on_both_lists() -> None:
    class Careless(Scenes):
        def ids(self, split: Split, role: Literal["support", "query"] = "query") -> list[str]:
            return [*super().ids(split), *(["tca"] if split == "val" else [])]

    assert leakage(fold(Careless({}))).shared == ("tca",)


def test_a_fold_without_novel_classes() -> None:
    with pytest.raises(InputError, match="fold all has no novel classes"):
        leakage(fold(Scenes({}), fold="all"))


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("episodes.fewshot.checks.near_duplicates.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'srpnet\[data\]'"):
        duplicates(Scenes({}), ["t30"], ["v10"])


def test_the_command_needs_photographs() -> None:
    run = CliRunner().invoke(main, ["data", "report", "--data", "pascal", "--fold", "1"])
    assert run.exit_code == 2
    assert "pascal without a folder" in run.output


def test_the_command_prints_tables_and_writes_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DATA_SETS, "fake", DataSet("fake", open_alone=lambda _: Scenes({})))
    run = CliRunner().invoke(
        main, ["data", "report", "--data", "fake", "--min-pixels", "10", "--out", str(tmp_path / "report.json")]
    )
    assert run.exit_code == 0, run.output
    assert "21 photographs of base training, of which 3 (14.3 %) show a novel class" in run.output
    assert "None of the 6 test photographs is in training" in run.output
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["classes"][0] == {"name": "ant", "images": 2, "listed": 2, "pixels": 50}
