"""How well do examples tell what will come, and presence what is not there? `python benchmarks/forecast.py --help`.

Two thirds of the classes of `benchmarks/tasks.py` calibrate: `--calibrate` writes `srpnet/apps/trust/calibration.json`.
The others, and all test classes, judge: they choose nothing.
"""

import hashlib
import json
import math
import time
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from harness import Report, parser
from scipy.optimize import nnls
from scipy.stats import spearmanr

from episodes.data.source import same_name
from episodes.files import write_text
from srpnet import Segmenter
from srpnet.apps.trust import calibration
from srpnet.apps.trust.calibration import GROUPS, Group, Linear
from srpnet.apps.trust.evidence import Evidence
from srpnet.apps.trust.forecast import disagreement, features, forecast
from srpnet.apps.trust.risk import p_value, risks

LEVEL = 0.9
"""Of the tasks that lie in the interval."""
KEPT = 200
"""Presences of photographs without the object that are kept of each group."""
PARTS = "faces"
"""Whose classes are parts: a face without an ear still looks like a face, so presence tells nothing there."""
WRONG = 0.05


class Task(NamedTuple):
    """A task of `benchmarks/tasks.py`."""

    domain: str
    name: str
    evidence: Evidence
    true: float
    uncertain: float
    present: Sequence[float]
    absent: Sequence[float]

    @property
    def group(self) -> str:
        return calibration.group_name(len(self.evidence.others))


def read(folder: Path) -> list[Task]:
    """All tasks of a folder."""
    tasks = []
    for file in sorted(folder.glob("*.json")):
        content = json.loads(file.read_text())
        for row in content["tasks"]:
            said = {name: row[name] for name in ("areas", "alone", "others", "presence")}
            said = {name: tuple(math.nan if value is None else value for value in said[name]) for name in said}
            fitted = math.nan if row["fitted"] is None else row["fitted"]
            names = tuple(f"example {number}" for number in range(row["shots"]))
            ious = row["queries"]
            tasks.append(
                Task(
                    content["domain"],
                    row["class"],
                    Evidence(names, **said, fitted=fitted),
                    float(np.mean(ious)),
                    float(np.std(ious, ddof=1) / len(ious) ** 0.5),
                    row["present"],
                    row["absent"],
                )
            )
    return tasks


def calibrates(task: Task, test: frozenset[str]) -> bool:
    """Whether the class of a task is among those that calibrate: by its name, in all data sets alike."""
    name = same_name(task.name)
    return name not in test and hashlib.sha256(name.encode()).digest()[0] % 3 > 0


def crossed(tasks: Sequence[Task]) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients by least squares: constants that raise, constants that lower, weights, none of them negative.

    And how far the true IoU of each task lies from what is expected where its class is left out.
    """
    of_group = np.array([[task.group == name for name in GROUPS] for task in tasks])
    rows = np.column_stack([of_group, -1 * of_group, [list(features(task.evidence).values()) for task in tasks]])
    true, classes = np.array([task.true for task in tasks]), np.array([same_name(task.name) for task in tasks])
    away = np.zeros(len(tasks))
    for name in dict.fromkeys(classes):
        others = classes != name
        found, _ = nnls(rows[others], true[others])
        away[~others] = true[~others] - np.clip(rows[~others] @ found, 0, 1)
    return nnls(rows, true)[0], away


def fitted(tasks: Sequence[Task]) -> dict[str, Group]:
    """What is known of each group. The weights are those of all groups together, the constants each group's own.

    The intervals are of classes that are left out, one by one.
    """
    found, away = crossed(tasks)
    away /= [disagreement(task.evidence) for task in tasks]
    constants, weights = found[: len(GROUPS)] - found[len(GROUPS) : 2 * len(GROUPS)], found[2 * len(GROUPS) :]
    of_group = np.array([[task.group == name for name in GROUPS] for task in tasks])
    names = list(features(tasks[0].evidence))
    groups = {}
    for number, group in enumerate(GROUPS):
        own = np.sort(away[of_group[:, number]])
        beyond = max(0, math.floor((1 - LEVEL) / 2 * (len(own) + 1)) - 1)  # of one more, which is not known
        absent = [
            presence
            for task in tasks
            if task.group == group and task.domain != PARTS
            for presence in task.absent
            if presence > 0
        ]
        spread = np.quantile(absent, (np.arange(KEPT) + 0.5) / KEPT)
        groups[group] = Group(
            Linear(_short(constants[number]), {name: _short(w) for name, w in zip(names, weights, strict=True)}),
            _short(own[beyond]),
            _short(own[-1 - beyond]),
            tuple(map(_short, spread)),
        )
    return groups


def _short(value: float) -> float:
    return round(float(value), 3)


def judge_forecasts(report: Report, what: str, tasks: Sequence[Task], groups: Mapping[str, Group]) -> None:
    """A row about the forecast."""
    found = [forecast(task.evidence, groups) for task in tasks]
    true, said = np.array([task.true for task in tasks]), np.array([each.iou for each in found])
    covered = np.mean([each.low <= task.true <= each.high for each, task in zip(found, tasks, strict=True)])
    values = {
        "tasks": len(tasks),
        "classes": len({task.name for task in tasks}),
        "rank": float(spearmanr(true, said)[0]),
        "error": float(np.abs(true - said).mean()),
        "covered": float(covered),
        "width": float(np.mean([each.high - each.low for each in found])),
        "uncertain": float(np.mean([task.uncertain for task in tasks])),
        "mean": float(true.mean()),
    }
    report.add(
        what,
        f"{values['tasks']} of {values['classes']} classes",
        f"{values['rank']:.2f}",
        f"{100 * values['error']:.1f}",
        f"{100 * values['covered']:.0f} %, {100 * values['width']:.0f} wide",
        f"{100 * values['uncertain']:.1f}",
        **values,
    )


def judge_risks(
    report: Report,
    what: str,
    tasks: Sequence[Task],
    groups: Mapping[str, Group],
    mix: tuple[int, int] = (1, 1),
    given: int = 0,
) -> None:
    """A row about the risk: each task is a run over photographs with the object and without, mixed like this.

    Some of those without are given as such, and not asked for.
    """
    wrong = kept = accepted = shown = photographs = 0
    for task in tasks:
        own, absent = task.absent[:given], task.absent[given:]
        count = min(len(task.present) // mix[0], len(absent) // mix[1])
        with_it = count * mix[0]
        both = [*task.present[:with_it], *absent[: count * mix[1]]]
        examples = len(task.evidence.others)
        accept = [risk <= WRONG for risk in risks([p_value(value, examples, own, groups) for value in both])]
        shown += with_it
        photographs += len(both)
        kept += sum(accept[:with_it])
        wrong += sum(accept[with_it:])
        accepted += sum(accept)
    values = {"photographs": photographs, "wrong": wrong / max(1, accepted), "kept": kept / max(1, shown)}
    report.add(
        what,
        f"{len(tasks)} runs, {photographs} photographs",
        "",
        f"wrong among accepted: {100 * values['wrong']:.1f} %",
        f"kept of those with the object: {100 * values['kept']:.0f} %",
        "",
        **values,
    )


def seconds(given: Namespace) -> float:
    """CPU seconds of a forecast from five photographs, without loading the network."""
    generator = np.random.default_rng(0)
    segmenter = Segmenter(given.checkpoint)
    photographs = [generator.integers(0, 256, (375, 500, 3), dtype=np.uint8) for _ in range(5)]
    mask = np.zeros((375, 500), np.uint8)
    mask[100:250, 150:350] = 1
    segmenter.set_support(photographs[:2], [mask] * 2)
    segmenter.evidence()  # loads the ImageNet weights
    started = time.process_time()
    segmenter.set_support(photographs, [mask] * 5)
    segmenter.evidence()
    return time.process_time() - started


def main() -> None:
    arguments = parser("forecast", __doc__)
    arguments.add_argument("--runs", type=Path, required=True, help="the folder that benchmarks/tasks.py wrote")
    arguments.add_argument("--pairs", type=Path, nargs="*", default=[], help="files of test classes, a name a line")
    arguments.add_argument("--checkpoint", default="srpnet-base")
    arguments.add_argument("--calibrate", action="store_true", help="write calibration.json")
    given = arguments.parse_args()
    test = frozenset(same_name(name) for file in given.pairs for name in file.read_text().split("\n") if name)
    tasks = read(given.runs)
    own = [task for task in tasks if calibrates(task, test)]
    groups = fitted(own)
    if given.calibrate:
        write_calibration(groups, own, Segmenter(given.checkpoint).predictor.sha256)
    judged = [task for task in tasks if not calibrates(task, test)]
    report = Report(
        "forecast",
        ("what", "tasks", "rank correlation", "mean error", "in the 90 % interval", "the truth itself is ± "),
    )
    _, away = crossed(tasks)
    five = np.array([task.group == "many" for task in tasks])
    true = np.array([task.true for task in tasks])[five]
    report.add(
        "five examples, each class left out in turn",
        f"{five.sum()} of {len({task.name for task in tasks})} classes",
        f"{spearmanr(true, true - away[five])[0]:.2f}",
        f"{100 * np.abs(away[five]).mean():.1f}",
        "",
        f"{100 * np.mean([task.uncertain for task in tasks if task.group == 'many']):.1f}",
        tasks=int(five.sum()),
        rank=float(spearmanr(true, true - away[five])[0]),
        error=float(np.abs(away[five]).mean()),
    )
    for name, words in (("many", "five examples"), ("few", "three examples"), ("one", "one example")):
        of_group = [task for task in judged if task.group == name]
        judge_forecasts(report, words, of_group, groups)
        if name == "many":
            for domain in dict.fromkeys(task.domain for task in tasks):
                judge_forecasts(
                    report, f"{words}, {domain}", [each for each in of_group if each.domain == domain], groups
                )
            unseen = [task for task in of_group if same_name(task.name) in test]
            judge_forecasts(report, f"{words}, classes that the network never saw", unseen, groups)
    for name, words in (("many", "five examples"), ("few", "three examples"), ("one", "one example")):
        objects = [task for task in judged if task.group == name and task.domain != PARTS]
        judge_risks(report, f"risk up to 5 %, {words}", objects, groups)
        for number in (2, 4):
            judge_risks(report, f"the same, {words}, and {number} without the object", objects, groups, given=number)
        if name == "many":
            judge_risks(report, f"the same, {words}, three in four show it", objects, groups, (3, 1))
            judge_risks(report, f"the same, {words}, one in four shows it", objects, groups, (1, 3))
    took = seconds(given)
    report.add("CPU seconds for five photographs at 417 pixels", f"{took:.1f}", "", "", "", "", seconds=took)
    report.finish(given)


def write_calibration(groups: Mapping[str, Group], tasks: Iterable[Task], network: str) -> None:
    """Write the constants, with what made them."""
    about = {
        "made by": "python benchmarks/forecast.py --runs TASKS --pairs TEST_CLASSES --calibrate",
        "network": network,
        "classes": sorted({f"{task.domain} {task.name}" for task in tasks}),
    }
    lines = [f'"{name}": {json.dumps(value)}' for name, value in about.items()]
    own = ",\n".join(f'"{name}": {json.dumps(asdict(group))}' for name, group in groups.items())
    text = ",\n".join([*lines, f'"groups": {{\n{own}\n}}'])
    write_text(Path(calibration.__file__).with_suffix(".json"), f"{{\n{text}\n}}\n")


if __name__ == "__main__":
    main()
