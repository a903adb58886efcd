"""Masks from tags beside painted ones: how good they are, and whether leaving out the doubtful ones leaves better ones.

What is doubted by SRPNet's support score (how much of a mask the training-free network finds again with the mask's own
prototypes), or by how sure the students are of it, or how far they agree.

    python benchmarks/weak_masks.py --data pascal:$PASCAL --fold 1 --masks MASKS
"""

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from harness import Report
from harness import parser as parser_of
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import spearmanr

from episodes.data.relabelled import LIST, Relabelled
from episodes.data.source import IGNORE, Array, Labels
from episodes.fewshot.folds import Fold
from episodes.files import atomic_write, write_text
from srpnet.apps.examples.checks import restoration
from srpnet.fewshot.checkpoint import load_network
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.prototypes import support_prototypes
from srpnet.weak.settings import WeakDataSettings

LEFT_OUT = (0.1, 0.3, 0.5)
SCORES = ("support score", "probability", "agreement")


def arguments() -> argparse.Namespace:
    """What was typed."""
    parser = parser_of("weak_masks", __doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--fold", type=int, default=1)
    parser.add_argument("--complete", default="dog,horse,sheep", help="classes that are all there: means are over them")
    parser.add_argument("--masks", type=Path, required=True, help="a folder that weak.py or `srpnet weak masks` wrote")
    parser.add_argument("--size", type=int, default=225)
    parser.add_argument("--kept", type=Path, help="write here the masks that stay without the doubted 30 %%")
    parser.add_argument("--doubted-by", choices=SCORES, default=SCORES[0])
    return parser.parse_args()


def support_score(network: SRPNet, photograph: Array, mask: Labels, size: int) -> float:
    """How much of a mask its own prototypes find again, the mean IoU of its classes; 0 if it has none."""
    image = Image.fromarray(photograph).resize((size, size), Image.Resampling.BILINEAR)
    image_13SS = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    small = np.array(Image.fromarray(mask).resize((size, size), Image.Resampling.NEAREST))
    classes = np.setdiff1d(small, [0, IGNORE])
    if not classes.size:
        return 0.0
    ways = np.zeros(256, np.uint8)
    ways[classes], ways[IGNORE] = np.arange(1, len(classes) + 1), IGNORE
    labels_1SS = torch.from_numpy(ways[small])[None]
    with torch.inference_mode():
        features_1Chw = network.encode(image_13SS)
        shown_1N = torch.ones(1, len(classes), dtype=torch.bool)
        prototypes_PC = support_prototypes(features_1Chw, labels_1SS, shown_1N, network.stride)
        return float(restoration(network, features_1Chw, labels_1SS, prototypes_PC).mean())


def counts(mask: Labels, truth: Labels, classes: Sequence[int]) -> NDArray[np.int64]:
    """Of each class the pixels that both have, that the mask has, and that the truth has: (C, 3)."""
    known = (truth != IGNORE) & (mask != IGNORE)
    rows = (((mask == label) & known, (truth == label) & known) for label in classes)
    return np.array([[(one & other).sum(), one.sum(), other.sum()] for one, other in rows])


def quality(counted_NC3: NDArray[np.int64]) -> tuple[str, str, str]:
    """Means over classes, in percent: IoU, what of the objects is covered, and what of the masks is right."""
    both_C, masks_C, truth_C = counted_NC3.sum(0).T
    means = (both_C / (masks_C + truth_C - both_C), both_C / truth_C, both_C / masks_C)
    iou, covered, right = (f"{100 * mean.mean():.1f}" for mean in means)
    return iou, covered, right


def main() -> None:
    """Score the masks, all of them and without the doubtful ones."""
    given = arguments()
    source = Fold(WeakDataSettings(given.data, fold=given.fold, novel_pixels="drop")).source
    masks = Relabelled(source, given.masks)
    classes = [source.classes.index(name) + 1 for name in given.complete.split(",")]
    network, ids = load_network("training-free").eval(), masks.ids("train")
    counted, scores = [], {SCORES[0]: np.zeros(len(ids))}
    for number, id in enumerate(ids):
        photograph, truth = source.load(id)
        mask = masks.load(id)[1]
        counted.append(counts(mask, truth, classes))
        scores[SCORES[0]][number] = support_score(network, photograph, mask, given.size)
        if number % 100 == 0:
            print(f"{number}/{len(ids)}", flush=True)
    if (report := given.masks / "report.csv").exists():
        with report.open(newline="") as file:
            rows = {row["id"]: row for row in csv.DictReader(file)}
        scores |= {name: np.array([float(rows[id][name]) for id in ids]) for name in SCORES[1:]}
    counted_NC3 = np.stack(counted)
    both_N, masks_N, truth_N = counted_NC3.sum(1).T
    judged_N = truth_N > 0
    ious_N = both_N / np.maximum(masks_N + truth_N - both_N, 1)
    table = Report("weak_masks", ("masks", "count", "IoU", "covered", "right", "rank correlation"))
    table.add("all", str(len(ids)), *quality(counted_NC3), "")
    for name, score_N in scores.items():
        correlation = spearmanr(score_N[judged_N], ious_N[judged_N]).statistic
        for share in LEFT_OUT:
            stay = np.sort(np.argsort(score_N, kind="stable")[round(share * len(ids)) :])
            cells = str(len(stay)), *quality(counted_NC3[stay]), f"{correlation:.2f}"
            table.add(f"without the {100 * share:.0f} % of the lowest {name}", *cells)
            if given.kept is not None and name == given.doubted_by and share == 0.3:
                _keep(given.masks, given.kept, [ids[number] for number in stay])
    table.finish(given)


def _keep(masks: Path, kept: Path, ids: Sequence[str]) -> None:
    for name in ("classes.json", *(f"SegmentationClass/{id}.png" for id in ids)):
        with atomic_write(kept / name) as temporary:
            temporary.write_bytes((masks / name).read_bytes())
    write_text(kept / LIST, "".join(f"{id}\n" for id in ids))


if __name__ == "__main__":
    main()
