"""`srpnet suggest`."""

import csv
import io
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.shared.examples import (
    OrderedCommand,
    checkpoint_option,
    example_options,
    fit_option,
    given_examples,
    report_examples,
    without_examples,
)
from cli.shared.options import BadInput, config_option, options
from cli.shared.progress import Bars, waiting
from episodes.files import atomic_write, locked
from episodes.names import for_terminal
from srpnet.apps.files.found_table import cell
from srpnet.apps.files.photographs import list_photographs
from srpnet.nn.settings import RuntimeSettings

TABLE, FIRST = "suggested.csv", "first-overlay.jpg"
COLUMNS = ("rank", "photograph", "gain")


@click.command("suggest", cls=OrderedCommand)
@config_option
@example_options
@click.argument("queries", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FOLDER...")
@checkpoint_option
@click.option(
    "--size",
    type=int,
    default=225,
    show_default=True,
    help="Longer side of the network input; small, as it is all photographs that are looked at.",
)
@fit_option
@click.option("--recursive", is_flag=True, help="Include subfolders.")
@click.option("--count", default=5, show_default=True, type=click.IntRange(1), help="How many to name on the screen.")
@click.option("--open", "opens", is_flag=True, help="Open the overlay of the first.")
@options(RuntimeSettings)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the list and the overlay.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    queries: tuple[Path, ...],
    out: Path,
    checkpoint: str,
    size: int,
    recursive: bool,
    count: int,
    opens: bool,
    **flags: Any,
) -> None:
    """Say which photographs to mark next.

    All photographs of FOLDER are looked at. First comes the one that stands for most of what your examples do not cover
    yet, then the one that stands for most of what is left. OUT receives suggested.csv, all of them in this order, and
    first-overlay.jpg, what is found in the first now.

    \b
    Example:
      srpnet suggest kitchen/ --support cup1.jpg cup1-mask.png --out next
    """
    given = given_examples(ctx)
    listing = list_photographs(queries, recursive, out, given.marks)
    shown = {photograph.resolve() for photograph in given.photographs}
    paths = [each.path for each in listing.photographs if each.path.resolve() not in shown]
    if not paths:
        raise BadInput(f"no photographs to suggest in {', '.join(map(str, queries))}, beside the examples")
    console, unreadable = Console(stderr=True), list(listing.failures)
    with locked(out, "written"):
        with waiting(console, "Loading PyTorch"):
            from srpnet.apps.segmenter import Segmenter

            segmenter = Segmenter(checkpoint, size=size, **without_examples(flags))
        if given.saved is None:
            segmenter.show(given.classes, given.absent)
            report_examples(segmenter)
        else:
            segmenter.load_supports(given.saved)
        with Bars(console, "Looking") as bars:
            suggested = segmenter.suggest(
                paths,
                lambda error: unreadable.append(str(error)),
                lambda done: bars.update("Looking", done, len(paths)),
            )
        if not suggested:
            raise BadInput(f"no photograph can be read: {unreadable[0]}")
        text = io.StringIO(newline="")
        rows = [(rank, cell(str(path)), f"{each.gain:.5f}") for rank, (path, each) in enumerate(suggested, start=1)]
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
        with atomic_write(out / TABLE) as temporary:
            temporary.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))
        first, _ = suggested[0]
        with atomic_write(out / FIRST) as temporary:
            segmenter.overlay(first).save(temporary, "JPEG", quality=90)
    click.echo(f"Mark next, of {len(suggested)} photographs:")
    for rank, (path, _) in enumerate(suggested[:count], start=1):
        click.echo(for_terminal(f"{rank}. {path}"))
    click.echo(for_terminal(f"All of them: {out / TABLE}; what is found in the first: {out / FIRST}"))
    if opens:
        click.launch(str(out / FIRST))
    if unreadable:
        raise BadInput(f"skipped: {'; '.join(unreadable[:count])}")
