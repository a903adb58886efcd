"""`srpnet compare`."""

from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table

from cli.shared.options import percent
from cli.shared.printing import cell, say


@click.command("compare")
@click.argument("first", type=click.Path(path_type=Path), metavar="A")
@click.argument("second", type=click.Path(path_type=Path), metavar="B")
@click.option("--resample-supports", is_flag=True, help="Resample the supports too, not only the queries.")
def command(first: Path, second: Path, resample_supports: bool) -> None:
    """Tell by how much run B is better than run A, and how sure that is.

    A and B are folders of `srpnet eval --out` that scored the same episodes by the same rules. Both are
    resampled alike, so that what is hard for both does not blur the difference.

    \b
    Example:
      srpnet eval --fold 1 --data pascal:$PASCAL --checkpoint pascal-fold1 --iqi-rounds 0 --out scores/without
      srpnet eval --fold 1 --data pascal:$PASCAL --checkpoint pascal-fold1 --out scores/with
      srpnet compare scores/without scores/with
    """
    from episodes.results.bootstrap import Resampling
    from episodes.results.comparison import compare, differing

    console = Console()
    rows = compare(first, second, Resampling(supports=resample_supports))
    table = Table("", *(Column(name, justify="right") for name in ("A", "B", "B - A", "95 % interval")))
    for row in rows:
        spread = "-" if row.interval is None else " to ".join(f"{100 * end:+.1f}" for end in row.interval)
        figures = [percent(figure) if row.drawn else "not drawn" for figure in (row.first, row.second)]
        cells = *figures, percent(row.difference, sign="+"), spread
        table.add_row(cell(row.name), *cells, style="bold" if row.sure else "", end_section=row is rows[1])
    say(console, f"A: {first}")
    say(console, f"B: {second}")
    for name, (one, two) in differing(first, second).items():
        say(console, f"{name}: {one} in A, {two} in B")
    console.print(table)
    headline = rows[0]
    if headline.interval is None:
        verdict = "A class has too few photographs for an interval of the difference."
    elif not headline.sure:
        verdict = "The interval of the mIoU includes 0: these episodes do not show which is better."
    else:
        verdict = f"{'B' if headline.difference > 0 else 'A'} is better: the interval of the mIoU excludes 0."
    say(console, verdict)
