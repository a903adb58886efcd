"""The losses against slow references, and at their edges."""

import math

import pytest
import torch
from torch.nn import functional as F

from srpnet.weak.training.losses import (
    NEAREST,
    balanced,
    classification_loss,
    consistency_loss,
    discrepancy_loss,
    patch_contrast,
    pixel_losses,
)
from tests.srpnet.conftest import Noise


def test_classification_is_the_soft_margin_of_each_class() -> None:
    logits, tags = torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 0.0]])
    expected = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 2
    assert classification_loss(logits, tags).tolist() == pytest.approx([expected])


@pytest.mark.parametrize("form", ["linear", "log"])
def test_discrepancy_compares_channel_by_channel(noise: Noise, form: str) -> None:
    first, second = noise(2, 3, 4, 5, dtype=torch.float32), noise(2, 3, 4, 5, seed=1, dtype=torch.float32)
    found = discrepancy_loss(first, second, form)  # type: ignore[arg-type]
    for image in range(2):
        values = []
        for channel in range(3):
            one, other = first[image, channel].flatten(), second[image, channel].flatten()
            cosine = float(one @ other / one.norm() / other.norm())
            values.append(1 + cosine if form == "linear" else -math.log(1 - cosine))
        assert found[image].item() == pytest.approx(2 * sum(values) / 3, abs=1e-5)


@pytest.mark.parametrize(("form", "expected"), [("linear", 4.0), ("log", -2 * math.log(NEAREST)), ("none", 0.0)])
def test_discrepancy_of_identical_students_is_finite(noise: Noise, form: str, expected: float) -> None:
    features = noise(1, 2, 3, 3, dtype=torch.float32).requires_grad_()
    loss = discrepancy_loss(features, features.detach().clone().requires_grad_(), form)  # type: ignore[arg-type]
    assert loss.tolist() == pytest.approx([expected], rel=1e-4)
    if form != "none":
        loss.sum().backward()
        assert features.grad is not None
        assert features.grad.isfinite().all()


def test_each_student_is_moved_away_from_the_other_held_still(noise: Noise) -> None:
    first, second = (noise(1, 2, 3, 3, seed=seed, dtype=torch.float32).requires_grad_() for seed in (0, 1))
    before = discrepancy_loss(first, second)
    before.sum().backward()
    alone = first.detach().clone().requires_grad_()
    (1 + F.cosine_similarity(alone.flatten(2), second.detach().flatten(2), 2)).mean().backward()
    assert first.grad is not None
    assert torch.allclose(first.grad, alone.grad, atol=1e-6)  # type: ignore[arg-type]


def test_background_and_classes_weigh_alike() -> None:
    labels = torch.tensor([[[0, 0, 0, 3], [255, 0, 1, 255]]], dtype=torch.uint8)
    losses = torch.tensor([[[1.0, 2, 3, 10], [99, 2, 20, 99]]])
    assert balanced(losses, labels).tolist() == [(8 / 4) / 2 + (30 / 2) / 2]


@pytest.mark.parametrize(("label", "expected"), [(0, 0.5), (2, 0.5), (255, 0.0)])
def test_a_part_without_a_pixel_adds_nothing(label: int, expected: float) -> None:
    labels = torch.full((1, 2, 2), label, dtype=torch.uint8)
    assert balanced(torch.ones(1, 2, 2), labels).tolist() == [expected]


def test_pixels_without_a_label_lose_nothing(noise: Noise) -> None:
    logits = noise(1, 3, 2, 2, dtype=torch.float32)
    labels = torch.tensor([[[0, 2], [255, 1]]], dtype=torch.uint8)
    found = pixel_losses(logits, labels)
    assert found[0, 1, 0] == 0
    assert found[0, 0, 1].item() == pytest.approx(-logits[0, :, 0, 1].log_softmax(0)[2].item())


def test_contrast_pulls_together_and_pushes_apart(noise: Noise) -> None:
    features = noise(1, 4, 2, 3, dtype=torch.float32)
    labels = torch.tensor([[[0, 1, 1], [255, 0, 2]]], dtype=torch.uint8)
    cells = F.normalize(features[0].flatten(1), dim=0)
    together, apart = [], []
    names = labels.flatten().tolist()
    for one in range(6):
        for other in range(6):
            if 255 not in (names[one], names[other]):
                cosine = float(cells[:, one] @ cells[:, other])
                (together if names[one] == names[other] else apart).append(cosine)
    expected = (1 - sum(together) / len(together) + sum(map(abs, apart)) / len(apart)) / 2
    assert patch_contrast(features, labels).tolist() == pytest.approx([expected], abs=1e-5)


def test_contrast_without_a_label_is_nothing(noise: Noise) -> None:
    labels = torch.full((1, 2, 2), 255, dtype=torch.uint8)
    assert patch_contrast(noise(1, 3, 2, 2, dtype=torch.float32), labels).tolist() == [0]


def test_consistency_counts_what_is_left_out_and_sure() -> None:
    clean = torch.tensor([[[[9.0, 0.1], [9.0, -9.0]], [[0.0, 0.0], [0.0, 0.0]]]])
    strong = torch.zeros(1, 2, 2, 2)
    strong[0, 0, 0, 0] = 2
    left_out = torch.tensor([[[True, True], [False, True]]])
    sure = [math.log(1 + math.exp(-2)), math.log(2)]  # the others are not sure, or not left out
    assert consistency_loss(strong, clean, left_out, 0.9).tolist() == pytest.approx([sum(sure) / 2])
    assert consistency_loss(strong, clean, torch.zeros_like(left_out), 0.9).tolist() == [0]


def test_nothing_flows_back_through_the_clean_answer(noise: Noise) -> None:
    clean, strong = (noise(1, 2, 2, 2, seed=seed, dtype=torch.float32).requires_grad_() for seed in (0, 1))
    consistency_loss(strong, clean, torch.ones(1, 2, 2, dtype=torch.bool), 0.0).sum().backward()
    assert clean.grad is None
    assert strong.grad is not None
