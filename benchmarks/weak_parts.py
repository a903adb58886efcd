"""The slow parts of DuPL: refinement by PAR beside a plain version, the noise filter beside scikit-learn's mixture.

python benchmarks/weak_parts.py
"""

import argparse
import math
import resource

import torch
from harness import Report, measure, parser
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torch.nn import functional as F

from srpnet.weak.refinement import DILATIONS, OFFSETS, POSITION, SHARPNESS, refine
from srpnet.weak.training.noise_filter import noisy_pixels


def plain_refine(images_B3HW: Tensor, maps_BKHW: Tensor, rounds: int = 10) -> Tensor:
    """PAR with all neighbours of all pixels at once, as tensors of 48 copies."""
    most = DILATIONS[-1]
    height, width = images_B3HW.shape[-2:]

    def copies(values: Tensor) -> Tensor:
        padded = F.pad(values, (most,) * 4, mode="replicate")
        views = (padded[..., most + y : most + y + height, most + x : most + x + width] for y, x in OFFSETS)
        return torch.stack(list(views), 2)

    near = copies(images_B3HW)
    spread = near.std(2, keepdim=True)
    unlike = ((near - images_B3HW[:, :, None]).abs() / (spread + 1e-8) / SHARPNESS).square().mean(1)
    distances = torch.tensor([math.hypot(*offset) for offset in OFFSETS])
    far = (distances / distances.std() / SHARPNESS).square()
    weights = torch.softmax(-unlike, 1) + POSITION * torch.softmax(-far, 0)[:, None, None]
    for _ in range(rounds):
        maps_BKHW = (copies(maps_BKHW) * weights[:, None]).sum(2)
    return maps_BKHW


def sklearn_filter(losses_BHW: Tensor, labels_BHW: Tensor) -> Tensor:
    """The noise filter image by image."""
    noisy = torch.zeros_like(losses_BHW, dtype=torch.bool)
    for number, (losses, labels) in enumerate(zip(losses_BHW, labels_BHW, strict=True)):
        counted = (labels > 0) & (losses > 0.1)
        values = losses[counted][:, None].double().numpy()
        mixture = GaussianMixture(2, random_state=0).fit(values)
        upper = int(mixture.means_[:, 0].argmax())
        if abs(float(mixture.means_[0, 0] - mixture.means_[1, 0])) > 1:
            noisy[number, counted] = torch.from_numpy(mixture.predict_proba(values)[:, upper] > 0.9)
    return noisy


def main() -> None:
    """Time both, on random images."""
    own = parser("weak_parts", __doc__)
    own.add_argument("--size", type=int, default=224)
    own.add_argument("--batch", type=int, default=4)
    own.add_argument("--repeats", type=int, default=5)
    given: argparse.Namespace = own.parse_args()
    draws = torch.Generator().manual_seed(0)
    side = given.size // 2
    images = torch.rand(given.batch, 3, side, side, generator=draws)
    maps = torch.rand(given.batch, 6, side, side, generator=draws)
    upper = torch.rand(given.batch, given.size, given.size, generator=draws) < 0.2
    noise = torch.randn(given.batch, given.size, given.size, generator=draws)
    losses = (torch.where(upper, 4.0, 0.6) + 0.3 * noise).clamp(min=0)
    labels = torch.ones_like(losses, dtype=torch.uint8)

    report = Report("weak_parts", ("part", "time per image", "peak memory so far"))
    cases = {
        f"PAR, {side} x {side} pixels, 6 maps": lambda: refine(images, maps),
        "the same with 48 copies": lambda: plain_refine(images, maps),
        f"noise filter, {given.size} x {given.size} pixels": lambda: noisy_pixels(losses, labels, 0.9, 1.0, 1000),
        "the same with scikit-learn": lambda: sklearn_filter(losses, labels),
    }
    for name, call in cases.items():
        timing = measure(call, given.repeats)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        each = f"{1000 * timing.median / given.batch:.1f} ms (spread {1000 * timing.spread / given.batch:.1f})"
        report.add(name, each, f"{peak:.0f} MB", time=timing, peak_mb=peak)
    assert (refine(images, maps) - plain_refine(images, maps)).abs().max() < 1e-4
    differ = (noisy_pixels(losses, labels, 0.9, 1.0, 1000) ^ sklearn_filter(losses, labels)).float().mean()
    report.add("pixels on which the filters differ", f"{100 * differ:.3f} %", "", share=float(differ))
    report.finish(given)


if __name__ == "__main__":
    main()
