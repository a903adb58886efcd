"""Training: it learns, and the batch is one mean however it is cut."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from episodes.errors import InputError
from srpnet.fewshot.batches import EpisodeTensors
from srpnet.fewshot.losses import segmentation_loss
from srpnet.fewshot.network import SRPNet
from srpnet.nn.grid import upsample
from srpnet.training import run as training
from srpnet.training.log import Meter
from srpnet.training.run import best_step, episode_losses
from srpnet.training.settings import TrainingSettings, lr_factor, make_optimizer
from tests.srpnet.runs import FP32, Begin, assert_same_run, log_of, same, weights_of

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


def test_both_ways_is_the_mean_of_an_episode_and_its_reverse(network: SRPNet, squares: Callable[..., Any]) -> None:
    episode = EpisodeTensors.of(squares(shot=2)[0])
    settings = TrainingSettings(support_weight=0.3, both_ways=True, train_rounds=1)
    reverse = EpisodeTensors(
        episode.classes,
        episode.query_images,
        episode.query_labels,
        episode.query_valid,
        torch.ones(1, 1, dtype=torch.bool),
        episode.support_images,
        episode.support_labels,
        episode.support_valid,
    )
    one_way = replace(settings, both_ways=False)
    each = [episode_losses(network, [way], one_way, FP32, Meter()) for way in (episode, reverse)]
    both = episode_losses(network, [episode], settings, FP32, Meter())
    torch.testing.assert_close(both, (each[0] + each[1]) / 2)
    assert not torch.allclose(each[0], each[1])


def test_an_episode_whose_queries_lack_a_way_has_no_reverse(squares: Callable[..., Any]) -> None:
    episode = EpisodeTensors.of(squares()[0])
    assert episode.reversed() is not None
    assert episode._replace(query_labels=torch.zeros_like(episode.query_labels)).reversed() is None


def test_a_support_that_lost_its_object_is_named(network: SRPNet, squares: Callable[..., Any]) -> None:
    episode = EpisodeTensors.of(squares()[0])
    gone = episode._replace(support_labels=torch.zeros_like(episode.support_labels))
    with pytest.raises(InputError, match=f"way 1 is left in the support mask of {episode.support_ids[0]}:"):
        episode_losses(network, [gone], TrainingSettings(), FP32, Meter())


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
        ({"steps": 0}, "steps must be a whole number from 1 to 10000000, not 0"),
        ({"save_every": 0}, "save every must be a whole number from 1"),
        ({"warmup": -1}, "warmup must be a whole number from 0"),
        ({"support_weight": -0.1}, "support weight must be a number from 0 to 1000, not -0.1"),
        ({"lr": 0.0}, "lr must be a number above 0"),
        ({"backbone_lr": -1.0}, "backbone lr must be a number above 0"),
        ({"optimizer": "adam"}, "optimizer must be adamw or sgd, not 'adam'"),
        ({"schedule": "step"}, "schedule must be cosine or poly, not 'step'"),
        ({"batch": 4, "accumulate": 3}, "3 backward passes do not divide a batch of 4 episodes"),
        ({"lr": math.nan}, "lr must be a number above 0 and at most 1000, not nan"),
        ({"lr": math.inf}, "lr must be a number .*, not inf"),
        ({"backbone_lr": math.nan}, "backbone lr must be a number .*, not nan"),
        ({"weight_decay": math.nan}, "weight decay must be a number .*, not nan"),
        ({"support_weight": math.inf}, "support weight must be a number .*, not inf"),
        ({"clip": math.nan}, "clip must be a number .*, not nan"),
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
