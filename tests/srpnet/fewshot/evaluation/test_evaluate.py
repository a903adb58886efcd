"""Scoring a fold from end to end, on a VOC folder of coloured squares."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from episodes.errors import InputError
from episodes.fewshot.settings import DataSettings
from episodes.results.comparison import differing
from episodes.results.gallery import ranked
from episodes.results.output import Output
from episodes.scoring.records import Records
from srpnet.fewshot import checkpoint as checkpoints
from srpnet.fewshot.checkpoint import load_network
from srpnet.fewshot.evaluation.evaluate import run_evaluation
from srpnet.fewshot.evaluation.settings import EvalSettings
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.settings import NetworkSettings, QueryInference
from srpnet.nn.weights import content_hash

CONTRACT = {
    *("schema", "miou", "fb_iou", "per_class", "support_miou", "support_fb_iou", "episodes", "seconds"),
    *("classes", "intervals", "seeds", "deviation", "protocol", "departures", "not_drawn"),
    *("settings", "pairs", "weights", "versions", "files", "data_notes"),
}
NOVEL = ("aeroplane", "bicycle", "bird", "boat", "bottle")


def scored(settings: EvalSettings, *output: Any, worst: int = 0, **more: Any) -> dict[str, Any]:
    """The result of a run by one protocol."""
    (content,) = run_evaluation(settings, Output(*output, worst=worst), **more).values()
    return content


@pytest.fixture
def evaluation(data: DataSettings) -> EvalSettings:
    return EvalSettings(data, episodes=5, size=64, device="cpu", precision="fp32")


def test_a_result_keeps_the_contract(checkpoint: str, evaluation: EvalSettings, tmp_path: Path) -> None:
    done: list[tuple[int, int, float]] = []
    settings = replace(evaluation, checkpoint=checkpoint)
    content = scored(settings, tmp_path / "scores", 2, on_episode=lambda *counts: done.append(counts))
    assert json.loads((tmp_path / "scores/result.json").read_text(encoding="utf-8")) == json.loads(json.dumps(content))
    assert content.keys() == CONTRACT
    assert content["schema"] == 1
    assert content["episodes"] == content["settings"]["episodes"] == 5
    assert [(number, total) for number, total, _ in done] == [(number, 5) for number in range(6)]
    assert done[-1][2] == 1
    assert tuple(content["per_class"]) == NOVEL
    ious = [0 if iou is None else iou for iou in content["per_class"].values()]  # what five episodes did not draw
    assert content["miou"] == pytest.approx(sum(ious) / 5)
    for name in ("miou", "fb_iou", "support_miou", "support_fb_iou"):
        assert 0 < content[name] <= 1
    assert content["weights"]["name"] == "keras-v1"
    assert content["weights"]["sha256"] == load_network(checkpoint).config.backbone_sha256
    assert content["weights"]["trained_sha256"] == content_hash(load_network(checkpoint).state_dict())
    assert content["pairs"]["rule"] == "min_pixels=100"
    assert content["pairs"]["queries"] == 20
    assert {"python", "torch", "srpnet"} <= content["versions"].keys()


@pytest.mark.parametrize("way", [1, 2])
def test_several_ways_are_named_by_regions_or_pixels(
    checkpoint: str, evaluation: EvalSettings, tmp_path: Path, way: int
) -> None:
    settings = replace(evaluation, checkpoint=checkpoint, way=way)
    assert settings.naming == "regions"
    runs = [
        scored(replace(settings, naming=naming), tmp_path / naming, on_episode=lambda *_: None)
        for naming in ("regions", "pixels")
    ]
    assert [run["settings"]["naming"] for run in runs] == ["regions", "pixels"]
    assert runs[0]["support_miou"] == runs[1]["support_miou"]
    assert (runs[0]["miou"] == runs[1]["miou"]) == (way == 1)
    told = differing(tmp_path / "regions", tmp_path / "pixels")
    assert told == ({"naming": ("regions", "pixels")} if way == 2 else {})


def test_fold_all_tests_every_class_that_was_not_seen(checkpoint: str, evaluation: EvalSettings) -> None:
    settings = replace(evaluation, data=replace(evaluation.data, fold="all"), checkpoint=checkpoint)
    with pytest.raises(InputError, match=r"was trained on .*it cannot be tested on them"):
        scored(replace(settings, classes=(*NOVEL, "bus", "car", "cat")))
    content = scored(replace(settings, classes=NOVEL[:2]))
    assert tuple(content["per_class"]) == NOVEL[:2]
    assert content["settings"]["source"]["fold"] == "all"


def test_pictures_go_from_the_best_to_the_worst(checkpoint: str, evaluation: EvalSettings, tmp_path: Path) -> None:
    scored(replace(evaluation, checkpoint=checkpoint), tmp_path / "scores", 5)
    written = sorted((tmp_path / "scores").glob("pictures/*.png"))
    order = [each.spec.index for each in ranked(Records.read(tmp_path / "scores/counts.npz"))]
    assert [int(file.name[4:10]) for file in written] == order[::-1]
    assert all(file.stem[11:] in NOVEL for file in written)
    assert all(Image.open(file).width > 64 for file in written)


def test_pictures_of_an_earlier_run_do_not_stay(checkpoint: str, evaluation: EvalSettings, tmp_path: Path) -> None:
    """They would be taken for pictures of this result; what is not by us stays."""
    settings, folder = replace(evaluation, checkpoint=checkpoint), tmp_path / "scores" / "pictures"
    scored(settings, tmp_path / "scores", 5)
    for name in ("notes.txt", "cat.png", "12-cat.png"):
        (folder / name).write_text("kept")
    with pytest.raises(InputError, match="`episodes` must be"):
        scored(replace(settings, episodes=0), tmp_path / "scores", 2)
    assert len(list(folder.iterdir())) == 5 + 3
    scored(replace(settings, seed=1), tmp_path / "scores", 1)
    ours = {file.name for file in folder.iterdir()} - {"notes.txt", "cat.png", "12-cat.png"}
    assert len(ours) == 1
    scored(settings, tmp_path / "scores")
    assert {file.name for file in folder.iterdir()} == {"notes.txt", "cat.png", "12-cat.png"}


def test_the_worst_episodes_are_drawn_the_worst_first(
    checkpoint: str, evaluation: EvalSettings, tmp_path: Path
) -> None:
    settings, scores = replace(evaluation, checkpoint=checkpoint), tmp_path / "scores"
    scored(settings, scores, worst=5)
    everyone = [file.name for file in sorted((scores / "worst").iterdir())]
    assert sorted(int(name[4:10]) for name in everyone) == [0, 1, 2, 3, 4]
    scored(settings, scores, worst=2)
    assert [file.name for file in sorted((scores / "worst").iterdir())] == everyone[:2]
    assert not (scores / "pictures").exists()


def test_without_a_folder_nothing_is_written(
    checkpoint: str, evaluation: EvalSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    scored(replace(evaluation, checkpoint=checkpoint), None, 3)
    assert not list((tmp_path / "empty").iterdir())


def test_a_result_repeats(checkpoint: str, evaluation: EvalSettings) -> None:
    first, second = (scored(replace(evaluation, checkpoint=checkpoint)) for _ in range(2))
    assert first | {"seconds": 0} == second | {"seconds": 0}


def test_the_training_free_network_is_scored_without_a_checkpoint(
    evaluation: EvalSettings, tiny: Callable[..., NetworkSettings], cache: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "TRAINING_FREE", tiny(stages=(3,), width=None))
    content = scored(evaluation)
    assert content["settings"]["checkpoint"] is None
    assert content["weights"]["network"]["width"] is None


@pytest.mark.parametrize(
    "changes",
    [
        {"original_size": True},
        {"way": 2},
        {"shot": 2, "query_count": 2},
        {"classes": ("bicycle",)},
        {"iqi_rounds": 0},
        {"shot": 2, "fit": "auto"},
    ],
    ids=str,
)
def test_other_episodes_are_scored_too(checkpoint: str, evaluation: EvalSettings, changes: dict[str, Any]) -> None:
    content = scored(replace(evaluation, checkpoint=checkpoint, **changes))
    assert 0 <= content["miou"] <= 1
    assert tuple(content["per_class"]) == changes.get("classes", NOVEL)
    assert content["settings"]["iqi"]["rounds"] == changes.get("iqi_rounds", QueryInference().rounds)
    assert content["settings"]["fit"] == changes.get("fit", "none")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"protocol": "guess"}, "there is no protocol 'guess': there are .*hsnet"),
        ({"episodes": 0}, "`episodes` must be a whole number from 1 to 1000000, not 0"),
        ({"size": 0}, "`size` must be a whole number from 32 to 4096, not 0"),
        ({"classes": ("cat",)}, "'cat' is not a novel class of fold 0"),
        ({"fit": "always"}, "`fit` must be auto or none, not 'always'"),
        ({"checkpoint": "nowhere"}, "there is no checkpoint nowhere"),
        ({"shot": 4, "protocol": "bam"}, "class aeroplane has 4 support images and needs 5"),
    ],
)
def test_wrong_evaluation_settings_are_refused(
    checkpoint: str, evaluation: EvalSettings, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        scored(replace(evaluation, **{"checkpoint": checkpoint} | changes))


def test_a_novel_class_without_a_photograph_is_not_scored_as_missed(checkpoint: str, evaluation: EvalSettings) -> None:
    other_fold = replace(evaluation, checkpoint=checkpoint, data=replace(evaluation.data, fold=1))
    with pytest.raises(InputError, match="class chair has 0 support images and needs 1: leave it out or add images"):
        scored(other_fold)


def test_a_class_that_was_trained_on_cannot_be_novel(checkpoint: str, evaluation: EvalSettings) -> None:
    other_fold = replace(
        evaluation, checkpoint=checkpoint, data=replace(evaluation.data, fold=1), classes=("bus", "car", "cat")
    )
    with pytest.raises(InputError, match=r"was trained on bus, car, cat: it cannot be tested on them"):
        scored(other_fold)
    with pytest.raises(InputError, match=r"was trained on car: "):
        scored(replace(other_fold, classes=("car",)))


def test_one_class_by_two_names_is_one_class(
    evaluation: EvalSettings, tiny: Callable[..., NetworkSettings], tmp_path: Path
) -> None:
    """COCO's airplane is PASCAL's aeroplane."""
    SRPNet(tiny(trained="all", seen=("airplane", "cat", "potted plant"))).write(tmp_path / "coco")
    settings = replace(evaluation, checkpoint=str(tmp_path / "coco"))
    with pytest.raises(InputError, match=r"was trained on aeroplane: it cannot be tested on them"):
        scored(settings)
    assert tuple(scored(replace(settings, classes=NOVEL[1:]))["per_class"]) == NOVEL[1:]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"cache_limit": -1.0}, "`cache_limit` must be a number from 0 to 1e\\+06, not -1"),
        ({"cache_limit": float("nan")}, "`cache_limit` must be a number .*, not nan"),
    ],
)
def test_wrong_limits_are_refused(evaluation: EvalSettings, change: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        replace(evaluation, **change)
