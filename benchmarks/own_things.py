"""Things of one's own, from a few examples: `python benchmarks/own_things.py --help`.

Each job is a folder: `supports/` with a mask beside each photograph, `queries/`, and their masks in `truth/`; 0 is
background, 1 the object, 255 ignored. Those that are not there are built from data sets that are named, and from
pictures that come with scikit-image; any other folder of this layout is a job too. Beside us, in the same run: Otsu's
threshold, GrabCut that is told the true box, and a random forest on scikit-image's features of the same examples.

Jobs are scored by the mean over their queries, and the table shows the mean over the jobs. What was scored is kept in
the folder of the job, as `scores.json`, so that a run can be continued. Needs `pip install 'srpnet[dev]'`.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import cv2
import numpy as np
import torch
from harness import Report, parser
from jobs import Job, build, jobs_in
from PIL import Image
from skimage.feature import multiscale_basic_features
from skimage.filters import threshold_otsu
from sklearn.ensemble import RandomForestClassifier

from episodes.data.source import IGNORE, Array
from episodes.files import write_json
from episodes.scoring.boundaries import BoundaryCounts
from srpnet import Segmenter

Scores = dict[str, list[float]]
"""`iou` and `boundary` of each query, and `seconds`."""
Example = tuple[Array, Array]
"""A photograph (H, W, 3), and its mask (H, W)."""
Method = Callable[[Array, Array], Array]
"""A query and its truth, which only GrabCut looks at, for the box -> what is found, 0 and 1."""
PIXELS = 4000
"""Of each class in each example, that the random forest learns from."""


def otsu(examples: Sequence[Example]) -> Method:
    """Lighter or darker than Otsu's threshold, as the examples say."""

    def light(photograph: Array) -> Array:
        grey = np.asarray(Image.fromarray(photograph).convert("L"))
        return grey > threshold_otsu(grey)

    lighter = fmean(iou(light(photograph), mask) - iou(~light(photograph), mask) for photograph, mask in examples) > 0
    return lambda photograph, truth: light(photograph) == lighter


def grabcut(examples: Sequence[Example]) -> Method:
    """GrabCut, told the box around the truth; no example is looked at."""

    def segment(photograph: Array, truth: Array) -> Array:
        rows, columns = ((truth == 1).any(axis).nonzero()[0] for axis in (1, 0))
        box = columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1
        state = np.zeros(truth.shape, np.uint8)
        if box[2] * box[3] == truth.size:  # no background to learn from
            return np.ones_like(state)
        cv2.setRNGSeed(0)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(photograph, state, [int(side) for side in box], *models, 5, cv2.GC_INIT_WITH_RECT)
        return (state == cv2.GC_FGD) | (state == cv2.GC_PR_FGD)

    return segment


def forest(examples: Sequence[Example]) -> Method:
    """A pixel classifier as in ilastik: scikit-image's features at several scales, and a random forest."""

    def features(photograph: Array) -> Any:
        return multiscale_basic_features(photograph, sigma_max=16, channel_axis=-1)

    rng, rows, labels = np.random.default_rng(0), [], []
    for photograph, mask in examples:
        values = features(photograph)
        for label in (0, 1):
            pixels = np.flatnonzero(mask == label)
            pixels = rng.choice(pixels, min(PIXELS, len(pixels)), replace=False)
            rows.append(values.reshape(-1, values.shape[-1])[pixels])
            labels.append(np.full(len(pixels), label))
    trees = RandomForestClassifier(50, max_depth=12, max_samples=0.3, n_jobs=1, random_state=0)
    trees.fit(np.concatenate(rows), np.concatenate(labels))

    def segment(photograph: Array, truth: Array) -> Array:
        values = features(photograph)
        return trees.predict(values.reshape(-1, values.shape[-1])).reshape(truth.shape)

    return segment


def looking(segmenter: Segmenter, closer: bool = True, refine: bool = True) -> Method:
    """By what a `Segmenter` was shown, with closer looks and refined edges, or without."""

    def segment(photograph: Array, truth: Array) -> Array:
        segmenter.looks_closer, segmenter.refines = closer, refine
        return segmenter.predict(photograph)

    return segment


def iou(found: Array, truth: Array) -> float:
    """In [0, 1], without what is ignored."""
    found, counted = found == 1, truth != IGNORE
    return float((found & (truth == 1)).sum() / ((found | (truth == 1)) & counted).sum())


def score(method: Method, queries: Sequence[Example]) -> Scores:
    """IoU and seconds of processor of each query, boundary F of those whose outline is not ignored."""
    scores: Scores = {"iou": [], "boundary": [], "seconds": []}
    for photograph, truth in queries:
        start = time.process_time()
        found = np.asarray(method(photograph, truth)).astype(np.uint8)
        scores["seconds"].append(time.process_time() - start)
        scores["iou"].append(iou(found, truth))
        boundary = BoundaryCounts.of(torch.from_numpy(found), torch.from_numpy(truth))
        if boundary.true:  # a mask of VOC often has nothing but ignored pixels around it
            scores["boundary"].append(boundary.f)
    return scores


def methods(job: Job, shots: Sequence[int], segmenter: Segmenter) -> Iterator[tuple[str, Method]]:
    """What is compared, each to be used before the next is asked for.

    Args:
        job: Of which the examples are.
        shots: How many of them, ascending.
        segmenter: Ours.
    """
    yield "Otsu's threshold", otsu(job.supports(shots[-1]))
    yield "GrabCut, by the true box", grabcut(job.supports(shots[-1]))
    for count in shots:
        yield f"random forest, {count}-shot", forest(job.supports(count))
    for count in shots:
        segmenter.set_support(*zip(*job.supports(count), strict=True))
        yield f"srpnet --closer none, {count}-shot", looking(segmenter, closer=False)
    yield f"srpnet, {shots[-1]}-shot", looking(segmenter)
    yield f"srpnet --closer none --refine none, {shots[-1]}-shot", looking(segmenter, closer=False, refine=False)


def scored(job: Job, shots: Sequence[int], segmenter: Segmenter) -> dict[str, Scores]:
    """Name of a method -> its scores; from the job's folder, if all are there."""
    if job.scores.is_file():
        return json.loads(job.scores.read_text())
    queries = job.queries()
    scores = {name: score(method, queries) for name, method in methods(job, shots, segmenter)}
    write_json(job.scores, scores)
    return scores


def main() -> None:
    arguments = parser("own_things", __doc__)
    arguments.add_argument("--jobs", type=Path, default=Path("runs/own-things"), help="folder of jobs; made if need be")
    arguments.add_argument("--data", nargs="*", default=[], help="coco:PATH, pascal:PATH, faces:PATH")
    arguments.add_argument("--only", nargs="*", default=[], help="names of jobs; all if there are none")
    arguments.add_argument("--shots", nargs="+", type=int, default=[1, 3, 5])
    arguments.add_argument("--queries", type=int, default=5, help="of each job that is built")
    arguments.add_argument("--checkpoint", default="srpnet-base")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    build(given.jobs, given.data, max(given.shots), given.queries)
    jobs = jobs_in(given.jobs, given.only)
    segmenter = Segmenter(given.checkpoint, device="cpu", refine="grabcut")
    scores = {}
    for job in jobs:
        scores[job.name] = scored(job, sorted(given.shots), segmenter)
        print(job.name, file=sys.stderr, flush=True)
    report = Report("own_things", ("", "IoU", "boundary F", "s a photograph", *scores))
    for name in next(iter(scores.values())):
        means = {
            key: fmean(fmean(of_job[name][key]) for of_job in scores.values() if of_job[name][key])
            for key in ("iou", "boundary", "seconds")
        }
        shown = f"{100 * means['iou']:.1f}", f"{100 * means['boundary']:.1f}", f"{means['seconds']:.2f}"
        by_job = {job: each[name] for job, each in scores.items()}
        report.add(name, *shown, *(f"{100 * fmean(each['iou']):.0f}" for each in by_job.values()), **means, jobs=by_job)
    report.finish(given)


if __name__ == "__main__":
    main()
