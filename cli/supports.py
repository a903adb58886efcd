"""`srpnet supports`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from cli.shared.examples import (
    OrderedCommand,
    checkpoint_option,
    example_options,
    fit_option,
    given_examples,
    report_examples,
    without_examples,
)
from cli.shared.options import BadInput, options
from cli.shared.printing import cell
from cli.shared.progress import waiting
from episodes.files import check_folder
from episodes.names import for_terminal
from srpnet.apps.files.class_table import values_of
from srpnet.nn.settings import RuntimeSettings

if TYPE_CHECKING:
    from srpnet.apps.segmenter import Segmenter
    from srpnet.fewshot.support_set import SupportSet


@click.group("supports")
def command() -> None:
    """Save examples for `srpnet predict --supports`, look at what is saved, and add to it."""


@command.command("save", cls=OrderedCommand)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@example_options
@checkpoint_option
@click.option("--size", type=int, default=417, show_default=True, help="Longer side of the network input.")
@fit_option
@options(RuntimeSettings)
@click.pass_context
def save(ctx: click.Context, /, file: Path, checkpoint: str, size: int, **flags: Any) -> None:
    """Save the prototypes of examples to FILE: some ten kilobytes for a class, and no photograph.

    \b
    Example:
      srpnet supports save cups.srp --class cup --support a.jpg a.png --class plate --support b.jpg b.png
    """
    segmenter = shown_examples(ctx, file, checkpoint, size, **without_examples(flags))
    segmenter.supports.save(file)
    say(segmenter.supports, file)


@command.command("add", cls=OrderedCommand)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@example_options
@checkpoint_option
@options(RuntimeSettings)
@click.pass_context
def add(ctx: click.Context, /, file: Path, checkpoint: str, **flags: Any) -> None:
    """Add examples to FILE, of its classes or of new ones, as if they had been shown together.

    A head that was fitted to the examples is lost: save them anew for another.

    \b
    Example:
      srpnet supports add cups.srp --class cup --support c.jpg c.png
    """
    from srpnet.fewshot.support_set import SupportSet

    before = SupportSet.read(file)
    segmenter = shown_examples(ctx, file, checkpoint, before.size, fit="none", **without_examples(flags))
    before = SupportSet.load(file, segmenter.predictor)
    after = before.joined_with(segmenter.supports)
    after.save(file)
    say(after, file)
    if before.head is not None:
        click.echo("The head that was fitted to the examples before is lost: show all of them to `save` for another")


@command.command("show")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def show(file: Path) -> None:
    """Tell what was saved in FILE."""
    from srpnet.fewshot.support_set import SupportSet

    say(SupportSet.read(file), file)


def shown_examples(ctx: click.Context, file: Path, checkpoint: str, size: int, **flags: Any) -> "Segmenter":
    """A segmenter that has seen the examples of a command line; what it thinks of them is printed."""
    given = given_examples(ctx)
    if given.saved is not None:
        raise BadInput(f"{given.saved} holds saved examples: give photographs with --support, or a folder of them")
    check_folder(file.parent)
    with waiting(Console(stderr=True), "Loading PyTorch"):
        from srpnet.apps.segmenter import Segmenter

        segmenter = Segmenter(checkpoint, size=size, **flags)
    segmenter.show(given.classes, given.absent)
    report_examples(segmenter)
    return segmenter


def say(supports: "SupportSet", file: Path) -> None:
    """What is in a file, as a table."""
    table = Table("value", "class", "examples")
    shots = None if supports.shots_P is None else [f"{number:.0f}" for number in supports.shots_P.tolist()]
    for way, (value, name) in enumerate(zip(values_of(supports.names), supports.names, strict=True), start=1):
        table.add_row(str(value), cell(name), "?" if shots is None else shots[way])
    Console().print(table)
    about = [
        f"{file.stat().st_size / 1000:.0f} kB",
        f"--size {supports.size}",
        f"network {supports.network_sha256[:12]}",
    ]
    if shots is not None:
        about.insert(0, f"background from {shots[0]} photographs")
    click.echo(for_terminal(f"{file}: {', '.join(about)}"))
