"""The two experiments of the command line, as plain functions: train on a fold's base classes, score its novel ones."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

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
from episodes.world import ALONE, World
from srpnet import launch
from srpnet.batches import Indexed, shares
from srpnet.logs import Progress
from srpnet.method import ENGINES, Engine, SRPNetMethod
from srpnet.network import NetworkSettings, SRPNet, build, load_network
from srpnet.recipe import TrainingSettings
from srpnet.reuse import Reuse, ReusedEpisodes, check_reuse
from srpnet.runtime import DeviceName, Precision, Runtime, runtime
from srpnet.training import TrainingRun, best_step

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
        reuse_features: With a frozen backbone: compute the features of each photograph once, into `memory` or onto
            `disk`, see `ReusedEpisodes`. `none` computes them at every step.
        cache_limit: The most gigabytes (2^30 bytes) that they may take, in each process.
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
    reuse_features: Reuse = "none"
    cache_limit: float = 8.0
    device: DeviceName = "auto"
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if self.reuse_features not in get_args(Reuse):
            raise InputError(f"features are reused in {' or '.join(get_args(Reuse)[1:])}, not {self.reuse_features!r}")
        if self.reuse_features != "none":
            check_reuse(self.network.trained, self.augmentation)

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
        engine: `shared` encodes each photograph once for all episodes; `plain` encodes each episode's anew, as
            published code does. Both find the same up to rounding.
        cache_limit: Gigabytes (2^30 bytes) of encoded photographs that the shared engine keeps in memory. It moves the
            time, not the score.
        device, precision: See `runtime`.

    Raises:
        InputError: if the engine does not exist, or the limit is negative.
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
    engine: Engine = "shared"
    cache_limit: float = 2.0
    device: DeviceName = "auto"
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise InputError(f"there is no engine {self.engine!r}: it is one of {', '.join(ENGINES)}")
        if not self.cache_limit >= 0:
            raise InputError(f"the cache limit is a number of gigabytes, 0 or more, not {self.cache_limit}")


def run_training(
    settings: TrainSettings,
    out: Path,
    resume: bool = False,
    say: Say = print,
    on_log: OnLog = lambda *_: None,
    world: World = ALONE,
    on_progress: OnProgress = silent,
) -> Path:
    """Train a network on the base classes of a fold; the folder that holds it is returned.

    With classes held back, a first run in `out/select` trains without them and is validated on them; the step with the
    best score then ends the final run, which trains on all base classes under the same learning-rate schedule.

    Every process of a `world` calls this alike; `say` and `on_log` are called in the first one, which also writes. If
    torchrun restarted them, they go on with the run that the same launch began.

    Raises:
        InputError: if settings, data or weights are wrong, or `out` holds another run.
        Interrupted: if asked to stop; the state is saved.
    """
    if not world.first:
        say, on_progress = _silence, silent
    with world.first_alone():
        settings.training.share(world.size)
        check_folder(out)
        task = Task(settings.data, on_progress=on_progress)
        held_back = task.hold_back(settings.hold_back, settings.shot, settings.seed)
        machine = runtime(settings.device, settings.precision, world)
    # As the first process sees it, who is about to change it.
    begun = {folder: world.any(world.first and (folder / "training.pt").exists()) for folder in (out, out / "select")}
    resume = resume or (any(begun.values()) and launch.restarted(out, world))
    if not resume and any(begun.values()):
        raise InputError(f"{out} already holds a run: go on with --resume, or name another --out")
    if resume and not any(begun.values()):
        raise InputError(f"there is no run to resume in {out}: leave out --resume, or name its --out")
    if resume and bool(held_back) != begun[out / "select"]:
        raise InputError(f"{out} was begun with another --hold-back: resume with the same settings")
    say(f"fold {settings.data.fold} of {settings.data.data}: novel {_named(task, task.novel)}")
    if settings.data.data == "stickers":
        say(STICKERS_NOTE)
    if not resume:
        launch.begin(out, world)
    steps = settings.training.steps
    if held_back:
        say(f"Choosing the number of steps on base classes held back: {_named(task, held_back)}")
        select = out / "select"
        run, episodes = _prepare(settings, task, held_back, select, steps, begun[select], machine, say, world)
        with world.together():
            if world.first and not begun[out]:
                run.network.write(out)  # so that the folder holds a network from the first moment on
        run.train(
            episodes,
            lambda progress: on_log("select", steps, progress),
            _validator(settings, task, held_back, machine, world),
        )
        steps = best_step(run.validations)
        say(f"Best after {steps} steps: {100 * run.validations[steps]:.1f} mIoU. Training on all base classes.")
    run, episodes = _prepare(settings, task, (), out, steps, begun[out], machine, say, world)
    run.train(episodes, lambda progress: on_log("train", steps, progress))
    return out


def run_evaluation(
    settings: EvalSettings,
    out: Path | None = None,
    pictures: int = 0,
    on_episode: Callable[[int, int], None] = lambda *_: None,
    world: World = ALONE,
    on_progress: OnProgress = silent,
) -> dict[str, Any]:
    """Score a network on the novel classes of a fold; returns the content of `result.json`, written to `out` if given.

    Args:
        settings: What to score, on what, how.
        out: Folder for `result.json` and `pictures/`.
        pictures: How many episodes to draw, evenly spread over the run.
        on_episode: Called with the number of episodes done, and of all.
        world: The processes that share the episodes. All call this alike and get the same scores; the first writes.
        on_progress: Told how far it is when the data take long to read or count.

    Raises:
        InputError: if settings, data or weights are wrong, or the network was trained on a class to be tested.
    """
    if not world.first:
        on_progress = silent
    with world.first_alone():  # counts classes and fetches weights, which the others then find in the cache
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
                f"{settings.checkpoint} was trained on {', '.join(seen)}: it cannot be tested on them as novel "
                "classes; name the checkpoint of this fold, or other --classes"
            )
    iqi = network.config.iqi
    if settings.iqi_rounds is not None:
        iqi = replace(iqi, rounds=settings.iqi_rounds)
    with world.together():
        machine = runtime(settings.device, settings.precision, world)
    score_at = "original" if settings.original_size else rules.score_at
    episodes = EpisodeList(sampler, Loader(task.source, geometry, score_at=score_at))
    pictures = min(pictures, count)
    drawn = {place * count // pictures for place in range(pictures)}
    panels: dict[str, Image.Image] = {}

    def after(episode: Episode, predictions: list[Tensor], matrix: Tensor) -> None:
        if episode.spec.index in drawn:
            panels.update([draw_episode(episode, predictions, matrix, task)])
        on_episode(min(episode.spec.index + world.size, count), count)  # the others have come as far

    method = ENGINES[settings.engine](network, machine, iqi)
    cache_bytes = int(settings.cache_limit * 2**30)
    scored = episodes.first(count)
    evaluation = evaluate(method, scored, names, rules, cache_bytes=cache_bytes, world=world, on_episode=after)
    weights = {
        "name": network.config.backbone,
        "sha256": network.config.backbone_sha256,
        "network": asdict(network.config),
    }
    used = asdict(settings) | {"data": settings.data.data, "source": asdict(settings.data)}
    used |= {"episodes": count, "size": geometry.size, "iqi": asdict(iqi), "runtime": str(machine)}
    content = result(evaluation, used, Pools(sampler.supports, sampler.queries).record(), weights)
    all_panels = world.gather(panels)
    with world.together():
        if out is not None and all_panels is not None:
            _write_scores(out, content, {name: panel for own in all_panels for name, panel in own.items()})
    return content


def _write_scores(out: Path, content: dict[str, Any], panels: dict[str, Image.Image]) -> None:
    write_json(out / "result.json", content)
    for old in (out / "pictures").glob("[0-9]" * 6 + "-*.png"):  # of an earlier run into the same folder
        old.unlink()
    for name, picture in panels.items():
        with atomic_write(out / "pictures" / name) as temporary:
            picture.save(temporary, "PNG")


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
    world: World,
) -> tuple[TrainingRun, Indexed]:
    """A run that is ready to train in its folder, and its episodes."""
    with world.first_alone():  # counts classes and fetches weights, which the others then find in the cache
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
    reuse = settings.reuse_features != "none"
    # What lies in memory, or a file of it, needs no process to load it.
    training = replace(settings.training, steps=steps, workers=0 if reuse else settings.training.workers)
    run = TrainingRun(network, training, folder, machine, settings.training.steps, resume, asdict(settings), world)
    with world.together():
        if world.first:
            write_json(folder / "settings.json", asdict(settings))
    episodes = EpisodeList(sampler, loader)
    if not reuse:
        return run, episodes
    own = [index for share in shares(range(run.step, steps), training.batch, world) for index in share]
    reused = ReusedEpisodes(episodes, own, network, machine)
    say(f"Computing the features of {reused.shape[0]} photographs: {reused.nbytes / 2**30:.1f} GB")
    with world.together():
        reused.compute(settings.reuse_features, folder, settings.cache_limit)
    return run, reused


def _validator(
    settings: TrainSettings, task: Task, classes: tuple[int, ...], machine: Runtime, world: World
) -> Callable[[SRPNet], float]:
    sampler = task.validation_sampler(classes, **settings.episodes())
    episodes = EpisodeList(sampler, Loader(task.source, Geometry(settings.size)))

    def validate(network: SRPNet) -> float:
        method = SRPNetMethod(network, machine)
        scored = episodes.first(settings.validation_episodes)
        return evaluate(method, scored, task.names(classes), PROTOCOLS["hsnet"], world=world).queries.miou

    return validate


def _silence(_: str) -> None:
    """What the processes but the first say."""


def _named(task: Task, classes: tuple[int, ...]) -> str:
    return ", ".join(task.names(classes).values())
