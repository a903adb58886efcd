"""The two modes of pixel losses against scikit-learn, and at their edges."""

import numpy as np
import pytest
import torch

from srpnet.weak.training.noise_filter import fit_mixture, noisy_pixels


def two_modes(first: tuple[float, float], second: tuple[float, float], share: float, count: int = 3000) -> torch.Tensor:
    random = np.random.default_rng(0)
    upper = random.random(count) < share
    return torch.tensor(np.where(upper, random.normal(*second, count), random.normal(*first, count)))


CASES = [
    two_modes((0.5, 0.2), (3.0, 0.6), 0.3),
    two_modes((0.2, 0.1), (5.0, 1.0), 0.05),
    two_modes((1.0, 0.8), (2.5, 0.4), 0.5),
]


def test_modes_are_those_of_scikit_learn() -> None:
    mixture = pytest.importorskip("sklearn.mixture")
    found = fit_mixture(torch.stack(CASES), torch.ones(3, 3000, dtype=torch.bool))
    for number, values in enumerate(CASES):
        theirs = mixture.GaussianMixture(2, tol=1e-6, max_iter=500, random_state=0).fit(values[:, None].numpy())
        order = theirs.means_[:, 0].argsort()
        assert found.means[number].numpy() == pytest.approx(theirs.means_[order, 0], abs=0.02)
        assert found.variances[number].numpy() == pytest.approx(theirs.covariances_[order, 0, 0], abs=0.03)
        assert found.shares[number].numpy() == pytest.approx(theirs.weights_[order], abs=0.02)
        upper = theirs.predict_proba(values[:, None].numpy())[:, order[1]]
        assert np.abs(found.upper(torch.stack(CASES))[number].numpy() - upper).mean() < 0.01


def test_images_of_a_batch_do_not_matter_to_each_other() -> None:
    together = fit_mixture(torch.stack(CASES), torch.ones(3, 3000, dtype=torch.bool))
    for number, values in enumerate(CASES):
        alone = fit_mixture(values[None], torch.ones(1, 3000, dtype=torch.bool))
        assert torch.allclose(together.means[number], alone.means[0], atol=1e-2)


def test_what_does_not_count_does_not_matter() -> None:
    values = torch.cat([CASES[0], torch.full((500,), 40.0)])[None]
    counted = (torch.arange(3500) < 3000)[None]
    assert torch.allclose(fit_mixture(values, counted).means, fit_mixture(CASES[0][None], counted[:, :3000]).means)


@pytest.mark.parametrize("values", [torch.zeros(1, 50), torch.full((1, 50), 3.0), torch.tensor([[1.0]])])
def test_of_one_value_both_modes_are_that(values: torch.Tensor) -> None:
    found = fit_mixture(values, torch.ones_like(values, dtype=torch.bool))
    assert found.means[0].tolist() == pytest.approx([values[0, 0].item()] * 2, abs=1e-6)
    assert found.upper(values).isfinite().all()


def test_of_nothing_all_is_finite() -> None:
    found = fit_mixture(torch.rand(2, 9), torch.zeros(2, 9, dtype=torch.bool))
    assert all(part.isfinite().all() for part in found)


def image_of(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    losses = values.clamp(min=0).view(1, 50, 60).float()
    return losses, torch.ones(1, 50, 60, dtype=torch.uint8)


def test_high_losses_are_noisy() -> None:
    losses, labels = image_of(CASES[0])
    labels[:, 0] = 0
    labels[:, 1] = 255
    noisy = noisy_pixels(losses, labels, probability=0.9, gap=1.0, least=1000)
    assert not noisy[:, :2].any()
    assert noisy[:, 2:][losses[:, 2:] > 2.5].all()
    assert not noisy[losses < 1].any()


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (two_modes((2.0, 0.3), (2.0, 0.3), 0.5), {}),  # one mode
        (CASES[2], {"gap": 2.0}),  # not far enough apart
        (CASES[0], {"least": 5000}),  # too few
        (torch.zeros(3000), {}),  # nothing above the floor
    ],
)
def test_nothing_is_noisy_without_two_modes(values: torch.Tensor, options: dict[str, float]) -> None:
    limits: dict[str, float] = {"probability": 0.9, "gap": 1.0, "least": 1000} | options
    assert not noisy_pixels(*image_of(values), **limits).any()  # type: ignore[arg-type]


def test_of_pixels_that_are_all_noisy_none_is() -> None:
    """All as wrong as each other: there is no lower mode to compare with."""
    losses, labels = image_of(two_modes((6.0, 0.2), (6.0, 0.2), 0.5))
    assert not noisy_pixels(losses, labels, 0.9, 1.0, 1000).any()
