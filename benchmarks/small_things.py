"""Are things of 40 pixels found in photographs of 6000 x 4000? `python benchmarks/small_things.py --help`.

An object is cut out of its photograph by its mask, shrunk, and pasted into a landscape photograph that was enlarged;
the examples are other photographs of its class. It is found if the mask covers half of it.
"""

import resource
import sys
import time
from collections.abc import Iterator
from itertools import islice
from statistics import fmean, median

import numpy as np
from harness import Report, ids_of, parser
from PIL import Image

from episodes import open_source
from episodes.data.source import Array, Source
from srpnet import Segmenter

LEAST, MOST = 0.08, 0.5
"""Share of an object in its photograph."""
Example = tuple[Array, Array]


def of_one_class(source: Source, count: int, left_out: set[str], rng: np.random.Generator) -> Iterator[list[Example]]:
    """Photographs of one class, and where it is; another class each time."""
    by_class: dict[int, list[str]] = {}
    for id in ids_of(source):
        for label in source.classes_in(id):
            by_class.setdefault(label, []).append(id)
    for label in rng.permutation(sorted(by_class)).tolist():
        if source.classes[label - 1] in left_out:
            continue
        examples = []
        for id in rng.permutation(by_class[label]).tolist():
            photograph, labels = source.load(id)
            if LEAST < (labels == label).mean() < MOST:
                examples.append((photograph, (labels == label).astype(np.uint8)))
            if len(examples) == count:
                yield examples
                break


def landscape(source: Source, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """A photograph enlarged to this size."""
    photograph = Image.fromarray(source.load(str(rng.choice(ids_of(source))))[0])
    if photograph.width < photograph.height:
        photograph = photograph.rotate(90, expand=True)
    return photograph.resize(size, Image.Resampling.BICUBIC)


def paste(ground: Image.Image, example: Example, side: int, rng: np.random.Generator) -> Array:
    """Paste an object, its longer side so many pixels, somewhere into a photograph; where it is then (H, W)."""
    photograph, mask = (Image.fromarray(pixels) for pixels in (example[0], example[1] * 255))
    box = mask.getbbox()
    photograph, mask = photograph.crop(box), mask.crop(box)
    scale = side / max(mask.size)
    size = max(1, round(mask.width * scale)), max(1, round(mask.height * scale))
    photograph, mask = (each.resize(size, Image.Resampling.BOX) for each in (photograph, mask))
    place = tuple(int(rng.integers(0, whole - part)) for whole, part in zip(ground.size, size, strict=True))
    ground.paste(photograph, place, mask)
    truth = Image.new("L", ground.size)
    truth.paste(mask, place)
    return np.asarray(truth) > 127


def main() -> None:
    arguments = parser("small_things", __doc__)
    arguments.add_argument("--data", required=True, help="objects, as for `srpnet eval`")
    arguments.add_argument("--backgrounds", required=True, help="landscapes; likewise")
    arguments.add_argument("--leave-out", nargs="*", default=[], help="classes")
    arguments.add_argument("--trials", type=int, default=10)
    arguments.add_argument("--sides", type=int, nargs="+", default=[40], help="of the object, in pixels")
    arguments.add_argument("--shots", type=int, default=3)
    arguments.add_argument(
        "--size", type=int, nargs=2, default=(6000, 4000), help="width and height of the photographs"
    )
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--checkpoint", default="srpnet-base")
    given = arguments.parse_args()
    objects, grounds, segmenter = open_source(given.data), open_source(given.backgrounds), Segmenter(given.checkpoint)
    columns = (
        "longer side of the object",
        "found",
        "IoU where found",
        "wrongly found",
        "s a photograph",
        "most memory",
    )
    report = Report("small_things", columns)
    for side in given.sides:
        rng, trials = np.random.default_rng(given.seed), []
        every = of_one_class(objects, given.shots + 1, {*given.leave_out}, rng)
        for number, examples in enumerate(islice(every, given.trials)):
            *shown, asked = examples
            segmenter.set_support(*zip(*shown, strict=True))
            photograph = landscape(grounds, tuple(given.size), rng)
            truth = paste(photograph, asked, side, rng)
            start = time.perf_counter()
            found = segmenter.predict(photograph) == 1
            seconds = time.perf_counter() - start
            shared, pixels, union = (int(each.sum()) for each in (found & truth, truth, found | truth))
            trials.append((shared / pixels, shared / union, (found & ~truth).mean(), seconds))
            print(side, number, *(f"{value:.4f}" for value in trials[-1]), file=sys.stderr, flush=True)
        ious = [iou for recall, iou, _, _ in trials if recall > 0.5]
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        shown = (
            f"{len(ious)} of {len(trials)}",
            f"{100 * fmean(ious):.0f}" if ious else "-",
            f"{100 * fmean(wrong for _, _, wrong, _ in trials):.3f} % of the photograph",
            f"{median(seconds for *_, seconds in trials):.1f}",
            f"{memory:.1f} GiB",
        )
        report.add(f"{side} pixels", *shown, trials=trials, gib=memory)
    report.finish(given)


if __name__ == "__main__":
    main()
