"""Print how long a source of COCO 2014's size takes to open, and its episodes to draw: `python benchmarks/sources.py`.

The annotation files are made up, the photographs but for a few are empty files; both are removed at the end. Each start
is a process of its own, so that memory is that of this start alone. Files are warm: their content was just written.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

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


def megabytes(process: str = "self") -> float:
    """The most memory that a running process has held. (`ru_maxrss` also counts the parent's, until the exec.)"""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def start(root: str, split: str) -> dict[str, Any]:
    """Build a fold's task and its sampler of training (`train`) or novel episodes (`val`); seconds and megabytes."""
    before = time.perf_counter()
    from episodes import DataSettings, Task

    imported, own = time.perf_counter(), megabytes()
    helpers: dict[str, float] = {}

    def look(title: str, done: int, total: int) -> None:
        for children in Path("/proc/self/task").glob("*/children"):
            helpers.update({child: megabytes(child) for child in children.read_text().split()})

    task = Task(DataSettings(data=f"coco:{root}"), on_progress=look)
    if split == "train":
        task.training_sampler((), "background")
    else:
        task.novel_sampler(task.novel)
    return {
        "imports": imported - before,
        "seconds": time.perf_counter() - imported,
        "imports_mb": own,
        "mb": megabytes(),
        "helpers_mb": sum(helpers.values()),
    }


def in_a_process(root: Path, split: str) -> dict[str, Any]:
    """What `start` returns in a process of its own."""
    command = [sys.executable, __file__, "--start", str(root), split]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main() -> None:
    if sys.argv[1:2] == ["--start"]:
        print(json.dumps(start(*sys.argv[2:])))
        return
    from harness import Report, Timing, measure, parser

    options = parser("sources", __doc__)
    options.add_argument("--train", type=int, default=82_081, help="photographs to train on")
    options.add_argument("--val", type=int, default=40_137, help="photographs to test on")
    options.add_argument("--annotations", type=float, default=7.3, help="of a photograph, on average")
    options.add_argument("--repeats", type=int, default=5)
    arguments = options.parse_args()
    counts = {"train2014": arguments.train, "val2014": arguments.val}

    report = Report("sources", ("a source of COCO 2014's size", "time", "peak memory"))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["SRPNET_CACHE"] = f"{folder}/cache"
        root = Path(folder, "coco")
        print("writing the source", file=sys.stderr)
        write_source(root, counts, arguments.annotations)
        sizes = [file.stat().st_size / 1e6 for file in sorted((root / "annotations").iterdir())]

        for fold, split in (("novel", "val"), ("training", "train")):
            first = in_a_process(root, split)
            pace = counts[f"{split}2014"] / first["seconds"]
            report.add(
                f"first start of a {fold} fold",
                f"{first['seconds']:.1f} s ({pace:.0f} photographs/s)",
                f"{first['mb']:.0f} MB, of which imports {first['imports_mb']:.0f}; processes that count: "
                f"{first['helpers_mb']:.0f}",
                photographs_per_second=pace,
                annotations_mb=sizes,
                **first,
            )
        for fold, split in (("novel", "val"), ("training", "train")):
            runs = [in_a_process(root, split) for _ in range(arguments.repeats)]
            seconds, imports = (Timing(tuple(run[name] for run in runs)) for name in ("seconds", "imports"))
            memory = max(run["mb"] for run in runs)
            report.add(
                f"later start of a {fold} fold",
                f"{seconds.text()}; imports {imports.text()}",
                f"{memory:.0f} MB, of which imports {runs[0]['imports_mb']:.0f}",
                seconds=seconds,
                imports=imports,
                mb=memory,
                imports_mb=runs[0]["imports_mb"],
            )

        from episodes import DataSettings, Task
        from episodes.sources.voc import read_photograph

        task = Task(DataSettings(data=f"coco:{root}"))
        sampler = task.training_sampler((), "background", shot=5)[0]
        drawing = Timing(tuple(measure(partial(sampler.spec, index), 1, warm=False).median for index in range(1000)))
        report.add("draw a 5-shot episode", drawing.text("ms"), "", seconds=drawing)

        ids = [sampler.spec(index).queries[0] for index in range(200)]
        for id in ids:
            Image.new("RGB", (WIDTH, HEIGHT)).save(root / "train2014" / f"{id}.jpg")
        photographs = [root / "train2014" / f"{id}.jpg" for id in ids]
        decoding = Timing(tuple(measure(partial(read_photograph, path), 1).median for path in photographs))
        report.add("decode one photograph", decoding.text("ms"), "", seconds=decoding)
        loading = Timing(tuple(measure(partial(task.source.load, id), 1).median for id in ids))
        report.add("load one photograph with its label map", loading.text("ms"), "", seconds=loading)
    report.finish(arguments)


if __name__ == "__main__":
    main()
