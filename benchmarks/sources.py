"""Print how long a source of COCO 2014's size takes to open, and its episodes to draw: `python benchmarks/sources.py`.

The annotation files are made up and the photographs empty files; both are removed at the end. Each start is a process
of its own, so that its memory is its own. The files have just been written, so the time to fetch them is not shown.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from harness import Report

HEIGHT, WIDTH = 480, 640
CATEGORIES = 80


def write_source(root: Path, photographs: dict[str, int], annotations: float) -> None:
    """A COCO folder with so many photographs in each split, and so many annotations a photograph on average."""
    generator = np.random.default_rng(0)
    shapes = [polygon(generator) for _ in range(4096)]
    names = [{"id": category, "name": f"class {category}"} for category in range(1, CATEGORIES + 1)]
    (root / "annotations").mkdir(parents=True)
    for split, count in photographs.items():
        (root / split).mkdir()
        images = []
        for number in range(count):
            name = f"COCO_{split}_{number:012d}.jpg"
            images.append({"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH})
            (root / split / name).touch()
        total = round(count * annotations)
        owners, others, kinds = (generator.integers(0, end, total) for end in (count, 3, len(shapes)))
        classes = (owners + 7 * others) % CATEGORIES + 1  # a photograph shows about three classes, as in COCO
        with (root / "annotations" / f"instances_{split}.json").open("w") as file:
            file.write(f'{{"images": {json.dumps(images)}, "categories": {json.dumps(names)}, "annotations": [')
            for number in range(total):
                rest = f'"image_id": {owners[number]}, "category_id": {classes[number]}, "id": {number}'
                between = ", " if number else ""
                file.write(f'{between}{{"segmentation": {shapes[kinds[number]]}, "iscrowd": 0, {rest}}}')
            file.write("]}")


def polygon(generator: np.random.Generator) -> str:
    """A star-shaped outline of 12 to 50 points, as long as those of COCO, as JSON."""
    angles = np.sort(generator.uniform(0, 2 * np.pi, generator.integers(12, 51)))
    radii = np.exp(generator.normal(4, 0.8)) * generator.uniform(0.7, 1, angles.size)
    middle = generator.uniform((0, 0), (WIDTH, HEIGHT))
    points = middle + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.clip(points, 0, (WIDTH, HEIGHT)).round(2)
    return json.dumps([points.ravel().tolist()])


def megabytes() -> float:
    """The most memory that this process has held. (`ru_maxrss` also counts the parent's, until the exec.)"""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def start(root: str, split: str) -> dict[str, Any]:
    """Build a fold and its sampler of training (`train`) or novel episodes (`val`); seconds and megabytes."""
    before = time.perf_counter()
    from episodes import DataSettings, Fold

    imported, own = time.perf_counter(), megabytes()
    fold = Fold(DataSettings(data=f"coco:{root}"))
    if split == "train":
        fold.training_sampler((), "background")
    else:
        fold.novel_sampler(fold.novel)
    return {
        "imports": imported - before,
        "seconds": time.perf_counter() - imported,
        "imports_mb": own,
        "mb": megabytes(),
    }


def in_a_process(root: Path, split: str) -> dict[str, Any]:
    """What `start` returns in a process of its own."""
    command = [sys.executable, __file__, "--start", str(root), split]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main() -> None:
    if sys.argv[1:2] == ["--start"]:
        print(json.dumps(start(*sys.argv[2:])))
        return
    from harness import Report, parser

    options = parser("sources", __doc__)
    options.add_argument("--train", type=int, default=82_081, help="photographs to train on")
    options.add_argument("--val", type=int, default=40_137, help="photographs to test on")
    options.add_argument("--annotations", type=float, default=7.3, help="of a photograph, on average")
    options.add_argument("--repeats", type=int, default=5, help="later starts")
    arguments = options.parse_args()
    counts = {"train": arguments.train, "val": arguments.val}

    report = Report("sources", ("what", "time", "peak memory"))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SRPNET_CACHE"] = f"{folder}/cache"
        root = Path(folder, "coco")
        print("writing the source", file=sys.stderr)
        write_source(root, {f"{split}2014": count for split, count in counts.items()}, arguments.annotations)
        for split in ("val", "train"):  # the second needs the first, for its classes
            report_first_start(report, root, split, counts[split])
        for split in ("val", "train"):
            report_later_starts(report, root, split, arguments.repeats)
        report_episodes(report, root)
    report.finish(arguments)


def report_first_start(report: "Report", root: Path, split: str, photographs: int) -> None:
    first = in_a_process(root, split)
    size = (root / "annotations" / f"instances_{split}2014.json").stat().st_size / 1e6
    pace = photographs / first["seconds"]
    report.add(
        f"first start, {split}: {photographs} photographs, {size:.0f} MB of annotations",
        f"{first['seconds']:.1f} s ({pace:.0f} photographs/s)",
        memory(first),
        photographs_per_second=pace,
        annotations_mb=size,
        **first,
    )


def report_later_starts(report: "Report", root: Path, split: str, repeats: int) -> None:
    from harness import Timing

    runs = [in_a_process(root, split) for _ in range(repeats)]
    seconds, imports = (Timing(tuple(run[name] for run in runs)) for name in ("seconds", "imports"))
    rest = {name: runs[0][name] for name in ("mb", "imports_mb")}
    cells = (f"{seconds.text()}, after imports of {imports.text()}", memory(runs[0]))
    report.add(f"later start, {split}", *cells, seconds=seconds, imports=imports, **rest)


def report_episodes(report: "Report", root: Path) -> None:
    from harness import Timing, measure

    from episodes import DataSettings, Fold
    from episodes.data.coco.annotations import Annotations
    from episodes.data.source import silent

    sampler, _ = Fold(DataSettings(data=f"coco:{root}")).training_sampler((), "background", shot=5)
    drawing = Timing(tuple(measure(partial(sampler.spec, index), 1).median for index in range(1000)))
    report.add("draw a 5-shot episode", drawing.text("ms"), "", seconds=drawing)

    annotations = Annotations(root / "annotations" / "instances_train2014.json", silent)
    ids = [sampler.spec(index).queries[0] for index in range(500)]
    loading = Timing(tuple(measure(partial(annotations.labels, id), 1).median for id in ids))
    report.add("load a label map", loading.text("ms"), "", seconds=loading)


def memory(run: dict[str, Any]) -> str:
    """What a start held at most, and how much of it before it began."""
    return f"{run['mb']:.0f} MB (imports alone {run['imports_mb']:.0f})"


if __name__ == "__main__":
    main()
