"""The network: shapes, episodes in one pass, precision, and a checkpoint's way to the disk and back."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants, hub_mixin
from safetensors.torch import load_file, save_file
from torch import Tensor

from episodes.errors import InputError
from srpnet import checkpoints
from srpnet.checkpoints import load_network
from srpnet.grid import average, upsample
from srpnet.inference import QueryInference, infer
from srpnet.network import SRPNet, build
from srpnet.prototypes import support_prototypes
from srpnet.settings import NetworkSettings

Tiny = Callable[..., NetworkSettings]
Noise = Callable[..., Tensor]
IQI = QueryInference(rounds=2, foreground=0.4, background=0.4)


def images(noise: Noise, count: int, seed: int = 0) -> Tensor:
    return noise(count, 3, 64, 64, seed=seed, dtype=torch.float32).sigmoid()


def supports(noise: Noise) -> tuple[Tensor, Tensor, Tensor]:
    """Images, labels and membership of a 2-way episode with one shot each."""
    labels = torch.zeros(2, 64, 64, dtype=torch.uint8)
    labels[0, 10:30, 20:60], labels[1, 20:50, :20], labels[:, 60:] = 1, 2, 255
    return images(noise, 2), labels, torch.eye(2, dtype=torch.bool)


# ------------------------------------------------------------------------------------------------- the maths


@pytest.mark.parametrize("output_stride", [8, 16, 32])
@pytest.mark.parametrize(
    ("stages", "channels", "stride"), [((4,), 2048, None), ((2, 3), 1536, 8), ((1, 2, 4), 2816, 4), ((3,), 1024, 16)]
)
def test_shape_of_the_feature_map(
    tiny: Tiny, noise: Noise, output_stride: Any, stages: tuple[int, ...], channels: int, stride: int | None
) -> None:
    network = SRPNet(tiny(stages=stages, output_stride=output_stride, width=None)).eval()
    side = 64 // min(stride or 32, output_stride)
    assert network.channels == channels
    assert network.encode(images(noise, 1)).shape == (1, channels, side, side)


@pytest.mark.parametrize("relu", [True, False])
def test_the_pyramid_is_upsampled_concatenated_and_reduced(tiny: Tiny, noise: Noise, relu: bool) -> None:
    network = SRPNet(tiny(stages=(2, 3, 4), output_stride=32, relu=relu)).eval()
    normalised = (images(noise, 1) - network.mean) / network.std
    maps = network.backbone(normalised)
    levels = [upsample(each, (8, 8), times) for each, times in zip(maps, (1, 2, 4), strict=True)]
    assert [each.shape[-1] for each in maps] == [8, 4, 2]
    weight, bias = network.reduce.weight[:, :, 0, 0], network.reduce.bias
    expected = torch.einsum("bchw,dc->bdhw", torch.cat(levels, 1), weight) + bias[:, None, None]
    torch.testing.assert_close(
        network.encode(images(noise, 1)), expected.relu() if relu else expected, rtol=1e-4, atol=1e-4
    )
    assert (expected < 0).any()


@pytest.mark.parametrize("size", [(64, 64), (57, 90), (32, 33)])
def test_any_image_size(network: SRPNet, noise: Noise, size: tuple[int, int]) -> None:
    maps = network.encode(noise(1, 3, *size, dtype=torch.float32))
    assert maps.shape == (1, 8, -(-size[0] // 8), -(-size[1] // 8))


@pytest.mark.parametrize(("stages", "output_stride"), [((2, 3), 8), ((1, 4), 16)])
def test_photographs_of_a_batch_do_not_see_each_other(
    tiny: Tiny, noise: Noise, stages: tuple[int, ...], output_stride: Any
) -> None:
    """On the CPU they are encoded one by one, which must be what the backbone makes of them at once."""
    network = SRPNet(tiny(stages=stages, output_stride=output_stride, width=None)).eval()
    sizes, backbone = [], network.backbone.forward
    network.backbone.forward = lambda batch: sizes.append(len(batch)) or backbone(batch)  # type: ignore[method-assign]
    batch = images(noise, 3)
    together = network.encode(batch)
    assert sizes == [1, 1, 1]
    assert torch.equal(together, torch.cat([network.encode(photograph[None]) for photograph in batch]))
    levels = backbone((batch - network.mean) / network.std)
    finest = levels[0].shape[1]
    torch.testing.assert_close(together[:, :finest], levels[0], rtol=1e-4, atol=1e-5)
    times = network.backbone.strides[1] // network.stride
    torch.testing.assert_close(
        together[:, finest:], upsample(levels[1], levels[0].shape[-2:], times), rtol=1e-4, atol=1e-5
    )


def test_a_batch_has_the_gradients_of_its_photographs(tiny: Tiny, noise: Noise) -> None:
    network = SRPNet(tiny(trained="all")).eval()
    batch, gradients = images(noise, 2), []
    for parts in ([batch], batch.split(1)):
        network.zero_grad()
        sum(network.encode(part).square().sum() for part in parts).backward()
        gradients.append(
            {name: value.grad.clone() for name, value in network.named_parameters() if value.requires_grad}
        )
    torch.testing.assert_close(*gradients)


def test_answer_is_the_half_of_forward_that_needs_no_photograph(network: SRPNet, noise: Noise) -> None:
    photographs, labels, membership = supports(noise)
    queries, valid = images(noise, 2, seed=1), torch.ones(2, 64, 64, dtype=torch.bool)
    valid[0, :, 30:] = False
    whole = network(photographs, labels, membership, queries, valid, IQI)
    half = network.answer(network.encode(photographs), labels, membership, network.encode(queries), valid, IQI)
    assert torch.equal(half.queries, whole.queries)
    assert torch.equal(half.supports, whole.supports)


@pytest.mark.parametrize(("stages", "output_stride", "stride"), [((1, 3), 8, 4), ((2,), 8, 8), ((3, 4), 16, 16)])
def test_the_grid_of_the_finest_stage_is_used_throughout(
    tiny: Tiny, noise: Noise, stages: tuple[int, ...], output_stride: Any, stride: int
) -> None:
    """For prototypes, for padding and for the way back to the pixels."""
    network = SRPNet(tiny(stages=stages, output_stride=output_stride)).eval()
    assert network.stride == stride
    photographs, labels, membership = supports(noise)
    features = network.encode(photographs)
    size = (features.shape[-2], features.shape[-1])
    prototypes = network.prototypes(features, labels, membership)
    torch.testing.assert_close(prototypes, support_prototypes(features, labels, membership, stride))
    valid = torch.ones(2, 64, 64, dtype=torch.bool)
    valid[:, 44:] = False
    expected = infer(features, prototypes, average(valid.float(), size, stride), iqi=IQI)
    logits = network.segment(features, prototypes, valid, IQI)
    torch.testing.assert_close(logits, expected)
    torch.testing.assert_close(network.upsample(logits, torch.Size((2, 64, 64))), upsample(logits, (64, 64), stride))
    assert (logits - network.segment(features, prototypes, iqi=IQI)).abs().max() > 1e-5


def test_forward_equals_encoding_separately(network: SRPNet, noise: Noise) -> None:
    photographs, labels, membership = supports(noise)
    queries, valid = images(noise, 3, seed=1), torch.ones(3, 64, 64, dtype=torch.bool)
    valid[1, 40:] = False
    logits = network(photographs, labels, membership, queries, valid, IQI)
    features = torch.cat([network.encode(photograph[None]) for photograph in photographs])
    prototypes = network.prototypes(features, labels, membership)
    expected = [
        network.segment(network.encode(queries[q : q + 1]), prototypes, valid[q : q + 1], IQI) for q in range(3)
    ]
    assert logits.queries.shape == (3, 3, 8, 8)
    assert logits.supports.shape == (2, 3, 8, 8)
    torch.testing.assert_close(logits.queries, torch.cat(expected), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(logits.supports, network.segment(features, prototypes), rtol=1e-4, atol=1e-4)


def test_settings_reach_the_maths(tiny: Tiny, noise: Noise) -> None:
    episode = (*supports(noise), images(noise, 1, seed=1))
    usual = SRPNet(tiny())(*episode).queries
    torch.testing.assert_close(SRPNet(tiny(alpha=10.0))(*episode).queries * 2, usual)
    for other in ({"similarity": "cosine"}, {"pooling": "mask"}, {"relu": False}):
        assert (SRPNet(tiny(**other))(*episode).queries - usual).abs().max() > 1e-4


def test_under_bfloat16_prototypes_and_logits_are_float32(network: SRPNet, noise: Noise) -> None:
    photographs, labels, membership = supports(noise)
    with torch.autocast("cpu", torch.bfloat16):
        features = network.encode(photographs)
        prototypes = network.prototypes(features, labels, membership)
        logits = network.segment(features, prototypes, iqi=IQI)
        scores = network.upsample(logits, (64, 64))
    assert features.dtype == torch.bfloat16
    assert prototypes.dtype == logits.dtype == scores.dtype == torch.float32
    torch.testing.assert_close(scores, network.upsample(logits, (64, 64)), rtol=0, atol=0)
    torch.testing.assert_close(prototypes, network.prototypes(features.float(), labels, membership), rtol=0, atol=0)
    torch.testing.assert_close(logits, network.segment(features.float(), prototypes, iqi=IQI), rtol=0, atol=0)


def test_in_float64_everything_stays_float64(network: SRPNet, noise: Noise) -> None:
    photographs, labels, membership = supports(noise)
    logits = network.double()(photographs.double(), labels, membership, photographs.double(), iqi=IQI)
    assert logits.queries.dtype == logits.supports.dtype == torch.float64


@pytest.mark.usefixtures("global_state")
def test_construction_leaves_the_global_random_state(tiny: Tiny) -> None:
    SRPNet(tiny()).reset_head(3)


def test_the_head_is_drawn_from_its_seed_alone(network: SRPNet, tiny: Tiny) -> None:
    def head(seed: int) -> Tensor:
        network.reset_head(seed)
        return network.reduce.weight.detach().clone()

    first, other = head(1), head(2)
    torch.rand(5)
    assert torch.equal(head(1), first)
    assert not torch.equal(other, first)
    assert torch.equal(head(0), SRPNet(tiny()).reduce.weight)
    assert (network.reduce.bias == 0).all()


@pytest.mark.parametrize(("trained", "convolutions"), [("head", False), ("all", True)])
def test_what_is_trainable(tiny: Tiny, trained: Any, convolutions: bool) -> None:
    network = SRPNet(tiny(trained=trained))
    trainable = {name for name, value in network.named_parameters() if value.requires_grad}
    assert {"reduce.weight", "reduce.bias"} <= trainable
    assert ("backbone.conv1.weight" in trainable) == convolutions
    assert not any("bn" in name or "downsample.1" in name for name in trainable)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"backbone": "vgg"}, "no backbone weights are called 'vgg'"),
        ({"stages": ()}, "stages must be different and ascending"),
        ({"stages": (0, 1)}, "stages must be"),
        ({"frozen_stages": 5}, "4 stages to freeze"),
        ({"stages": (3, 2)}, "stages must be"),
        ({"stages": (3, 3)}, "stages must be"),
        ({"width": 0}, "width must be positive, not 0"),
        ({"alpha": 0.0}, "alpha must be positive, not 0"),
        ({"pooling": "max"}, "pooling must be feature or mask, not 'max'"),
        ({"similarity": "l2"}, "similarity must be fidelity or cosine, not 'l2'"),
        ({"trained": "tail"}, "trained must be head or all, not 'tail'"),
        ({"iqi": {"rounds": -1}}, "rounds must be 0 or more"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        NetworkSettings(**options)


def test_settings_survive_json() -> None:
    trained_on = {"data": "pascal", "fold": 2, "unseen_share": 0.25, "pairs": {"sha256": "ab", "missing": 0}}
    settings = NetworkSettings(
        stages=(2, 4), seen=("cat", "dog"), trained_on=trained_on, iqi=IQI, layers=(1, 1, 1, 1), width=None
    )
    assert NetworkSettings(**json.loads(json.dumps(asdict(settings)))) == settings


# ---------------------------------------------------------------------------------------------- checkpoints


@pytest.fixture
def trained(tiny: Tiny, shelf: Any) -> Callable[..., SRPNet]:
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


def test_build_takes_named_weights_and_records_their_hash(tiny: Tiny, shelf: Any) -> None:
    network = build(tiny())
    assert network.config.backbone == "keras-v1"
    assert network.backbone.convention == "v1"
    assert len(network.config.backbone_sha256) == 64
    assert torch.equal(network.backbone.conv1.weight, shelf.state["conv1.weight"])
    assert not network.training
    assert build(tiny(backbone="torchvision-v1.5")).backbone.convention == "v1.5"
    with pytest.raises(InputError, match="have hash"):
        build(tiny(backbone_sha256="0" * 64))


@pytest.mark.parametrize("kind", ["head", "all"])
@pytest.mark.parametrize("write", [SRPNet.write, SRPNet.save_pretrained])
def test_there_and_back(
    trained: Any, shelf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, write: Any
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    network = trained(kind)
    write(network, tmp_path / "run")
    shelf.asked.clear()
    for loaded in (SRPNet.from_pretrained(str(tmp_path / "run")), load_network(tmp_path / "run")):
        assert loaded.config == network.config
        assert loaded.config.trained_on == {"fold": 3, "pairs": {"rule": "x"}}
        assert isinstance(loaded.config.iqi, QueryInference)
        assert isinstance(loaded.config.stages, tuple)
        assert states_equal(loaded, network)
        assert not loaded.training
    assert shelf.asked == (["keras-v1"] * 2 if kind == "head" else [])


def test_only_what_was_trained_is_stored(trained: Any, tmp_path: Path) -> None:
    for kind in ("head", "all"):
        trained(kind).write(tmp_path / kind)
    assert set(load_file(tmp_path / "head/model.safetensors")) == {"reduce.weight", "reduce.bias"}
    assert (tmp_path / "head/model.safetensors").stat().st_size < 8 * 1536 * 4 + 1000
    assert set(load_file(tmp_path / "all/model.safetensors")) == set(trained("all").state_dict())
    assert {file.name for file in (tmp_path / "head").iterdir()} == {"config.json", "model.safetensors"}


@pytest.mark.parametrize("kind", ["head", "all"])
def test_there_and_back_as_a_small_file(trained: Any, shelf: Any, tmp_path: Path, kind: str) -> None:
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


def test_a_small_file_on_other_weights_is_an_input_error(trained: Any, shelf: Any, tmp_path: Path) -> None:
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


def test_a_network_without_head_is_stored_by_name_alone(tiny: Tiny, shelf: Any, tmp_path: Path) -> None:
    network = build(tiny(width=None))
    network.write(tmp_path)
    assert load_file(tmp_path / "model.safetensors") == {}
    assert states_equal(load_network(tmp_path), network)


def test_without_a_checkpoint_the_training_free_network_is_loaded(
    tiny: Tiny, shelf: Any, monkeypatch: pytest.MonkeyPatch
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


def fine_tuned() -> dict[str, Tensor]:
    """A tensor of the backbone, where config.json says that only the head was trained."""
    return {"backbone.conv1.weight": torch.zeros(64, 3, 7, 7)}


@pytest.mark.parametrize(
    ("hurt", "complaint"),
    [
        (lambda f: edit(f, backbone_sha256="0" * 64), "have hash"),
        (lambda f: edit(f, backbone="vgg"), "no backbone weights are called 'vgg'"),
        (lambda f: edit(f, stages=[7]), "stages must be"),
        (lambda f: edit(f, iqi={"circles": 3}), "cannot be loaded: .*circles"),
        (lambda f: edit(f, alpha="much"), "cannot be loaded"),
        (lambda f: edit(f, width=16), r"does not fit its config.json: size mismatch for reduce"),
        (lambda f: edit(f, width=None), "has an unexpected reduce"),
        (lambda f: edit(f, trained="all"), "lacks backbone"),
        (lambda f: (f / "config.json").write_text("{"), "cannot be loaded"),
        (lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"), "cannot be loaded"),
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
