"""Score a method by the plans of one protocol or several, and write what was found: `srpnet eval` for any method."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from episodes.data.source import OnProgress, silent
from episodes.distributed import ALONE, World
from episodes.errors import InputError
from episodes.files import check_folder
from episodes.results.bootstrap import Resampling
from episodes.results.gallery import draw_pictures
from episodes.results.output import NOTHING_KEPT, Output, Scored, Writer
from episodes.results.result import result
from episodes.results.run import write_run
from episodes.scoring.evaluate import cache_for
from episodes.scoring.methods import Method, offers
from episodes.scoring.metrics import Absent
from episodes.scoring.plans.plan import Plan
from episodes.scoring.plans.planning import plans
from episodes.scoring.plans.progress import bar
from episodes.scoring.plans.settings import PlanSettings
from episodes.scoring.plans.workload import OnEpisode, Workload
from episodes.scoring.predictions import Predictions
from episodes.scoring.protocols import departures

WRITERS: Sequence[Writer] = (write_run, draw_pictures)
"""What is kept of a run, in the order in which it is written."""


def score(
    plans: Mapping[str, Plan],
    method: Method,
    about: Mapping[str, Any],
    output: Output = NOTHING_KEPT,
    *,
    used: Mapping[str, Any] | None = None,
    resampling: Resampling | None = None,
    present_above: float | None = None,
    cache_bytes: int = 2 << 30,
    world: World = ALONE,
    on_episode: OnEpisode | None = None,
) -> dict[str, dict[str, Any]]:
    """Score a method by each plan; what it prepares of a photograph is shared where the geometry is the same.

    Args:
        plans: By the name of the protocol, from `episodes.scoring.plans.planning.plans`.
        method: See `episodes.evaluate`.
        about: What it is made of, for the result.
        output: What is kept.
        used: More settings for the result.
        resampling: What the intervals are made by; the default is `Resampling()`.
        present_above: The method's threshold: a class whose presence score is below it is declared absent.
        cache_bytes, world: See `episodes.evaluate`. All processes get the same scores; the first has the intervals and
            what was made of negative episodes too, and writes.
        on_episode: See `OnEpisode`. None shows a bar, if standard error is a terminal; `lambda *_: None` shows nothing.

    Returns:
        Protocol -> the content of `result.json`.

    Raises:
        InputError: if a photograph cannot be loaded, a file cannot be written, or another process uses the folder.
    """
    contents: dict[str, dict[str, Any]] = {}
    every = sum(plan.count for plan in plans.values())
    ordered = sorted(plans.items(), key=lambda item: str(item[1].rules.geometry))
    workload = Workload((plan for _, plan in ordered), offers(method, "prepare"))

    folders: dict[str, Path] = {}
    if output.folder is not None:
        folders = {name: output.folder / name if len(plans) > 1 else output.folder for name in plans}
    with ExitStack() as held:
        for folder in folders.values():
            held.enter_context(world.locked(folder, "written"))
        cache = held.enter_context(cache_for(method, cache_bytes))
        show = held.enter_context(bar(world.first)) if on_episode is None else on_episode

        def tell(done: int, every: int) -> None:
            show(done, every, workload.share(done))

        tell(0, every)
        for name, plan in ordered:
            progress = RunProgress(sum(plans[done].count for done in contents), plan.count, every, world, tell)
            outcome = plan.evaluate(method, cache=cache, world=world, on_episode=progress)
            data = plan.settings.data
            settings = asdict(plan.settings) | {"data": data.data, "source": asdict(data), "protocol": name}
            settings |= {"episodes": plan.rules.episodes, "size": plan.rules.geometry.size}
            settings |= {"command": output.command, **(used or {})}
            for added in (
                "wrong_support",
                "distractors",
            ):  # results without them are as before there were these settings
                if not settings[added]:
                    del settings[added]
            departed = [*departures(plan.protocol, plan.rules, data.data, data.fold_order), *plan.departures]
            if lost := outcome.never_drawn:
                names = f"{', '.join(lost[:5])}{f' and {len(lost) - 5} more' if lost[5:] else ''}"
                departed.append(f"no episode drew {names}, {TO_THE_MEAN[plan.rules.absent]}")
            if plan.settings.support != "mask":
                departed.append(f"supports: {plan.settings.support}, not mask")
            pairs = plan.header.pairs
            contents[name] = result(outcome, plan.rules, settings, pairs, about, departed, resampling, present_above)
            if plan.partial:
                contents[name]["left_out"] = plan.left_out_record
            contents[name]["data_notes"] = [str(remark) for remark in plan.fold.remarks(plan.rules.split)]
            with world.together():
                if world.first and name in folders:
                    for write in WRITERS:
                        write(folders[name], Scored(plan, method, outcome, contents[name], cache, output))
    return {name: contents[name] for name in plans}


TO_THE_MEAN: Mapping[Absent, str] = {
    "zero": "each of which counts as 0 in the mIoU",
    "nan": "so that there is no mIoU",
    "skip": "which the mIoU leaves out",
}
"""What classes that nobody drew are to the mIoU, see `Score`."""


@dataclass
class RunProgress:
    """Tells somebody after each episode how far the work is."""

    before: int
    count: int
    every: int
    world: World
    on_episode: Callable[[int, int], None]
    done: int = 0

    def __call__(self, *_: object) -> None:
        self.done = min(self.done + self.world.size, self.count)  # the other processes have come as far
        self.on_episode(self.before + self.done, self.every)


def score_predictions(
    settings: PlanSettings,
    folder: Path,
    output: Output,
    on_episode: OnEpisode | None = None,
    world: World = ALONE,
    on_progress: OnProgress = silent,
) -> dict[str, dict[str, Any]]:
    """Score a folder of label maps; see `score` for what is returned.

    Args:
        settings: With the manifest that the label maps were made for.
        folder: See `Predictions`.
        output, on_episode, world: See `score`.
        on_progress: Called with the progress of reading and counting the data, where that takes long.

    Raises:
        InputError: if the settings are wrong, or a label map is missing or wrong.
    """
    with world.together():
        if settings.distractors:
            raise InputError("label maps of a manifest are of photographs as they are: leave out `distractors`")
        if output.folder is not None:
            check_folder(output.folder)
        method = Predictions(folder)
        chosen = plans(settings, on_progress if world.first else silent)
    return score(chosen, method, {"predictions": folder.name}, output, world=world, on_episode=on_episode)
