"""Training: it learns, the batch is one mean however it is cut, and a run that stops goes on as if it had not."""

import json
import math
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing import active_children
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from torch import Tensor

from episodes.errors import InputError
from episodes.loading import Augmentation
from srpnet import training
from srpnet.batches import EpisodeDataset, EpisodeTensors
from srpnet.grid import upsample
from srpnet.interrupts import Interrupted, leave_signals_to_the_parent, stop_requested
from srpnet.logs import Meter, Progress, append_line, keep_lines
from srpnet.losses import segmentation_loss
from srpnet.network import SRPNet, load_network
from srpnet.runtime import Runtime
from srpnet.training import TrainingRun, TrainingSettings, best_step, episode_losses, lr_factor, make_optimizer

FP32 = Runtime(torch.device("cpu"), "fp32")
QUICK = TrainingSettings(steps=6, batch=1, warmup=2, workers=0, log_every=1, save_every=2)

Begin = Callable[..., TrainingRun]


@pytest.fixture
def begin(tiny: Callable[..., Any], tmp_path: Path) -> Begin:
    """`begin("a", steps=3)`: a run in the folder `a`, of a fresh tiny network."""

    def run(name: str = "run", resume: bool = False, trained: str = "all", **options: Any) -> TrainingRun:
        own = {key: options.pop(key) for key in ("schedule_steps", "identity") if key in options}
        network = SRPNet(tiny(trained=trained, **options.pop("network", {})))
        return TrainingRun(network, replace(QUICK, **options), tmp_path / name, FP32, resume=resume, **own)

    return run


@pytest.fixture
def episodes(squares: Callable[..., Any]) -> Any:
    return squares(augmentation=Augmentation(colour=0.2, scale=0.8))


def log_of(run: TrainingRun) -> list[dict[str, Any]]:
    """The log's lines, without the one value that no two runs share."""
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name != "episodes_per_second"} for line in lines]


def weights_of(run: TrainingRun) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in run.network.state_dict().items()}


def same(first: Any, second: Any) -> bool:
    """Equal to the last bit, however nested."""
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second)


def assert_same_run(first: TrainingRun, second: TrainingRun) -> None:
    """Weights, saved state with the optimizer's, and log are equal to the last bit."""
    assert same(weights_of(first), weights_of(second))
    states = [torch.load(run.folder / "training.pt", weights_only=True) for run in (first, second)]
    for name in ("step", "network", "optimizer", "validations"):
        assert same(states[0][name], states[1][name]), name
    assert log_of(first) == log_of(second)


# --------------------------------------------------------------------------------------------------- learning


@pytest.mark.parametrize(("optimizer", "schedule"), [("adamw", "cosine"), ("sgd", "poly")])
def test_the_loss_falls(begin: Begin, squares: Callable[..., Any], optimizer: str, schedule: str) -> None:
    lr = 1e-2 if optimizer == "adamw" else 3e-2
    run = begin(trained="head", steps=25, batch=2, lr=lr, optimizer=optimizer, schedule=schedule)
    run.train(squares())
    losses = [line["loss"] for line in log_of(run)]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert log_of(run)[-1]["query_miou"] > 0.5


def test_the_log_says_what_happened(begin: Begin, episodes: Any) -> None:
    heard = []
    run = begin(steps=7, log_every=3, support_weight=0.5)
    run.train(episodes, heard.append)
    assert [progress.step for progress in heard] == [line["step"] for line in log_of(run)] == [3, 6, 7]
    for progress in heard:
        assert progress.loss == pytest.approx(progress.query_loss + 0.5 * progress.support_loss, rel=1e-5)
        assert 0 <= progress.query_miou <= 1
        assert 0 <= progress.support_miou <= 1
        assert progress.episodes_per_second > 0
        assert progress.validation is None


def test_the_head_alone_leaves_the_backbone_as_it_was(begin: Begin, episodes: Any) -> None:
    run = begin(trained="head")
    before = weights_of(run)
    run.train(episodes)
    changed = {name for name, value in weights_of(run).items() if not torch.equal(value, before[name])}
    assert changed == {"reduce.weight", "reduce.bias"}


def test_fine_tuning_changes_convolutions_but_no_batch_norm(begin: Begin, episodes: Any) -> None:
    run = begin(trained="all", weight_decay=0.1)
    before = weights_of(run)
    run.train(episodes)
    changed = {name for name, value in weights_of(run).items() if not torch.equal(value, before[name])}
    norms = {f"{name}." for name, part in run.network.named_modules() if isinstance(part, torch.nn.BatchNorm2d)}
    assert changed == {name for name in before if not name.startswith(tuple(norms))}


@pytest.mark.usefixtures("global_state")
def test_training_leaves_the_global_random_state(begin: Begin, episodes: Any) -> None:
    begin(steps=2).train(episodes)


def test_loading_in_a_worker_changes_nothing(begin: Begin, episodes: Any) -> None:
    here, elsewhere = begin("a", steps=3), begin("b", steps=3, workers=1)
    here.train(episodes)
    elsewhere.train(episodes)
    assert_same_run(here, elsewhere)


# ------------------------------------------------------------------------------------------------------ a step


def test_a_batch_is_the_same_in_any_number_of_passes(begin: Begin, squares: Callable[..., Any]) -> None:
    mixed = squares(way=2)
    states = []
    for accumulate in (1, 2, 4):
        run = begin(str(accumulate), steps=2, batch=4, accumulate=accumulate, optimizer="sgd", lr=0.01, clip=0)
        run.train(mixed)
        gradients = {f"gradient of {n}": p.grad for n, p in run.network.named_parameters() if p.requires_grad}
        states.append(weights_of(run) | gradients)
    for other in states[1:]:
        torch.testing.assert_close(other, states[0], rtol=1e-4, atol=1e-6)


def test_the_loss_is_the_mean_over_episodes_of_each_ones_own(network: SRPNet, squares: Callable[..., Any]) -> None:
    """Episodes of unequal numbers of supports, in one pass; lambda weighs the restored supports."""
    settings = TrainingSettings(support_weight=0.3, train_rounds=1)
    mixed = [EpisodeTensors.of(episode) for episode in (squares()[0], squares(way=2, shot=2)[1])]
    together = episode_losses(network, mixed, settings, FP32, Meter())
    iqi = replace(network.config.iqi, rounds=1)
    for loss, episode in zip(together, mixed, strict=True):
        logits = network(
            episode.support_images,
            episode.support_labels,
            episode.membership,
            episode.query_images,
            episode.query_valid,
            iqi,
        )
        query = segmentation_loss(upsample(logits.queries, (64, 64), 8), episode.query_labels)
        support = segmentation_loss(upsample(logits.supports, (64, 64), 8), episode.support_labels)
        torch.testing.assert_close(loss, query + 0.3 * support, rtol=1e-4, atol=1e-5)


def test_the_meter_counts_what_is_right() -> None:
    """One episode of one class: on the query half of the object is found, on the support all of it."""
    labels = torch.tensor([[[0, 0, 1, 1], [0, 0, 255, 255]]], dtype=torch.uint8)
    images, member, valid = torch.zeros(1, 3, 2, 4), torch.ones(1, 1, dtype=torch.bool), torch.ones(1, 2, 4).bool()
    episode = EpisodeTensors((7,), images, labels, member, images, labels, valid)
    right = torch.stack([labels == 0, labels > 0], 1).float()
    half = right.clone()
    half[:, :, :, 2] = torch.tensor([1.0, 0])[None, :, None]
    meter = Meter()
    meter.add(episode, half.requires_grad_(), right, *torch.tensor([2.0, 4, 6]))
    meter.add(episode, half, right, *torch.tensor([4.0, 4, 8]))
    progress = meter.read(3, 0.1, None)
    assert progress[:7] == (3, 7, 3, 4, 0.5, 1, 0.1)


def test_gradients_are_clipped(begin: Begin, episodes: Any) -> None:
    norms = {}
    for clip in (0.0, 1e-3):
        run = begin(str(clip), steps=1, clip=clip)
        run.train(episodes)
        gradients = [weights.grad for weights in run.network.parameters() if weights.grad is not None]
        norms[clip] = torch.stack([gradient.norm() for gradient in gradients]).norm().item()
    assert norms[0.0] > 0.01
    assert norms[1e-3] == pytest.approx(1e-3, rel=1e-2)


def test_head_and_backbone_have_their_own_rates(tiny: Callable[..., Any]) -> None:
    settings = TrainingSettings(lr=0.5, backbone_lr=0.25, weight_decay=0.125, optimizer="sgd")
    groups = make_optimizer(SRPNet(tiny(trained="all")), settings).param_groups
    assert [(group["peak"], group["weight_decay"], group["momentum"]) for group in groups] == [
        (0.5, 0.125, 0.9),
        (0.25, 0.125, 0.9),
    ]
    assert len(make_optimizer(SRPNet(tiny()), settings).param_groups) == 1
    (headless,) = make_optimizer(SRPNet(tiny(width=None, trained="all")), settings).param_groups
    assert headless["peak"] == 0.25


def test_nothing_to_train_is_an_input_error(begin: Begin) -> None:
    with pytest.raises(InputError, match="nothing to train: give it a head"):
        begin(trained="head", network={"width": None})


@pytest.mark.parametrize(
    ("step", "schedule", "warmup", "expected"),
    [
        (0, "cosine", 4, 0.25),
        (3, "cosine", 4, 1),
        (4, "cosine", 4, 1),
        (54, "cosine", 4, 0.5),
        (104, "cosine", 4, 0),
        (0, "poly", 0, 1),
        (52, "poly", 0, 0.5**0.9),
        (104, "poly", 0, 0),
        (2, "poly", 200, 0.015),
    ],
)
def test_learning_rate(step: int, schedule: Any, warmup: int, expected: float) -> None:
    settings = TrainingSettings(schedule=schedule, warmup=warmup)
    assert lr_factor(step, settings, 104) == pytest.approx(expected, abs=1e-12)


def test_the_rate_that_is_logged_follows_the_schedule(begin: Begin, episodes: Any) -> None:
    run = begin(lr=0.01)
    run.train(episodes)
    expected = [0.01 * lr_factor(step, run.settings, 6) for step in range(6)]
    assert [line["lr"] for line in log_of(run)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"steps": 0}, "steps must be at least 1, not 0"),
        ({"save_every": 0}, "save every must be at least 1"),
        ({"warmup": -1}, "warmup must not be negative"),
        ({"support_weight": -0.1}, "support weight must not be negative"),
        ({"lr": 0.0}, "learning rates must be positive"),
        ({"backbone_lr": -1.0}, "learning rates must be positive"),
        ({"optimizer": "adam"}, "optimizer must be adamw or sgd, not 'adam'"),
        ({"schedule": "step"}, "schedule must be cosine or poly, not 'step'"),
        ({"batch": 4, "accumulate": 3}, "3 backward passes do not divide a batch of 4 episodes"),
        ({"lr": math.nan}, "lr must be a number, not nan"),
        ({"lr": math.inf}, "lr must be a number, not inf"),
        ({"backbone_lr": math.nan}, "backbone lr must be a number, not nan"),
        ({"weight_decay": math.nan}, "weight decay must be a number, not nan"),
        ({"support_weight": math.inf}, "support weight must be a number, not inf"),
        ({"clip": math.nan}, "clip must be a number, not nan"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        TrainingSettings(**options)


def test_an_infinite_loss_is_an_input_error_that_moves_no_weight(
    begin: Begin, episodes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the four episodes of step 3, the last has no number for a loss; the first two have gone backward by then."""
    run = begin(steps=4, batch=4, accumulate=2, save_every=2)
    before: dict[str, Tensor] = {}
    losses = training.episode_losses

    def hurt(*args: Any) -> Tensor:
        healthy = losses(*args)
        if run.step == 2 and not before:
            before.update(weights_of(run))
            return healthy
        return healthy * torch.tensor([1.0, math.nan]) if before else healthy

    monkeypatch.setattr(training, "episode_losses", hurt)
    with pytest.raises(InputError, match="the loss of step 3 is no number: train again with a lower --lr"):
        run.train(episodes)
    assert same(weights_of(run), before)
    assert [line["step"] for line in log_of(run)] == [1, 2]
    monkeypatch.setattr(training, "episode_losses", losses)
    resumed = begin(steps=4, batch=4, accumulate=2, save_every=2, resume=True)
    assert resumed.step == 2
    assert all(value.isfinite().all() for value in weights_of(resumed).values())


@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_an_infinite_gradient_moves_no_weight_either(begin: Begin, episodes: Any, clip: float) -> None:
    run = begin(steps=2, batch=1, clip=clip)
    before = {name: value.clone() for name, value in weights_of(run).items()}
    run.network.reduce.weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(InputError, match="the gradient of step 1 is no number"):
        run.train(episodes)
    assert same(weights_of(run), before)


# ---------------------------------------------------------------------------------------------- what is loaded


class Broken:
    """Episodes of which one cannot be loaded."""

    def __init__(self, episodes: Any, at: int, error: Exception) -> None:
        self.episodes, self.at, self.error = episodes, at, error

    def __getitem__(self, index: int) -> Any:
        if index == self.at:
            raise self.error
        return self.episodes[index]


def test_an_episode_that_cannot_be_loaded_comes_as_a_value(episodes: Any) -> None:
    error = InputError("photograph 7 is damaged: fetch it again")
    dataset = EpisodeDataset(Broken(episodes, 5, error), first=4, count=3)
    assert len(dataset) == 3
    assert dataset[1] is error
    assert dataset[0].classes == episodes[4].spec.classes
    with pytest.raises(ZeroDivisionError):
        EpisodeDataset(Broken(episodes, 5, ZeroDivisionError()), first=4, count=3)[1]


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_input_keeps_its_words_whoever_loads_it(begin: Begin, episodes: Any, workers: int) -> None:
    """Raised in a worker it would arrive with that one's stack trace in its message."""
    run = begin(steps=3, batch=2, workers=workers)
    with pytest.raises(InputError) as caught:
        run.train(Broken(episodes, 3, InputError("photograph 7 is damaged: fetch it again")))
    assert str(caught.value) == "photograph 7 is damaged: fetch it again"
    assert run.step == 1


# -------------------------------------------------------------------------------------------------------- the log


PROGRESS = Progress(2, 1.5, 1.0, 0.5, 0.25, 0.5, 0.001, 9.0)


def test_a_line_of_the_log_is_json(tmp_path: Path) -> None:
    append_line(tmp_path / "log.jsonl", PROGRESS)
    append_line(tmp_path / "log.jsonl", PROGRESS._replace(step=3, validation=0.5))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == [PROGRESS._asdict(), PROGRESS._asdict() | {"step": 3, "validation": 0.5}]
    append_line(tmp_path / "log.jsonl", PROGRESS._replace(validation=math.nan))
    assert json.loads((tmp_path / "log.jsonl").read_text().splitlines()[2])["validation"] is None


def test_lines_past_a_step_are_dropped(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    keep_lines(log, 3)
    assert not log.exists()
    for step in (1, 2, 5):
        append_line(log, PROGRESS._replace(step=step))
    keep_lines(log, 2)
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [1, 2]


# ------------------------------------------------------------------------------------------------- validation


def test_validation_scores_are_kept(begin: Begin, episodes: Any) -> None:
    scores = iter([0.2, 0.6, 0.6])
    run = begin(steps=5, validate_every=2, log_every=4)

    def validate(network: SRPNet) -> float:
        network.eval()
        return next(scores)

    run.train(episodes, validate=validate)
    assert run.validations == {2: 0.2, 4: 0.6, 5: 0.6}
    assert [(line["step"], line["validation"]) for line in log_of(run)] == [(2, 0.2), (4, 0.6), (5, 0.6)]
    assert run.network.training
    assert begin(steps=5, validate_every=2, log_every=4, resume=True).validations == run.validations


@pytest.mark.parametrize(
    ("validations", "expected"), [({1: 0.5}, 1), ({10: 0.5, 20: 0.7, 30: 0.6}, 20), ({30: 0.7, 20: 0.7}, 20)]
)
def test_the_earliest_of_the_best_steps_wins(validations: dict[int, float], expected: int) -> None:
    assert best_step(validations) == expected


# ------------------------------------------------------------------------------------------ stopping and going on


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def run_until(run: TrainingRun, episodes: Any, step: int, stop: Callable[[], Any] = interrupt) -> None:
    """Train, and from the log's callback after this step ask to stop."""
    run.train(episodes, lambda progress: stop() if progress.step == step else None)


def test_a_checkpoint_that_loads_is_there_before_the_first_step(begin: Begin) -> None:
    run = begin()
    assert {file.name for file in run.folder.iterdir()} == {"config.json", "model.safetensors", "training.pt"}
    assert same(load_network(run.folder).state_dict(), run.network.state_dict())
    assert begin(resume=True).step == 0


@pytest.mark.parametrize(
    ("trained", "optimizer", "stop"),
    [("head", "adamw", 3), ("all", "adamw", 1), ("all", "adamw", 3), ("all", "sgd", 2)],
)
def test_an_interrupted_run_goes_on_as_if_it_had_not_been(
    begin: Begin, episodes: Any, trained: str, optimizer: str, stop: int
) -> None:
    options: dict[str, Any] = {"trained": trained, "optimizer": optimizer, "steps": 4, "save_every": 100}
    unbroken = begin("unbroken", **options)
    unbroken.train(episodes)
    with pytest.raises(Interrupted, match=f"stopped after step {stop}") as interrupted:
        run_until(begin("broken", **options), episodes, stop)
    assert interrupted.value.step == stop
    resumed = begin("broken", resume=True, **options)
    assert resumed.step == stop
    resumed.train(episodes)
    assert_same_run(resumed, unbroken)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_stop_during_the_last_step_is_not_lost(begin: Begin, episodes: Any, workers: int) -> None:
    """Whoever asked must not be taken on to a next run, such as the one after the choice of steps."""
    unbroken = begin("unbroken", steps=3)
    unbroken.train(episodes)
    run = begin("broken", steps=3, workers=workers)
    with pytest.raises(Interrupted) as interrupted:
        run_until(run, episodes, 3)
    assert interrupted.value.step == 3
    again = begin("broken", steps=3, workers=workers, resume=True)
    assert again.step == 3
    again.train(episodes)
    assert_same_run(again, unbroken)


def test_a_termination_stops_as_well(begin: Begin, episodes: Any) -> None:
    with pytest.raises(Interrupted):
        run_until(begin(), episodes, 2, lambda: os.kill(os.getpid(), signal.SIGTERM))


@pytest.mark.parametrize("step", [3, 4, 5])
def test_a_killed_run_goes_on_from_the_last_save(begin: Begin, episodes: Any, step: int) -> None:
    """The log is ahead of the saved state then; its lines are written again, not twice."""

    def die() -> None:
        raise ZeroDivisionError

    unbroken = begin("unbroken")
    unbroken.train(episodes)
    with pytest.raises(ZeroDivisionError):
        run_until(begin("broken"), episodes, step, die)
    resumed = begin("broken", resume=True)
    assert resumed.step == (step - 1) // 2 * 2
    resumed.train(episodes)
    assert_same_run(resumed, unbroken)


def test_a_kill_while_saving_leaves_the_save_before(
    begin: Begin, episodes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbroken, broken = begin("unbroken"), begin("broken")
    unbroken.train(episodes)
    with monkeypatch.context() as patch:

        def half_a_file(_: Any, path: Path) -> None:
            path.write_bytes(b"half")
            raise ZeroDivisionError

        saves = iter([torch.save, half_a_file])
        patch.setattr(torch, "save", lambda *args: next(saves)(*args))
        with pytest.raises(ZeroDivisionError):
            broken.train(episodes)
    assert load_network(broken.folder)
    resumed = begin("broken", resume=True)
    assert resumed.step == 2
    resumed.train(episodes)
    assert_same_run(resumed, unbroken)
    assert not list(broken.folder.glob(".*"))


def test_a_torn_last_line_of_the_log_is_dropped(begin: Begin, episodes: Any) -> None:
    broken = begin()
    with pytest.raises(Interrupted):
        run_until(broken, episodes, 3)
    with (broken.folder / "log.jsonl").open("a") as log:
        log.write('{"step": 4, "lo')
    run = begin(resume=True)
    run.train(episodes)
    assert [line["step"] for line in log_of(run)] == [1, 2, 3, 4, 5, 6]


def test_a_finished_run_has_nothing_more_to_do(begin: Begin, episodes: Any) -> None:
    run = begin()
    run.train(episodes)
    again = begin(resume=True)
    again.train(episodes)
    assert_same_run(again, run)


def test_a_new_run_in_an_old_folder_starts_its_own_log(begin: Begin, episodes: Any) -> None:
    begin(steps=3).train(episodes)
    run = begin(steps=2)
    run.train(episodes)
    assert [line["step"] for line in log_of(run)] == [1, 2]


def test_a_shorter_run_on_the_same_schedule_is_its_beginning(begin: Begin, episodes: Any) -> None:
    """The final run of the command line ends at the best step, but its learning rates are those of the whole."""
    whole, part = begin("whole"), begin("part", steps=3, schedule_steps=6)
    with pytest.raises(Interrupted):
        run_until(whole, episodes, 3)
    part.train(episodes)
    assert same(weights_of(part), weights_of(whole))
    assert log_of(part) == log_of(whole)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"lr": 0.5}, "was begun with training.lr = 0.001, not 0.5: resume with the same settings"),
        ({"batch": 2}, "training.batch = 1, not 2"),
        ({"network": {"alpha": 10.0}}, "network.alpha = 20.0, not 10.0"),
        ({"network": {"stages": (3,)}}, "network.stages = 2, 3, not 3"),
        ({"schedule_steps": 9}, "schedule_steps = 6, not 9"),
        ({"identity": {"data": {"fold": 1}}}, "data.fold = 0, not 1"),
    ],
)
def test_resuming_with_other_settings_names_the_first(begin: Begin, options: dict[str, Any], complaint: str) -> None:
    begin(identity={"data": {"fold": 0}})
    with pytest.raises(InputError, match=complaint):
        begin(resume=True, **options)


def test_settings_that_move_no_weight_may_change(begin: Begin) -> None:
    begin(identity={"device": "cuda"})
    assert begin(resume=True, identity={"device": "cpu"}, workers=2, log_every=9, save_every=9).step == 0


def test_where_nothing_was_begun_there_is_nothing_to_resume(begin: Begin, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no run to resume in .*run: leave out --resume, or name its --out"):
        begin(resume=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 half an archive"])
def test_a_damaged_state_is_an_input_error(begin: Begin, content: bytes) -> None:
    (begin().folder / "training.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"training.pt cannot be read .* start again without --resume"):
        begin(resume=True)


def test_another_programs_state_is_an_input_error(begin: Begin) -> None:
    torch.save({"epoch": 3}, begin().folder / "training.pt")
    with pytest.raises(InputError, match=r"training.pt cannot be read"):
        begin(resume=True)


@pytest.fixture
def handlers() -> Iterator[None]:
    """Fails a test that leaves a signal handler behind."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.usefixtures("handlers")
def test_the_second_interrupt_stops_at_once() -> None:
    with stop_requested() as stopping:
        assert not stopping()
        interrupt()
        assert stopping()
        with pytest.raises(KeyboardInterrupt):
            interrupt()


@pytest.mark.usefixtures("handlers")
def test_training_leaves_no_signal_handler_behind(begin: Begin, episodes: Any) -> None:
    with pytest.raises(Interrupted):
        run_until(begin(), episodes, 1)


@pytest.mark.usefixtures("handlers")
def test_stopping_where_signals_cannot_be_heard() -> None:
    heard: list[bool] = []

    def elsewhere() -> None:
        with stop_requested() as stopping:
            heard.append(stopping())

    thread = Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert heard == [False]


def test_a_loaders_process_leaves_signals_to_its_parent() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        leave_signals_to_the_parent(0)
        assert {signal.getsignal(number) for number in before} == {signal.SIG_IGN}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_signal_to_the_whole_group_stops_after_a_step(begin: Begin, episodes: Any) -> None:
    """As a terminal's Ctrl-C and a job scheduler's SIGTERM do: a worker that died of it would end the run at once."""
    run = begin(workers=1)

    def stop() -> None:
        for child in active_children():
            os.kill(child.pid, signal.SIGTERM)
            child.join(0.2)
            assert child.is_alive()
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match="stopped after step 2"):
        run_until(run, episodes, 2, stop)


def test_training_works_outside_the_main_thread(begin: Begin, episodes: Any) -> None:
    run = begin(steps=1)
    thread = Thread(target=run.train, args=(episodes,))
    thread.start()
    thread.join()
    assert run.step == 1
