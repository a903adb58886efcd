"""A plain U-Net on the same faces, with as many parameters: `python benchmarks/faces_unet.py --help`.

What a face parser (`srpnet faces train`) is to be compared with: the whole photograph at one resolution, no crops. The
same loop trains it, on the same photographs, changed in the same way, and the same code scores it.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from episodes.data.sets.faces import Faces
from episodes.files import write_json
from srpnet import TrainingRun, runtime
from srpnet.faces.batches import Canvases, Face, FaceItems, changed, read_canvases
from srpnet.faces.evaluate import score_faces
from srpnet.faces.labels import LABELS
from srpnet.faces.parser import shrunk
from srpnet.faces.settings import FaceAugmentation, FaceLoopSettings
from srpnet.nn.device import Runtime
from srpnet.training.run import Losses, Trainable


class UNet(nn.Module):
    """Ronneberger, Fischer, Brox, 2015, with BatchNorm and padding: logits of the labels at the size of the input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(5)]
        self.down = nn.ModuleList(_pair(inputs, outputs) for inputs, outputs in zip([3, *widths], widths, strict=False))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * own, own, 2, stride=2) for own in widths[:-1])
        self.merge = nn.ModuleList(_pair(2 * own, own) for own in widths[:-1])
        self.last = nn.Conv2d(width, LABELS, 1)

    def forward(self, images: Tensor) -> Tensor:
        rows = []
        for level, down in enumerate(self.down):
            images = down(F.max_pool2d(images, 2) if level else images)
            rows.append(images)
        for up, merge, row in reversed(list(zip(self.up, self.merge, rows, strict=False))):
            images = merge(torch.cat([row, up(images)], 1))
        return self.last(images).float()


def _pair(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for first in (inputs, outputs):
        layers += [nn.Conv2d(first, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class TrainableUNet(Trainable):
    """Learns the nine labels by cross-entropy."""

    unit = "faces"
    buffers = True

    def __init__(self, network: UNet, side: int, settings: FaceLoopSettings, kept: Canvases, machine: Runtime) -> None:
        self.module, self.settings, self.side, self.kept, self.machine = network, settings, side, kept, machine

    def identity(self) -> Mapping[str, Any]:
        return {"training": self.settings, "unet": {"side": self.side}}

    def groups(self) -> list[dict[str, Any]]:
        return [{"params": list(self.module.parameters()), "peak": self.settings.lr}]

    @staticmethod
    def load(item: Face) -> Face:
        return item

    def write(self, folder: Path) -> None:
        """Its weights are in `training.pt`; nobody loads them again."""

    def segment(self, canvas_B3WW: Tensor) -> Tensor:
        """Logits at the network's own size."""
        images = shrunk(canvas_B3WW, self.side)
        with self.machine.autocast():
            return self.module(images.contiguous(memory_format=torch.channels_last))

    def losses(self, batch: Sequence[Face]) -> Losses:
        with torch.no_grad():
            canvas, labels = changed(batch, self.kept, self.machine.device)
            side = (self.side, self.side)
            labels = F.interpolate(labels[:, None].float(), side, mode="nearest-exact")[:, 0].long()
        loss = F.cross_entropy(self.segment(canvas), labels, reduction="none").mean((1, 2))
        return Losses(loss, {"loss": loss})

    def parse(self, canvas_13WW: Tensor) -> tuple[Tensor, None]:
        """Logits, interpolated to the size of the canvas."""
        return F.interpolate(self.segment(canvas_13WW), canvas_13WW.shape[-2:], mode="bilinear"), None


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    arguments.add_argument("--data", required=True, help="faces:PATH")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the run, which gets scores.json")
    arguments.add_argument("--size", type=int, default=256, help="side of its input: a multiple of 16")
    arguments.add_argument(
        "--width", type=int, default=24, help="channels of its first row: 24 are 4.4 million weights"
    )
    arguments.add_argument("--canvas", type=int, default=512)
    arguments.add_argument("--steps", type=int, default=1500)
    arguments.add_argument("--batch", type=int, default=16)
    arguments.add_argument("--lr", type=float, default=1e-3)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--device", default="auto")
    given = arguments.parse_args()
    machine = runtime(given.device)
    source = Faces(given.data.partition(":")[2])
    ids = source.ids("train")
    kept = read_canvases(source, ids, given.canvas, machine.device)
    torch.manual_seed(given.seed)
    network = UNet(given.width).to(machine.device).to(memory_format=torch.channels_last)
    settings = FaceLoopSettings(steps=given.steps, batch=given.batch, lr=given.lr, save_every=given.steps)
    trainable = TrainableUNet(network, given.size, settings, kept, machine)
    run = TrainingRun(trainable, given.out)
    items = FaceItems(source, ids, given.canvas, FaceAugmentation(), given.seed, "unet", in_memory=True)
    run.train(items, on_log=lambda progress: print(progress.step, dict(progress.figures), flush=True))
    network.eval()
    scores, seconds = score_faces(trainable.parse, source, source.ids("val"), given.canvas, machine.device)
    about = {"size": given.size, "steps": given.steps, "batch": given.batch, "lr": given.lr, "seed": given.seed}
    parameters = sum(values.numel() for values in network.parameters())
    content = {"parameters": parameters, **about, **scores.content(), "seconds_per_face": seconds}
    write_json(given.out / "scores.json", content)
    print(f"{parameters:,} parameters, overall F1 {content['f1']['overall']}")


if __name__ == "__main__":
    main()
