"""Trainings that begin with the weights of another network."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from episodes.errors import InputError
from srpnet.fewshot.checkpoint import load_network
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.settings import NetworkSettings
from srpnet.fewshot.training.settings import FewShotTrainSettings
from srpnet.fewshot.training.train import run_training


@pytest.fixture
def further(training: FewShotTrainSettings, checkpoint: str) -> FewShotTrainSettings:
    """One step, so small that nothing moves, from the network that the checkpoint holds."""
    still = replace(training.training, steps=1, lr=1e-30, weight_decay=0.0)
    return replace(training, hold_back="none", start=checkpoint, training=still)


def trained(settings: FewShotTrainSettings, out: Path) -> SRPNet:
    return load_network(run_training(settings, out, say=lambda _: None))


def test_it_begins_where_the_other_ended(further: FewShotTrainSettings, checkpoint: str, tmp_path: Path) -> None:
    network, begun = trained(further, tmp_path / "further"), load_network(checkpoint)
    assert all(torch.allclose(value, begun.state_dict()[name]) for name, value in network.state_dict().items())
    fresh = trained(replace(further, start=None), tmp_path / "fresh")
    assert not torch.allclose(fresh.state_dict()["reduce.weight"], begun.state_dict()["reduce.weight"])


def test_what_the_other_saw_counts_as_seen(further: FewShotTrainSettings, checkpoint: str, tmp_path: Path) -> None:
    fewer = replace(further, exclude_classes=("bus",))
    with pytest.raises(InputError, match="checkpoint was trained on bus, which must stay unseen: start with another"):
        trained(fewer, tmp_path / "excluded")
    with pytest.raises(InputError, match="was trained on cat, which must stay unseen"):
        trained(replace(further, hold_back="cat"), tmp_path / "held-back")
    config = trained(further, tmp_path / "further").config
    assert config.seen == ("bus", "car", "cat")
    assert config.trained_on["start"]["model"] == "checkpoint"
    assert config.trained_on["start"]["steps"] == 2
    assert str(tmp_path) not in str(config.trained_on)


def test_classes_of_both_are_seen(training: FewShotTrainSettings, checkpoint: str, tmp_path: Path) -> None:
    """As for photographs of things that the first data set does not have."""
    other = load_network(checkpoint)
    other.config = replace(other.config, seen=("pot plant", "cat"))
    other.write(tmp_path / "other")
    settings = replace(training, hold_back="none", start=str(tmp_path / "other"))
    assert trained(settings, tmp_path / "both").config.seen == ("bus", "car", "cat", "pot plant")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"width": 16}, "checkpoint has `width` 8, not 16: give it the same"),
        ({"stages": (3,)}, r"has `stages` 2,3, not \(3,\): give it the same"),
        ({"backbone": "torchvision-v1.5"}, "began with the weights .*, not torchvision-v1.5: give it the same"),
    ],
)
def test_networks_that_do_not_fit_are_refused(
    further: FewShotTrainSettings, change: dict[str, object], line: str, tmp_path: Path
) -> None:
    network: NetworkSettings = replace(further.network, **change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=line):
        trained(replace(further, network=network), tmp_path / "further")
    assert not (tmp_path / "further/config.json").exists()


def test_a_head_does_not_go_on_from_a_trained_backbone(further: FewShotTrainSettings, tmp_path: Path) -> None:
    whole = replace(further, start=None, network=replace(further.network, trained="all"))
    trained(whole, tmp_path / "whole")
    with pytest.raises(InputError, match=r"the backbone of .*whole was trained.*: use `trained` all"):
        trained(replace(further, start=str(tmp_path / "whole")), tmp_path / "head")
    also = replace(whole, start=str(tmp_path / "whole"))
    assert trained(also, tmp_path / "also").config.trained_on["start"]["model"] == "whole"
