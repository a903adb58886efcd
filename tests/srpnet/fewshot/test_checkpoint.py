"""A checkpoint's way to the disk and back, and what a damaged one is told."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants, hub_mixin
from safetensors.torch import load_file, save_file
from torch import Tensor

from episodes.errors import InputError
from srpnet.fewshot import checkpoint as checkpoints
from srpnet.fewshot.checkpoint import load_network
from srpnet.fewshot.network import SRPNet, build
from srpnet.fewshot.settings import NetworkSettings, QueryInference

Tiny = Callable[..., NetworkSettings]
IQI = QueryInference(rounds=2, foreground=0.4, background=0.4)


@pytest.fixture
def trained(tiny: Tiny, cache: Any) -> Callable[..., SRPNet]:
    """A network on ImageNet weights whose head is not the first one, and with `trained="all"` its backbone neither."""

    def make(trained: Any = "head") -> SRPNet:
        network = build(tiny(trained=trained, seen=("cat",), trained_on={"fold": 3, "pairs": {"rule": "x"}}, iqi=IQI))
        network.reset_head(5)
        if trained == "all":
            with torch.no_grad():
                network.backbone.conv1.weight += 1
        return network

    return make


def states_equal(first: SRPNet, second: SRPNet) -> bool:
    states = first.state_dict(), second.state_dict()
    return states[0].keys() == states[1].keys() and all(
        torch.equal(states[0][name], states[1][name]) for name in states[0]
    )


def test_build_takes_named_weights_and_records_their_hash(tiny: Tiny, cache: Any) -> None:
    network = build(tiny())
    assert network.config.backbone == "keras-v1"
    assert network.backbone.convention == "v1"
    assert len(network.config.backbone_sha256) == 64
    assert torch.equal(network.backbone.conv1.weight, cache.state["conv1.weight"])
    assert not network.training
    assert build(tiny(backbone="torchvision-v1.5")).backbone.convention == "v1.5"
    with pytest.raises(InputError, match="have hash"):
        build(tiny(backbone_sha256="0" * 64))


@pytest.mark.parametrize("kind", ["head", "all"])
@pytest.mark.parametrize("write", [SRPNet.write, SRPNet.save_pretrained])
def test_there_and_back(
    trained: Any, cache: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, write: Any
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    network = trained(kind)
    write(network, tmp_path / "run")
    cache.asked.clear()
    for loaded in (SRPNet.from_pretrained(str(tmp_path / "run")), load_network(tmp_path / "run")):
        assert loaded.config == network.config
        assert loaded.config.trained_on == {"fold": 3, "pairs": {"rule": "x"}}
        assert isinstance(loaded.config.iqi, QueryInference)
        assert isinstance(loaded.config.stages, tuple)
        assert states_equal(loaded, network)
        assert not loaded.training
    assert cache.asked == (["keras-v1"] * 2 if kind == "head" else [])


def test_only_what_was_trained_is_stored(trained: Any, tmp_path: Path) -> None:
    for kind in ("head", "all"):
        trained(kind).write(tmp_path / kind)
    assert set(load_file(tmp_path / "head/model.safetensors")) == {"reduce.weight", "reduce.bias"}
    assert (tmp_path / "head/model.safetensors").stat().st_size < 8 * 1536 * 4 + 1000
    assert set(load_file(tmp_path / "all/model.safetensors")) == set(trained("all").state_dict())
    assert {file.name for file in (tmp_path / "head").iterdir()} == {"config.json", "model.safetensors"}


@pytest.mark.parametrize("kind", ["head", "all"])
def test_there_and_back_as_a_small_file(trained: Any, cache: Any, tmp_path: Path, kind: str) -> None:
    network = trained(kind)
    with torch.no_grad():
        for weights in network.parameters():
            if weights.requires_grad:
                weights.mul_(1.01)
    network.write(tmp_path / "whole")
    network.write(tmp_path / "small", small=True)
    whole, small = ((tmp_path / size / "model.safetensors").stat().st_size for size in ("whole", "small"))
    assert small < whole / (1.8 if kind == "head" else 3)
    loaded = load_network(tmp_path / "small")
    assert loaded.config == network.config
    for (name, got), expected in zip(loaded.state_dict().items(), network.state_dict().values(), strict=True):
        assert (got - expected).float().norm() <= 0.1 * expected.float().norm(), name


def test_a_small_file_on_other_weights_is_an_input_error(trained: Any, cache: Any, tmp_path: Path) -> None:
    network = trained("all")
    network.write(tmp_path, small=True)
    edit(tmp_path, backbone_sha256="0" * 64)
    with pytest.raises(InputError, match="have hash"):
        load_network(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_files_follow_the_umask(trained: Any, tmp_path: Path) -> None:
    """safetensors' own `save_file` would let nobody else in a group read them."""
    before = os.umask(0o027)
    try:
        trained().write(tmp_path)
    finally:
        os.umask(before)
    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {
        "config.json": 0o640,
        "model.safetensors": 0o640,
    }


def test_a_network_without_head_is_stored_by_name_alone(tiny: Tiny, cache: Any, tmp_path: Path) -> None:
    network = build(tiny(width=None))
    network.write(tmp_path)
    assert load_file(tmp_path / "model.safetensors") == {}
    assert states_equal(load_network(tmp_path), network)


def test_without_a_checkpoint_the_training_free_network_is_loaded(
    tiny: Tiny, cache: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checkpoints.TRAINING_FREE.width is None
    monkeypatch.setattr(checkpoints, "TRAINING_FREE", tiny(stages=(3,), width=None))
    assert load_network(None).channels == 1024


def edit(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")


def retensor(folder: Path, change: Callable[[dict[str, Tensor]], Any]) -> None:
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors")


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def fine_tuned() -> dict[str, Tensor]:
    """A tensor of the backbone, where config.json says that only the head was trained."""
    return {"backbone.conv1.weight": torch.zeros(64, 3, 7, 7)}


@pytest.mark.parametrize(
    ("hurt", "complaint"),
    [
        (lambda f: edit(f, backbone_sha256="0" * 64), "have hash"),
        (lambda f: edit(f, backbone="vgg"), "no backbone weights are called 'vgg'"),
        (lambda f: edit(f, stages=[7]), "`stages` must be"),
        (lambda f: edit(f, iqi={"circles": 3}), "cannot be loaded: .*circles"),
        (lambda f: edit(f, alpha="much"), "cannot be loaded"),
        (lambda f: edit(f, width=16), r"does not fit its config.json: size mismatch for reduce"),
        (lambda f: edit(f, width=None), "has an unexpected reduce"),
        (lambda f: edit(f, trained="all"), "lacks backbone"),
        (lambda f: (f / "config.json").write_text("{"), "cannot be read"),
        (lambda f: (f / "config.json").write_text("[" * 50_000), "cannot be read .*nested lists or tables"),
        (lambda f: (f / "config.json").write_text('{"width": ' + "9" * 5000 + "}"), "cannot be read"),
        (lambda f: (f / "config.json").write_text('{"alpha": NaN}'), "cannot be read .*NaN"),
        (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"), "cannot be read"),
        (lambda f: fifo(f / "config.json"), r"holds no config.json"),
        (lambda f: fifo(f / "model.safetensors"), r"model.safetensors is a named pipe, not a file"),
        (
            lambda f: edit(f, iqi={"rounds": 10**9}),
            "cannot be loaded: `iqi.rounds` must be a whole number from 0 to 100",
        ),
        (lambda f: edit(f, iqi=[3]), "cannot be loaded: `iqi` must be"),
        (lambda f: edit(f, colour="red"), "holds 'colour', a setting unknown to this version"),
        (lambda f: edit(f, width=True), "`width` must be a whole number"),
        (lambda f: edit(f, width="8"), "`width` must be a whole number"),
        (lambda f: edit(f, width=10**9), "`width` must be a whole number"),
        (lambda f: edit(f, stages=[True, 2]), "`stages` must be a list of whole numbers"),
        (lambda f: edit(f, stages=5), "`stages` must be a list"),
        (lambda f: edit(f, layers=[64] * 4, base_width=256), "config.json describes a network of 969,565,000"),
        (lambda f: edit(f, layers=[1, 1]), "`layers` must be four numbers"),
        (lambda f: edit(f, seen=[3]), "`seen` must be a list of class names"),
        (lambda f: edit(f, trained_on=[]), "`trained_on` must be"),
        (lambda f: edit(f, trained=None), "`trained` must be head or all"),
        (lambda f: edit(f, backbone=["vgg"]), "`backbone` must be text"),
        (lambda f: retensor(f, lambda state: state["reduce.bias"].fill_(torch.nan)), "NaN or infinity in reduce.bias"),
        (lambda f: retensor(f, lambda state: state["reduce.weight"][0].fill_(-torch.inf)), "infinity in reduce.weight"),
        (lambda f: (f / "config.json").unlink(), r"holds no config.json: name a folder"),
        (lambda f: (f / "model.safetensors").write_bytes(b"not tensors"), "cannot be read"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), "cannot be read"),
        (lambda f: (f / "model.safetensors").unlink(), "cannot be read"),
        (lambda f: retensor(f, lambda state: state.pop("reduce.bias")), "lacks reduce.bias"),
        (lambda f: retensor(f, lambda state: state.update(new=torch.ones(1))), "has an unexpected new"),
        (lambda f: retensor(f, lambda state: state.update(fine_tuned())), r"has an unexpected backbone\.conv1\.weight"),
    ],
)
def test_a_damaged_checkpoint_is_an_input_error(trained: Any, tmp_path: Path, hurt: Any, complaint: str) -> None:
    trained().write(tmp_path)
    hurt(tmp_path)
    with pytest.raises(InputError, match=complaint):
        load_network(tmp_path)


@pytest.mark.parametrize("content", ["[]", "3", "null"])
def test_a_config_that_is_no_table_is_an_input_error(trained: Any, tmp_path: Path, content: str) -> None:
    trained().write(tmp_path)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError):
        load_network(tmp_path)


@pytest.mark.parametrize("name", ["nowhere", "./no/where", "/no/where", "~/nowhere", "a/b/c"])
def test_an_unknown_folder_is_an_input_error(name: str) -> None:
    with pytest.raises(InputError, match="there is no checkpoint "):
        load_network(name)


def test_a_hub_name_that_cannot_be_fetched_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no route to the hub")

    monkeypatch.setattr(hub_mixin, "hf_hub_download", refuse)
    with pytest.raises(InputError, match="somebody/network cannot be loaded: no route"):
        load_network("somebody/network")


def test_weights_that_overflow_are_an_input_error(trained: Any, tmp_path: Path) -> None:
    trained("all").write(tmp_path)
    retensor(tmp_path, lambda state: state.update({name: value * 1e30 for name, value in state.items()}))
    with pytest.raises(InputError, match="produces infinite features"):
        load_network(tmp_path)


def test_a_negative_variance_is_an_input_error(trained: Any, tmp_path: Path) -> None:
    trained("all").write(tmp_path)
    retensor(tmp_path, lambda state: state["backbone.bn1.running_var"].neg_())
    with pytest.raises(InputError, match=r"a negative variance in backbone\.bn1\.running_var"):
        load_network(tmp_path)


@pytest.mark.parametrize(
    "hurt",
    [
        lambda state: state.update({name: value[:-1] for name, value in state.items() if name.endswith(".step")}),
        lambda state: state.update({name: value.float() for name, value in state.items() if "difference" in name}),
        lambda state: state.update({"backbone.conv1.weight.difference": torch.tensor(3, dtype=torch.uint8)}),
    ],
)
def test_a_small_file_of_another_shape_is_an_input_error(trained: Any, tmp_path: Path, hurt: Any) -> None:
    trained("all").write(tmp_path, small=True)
    retensor(tmp_path, hurt)
    with pytest.raises(InputError, match="is stored as a difference to other weights"):
        load_network(tmp_path)


def test_a_revision_of_a_hub_name_is_asked_for(trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the hub's own cache, as it would lie there."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--somebody--network"
    commit = "0123456789abcdef" * 2 + "01234567"
    trained().write(folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs" / "v1").write_text(commit)
    assert load_network("somebody/network@v1").config.seen == ("cat",)
    assert load_network(f"somebody/network@{commit}").config.seen == ("cat",)
    for name in ("somebody/network@v2", "somebody/network"):
        with pytest.raises(InputError, match="cannot be loaded"):
            load_network(name)
