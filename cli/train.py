"""`srpnet train`."""

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.shared.light import LIGHT, light_settings
from cli.shared.options import DATA, announce_data, config_option, flags_of, given_flags, options, rank, with_flags
from cli.shared.progress import TrainingDisplay, waiting
from episodes.data import data_set
from episodes.settings import build, declared
from srpnet.fewshot.training.settings import FewShotTrainSettings

DEFAULTS = {each.key: each.said.shown or each.default for each in declared(FewShotTrainSettings)}
SHARED = ("data", "pairs", "allow_missing", "min_pixels", "fold", "folds", "fold_order", "way", "shot")
"""Flags that evaluation needs with the same values."""


@click.command("train")
@config_option
@options(
    FewShotTrainSettings,
    data=DATA,
    shown={name: f"{DEFAULTS[name]}; on the stickers {value:g}" for name, value in LIGHT.items()},
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the run. [default: runs/<data>-fold<F>-<K>shot]"
)
@click.option("--resume", is_flag=True, help="Resume the run in --out, or begin one if there is none.")
@click.option("--tensorboard", is_flag=True, help="Also log for TensorBoard: pip install 'srpnet[tensorboard]'.")
@click.pass_context
def command(ctx: click.Context, /, out: Path | None, resume: bool, tensorboard: bool, **flags: Any) -> None:
    """Train SRPNet on the base classes of a fold.

    Without any flag it trains a head on the embedded stickers, in minutes. Ctrl-C saves; --resume goes on. Use
    --hold-back to find the number of steps on base classes that are kept out. With torchrun, several processes share
    each batch.

    \b
    Examples:
      srpnet train --fold 0 --shot 1
      srpnet train --fold 1 --shot 1 --data pascal:$PASCAL --hold-back dog,sheep --out runs/fold1
      srpnet train --config configs/pascal-fold1.toml --data pascal:$PASCAL --pairs lists/pascal
      torchrun --standalone --nproc-per-node 4 --no-python srpnet train --train all --batch 8
    """
    announce_data(ctx, flags["data"])
    data, fold, shot = data_set(flags["data"]).name, flags["fold"], flags["shot"]
    out = out or Path(f"runs/{data.replace(' + ', '-')}-fold{fold}-{shot}shot")
    flags |= light_settings(ctx, flags["data"], out if resume else None)
    console = Console(stderr=True, quiet=rank() > 0)
    with waiting(console, "Loading PyTorch"):
        from episodes.distributed import joined
        from srpnet.fewshot.training.train import run_training
        from srpnet.training.interrupts import Interrupted

        settings = build(FewShotTrainSettings, flags)
    episodes = settings.training.steps * settings.training.batch
    shown = TrainingDisplay(console, out / "tensorboard" if tensorboard else None, episodes)
    with joined() as world, shown as display:

        def say(line: str) -> None:
            display.say(with_flags(line, flags_of(ctx.command)))

        try:
            run_training(settings, out, resume, say, display.log, world, display.update)
        except Interrupted as stopped:
            display.say(f"Stopped after step {stopped.step}, and saved. Continue with the same command and --resume.")
            sys.exit(130)
    if not world.first:
        return
    click.echo(f"Trained: {out}")
    click.echo(f"Score it: srpnet eval {given_flags(ctx, SHARED)} --checkpoint {out} --out {out}/scores")
