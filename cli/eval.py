"""`srpnet eval`."""

from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.options import (
    BadInput,
    announce_data,
    checkpoint_option,
    config_option,
    data_options,
    episode_options,
    pick,
    rank,
    runtime_options,
)
from cli.progress import Bars


@click.command("eval")
@config_option
@data_options
@episode_options
@checkpoint_option()
@click.option("--protocol", default="hsnet", show_default=True, help="Whose rules for drawing and scoring episodes.")
@click.option("--episodes", type=int, help="How many.  [default: the protocol's]")
@click.option("--size", type=int, help="Side of the square photographs.  [default: the protocol's]")
@click.option("--original-size", is_flag=True, help="Compare label maps at the photographs' own sizes.")
@click.option("--classes", default="", help="Only these novel classes, with commas between.")
@click.option("--iqi-rounds", type=int, help="Rounds of query inference.  [default: the checkpoint's]")
@click.option(
    "--engine",
    type=click.Choice(["shared", "plain"]),
    default="shared",
    show_default=True,
    help="shared encodes each photograph once for all episodes; plain encodes every episode's anew, as published code "
    "does. The scores are the same up to rounding.",
)
@click.option(
    "--cache-limit", default=2.0, show_default=True, help="Gigabytes of encoded photographs kept in memory (shared)."
)
@runtime_options
@click.option("--out", type=click.Path(path_type=Path), help="Folder for result.json and pictures.")
@click.option("--pictures", default=0, show_default=True, help="Episodes to draw into --out, evenly spread.")
@click.option("--worst", default=0, show_default=True, help="Episodes with the lowest IoU to draw into --out.")
@click.pass_context
def command(ctx: click.Context, /, out: Path | None, pictures: int, worst: int, **flags: Any) -> None:
    """Score a network on the novel classes of a fold.

    Without --checkpoint it is the training-free network: stage 4 of the ImageNet backbone, nothing learned. With
    torchrun, several processes share the episodes.

    \b
    Examples:
      srpnet eval --fold 0 --shot 1 --out scores --pictures 8
      srpnet eval --fold 1 --shot 5 --data pascal:$PASCAL --checkpoint runs/fold1 --classes cat,cow --out scores
    """
    announce_data(ctx, flags["data"])
    for name, count in (("pictures", pictures), ("worst", worst)):
        if count < 0:
            raise BadInput(f"--{name} is a number of episodes, 0 or more, not {count}")
        if count and out is None:
            raise BadInput(f"--{name} needs --out, the folder to draw them into")
    console = Console(stderr=True, quiet=rank() > 0)
    with console.status("Loading PyTorch"):
        from episodes.task import DataSettings
        from episodes.world import joined
        from srpnet.eval_fold import EvalSettings, run_evaluation

    classes = tuple(name.strip() for name in flags["classes"].split(",") if name.strip())
    settings = pick(EvalSettings, flags | {"classes": classes}, data=pick(DataSettings, flags))
    with joined() as world, Bars(console) as bars:
        evaluating = partial(bars.update, "Evaluating")
        result = run_evaluation(settings, out, pictures, evaluating, world, bars.update, worst)
    if not world.first:
        return
    print_result(result, Console())
    if out is not None:
        click.echo(f"result.json and pictures: {out}" if pictures or worst else f"result.json: {out}")


def print_result(result: dict[str, Any], console: Console) -> None:
    """The scores as a table, in percent."""
    settings = result["settings"]
    title = f"{settings['data']} fold {settings['source']['fold']}, {settings['way']}-way {settings['shot']}-shot"
    console.print(title, highlight=False, soft_wrap=True)
    table = Table()
    table.add_column("novel class")
    table.add_column("IoU", justify="right")
    for name, iou in result["per_class"].items():
        table.add_row(name, percent(iou))
    table.add_section()
    table.add_row("mIoU", percent(result["miou"]), style="bold")
    table.add_row("FB-IoU", percent(result["fb_iou"]))
    table.add_row("support mIoU", percent(result["support_miou"]))
    console.print(table)
    if note := result.get("note"):
        console.print(note, highlight=False)
    pace = f"{result['seconds'] / result['episodes']:.2f} s an episode"
    rules = f"{result['episodes']} episodes, protocol {settings['protocol']}"
    weights = f"weights {result['weights']['name']} {str(result['weights']['sha256'])[:12]}"
    console.print(f"{rules}, {weights}, {settings['runtime']}, {pace}", highlight=False, soft_wrap=True)


def percent(fraction: float | None) -> str:
    """A fraction as percent with one decimal; a dash where there is none.

    >>> percent(0.7654), percent(None)
    ('76.5', '-')
    """
    return "-" if fraction is None else f"{100 * fraction:.1f}"
