"""Score a network on the novel classes of a fold: `srpnet eval` as a plain function."""

from dataclasses import asdict, replace
from typing import Any

from episodes.data.source import OnProgress, same_name, silent
from episodes.distributed import ALONE, World
from episodes.errors import InputError
from episodes.files import check_folder
from episodes.results.bootstrap import Resampling
from episodes.results.output import NOTHING_KEPT, Output
from episodes.score import score
from episodes.scoring.plans.plan import Plan
from episodes.scoring.plans.planning import plans
from episodes.scoring.plans.workload import OnEpisode
from episodes.settings import flat, may_change
from srpnet.fewshot.checkpoint import load_network
from srpnet.fewshot.evaluation.method import SRPNetMethod
from srpnet.fewshot.evaluation.settings import EvalSettings
from srpnet.fewshot.network import SRPNet
from srpnet.nn.device import runtime
from srpnet.nn.weights import content_hash


def run_evaluation(
    settings: EvalSettings,
    output: Output = NOTHING_KEPT,
    on_episode: OnEpisode | None = None,
    world: World = ALONE,
    on_progress: OnProgress = silent,
) -> dict[str, dict[str, Any]]:
    """Score a network on the novel classes of a fold, by one protocol or several.

    Args:
        settings: What to score, on what, how.
        output: What is kept.
        on_episode: See `score`.
        world: The processes that share the episodes. All call this alike and get the same scores; the first has the
            intervals too, and writes.
        on_progress: Called with the progress of reading and counting the data, where that takes long.

    Returns:
        Protocol -> the content of `result.json`.

    Raises:
        InputError: if settings, data or weights are wrong, or not the same in all processes, or the network was trained
            on a class to be tested.
    """
    if not world.first:
        on_progress = silent
    with world.first_alone():  # counts classes and fetches weights, which the others then find in the cache
        if output.folder is not None:
            check_folder(output.folder)
        chosen = plans(settings, on_progress)
        network = load_network(settings.checkpoint)
        for plan in chosen.values():
            _check_unseen(network, plan, settings.checkpoint)
    iqi = network.config.iqi
    if settings.iqi_rounds is not None:
        iqi = replace(iqi, rounds=settings.iqi_rounds)
    with world.together():
        machine = runtime(settings.device, settings.precision, world)
    digest = content_hash(network.state_dict())
    if world.size > 1:
        local = may_change(settings, "among processes")
        asked = {name: value for name, value in flat(settings).items() if name not in local}
        drawn = {name: asdict(plan.header) for name, plan in chosen.items()}
        world.check_same(asked | flat(drawn) | {"weights": digest})
    about = {
        "name": network.config.backbone,
        "sha256": network.config.backbone_sha256,
        "trained_sha256": digest,
        "network": asdict(network.config),
    }
    # With one shot nothing is fitted, with one way nothing is named: no photograph is prepared for it then.
    fit = settings.fit if any(plan.header.shot > 1 for plan in chosen.values()) else "none"
    naming = settings.naming if any(plan.header.way > 1 for plan in chosen.values()) else "pixels"
    return score(
        chosen,
        SRPNetMethod(network, machine, iqi, settings.negatives > 0, fit, naming),
        about,
        output,
        used={"iqi": asdict(iqi), "fit": settings.fit, "runtime": str(machine)},
        resampling=Resampling(supports=settings.resample_supports),
        present_above=network.config.present_above,
        cache_bytes=int(settings.cache_limit * 2**30),
        world=world,
        on_episode=on_episode,
    )


def _check_unseen(network: SRPNet, plan: Plan, checkpoint: str | None) -> None:
    known = {same_name(name) for name in network.config.seen}
    # What the lines of a manifest ask for counts, whatever its header says.
    asked = {label for spec in plan.manifest.specs for label in spec.classes} if plan.manifest is not None else set()
    tested = plan.fold.names({*plan.names, *asked}).values()
    if seen := sorted(name for name in tested if same_name(name) in known):
        raise InputError(
            f"{checkpoint} was trained on {', '.join(seen)}: it cannot be tested on them as novel "
            "classes; name the checkpoint of this fold, or other `classes`"
        )
