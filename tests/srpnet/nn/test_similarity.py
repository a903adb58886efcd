"""Fidelity and cosine: ranges, signs, zero vectors, scale, and the rule of the double alpha."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from srpnet.nn.similarity import SIMILARITIES, cosine, fidelity

BOTH = pytest.mark.parametrize("similar", [fidelity, cosine])
Similar = Callable[[Tensor, Tensor], Tensor]


def of_vectors(similar: Similar, first: Tensor, second: Tensor) -> float:
    """The similarity of two vectors (C,)."""
    return similar(first[None, :, None, None], second[None, None]).item()


def at_angle(angle: float) -> tuple[Tensor, Tensor]:
    """Two vectors with this angle, in radians, between them."""
    radians = torch.tensor(angle, dtype=torch.float64)
    return torch.tensor([3.0, 0.0], dtype=torch.float64), torch.stack([radians.cos(), radians.sin()])


def test_equals_the_loop(noise: Callable[..., Tensor]) -> None:
    features, prototypes = noise(2, 5, 3, 4), noise(2, 3, 5, seed=1)
    cosines, fidelities = cosine(features, prototypes), fidelity(features, prototypes)
    assert cosines.shape == fidelities.shape == (2, 3, 3, 4)
    for b, p, y, x in torch.cartesian_prod(*(torch.arange(n) for n in (2, 3, 3, 4))).tolist():
        first, second = features[b, :, y, x], prototypes[b, p]
        expected = (first @ second / (first.norm() * second.norm())).item()
        assert cosines[b, p, y, x].item() == pytest.approx(expected, abs=1e-12)
        assert fidelities[b, p, y, x].item() == pytest.approx(max(expected, 0) ** 2, abs=1e-12)


def test_lengths_that_are_known_change_nothing(noise: Callable[..., Tensor]) -> None:
    features, prototypes = noise(2, 5, 3, 4), noise(2, 3, 5, seed=1)
    features[0, :, 0, 0] = 0
    lengths = features.norm(dim=1, keepdim=True)
    for similar in SIMILARITIES.values():
        assert torch.equal(similar(features, prototypes, lengths), similar(features, prototypes, None))


@pytest.mark.parametrize(("similar", "smallest"), [(fidelity, 0), (cosine, -1)])
def test_range(noise: Callable[..., Tensor], similar: Similar, smallest: float) -> None:
    values = similar(noise(2, 2, 30, 30, dtype=torch.float32), noise(2, 9, 2, seed=1, dtype=torch.float32))
    assert smallest - 1e-6 <= values.min() < smallest + 0.01
    assert 0.99 < values.max() <= 1 + 1e-6


@pytest.mark.parametrize(
    ("angle", "expected"), [(0, 1), (torch.pi / 4, 0.5), (torch.pi / 2, 0), (3 * torch.pi / 4, 0), (torch.pi, 0)]
)
def test_fidelity_at_known_angles(angle: float, expected: float) -> None:
    """An opposite vector is no match: the bare square would make it a perfect one."""
    assert of_vectors(fidelity, *at_angle(angle)) == pytest.approx(expected, abs=1e-12)


@BOTH
def test_zero_vectors_are_like_nothing(noise: Callable[..., Tensor], similar: Similar) -> None:
    features, prototypes = noise(1, 4, 2, 2), noise(1, 2, 4, seed=1)
    features[0, :, 0, 0] = 0
    prototypes[0, 1] = 0
    features.requires_grad_()
    prototypes.requires_grad_()
    values = similar(features, prototypes)
    assert (values[0, :, 0, 0] == 0).all()
    assert (values[0, 1] == 0).all()
    for gradient in torch.autograd.grad(values.sum(), (features, prototypes)):
        assert gradient.isfinite().all()


@BOTH
@pytest.mark.parametrize("scale", [1e-6, 3.0, 1e6])
def test_lengths_do_not_matter(noise: Callable[..., Tensor], similar: Similar, scale: float) -> None:
    features, prototypes = noise(1, 5, 3, 3), noise(1, 2, 5, seed=1)
    torch.testing.assert_close(similar(features * scale, prototypes / scale), similar(features, prototypes))


@BOTH
def test_is_symmetric(noise: Callable[..., Tensor], similar: Similar) -> None:
    first, second = noise(5), noise(5, seed=1)
    assert of_vectors(similar, first, second) == pytest.approx(of_vectors(similar, second, first))


@pytest.mark.parametrize("angle", [0.01, 0.05, 0.1])
def test_near_small_angles_fidelity_acts_like_cosine_at_twice_the_alpha(angle: float) -> None:
    """cos^2(t) = 1 - t^2 + O(t^4) = 1 - 2 (1 - cos(t)) + O(t^4), so the logits differ by a constant."""
    vectors = at_angle(angle)
    lost_by_fidelity = 1 - of_vectors(fidelity, *vectors)
    lost_by_cosine = 1 - of_vectors(cosine, *vectors)
    assert lost_by_fidelity == pytest.approx(2 * lost_by_cosine, abs=angle**4)
    assert abs(lost_by_fidelity - lost_by_cosine) > angle**2 / 3


@BOTH
def test_gradients(noise: Callable[..., Tensor], similar: Similar) -> None:
    features, prototypes = noise(2, 4, 2, 3).requires_grad_(), noise(2, 3, 4, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(similar, (features, prototypes))
