"""`srpnet train`."""

import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.light import LIGHT, announced, light_settings
from cli.options import (
    BadInput,
    announce_data,
    config_option,
    data_options,
    episode_options,
    given_flags,
    names_in,
    pick,
    rank,
    runtime_options,
    together,
)
from cli.progress import TrainingDisplay, waiting
from episodes.data import data_set


def _class_names(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    """The names in a file, one a line, or in a list with commas between."""
    if value is None or not Path(value).is_file():
        return names_in(value or "")
    lines = Path(value).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))


network_options = together(
    click.option(
        "--train",
        "trained",
        type=click.Choice(["head", "all"]),
        default="head",
        show_default=True,
        help="What is trained: the reduction alone, or the backbone too (BatchNorm frozen).",
    ),
    click.option(
        "--frozen-stages",
        default=0,
        show_default=True,
        help="With --train all: so many stages, from the first on, stay as they are.",
    ),
    click.option(
        "--weights",
        "backbone",
        default="auto",
        show_default=True,
        help="Backbone weights: see `srpnet weights`.",
    ),
    click.option("--stages", default="2,3,4", show_default=True, help="Levels of the pyramid."),
    click.option("--width", default=256, show_default=True, help="Channels of the final feature map."),
    click.option(
        "--output-stride",
        type=click.Choice(["8", "16", "32"]),
        default="8",
        show_default=True,
        help="Pixels from one feature to the next: a smaller stride sees finer, and takes longer.",
    ),
    click.option(
        "--training-stride",
        type=click.Choice(["8", "16", "32"]),
        help="The same while training. 16 takes less than half the time of 8, and the network is then used at 8.  "
        f"[default: --output-stride; on the stickers {LIGHT['training_stride']}]",
    ),
    click.option(
        "--similarity",
        type=click.Choice(["fidelity", "cosine"]),
        default="fidelity",
        show_default=True,
        help="How a feature is compared with a prototype: fidelity is the squared cosine.",
    ),
    click.option(
        "--background-floor",
        type=float,
        help="Similarity to the background that every pixel has at least: what is less like the class than this is "
        "background.  [default: none]",
    ),
    click.option("--alpha", default=20.0, show_default=True, help="Scale of the similarity before the softmax."),
    click.option(
        "--pooling",
        type=click.Choice(["feature", "mask"]),
        default="feature",
        show_default=True,
        help="Size at which prototypes are pooled.",
    ),
    click.option("--checkpointing", is_flag=True, help="With --train all: less memory, more time."),
)

inference_options = together(
    click.option("--iqi-rounds", "rounds", default=3, show_default=True, help="Rounds of query inference (IQI)."),
    click.option(
        "--iqi-foreground",
        "foreground",
        default=0.7,
        show_default=True,
        help="IQI: a pixel surer of a class than this is pooled.",
    ),
    click.option(
        "--iqi-background", "background", default=0.6, show_default=True, help="IQI: the same for background."
    ),
    click.option("--iqi-weight", "weight", default=1.0, show_default=True, help="IQI: weight of query prototypes."),
    click.option("--iqi-soft/--iqi-hard", "soft", default=True, show_default=True, help="IQI: pool by probability."),
    click.option(
        "--iqi-own-background/--iqi-no-background",
        "own_background",
        default=True,
        show_default=True,
        help="IQI: where no support shows background, take the half of the query that resembles the classes least.",
    ),
)

learning_options = together(
    click.option("--steps", default=500, show_default=True, help="Optimizer steps."),
    click.option("--batch", default=4, show_default=True, help="Episodes a step, of all processes together."),
    click.option(
        "--accumulate",
        default=1,
        show_default=True,
        help="Backward passes of a process in a step; must divide its share of --batch.",
    ),
    click.option(
        "--lambda",
        "support_weight",
        default=1.0,
        show_default=True,
        help="Weight of the self-regularization loss, which restores the support masks.",
    ),
    click.option(
        "--both-ways/--one-way",
        default=False,
        show_default=True,
        help="Learn each episode with supports and queries in each other's place too.",
    ),
    click.option(
        "--one-vs-rest/--all-ways",
        default=False,
        show_default=True,
        help="With --way above 1: learn each way alone, on all queries, the other ways being background.",
    ),
    click.option(
        "--absent-weight",
        default=1.0,
        show_default=True,
        help="Weight in the loss of a query that does not show the way.",
    ),
    click.option("--train-rounds", default=0, show_default=True, help="Rounds of IQI while training."),
    click.option(
        "--optimizer",
        type=click.Choice(["adamw", "sgd"]),
        default="adamw",
        show_default=True,
        help="How weights follow gradients.",
    ),
    click.option("--lr", default=1e-3, show_default=True, help="Largest learning rate of the head."),
    click.option("--backbone-lr", default=3e-5, show_default=True, help="The same for the backbone."),
    click.option("--weight-decay", default=1e-4, show_default=True, help="Pull of the weights towards zero."),
    click.option(
        "--schedule",
        type=click.Choice(["cosine", "poly"]),
        default="cosine",
        show_default=True,
        help="How the learning rate falls to zero.",
    ),
    click.option("--warmup", default=20, show_default=True, help="Steps of linear warm-up."),
    click.option("--clip", default=1.0, show_default=True, help="Largest gradient norm; 0 does not clip."),
    click.option("--workers", default=1, show_default=True, help="Processes that load photographs (not reused ones)."),
    click.option(
        "--reuse-features",
        type=click.Choice(["auto", "none", "memory", "disk"]),
        default="auto",
        show_default=True,
        help="With --train head: run the backbone once for each photograph, and once for it mirrored, instead of at "
        "every step. It pays when photographs come several times. Serves --flip, not --crop-scale and --colour. auto: "
        "memory, on a processor, if it pays and two fifths of the machine's memory are enough.",
    ),
    click.option(
        "--cache-limit", default=8.0, show_default=True, help="Gigabytes that reused features may take in each process."
    ),
    click.option("--log-every", default=10, show_default=True, help="Steps between two lines of the log."),
    click.option("--save-every", default=50, show_default=True, help="Steps between two saves."),
)

photograph_options = together(
    click.option(
        "--drawing",
        type=click.Choice(["random", "even", "pairs"]),
        default="random",
        show_default=True,
        help="Training episodes: of all classes alike; so, and with as many queries of each way; or of each class as "
        "often as it has images.",
    ),
    click.option(
        "--temper",
        default=0.0,
        show_default=True,
        help="With --drawing random: a class is drawn as often as its number of images to this power, 0 to 1, says.",
    ),
    click.option(
        "--exclude-classes",
        metavar="FILE|NAMES",
        callback=_class_names,
        help="Classes that are not trained on: names with commas, or a file of names, one a line. Photographs that "
        "show them too are treated as --novel-pixels says.",
    ),
    click.option(
        "--size",
        default=321,
        help=f"Photographs are stretched to this square.  [default: 321; on the stickers {LIGHT['size']}]",
    ),
    click.option(
        "--flip",
        default=0.5,
        help=f"Probability of a horizontal flip.  [default: 0.5; on the stickers {LIGHT['flip']:g}]",
    ),
    click.option(
        "--crop-scale", default=1.0, show_default=True, help="Random crops keep this share of a side or more."
    ),
    click.option("--colour", default=0.0, show_default=True, help="Strength of colour changes, below 1."),
    click.option(
        "--novel-pixels",
        type=click.Choice(["background", "ignore", "drop"]),
        default="background",
        show_default=True,
        help="Training photographs that also show novel classes: their pixels are background, or are ignored, or the "
        "photographs are dropped.",
    ),
)

composition_options = together(
    click.option(
        "--distractors",
        default=0.0,
        show_default=True,
        help="Share of training queries into which an object of another class is pasted.",
    ),
    click.option("--support-distractors", default=0.0, show_default=True, help="The same of supports."),
    click.option(
        "--rivals",
        default=0.0,
        show_default=True,
        help="With --way above 1: share of pasted objects that are of another way, so that a query shows both.",
    ),
    click.option(
        "--absent",
        default=0.0,
        show_default=True,
        help="Share of training queries that do not show the class, so that all is background.",
    ),
    click.option(
        "--transplant",
        default=0.0,
        show_default=True,
        help="Share of training queries whose object is pasted into a photograph without the class.",
    ),
)

validation_options = together(
    click.option(
        "--hold-back",
        default="none",
        show_default=True,
        help="Base classes to validate on: a number, or names with commas. A first run without them finds the best "
        "number of steps; then all base classes are trained for that many.",
    ),
    click.option("--validate-every", default=100, show_default=True, help="Steps between two validations."),
    click.option("--validation-episodes", default=200, show_default=True, help="Episodes of a validation."),
)


SHARED = ("data", "pairs", "allow_missing", "min_pixels", "fold", "folds", "fold_order", "way", "shot")
"""Flags that evaluation needs with the same values."""


@click.command("train")
@config_option
@data_options
@episode_options
@photograph_options
@composition_options
@network_options
@inference_options
@learning_options
@validation_options
@runtime_options
@click.option(
    "--out", type=click.Path(path_type=Path), help="Folder of the run. [default: runs/<data>-fold<F>-<K>shot]"
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out, or begin one if there is none.")
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
    if light := light_settings(ctx, flags["data"], out if resume else None):
        flags |= light
        if rank() == 0:
            click.echo(f"Light settings for the embedded stickers: {announced(light)}")
    console = Console(stderr=True, quiet=rank() > 0)
    with waiting(console, "Loading PyTorch"):
        from episodes.distributed import joined
        from srpnet.fewshot.train import run_training
        from srpnet.training.interrupts import Interrupted

        settings = train_settings(flags)
    episodes = settings.training.steps * settings.training.batch
    shown = TrainingDisplay(console, out / "tensorboard" if tensorboard else None, episodes)
    with joined() as world, shown as display:
        try:
            run_training(settings, out, resume, display.say, display.log, world, display.update)
        except Interrupted as stopped:
            display.say(f"Stopped after step {stopped.step}, and saved. The same command with --resume goes on.")
            sys.exit(130)
    if not world.first:
        return
    click.echo(f"Trained: {out}")
    click.echo(f"Score it: srpnet eval {given_flags(ctx, SHARED)} --checkpoint {out} --out {out}/scores")


def train_settings(flags: dict[str, Any]) -> Any:
    """The settings of `srpnet train` from its flags."""
    from episodes.fewshot.composition import Composition
    from episodes.fewshot.folds import DataSettings
    from episodes.fewshot.loading import Augmentation
    from srpnet.fewshot.query_inference import QueryInference
    from srpnet.fewshot.settings import FewShotLoopSettings, NetworkSettings
    from srpnet.fewshot.train import FewShotTrainSettings

    try:
        stages = tuple(int(stage) for stage in str(flags["stages"]).split(","))
    except ValueError:
        raise BadInput(f"--stages {flags['stages']!r} is no list of numbers: write 2,3,4") from None
    strides = {"stages": stages, "output_stride": int(flags["output_stride"])}
    if flags["training_stride"] is not None:
        strides["training_stride"] = int(flags["training_stride"])
    return pick(
        FewShotTrainSettings,
        flags,
        data=pick(DataSettings, flags),
        network=pick(NetworkSettings, flags | strides, iqi=pick(QueryInference, flags)),
        training=pick(FewShotLoopSettings, flags),
        augmentation=Augmentation(flags["flip"], flags["crop_scale"], flags["colour"]),
        composition=pick(Composition, flags),
    )
