"""SRPNet in training: its loss on episodes, what learns at which rate, and what the log says."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from episodes.errors import InputError
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.training.batches import EpisodeTensors
from srpnet.fewshot.training.losses import segmentation_loss
from srpnet.fewshot.training.settings import FewShotLoopSettings
from srpnet.fewshot.training.trainable import TrainableSRPNet
from srpnet.nn.grid import upsample
from srpnet.training.optimizer import OPTIMIZERS
from tests.srpnet.runs import FP32, Begin


def losses_of(network: SRPNet, episodes: list[EpisodeTensors], settings: FewShotLoopSettings) -> Tensor:
    return TrainableSRPNet(network, settings, FP32).losses(episodes).total


def test_the_loss_is_the_mean_over_episodes_of_each_ones_own(network: SRPNet, squares: Callable[..., Any]) -> None:
    """Episodes of unequal numbers of supports, in one pass; lambda weighs the restored supports."""
    settings = FewShotLoopSettings(support_weight=0.3, train_rounds=1)
    mixed = [EpisodeTensors.of(episode) for episode in (squares()[0], squares(way=2, shot=2)[1])]
    together = losses_of(network, mixed, settings)
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
    settings = FewShotLoopSettings(support_weight=0.3, both_ways=True, train_rounds=1)
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
    each = [losses_of(network, [way], one_way) for way in (episode, reverse)]
    both = TrainableSRPNet(network, settings, FP32).losses([episode])
    torch.testing.assert_close(both.total, (each[0] + each[1]) / 2)
    torch.testing.assert_close(both.logged["loss"], each[0])
    assert not torch.allclose(each[0], each[1])


def test_one_vs_rest_is_the_mean_of_the_ways_alone(network: SRPNet, squares: Callable[..., Any]) -> None:
    """Of each way its own shots, against which all else is background, on every query."""
    episode = EpisodeTensors.of(squares(way=2, shot=2, query_count=3)[1])
    settings = FewShotLoopSettings(support_weight=0.3, one_vs_rest=True, train_rounds=1)
    alone = []
    for way, shots in ((1, slice(0, 2)), (2, slice(2, 4))):
        labels = [
            torch.where(each == 255, 255, (each == way).byte())
            for each in (episode.support_labels, episode.query_labels)
        ]
        assert {1, 2} <= set(episode.query_labels.flatten().tolist())
        alone.append(
            episode._replace(
                classes=(episode.classes[way - 1],),
                support_images=episode.support_images[shots],
                support_labels=labels[0][shots],
                support_valid=episode.support_valid[shots],
                membership=torch.ones(2, 1, dtype=torch.bool),
                query_labels=labels[1],
                support_ids=episode.support_ids[shots],
            )
        )
    single = replace(settings, one_vs_rest=False)
    expected = torch.stack([losses_of(network, [each], single) for each in alone])
    both = TrainableSRPNet(network, settings, FP32).losses([episode])
    torch.testing.assert_close(both.total[0], expected.mean())
    torch.testing.assert_close(both.logged["loss"], expected[:, 0])


def test_a_query_without_the_way_weighs_less(network: SRPNet, squares: Callable[..., Any]) -> None:
    episode = EpisodeTensors.of(squares(query_count=2)[0])
    labels = episode.query_labels.clone()
    labels[1] = 0
    episode = episode._replace(query_labels=labels)
    each = [
        losses_of(
            network,
            [
                episode._replace(
                    query_images=episode.query_images[query : query + 1],
                    query_labels=labels[query : query + 1],
                    query_valid=episode.query_valid[query : query + 1],
                )
            ],
            FewShotLoopSettings(support_weight=0),
        )
        for query in range(2)
    ]
    weighted = losses_of(network, [episode], FewShotLoopSettings(support_weight=0, absent_weight=0.25))
    torch.testing.assert_close(weighted, (each[0] + 0.25 * each[1]) / 1.25)


def test_an_episode_whose_queries_lack_a_way_has_no_reverse(squares: Callable[..., Any]) -> None:
    episode = EpisodeTensors.of(squares()[0])
    assert episode.reversed() is not None
    assert episode._replace(query_labels=torch.zeros_like(episode.query_labels)).reversed() is None


def test_a_support_that_lost_its_object_is_named(network: SRPNet, squares: Callable[..., Any]) -> None:
    episode = EpisodeTensors.of(squares()[0])
    gone = episode._replace(support_labels=torch.zeros_like(episode.support_labels))
    with pytest.raises(InputError, match=f"way 1 is left in the support mask of {episode.support_ids[0]}:"):
        losses_of(network, [gone], FewShotLoopSettings())


def test_head_and_backbone_have_their_own_rates(tiny: Callable[..., Any]) -> None:
    settings = FewShotLoopSettings(lr=0.5, backbone_lr=0.25, weight_decay=0.125, optimizer="sgd")

    def groups_of(**network: Any) -> Any:
        groups = TrainableSRPNet(SRPNet(tiny(**network)), settings, FP32).groups()
        return OPTIMIZERS[settings.optimizer](groups, settings).param_groups

    groups = groups_of(trained="all")
    assert [(group["peak"], group["weight_decay"], group["momentum"]) for group in groups] == [
        (0.5, 0.125, 0.9),
        (0.25, 0.125, 0.9),
    ]
    assert len(groups_of()) == 1
    (headless,) = groups_of(width=None, trained="all")
    assert headless["peak"] == 0.25


def test_nothing_to_train_is_an_input_error(begin: Begin) -> None:
    with pytest.raises(InputError, match="nothing to train: give it a head"):
        begin(trained="head", network={"width": None})
