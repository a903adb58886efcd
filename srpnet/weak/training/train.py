"""Train students from image tags: `srpnet weak train` as a plain function."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from episodes.data import data_set
from episodes.data.image_tags import PREFIX
from episodes.data.source import OnProgress, silent
from episodes.distributed import ALONE, World
from episodes.errors import InputError
from episodes.files import check_folder, clear_parts, write_json
from srpnet.nn.device import runtime
from srpnet.training import state
from srpnet.training.log import Progress
from srpnet.training.run import TrainingRun
from srpnet.weak.photographs import tagged_photographs
from srpnet.weak.settings import WeakTrainSettings
from srpnet.weak.students import build
from srpnet.weak.training.items import TaggedItems
from srpnet.weak.training.kept_features import KeptFeatures
from srpnet.weak.training.trainable import TrainableStudents

OnLog = Callable[[Progress], None]


def run_training(
    settings: WeakTrainSettings,
    out: Path,
    resume: bool = False,
    say: Callable[[str], None] = print,
    on_log: OnLog = lambda _: None,
    world: World = ALONE,
    on_progress: OnProgress = silent,
) -> Path:
    """Train students; the folder that holds them is returned.

    Every process of a `world` calls this alike; `say` and `on_log` are called in the first one, which also writes.

    Raises:
        InputError: if settings, data or weights are wrong, or `out` holds another run, or is being used.
        Interrupted: if asked to stop; the state is saved.
    """
    if not world.first:
        say, on_progress = _silence, silent
    with world.together():
        settings.training.share(world.size)
        check_folder(out)
    with world.locked(out, "trained"):
        _train(settings, out, resume, say, on_log, world, on_progress)
    return out


def _train(
    settings: WeakTrainSettings,
    out: Path,
    resume: bool,
    say: Callable[[str], None],
    on_log: OnLog,
    world: World,
    on_progress: OnProgress,
) -> None:
    if world.first:
        clear_parts(out)
    begun = world.any(world.first and state.exists(out))
    if begun and not resume:
        raise InputError(f"{out} already holds a run: go on with `resume`, or name another `out`")
    with world.first_alone():
        photographs = tagged_photographs(settings.data, settings.seed, on_progress)
        machine = runtime(settings.device, settings.precision, world)
        for remark in photographs.remarks:
            say(f"data: {remark}")
        say(f"{len(photographs.ids):,} photographs of {photographs.name}, {len(photographs.classes)} classes")
        trained_on = {
            "data": PREFIX if settings.data.data.startswith(PREFIX) else data_set(settings.data.data).name,
            "fold": settings.data.fold,
            "photographs": len(photographs.ids),
            "tags": photographs.sha256,
            "steps": settings.training.steps,
        }
        config = replace(
            settings.network, classes=photographs.classes, labels=photographs.labels, trained_on=trained_on
        )
        file = None if settings.weights_file is None else Path(settings.weights_file)
        students = build(config, settings.seed, file, say)
    say(f"weights {students.config.weights} {str(students.config.weights_sha256)[:12]}; {machine}")
    given = {"classes": ", ".join(photographs.classes), "tags": photographs.sha256}
    training, kept = settings.training, None
    if settings.reuse_features != "none":
        training = replace(training, workers=0)  # what lies in memory needs nobody to load it
        kept = KeptFeatures(
            photographs,
            students.eval().to(machine.device),
            settings.seed,
            machine,
            settings.reuse_features,
            out,
            settings.cache_limit,
            settings.method.consistency == "on",
            partial(on_progress, "Computing features"),
        )
    trainable = TrainableStudents(students, training, settings.method, machine, given, kept)
    run = TrainingRun(trainable, out, resume=begun, identity=settings, world=world)
    with world.together():
        if world.first:
            write_json(out / "settings.json", asdict(settings))
    items = TaggedItems(photographs, settings.network.size, settings.augmentation, settings.seed, kept=kept is not None)
    run.train(items, on_log, on_step=partial(on_progress, "Training"))


def _silence(_: str) -> None:
    """For all processes but the first."""
