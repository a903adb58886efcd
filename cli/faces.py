"""`srpnet faces`."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Column, Table

from cli.shared.options import BadInput, config_option, flags_of, options, percent, with_flags
from cli.shared.printing import say
from cli.shared.progress import Bars, waiting
from episodes.data.sets.face_layouts import PARTS
from episodes.files import locked
from episodes.names import for_terminal
from episodes.settings import build
from srpnet.apps.files.photographs import Photograph, list_photographs, name_outputs
from srpnet.faces.settings import FaceEvalSettings, FaceTrainSettings
from srpnet.nn.settings import RuntimeSettings

if TYPE_CHECKING:
    from srpnet.apps.face_segmenter import FaceSegmenter, ParsedFace
    from srpnet.training.log import Progress

REQUIRED: dict[str, Any] = {"required": True, "default": None, "show_default": False}


@click.group("faces")
def command() -> None:
    """Face parsing: brows, eyes, nose and lips of a photograph of one face, pixel by pixel."""


@command.command("train")
@config_option
@options(FaceTrainSettings, data=REQUIRED)
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
@options(FaceEvalSettings, data=REQUIRED, checkpoint=REQUIRED)
@click.option("--out", type=click.Path(path_type=Path), help="Write the scores as JSON.")
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    help="Folder for pictures of the best, the median and the worst face: photograph, labels found, and true ones.",
)
def evaluate(out: Path | None, pictures: Path | None, **flags: Any) -> None:
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
    if pictures is not None:
        check_folder(pictures, "pictures")
    console = Console(stderr=True)
    with waiting(console, "Loading PyTorch"):
        from srpnet.faces.evaluate import run_evaluation
    with Bars(console) as bars:
        found = run_evaluation(build(FaceEvalSettings, flags), bars.update, pictures)
    print_scores(found, Console())
    if out is not None:
        write_json(out, found)
        click.echo(f"Written: {out}")
    if pictures is not None:
        click.echo(f"best.jpg, median.jpg, worst.jpg: {pictures}")


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


def _box(_: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    """Four numbers with commas between."""
    if value is None:
        return None
    try:
        left, top, width, height = (float(number) for number in value.split(","))
    except ValueError:
        raise BadInput(f"{parameter.opts[0]} {value!r} is not a box: write LEFT,TOP,WIDTH,HEIGHT in pixels") from None
    return left, top, width, height


@command.command("predict")
@config_option
@click.argument("photographs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PHOTO...")
@click.option(
    "--checkpoint",
    default="faces-celebamask",
    show_default=True,
    help="A face parser of `srpnet models`, or a folder that `srpnet faces train` wrote.",
)
@click.option(
    "--box",
    callback=_box,
    metavar="LEFT,TOP,WIDTH,HEIGHT",
    help="Where the face is, from hairline to chin, in pixels: for photographs that show more than one face, or a "
    "small one.",
)
@click.option("--recursive", is_flag=True, help="Include subfolders; OUT has the same ones.")
@options(RuntimeSettings)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for label maps and overlays.")
def predict(
    photographs: tuple[Path, ...],
    checkpoint: str,
    box: tuple[float, float, float, float] | None,
    recursive: bool,
    out: Path,
    **flags: Any,
) -> None:
    """Find brows, eyes, nose and lips in photographs of one face each.

    Each PHOTO is a photograph, or a folder of them. For each photograph OUT receives NAME-mask.png, a label map of the
    photograph's own size: 0 is all else, 1 left brow, 2 right brow, 3 left eye, 4 right eye, 5 nose, 6 upper lip, 7
    inner mouth, 8 lower lip, where left is the person's left; and NAME-overlay.jpg to look at.

    \b
    Examples:
      srpnet faces predict portraits/ --out found
      srpnet faces predict group.jpg --box 820,310,240,300 --out found
    """
    listing = list_photographs(photographs, recursive, out, ())
    name_outputs(listing, out, ())
    console = Console(stderr=True)
    if not listing.photographs:
        reasons = "; ".join(listing.failures) or "none can be read"
        raise BadInput(f"no photographs in {', '.join(map(str, photographs))}: {reasons}")
    with locked(out, "written"):
        with waiting(console, "Loading PyTorch"):
            from srpnet.apps.face_segmenter import FaceSegmenter

            segmenter = FaceSegmenter(checkpoint, **flags)
        todo = {photograph.path: photograph for photograph in listing.photographs}
        found, seconds = parse_all(segmenter, todo, out, box, listing.failures, console)
    for doubt in dict.fromkeys(doubt for face in found.values() for doubt in face.doubts):
        labels = ", ".join(photograph.label for photograph, face in found.items() if doubt in face.doubts)
        click.echo(for_terminal(f"{doubt[0].upper()}{doubt[1:]}: {labels}"))
    for item in listing.passed_over:
        click.echo(for_terminal(f"Skipped: {item.label} ({item.reason})"))
    if found:
        numbers = ", ".join(f"{label} {name}" for label, name in enumerate(PARTS, start=1))
        click.echo(f"Labels: {numbers}")
        click.echo(for_terminal(f"Label maps and overlays: {out} ({len(found)}, {seconds / len(found):.2f} s each)"))
    if len(found) + len(listing.failures) < len(todo):
        click.echo(f"Stopped: {len(found)} of {len(todo)} done", err=True)
        sys.exit(130)
    if listing.failures:
        raise BadInput(f"skipped: {'; '.join(listing.failures)}")


def parse_all(
    segmenter: "FaceSegmenter",
    todo: dict[Path, Photograph],
    out: Path,
    box: tuple[float, float, float, float] | None,
    failures: list[str],
    console: Console,
) -> tuple[dict[Photograph, "ParsedFace"], float]:
    """Parse and write each photograph, and say how long it took; failures are added."""
    from srpnet.training.interrupts import stop_requested

    found: dict[Photograph, ParsedFace] = {}
    begun = time.monotonic()
    with stop_requested() as stop, Bars(console, "Parsing") as bars:
        for written in segmenter.write_all(
            todo,
            out,
            lambda error: failures.append(str(error)),
            box=box,
            name=lambda path: todo[path].name,
            stop=stop,
        ):
            found[todo[written.photograph]] = written.face
            bars.update("Parsing", len(found), len(todo))
    return found, time.monotonic() - begun
