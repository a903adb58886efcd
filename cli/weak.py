"""`srpnet weak`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Column, Table

from cli.shared.light import WEAK_LIGHT, as_typed, light_settings
from cli.shared.options import DATA, announce_data, config_option, flags_of, options, percent, rank, with_flags
from cli.shared.progress import Bars, TrainingDisplay, waiting
from episodes.data.image_tags import PREFIX
from episodes.names import for_terminal
from episodes.settings import build, declared
from srpnet.weak.settings import WeakEvalSettings, WeakMasksSettings, WeakTrainSettings

if TYPE_CHECKING:
    from srpnet.training.log import Progress

DEFAULTS = {each.key: each.said.shown or each.default for each in declared(WeakTrainSettings)}
RUN = click.argument("run", type=click.Path(path_type=Path))


@click.group("weak")
def command() -> None:
    """DuPL: masks from image tags. Two students learn where each class is from photographs with tags alone."""


@command.command("train")
@config_option
@options(
    WeakTrainSettings,
    data=DATA,
    shown={
        name: f"{as_typed(DEFAULTS[name])}; on the stickers {as_typed(value)}" for name, value in WEAK_LIGHT.items()
    },
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option("--resume", is_flag=True, help="Resume the run in --out, or begin one if there is none.")
@click.option("--tensorboard", is_flag=True, help="Also log for TensorBoard: pip install 'srpnet[tensorboard]'.")
@click.pass_context
def train(ctx: click.Context, /, out: Path, resume: bool, tensorboard: bool, **flags: Any) -> None:
    """Train two students from tags. Ctrl-C saves; --resume goes on. With torchrun, processes share each batch.

    Each part of the method can be switched off: --students 1, --discrepancy none, --threshold fixed, --noise-filter
    none, --consistency off, --contrast-weight 0, --refinement none.

    \b
    Examples:
      srpnet weak train --data tags:photographs.csv --out runs/tags
      srpnet weak train --data pascal:$PASCAL --fold 1 --out runs/weak1
      srpnet weak train --config configs/weak-pascal.toml --data pascal:$PASCAL --out runs/weak
    """
    announce_data(ctx, flags["data"])
    if not flags["data"].startswith(PREFIX):
        flags |= light_settings(ctx, flags["data"], None, WEAK_LIGHT)
    console = Console(stderr=True, quiet=rank() > 0)
    with waiting(console, "Loading PyTorch"):
        from episodes.distributed import joined
        from srpnet.training.interrupts import Interrupted
        from srpnet.weak.training.train import run_training

        settings = build(WeakTrainSettings, flags)
    shown = TrainingDisplay(console, out / "tensorboard" if tensorboard else None)
    with joined() as world, shown as display:

        def log(progress: "Progress") -> None:
            figures = progress.figures
            losses = ("loss", "classification", "segmentation")
            values = [f"{name} {figures[name]:.3f}" for name in losses]
            values += [f"{name} {percent(figures[name])} %" for name in ("labelled", "noisy")]
            display.say(
                f"step {progress.step:>5}  {'  '.join(values)}  {figures['photographs_per_second']:.1f} photographs/s"
            )
            display.record("train", progress)

        def say(line: str) -> None:
            display.say(with_flags(line, flags_of(ctx.command)))

        try:
            run_training(settings, out, resume, say, log, world, display.update)
        except Interrupted as stopped:
            display.say(f"Stopped after step {stopped.step}, and saved. Continue with the same command and --resume.")
            sys.exit(130)
    if world.first:
        click.echo(f"Trained: {out}")
        click.echo(f"Score it: srpnet weak eval {out}")
        click.echo(f"Masks: srpnet weak masks {out} --out {out}/masks")


@command.command("eval")
@config_option
@RUN
@options(WeakEvalSettings)
@click.option("--out", type=click.Path(path_type=Path), help="Write the scores as JSON.")
def evaluate(run: Path, out: Path | None, **flags: Any) -> None:
    """Score students on a data set with masks: where they locate classes, and how they segment.

    IoU of class activation maps (CAM) on photographs for training, of segmentation on those of the val split; each
    student alone and their mean, with 95 % intervals.

    \b
    Example:
      srpnet weak eval runs/weak --out runs/weak/scores.json
    """
    from episodes.files import check_folder, write_json

    if out is not None:
        check_folder(out.parent)
    console = Console(stderr=True)
    with waiting(console, "Loading PyTorch"):
        from srpnet.weak.evaluate import run_evaluation
    with Bars(console) as bars:
        found = run_evaluation(run, build(WeakEvalSettings, flags), bars.update)
    print_scores(found, Console())
    if out is not None:
        write_json(out, found)
        click.echo(f"Written: {out}")


def print_scores(found: dict[str, Any], console: Console) -> None:
    """The scores as tables, in percent."""
    for what, title in (("cam", "CAM, on photographs for training"), ("segmentation", "segmentation, on val")):
        rows = found[what]
        table = Table("IoU", *(Column(name, justify="right") for name in rows), title=title, title_justify="left")
        first = next(iter(rows.values()))
        for name in ("mIoU", "mIoU of classes"):
            table.add_row(name, *(_interval(each[name]) for each in rows.values()))
        for name in first["classes"]:
            table.add_row(for_terminal(name), *(percent(each["classes"][name]) for each in rows.values()))
        console.print(table)
        console.print(f"{first['photographs']:,} photographs")


def _interval(mean: dict[str, float | None]) -> str:
    return f"{percent(mean['iou'])} ({percent(mean['low'])} to {percent(mean['high'])})"


@command.command("masks")
@config_option
@RUN
@options(WeakMasksSettings)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the masks.")
def masks(run: Path, out: Path, **flags: Any) -> None:
    """Write a mask of each photograph that the run learned from, for `srpnet train --labels`.

    OUT receives SegmentationClass/ID.png, label maps with the numbers of the data set; Confidence/ID.png, how probable
    each label is, 0 to 255; ImageSets/Segmentation/train.txt, classes.json; and report.csv with the doubtful ones.

    \b
    Example:
      srpnet weak masks runs/weak1 --out runs/weak1/masks
      srpnet train --fold 1 --data pascal:$PASCAL --labels runs/weak1/masks
    """
    console = Console(stderr=True)
    with waiting(console, "Loading PyTorch"):
        from srpnet.weak.masks import REPORT, doubtful_lines, run_masks
    with Bars(console) as bars:
        doubtful = run_masks(run, out, build(WeakMasksSettings, flags), bars.update)
    for line in doubtful_lines(doubtful):
        click.echo(for_terminal(f"Doubtful: {line}"))
    click.echo(f"Masks: {out} ({len(doubtful):,} doubtful, see {out / REPORT})")
