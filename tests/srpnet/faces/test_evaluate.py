"""Scores of faces: F1 beside slow counts, what is covered, and a parser that knows the truth."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from episodes.data.sets.face_layouts import PARTS
from episodes.data.sets.faces import Faces
from srpnet.faces.evaluate import covered, run_evaluation, score_faces
from srpnet.faces.labels import part_masks
from srpnet.faces.parser import FaceParser
from srpnet.faces.saving import write
from srpnet.faces.scores import FaceScore, Scores, f1_of
from srpnet.faces.settings import FaceEvalSettings
from tests.faces import drawn_face

CPU = torch.device("cpu")


def random_scores(faces: int) -> Scores:
    random = np.random.default_rng(0)
    return Scores([FaceScore(random.integers(0, 50, (9, 9)), tuple(random.random(6))) for _ in range(faces)])


def test_f1_equals_slow_counts() -> None:
    """Pixel by pixel: merged parts do not care which of their labels a pixel has."""
    random = np.random.default_rng(0)
    truth, found = random.integers(0, 9, (2, 500))
    matrix = np.zeros((9, 9), np.int64)
    np.add.at(matrix, (truth, found), 1)
    scores = Scores([FaceScore(matrix, (1.0,) * 6)]).f1()
    groups = {"left brow": [1], "inner mouth": [7], "brows": [1, 2], "lips": [6, 8], "mouth": [6, 7, 8]}
    for name, labels in groups.items():
        there, said = np.isin(truth, labels), np.isin(found, labels)
        expected = 2 * (there & said).sum() / (there.sum() + said.sum())
        assert scores[name]["f1"] == pytest.approx(expected), name
    both = shown = 0
    for labels in ([1, 2], [3, 4], [5], [6, 7, 8]):
        there, said = np.isin(truth, labels), np.isin(found, labels)
        both, shown = both + (there & said).sum(), shown + there.sum() + said.sum()
    assert scores["overall"]["f1"] == pytest.approx(2 * both / shown)
    assert f1_of(matrix) == scores["overall"]["f1"]


def test_merged_parts_cannot_see_a_swap_and_those_apart_can() -> None:
    matrix = np.zeros((9, 9), np.int64)
    matrix[1, 2] = matrix[2, 1] = 10
    scores = Scores([FaceScore(matrix, (1.0,) * 6)]).f1()
    assert scores["brows"]["f1"] == 1
    assert scores["left brow"]["f1"] == scores["right brow"]["f1"] == 0


def test_what_nobody_shows_has_no_score() -> None:
    scores = Scores([FaceScore(np.zeros((9, 9), np.int64), (np.nan,) * 6)])
    assert scores.f1()["nose"] == {"f1": None, "low": None, "high": None}
    assert scores.coverage()["nose"] is None


def test_intervals_hold_the_score_and_narrow_with_faces() -> None:
    few, many = (random_scores(count).f1()["overall"] for count in (5, 80))
    for row in (few, many):
        assert row["low"] <= row["f1"] <= row["high"]  # type: ignore[operator]
    assert many["high"] - many["low"] < few["high"] - few["low"]  # type: ignore[operator]
    assert random_scores(5).f1() == random_scores(5).f1()


def test_an_inner_mouth_is_found_missed_invented_or_absent() -> None:
    label = PARTS.index("inner mouth") + 1
    faces = []
    for there, found in ((1, 1), (1, 0), (0, 1), (0, 0), (0, 0)):
        matrix = np.zeros((9, 9), np.int64)
        matrix[0, 0], matrix[label, 0], matrix[0, label] = 5, there, found
        faces.append(FaceScore(matrix, (1.0,) * 6))
    assert Scores(faces).shown(label) == {"found": 1, "missed": 1, "invented": 1, "absent": 2}


def test_coverage_is_the_mean_over_faces_that_show_the_part() -> None:
    matrix = np.zeros((9, 9), np.int64)
    scores = Scores([FaceScore(matrix, (1.0, 0.5) + (1.0,) * 4), FaceScore(matrix, (np.nan, 0.7) + (1.0,) * 4)])
    assert scores.coverage()["left brow"] == 1
    assert scores.coverage()["right brow"] == pytest.approx(0.6)
    assert scores.coverage()["all"] == pytest.approx((9 + 1.2) / 11)
    assert "hidden" not in scores.coverage()
    hidden = Scores([scores.faces[0]._replace(hidden=(1, 2)), scores.faces[1]._replace(hidden=(0, 1))])
    assert hidden.coverage()["hidden"] == pytest.approx((0.5 + 1 + 0.7) / 3)


def test_who_knows_the_truth_scores_one(root: Path) -> None:
    source = Faces(root)
    truths = iter(source.ids("train"))

    def know(canvas: Tensor) -> tuple[Tensor, None]:
        labels = torch.from_numpy(source.parts(next(truths))[1]).long()
        return torch.nn.functional.one_hot(labels, 9).permute(2, 0, 1)[None].float(), None

    scores, seconds = score_faces(know, source, source.ids("train"), 96, CPU)
    assert {name: row["f1"] for name, row in scores.f1().items()} == dict.fromkeys(scores.f1(), 1.0)
    assert seconds >= 0
    assert scores.coverage() == {}


def test_parts_are_covered_with_the_mean_colour() -> None:
    photograph, labels = drawn_face(96, 0)
    canvas = torch.from_numpy(photograph).permute(2, 0, 1)[None].float() / 255
    nose = torch.from_numpy(labels == 2)[None, None]
    hidden = covered(canvas, nose)
    mean = canvas.mean((2, 3))[0]
    assert torch.allclose(hidden[0][:, nose[0, 0]], mean[:, None].expand(-1, int(nose.sum())))
    changed = (hidden != canvas).any(1)[0]
    rows, columns = changed.any(1).nonzero(), changed.any(0).nonzero()
    assert rows.max() - rows.min() + 1 == pytest.approx(1.25 * (labels == 2).any(1).sum(), abs=3)
    assert columns.max() - columns.min() + 1 == pytest.approx(1.25 * (labels == 2).any(0).sum(), abs=3)
    assert torch.equal(covered(canvas, torch.zeros_like(nose)), canvas)


def test_an_evaluation_says_what_it_scored(parser: FaceParser, root: Path, tmp_path: Path) -> None:
    write(parser, tmp_path / "parser")
    settings = FaceEvalSettings(f"faces:{root}", checkpoint=str(tmp_path / "parser"), device="cpu", precision="fp32")
    found = run_evaluation(settings)
    assert found["faces"] == 1
    assert (found["cropper"], found["cover"], found["data"]) == ("localizer", 0, "CelebAMask-HQ")
    assert set(found["coverage"]) == {"left brow", "right brow", "left eye", "right eye", "nose", "mouth", "all"}


def test_masks_of_parts_are_those_of_their_labels() -> None:
    labels = torch.arange(9).view(1, 3, 3)
    assert part_masks(labels)[0, 5].tolist() == (labels[0] >= 6).tolist()
