"""The backbone: shapes, the two stride conventions under dilation, frozen BatchNorm, torchvision's names."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck, ResNet

from episodes.errors import InputError
from srpnet.nn.backbone import Backbone


def tiny(convention: Any = "v1.5", output_stride: Any = 8, stages: Any = (2, 3, 4), **options: Any) -> Backbone:
    return Backbone(convention, output_stride, stages, layers=(1, 1, 2, 2), base_width=8, **options).double()


def noise(height: int = 64, width: int = 64) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 3, height, width, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("convention", ["v1", "v1.5"])
@pytest.mark.parametrize(("output_stride", "strides"), [(8, (4, 8, 8, 8)), (16, (4, 8, 16, 16)), (32, (4, 8, 16, 32))])
def test_shapes(convention: str, output_stride: int, strides: tuple[int, ...]) -> None:
    backbone = tiny(convention, output_stride, (4, 1, 3, 2))
    maps = backbone(noise(60, 72))
    assert backbone.channels == (256, 512, 1024, 2048)
    assert backbone.strides == strides
    for features, channels, stride in zip(maps, backbone.channels, strides, strict=True):
        assert features.shape == (2, channels, -(-60 // stride), -(-72 // stride))
        assert features.min() >= 0


def test_strides_are_of_the_chosen_stages() -> None:
    assert tiny(output_stride=16, stages=(4, 2)).strides == (8, 16)
    assert tiny(output_stride=32, stages=(1, 4)).strides == (4, 32)
    assert tiny(output_stride=8, stages=(3,)).strides == (8,)


@pytest.mark.parametrize("size", [(64, 64), (72, 57)])
@pytest.mark.parametrize("convention", ["v1", "v1.5"])
@pytest.mark.parametrize("output_stride", [8, 16])
def test_dilation_computes_the_same_features_on_a_finer_grid(
    convention: str, output_stride: int, size: tuple[int, int]
) -> None:
    dilated, plain = tiny(convention, output_stride)(noise(*size)), tiny(convention, 32)(noise(*size))
    for stage, fine, coarse in zip((2, 3, 4), dilated, plain, strict=True):
        step = max(1, 2 ** (stage + 1) // output_stride)
        torch.testing.assert_close(fine[:, :, ::step, ::step], coarse, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("convention", "wrong"), [("v1", {3: 1, 4: 2}), ("v1.5", {3: 2, 4: 4})])
@pytest.mark.parametrize("stage", [3, 4])
def test_the_other_conventions_dilation_does_not(convention: str, wrong: dict[int, int], stage: int) -> None:
    """The check above has teeth: swap the dilation of one first block and its stage no longer agrees."""
    dilated = tiny(convention, 8)
    conv2 = dilated.get_submodule(f"layer{stage}.0.conv2")
    conv2.dilation = conv2.padding = (wrong[stage], wrong[stage])
    step = 2 ** (stage - 2)
    fine = dilated(noise())[stage - 2][:, :, ::step, ::step]
    coarse = tiny(convention, 32)(noise())[stage - 2]
    assert (fine - coarse).abs().max() > 0.01 * coarse.abs().max()


@pytest.mark.parametrize("convention", ["v1", "v1.5"])
def test_training_may_stride_further_than_use(convention: str) -> None:
    both, coarse, fine = tiny(convention, 8, training_stride=16), tiny(convention, 16), tiny(convention, 8)
    for _ in range(2):
        torch.testing.assert_close(both.train()(noise()), coarse(noise()))
        assert both.strides == coarse.strides == (8, 16, 16)
        torch.testing.assert_close(both.eval()(noise()), fine(noise()))
        assert both.strides == fine.strides == (8, 8, 8)


def test_frozen_stages_are_not_trained() -> None:
    backbone = tiny(stages=(1, 2, 3, 4))
    backbone.freeze(2)
    trained = {name.partition(".")[0] for name, value in backbone.named_parameters() if value.requires_grad}
    assert trained == {"layer3", "layer4"}


def test_equals_torchvisions_network() -> None:
    backbone = Backbone("v1.5", 32, (4,), layers=(1, 1, 1, 1), base_width=8)
    resnet = ResNet(Bottleneck, [1, 1, 1, 1], width_per_group=8).eval()
    resnet.load_state_dict(backbone.state_dict(), strict=False)
    resnet.avgpool = resnet.fc = nn.Identity()
    images = noise().float()
    torch.testing.assert_close(backbone(images)[0].flatten(1), resnet(images))


def test_the_conventions_differ() -> None:
    assert not torch.allclose(tiny("v1", 32)(noise())[0], tiny("v1.5", 32)(noise())[0])


def test_batchnorm_stays_frozen_in_training() -> None:
    network = nn.Sequential(tiny()).train()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    sum(features.sum() for features in network(noise())).backward()
    assert network[0].training
    assert not any(norm.training for norm in norms)
    assert not any(parameter.requires_grad for norm in norms for parameter in norm.parameters())
    assert network[0].conv1.weight.grad.abs().sum() > 0
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_checkpointing_changes_no_gradient() -> None:
    gradients = []
    for checkpointing in (False, True):
        backbone = tiny(checkpointing=checkpointing)
        sum(features.mean() for features in backbone(noise())).backward()
        gradients.append({name: p.grad for name, p in backbone.named_parameters() if p.requires_grad})
    torch.testing.assert_close(gradients[0], gradients[1])


def test_stages_nobody_asked_for_are_not_built() -> None:
    names = Backbone(stages=(2, 3), layers=(1, 1, 1, 1), base_width=8).state_dict()
    assert any(name.startswith("layer3.") for name in names)
    assert not any(name.startswith(("layer4.", "fc.")) for name in names)


def test_weights_come_from_the_seed_alone() -> None:
    state = torch.get_rng_state()
    first, again, other = (tiny(seed=seed).conv1.weight for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"convention": "v2"}, "convention 'v2'"),
        ({"output_stride": 4}, "output stride 4"),
        ({"training_stride": 4}, "output stride 4"),
        ({"stages": ()}, "stages"),
        ({"stages": (4, 5)}, "stages"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny(**options)


@pytest.mark.parametrize("convention", ["v1", "v1.5"])
def test_folding_batchnorm_leaves_the_features(convention: str) -> None:
    backbone = tiny(convention)
    generator = torch.Generator().manual_seed(0)
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in (
                (module.weight, 0.5, 2.0),
                (module.bias, -1.0, 1.0),
                (module.running_mean, -1.0, 1.0),
                (module.running_var, 0.5, 2.0),
            ):
                assert values is not None
                values.data.uniform_(low, high, generator=generator)
    images = noise(65, 48)
    expected = backbone(images)
    folded = backbone.fold_batchnorm()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    for got, want in zip(folded(images), expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)
