"""iCNN and localizer: sizes, and every formula beside a slow reference in float64."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from srpnet.faces.icnn import CHANNELS, ICNN
from srpnet.faces.localizer import Localizer


def count(module: nn.Module) -> int:
    return sum(values.numel() for values in module.parameters())


@pytest.mark.parametrize(("labels", "parameters"), [(9, 559_931), (2, 545_588), (4, 548_376)])
def test_it_has_as_many_parameters_as_the_published_network(labels: int, parameters: int) -> None:
    assert count(ICNN(labels)) == parameters


@pytest.mark.parametrize("size", [(64, 64), (41, 33), (9, 20)])
def test_it_labels_every_pixel_at_any_size(noise: Callable[..., Tensor], size: tuple[int, int]) -> None:
    with torch.no_grad():
        logits = ICNN(4).eval()(noise(2, 3, *size).float())
    assert logits.shape == (2, 4, *size)


def slow_icnn(network: ICNN, image: Tensor) -> Tensor:
    """By the words of the paper, one row and one layer after the other."""

    def pool(maps: Tensor) -> Tensor:
        padded = F.pad(maps, (1, 1, 1, 1), value=-torch.inf)
        height, width = -(-maps.shape[2] // 2), -(-maps.shape[3] // 2)
        return torch.stack(
            [
                torch.stack([padded[:, :, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3].amax((2, 3)) for x in range(width)], -1)
                for y in range(height)
            ],
            -2,
        )

    def up(maps: Tensor, like: Tensor) -> Tensor:
        rows = [y * maps.shape[2] // like.shape[2] for y in range(like.shape[2])]
        columns = [x * maps.shape[3] // like.shape[3] for x in range(like.shape[3])]
        return maps[:, :, rows][:, :, :, columns]

    def convolved(layer: nn.Sequential, maps: Tensor) -> Tensor:
        convolution, norm, activation = layer
        maps = F.conv2d(F.pad(maps, (2, 2, 2, 2)), convolution.weight, convolution.bias)
        mean, variance = (values[:, None, None] for values in (norm.running_mean, norm.running_var))
        maps = (maps - mean) / (variance + 1e-5).sqrt() * norm.weight[:, None, None] + norm.bias[:, None, None]
        return activation(maps)

    pyramid = [image]
    for _ in range(3):
        pyramid.append(pool(pyramid[-1]))
    rows = [convolved(network.enter[row], pyramid[row]) for row in range(4)]
    for layer in network.interlink:
        before = list(rows)
        for row in range(4):
            seen = [pool(before[row - 1])] if row else []
            seen += [before[row]]
            seen += [up(before[row + 1], before[row])] if row < 3 else []
            first, second = layer.rows[row]
            rows[row] = convolved(second, convolved(first, torch.cat(seen, 1)))
    result = rows[3]
    for row in (2, 1, 0):
        result = convolved(network.integrate[row], torch.cat([rows[row], up(result, rows[row])], 1))
    first, second, third = network.head
    result = F.conv2d(F.pad(convolved(first, result), (2,) * 4), second.weight, second.bias)
    return F.conv2d(F.pad(result, (4,) * 4), third.weight, third.bias)


def test_it_equals_the_slow_reference(noise: Callable[..., Tensor]) -> None:
    network = ICNN(2).double().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=torch.Generator().manual_seed(1))
            module.running_var.uniform_(0.5, 2, generator=torch.Generator().manual_seed(2))
    image = noise(1, 3, 19, 14)
    with torch.no_grad():
        # The logits leave as float32.
        assert (network(image).double() - slow_icnn(network, image)).abs().max() < 1e-6


def test_all_rows_read_the_layer_before() -> None:
    """A change of the first row reaches the fourth after three layers, not after one."""
    network = ICNN(2).eval()
    rows = [torch.zeros(1, own, 32 // 2**row, 32 // 2**row) for row, own in enumerate(CHANNELS)]
    changed = [rows[0] + 1, *rows[1:]]
    with torch.no_grad():
        for layers, reached in ((1, 1), (2, 2), (3, 3)):
            plain, other = rows, changed
            for layer in network.interlink[:layers]:
                plain, other = layer(plain), layer(other)
            differ = [not torch.equal(one, two) for one, two in zip(plain, other, strict=True)]
            assert differ == [row <= reached for row in range(4)]


@pytest.mark.parametrize(
    ("side", "width", "parameters"), [(128, 64, 5_479_128), (64, 64, 4_889_304), (128, 32, 1_569_144)]
)
def test_the_localizer_is_a_slim_vgg(side: int, width: int, parameters: int) -> None:
    localizer = Localizer(9, side, width, (0.25,) * 6)
    assert count(localizer) == parameters
    kinds = [type(layer).__name__ for layer in localizer.features]
    assert kinds.count("Conv2d") == 8
    assert kinds.count("AvgPool2d") == 4
    assert isinstance(localizer.last, nn.Linear)


def test_the_localizer_has_scale_and_shift_alone_and_begins_in_the_middle() -> None:
    localizer = Localizer(9, 32, 4, (0.25, 0.5)).eval()
    with torch.no_grad():
        theta = localizer(torch.full((3, 9, 32, 32), 1 / 9))
    assert theta.shape == (3, 2, 2, 3)
    assert not theta[..., 0, 1].any()
    assert not theta[..., 1, 0].any()
    expected = torch.tensor([[[0.25, 0, 0], [0, 0.25, 0]], [[0.5, 0, 0], [0, 0.5, 0]]])
    assert (theta - expected).abs().max() < 0.05


def test_shifts_have_a_sign() -> None:
    localizer = Localizer(9, 32, 4, (0.25,)).eval()
    with torch.no_grad():
        localizer.last.weight.zero_()
        localizer.last.bias.copy_(torch.tensor([0.25, 0.25, -0.5, 0.5]))
        assert localizer(torch.rand(1, 9, 32, 32))[0, 0, :, 2].tolist() == [-0.5, 0.5]
