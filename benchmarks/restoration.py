"""Do examples with wrong masks give themselves away? `python benchmarks/restoration.py --help`.

The limits of `srpnet/apps/examples/checks.py` are chosen here. Each photograph is an example of the class of which it
shows most: with its right mask, the same inverted, shifted by half of both sides, and the mask of the next photograph.
"""

from collections.abc import Iterator

import numpy as np
import torch
from harness import Report, parser

from episodes import Geometry, open_source
from episodes.data.source import IGNORE, Array, Split
from srpnet import load_network, runtime, support_prototypes
from srpnet.apps.examples.checks import border_share, restoration

TEST_CLASSES = (
    "pizza,bowl,cup,oven,refrigerator,toilet,laptop,keyboard,umbrella,cake,microwave,bed,sandwich,broccoli,suitcase,"
    "banana,donut,clock,vase,stop sign"
)
RESTORED, BORDER = (0.3, 0.4, 0.45, 0.5, 0.6), (0.5, 0.6, 0.7, 0.8, 0.9)
"""Limits that are tried."""
KINDS = ("right", "inverted", "shifted", "of another photograph")


def examples(data: str, count: int, least_pixels: int, left_out: set[str]) -> list[tuple[Array, Array]]:
    """Photographs, evenly spread, and binary masks of the class of which each shows most."""
    source = open_source(data)
    split: Split = "val" if data.startswith("coco:") else "train"
    chosen: list[tuple[str, int]] = []
    for id in source.ids(split):
        areas = {label: area for label, area in source.classes_in(id).items() if area > least_pixels}
        if areas and source.classes[(label := max(areas, key=areas.__getitem__)) - 1] not in left_out:
            chosen.append((id, label))
    pairs = []
    for id, label in chosen[:: max(1, len(chosen) // count)][:count]:
        photograph, labels = source.load(id)
        pairs.append((photograph, np.where(labels == IGNORE, IGNORE, labels == label).astype(np.uint8)))
    return pairs


def masks(mask: Array, of_another: Array) -> Iterator[Array]:
    """One for each of `KINDS`."""
    yield mask
    yield np.where(mask == IGNORE, IGNORE, 1 - mask).astype(np.uint8)
    yield np.roll(mask, (mask.shape[0] // 2, mask.shape[1] // 2), (0, 1))
    rows, columns = (np.arange(side) * other // side for side, other in zip(mask.shape, of_another.shape, strict=True))
    yield of_another[np.ix_(rows, columns)]


@torch.inference_mode()
def main() -> None:
    arguments = parser("restoration", __doc__)
    arguments.add_argument("--data", nargs="+", default=["stickers"], help="as for `srpnet eval`")
    arguments.add_argument("--photographs", type=int, default=75, help="of each data set")
    arguments.add_argument("--least-pixels", type=int, default=4000, help="that an example must show")
    arguments.add_argument("--leave-out", default=TEST_CLASSES, help="classes kept for tests, with commas between")
    arguments.add_argument("--checkpoint", default="srpnet-base")
    given = arguments.parse_args()
    network = load_network(given.checkpoint).for_inference(runtime("cpu", "fp32").device)
    left_out, geometry = set(given.leave_out.split(",")), Geometry(417, "letterbox")
    restored: dict[str, list[float]] = {kind: [] for kind in KINDS}
    border: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for data in given.data:
        pairs = examples(data, given.photographs, given.least_pixels, left_out)
        for (photograph, mask), (_, of_another) in zip(pairs, pairs[1:] + pairs[:1], strict=True):
            place = geometry.place(*mask.shape)
            features = network.encode(place.image(torch.from_numpy(photograph).permute(2, 0, 1) / 255)[None])
            for kind, variant in zip(KINDS, masks(mask, of_another), strict=True):
                labels = place.labels(torch.from_numpy(variant))[None]
                prototypes = support_prototypes(
                    features, labels, torch.ones(1, 1, dtype=torch.bool), network.stride, network.config.pooling
                )
                restored[kind].append(float(restoration(network, features, labels, prototypes)))
                border[kind].append(border_share(variant))
    report = Report("restoration", ("what, which mask", "examples", "5 %", "median", "95 %", "examples beyond a limit"))
    for kind in KINDS:
        add(report, "restored", kind, restored[kind], {f"below {limit}": limit for limit in RESTORED})
    for kind in KINDS:
        add(report, "border painted", kind, border[kind], {f"above {limit}": limit for limit in BORDER})
    report.finish(given)


def add(report: Report, what: str, kind: str, values: list[float], limits: dict[str, float]) -> None:
    """A row: quantiles, and how many examples lie beyond each limit."""
    quantiles = [f"{100 * value:.0f} %" for value in np.quantile(values, (0.05, 0.5, 0.95))]
    beyond = {
        name: float(np.mean([value < limit if name.startswith("below") else value > limit for value in values]))
        for name, limit in limits.items()
    }
    text = ", ".join(f"{name}: {100 * share:.1f} %" for name, share in beyond.items())
    report.add(f"{what}, {kind}", str(len(values)), *quantiles, text, values=[round(value, 4) for value in values])


if __name__ == "__main__":
    main()
