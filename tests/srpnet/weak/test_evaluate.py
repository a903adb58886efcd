"""Scores and masks of students, by hand-made answers."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from episodes.data import open_source
from episodes.data.relabelled import Relabelled
from episodes.errors import InputError
from episodes.fewshot.settings import DataSettings
from srpnet.fewshot.settings import NetworkSettings
from srpnet.fewshot.training.settings import FewShotLoopSettings, FewShotTrainSettings
from srpnet.fewshot.training.train import run_training as train_srpnet
from srpnet.nn.device import Runtime
from srpnet.weak.evaluate import Truth, predictions, run_evaluation
from srpnet.weak.inference import Seen, cam_labels, label_map, look, scaled_views
from srpnet.weak.masks import PseudoMask, pseudo_mask, run_masks
from srpnet.weak.scores import ClassScores
from srpnet.weak.settings import WeakEvalSettings, WeakMasksSettings
from srpnet.weak.students import Students
from srpnet.weak.training.train import run_training
from tests.srpnet.runs import FP32
from tests.srpnet.weak.conftest import Settings

CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32"}
ONE: dict[str, Any] = {"scales": ("1",), **CPU}


def test_ious_are_those_of_all_pixels_together() -> None:
    scores = ClassScores(("cat", "dog"))
    scores.add(torch.tensor([[0, 1, 1]], dtype=torch.uint8), torch.tensor([[0, 0, 1]], dtype=torch.uint8))
    scores.add(torch.tensor([[1, 1, 0]], dtype=torch.uint8), torch.tensor([[1, 255, 0]], dtype=torch.uint8))
    found = scores.content()
    assert found["classes"] == {"background": 2 / 3, "cat": 2 / 3, "dog": None}
    assert found["mIoU"]["iou"] == pytest.approx(2 / 3)
    assert found["mIoU"]["low"] <= 2 / 3 <= found["mIoU"]["high"]
    assert found["photographs"] == 2
    assert scores.content(("dog",))["mIoU of classes"]["iou"] is None


def test_truth_goes_by_names_and_ignores_what_students_do_not_know(voc: str) -> None:
    truth = Truth.of(open_source(voc), ("cow", "airplane", "unicorn"))
    assert truth.labels == (10, 1, None)
    assert truth.translated(np.array([[0, 10, 1, 8, 255]], np.uint8)).tolist() == [[0, 1, 2, 255, 255]]
    assert truth.tags("train_8_3").tolist() == [1, 0, 0]
    with pytest.raises(InputError, match="has none of the classes unicorn"):
        Truth.of(open_source(voc), ("unicorn",))


def test_what_students_see_of_a_mirror_image_is_mirrored(students: Students) -> None:
    image = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    tags = torch.ones(1, 3)
    seen = [
        look(students, scaled_views(students, each, FP32, (1.0, 1.5)), 48, tags, FP32, (1.0, 1.5), (1.0,))
        for each in (image, image.flip(-1))
    ]
    assert seen[0].probabilities_IBPSS.shape == (2, 1, 4, 48, 48)
    assert torch.allclose(seen[0].probabilities_IBPSS.sum(2), torch.tensor(1.0), atol=1e-5)
    for one, other in zip(*seen, strict=True):
        assert torch.allclose(one, other.flip(-1), atol=1e-5)


def test_in_bfloat16_they_see_nearly_the_same(students: Students) -> None:
    image, tags = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0)), torch.ones(1, 3)
    fp32, bf16 = (
        look(students, scaled_views(students, image, machine, (1.0,)), 48, tags, machine, (1.0,), (1.0,))
        for machine in (FP32, Runtime(torch.device("cpu"), "bf16"))
    )
    assert torch.allclose(fp32.probabilities_IBPSS, bf16.probabilities_IBPSS, atol=0.05)
    assert bf16.cams_IBCSS.dtype == torch.float32


def test_predictions_are_of_each_student_and_their_mean() -> None:
    probabilities = torch.tensor([[0.6, 0.4], [0.1, 0.9]])[:, None, :, None, None].expand(2, 1, 2, 4, 4)
    found = dict(predictions(Seen(probabilities, torch.empty(0)), (6, 5), 0.5))
    assert {name: int(labels.max()) for name, labels in found.items()} == {"student 1": 0, "student 2": 1, "mean": 1}
    assert found["mean"].shape == (6, 5)
    cams = torch.tensor([[0.4, 0.2]])[:, None, :, None, None].expand(1, 1, 2, 4, 4)
    assert {name: int(x.max()) for name, x in predictions(Seen(torch.empty(0), cams), (6, 5), 0.5)} == {"student 1": 0}
    assert cam_labels(cams[0, 0], 0.3, (4, 4)).eq(1).all()
    labels, sure = label_map(probabilities[1, 0], (2, 2))
    assert labels.eq(1).all()
    assert torch.allclose(sure, torch.tensor(0.9))


def test_a_mask_has_no_class_without_a_tag(students: Students) -> None:
    photograph = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    for tags in ((1,), (0, 2)):
        for refinement in ("par", "none"):
            settings = WeakMasksSettings(refinement=refinement, **ONE)  # type: ignore[arg-type]
            mask = pseudo_mask(students, photograph, tags, settings, FP32)
            assert mask.labels_HW.shape == (30, 40)
            assert set(np.unique(mask.labels_HW)) <= {0, *(tag + 1 for tag in tags)}
            assert 0 <= mask.agreement <= 1
    unsure = WeakMasksSettings(ignore_below=1.0, refinement="none", **ONE)
    assert (pseudo_mask(students, photograph, (1,), unsure, FP32).labels_HW == 255).all()


def test_doubtful_masks_say_why() -> None:
    labels = np.zeros((10, 10), np.uint8)
    labels[:5] = 1
    fine = PseudoMask(labels, labels, 0.9, 0.8, ())
    assert fine.doubts == ()
    assert fine._replace(sure=0.3, agreement=0.2).doubts == ("unsure", "the students disagree")
    assert fine._replace(labels_HW=labels * 0, missing=(1,)).doubts == ("a tag without a pixel", "tiny")
    assert fine._replace(labels_HW=labels * 0 + 1).doubts == ("the whole photograph",)


@pytest.mark.parametrize("count", [1, 2])
def test_a_run_is_scored_and_its_masks_train_srpnet(settings: Settings, tmp_path: Path, count: int, voc: str) -> None:
    run = run_training(settings(fold=2, steps=1, students=count), tmp_path / "run", say=lambda _: None)
    scores = run_evaluation(run, WeakEvalSettings(cam_scales=("1",), photographs=5, **ONE))
    for part in ("cam", "segmentation"):
        assert len(scores[part]) == (3 if count == 2 else 1)
        assert scores[part]["student 1"]["photographs"] == 5
        assert set(scores[part]["student 1"]["classes"]) == {"background", "cat", "cow"}
    json.dumps(scores, allow_nan=False)
    out = tmp_path / "masks"
    doubtful = run_masks(run, out, WeakMasksSettings(refinement="none", **ONE))
    with (out / "report.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9
    assert {row["id"] for row in rows if row["doubts"]} == set(doubtful)
    relabelled = Relabelled(open_source(voc), out)
    assert relabelled.names == {8: "cat", 10: "cow"}
    assert set(np.unique(np.array(Image.open(out / "SegmentationClass/train_8_0.png")))) <= {0, 8}
    assert Image.open(out / "Confidence/train_8_0.png").mode == "L"
    with pytest.raises(InputError, match="already holds masks"):
        run_masks(run, out, WeakMasksSettings(**ONE))
    if count == 1:
        return
    Image.fromarray(np.full((40, 56), 8, np.uint8)).save(out / "SegmentationClass/train_8_0.png")
    Image.fromarray(np.full((40, 56), 8, np.uint8)).save(out / "SegmentationClass/train_8_1.png")
    whole = FewShotTrainSettings(
        DataSettings(voc, fold=2, min_pixels=20),
        network=NetworkSettings(layers=(1, 1, 1, 1), base_width=8, width=8, stages=(2, 3)),
        training=FewShotLoopSettings(steps=1, batch=1, workers=0),
        size=64,
        labels=str(out),
        **CPU,
    )
    train_srpnet(whole, tmp_path / "srpnet", say=lambda _: None)
    told = json.loads((tmp_path / "srpnet" / "config.json").read_text())["trained_on"]
    assert told["labels"] == Relabelled(open_source(voc), out).sha256
    leaky = replace(whole, data=replace(whole.data, fold=1))
    with pytest.raises(InputError, match="has masks of cat, which is not a base class of fold 1"):
        train_srpnet(leaky, tmp_path / "leaky", say=lambda _: None)
    with pytest.raises(InputError, match="pair lists are of painted masks"):
        replace(whole, data=replace(whole.data, pairs="lists"))


def test_data_without_masks_cannot_be_scored(settings: Settings, tmp_path: Path) -> None:
    run = run_training(settings(steps=1, students=1), tmp_path / "run", say=lambda _: None)
    with pytest.raises(InputError, match="has tags and no masks"):
        run_evaluation(run, WeakEvalSettings(data=f"tags:{tmp_path}", **ONE))
    (run / "settings.json").write_text("{}")
    with pytest.raises(InputError, match="does not say which data the run is of"):
        run_evaluation(run, WeakEvalSettings(**ONE))
    with pytest.raises(InputError, match="cannot be used"):
        run_masks(run, tmp_path / "masks", WeakMasksSettings(**ONE))
