"""Print how long a photograph takes, and what share of it is the network's: `python benchmarks/inference.py`.

The network is the training-free one with random weights, which take the same time. Ratios hold within one run only.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from harness import Report, Timing, measure, parser
from PIL import Image
from torch import Tensor

from srpnet import TRAINING_FREE, Segmenter, SRPNet, runtime
from srpnet.apps.looks.placing import place_photograph
from srpnet.apps.pictures.reading import read_photograph
from srpnet.fewshot.predictor import Predictor
from srpnet.nn.settings import Precision

SIZES = ((500, 375), (4000, 3000))


def main() -> None:
    arguments = parser("inference", __doc__)
    arguments.add_argument("--data", type=Path, help="folder of JPEG photographs to take instead of made ones")
    arguments.add_argument("--photographs", type=int, default=24, help="photographs in a folder")
    arguments.add_argument("--size", type=int, default=417, help="longer side for the network")
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--compile", action="store_true", help="torch.compile too: needs a compiler and minutes")
    given = arguments.parse_args()
    report = Report("inference", ("what", "a photograph", "compared"))
    network = SRPNet(TRAINING_FREE).eval()
    encodings(report, network, given.size, given.repeats, given.compile)
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            paths = write_photographs(Path(folder), size, given.photographs, given.data)
            segmenter = Segmenter(network, size=given.size, closer="none", refine="none")
            whole_folder(report, segmenter, paths, size, given.repeats)
    report.finish(given)


def encodings(report: Report, network: SRPNet, size: int, repeats: int, compiling: bool) -> None:
    """`encode` in the ways there are, over four photographs each."""
    device = runtime().device
    lying = torch.rand(1, 3, size * 3 // 4, size, device=device)
    alike, mixed = [lying] * 4, [lying, lying.mT.contiguous()] * 2
    batch = torch.cat(alike).contiguous(memory_format=torch.channels_last)
    folded, unfolded = network.for_inference(device), network.move_to(device)
    contiguous = network.for_inference(device).to(memory_format=torch.contiguous_format)
    predictor = Predictor(network, runtime(precision="bf16"))
    calls = {
        "bf16": partial(encode_all, folded.encode, mixed, "bf16"),
        "fp32": partial(encode_all, folded.encode, mixed, "fp32"),
        "bf16, BatchNorm not folded": partial(encode_all, unfolded.encode, mixed, "bf16"),
        "bf16, weights not channels last": partial(encode_all, contiguous.encode, mixed, "bf16"),
        "bf16, with ImageNet's deepest stage": partial(encode_all, partial(predictor.encode, deep=True), mixed, "bf16"),
        "the same, each from the photograph on": partial(
            encode_all, lambda image: (predictor.encode(image), predictor.levels(image)), mixed, "bf16"
        ),
        "bf16, one shape": partial(encode_all, folded.backbone, batch.split(1), "bf16"),
        "bf16, one shape, four in a batch": partial(encode_all, folded.backbone, [batch], "bf16"),
    }
    if compiling:
        fixed, dynamic = network.for_inference(device), network.for_inference(device)
        fixed.backbone.compile(dynamic=False)
        dynamic.backbone.compile(dynamic=True)
        calls |= {
            "bf16, torch.compile": partial(encode_all, dynamic.encode, mixed, "bf16"),
            "fp32, torch.compile": partial(encode_all, dynamic.encode, mixed, "fp32"),
            "bf16, one shape, torch.compile": partial(encode_all, fixed.encode, alike, "bf16"),
        }
    # What is compiled is so in the first call, which is timed apart.
    first = {name: measure(call, 1, warm=False).median for name, call in calls.items()}
    timings = in_turn(calls, 4, repeats)
    for name, timing in timings.items():
        ratio = share(timing, timings["bf16"])
        cells = (f"encode, {name}", timing.text("ms"), f"{ratio:.2f} of the first")
        report.add(*cells, seconds=timing, ratio=ratio, first_call=first[name])


def whole_folder(
    report: Report, segmenter: Segmenter, paths: Sequence[Path], size: tuple[int, int], repeats: int
) -> None:
    """All that `srpnet predict` does to a folder, beside the encoding of the same tensors."""
    mask = np.zeros(size[::-1], dtype=np.uint8)
    mask[size[1] // 4 : size[1] * 3 // 4, size[0] // 4 : size[0] // 2] = 1
    segmenter.set_support([paths[0]], [mask])
    images = [
        place_photograph(read_photograph(path), segmenter.size).image[None].to(segmenter.predictor.runtime.device)
        for path in paths
    ]
    precision, out = segmenter.predictor.runtime.precision, paths[0].parent / "out"
    calls: dict[str, Callable[[], object]] = {
        "encoding": partial(encode_all, segmenter.predictor.network.encode, images, precision),
        "total": lambda: list(segmenter.write_all(paths, out)),
    }
    timings = in_turn(calls, len(paths), repeats)
    part = share(timings["encoding"], timings["total"])
    cells = (f"predict, {precision}, {size[0]} x {size[1]}", timings["total"].text("ms"))
    report.add(*cells, f"encoding alone is {100 * part:.0f} %", **timings, share=part)


def encode_all(encode: Callable[[Tensor], object], images: Sequence[Tensor], precision: Precision) -> None:
    """Encode one after another, and wait for the last."""
    with torch.inference_mode(), runtime(precision=precision).autocast():
        for image in images:
            encode(image)
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def in_turn(calls: Mapping[str, Callable[[], object]], photographs: int, repeats: int) -> dict[str, Timing]:
    """Seconds a photograph of several calls, taken in turn, so that a busy neighbour slows all of them alike."""
    rounds = [
        [measure(call, 1, warm=False).median / photographs for call in calls.values()] for _ in range(repeats + 1)
    ]
    return dict(zip(calls, map(Timing, zip(*rounds[1:], strict=True)), strict=True))


def share(part: Timing, whole: Timing) -> float:
    """The median, over the rounds, of one as a share of the other."""
    return median(a / b for a, b in zip(part.seconds, whole.seconds, strict=True))


def write_photographs(folder: Path, size: tuple[int, int], count: int, data: Path | None) -> list[Path]:
    """JPEG photographs of a size: those of a folder, enlarged or shrunk, or soft noise with grain."""
    given = sorted(data.glob("*.jpg"))[:count] if data else []
    paths = [folder / f"{index}.jpg" for index in range(len(given) if data else count)]
    for index, path in enumerate(paths):
        if data:
            with Image.open(given[index]) as photograph:
                pixels = photograph.convert("RGB").resize(size, Image.Resampling.BICUBIC)
        else:
            random = np.random.default_rng(index)
            soft = Image.fromarray(random.integers(0, 256, (15, 20, 3), dtype=np.uint8))
            coarse = np.asarray(soft.resize(size, Image.Resampling.BICUBIC)).astype(np.int16)
            grain = random.integers(-6, 7, coarse.shape, dtype=np.int16)
            pixels = Image.fromarray((coarse + grain).clip(0, 255).astype(np.uint8))
        pixels.save(path, quality=92)
    return paths


if __name__ == "__main__":
    main()
