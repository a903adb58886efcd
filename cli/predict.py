"""`srpnet predict`."""

import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from cli.shared.examples import (
    Given,
    OrderedCommand,
    checkpoint_option,
    example_options,
    fit_option,
    given_examples,
    report_examples,
    report_forecast,
    without_examples,
)
from cli.shared.options import BadInput, config_option, flags_of, options, percentage, taken, with_flags
from cli.shared.progress import Bars, waiting
from episodes.data.formats import FORMATS, ExportSettings
from episodes.files import locked
from episodes.names import for_terminal
from srpnet.apps.examples.reading import class_names
from srpnet.apps.files.class_table import values_of, write_classes
from srpnet.apps.files.export import PROBABILITY, Export
from srpnet.apps.files.found_table import ABSENT, NOTHING, FoundTable, Row
from srpnet.apps.files.outputs import mask_path
from srpnet.apps.files.photographs import Listing, PassedOver, Photograph, list_photographs, name_outputs
from srpnet.apps.looks.settings import LookSettings
from srpnet.fewshot.settings import NamingSettings
from srpnet.nn.settings import RuntimeSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from srpnet.apps.segmenter import Segmenter

NAMED = 10
"""So many names stand in a line; the table has them all."""
EXAMPLES = "found-examples.jpg"
"""The picture of the examples."""
SAVED = 10
"""Seconds after which the table is written again."""


@click.command("predict", cls=OrderedCommand)
@config_option
@example_options
@click.option(
    "--save-supports",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Save the prototypes of the examples, some ten kilobytes, for --supports.",
)
@click.argument("queries", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="QUERY...")
@checkpoint_option
@click.option(
    "--size",
    type=int,
    help="Longer side of the network input.  [default: 417, or that of the saved examples]",
)
@click.option(
    "--presence/--no-presence",
    default=True,
    show_default=True,
    help="Report photographs that may not show the object. It takes a second, faster pass.",
)
@click.option(
    "--at-most-wrong",
    type=percentage,
    metavar="PERCENT",
    help="Accept so many photographs that at most this share of them, as 5%, should not show the object, and doubt the "
    "others; found.csv has the risk of each.",
)
@fit_option
@click.option("--recursive", is_flag=True, help="Include subfolders; OUT has the same ones.")
@click.option(
    "--skip-existing", is_flag=True, help="Skip photographs whose mask is in OUT: continue an interrupted run."
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(list(FORMATS)),
    multiple=True,
    help="Write what is found into OUT/FORMAT, too; several times for several formats.",
)
@options(ExportSettings)
@click.option(
    "--with-photographs", is_flag=True, help="Copy the photographs into OUT/FORMAT/images: a data set of its own."
)
@options(NamingSettings)
@options(LookSettings)
@options(RuntimeSettings)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for masks and overlays.")
@click.pass_context
def command(ctx: click.Context, /, queries: tuple[Path, ...], out: Path, **flags: Any) -> None:
    """Segment your own photographs by example.

    Each QUERY is a photograph, or a folder of them. For each photograph OUT receives NAME-mask.png (255 is the object;
    of several classes 1 is the first; at the photograph's own size), and NAME-overlay.jpg to look at; found.csv has a
    row for each. What is skipped in a folder is named at the end: hidden files, *-mask and *-overlay, and whatever is
    not a picture.

    For each example a line says what was read of its mask, and how much of it the network finds again. Ctrl-C ends it
    after the present photograph; --skip-existing goes on.

    \b
    Example:
      srpnet predict --support cup1.jpg cup1-mask.png kitchen/ --out found
      srpnet predict --class cup --support a.jpg a.png --class plate --support b.jpg b.png kitchen/ --out found
      srpnet predict --supports examples/ kitchen/ --out found --save-supports cups.srp
      srpnet predict --supports examples/ garden/ --out found --at-most-wrong 5%
      srpnet predict --supports cups.srp garden/ --out found --format coco --format yolo --instances
    """
    try:
        predict(given_examples(ctx), queries, out, **without_examples(flags))
    except KeyboardInterrupt:
        click.echo("Stopped before the first photograph: nothing was written", err=True)
        sys.exit(130)


def predict(
    given: Given,
    queries: Sequence[Path],
    out: Path,
    save_supports: Path | None,
    checkpoint: str,
    size: int | None,
    presence: bool,
    at_most_wrong: float | None,
    recursive: bool,
    skip_existing: bool,
    formats: tuple[str, ...],
    with_photographs: bool,
    **flags: Any,
) -> None:
    """What the command does, in order."""
    if at_most_wrong is not None and not presence:
        raise BadInput("--at-most-wrong takes the presence of the object: leave out --no-presence")
    listing = list_photographs(queries, recursive, out, given.marks)
    marks = [mark for mark in given.marks if mark not in given.corrected]
    name_outputs(listing, out, (*given.photographs, *marks))
    corrected = leave_corrected(listing, out, {mask.resolve() for mask in given.corrected})
    if not listing.photographs:
        report_passed_over(listing)
        reasons = "; ".join(listing.failures[:NAMED]) or "none can be read"
        raise BadInput(f"no photographs to segment in {', '.join(map(str, queries))}: {reasons}")
    export = Export(out, tuple(dict.fromkeys(formats)), taken(ExportSettings, flags), with_photographs)
    export.check([*listing.photographs, *corrected])
    console = Console(stderr=True)
    with locked(out, "written"):
        with waiting(console, "Loading PyTorch"):
            from srpnet.apps.segmenter import Segmenter

            segmenter = Segmenter(checkpoint, size=size or 417, **flags)
        if flags["refine"] == "auto" and not segmenter.refines:
            click.echo("Edges stay as the network has them: pip install 'srpnet[edges]' to refine them", err=True)
        if given.saved is None:
            segmenter.show(given.classes, given.absent)
            report_examples(segmenter, out / EXAMPLES)
            if presence and segmenter.present_above is not None:
                report_forecast(segmenter)
        else:
            segmenter.load_supports(given.saved)
            click.echo(for_terminal(f"Examples from {given.saved}: {', '.join(segmenter.names)}"))
        if size is not None and size != segmenter.size:
            raise BadInput(f"{given.saved} was made with --size {segmenter.size}: leave out --size")
        if save_supports is not None:
            segmenter.supports.save(save_supports)
        classes = len(segmenter.names)
        if segmenter.names != class_names(1):
            write_classes(out, segmenter.names)
        if at_most_wrong is not None and segmenter.present_above is None:
            raise BadInput(f"{checkpoint} tells no presence, which --at-most-wrong takes: choose another --checkpoint")
        table = FoundTable(out, segmenter.fingerprint, segmenter.thresholds if presence else None, classes)
        run = Run(segmenter, listing, out, table, export, corrected)
        if skip_existing:
            run.skip_existing()
        try:
            with Bars(console, "Segmenting") as bars:
                stopped = run.segment(presence, bars)
                if at_most_wrong is not None and run.rows:
                    run.assess(at_most_wrong)
                stopped |= run.write_formats(bars)
        finally:  # a full disk ends it, too
            report(run)
    if stopped:
        done = f"{len(run.rows)} of {counted(len(listing.photographs))} done"
        click.echo(f"Stopped: {done}; continue with the same command and --skip-existing", err=True)
        sys.exit(130)
    if failures := listing.failures + run.unreadable:
        more = f"; and {len(failures) - NAMED} more" if len(failures) > NAMED else ""
        raise BadInput(f"skipped: {'; '.join(failures[:NAMED])}{more}")


@dataclass
class Run:
    """Photographs on their way to masks."""

    segmenter: "Segmenter"
    listing: Listing
    out: Path
    table: FoundTable
    export: Export
    corrected: Sequence[Photograph] = ()
    """Whose masks a person corrected: they are in the formats, too."""
    rows: dict[Photograph, Row] = field(default_factory=dict)
    """What was found, also in photographs whose mask was there already."""
    existing: int = 0
    """How many masks were there already."""
    remade: int = 0
    """How many were there too, but damaged, or made of another photograph, by other examples or another network."""
    unreadable: list[str] = field(default_factory=list)
    formats: list[Path] = field(default_factory=list)
    """The folders of the formats that were written."""

    @property
    def left(self) -> int:
        """How many photographs are not done."""
        return len(self.listing.photographs) - len(self.rows) - len(self.unreadable)

    def skip_existing(self) -> None:
        """Take the rows of the photographs that have a mask by the same examples."""
        for photograph in self.listing.photographs:
            known = self.export.has_probabilities(photograph, self.segmenter.names)
            if not known or not mask_path(self.out, photograph.name).is_file():
                continue
            row = self.table.row_of(photograph.path, mask_path(Path(), photograph.name))
            if row is None:
                self.remade += 1
            else:
                self.rows[photograph] = row
        self.existing = len(self.rows)

    def segment(self, presence: bool, bars: Bars) -> bool:
        """Segment the others; whether it was stopped before the last. The table is written however it ends."""
        from srpnet.training.interrupts import stop_requested

        todo = {photograph.path: photograph for photograph in self.listing.photographs if photograph not in self.rows}
        saved = time.monotonic()

        def write_probabilities(path: Path, probabilities_NHW: "NDArray[np.float32]") -> None:
            self.export.write_probabilities(todo[path], self.segmenter.names, probabilities_NHW)

        try:
            with stop_requested() as stop:
                for segmented in self.segmenter.write_all(
                    todo,
                    self.out,
                    lambda error: self.unreadable.append(str(error)),
                    presence,
                    name=lambda path: todo[path].name,
                    stop=stop,
                    write_probabilities=write_probabilities if PROBABILITY in self.export.formats else None,
                ):
                    photograph = todo[segmented.photograph]
                    mask = mask_path(Path(), photograph.name)
                    self.rows[photograph] = self.table.add(photograph.path, mask, segmented.labels, segmented.presence)
                    bars.update("Segmenting", len(todo) - self.left, len(todo))
                    if time.monotonic() > saved + SAVED:
                        self.table.write()
                        saved = time.monotonic()
        except KeyboardInterrupt:  # the second, or where signals are not heard
            return True
        finally:
            if self.rows:
                self.table.write()
        return self.left > 0

    def assess(self, limit: float) -> None:
        """Accept photographs up to a risk."""
        rows = list(self.rows.values())
        if self.segmenter.support_checks:
            evidence = self.segmenter.evidence()
            examples, own = [len(each.names) for each in evidence], [each.absent for each in evidence]
        else:  # they were saved
            shots_P = self.segmenter.supports.shots_P
            examples, own = [1] * len(self.segmenter.names) if shots_P is None else shots_P[1:].int().tolist(), []
        self.table.assess(rows, examples, limit, own)
        self.table.write()

    def write_formats(self, bars: Bars) -> bool:
        """Write the formats of all photographs that have a mask; whether it was stopped."""
        try:
            done = [photograph for photograph in self.listing.photographs if photograph in self.rows]
            self.formats = self.export.write([*done, *self.corrected], self.segmenter.names, bars.update)
        except KeyboardInterrupt:
            return True
        return False


def leave_corrected(listing: Listing, out: Path, corrected: Collection[Path]) -> list[Photograph]:
    """Photographs whose mask was corrected in the output folder, which stays as it is."""
    kept = [each for each in listing.photographs if mask_path(out, each.name).resolve() in corrected]
    listing.passed_over += [PassedOver(each.label, "you corrected its mask") for each in kept]
    listing.photographs = [each for each in listing.photographs if each not in kept]
    return kept


def report(run: Run) -> None:
    """What was found, what is doubtful, what was skipped."""
    if len(names := run.segmenter.names) > 1:
        values = ", ".join(f"{value} {name}" for value, name in zip(values_of(names), names, strict=True))
        click.echo(for_terminal(f"Values in the masks: {values}"))
    for doubt, sentence in ((NOTHING, "Nothing was found in {}"), (ABSENT, "May not show the object: {}")):
        if labels := [photograph.label for photograph, row in run.rows.items() if row["doubt"] == doubt]:
            click.echo(sentence.format(listed(labels)))
    if run.rows:
        remarks = [f"already done: {run.existing}"] if run.existing else []
        remarks += [f"made again, because damaged or from other examples: {run.remade}"] if run.remade else []
        behind = f" ({'; '.join(remarks)})" if remarks else ""
        click.echo(for_terminal(f"Masks and overlays of {counted(len(run.rows))}: {run.out}{behind}"))
    if run.formats:
        click.echo(for_terminal(f"Annotations: {', '.join(map(str, run.formats))}"))
    report_passed_over(run.listing)
    more = run.listing.failures + run.unreadable
    for failure in more if len(more) > NAMED else []:
        click.echo(for_terminal(f"Skipped: {failure}"), err=True)


def report_passed_over(listing: Listing) -> None:
    """A line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for item in listing.passed_over:
        by_reason.setdefault(item.reason, []).append(item.label)
    for reason, labels in by_reason.items():
        click.echo(f"Skipped: {listed(labels)} ({with_flags(reason, flags_of(command))})")


def listed(labels: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(labels) - NAMED} more" if len(labels) > NAMED else ""
    return for_terminal(", ".join(labels[:NAMED]) + more)


def counted(number: int) -> str:
    """A number of photographs.

    >>> counted(1), counted(2)
    ('1 photograph', '2 photographs')
    """
    return f"{number} photograph" if number == 1 else f"{number} photographs"
