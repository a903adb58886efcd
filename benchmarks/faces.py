"""What of face parsing holds: `python benchmarks/faces.py --help`.

For each run of `srpnet faces train`: the two-step baseline (crops by centroid), the localizer before and after training
end to end, and both croppers where parts of the face are covered. Beside them the runs of `benchmarks/faces_unet.py`.
What was scored is kept in the folder of the run, as `scores.json`.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from harness import Report, parser

from episodes.files import write_json
from srpnet.faces.evaluate import run_evaluation
from srpnet.faces.settings import FaceEvalSettings

COVERED = 2
ROWS: Mapping[str, tuple[str, str, int]] = {
    "two steps: crops by centroid": ("parts", "centroid", 0),
    "localizer, before end to end": ("parts", "localizer", 0),
    "localizer, after end to end": (".", "localizer", 0),
    "covered: crops by centroid": ("parts", "centroid", COVERED),
    "covered: localizer, before end to end": ("parts", "localizer", COVERED),
    "covered: localizer, after end to end": (".", "localizer", COVERED),
}
"""Row -> folder of the run, cropper, and how many parts are covered."""
SHOWN = ("brows", "eyes", "nose", "upper lip", "inner mouth", "lower lip", "mouth", "overall")


def scores_of(run: Path, data: str, device: Any) -> dict[str, Any]:
    """Scores of a run, row by row; from its folder, if they are there."""
    file = run / "scores.json"
    if file.is_file():
        return json.loads(file.read_text())
    found = {}
    for row, (folder, cropper, cover) in ROWS.items():
        settings: Any = {"checkpoint": str(run / folder), "cropper": cropper, "cover": cover, "device": device}
        found[row] = run_evaluation(FaceEvalSettings(data, **settings))
    write_json(file, found)
    return found


def figure(scores: Sequence[dict[str, Any]], name: str) -> str:
    """The mean over the runs in percent, and from the lowest to the highest."""
    values = [100 * score["f1"][name]["f1"] for score in scores if score["f1"][name]["f1"] is not None]
    if not values:
        return "-"
    return f"{fmean(values):.1f}" + (f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else "")


def add(report: Report, name: str, scores: Sequence[dict[str, Any]]) -> None:
    shares = [[100 * score["coverage"][of] for score in scores if of in score["coverage"]] for of in ("all", "hidden")]
    report.add(
        name,
        *(figure(scores, part) for part in SHOWN),
        *(f"{fmean(some):.1f}" if some else "-" for some in shares),
        runs=[{key: value for key, value in score.items() if key != "checkpoint"} for score in scores],
    )


def main() -> None:
    arguments = parser("faces", __doc__)
    arguments.add_argument("--data", help="faces:PATH")
    arguments.add_argument("--runs", type=Path, nargs="*", default=[], help="of one input size each, several seeds")
    arguments.add_argument("--unets", type=Path, nargs="*", default=[], help="folders of benchmarks/faces_unet.py")
    arguments.add_argument("--device", default="auto")
    arguments.add_argument("--threads", type=int, help="of the processor  [default: PyTorch's]")
    given: argparse.Namespace = arguments.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    report = Report("faces", ("crops", *SHOWN, "coverage", "of covered parts"))
    by_input: dict[int, list[dict[str, Any]]] = {}
    for run in given.runs:
        side = json.loads((run / "config.json").read_text())["input"]
        by_input.setdefault(side, []).append(scores_of(run, given.data, given.device))
    for side, runs in by_input.items():
        for row in ROWS:
            add(report, f"input {side}, {row}", [scores[row] for scores in runs])
    by_size: dict[int, list[dict[str, Any]]] = {}
    for run in given.unets:
        scores = json.loads((run / "scores.json").read_text())
        by_size.setdefault(scores["size"], []).append(scores)
    for size, runs in by_size.items():
        add(report, f"U-Net at {size} x {size}, {runs[0]['parameters'] / 1e6:.1f} million weights", runs)
    report.finish(given)


if __name__ == "__main__":
    main()
