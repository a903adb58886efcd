"""Print what ONNX Runtime makes of the encoder beside PyTorch, and whether masks stay the same.

Run it as `python benchmarks/runtimes.py`. Each engine encodes the same photograph, in turn, so that a busy neighbour
slows all of them alike; then each segments the queries of sticker episodes by one support. int8 is made of the float32
export by ONNX Runtime's own quantisation: dynamic, or static, calibrated on other photographs.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from harness import Report, Timing, measure, parser
from inference import share
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor

from episodes.data.sets.stickers import Stickers
from episodes.fewshot.geometry import Geometry
from srpnet.apps.onnx import ENCODER, export
from srpnet.fewshot.checkpoint import load_network
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.prototypes import support_prototypes
from srpnet.nn.device import runtime
from srpnet.nn.grid import upsample
from srpnet.nn.settings import Precision

Encode = Callable[[Tensor], Tensor]
"""An image (1, 3, H, W) -> its features (1, C, h, w)."""


def main() -> None:
    arguments = parser("runtimes", __doc__)
    arguments.add_argument("--checkpoint", default="srpnet-base")
    arguments.add_argument("--size", type=int, default=417, help="longer side for the network")
    arguments.add_argument("--classes", type=int, default=10, help="sticker classes, one support and one query each")
    arguments.add_argument("--repeats", type=int, default=5)
    arguments.add_argument("--exported", type=Path, default=None, help="folder to keep the exports in, or to find them")
    given = arguments.parse_args()
    report = Report("runtimes", ("encoder", "a photograph", "beside bf16", "pixels as in fp32"))
    network = load_network(given.checkpoint).for_inference(torch.device("cpu"))
    source, geometry = Stickers(), Geometry(given.size)
    pairs = [
        [photograph(source, geometry, f"val-{role}-{label:04}", label + 1) for role in ("support", "query")]
        for label in range(given.classes)
    ]
    calibration = [photograph(source, geometry, f"train-query-{i:04}", 1)[0] for i in range(4)]
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        files = exported(given.exported or Path(folder), given.checkpoint, calibration)
        engines: dict[str, Encode] = {
            "PyTorch, bf16": partial(in_pytorch, network, "bf16"),
            "PyTorch, fp32": partial(in_pytorch, network, "fp32"),
            **{f"ONNX Runtime, {name}": session(file) for name, file in files.items()},
        }
        images = [pairs[0][1][0]]
        rounds = [
            [
                measure(partial(encode_all, encode, images), 1, warm=False).median / len(images)
                for encode in engines.values()
            ]
            for _ in range(given.repeats + 1)
        ]
        timings = dict(zip(engines, map(Timing, zip(*rounds[1:], strict=True)), strict=True))
        masks = {name: [segmented(network, encode, *pair) for pair in pairs] for name, encode in engines.items()}
    for name, timing in timings.items():
        same = float(np.mean([(a == b).mean() for a, b in zip(masks[name], masks["PyTorch, fp32"], strict=True)]))
        ratio = share(timing, timings["PyTorch, bf16"])
        cells = (timing.text("ms"), f"{ratio:.2f} x", f"{100 * same:.2f} %")
        report.add(name, *cells, seconds=timing, ratio=ratio, same=same)
    report.finish(given)


def photograph(source: Stickers, geometry: Geometry, id: str, label: int) -> tuple[Tensor, Tensor]:
    """A scene (1, 3, H, W) without padding, and where it shows a class: uint8 (H, W), 255 on rims."""
    pixels, labels = (torch.from_numpy(array) for array in source.load(id))
    height, width = labels.shape
    image = pixels.permute(2, 0, 1)[None].float() / 255
    size = [round(side * geometry.size / max(height, width)) for side in (height, width)]
    image = torch.nn.functional.interpolate(image, size, mode="bilinear", antialias=True)
    own = torch.where(labels == 255, 255, (labels == label).to(torch.uint8))[None, None].float()
    return image, torch.nn.functional.interpolate(own, size, mode="nearest")[0, 0].to(torch.uint8)


def in_pytorch(network: SRPNet, precision: Precision, image: Tensor) -> Tensor:
    with runtime("cpu", precision).autocast():
        return network.encode(image)


def session(file: Path) -> Encode:
    """An exported encoder, on as many threads as PyTorch has."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    run = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return lambda image: torch.from_numpy(run.run(None, {"image": image.numpy()})[0])


def exported(folder: Path, checkpoint: str, calibration: list[Tensor]) -> dict[str, Path]:
    """The encoder in float32, and quantised in two ways."""
    files = {name: folder / f"{name}.onnx" for name in ("prepared", "int8 dynamic", "int8 static")}
    if not files["int8 static"].exists():
        export(load_network(checkpoint), folder)
        quant_pre_process(str(folder / ENCODER), str(files["prepared"]), skip_symbolic_shape=True)
        quantize_dynamic(files["prepared"], files["int8 dynamic"], weight_type=QuantType.QUInt8)
        quantize_static(files["prepared"], files["int8 static"], Calibration(calibration), per_channel=True)
    return {"fp32": folder / ENCODER, **{name: file for name, file in files.items() if "int8" in name}}


class Calibration(CalibrationDataReader):  # type: ignore[misc]
    """Photographs from which ranges of activations are taken."""

    def __init__(self, images: list[Tensor]) -> None:
        self.left = [{"image": image.numpy()} for image in images]

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return self.left.pop() if self.left else None


def segmented(
    network: SRPNet, encode: Encode, support: tuple[Tensor, Tensor], query: tuple[Tensor, Tensor]
) -> NDArray[np.int64]:
    """The label map of a query by one support."""
    prototypes = support_prototypes(encode(support[0]), support[1][None], torch.tensor([[True]]), network.stride)
    logits = network.segment(encode(query[0]), prototypes, iqi=network.config.iqi)
    labels: NDArray[np.int64] = upsample(logits, query[1].shape, network.stride)[0].argmax(0).numpy()
    return labels


def encode_all(encode: Encode, images: list[Tensor]) -> None:
    for image in images:
        encode(image)


if __name__ == "__main__":
    main()
