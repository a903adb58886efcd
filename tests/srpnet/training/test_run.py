"""Training: it learns, and the batch is one mean however it is cut."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_type_hints

import pytest
import torch
from torch import Tensor, nn

from episodes.errors import InputError
from srpnet.fewshot.training.settings import FewShotLoopSettings
from srpnet.training.optimizer import OPTIMIZERS, SCHEDULES, lr_factor
from srpnet.training.run import Losses, Trainable, TrainingRun, best_step
from srpnet.training.settings import LoopSettings
from tests.srpnet.runs import Begin, assert_same_run, log_of, same, weights_of

# ------------------------------------------------------------------------------------------ whatever the method


class Point(NamedTuple):
    """A point of a line."""

    x: Tensor
    y: Tensor


class Line(Trainable):
    """y = 3 x, to be found from points."""

    unit = "points"

    def __init__(self, settings: LoopSettings) -> None:
        self.module: nn.Linear = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.module.weight)
        self.settings = settings

    def identity(self) -> Mapping[str, Any]:
        return {"training": self.settings}

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.module.parameters()), "peak": self.settings.lr}]

    @staticmethod
    def load(item: float, /) -> Point:
        return Point(torch.tensor([item]), torch.tensor([3 * item]))

    def losses(self, batch: Sequence[Point], /) -> Losses:
        loss = torch.stack([(self.module(point.x) - point.y).square().sum() for point in batch])
        return Losses(loss, {"loss": loss, "distance": loss.sqrt()})

    def write(self, folder: Path, /) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "slope").write_text(str(self.module.weight.item()))


def test_the_loop_trains_whatever_it_is_given(tmp_path: Path) -> None:
    settings = LoopSettings(steps=200, batch=2, lr=0.1, warmup=0, workers=0, log_every=100)
    heard: list[Any] = []
    points = [((index % 7) - 3) / 3 for index in range(400)]
    TrainingRun(Line(settings), tmp_path / "run").train(points, heard.append)
    assert float((tmp_path / "run/slope").read_text()) == pytest.approx(3, abs=1e-3)
    assert list(heard[-1].figures) == ["loss", "distance", "lr", "points_per_second"]
    assert heard[-1].figures["distance"] < heard[0].figures["distance"]
    TrainingRun(Line(settings), tmp_path / "run", resume=True).train(points)


@pytest.mark.parametrize(("name", "table"), [("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)])
def test_every_choice_is_in_its_table(name: str, table: dict[str, Any]) -> None:
    assert set(get_args(get_type_hints(LoopSettings)[name])) == set(table)


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
        figures = progress.figures
        assert figures["loss"] == pytest.approx(figures["query_loss"] + 0.5 * figures["support_loss"], rel=1e-5)
        assert 0 <= figures["query_miou"] <= 1
        assert 0 <= figures["support_miou"] <= 1
        assert figures["episodes_per_second"] > 0
        assert progress.validation is None
    names = ("step", "loss", "query_loss", "support_loss", "query_miou", "support_miou", "lr", "validation")
    assert tuple(log_of(run)[0]) == names


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
    norms = {
        f"{name}." for name, part in run.trainable.module.named_modules() if isinstance(part, torch.nn.BatchNorm2d)
    }
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
        gradients = {f"gradient of {n}": p.grad for n, p in run.trainable.module.named_parameters() if p.requires_grad}
        states.append(weights_of(run) | gradients)
    for other in states[1:]:
        torch.testing.assert_close(other, states[0], rtol=1e-4, atol=1e-6)


def test_gradients_are_clipped(begin: Begin, episodes: Any) -> None:
    norms = {}
    for clip in (0.0, 1e-3):
        run = begin(str(clip), steps=1, clip=clip)
        run.train(episodes)
        gradients = [weights.grad for weights in run.trainable.module.parameters() if weights.grad is not None]
        norms[clip] = torch.stack([gradient.norm() for gradient in gradients]).norm().item()
    assert norms[0.0] > 0.01
    assert norms[1e-3] == pytest.approx(1e-3, rel=1e-2)


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
    settings = FewShotLoopSettings(schedule=schedule, warmup=warmup)
    assert lr_factor(step, settings, 104) == pytest.approx(expected, abs=1e-12)


def test_the_rate_that_is_logged_follows_the_schedule(begin: Begin, episodes: Any) -> None:
    run = begin(lr=0.01)
    run.train(episodes)
    expected = [0.01 * lr_factor(step, run.settings, 6) for step in range(6)]
    assert [line["lr"] for line in log_of(run)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"steps": 0}, "`steps` must be a whole number from 1 to 10000000, not 0"),
        ({"save_every": 0}, "`save_every` must be a whole number from 1"),
        ({"warmup": -1}, "`warmup` must be a whole number from 0"),
        ({"support_weight": -0.1}, "`support_weight` must be a number from 0 to 1000, not -0.1"),
        ({"lr": 0.0}, "`lr` must be a number above 0"),
        ({"backbone_lr": -1.0}, "`backbone_lr` must be a number above 0"),
        ({"optimizer": "adam"}, "`optimizer` must be adamw or sgd, not 'adam'"),
        ({"schedule": "step"}, "`schedule` must be cosine or poly, not 'step'"),
        ({"batch": 4, "accumulate": 3}, "3 backward passes do not divide a batch of 4"),
        ({"lr": math.nan}, "`lr` must be a number above 0 and at most 1000, not nan"),
        ({"lr": math.inf}, "`lr` must be a number .*, not inf"),
        ({"backbone_lr": math.nan}, "`backbone_lr` must be a number .*, not nan"),
        ({"weight_decay": math.nan}, "`weight_decay` must be a number .*, not nan"),
        ({"support_weight": math.inf}, "`support_weight` must be a number .*, not inf"),
        ({"clip": math.nan}, "`clip` must be a number .*, not nan"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        FewShotLoopSettings(**options)


def test_an_infinite_loss_is_an_input_error_that_moves_no_weight(
    begin: Begin, episodes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the four episodes of step 3, the last has no number for a loss; the first two have gone backward by then."""
    run = begin(steps=4, batch=4, accumulate=2, save_every=2)
    before: dict[str, Tensor] = {}
    losses = run.trainable.losses

    def hurt(batch: Any) -> Losses:
        healthy = losses(batch)
        if run.step == 2 and not before:
            before.update(weights_of(run))
            return healthy
        return healthy._replace(total=healthy.total * torch.tensor([1.0, math.nan])) if before else healthy

    monkeypatch.setattr(run.trainable, "losses", hurt)
    with pytest.raises(InputError, match="the loss of step 3 is NaN or infinite: try a lower `lr`"):
        run.train(episodes)
    assert same(weights_of(run), before)
    assert [line["step"] for line in log_of(run)] == [1, 2]
    resumed = begin(steps=4, batch=4, accumulate=2, save_every=2, resume=True)
    assert resumed.step == 2
    assert all(value.isfinite().all() for value in weights_of(resumed).values())


@pytest.mark.parametrize("clip", [0.0, 1.0])
def test_an_infinite_gradient_moves_no_weight_either(begin: Begin, episodes: Any, clip: float) -> None:
    run = begin(steps=2, batch=1, clip=clip)
    before = {name: value.clone() for name, value in weights_of(run).items()}
    run.trainable.module.reduce.weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(InputError, match="the gradient of step 1 is NaN or infinite"):
        run.train(episodes)
    assert same(weights_of(run), before)


# ------------------------------------------------------------------------------------------------- validation


def test_validation_scores_are_kept(begin: Begin, episodes: Any) -> None:
    scores = iter([0.2, 0.6, 0.6])
    run = begin(steps=5, validate_every=2, log_every=4)

    def validate() -> float:
        run.trainable.module.eval()
        return next(scores)

    run.train(episodes, validate=validate)
    assert run.validations == {2: 0.2, 4: 0.6, 5: 0.6}
    assert [(line["step"], line["validation"]) for line in log_of(run)] == [(2, 0.2), (4, 0.6), (5, 0.6)]
    assert run.trainable.module.training
    assert begin(steps=5, validate_every=2, log_every=4, resume=True).validations == run.validations


@pytest.mark.parametrize(
    ("validations", "expected"), [({1: 0.5}, 1), ({10: 0.5, 20: 0.7, 30: 0.6}, 20), ({30: 0.7, 20: 0.7}, 20)]
)
def test_the_earliest_of_the_best_steps_wins(validations: dict[int, float], expected: int) -> None:
    assert best_step(validations) == expected
