"""Training on a fold from end to end, on a VOC folder of coloured squares."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from episodes.data.sets.stickers import STICKERS
from episodes.data.source import PASCAL_CLASSES
from episodes.errors import InputError
from episodes.fewshot.settings import Composition, DataSettings
from episodes.files import locked, write_text
from episodes.results.output import Output
from srpnet.fewshot.checkpoint import load_network
from srpnet.fewshot.evaluation.evaluate import run_evaluation
from srpnet.fewshot.evaluation.settings import EvalSettings
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.settings import NetworkSettings
from srpnet.fewshot.training.settings import FewShotTrainSettings
from srpnet.fewshot.training.train import run_training
from srpnet.training.interrupts import Interrupted
from srpnet.training.log import Progress
from srpnet.training.run import best_step

NOVEL = ("aeroplane", "bicycle", "bird", "boat", "bottle")


def steps_of(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_training_leaves_a_network_and_its_record(training: FewShotTrainSettings, tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    said: list[str] = []
    out = run_training(
        replace(training, hold_back="none"),
        tmp_path / "run",
        say=said.append,
        on_log=lambda phase, steps, progress: heard.append((phase, steps, progress.step)),
    )
    assert out == tmp_path / "run"
    assert heard == [("train", 4, step) for step in (1, 2, 3, 4)]
    assert steps_of(out) == [1, 2, 3, 4]
    assert not (out / "select").exists()
    record = json.loads((out / "settings.json").read_text(encoding="utf-8"))
    assert record == json.loads(json.dumps(asdict(replace(training, hold_back="none"))))
    assert "fold 0" in said[0]
    assert "aeroplane" in said[0]
    assert any("0.0 % of the training photographs also show unseen classes: background" in line for line in said)
    assert not any(STICKERS.note in line for line in said)


def test_a_network_says_what_it_was_trained_on(training: FewShotTrainSettings, checkpoint: str, tmp_path: Path) -> None:
    """In its config.json, which goes with the weights wherever they go."""
    config = load_network(checkpoint).config
    assert config.seen == ("bus", "car", "cat")
    left_out = config.trained_on["left_out"]
    assert set(left_out) == set(PASCAL_CLASSES[5:]) - {"bus", "car", "cat"}
    assert "class chair has 0 support images" in left_out["chair"]
    assert config.trained_on == {
        "data": "pascal",
        "fold": 0,
        "novel_pixels": "background",
        "unseen_share": 0.0,
        "photographs": 12,
        "pairs": config.trained_on["pairs"],
        "left_out": left_out,
        "held_back": "",
        "steps": 2,
    }
    assert config.trained_on["pairs"]["rule"] == "min_pixels=100"
    assert config.trained_on["pairs"]["queries"] == 12
    assert str(tmp_path) not in json.dumps(config.trained_on)


def test_photographs_with_unseen_classes_are_counted(
    training: FewShotTrainSettings, data: DataSettings, tmp_path: Path
) -> None:
    """One of the twelve also shows a bird, somewhere, and with the car held back four more are unseen."""
    mask = tmp_path / "voc/SegmentationClass/train_6_0.png"
    labels = np.array(Image.open(mask))
    labels[-1, -1] = 3
    Image.fromarray(labels).save(mask)
    said: list[str] = []
    short = replace(training, training=replace(training.training, steps=1, validate_every=1))
    out = run_training(short, tmp_path / "run", say=said.append)
    shares = {name: load_network(out / name).config.trained_on["unseen_share"] for name in ("select", ".")}
    assert shares == {"select": 1 / 8, ".": 1 / 12}
    assert [line for line in said if "also show unseen" in line] == [
        "12.5 % of the training photographs also show unseen classes: background",
        "8.3 % of the training photographs also show unseen classes: background",
    ]
    assert load_network(out / "select").config.trained_on["held_back"] == "cat"


def test_training_on_stickers_says_that_they_are_no_benchmark(training: FewShotTrainSettings, tmp_path: Path) -> None:
    said: list[str] = []
    quick = replace(training.training, steps=1)
    stickers = replace(training, data=DataSettings("stickers"), hold_back="none", training=quick)
    run_training(stickers, tmp_path / "run", say=said.append)
    assert STICKERS.note in said


@pytest.mark.parametrize("best", [2, 4])
def test_held_back_classes_choose_the_number_of_steps(
    training: FewShotTrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, best: int
) -> None:
    """The final run trains on all base classes, for the best number of steps on the same learning rates."""
    scores = {2: 0.9 if best == 2 else 0.1, 4: 0.5}
    validated = iter(scores)
    monkeypatch.setattr("srpnet.fewshot.training.train._Runs.validator", lambda *_: lambda: scores[next(validated)])
    heard: list[tuple[str, Progress]] = []
    out = run_training(
        training,
        tmp_path / "run",
        say=lambda _: None,
        on_log=lambda phase, _, progress: heard.append((phase, progress)),
    )
    assert [(phase, progress.step) for phase, progress in heard] == [
        *(("select", step) for step in (1, 2, 3, 4)),
        *(("train", step) for step in range(1, best + 1)),
    ]
    rates = [[progress.figures["lr"] for phase, progress in heard if phase == wanted] for wanted in ("select", "train")]
    assert rates[1] == rates[0][:best]
    assert load_network(out / "select").config.seen == ("bus", "car")
    assert load_network(out).config.seen == ("bus", "car", "cat")
    assert load_network(out / "select").config.trained_on["steps"] == 4
    assert load_network(out).config.trained_on["steps"] == best


def test_validation_scores_the_held_back_classes(training: FewShotTrainSettings, tmp_path: Path) -> None:
    scores: dict[int, float] = {}

    def note(phase: str, _: int, progress: Progress) -> None:
        if progress.validation is not None:
            assert phase == "select"
            scores[progress.step] = progress.validation

    out = run_training(training, tmp_path / "run", say=lambda _: None, on_log=note)
    assert scores.keys() == {2, 4}
    assert all(0 <= score <= 1 for score in scores.values())
    assert steps_of(out)[-1] == best_step(scores)


def interrupt(phase: str, step: int) -> Callable[[str, int, Progress], None]:
    """Press Ctrl-C at this step of this phase."""

    def on_log(now: str, _: int, progress: Progress) -> None:
        if (now, progress.step) == (phase, step):
            os.kill(os.getpid(), signal.SIGINT)

    return on_log


@pytest.mark.parametrize(("phase", "step"), [("select", 3), ("train", 1)])
def test_an_interrupted_training_goes_on_in_either_phase(
    training: FewShotTrainSettings, tmp_path: Path, phase: str, step: int
) -> None:
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    run_training(training, unbroken, say=lambda _: None)
    with pytest.raises(Interrupted):
        run_training(training, broken, say=lambda _: None, on_log=interrupt(phase, step))
    with pytest.raises(InputError, match=r"broken already holds a run: go on with `resume`, or name another `out`"):
        run_training(training, broken, say=lambda _: None)
    run_training(training, broken, resume=True, say=lambda _: None)
    states = [load_file(folder / "model.safetensors") for folder in (unbroken, broken)]
    assert all((states[0][name] == states[1][name]).all() for name in states[0])
    for folder in (".", "select"):
        assert steps_of(broken / folder) == steps_of(unbroken / folder)


def test_a_stop_at_the_last_step_of_the_choice_begins_no_final_run(
    training: FewShotTrainSettings, tmp_path: Path
) -> None:
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    run_training(training, unbroken, say=lambda _: None)
    with pytest.raises(Interrupted):
        run_training(training, broken, say=lambda _: None, on_log=interrupt("select", 4))
    assert not (broken / "training.pt").exists()
    run_training(training, broken, resume=True, say=lambda _: None)
    states = [load_file(folder / "model.safetensors") for folder in (unbroken, broken)]
    assert all((states[0][name] == states[1][name]).all() for name in states[0])


def test_the_folder_holds_a_network_while_the_number_of_steps_is_chosen(
    training: FewShotTrainSettings, tmp_path: Path
) -> None:
    seen: list[tuple[str, ...]] = []

    def look(phase: str, _: int, progress: Progress) -> None:
        seen.append(load_network(tmp_path / "run").config.seen)

    run_training(training, tmp_path / "run", say=lambda _: None, on_log=look)
    assert seen[:4] == [("bus", "car")] * 4
    assert set(seen[4:]) == {("bus", "car", "cat")}


def test_where_nothing_was_begun_resuming_begins(training: FewShotTrainSettings, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    said: list[str] = []
    out = run_training(replace(training, hold_back="none"), tmp_path / "run", resume=True, say=said.append)
    assert said[0] == f"{out} holds no run yet: a new one begins"
    assert steps_of(out) == [1, 2, 3, 4]


def test_resuming_on_other_photographs_is_an_input_error(
    training: FewShotTrainSettings, checkpoint: str, tmp_path: Path
) -> None:
    listing = tmp_path / "voc/ImageSets/Segmentation/train.txt"
    listing.write_text("\n".join(listing.read_text().splitlines()[::-1]))
    same = replace(training, hold_back="none", training=replace(training.training, steps=2))
    with pytest.raises(InputError, match=r"was begun with network\.trained_on\.pairs\.sha256 = "):
        run_training(same, Path(checkpoint), resume=True, say=lambda _: None)


@pytest.mark.parametrize("out", ["file", "file/run"])
def test_a_file_where_the_folder_should_be_is_noticed_before_the_work(
    training: FewShotTrainSettings, tmp_path: Path, out: str
) -> None:
    """By training and evaluation alike."""
    (tmp_path / "file").write_text("kept")
    nowhere = DataSettings("pascal:nowhere")
    for begin in (
        lambda: run_training(replace(training, data=nowhere), tmp_path / out, say=lambda _: None),
        lambda: run_evaluation(EvalSettings(nowhere), Output(tmp_path / out)),
    ):
        with pytest.raises(InputError, match="file is a file, not a folder: name another `out`"):
            begin()


@pytest.mark.parametrize(("begun", "wanted"), [("none", "bus"), ("bus", "none")])
def test_resuming_with_another_choice_of_classes_is_an_input_error(
    training: FewShotTrainSettings, tmp_path: Path, begun: str, wanted: str
) -> None:
    phase = "train" if begun == "none" else "select"
    with pytest.raises(Interrupted):
        run_training(replace(training, hold_back=begun), tmp_path / "run", on_log=interrupt(phase, 1))
    with pytest.raises(InputError, match="another `hold_back`"):
        run_training(replace(training, hold_back=wanted), tmp_path / "run", resume=True)


def test_resuming_with_another_seed_is_an_input_error(
    training: FewShotTrainSettings, checkpoint: str, data: DataSettings
) -> None:
    other = replace(training, hold_back="none", seed=1, training=replace(training.training, steps=2))
    with pytest.raises(InputError, match="was begun with seed = 0, not 1"):
        run_training(other, Path(checkpoint), resume=True, say=lambda _: None)


def test_the_seed_draws_head_and_episodes(training: FewShotTrainSettings, checkpoint: str, tmp_path: Path) -> None:
    short = replace(training, hold_back="none", training=replace(training.training, steps=2))
    weights = {"0": load_file(Path(checkpoint) / "model.safetensors")["reduce.weight"]}
    for name, seed in (("again", 0), ("other", 1)):
        run_training(replace(short, seed=seed), tmp_path / name, say=lambda _: None)
        weights[name] = load_file(tmp_path / name / "model.safetensors")["reduce.weight"]
    assert (weights["again"] == weights["0"]).all()
    assert (weights["other"] != weights["0"]).any()


def test_the_head_starts_from_the_seed(training: FewShotTrainSettings, tmp_path: Path) -> None:
    """Seen where learning rates are too small to move it."""
    still = replace(training.training, steps=1, lr=1e-12, weight_decay=0.0)
    run_training(replace(training, hold_back="none", seed=5, training=still), tmp_path / "run", say=lambda _: None)
    network = SRPNet(training.network)
    network.reset_head(5)
    trained = load_file(tmp_path / "run" / "model.safetensors")["reduce.weight"]
    torch.testing.assert_close(trained, network.reduce.weight.detach())


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"hold_back": "aeroplane"}, "'aeroplane' is not a base class of fold 0"),
        ({"hold_back": "9"}, "cannot hold back 9 of the 3 base classes"),
        ({"way": 4, "hold_back": "none"}, "4-way episodes need 4 classes: there are 3"),
        ({"drawing": "list"}, "`drawing` must be random or even or pairs, not 'list'"),
        ({"data": DataSettings("nothing")}, "'nothing' is not a data set"),
        ({"network": NetworkSettings(backbone_sha256="0" * 64), "hold_back": "none"}, "have hash"),
    ],
)
def test_wrong_training_settings_are_refused(
    training: FewShotTrainSettings, tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        run_training(replace(training, **changes), tmp_path / "run", say=lambda _: None)
    assert not (tmp_path / "run" / "training.pt").exists()


def test_features_that_are_computed_once_train_the_same_head(training: FewShotTrainSettings, tmp_path: Path) -> None:
    """By default, on a processor, where photographs come several times and there is room; each step is told."""
    steps: list[tuple[str, int, int]] = []
    lines: list[str] = []
    plain = run_training(replace(training, reuse_features="none"), tmp_path / "plain", say=lambda _: None)
    reused = run_training(training, tmp_path / "reused", say=lines.append, on_progress=lambda *step: steps.append(step))
    heads = [load_file(folder / "model.safetensors")["reduce.weight"] for folder in (plain, reused)]
    torch.testing.assert_close(*heads, rtol=0, atol=1e-5)
    assert any("photographs once" in line and "of memory" in line for line in lines)
    last = {title: (done, total) for title, done, total in steps}
    assert {"Computing features", "Choosing steps", "Validating", "Training"} <= last.keys()
    assert all(done == total > 0 for done, total in last.values())
    assert ("Training", 0, last["Training"][1]) in steps


def test_composed_scenes_are_trained_on_and_recorded(training: FewShotTrainSettings, tmp_path: Path) -> None:
    """Two runs learn the same from them, which is not what is learned without; features are not reused."""
    composed = replace(training, hold_back="none", hard=0.5, composition=Composition(0.5, 0.5, 0.3, 0.3))
    said: list[str] = []
    runs = {"one": composed, "two": composed, "plain": replace(composed, hard=0.0, composition=Composition())}
    folders = [run_training(settings, tmp_path / name, say=said.append) for name, settings in runs.items()]
    one, two, plain = (load_file(folder / "model.safetensors")["reduce.weight"] for folder in folders)
    assert torch.equal(one, two)
    assert not torch.equal(one, plain)
    assert sum("photographs once" in line for line in said) == 1
    trained_on = [load_network(folder).config.trained_on for folder in folders]
    assert trained_on[0]["composition"] == asdict(composed.composition)
    assert trained_on[0]["hard"] == 0.5
    assert not {"composition", "hard"} & trained_on[2].keys()


def test_features_that_would_fill_the_memory_are_not_kept(
    training: FewShotTrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srpnet.fewshot.training.reuse.machine_memory", lambda: 1 << 20)
    lines: list[str] = []
    run_training(training, tmp_path / "run", say=lines.append)
    assert any(line.startswith("Features are computed at every step: kept, those of") for line in lines)
    assert not any("photographs once" in line for line in lines)


@pytest.mark.parametrize("where", ["memory", "disk"])
def test_reused_features_are_computed_for_what_is_left_alone(
    training: FewShotTrainSettings, tmp_path: Path, where: Any
) -> None:
    """Also when nothing is left of the choice of steps."""
    reusing = replace(training, reuse_features=where)
    whole = run_training(reusing, tmp_path / "whole", say=lambda _: None)
    with pytest.raises(Interrupted):
        run_training(reusing, tmp_path / "broken", say=lambda _: None, on_log=interrupt("select", 4))
    broken = run_training(reusing, tmp_path / "broken", resume=True, say=lambda _: None)
    heads = [load_file(folder / "model.safetensors")["reduce.weight"] for folder in (whole, broken)]
    assert torch.equal(*heads)


def test_what_moves_no_weight_may_change_when_a_run_goes_on(training: FewShotTrainSettings, tmp_path: Path) -> None:
    """Another path to the same photographs, and more backward passes of less memory each."""
    begun = replace(training, hold_back="none", training=replace(training.training, batch=2))
    with pytest.raises(Interrupted):
        run_training(begun, tmp_path / "run", say=lambda _: None, on_log=interrupt("train", 2))
    moved = (tmp_path / "voc").rename(tmp_path / "moved")
    later = replace(
        begun, data=replace(begun.data, data=f"pascal:{moved}"), training=replace(begun.training, accumulate=2)
    )
    assert run_training(later, tmp_path / "run", resume=True, say=lambda _: None) == tmp_path / "run"
    assert steps_of(tmp_path / "run") == [1, 2, 3, 4]


def test_features_without_room_are_refused_before_anything_is_written(
    training: FewShotTrainSettings, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="`cache_limit` is 1e-06"):
        run_training(replace(training, reuse_features="disk", cache_limit=1e-6), tmp_path / "run", say=lambda _: None)
    assert not (tmp_path / "run").exists()


def test_a_folder_in_which_another_process_trains_is_left_alone(training: FewShotTrainSettings, tmp_path: Path) -> None:
    with locked(tmp_path / "run", "trained"):
        write_text(tmp_path / "run" / "log.jsonl", "theirs")
        with pytest.raises(InputError, match="run is being trained by another process"):
            run_training(training, tmp_path / "run")
    assert [file.read_text() for file in (tmp_path / "run").iterdir()] == ["theirs"]


def test_resuming_clears_what_a_killed_process_left(training: FewShotTrainSettings, tmp_path: Path) -> None:
    out = run_training(training, tmp_path / "run")
    for folder in (out, out / "select"):
        (folder / ".0a1b2c3d.part").write_text("half")
        (folder / ".features-abc").mkdir()
        (folder / ".features-abc" / "features").write_text("large")
    run_training(training, out, resume=True)
    assert not [file for file in out.rglob(".*")]
