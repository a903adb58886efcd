"""Training students: what is learned from, what is switched off, interruptions, and what novel classes leak."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from episodes.errors import InputError
from srpnet.training.interrupts import Interrupted
from srpnet.training.log import Progress
from srpnet.weak.photographs import tagged_photographs
from srpnet.weak.saving import load_students
from srpnet.weak.settings import WeakAugmentation, WeakMethodSettings
from srpnet.weak.students import build
from srpnet.weak.training.batches import views_of
from srpnet.weak.training.items import TaggedItems, kept_views
from srpnet.weak.training.kept_features import KeptFeatures
from srpnet.weak.training.train import run_training
from srpnet.weak.training.trainable import TrainableStudents
from tests.srpnet.runs import FP32, interrupt, same
from tests.srpnet.weak.conftest import SMALL, Settings

OFF: dict[str, Any] = {
    "discrepancy": "none",
    "threshold": "fixed",
    "noise_filter": "none",
    "consistency": "off",
    "contrast_weight": 0.0,
    "refinement": "none",
}
STILL: dict[str, Any] = {"zoom": 1.0, "cam_scales": ("1",)}


def train(settings: Any, out: Path, **options: Any) -> dict[str, torch.Tensor]:
    run_training(settings, out, say=lambda _: None, **options)
    return dict(load_students(out).state_dict())


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.usefixtures("global_state")
def test_all_parts_train_and_each_can_be_switched_off(settings: Settings, tmp_path: Path) -> None:
    train(settings(), tmp_path / "all")
    log = log_of(tmp_path / "all")
    assert log[0]["segmentation"] == log[0]["labelled"] == 0  # not begun
    assert log[1]["segmentation"] > 0
    assert all(0 <= line["labelled"] <= 1 for line in log)
    for line in log:
        parts = 0.1 * line["discrepancy"] + 0.2 * line["contrast"] + 0.2 * line["segmentation"]
        assert line["loss"] == pytest.approx(line["classification"] + parts + 0.05 * line["consistency"], abs=1e-4)
    train(settings(**OFF, students=1), tmp_path / "none")
    for line in log_of(tmp_path / "none"):
        assert line["discrepancy"] == line["contrast"] == line["noisy"] == line["consistency"] == 0
        assert line["loss"] == pytest.approx(line["classification"] + 0.2 * line["segmentation"], abs=1e-4)


def test_an_interrupted_training_goes_on_as_if_it_had_not_been(settings: Settings, tmp_path: Path) -> None:
    whole = settings()
    unbroken = train(whole, tmp_path / "unbroken")
    said: list[str] = []

    def stop(progress: Progress) -> None:
        if progress.step == 3:
            interrupt()

    with pytest.raises(Interrupted):
        train(whole, tmp_path / "broken", on_log=stop)
    with pytest.raises(InputError, match="already holds a run: go on with `resume`"):
        train(whole, tmp_path / "broken")
    with pytest.raises(InputError, match="was begun with"):
        train(settings(only=("cat", "dog")), tmp_path / "broken", resume=True)
    with pytest.raises(InputError, match="was begun with"):
        train(settings(discrepancy="log"), tmp_path / "broken", resume=True)
    assert same(train(whole, tmp_path / "broken", resume=True, on_log=lambda p: said.append(str(p.step))), unbroken)
    assert said == ["4"]


def test_students_learn_each_from_the_labels_of_the_other(settings: Settings) -> None:
    """With the segmentation loss alone, a label of one student moves the head of the other."""
    whole = settings(**STILL)
    photographs = tagged_photographs(whole.data, 0)
    students = build(replace(SMALL, classes=photographs.classes, labels=photographs.labels))
    method = WeakMethodSettings(**OFF, segmentation_from=0.0, cam_scales=("1",), low=0.0, high=0.0, high_end=0.0)
    trainable = TrainableStudents(students, whole.training, method, FP32)
    items = TaggedItems(photographs, 48, WeakAugmentation(zoom=1), 0)
    students.train()
    first, second = students
    with torch.no_grad():  # the second sees nothing anywhere: the first learns that all is background
        second.classifier.weight.zero_()
    trainable.losses([items[0], items[1]]).total.sum().backward()
    classes = [student.head[4].weight.grad[1:] for student in (first, second)]
    assert (classes[0] >= 0).all()  # what goes in is positive, so every class is told to be less
    assert (classes[1] < 0).any()


def test_reused_features_are_those_of_the_photographs(settings: Settings, tmp_path: Path) -> None:
    whole = settings(frozen_blocks=2, **STILL)
    photographs = tagged_photographs(whole.data, 0)
    students = build(replace(SMALL, frozen_blocks=2, classes=photographs.classes, labels=photographs.labels)).eval()
    for where in ("memory", "disk"):
        kept = KeptFeatures(photographs, students, 0, FP32, where, tmp_path, 1.0)  # type: ignore[arg-type]
        plain, reused = (
            [TaggedItems(photographs, 48, WeakAugmentation(zoom=1), 0, kept=flag)[number] for number in range(3)]
            for flag in (False, True)
        )
        cpu = torch.device("cpu")
        one = views_of(plain, students, (1.0,), False, cpu)
        other = views_of(reused, students, (1.0,), True, cpu, kept)
        assert torch.equal(one.images_B3SS, other.images_B3SS)
        for ours, theirs in zip(one.scales[0], other.scales[0], strict=True):
            assert torch.allclose(ours.levels[0], theirs.levels[0], atol=1e-5)
        _, strong = kept_views(photographs, 48, 0, int(reused[0].number))
        assert other.strong is not None
        assert torch.allclose(other.strong.levels[0][:1], students.lower(strong[None].float() / 255)[0], atol=1e-5)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".weak-features")]


@pytest.mark.parametrize("reuse", ["memory", "disk"])
def test_runs_with_reused_features_are_saved_and_resumed(settings: Settings, tmp_path: Path, reuse: str) -> None:
    whole = settings(frozen_blocks=3, reuse_features=reuse, **STILL)

    def stop(progress: Progress) -> None:
        if progress.step == 2:
            interrupt()

    with pytest.raises(Interrupted):
        train(whole, tmp_path / "run", on_log=stop)
    assert same(train(whole, tmp_path / "run", resume=True), train(whole, tmp_path / "unbroken"))


def test_tags_of_novel_classes_are_never_given(settings: Settings) -> None:
    """Fold 1 of PASCAL: cat and cow are novel. The photograph of a dog that also shows a cat is background there."""
    for rule, count in (("background", 9), ("drop", 7)):
        data = replace(settings().data, fold=1, novel_pixels=rule, only=())
        with pytest.raises(InputError, match="has the tag 'dog' alone"):
            tagged_photographs(data, 0)
        data = replace(data, fold=2)  # novel: dog
        photographs = tagged_photographs(data, 0)
        assert photographs.classes == ("cat", "cow")
        assert photographs.labels == (8, 10)
        shown = {id: tuple(photographs.classes[tag] for tag in tags) for id, tags in photographs.tags.items()}
        assert "train_12_0" not in shown  # a dog alone has no tag
        assert ("train_10_3" in shown) == (rule == "background")  # a cow and a dog
        assert shown["train_8_3"] == ("cat", "cow")
        assert len(shown) == count


def test_a_run_says_what_it_was_given(settings: Settings, tmp_path: Path) -> None:
    said: list[str] = []
    run_training(settings(fold=2, steps=1), tmp_path / "run", say=said.append)
    config = load_students(tmp_path / "run").config
    assert config.classes == ("cat", "cow")
    assert config.trained_on["fold"] == 2
    assert config.trained_on["photographs"] == 9
    assert any("without a tag, left out: 3" in line for line in said)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": ("cat", "gnu")}, "no photograph of .* has the tag 'gnu'"),
        ({"only": ("cat", "bus")}, "no photograph of .* has the tag 'bus'"),
        ({"only": ("cat",)}, "has the tag 'cat' alone"),
        ({"novel_pixels": "ignore"}, "tags do not say where novel classes are"),
        ({"low": 0.8}, "`low` .* must not be above"),
        ({"reuse_features": "memory"}, "give `frozen_blocks`"),
        ({"reuse_features": "memory", "frozen_blocks": 2}, "only with `zoom` 1 and `cam_scales` 1"),
        ({"cam_scales": ("1", "big")}, "`cam_scales` must be numbers from 0.1 to 10"),
        ({"reuse_features": "memory", "frozen_blocks": 2, "cache_limit": 1e-9, **STILL}, "raise it, use fewer"),
    ],
)
def test_wrong_settings_are_named(settings: Settings, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train(settings(**options), tmp_path / "run")


def test_items_follow_from_seed_and_index_alone(settings: Settings) -> None:
    photographs = tagged_photographs(settings().data, 0)
    items = TaggedItems(photographs, 32, WeakAugmentation(), 5)
    for index in (0, 13):
        for one, other in zip(items[index], TaggedItems(photographs, 32, WeakAugmentation(), 5)[index], strict=True):
            assert torch.equal(one, other)
    seen = [int(items[index].number) for index in range(12)]
    assert sorted(seen) == list(range(12))
    assert seen != [int(items[index].number) for index in range(12, 24)]
    image, valid = items[3].image_3SS, items[3].valid_SS
    assert image.shape == (3, 32, 32)
    assert items[3].strong_3TT.shape == (3, 24, 24)
    assert valid.any()


def test_what_is_padding_is_grey_and_not_valid(settings: Settings) -> None:
    photographs = tagged_photographs(settings().data, 0)
    items = [TaggedItems(photographs, 32, WeakAugmentation(zoom=2), 0)[index] for index in range(20)]
    padded = [item for item in items if not item.valid_SS.all()]
    assert padded
    for item in padded:
        outside = item.image_3SS[:, ~item.valid_SS]
        assert np.array_equal(outside.unique(dim=1).numpy(), [[124], [116], [104]])
