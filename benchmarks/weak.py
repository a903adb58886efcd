"""DuPL part by part on real photographs, on a budget of two cores: the last block of each student and its heads learn.

All blocks before are frozen, and their features computed once: of each photograph, its mirror image and one strong
view. That leaves out crops, other scales, and training of most of the backbone.

    python benchmarks/weak.py --data pascal:$PASCAL --fold 1 --runs runs/weak
"""

import argparse
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import Report
from harness import parser as parser_of
from PIL import Image

from episodes.data.image_tags import TaggedPhotographs, tags_of
from episodes.data.relabelled import LIST, MASKS, write_classes
from episodes.data.source import IGNORE, Array
from episodes.fewshot.folds import Fold
from episodes.files import atomic_write, write_text
from srpnet.nn.device import Runtime, runtime
from srpnet.training.log import Progress
from srpnet.training.run import TrainingRun
from srpnet.weak.evaluate import Truth, predictions
from srpnet.weak.inference import look
from srpnet.weak.masks import REPORT, mask_of
from srpnet.weak.photographs import tagged_photographs
from srpnet.weak.scores import ClassScores
from srpnet.weak.settings import (
    StudentSettings,
    WeakAugmentation,
    WeakDataSettings,
    WeakLoopSettings,
    WeakMasksSettings,
    WeakMethodSettings,
)
from srpnet.weak.students import Students, build
from srpnet.weak.training.items import TaggedItems
from srpnet.weak.training.kept_features import KeptFeatures
from srpnet.weak.training.trainable import TrainableStudents
from srpnet.weak.views import View

OFF: dict[str, Any] = {
    "discrepancy": "none",
    "threshold": "fixed",
    "noise_filter": "none",
    "consistency": "off",
}
LADDER: Mapping[str, dict[str, Any]] = {
    "baseline": {"students": 1, **OFF},
    "+ dual": OFF,
    "+ discrepancy": {**OFF, "discrepancy": "linear"},
    "+ dynamic threshold": {"noise_filter": "none", "consistency": "off"},
    "+ noise filter": {"consistency": "off"},
    "+ consistency": {},
    "max pooling": {"pooling": "max", "high": 0.7, "high_end": 0.55, "low": 0.25},
    "discrepancy as log": {"discrepancy": "log"},
    "without contrast": {"contrast_weight": 0.0},
}
"""The rows of the paper's ablation, then what it leaves open; `max pooling` has the paper's thresholds."""
STUDENTS = ("students", "pooling")
"""What is of the students, and not of how they learn."""
CAM_THRESHOLD = 0.25


def kept(file: Path, photographs: TaggedPhotographs, students: Students, where: Runtime, strong: bool) -> KeptFeatures:
    """Features of photographs, from a file of an earlier call if it is there."""
    if file.exists():
        return torch.load(file, weights_only=False, mmap=True)
    begun = time.time()
    features = KeptFeatures(
        photographs,
        students.eval(),
        0,
        where,
        "memory",
        file.parent,
        100.0,
        strong,
        lambda done, of: (
            print(f"features {done}/{of}, {time.time() - begun:.0f} s", flush=True) if done % 100 == 0 else None
        ),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(features, file)
    return features


def scored(
    students: Students,
    photographs: TaggedPhotographs,
    features: KeptFeatures,
    truth: Truth,
    where: Runtime,
    cam: bool,
    count: int | None = None,
) -> dict[str, ClassScores]:
    """Scores of CAMs, or of segmentation, at the photographs' own size."""
    size = students.config.size
    scores: dict[str, ClassScores] = {}
    for number, id in enumerate(photographs.ids[:count]):
        one = torch.tensor([number])
        plain, mirrored = (View(features.levels(one, torch.tensor([flip])), (size, size)) for flip in (0, 1))
        tags_1C = truth.tags(id)[None]
        chosen: dict[str, Any] = {"cam_scales": (1.0,)} if cam else {"scales": (1.0,)}
        seen = look(students, {1.0: (plain, mirrored)}, size, tags_1C, where, **chosen)
        labels = truth.source.load(id)[1]
        for name, found_HW in predictions(seen, labels.shape, CAM_THRESHOLD):
            scores.setdefault(name, ClassScores(students.config.classes)).add(found_HW, truth.translated(labels))
    return scores


def arguments() -> argparse.Namespace:
    """What was typed."""
    parser = parser_of("weak", __doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--fold", type=int, default=1)
    parser.add_argument("--complete", default="dog,horse,sheep", help="classes that are all there: means are over them")
    parser.add_argument("--photographs", type=int, default=500)
    parser.add_argument("--held-out", type=int, default=150, help="so many photographs of the val split are scored")
    parser.add_argument("--cams", type=int, default=150, help="so many training photographs are scored")
    parser.add_argument("--segmented", type=int, default=150, help="so many held-out photographs are scored")
    parser.add_argument("--features", choices=("train", "val"), help="compute and keep these features, and stop")
    parser.add_argument("--size", type=int, default=225)
    parser.add_argument("--frozen", type=int, default=15)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=1e-4)
    parser.add_argument("--rows", default=",".join(list(LADDER)[:6]))
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--masks", type=Path, help="write the masks of each row below it, for srpnet train --labels")
    parser.add_argument("--ignore-below", type=float, default=0.0, help="of these masks, as `srpnet weak masks` has it")
    parser.add_argument("--painted", type=Path, help="write the painted masks of the same photographs, and stop")
    return parser.parse_args()


def main() -> None:
    """Train and score each row."""
    given, where = arguments(), runtime("cpu")
    data = WeakDataSettings(given.data, fold=given.fold, novel_pixels="drop", photographs=given.photographs)
    photographs = tagged_photographs(data, 0)
    source = Fold(data).source
    truth = Truth.of(source, photographs.classes)
    shown = tags_of(source, "val", photographs.labels, (), drop=False)
    held_out = replace(shown, tags={id: tags for id, tags in shown.tags.items() if tags}).limited(given.held_out, 0)
    network = StudentSettings(
        size=given.size,
        frozen_blocks=given.frozen,
        segmentation_width=given.width,
        classes=photographs.classes,
        labels=photographs.labels,
    )
    print(f"{len(photographs.ids)} photographs to learn from, {len(held_out.ids)} to score; {where}", flush=True)
    if given.painted is not None:
        painted = ((id, truth.translated(source.load(id)[1]).numpy()) for id in photographs.ids)
        return write_labels(given.painted, photographs, painted)
    name = f"{given.size}-{given.frozen}"
    if given.features != "val":
        own = given.runs / f"train-{name}-{len(photographs.ids)}.pt"
        features = kept(own, photographs, build(network), where, strong=True)
    if given.features != "train":
        others = kept(given.runs / f"val-{name}-{len(held_out.ids)}.pt", held_out, build(network), where, strong=False)
    if given.features:
        return
    report = Report("weak", ("row", "seed", "CAM, train", "segmentation, val", "95 % interval", "minutes"))
    for seed in map(int, given.seeds.split(",")):
        for row in given.rows.split(","):
            begun = time.time()
            students = trained(given, row, seed, network, photographs, features, where)
            minutes = (time.time() - begun) / 60
            cams = scored(students, photographs, features, truth, where, cam=True, count=given.cams)
            segmentation = scored(students, held_out, others, truth, where, cam=False, count=given.segmented)
            found = {
                what: {each: own.content(given.complete.split(",")) for each, own in scores.items()}
                for what, scores in (("cam", cams), ("segmentation", segmentation))
            }
            best = {what: own.get("mean", own["student 1"])["mIoU"] for what, own in found.items()}
            interval = f"{100 * best['segmentation']['low']:.1f} to {100 * best['segmentation']['high']:.1f}"
            ious = (f"{100 * best[what]['iou']:.1f}" for what in ("cam", "segmentation"))
            report.add(f"{row}", str(seed), *ious, interval, f"{minutes:.1f}", **found)
            report.values[f"{row}, seed {seed}"] = report.values.pop(row)
            report.finish(given)
            if given.masks is not None:
                settings = WeakMasksSettings(scales=("1",), ignore_below=given.ignore_below)
                write_masks(given.masks / row.replace(" ", "-"), students, photographs, features, where, settings)


def trained(
    given: argparse.Namespace,
    row: str,
    seed: int,
    network: StudentSettings,
    photographs: TaggedPhotographs,
    features: KeptFeatures,
    where: Runtime,
) -> Students:
    """The students of a row, from an earlier call if they are there."""
    students_own = {key: value for key, value in LADDER[row].items() if key in STUDENTS}
    method_own = {key: value for key, value in LADDER[row].items() if key not in STUDENTS}
    method = WeakMethodSettings(cam_scales=("1",), noise_least=250, **method_own)
    loop = WeakLoopSettings(
        steps=given.steps, batch=given.batch, lr=given.lr, warmup=15, workers=0, log_every=25, save_every=given.steps
    )
    students = build(replace(network, **students_own), seed)
    trainable = TrainableStudents(students, loop, method, where, kept=features)
    run = TrainingRun(trainable, given.runs / f"{row.replace(' ', '-')}-{seed}", resume=True)
    items = TaggedItems(photographs, given.size, WeakAugmentation(zoom=1), seed, kept=True)

    def log(progress: Progress) -> None:
        print(progress.step, {name: round(value, 3) for name, value in progress.figures.items()}, flush=True)

    run.train(items, log)
    return students.eval()


def write_masks(
    folder: Path,
    students: Students,
    photographs: TaggedPhotographs,
    features: KeptFeatures,
    where: Runtime,
    settings: WeakMasksSettings,
) -> None:
    """What `srpnet weak masks --scales 1` would write, from the features that are there."""
    size = students.config.size
    report = ["id,probability,agreement\n"]

    def masks() -> Iterator[tuple[str, Array]]:
        for number, id in enumerate(photographs.ids):
            one = torch.tensor([number])
            plain, mirrored = (View(features.levels(one, torch.tensor([flip])), (size, size)) for flip in (0, 1))
            tags_1C = torch.zeros(1, len(photographs.classes))
            seen = look(students, {1.0: (plain, mirrored)}, size, tags_1C, where, (1.0,))
            photograph = photographs.read(id)
            mask = mask_of(seen.probabilities_IBPSS[:, 0], photograph, photographs.tags[id], settings)
            report.append(f"{id},{mask.sure:.3f},{mask.agreement:.3f}\n")
            yield id, mask.labels_HW

    write_labels(folder, photographs, masks())
    write_text(folder / REPORT, "".join(report))


def write_labels(folder: Path, photographs: TaggedPhotographs, masks: Iterable[tuple[str, Array]]) -> None:
    """A folder for `srpnet train --labels`."""
    numbers = np.zeros(256, np.uint8)
    numbers[1 : len(photographs.labels) + 1] = photographs.labels
    numbers[IGNORE] = IGNORE
    for id, labels_HW in masks:
        with atomic_write(folder / MASKS / f"{id}.png") as temporary:
            Image.fromarray(numbers[labels_HW]).save(temporary, "PNG")
    write_classes(folder, dict(zip(photographs.labels, photographs.classes, strict=True)))
    write_text(folder / LIST, "".join(f"{id}\n" for id in photographs.ids))


if __name__ == "__main__":
    main()
