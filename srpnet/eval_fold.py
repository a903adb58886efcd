"""Score a network on the novel classes of a fold: `srpnet eval` as a plain function."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from episodes.episode import Episode
from episodes.errors import InputError
from episodes.evaluation import evaluate
from episodes.files import check_folder, write_json
from episodes.loading import EpisodeList, Loader
from episodes.protocols import PROTOCOLS
from episodes.results import result
from episodes.sources.base import OnProgress, same_name, silent
from episodes.task import DataSettings, Pools, Task
from episodes.world import ALONE, World
from srpnet.checkpoints import load_network
from srpnet.gallery import Gallery
from srpnet.method import ENGINES, Engine
from srpnet.runtime import DeviceName, Precision, runtime
from srpnet.training import LOCAL, flat
from srpnet.weights import content_hash


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
        classes: Novel classes to test, by name; none means all of the fold.
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


def run_evaluation(
    settings: EvalSettings,
    out: Path | None = None,
    pictures: int = 0,
    on_episode: Callable[[int, int], None] = lambda *_: None,
    world: World = ALONE,
    on_progress: OnProgress = silent,
    worst: int = 0,
) -> dict[str, Any]:
    """Score a network on the novel classes of a fold; returns the content of `result.json`, written to `out` if given.

    Args:
        settings: What to score, on what, how.
        out: Folder for `result.json` and `pictures/`.
        pictures: How many episodes to draw, evenly spread over the run.
        on_episode: Called with the number of episodes done, and of all.
        world: The processes that share the episodes. All call this alike and get the same scores; the first writes.
        on_progress: Told how far it is when the data take long to read or count.
        worst: How many of the episodes with the lowest IoU to draw, into `worst/`, the lowest first.

    Raises:
        InputError: if settings, data or weights are wrong, or not the same in all processes, or the network was trained
            on a class to be tested.
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
        novel = task.base if settings.data.fold == "all" else task.novel
        classes = task.labels(settings.classes, novel, "novel class") if settings.classes else novel
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
    pairs = Pools(sampler.supports, sampler.queries).record()
    digest = content_hash(network.state_dict())
    if world.size > 1:
        told = {name: value for name, value in flat(asdict(settings)).items() if name not in {*LOCAL, "checkpoint"}}
        world.check_same(told | flat({"pairs": pairs}) | {"weights": digest})
    score_at = "original" if settings.original_size else rules.score_at
    episodes = EpisodeList(sampler, Loader(task.source, geometry, score_at=score_at))
    gallery = Gallery.of(task, count, pictures, worst)

    def after(episode: Episode, predictions: list[Tensor], matrix: Tensor) -> None:
        gallery.see(episode, predictions, matrix)
        on_episode(min(episode.spec.index + world.size, count), count)  # the others have come as far

    method = ENGINES[settings.engine](network, machine, iqi)
    cache_bytes = int(settings.cache_limit * 2**30)
    scored = episodes.first(count)
    evaluation = evaluate(method, scored, names, rules, cache_bytes=cache_bytes, world=world, on_episode=after)
    weights = {
        "name": network.config.backbone,
        "sha256": network.config.backbone_sha256,
        "trained_sha256": digest,
        "network": asdict(network.config),
    }
    used = asdict(settings) | {"data": settings.data.data, "source": asdict(settings.data)}
    used |= {"episodes": count, "size": geometry.size, "iqi": asdict(iqi), "runtime": str(machine)}
    content = result(evaluation, used, pairs, weights)
    galleries = world.gather((gallery.pictures, gallery.failures))
    with world.together():
        if out is not None and galleries is not None:
            gallery.take(galleries)
            write_json(out / "result.json", content)
            gallery.write(out)
    return content
