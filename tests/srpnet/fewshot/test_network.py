"""The network: shapes, episodes in one pass, precision."""

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import Tensor

from episodes.errors import InputError
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.prototypes import support_prototypes
from srpnet.fewshot.query_inference import infer
from srpnet.fewshot.settings import NetworkSettings, QueryInference
from srpnet.nn.grid import average, upsample

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
    network.backbone.forward = lambda batch, **options: sizes.append(len(batch)) or backbone(batch, **options)  # type: ignore[method-assign]
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
    prototypes = support_prototypes(features, labels, membership, stride)
    valid = torch.ones(2, 64, 64, dtype=torch.bool)
    valid[:, 44:] = False
    expected = infer(features, prototypes, average(valid.float(), size, stride), iqi=IQI)
    logits = network.segment(features, prototypes, valid, IQI)
    torch.testing.assert_close(logits, expected)
    assert (logits - network.segment(features, prototypes, iqi=IQI)).abs().max() > 1e-5


def test_forward_equals_encoding_separately(network: SRPNet, noise: Noise) -> None:
    photographs, labels, membership = supports(noise)
    queries, valid = images(noise, 3, seed=1), torch.ones(3, 64, 64, dtype=torch.bool)
    valid[1, 40:] = False
    logits = network(photographs, labels, membership, queries, valid, IQI)
    features = torch.cat([network.encode(photograph[None]) for photograph in photographs])
    prototypes = support_prototypes(features, labels, membership)
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
        prototypes = support_prototypes(features, labels, membership)
        logits = network.segment(features, prototypes, iqi=IQI)
        scores = upsample(logits, (64, 64), 8)
    assert features.dtype == torch.bfloat16
    assert prototypes.dtype == logits.dtype == scores.dtype == torch.float32
    torch.testing.assert_close(scores, upsample(logits, (64, 64), 8), rtol=0, atol=0)
    torch.testing.assert_close(prototypes, support_prototypes(features.float(), labels, membership), rtol=0, atol=0)
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
        ({"stages": ()}, "`stages` must be different and ascending"),
        ({"stages": (0, 1)}, "`stages` must be"),
        ({"frozen_stages": 5}, "`frozen_stages` must be a whole number from 0 to 4, not 5"),
        ({"frozen_stages": 3, "stages": (1, 2)}, "3 stages cannot be frozen: the last of this network is 2"),
        ({"stages": (3, 2)}, "`stages` must be"),
        ({"stages": (3, 3)}, "`stages` must be"),
        ({"width": 0}, "`width` must be a whole number from 1 to 8192, not 0"),
        ({"alpha": 0.0}, "`alpha` must be a number above 0 and at most 10000, not 0"),
        ({"pooling": "max"}, "`pooling` must be feature or mask, not 'max'"),
        ({"similarity": "l2"}, "`similarity` must be fidelity or cosine, not 'l2'"),
        ({"trained": "tail"}, "`trained` must be head or all, not 'tail'"),
        ({"iqi": {"rounds": -1}}, "`iqi.rounds` must be a whole number from 0 to 100"),
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
