"""`srpnet data`."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from cli.shared.options import DATA, BadInput, announce_data, flags_of, options, percent, with_flags
from cli.shared.printing import cell, say
from cli.shared.progress import Bars
from episodes.data import DATA_SETS
from episodes.fewshot.settings import DataSettings
from episodes.names import for_display, for_terminal
from episodes.settings import build

if TYPE_CHECKING:
    from episodes.fewshot.checks.leakage import Leakage


PREPARED = {name: record for name, record in DATA_SETS.items() if record.archives}


NAMED = 5
"""Classes of ImageNet that stand in the table; the JSON file has them all."""


@click.group("data")
def command() -> None:
    """Look whether data are as they should be, and build them."""


@command.command("report")
@options(DataSettings, data=DATA)
@click.option("--out", type=click.Path(path_type=Path), help="Also write it as JSON.")
@click.pass_context
def report(ctx: click.Context, /, out: Path | None, **flags: Any) -> None:
    """Tell what base training of a fold sees of its novel classes.

    Which photographs of base training show them, what each rule of `srpnet train --novel-pixels` does about that, and
    whether a photograph that is trained on is tested on, too: by its name, or as a copy under another name. And which
    classes of ImageNet, on which the backbone was trained, are of the kind of a novel class.

    \b
    Example:
      srpnet data report --data pascal:$PASCAL --pairs lists/pascal --fold 1
    """
    announce_data(ctx, flags["data"])
    from episodes.fewshot.checks.leakage import leakage
    from episodes.fewshot.folds import Fold
    from episodes.files import check_folder, write_json

    if out is not None:
        check_folder(out.parent)
    with Bars(Console(stderr=True)) as bars:
        found = leakage(Fold(build(DataSettings, flags), on_progress=bars.update), bars.update)
    print_leakage(found, Console())
    if out is not None:
        write_json(out, asdict(found))
        click.echo(f"Written: {out}")


@command.command("check")
@click.argument("source")
@click.option("--pairs", type=click.Path(path_type=Path), help="Also check this folder of pair lists.")
@click.option("--strict", is_flag=True, help="A single record that has to be skipped is an error.")
def check(source: str, pairs: Path | None, strict: bool) -> None:
    """Look whether a data folder is as it should be: layout, lists, every photograph with its mask.

    SOURCE is what --data takes. What is wrong is named with its fix, and then the exit code is 2.
    Records that cannot be used are skipped by every command, and counted here; more than a tenth of a kind is an
    error, and with --strict a single one. What merely differs from the published data set is a note.

    \b
    Example:
      srpnet data check pascal:$PASCAL --pairs lists/pascal
    """
    from episodes.fewshot.checks.check_data import check

    with Bars(Console(stderr=True)) as bars:
        found = check(source, pairs, bars.update, strict)
    console = Console()
    for fact in found.facts:
        say(console, fact)
    for finding in found.findings:
        style, text = "bold red" if finding.weight == "error" else "yellow", with_flags(finding.text, flags_of(command))
        console.print(Text.assemble((finding.weight, style), ": ", for_terminal(text)), soft_wrap=True)
    if found.errors:
        raise BadInput(f"{source} has problems, see above (errors: {found.errors})")
    skipped = any(finding.weight == "skipped" for finding in found.findings)
    say(console, f"{source} is valid{', except for what is skipped' if skipped else ''}")


@command.command(
    "prepare",
    help=f"""Build a data folder from the archives that the data set is published as.

    {". ".join(f"{name}: {record.archives}" for name, record in PREPARED.items())}. Archives are checked against their
    published checksums. An interrupted build continues when the command is given again; an interrupted download starts
    again. The disk must hold everything unpacked, and one archive at a time.

    \b
    Example:
      srpnet data prepare pascal --root $PASCAL --archive VOCtrainval_11-May-2012.tar --archive benchmark.tgz
    """,
)
@click.argument("kind", type=click.Choice(list(PREPARED)))
@click.option("--root", type=click.Path(path_type=Path), required=True, help="The folder to build: new or empty.")
@click.option(
    "--archive",
    "archives",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="An archive that you already have; may be given several times. The others are downloaded.",
)
def prepare(kind: str, root: Path, archives: tuple[Path, ...]) -> None:
    from episodes.data.prepare import build

    with Bars(Console(stderr=True)) as bars:
        counts = build(kind, root, archives, bars.update)
    click.echo(f"{', '.join(f'{name}: {count}' for name, count in counts.items())}")
    click.echo(f"Built: {root}, which is --data {kind}:{root}")


def print_leakage(found: "Leakage", console: Console) -> None:
    """The report as tables."""
    share = percent(found.exposed / found.images)
    say(
        console,
        f"{found.source} fold {found.fold}, {found.pairs}: {found.images} photographs of base training, of which "
        f"{found.exposed} ({share} %) show a novel class",
    )
    table = Table("novel class", *(Column(name, justify="right") for name in ("photographs", "as a pair", "pixels")))
    for exposure in found.classes:
        table.add_row(cell(exposure.name), f"{exposure.images}", f"{exposure.listed}", f"{exposure.pixels:,}")
    console.print(table)
    table = Table("--novel-pixels", *(Column(rule.rule, justify="right") for rule in found.effects))
    table.add_row("photographs", *(f"{rule.images}" for rule in found.effects))
    table.add_row("pairs", *(f"{rule.pairs}" for rule in found.effects))
    table.add_row("pixels as background", *(f"{rule.background:,}" for rule in found.effects))
    table.add_row("pixels ignored", *(f"{rule.ignored:,}" for rule in found.effects))
    table.add_row(
        "classes left out", *(Text(", ".join(map(for_display, rule.left_out)) or "-") for rule in found.effects)
    )
    console.print(table)
    table = Table("novel class", Column("ImageNet's classes of its kind", justify="right"), "among them")
    for name, kinds in found.pretrained.items():
        table.add_row(cell(name), f"{len(kinds)}", ", ".join(kinds[:NAMED]) or "-")
    console.print(table)
    lines = [f"trained on and tested on: {id}" for id in found.shared]
    lines += [
        f"{where} as a {'mirrored copy' if pair.mirrored else 'near-duplicate'}: {pair.first} and {pair.second} "
        f"({pair.bits} of 256 bits differ)"
        for where, pairs in (("trained on and tested on", found.duplicates), ("tested on twice", found.repeated))
        for pair in pairs
    ]
    lines = lines or [f"None of the {found.tested} test photographs is in training, by name or as a near-duplicate."]
    for line in lines:
        say(console, line)
