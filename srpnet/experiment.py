"""The two experiments of the command line, as plain functions: train on a fold's base classes, score its novel ones."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from episodes.episode import Episode
from episodes.errors import InputError
from episodes.evaluation import evaluate
from episodes.files import atomic_write, check_folder, write_json
from episodes.geometry import Geometry
from episodes.loading import Augmentation, EpisodeList, Loader
from episodes.metrics import Score
from episodes.pictures import panel
from episodes.protocols import PROTOCOLS
from episodes.results import STICKERS_NOTE, result
from episodes.sources.base import OnProgress, same_name, silent
from episodes.task import DataSettings, NovelPixels, Pools, Task
from srpnet.logs import Progress
from srpnet.method import SRPNetMethod
from srpnet.network import NetworkSettings, SRPNet, build, load_network
from srpnet.runtime import DeviceName, Precision, Runtime, runtime
from srpnet.training import TrainingRun, TrainingSettings, best_step

Say = Callable[[str], None]
OnLog = Callable[[str, int, Progress], None]
"""Called with the phase (`select` or `train`), its number of steps, and the progress."""


@dataclass(frozen=True)
class TrainSettings:
    """Everything that `srpnet train` is told.

    Attributes:
        data, network, training: What on, what, and how.
        way, shot, query_count, seed: Of the episodes; the seed also seeds the head and the augmentation.
        size: Photographs are stretched to this square, in pixels.
        augmentation: Of supports and queries, independently.
        novel_pixels: What becomes of training photographs that also show novel classes, see `Task.training_sampler`.
        hold_back: Base classes to validate on: `none`, names with commas between, or how many.
        validation_episodes: How many episodes of the classes held back.
        device, precision: See `runtime`.
    """

    data: DataSettings = DataSettings()
    network: NetworkSettings = NetworkSettings()
    training: TrainingSettings = TrainingSettings()
    way: int = 1
    shot: int = 1
    query_count: int = 1
    seed: int = 0
    size: int = 321
    augmentation: Augmentation = Augmentation()
    novel_pixels: NovelPixels = "background"
    hold_back: str = "none"
    validation_episodes: int = 200
    device: DeviceName = "auto"
    precision: Precision = "auto"

    def episodes(self) -> dict[str, int]:
        """The fields that `Sampler` takes."""
        return {"way": self.way, "shot": self.shot, "query_count": self.query_count, "seed": self.seed}


@dataclass(frozen=True)
class EvalSettings:
    """Everything that `srpnet eval` is told.

    Attributes:
        data: Source and fold.
        checkpoint: Folder or Hugging Face name; None is the training-free network.
        protocol: Name of an entry of `PROTOCOLS`; the next three change single choices of it.
        episodes: How many, instead of the protocol's number.
        size: Side of the square, instead of the protocol's.
        original_size: Compare label maps at the photographs' own sizes.
        classes: Novel classes to test, by name; none means all.
        way, shot, query_count, seed: Of the episodes.
        iqi_rounds: Instead of the checkpoint's.
        device, precision: See `runtime`.
    """

    data: DataSettings = DataSettings()
    checkpoint: str | None = None
    protocol: str = "hsnet"
    episodes: int | None = None
    size: int | None = None
    original_size: bool = False
    classes: tuple[str, ...] = ()
    way: int = 1
    shot: int = 1
    query_count: int = 1
    seed: int = 0
    iqi_rounds: int | None = None
    device: DeviceName = "auto"
    precision: Precision = "auto"


def run_training(
    settings: TrainSettings,
    out: Path,
    resume: bool = False,
    say: Say = print,
    on_log: OnLog = lambda *_: None,
    on_progress: OnProgress = silent,
) -> Path:
    """Train a network on the base classes of a fold; the folder that holds it is returned.

    With classes held back, a first run in `out/select` trains without them and is validated on them; the step with the
    best score then ends the final run, which trains on all base classes under the same learning-rate schedule.

    Raises:
        InputError: if settings, data or weights are wrong, or `out` holds another run.
        Interrupted: if asked to stop; the state is saved.
    """
    check_folder(out)
    task = Task(settings.data, on_progress=on_progress)
    held_back = task.hold_back(settings.hold_back, settings.shot, settings.seed)
    machine = runtime(settings.device, settings.precision)
    begun = {folder: (folder / "training.pt").exists() for folder in (out, out / "select")}
    if not resume and any(begun.values()):
        raise InputError(f"{out} already holds a run: go on with --resume, or name another --out")
    if resume and not any(begun.values()):
        raise InputError(f"there is no run to resume in {out}: leave out --resume, or name its --out")
    if resume and bool(held_back) != begun[out / "select"]:
        raise InputError(f"{out} was begun with another --hold-back: resume with the same settings")
    say(f"fold {settings.data.fold} of {settings.data.data}: novel {_named(task, task.novel)}")
    if settings.data.data == "stickers":
        say(STICKERS_NOTE)
    steps = settings.training.steps
    if held_back:
        say(f"Choosing the number of steps on base classes held back: {_named(task, held_back)}")
        run, episodes = _prepare(settings, task, held_back, out / "select", steps, begun[out / "select"], machine, say)
        if not begun[out]:
            run.network.write(out)  # so that the folder holds a network from the first moment on
        run.train(
            episodes,
            lambda progress: on_log("select", steps, progress),
            _validator(settings, task, held_back, machine),
        )
        steps = best_step(run.validations)
        say(f"Best after {steps} steps: {100 * run.validations[steps]:.1f} mIoU. Training on all base classes.")
    run, episodes = _prepare(settings, task, (), out, steps, begun[out], machine, say)
    run.train(episodes, lambda progress: on_log("train", steps, progress))
    return out


def run_evaluation(
    settings: EvalSettings,
    out: Path | None = None,
    pictures: int = 0,
    on_episode: Callable[[int, int], None] = lambda *_: None,
    on_progress: OnProgress = silent,
) -> dict[str, Any]:
    """Score a network on the novel classes of a fold; returns the content of `result.json`, written to `out` if given.

    Args:
        settings: What to score, on what, how.
        out: Folder for `result.json` and `pictures/`.
        pictures: How many episodes to draw, evenly spread over the run.
        on_episode: Called with the number of episodes done, and of all.
        on_progress: Told how far it is when the data take long to read or count.

    Raises:
        InputError: if settings, data or weights are wrong, or the network was trained on a class to be tested.
    """
    if out is not None:
        check_folder(out)
    if settings.protocol not in PROTOCOLS:
        raise InputError(f"there is no protocol {settings.protocol!r}: there are {', '.join(PROTOCOLS)}")
    rules = PROTOCOLS[settings.protocol]
    geometry = replace(rules.geometry, size=rules.geometry.size if settings.size is None else settings.size)
    count = rules.episodes if settings.episodes is None else settings.episodes
    if count < 1:
        raise InputError(f"cannot score {count} episodes: at least 1")
    task = Task(settings.data, on_progress=on_progress)
    classes = task.labels(settings.classes, task.novel, "novel class") if settings.classes else task.novel
    names = task.names(classes)
    sampler = task.novel_sampler(
        classes,
        drawing=rules.drawing,
        way=settings.way,
        shot=settings.shot,
        query_count=settings.query_count,
        seed=settings.seed,
    )
    network = load_network(settings.checkpoint)
    known = {same_name(name) for name in network.config.seen}
    if seen := sorted(name for name in names.values() if same_name(name) in known):
        raise InputError(
            f"{settings.checkpoint} was trained on {', '.join(seen)}: it cannot be tested on them as novel classes; "
            "name the checkpoint of this fold, or other --classes"
        )
    iqi = network.config.iqi
    if settings.iqi_rounds is not None:
        iqi = replace(iqi, rounds=settings.iqi_rounds)
    machine = runtime(settings.device, settings.precision)
    score_at = "original" if settings.original_size else rules.score_at
    episodes = EpisodeList(sampler, Loader(task.source, geometry, score_at=score_at))
    pictures = min(pictures, count)
    drawn = {place * count // pictures for place in range(pictures)}
    panels: dict[str, Image.Image] = {}

    def after(episode: Episode, predictions: list[Tensor], matrix: Tensor) -> None:
        if episode.spec.index in drawn:
            panels.update([draw_episode(episode, predictions, matrix, task)])
        on_episode(episode.spec.index + 1, count)

    evaluation = evaluate(SRPNetMethod(network, machine, iqi), episodes.first(count), names, rules, on_episode=after)
    weights = {
        "name": network.config.backbone,
        "sha256": network.config.backbone_sha256,
        "network": asdict(network.config),
    }
    used = asdict(settings) | {"data": settings.data.data, "source": asdict(settings.data)}
    used |= {"episodes": count, "size": geometry.size, "iqi": asdict(iqi), "runtime": str(machine)}
    content = result(evaluation, used, Pools(sampler.supports, sampler.queries).record(), weights)
    if out is not None:
        write_json(out / "result.json", content)
        for old in (out / "pictures").glob("[0-9]" * 6 + "-*.png"):  # of an earlier run into the same folder
            old.unlink()
        for name, picture in panels.items():
            with atomic_write(out / "pictures" / name) as temporary:
                picture.save(temporary, "PNG")
    return content


def draw_episode(episode: Episode, predictions: list[Tensor], matrix: Tensor, task: Task) -> tuple[str, Image.Image]:
    """The panel of an episode, and a file name for it: `<index>-<classes>.png`."""
    names = [task.source.classes[label - 1] for label in episode.spec.classes]
    score = Score({})
    score.add(episode.spec.classes, matrix)
    ious = [score.classes[label].iou for label in episode.spec.classes]
    note = STICKERS_NOTE if task.source.name == "stickers" else ""
    file = f"{episode.spec.index:06d}-{'-'.join(names)}.png".replace(" ", "_")
    return file, panel(episode, predictions, names, ious, note)


def _prepare(
    settings: TrainSettings,
    task: Task,
    held_back: tuple[int, ...],
    folder: Path,
    steps: int,
    resume: bool,
    machine: Runtime,
    say: Say,
) -> tuple[TrainingRun, EpisodeList]:
    """A run that is ready to train in its folder, and its episodes."""
    sampler, short = task.training_sampler(held_back, settings.novel_pixels, **settings.episodes())
    pairs = Pools(sampler.supports, sampler.queries).record()
    if short:
        say(f"Left out of training for want of images: {', '.join(short)}")
    share = task.unseen_share(sampler, held_back)
    say(f"{100 * share:.1f} % of the training photographs also show unseen classes: {settings.novel_pixels}")
    trained_on = {
        "data": settings.data.data.partition(":")[0],
        "fold": settings.data.fold,
        "novel_pixels": settings.novel_pixels,
        "unseen_share": share,
        "pairs": pairs,
        "left_out": short,
        "held_back": _named(task, held_back),
        "steps": steps,
    }
    seen = tuple(task.names(sampler.classes).values())
    unseen = frozenset(task.novel) | set(held_back) if settings.novel_pixels == "ignore" else frozenset()
    loader = Loader(task.source, Geometry(settings.size), settings.augmentation, settings.seed, unseen)
    network = build(replace(settings.network, seen=seen, trained_on=trained_on), say=say)
    network.reset_head(settings.seed)
    say(f"weights {network.config.backbone} {str(network.config.backbone_sha256)[:12]}; {machine}")
    training = replace(settings.training, steps=steps)
    run = TrainingRun(network, training, folder, machine, settings.training.steps, resume, asdict(settings))
    write_json(folder / "settings.json", asdict(settings))
    return run, EpisodeList(sampler, loader)


def _validator(
    settings: TrainSettings, task: Task, classes: tuple[int, ...], machine: Runtime
) -> Callable[[SRPNet], float]:
    sampler = task.validation_sampler(classes, **settings.episodes())
    episodes = EpisodeList(sampler, Loader(task.source, Geometry(settings.size)))

    def validate(network: SRPNet) -> float:
        method = SRPNetMethod(network, machine)
        scored = episodes.first(settings.validation_episodes)
        return evaluate(method, scored, task.names(classes), PROTOCOLS["hsnet"]).queries.miou

    return validate


def _named(task: Task, classes: tuple[int, ...]) -> str:
    return ", ".join(task.names(classes).values())
