"""`srpnet report`."""

from pathlib import Path

import click


@click.command("report")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN [RUN ...]")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("report.html"), show_default=True, help="The page to write."
)
def command(runs: tuple[Path, ...], out: Path) -> None:
    """Write one HTML page about runs of `srpnet eval --out`; it opens from the disk and needs nothing else.

    Scores with intervals, classes beside the ceiling of their supports, a histogram of the episodes, the pictures that
    were drawn, and what repeats it. Each further run is compared with the first.

    \b
    Example:
      srpnet eval --fold 0 --out scores --pictures 7 --worst 5
      srpnet report scores
    """
    from episodes.results.page import report

    report(runs, out)
    click.echo(f"report: {out}")
