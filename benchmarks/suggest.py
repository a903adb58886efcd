"""Are three suggested photographs worth five random ones? `python benchmarks/suggest.py --help`.

A task begins with one example of a class. Its pool holds other photographs of the class and some that do not show it.
The three that are suggested first are marked, those that do not show the class as such; beside that, five random ones
that show it. Both are scored on the same queries. Every task is written when it is done.
"""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from harness import Report, parser
from PIL import Image
from tasks import Marked, RememberingPredictor, add_arguments, iou, mask_of, photographs, segment

from episodes import open_source
from episodes.draws import Draws
from episodes.files import write_text
from srpnet import Segmenter
from srpnet.apps.looks.placing import place_photograph
from srpnet.apps.trust.suggestions import candidate, suggest

POOL, WITHOUT, QUERIES = 10, 6, 7
SUGGESTED, RANDOM, DRAWS = 3, 5, 2


def score(segmenter: Segmenter, shown: list[Marked], queries: list[Marked]) -> float:
    """Mean IoU of the queries by these examples."""
    pairs = [(each.photograph, each.mask) for each in shown if each.mask.any()]
    segmenter.show({"object": pairs}, [each.photograph for each in shown if not each.mask.any()])
    return float(np.mean([iou(segmenter, each.placed, segment(segmenter, each.placed), each.mask) for each in queries]))


def task(segmenter: Segmenter, name: str, marked: list[Marked], others: list[Marked]) -> dict[str, Any]:
    """The record of a class."""
    first, queries, pool = marked[0], marked[1 : 1 + QUERIES], marked[1 + QUERIES :][:POOL]
    without = [each._replace(mask=np.zeros_like(each.mask)) for each in others]
    mixed = Draws("suggest", name).sample([*pool, *without], len(pool) + len(without))
    before, supports = score(segmenter, [first], queries), segmenter.supports
    candidates = [candidate(segmenter.predictor, supports, each.placed) for each in mixed]
    chosen = [mixed[each.number] for each in suggest(candidates, supports.examples_ND)[:SUGGESTED]]
    suggested = score(segmenter, [first, *chosen], queries)
    drawn = [Draws("random", name, number).sample(pool, RANDOM) for number in range(DRAWS)]
    return {
        "before": before,
        "suggested": suggested,
        "with the class": sum(bool(each.mask.any()) for each in chosen),
        "random": [score(segmenter, [first, *each], queries) for each in drawn],
        "three random": [score(segmenter, [first, *each[:SUGGESTED]], queries) for each in drawn],
    }


def main() -> None:
    arguments = parser("suggest", __doc__)
    arguments.add_argument("--runs", type=Path, required=True, help="folder for the records, a file for each class")
    add_arguments(arguments)
    given = arguments.parse_args()
    started = time.monotonic()
    segmenter = Segmenter(given.checkpoint, size=given.size, device="cpu")
    segmenter.predictor = predictor = RememberingPredictor(segmenter.predictor)
    for data in given.data:
        source, others = open_source(data), list[Marked]()
        classes = {
            name: ids for name, ids in photographs(source, given.least_pixels).items() if len(ids) >= 1 + QUERIES + POOL
        }
        for name in list(classes)[:: given.every]:
            file = given.runs / f"{data.partition(':')[0]} {name}.json"
            if file.exists() or time.monotonic() > started + given.seconds:
                continue
            label, marked = source.classes.index(name) + 1, []
            for id in classes[name][: 1 + QUERIES + POOL]:
                photograph, mask = mask_of(source, id, label)
                placed = place_photograph(Image.fromarray(photograph), given.size, "letterbox")
                marked.append(Marked(id, photograph, mask, placed))
            without = [each for each in others if label not in source.classes_in(each.id)][:WITHOUT]
            if others:
                record = task(segmenter, name, marked, without)
                write_text(file, json.dumps(record))
                print(f"{time.monotonic() - started:.0f} s  {file.stem}: {record}", flush=True)
            others = marked
            for key in list(predictor.known)[:-40]:
                del predictor.known[key]
    report(given)


def report(given: Any) -> None:
    """The table of all records."""
    records = [json.loads(file.read_text()) for file in sorted(given.runs.glob("*.json"))]
    table = Report("suggest", ("examples", "mean IoU", "three suggested are as good or better, of tasks"))
    suggested = np.array([record["suggested"] for record in records])
    for words, name in (
        ("one", "before"),
        ("and three random ones", "three random"),
        ("and five random ones", "random"),
    ):
        other = np.array([np.mean(record[name]) for record in records])
        better = float(np.mean(suggested >= other))
        table.add(words, f"{100 * other.mean():.1f}", f"{100 * better:.0f} %", iou=float(other.mean()), better=better)
    shows = float(np.mean([record["with the class"] for record in records])) / SUGGESTED
    table.add(
        "and three suggested ones",
        f"{100 * suggested.mean():.1f}",
        f"{len(records)} tasks; {100 * shows:.0f} % of the suggested show the class",
        iou=float(suggested.mean()),
        tasks=len(records),
        shows=shows,
    )
    table.finish(given)


if __name__ == "__main__":
    main()
