"""Beginning a training with the weights of another network."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from episodes.data.source import same_name
from episodes.errors import InputError
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.settings import NetworkSettings


def begun_with(settings: NetworkSettings, start: SRPNet, name: str, unseen: Collection[str]) -> NetworkSettings:
    """Settings of a network that goes on from `start`: its backbone, and its classes among those seen.

    Args:
        settings: With the classes that it will be trained on.
        start: The network to begin with.
        name: Of that network, for messages and for the record.
        unseen: Classes that must not have been trained on: novel, excluded and held-back ones.

    Raises:
        InputError: if `start` was trained on one of these, or is a network that these settings cannot go on from.
    """
    begun = start.config
    known = {same_name(each) for each in begun.seen}
    if seen := sorted(each for each in unseen if same_name(each) in known):
        raise InputError(f"{name} was trained on {', '.join(seen)}, which must stay unseen: start with another network")
    for field in ("stages", "width", "layers", "base_width", "relu"):
        if getattr(settings, field) != (value := getattr(begun, field)):
            wanted = ",".join(map(str, value)) if isinstance(value, tuple) else value
            raise InputError(f"{name} has `{field}` {wanted}, not {getattr(settings, field)}: give it the same")
    if settings.backbone not in ("auto", begun.backbone):
        raise InputError(f"{name} began with the weights {begun.backbone}, not {settings.backbone}: give it the same")
    if begun.trained == "all" and settings.trained == "head":
        raise InputError(f"the backbone of {name} was trained, and a head stores none: use `trained` all")
    trained_on: dict[str, Any] = {**settings.trained_on, "start": {"model": Path(name).name, **begun.trained_on}}
    return replace(
        settings,
        backbone=begun.backbone,
        backbone_sha256=begun.backbone_sha256,
        seen=tuple(dict.fromkeys((*settings.seen, *begun.seen))),
        trained_on=trained_on,
    )
