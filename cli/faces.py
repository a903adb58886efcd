"""`srpnet faces`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Column, Table

from cli.options import config_option, flags_of, options, percent, with_flags
from cli.printing import say
from cli.progress import Bars, waiting
from episodes.settings import build
from srpnet.faces.settings import FaceEvalSettings, FaceTrainSettings

if TYPE_CHECKING:
    from srpnet.training.log import Progress

DATA: dict[str, Any] = {"required": True, "default": None, "show_default": False}


@click.group("faces")
def command() -> None:
    """Face parsing: brows, eyes, nose and lips of a photograph of one face, pixel by pixel."""


@command.command("train")
@config_option
@options(FaceTrainSettings, data=DATA)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder of the run.")
@click.option("--resume", is_flag=True, help="Resume the run in --out, or begin one if there is none.")
@click.pass_context
def train(ctx: click.Context, /, out: Path, resume: bool, **flags: Any) -> None:
    """Train a face parser: the coarse network, the localizer, the part networks, then all end to end.

    Each phase has a folder of its own below --out, the last one --out itself; each holds the parser as it is then, and
    --out/parts the one before it is trained end to end. Ctrl-C saves; --resume goes on.

    \b
    Examples:
      srpnet faces train --data faces:$FACES --out runs/faces
      srpnet faces train --data faces:$FACES --cropper centroid --out runs/faces-two-step
    """
    console = Console(stderr=True)
    with waiting(console, "Loading PyTorch"):
        from srpnet.faces.train import run_training
        from srpnet.training.interrupts import Interrupted

        settings = build(FaceTrainSettings, flags)
    with Bars(console) as bars:

        def log(phase: str, progress: "Progress") -> None:
            shown = (f"{name} {value:.4g}" for name, value in progress.figures.items())
            say(console, f"{phase}: step {progress.step}  {'  '.join(shown)}")

        def tell(line: str) -> None:
            say(console, with_flags(line, flags_of(ctx.command)))

        try:
            run_training(settings, out, resume, tell, log, bars.update)
        except Interrupted as stopped:
            say(console, f"Stopped after step {stopped.step}, and saved. Continue with the same command and --resume.")
            sys.exit(130)
    click.echo(f"Trained: {out}")
    click.echo(f"Score it: srpnet faces eval --data {flags['data']} --checkpoint {out}")


@command.command("eval")
@config_option
@options(FaceEvalSettings, data=DATA)
@click.option("--out", type=click.Path(path_type=Path), help="Write the scores as JSON.")
def evaluate(out: Path | None, **flags: Any) -> None:
    """Score a face parser on the faces for testing: F1 of each part, merged and overall, with 95 % intervals.

    Left and right are scored apart and merged: merged F1 cannot tell one that is swapped. Coverage is the share of a
    part's true pixels that lie inside its crop.

    \b
    Example:
      srpnet faces eval --data faces:$FACES --checkpoint runs/faces --out runs/faces/scores.json
      srpnet faces eval --data faces:$FACES --checkpoint runs/faces --cropper centroid --cover 2
    """
    from episodes.files import check_folder, write_json

    if out is not None:
        check_folder(out.parent)
    console = Console(stderr=True)
    with waiting(console, "Loading PyTorch"):
        from srpnet.faces.evaluate import run_evaluation
    with Bars(console) as bars:
        found = run_evaluation(build(FaceEvalSettings, flags), bars.update)
    print_scores(found, Console())
    if out is not None:
        write_json(out, found)
        click.echo(f"Written: {out}")


def print_scores(found: dict[str, Any], console: Console) -> None:
    """The scores as a table, in percent."""
    table = Table("part", *(Column(name, justify="right") for name in ("F1", "95 % interval", "coverage")))
    for name, row in found["f1"].items():
        interval = f"{percent(row['low'])} to {percent(row['high'])}"
        table.add_row(name, percent(row["f1"]), interval, percent(found["coverage"].get(name)).strip("-"))
    console.print(table)
    inner = found["inner_mouth"]
    say(
        console,
        f"Inner mouth: found in {inner['found']} faces, missed in {inner['missed']}, invented in {inner['invented']}, "
        f"rightly left out in {inner['absent']}",
    )
    covered, milliseconds = percent(found["coverage"].get("all")), 1000 * found["seconds_per_face"]
    hidden = f" (of those covered {percent(found['coverage']['hidden'])} %)" if found["cover"] else ""
    say(
        console,
        f"{found['faces']} faces, crops by {found['cropper']}, coverage of all parts {covered} %{hidden}, "
        f"{milliseconds:.0f} ms a face, {found['device']}",
    )
