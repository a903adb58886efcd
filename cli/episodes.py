"""`srpnet episodes`."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.shared.options import CLASSES, DATA, announce_data, options
from cli.shared.progress import Bars
from episodes.data import USAGE
from episodes.files import write_text
from episodes.scoring.plans.settings import DrawingSettings, PlanSettings
from episodes.settings import build


@click.group("episodes")
def command() -> None:
    """Export episodes to a file, and draw them.

    A manifest names every photograph of every episode, so that anybody can score the very same ones, with any method:
    `srpnet eval --manifest FILE`.
    """


@command.command("export")
@options(DrawingSettings, data=DATA, classes=CLASSES)
@click.option(
    "--wrong-support",
    is_flag=True,
    help="Write OUT-wrong too: the same queries with the supports of another class, see `srpnet eval --wrong-support`.",
)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The manifest, JSON Lines.")
@click.pass_context
def export(ctx: click.Context, /, out: Path, **flags: Any) -> None:
    """Write the episodes of a protocol as a manifest.

    For PASCAL-5i the pair lists are enough: with --data pascal and --pairs no photograph is needed.

    \b
    Example:
      srpnet episodes export --data pascal --pairs lists/pascal --fold 1 --shot 5 --out fold1-5shot.jsonl
    """
    announce_data(ctx, flags["data"])
    from episodes.errors import InputError
    from episodes.scoring.plans.planning import plans

    with Bars(Console(stderr=True)) as bars:
        chosen = plans(build(PlanSettings, flags), bars.update)
    if len(chosen) > 1:
        raise InputError(f"a manifest has one protocol, not {', '.join(chosen)}: name one")
    (plan,) = chosen.values()
    plan.export().write(out)
    click.echo(f"{plan.ordinary - len(plan.left_out)} episodes: {out}")
    if wrong := plan.wrong_supports:
        file = out.with_name(f"{out.stem}-wrong{out.suffix}")
        write_text(file, "".join(f"{spec.line()}\n" for _, _, spec in wrong))
        click.echo(f"{len(wrong)} under wrong supports: {file}")


@command.command("show")
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--data", required=True, help=f"The photographs: {USAGE}.")
@click.option("--pictures", default=8, show_default=True, help="How many episodes to draw, evenly spread.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the pictures.")
def show(manifest: Path, data: str, pictures: int, out: Path) -> None:
    """Draw some episodes of a manifest: supports and queries with their masks.

    \b
    Example:
      srpnet episodes show fold1-5shot.jsonl --data pascal:$PASCAL --out pictures
    """
    from episodes.data import open_source
    from episodes.results.pictures import draw_manifest
    from episodes.scoring.plans.manifest import Manifest

    files = draw_manifest(Manifest.read(manifest), open_source(data), pictures, out)
    click.echo(f"{len(files)} pictures: {out}")
