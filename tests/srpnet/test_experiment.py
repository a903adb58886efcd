"""Training and evaluation from end to end, on a VOC folder of coloured squares."""

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

from episodes.episode import EpisodeSpec
from episodes.errors import InputError
from episodes.geometry import Geometry
from episodes.loading import Loader
from episodes.metrics import confusion
from episodes.results import STICKERS_NOTE
from episodes.sources.base import PASCAL_CLASSES
from episodes.task import DataSettings, Task
from srpnet import network as network_module
from srpnet.experiment import EvalSettings, TrainSettings, draw_episode, run_evaluation, run_training
from srpnet.inference import QueryInference
from srpnet.interrupts import Interrupted
from srpnet.logs import Progress
from srpnet.network import NetworkSettings, SRPNet, load_network
from srpnet.training import best_step
from tests.episodes.fakes import Fake, label_map

CONTRACT = {
    *("schema", "miou", "fb_iou", "per_class", "support_miou", "support_fb_iou", "episodes", "seconds"),
    *("settings", "pairs", "weights", "versions"),
}
NOVEL = ("aeroplane", "bicycle", "bird", "boat", "bottle")


@pytest.fixture
def evaluation(data: DataSettings) -> EvalSettings:
    return EvalSettings(data, episodes=5, size=64, device="cpu", precision="fp32")


@pytest.fixture
def checkpoint(training: TrainSettings, tmp_path: Path) -> str:
    """A network that was trained on bus, car and cat for two steps."""
    short = replace(training, hold_back="none", training=replace(training.training, steps=2))
    return str(run_training(short, tmp_path / "checkpoint", say=lambda _: None))


def steps_of(folder: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


# ---------------------------------------------------------------------------------------------------- training


def test_training_leaves_a_network_and_its_record(training: TrainSettings, tmp_path: Path) -> None:
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
    assert not any(STICKERS_NOTE in line for line in said)


def test_a_network_says_what_it_was_trained_on(training: TrainSettings, checkpoint: str, tmp_path: Path) -> None:
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
        "pairs": config.trained_on["pairs"],
        "left_out": left_out,
        "held_back": "",
        "steps": 2,
    }
    assert config.trained_on["pairs"]["rule"] == "min_pixels=100"
    assert config.trained_on["pairs"]["queries"] == 12
    assert str(tmp_path) not in json.dumps(config.trained_on)


def test_photographs_with_unseen_classes_are_counted(
    training: TrainSettings, data: DataSettings, tmp_path: Path
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


def test_training_on_stickers_says_that_they_are_no_benchmark(training: TrainSettings, tmp_path: Path) -> None:
    said: list[str] = []
    quick = replace(training.training, steps=1)
    stickers = replace(training, data=DataSettings("stickers"), hold_back="none", training=quick)
    run_training(stickers, tmp_path / "run", say=said.append)
    assert STICKERS_NOTE in said


@pytest.mark.parametrize("best", [2, 4])
def test_held_back_classes_choose_the_number_of_steps(
    training: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, best: int
) -> None:
    """The final run trains on all base classes, for the best number of steps on the same learning rates."""
    scores = {2: 0.9 if best == 2 else 0.1, 4: 0.5}
    validated = iter(scores)
    monkeypatch.setattr("srpnet.experiment._validator", lambda *_: lambda network: scores[next(validated)])
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
    rates = [[progress.lr for phase, progress in heard if phase == wanted] for wanted in ("select", "train")]
    assert rates[1] == rates[0][:best]
    assert load_network(out / "select").config.seen == ("bus", "car")
    assert load_network(out).config.seen == ("bus", "car", "cat")
    assert load_network(out / "select").config.trained_on["steps"] == 4
    assert load_network(out).config.trained_on["steps"] == best


def test_validation_scores_the_held_back_classes(training: TrainSettings, tmp_path: Path) -> None:
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
    training: TrainSettings, tmp_path: Path, phase: str, step: int
) -> None:
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    run_training(training, unbroken, say=lambda _: None)
    with pytest.raises(Interrupted):
        run_training(training, broken, say=lambda _: None, on_log=interrupt(phase, step))
    with pytest.raises(InputError, match=r"broken already holds a run: go on with --resume, or name another --out"):
        run_training(training, broken, say=lambda _: None)
    run_training(training, broken, resume=True, say=lambda _: None)
    states = [load_file(folder / "model.safetensors") for folder in (unbroken, broken)]
    assert all((states[0][name] == states[1][name]).all() for name in states[0])
    for folder in (".", "select"):
        assert steps_of(broken / folder) == steps_of(unbroken / folder)


def test_a_stop_at_the_last_step_of_the_choice_begins_no_final_run(training: TrainSettings, tmp_path: Path) -> None:
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    run_training(training, unbroken, say=lambda _: None)
    with pytest.raises(Interrupted):
        run_training(training, broken, say=lambda _: None, on_log=interrupt("select", 4))
    assert not (broken / "training.pt").exists()
    run_training(training, broken, resume=True, say=lambda _: None)
    states = [load_file(folder / "model.safetensors") for folder in (unbroken, broken)]
    assert all((states[0][name] == states[1][name]).all() for name in states[0])


def test_the_folder_holds_a_network_while_the_number_of_steps_is_chosen(
    training: TrainSettings, tmp_path: Path
) -> None:
    seen: list[tuple[str, ...]] = []

    def look(phase: str, _: int, progress: Progress) -> None:
        seen.append(load_network(tmp_path / "run").config.seen)

    run_training(training, tmp_path / "run", say=lambda _: None, on_log=look)
    assert seen[:4] == [("bus", "car")] * 4
    assert set(seen[4:]) == {("bus", "car", "cat")}


def test_where_nothing_was_begun_there_is_nothing_to_resume(training: TrainSettings, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with pytest.raises(InputError, match=r"there is no run to resume in .*run: leave out --resume, or name its --out"):
        run_training(training, tmp_path / "run", resume=True, say=lambda _: None)
    assert not list((tmp_path / "run").iterdir())


def test_resuming_on_other_photographs_is_an_input_error(
    training: TrainSettings, checkpoint: str, tmp_path: Path
) -> None:
    listing = tmp_path / "voc/ImageSets/Segmentation/train.txt"
    listing.write_text("\n".join(listing.read_text().splitlines()[::-1]))
    same = replace(training, hold_back="none", training=replace(training.training, steps=2))
    with pytest.raises(InputError, match=r"was begun with network\.trained_on\.pairs\.sha256 = "):
        run_training(same, Path(checkpoint), resume=True, say=lambda _: None)


@pytest.mark.parametrize("out", ["file", "file/run"])
def test_a_file_where_the_folder_should_be_is_noticed_before_the_work(
    training: TrainSettings, evaluation: EvalSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    (tmp_path / "file").write_text("kept")
    monkeypatch.setattr("srpnet.experiment.Task", None)
    with pytest.raises(InputError, match="file is a file, not a folder: name another --out"):
        run_training(training, tmp_path / out, say=lambda _: None)
    with pytest.raises(InputError, match="file is a file, not a folder: name another --out"):
        run_evaluation(evaluation, tmp_path / out)


@pytest.mark.parametrize(("begun", "wanted"), [("none", "bus"), ("bus", "none")])
def test_resuming_with_another_choice_of_classes_is_an_input_error(
    training: TrainSettings, tmp_path: Path, begun: str, wanted: str
) -> None:
    phase = "train" if begun == "none" else "select"
    with pytest.raises(Interrupted):
        run_training(replace(training, hold_back=begun), tmp_path / "run", on_log=interrupt(phase, 1))
    with pytest.raises(InputError, match="another --hold-back"):
        run_training(replace(training, hold_back=wanted), tmp_path / "run", resume=True)


def test_resuming_with_another_seed_is_an_input_error(
    training: TrainSettings, checkpoint: str, data: DataSettings
) -> None:
    other = replace(training, hold_back="none", seed=1, training=replace(training.training, steps=2))
    with pytest.raises(InputError, match="was begun with seed = 0, not 1"):
        run_training(other, Path(checkpoint), resume=True, say=lambda _: None)


def test_the_seed_draws_head_and_episodes(training: TrainSettings, checkpoint: str, tmp_path: Path) -> None:
    short = replace(training, hold_back="none", training=replace(training.training, steps=2))
    weights = {"0": load_file(Path(checkpoint) / "model.safetensors")["reduce.weight"]}
    for name, seed in (("again", 0), ("other", 1)):
        run_training(replace(short, seed=seed), tmp_path / name, say=lambda _: None)
        weights[name] = load_file(tmp_path / name / "model.safetensors")["reduce.weight"]
    assert (weights["again"] == weights["0"]).all()
    assert (weights["other"] != weights["0"]).any()


def test_the_head_starts_from_the_seed(training: TrainSettings, tmp_path: Path) -> None:
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
        ({"hold_back": "aeroplane"}, "'aeroplane' is no base class of fold 0"),
        ({"hold_back": "9"}, "cannot hold back 9 of the 3 base classes"),
        ({"way": 4, "hold_back": "none"}, "4-way episodes need 4 classes: here are 3"),
        ({"data": DataSettings("nothing")}, "'nothing' names no data"),
        ({"network": NetworkSettings(backbone_sha256="0" * 64), "hold_back": "none"}, "have hash"),
    ],
)
def test_wrong_training_settings_are_refused(
    training: TrainSettings, tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        run_training(replace(training, **changes), tmp_path / "run", say=lambda _: None)
    assert not (tmp_path / "run" / "training.pt").exists()


# -------------------------------------------------------------------------------------------------- evaluation


def test_a_result_keeps_the_contract(checkpoint: str, evaluation: EvalSettings, tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    settings = replace(evaluation, checkpoint=checkpoint)
    content = run_evaluation(settings, tmp_path / "scores", 2, lambda *counts: done.append(counts))
    assert json.loads((tmp_path / "scores/result.json").read_text(encoding="utf-8")) == json.loads(json.dumps(content))
    assert content.keys() == CONTRACT
    assert content["schema"] == 1
    assert content["episodes"] == content["settings"]["episodes"] == 5
    assert done == [(number, 5) for number in range(1, 6)]
    assert tuple(content["per_class"]) == NOVEL
    assert content["miou"] == pytest.approx(sum(content["per_class"].values()) / 5)
    for name in ("miou", "fb_iou", "support_miou", "support_fb_iou"):
        assert 0 < content[name] <= 1
    assert content["weights"]["name"] == "keras-v1"
    assert content["weights"]["sha256"] == load_network(checkpoint).config.backbone_sha256
    assert content["pairs"]["rule"] == "min_pixels=100"
    assert content["pairs"]["queries"] == 20
    assert {"python", "torch", "srpnet"} <= content["versions"].keys()


@pytest.mark.parametrize(("pictures", "drawn"), [(0, set()), (2, {0, 2}), (99, {0, 1, 2, 3, 4})])
def test_pictures_are_spread_over_the_run(
    checkpoint: str, evaluation: EvalSettings, tmp_path: Path, pictures: int, drawn: set[int]
) -> None:
    run_evaluation(replace(evaluation, checkpoint=checkpoint), tmp_path / "scores", pictures)
    written = sorted((tmp_path / "scores").glob("pictures/*.png"))
    assert {int(file.name[:6]) for file in written} == drawn
    assert all(file.stem[7:] in NOVEL for file in written)
    assert all(Image.open(file).width > 64 for file in written)


def test_pictures_of_an_earlier_run_do_not_stay(checkpoint: str, evaluation: EvalSettings, tmp_path: Path) -> None:
    """They would be taken for pictures of this result; what is not by us stays."""
    settings, folder = replace(evaluation, checkpoint=checkpoint), tmp_path / "scores" / "pictures"
    run_evaluation(settings, tmp_path / "scores", 5)
    for name in ("notes.txt", "cat.png", "12-cat.png"):
        (folder / name).write_text("kept")
    with pytest.raises(InputError, match="cannot score 0 episodes"):
        run_evaluation(replace(settings, episodes=0), tmp_path / "scores", 2)
    assert len(list(folder.iterdir())) == 5 + 3
    run_evaluation(replace(settings, seed=1), tmp_path / "scores", 1)
    ours = {file.name for file in folder.iterdir()} - {"notes.txt", "cat.png", "12-cat.png"}
    assert len(ours) == 1
    run_evaluation(settings, tmp_path / "scores")
    assert {file.name for file in folder.iterdir()} == {"notes.txt", "cat.png", "12-cat.png"}


def test_an_episode_is_drawn_with_a_name_for_its_file() -> None:
    """COCO's class names have spaces."""

    class Things(Fake):
        classes = ("traffic light", "dog")

    source = Things({id: label_map({1: 300, 2: 300}) for id in ("va", "vb", "vc")})
    episode = Loader(source, Geometry(32)).build(EpisodeSpec(42, (2, 1), (("va",), ("vb",)), ("vc",)))
    (truth,) = (episode.truth(query) for query in episode.queries())
    task = Task(DataSettings("fake", min_pixels=1, folds=2), source)
    name, picture = draw_episode(episode, [truth], confusion(truth, truth, 2), task)
    assert name == "000042-dog-traffic_light.png"
    assert picture.mode == "RGB"
    assert picture.width > picture.height


def test_without_a_folder_nothing_is_written(
    checkpoint: str, evaluation: EvalSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    run_evaluation(replace(evaluation, checkpoint=checkpoint), pictures=3)
    assert not list((tmp_path / "empty").iterdir())


def test_a_result_repeats(checkpoint: str, evaluation: EvalSettings) -> None:
    first, second = (run_evaluation(replace(evaluation, checkpoint=checkpoint)) for _ in range(2))
    assert first | {"seconds": 0} == second | {"seconds": 0}


def test_the_training_free_network_is_scored_without_a_checkpoint(
    evaluation: EvalSettings, tiny: Callable[..., NetworkSettings], shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_module, "TRAINING_FREE", tiny(stages=(3,), width=None))
    content = run_evaluation(evaluation)
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
    ],
    ids=str,
)
def test_other_episodes_are_scored_too(checkpoint: str, evaluation: EvalSettings, changes: dict[str, Any]) -> None:
    content = run_evaluation(replace(evaluation, checkpoint=checkpoint, **changes))
    assert 0 <= content["miou"] <= 1
    assert tuple(content["per_class"]) == changes.get("classes", NOVEL)
    assert content["settings"]["iqi"]["rounds"] == changes.get("iqi_rounds", QueryInference().rounds)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"protocol": "guess"}, "there is no protocol 'guess': there are .*hsnet"),
        ({"episodes": 0}, "cannot score 0 episodes"),
        ({"size": 0}, "size 0 is too small: at least 32"),
        ({"classes": ("cat",)}, "'cat' is no novel class of fold 0"),
        ({"checkpoint": "nowhere"}, "there is no checkpoint folder nowhere"),
        ({"shot": 4}, "class aeroplane has 4 support images and needs 5"),
    ],
)
def test_wrong_evaluation_settings_are_refused(
    checkpoint: str, evaluation: EvalSettings, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        run_evaluation(replace(evaluation, **{"checkpoint": checkpoint} | changes))


def test_a_novel_class_without_a_photograph_is_not_scored_as_missed(checkpoint: str, evaluation: EvalSettings) -> None:
    other_fold = replace(evaluation, checkpoint=checkpoint, data=replace(evaluation.data, fold=1))
    with pytest.raises(InputError, match="class chair has 0 support images and needs 1: leave it out or add images"):
        run_evaluation(other_fold)


def test_a_class_that_was_trained_on_cannot_be_novel(checkpoint: str, evaluation: EvalSettings) -> None:
    other_fold = replace(
        evaluation, checkpoint=checkpoint, data=replace(evaluation.data, fold=1), classes=("bus", "car", "cat")
    )
    with pytest.raises(InputError, match=r"was trained on bus, car, cat: it cannot be tested on them"):
        run_evaluation(other_fold)
    with pytest.raises(InputError, match=r"was trained on car: "):
        run_evaluation(replace(other_fold, classes=("car",)))


def test_one_class_by_two_names_is_one_class(
    evaluation: EvalSettings, tiny: Callable[..., NetworkSettings], tmp_path: Path
) -> None:
    """COCO's airplane is PASCAL's aeroplane."""
    SRPNet(tiny(trained="all", seen=("airplane", "cat", "potted plant"))).write(tmp_path / "coco")
    settings = replace(evaluation, checkpoint=str(tmp_path / "coco"))
    with pytest.raises(InputError, match=r"was trained on aeroplane: it cannot be tested on them"):
        run_evaluation(settings)
    assert tuple(run_evaluation(replace(settings, classes=NOVEL[1:]))["per_class"]) == NOVEL[1:]
