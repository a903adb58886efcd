"""How networks are trained on the embedded stickers where nobody says otherwise: a first look that needs no GPU."""

import json
from collections.abc import Collection
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import click

from cli.shared.options import rank
from episodes.data import data_set

LIGHT: dict[str, Any] = {"size": 257, "flip": 0.0, "training_stride": 16}
"""Flag of `srpnet train` -> value. The features of all photographs are computed in two minutes, and fit into the memory
of a laptop."""
WEAK_LIGHT: dict[str, Any] = {
    "size": 161,
    "frozen_blocks": 15,
    "segmentation_width": 64,
    "reuse_features": "memory",
    "zoom": 1.0,
    "cam_scales": ("1",),
    "photographs": 160,
    "steps": 80,
    "batch": 8,
    "lr": 2e-4,
    "warmup": 10,
    "noise_least": 200,
}
"""The same of `srpnet weak train`: the last block and the heads learn, in some two minutes of one core."""

WRITTEN = {"size": ("size",), "flip": ("augmentation", "flip"), "training_stride": ("network", "training_stride")}
"""Where `settings.json` of a run says what each flag was."""


def light_settings(ctx: click.Context, data: str, run: Path | None, light: dict[str, Any] = LIGHT) -> dict[str, Any]:
    """Values of the flags that a person left to us, on the stickers, and a line that says so; on other data none.

    Args:
        ctx: Knows which flags were given.
        data: As in `--data`.
        run: The folder of a run that goes on, which keeps the settings that it was begun with.
        light: The values.
    """
    if not data_set(data).embedded:
        return {}
    free = [name for name in light if ctx.get_parameter_source(name) is click.core.ParameterSource.DEFAULT]
    chosen = {name: light[name] for name in free} | (_begun_with(run, free) if run else {})
    if chosen and rank() == 0:
        click.echo(f"Light settings for the embedded stickers: {_announced(chosen)}")
    return chosen


def _begun_with(run: Path, names: Collection[str]) -> dict[str, Any]:
    for file in (run / "settings.json", run / "select" / "settings.json"):
        try:
            begun = json.loads(file.read_text(encoding="utf-8"))
            values = {name: reduce(getitem, WRITTEN[name], begun) for name in names}
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            continue  # whether the run can go on is for training to say
        if all(isinstance(value, int | float | None) for value in values.values()):
            return values
    return {}


def _announced(light: dict[str, Any]) -> str:
    """What is said about these settings, as one would type them.

    >>> _announced({"size": 257, "flip": 0.0, "training_stride": None, "cam_scales": ("1", "1.5")})
    '--size 257 --flip 0 --cam-scales 1,1.5'
    """
    return " ".join(
        f"--{name.replace('_', '-')} {as_typed(value)}" for name, value in light.items() if value is not None
    )


def as_typed(value: Any) -> str:
    """A value as one would type it."""
    return ",".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, int | float) else value
