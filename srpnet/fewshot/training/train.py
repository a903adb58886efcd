"""Train a network on the base classes of a fold: `srpnet train` as a plain function."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from episodes.data import data_set, open_source
from episodes.data.relabelled import Relabelled
from episodes.data.source import OnProgress, silent
from episodes.distributed import ALONE, World
from episodes.errors import InputError
from episodes.fewshot.episode import Episode
from episodes.fewshot.folds import Fold, Pools
from episodes.fewshot.geometry import Geometry
from episodes.fewshot.sampler import Sampler
from episodes.fewshot.scenes.composition import Composer
from episodes.fewshot.scenes.loading import EpisodeList, Loader
from episodes.files import check_folder, clear_parts, write_json
from episodes.scoring.evaluate import evaluate
from episodes.scoring.protocols import PROTOCOLS
from srpnet.fewshot.checkpoint import load_network
from srpnet.fewshot.evaluation.method import SRPNetMethod
from srpnet.fewshot.network import SRPNet, build
from srpnet.fewshot.presence import Recogniser
from srpnet.fewshot.training.alike import alike_classes
from srpnet.fewshot.training.reuse import ReusedEpisodes, clear_features
from srpnet.fewshot.training.settings import FewShotTrainSettings, Reuse
from srpnet.fewshot.training.start import begun_with
from srpnet.fewshot.training.trainable import TrainableSRPNet
from srpnet.nn.device import Runtime, runtime
from srpnet.training import state
from srpnet.training.log import Progress
from srpnet.training.run import TrainingRun, best_step
from srpnet.training.workers import Indexed, shares

Say = Callable[[str], None]
OnLog = Callable[[str, int, Progress], None]
"""Called with the phase (`select` or `train`), its number of steps, and the progress."""


def run_training(
    settings: FewShotTrainSettings,
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

    Every process of a `world` calls this alike; `say` and `on_log` are called in the first one, which also writes.
    Meanwhile nobody else can use the folder. With `resume` they go on with the run that the folder holds, if it holds
    one: so a job that is started again, by torchrun or a scheduler, needs no other command.

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
    settings: FewShotTrainSettings,
    out: Path,
    resume: bool,
    say: Say,
    on_log: OnLog,
    world: World,
    on_progress: OnProgress,
) -> None:
    """`run_training` in a folder that is held."""
    if world.first:
        for folder in (out, out / "select"):
            clear_parts(folder)
            clear_features(folder)
    with world.first_alone():
        fold = _fold(settings, on_progress)
        held_back = fold.hold_back(settings.hold_back, settings.shot, settings.seed)
        machine = runtime(settings.device, settings.precision, world)
        start = load_network(settings.start) if settings.start is not None else None
    # As the first process sees it, who is about to change it.
    begun = {folder: world.any(world.first and state.exists(folder)) for folder in (out, out / "select")}
    if any(begun.values()) and not resume:
        raise InputError(f"{out} already holds a run: go on with `resume`, or name another `out`")
    if any(begun.values()) and bool(held_back) != begun[out / "select"]:
        raise InputError(f"{out} was begun with another `hold_back`: resume with the same settings")
    if resume and not any(begun.values()):
        say(f"{out} holds no run yet: a new one begins")
    say(f"fold {settings.data.fold} of {settings.data.data}: novel {_named(fold, fold.novel) or 'none'}")
    if fold.excluded:
        say(f"Excluded: {_named(fold, fold.excluded)}")
    if note := data_set(settings.data.data).note:
        say(note)
    runs = _Runs(settings, fold, start, machine, world, say, on_progress)
    steps = settings.training.steps
    if held_back:
        say(f"Choosing the number of steps on base classes held back: {_named(fold, held_back)}")
        select = out / "select"
        run, episodes = runs.prepare(held_back, select, steps, begun[select])
        with world.together():
            if world.first and not begun[out]:
                run.trainable.write(out)  # so that the folder holds a network from the first moment on
        on_step = partial(on_progress, "Choosing steps")
        validate = runs.validator(held_back, run.trainable.module)
        run.train(episodes, lambda progress: on_log("select", steps, progress), validate, on_step)
        steps = best_step(run.validations)
        say(f"Best after {steps} steps: {100 * run.validations[steps]:.1f} mIoU. Training on all base classes.")
        del run, episodes, validate  # with what they hold in memory
    run, episodes = runs.prepare((), out, steps, begun[out])
    run.train(episodes, lambda progress: on_log("train", steps, progress), on_step=partial(on_progress, "Training"))


def _fold(settings: FewShotTrainSettings, on_progress: OnProgress) -> Fold:
    """The fold, perhaps with other masks for training; these must not show a class that training must not see."""
    if settings.labels is None:
        return Fold(settings.data, on_progress=on_progress, excluded=settings.exclude_classes)
    source = Relabelled(open_source(settings.data.data, on_progress), settings.labels, on_progress)
    fold = Fold(settings.data, source, on_progress, settings.exclude_classes)
    if seen := sorted(source.names.keys() & fold.unseen(())):
        raise InputError(
            f"{settings.labels} has masks of {source.names[seen[0]]}, which is not a base class of fold "
            f"{settings.data.fold}: its students were given tags of it; train them with the same `fold`"
        )
    return fold


@dataclass(frozen=True)
class _Runs:
    """What both runs of a training share."""

    settings: FewShotTrainSettings
    fold: Fold
    start: SRPNet | None
    machine: Runtime
    world: World
    say: Say
    on_progress: OnProgress

    def prepare(
        self, held_back: tuple[int, ...], folder: Path, steps: int, resume: bool
    ) -> tuple[TrainingRun[TrainableSRPNet], Indexed]:
        """A run that is ready to train in its folder, and its episodes."""
        settings, fold, machine, world, say = self.settings, self.fold, self.machine, self.world, self.say
        with world.first_alone():  # counts classes and fetches weights, which the others then find in the cache
            sampler, short = fold.training_sampler(
                held_back,
                settings.novel_pixels,
                drawing=settings.drawing,
                temper=settings.temper,
                **settings.episode(),
            )
            pairs = Pools(sampler.supports, sampler.queries).record()
            for remark in fold.remarks("train"):
                say(f"data: {remark}")
            if short:
                say(f"Classes with too few images for training: {', '.join(short)}")
            share = fold.unseen_share(sampler, held_back)
            say(f"{100 * share:.1f} % of the training photographs also show unseen classes: {settings.novel_pixels}")
            trained_on = {
                "data": data_set(settings.data.data).name,
                "fold": settings.data.fold,
                "novel_pixels": settings.novel_pixels,
                "unseen_share": share,
                "photographs": len(sampler.supports.ids | sampler.queries.ids),
                "pairs": pairs,
                "left_out": short,
                "held_back": _named(fold, held_back),
                "steps": steps,
            }
            if settings.temper:
                trained_on["temper"] = settings.temper
            if settings.hard:
                trained_on["hard"] = settings.hard
            if settings.composition:
                trained_on["composition"] = asdict(settings.composition)
            if isinstance(fold.source, Relabelled):
                trained_on["labels"] = fold.source.sha256
            if fold.excluded:
                trained_on["excluded"] = _named(fold, fold.excluded)
            seen = tuple(fold.names(sampler.classes).values())
            config = replace(settings.network, seen=seen, trained_on=trained_on)
            if self.start is not None:
                unseen = fold.names(fold.unseen(held_back)).values()
                config = begun_with(config, self.start, str(settings.start), unseen)
            network = build(config, say=say)
            network.reset_head(settings.seed)
            if self.start is not None:
                network.load_state_dict(self.start.state_dict())
                say(f"Begins with {settings.start}")
            say(f"weights {network.config.backbone} {str(network.config.backbone_sha256)[:12]}; {machine}")
            if settings.hard:
                sampler = replace(sampler, hard=settings.hard, alike=self._alike(sampler, network))
            composer = None
            if settings.composition:
                composer = Composer(settings.composition, sampler, fold.source, settings.seed)
            loader = Loader(
                fold.source,
                Geometry(settings.size),
                settings.augmentation,
                settings.seed,
                ignored=fold.unseen(held_back) if settings.novel_pixels == "ignore" else frozenset(),
                composer=composer,
            )
        episodes = EpisodeList(sampler, loader)

        def reused_from(first: int) -> ReusedEpisodes:
            indices = [index for share in shares(range(first, steps), training.batch, world) for index in share]
            return ReusedEpisodes(episodes, indices, network, machine)

        training, where = replace(settings.training, steps=steps), settings.reuse_features
        if where == "auto":
            where = self._reuse(reused_from(0))
        if where != "none":
            training = replace(training, workers=0)  # what lies in memory, or in a file of it, needs nobody to load it
        if where != "none" and not resume:
            with world.together():
                reused_from(0).check(where, folder, settings.cache_limit)  # before anything is written
        trainable = TrainableSRPNet(network, training, machine)
        run = TrainingRun(trainable, folder, settings.training.steps, resume, settings, world)
        with world.together():
            if world.first:
                write_json(folder / "settings.json", asdict(settings))
        if where == "none" or run.step == steps:
            return run, episodes
        reused = reused_from(run.step)
        say(f"Computing the features of {reused.shape[0]} photographs once: {reused.nbytes / 2**30:.1f} GB of {where}")
        with world.together():
            progress = partial(self.on_progress, "Computing features")
            reused.compute(where, folder, settings.cache_limit, progress)
        return run, reused

    def _alike(self, sampler: Sampler, network: SRPNet) -> dict[int, tuple[int, ...]]:
        """For each class those that look like it."""
        loader = Loader(self.fold.source, Geometry(self.settings.size))
        recogniser = Recogniser(network, self.machine.device)
        return alike_classes(recogniser, sampler, loader, partial(self.on_progress, "Comparing classes"))

    def _reuse(self, reused: ReusedEpisodes) -> Reuse:
        """What `auto` means for these episodes, in all processes alike."""
        settings = self.settings
        if settings.reuse_obstacle or self.machine.device.type != "cpu":
            return "none"  # a GPU computes features sooner than they come from memory
        if self.world.any(not reused.pays):
            return "none"
        if self.world.any(not reused.fits(settings.cache_limit)):
            self.say(
                f"Features are computed at every step: kept, those of {reused.shape[0]} photographs would take "
                f"{reused.nbytes / 2**30:.1f} GB (`reuse_features` memory or disk keeps them)"
            )
            return "none"
        return "memory"

    def validator(self, classes: tuple[int, ...], network: SRPNet) -> Callable[[], float]:
        """Scores a network on base classes that are held back."""
        settings, fold = self.settings, self.fold
        episode = settings.episode()
        if settings.training.one_vs_rest:  # ways are learned alone, and so they are validated
            episode |= {"way": 1, "query_count": 1}
        sampler = fold.validation_sampler(classes, **episode)
        episodes = EpisodeList(sampler, Loader(fold.source, Geometry(settings.size)))

        def validate() -> float:
            method = SRPNetMethod(network, self.machine)
            scored = episodes.first(count := settings.validation_episodes)

            def on_episode(episode: Episode, *_: object) -> None:
                self.on_progress("Validating", min(episode.spec.index + self.world.size, count), count)

            names, rules = fold.names(classes), PROTOCOLS["hsnet"]
            return evaluate(method, scored, rules, names, world=self.world, on_episode=on_episode).queries.miou

        return validate


def _silence(_: str) -> None:
    """For all processes but the first."""


def _named(fold: Fold, classes: tuple[int, ...]) -> str:
    return ", ".join(fold.names(classes).values())
