"""`srpnet eval`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table

from cli.shared.options import (
    CLASSES,
    DATA,
    BadInput,
    announce_data,
    config_option,
    given_flags,
    options,
    percent,
    rank,
)
from cli.shared.printing import cell, say
from cli.shared.progress import Bars, waiting
from episodes.results.output import Output
from episodes.settings import build
from srpnet.fewshot.evaluation.settings import EvalSettings

IN_MANIFEST = {
    *("fold", "folds", "fold_order", "classes"),
    *("protocol", "drawing", "episodes", "seeds", "way", "shot", "query_count", "seed"),
}
"""What a manifest fixes."""


@click.command("eval")
@config_option
@options(EvalSettings, data=DATA, classes=CLASSES)
@click.option(
    "--predictions",
    type=click.Path(path_type=Path),
    help="Score label maps that other code wrote for the manifest, `{index:06d}_{query}.png`, instead of a network. "
    "With --wrong-support those under wrong supports are in its folder `wrong`.",
)
@options(Output)
@click.pass_context
def command(ctx: click.Context, /, predictions: Path | None, **flags: Any) -> None:
    """Score a network on the novel classes of a fold.

    Without --checkpoint it is the training-free network: stage 4 of the ImageNet backbone, nothing learned. With
    torchrun, several processes share the episodes. The intervals are those of `srpnet compare`: 95 %, by the bootstrap
    over query photographs.

    \b
    Examples:
      srpnet eval --fold 0 --shot 1 --out scores --pictures 8
      srpnet eval --fold 1 --shot 5 --data pascal:$PASCAL --checkpoint runs/fold1 --classes cat,cow --out scores
      srpnet eval --fold 1 --data pascal:$PASCAL --checkpoint pascal-fold1 --protocol all --out scores
    """
    announce_data(ctx, flags["data"])
    for name in ("pictures", "worst"):
        if flags[name] and flags["folder"] is None:
            raise BadInput(f"--{name} needs --out, the folder to draw them into")
    settings = build(EvalSettings, flags)
    output = replace(build(Output, flags), command=f"srpnet eval {given_flags(ctx, ctx.params)}")
    if flags["manifest"] is not None:
        for parameter in ctx.command.params:
            given = ctx.get_parameter_source(parameter.name or "") is not click.core.ParameterSource.DEFAULT
            if parameter.name in IN_MANIFEST and given:
                raise BadInput(f"{parameter.opts[0]} is fixed by the manifest: leave one of the two out")
    if predictions is not None:
        if flags["manifest"] is None:
            raise BadInput("--predictions needs --manifest, the episodes that they were made for")
        if flags["checkpoint"] is not None:
            raise BadInput("--predictions replace a --checkpoint: leave one of the two out")
        for name in ("negatives", "distractors"):
            if flags[name]:
                raise BadInput(f"--{name} makes episodes of which there are no predictions: leave one out")
    console = Console(stderr=True, quiet=rank() > 0)
    with waiting(console, "Loading PyTorch"):
        from episodes.distributed import joined
        from episodes.score import score_predictions
        from srpnet.fewshot.evaluation.evaluate import run_evaluation

    with joined() as world, Bars(console) as bars:

        def evaluating(done: int, total: int, share: float) -> None:
            bars.update("Evaluating", done, total, share)

        if predictions is not None:
            results = score_predictions(settings, predictions, output, evaluating, world, bars.update)
        else:
            results = run_evaluation(settings, output, evaluating, world, bars.update)
    if not world.first:
        return
    for result in results.values():
        print_result(result, Console())
    if output.folder is not None:
        kept = "result.json, counts.npz" + (" and pictures" if output.pictures or output.worst else "")
        for name in results:
            click.echo(f"{kept}: {output.folder / name if len(results) > 1 else output.folder}")


def print_result(result: dict[str, Any], console: Console) -> None:
    """The scores as a table, in percent."""
    settings, rules, spread = result["settings"], result["protocol"], result["intervals"]
    title = f"{settings['data']} fold {settings['source']['fold']}, {settings['way']}-way {settings['shot']}-shot"
    say(console, f"{title}, protocol {rules['name']}")
    table = Table("novel class", *(Column(name, justify="right") for name in ("IoU", "95 % interval")))
    for name, iou in result["per_class"].items():
        shown = "not drawn" if name in result["not_drawn"] else percent(iou)
        table.add_row(cell(name), shown, ends(spread["per_class"][name]))
    table.add_section()
    table.add_row("mIoU", percent(result["miou"]), ends(spread["miou"]), style="bold")
    table.add_row("FB-IoU", percent(result["fb_iou"]), ends(spread["fb_iou"]))
    table.add_row("support mIoU", percent(result["support_miou"]), ends(spread["support_miou"]))
    console.print(table)
    if result["deviation"] is not None:
        seeds = ", ".join(percent(seed["miou"]) for seed in result["seeds"].values())
        over = f"{rules['seeds']} seeds: mIoU {seeds}, standard deviation {percent(result['deviation']['miou'])}"
        say(console, over)
    if "negatives" in result:
        print_negatives(result["negatives"], console)
    if "wrong_support" in result:
        print_wrong_support(result["wrong_support"], console)
    for departure in result["departures"]:
        say(console, f"differs from {rules['name']}: {departure}")
    for remark in result.get("data_notes", ()):
        say(console, f"data: {remark}")
    if note := result.get("note"):
        say(console, note)
    pace = f"{result['seconds'] / result['episodes']:.2f} s an episode"
    weights, facts = result["weights"], [f"{result['episodes']} episodes"]
    if "predictions" in weights:
        facts.append(f"predictions {weights['predictions']}")
    else:
        facts += [f"weights {weights['name']} {str(weights['sha256'])[:12]}", settings["runtime"]]
    say(console, ", ".join([*facts, pace]))


def print_negatives(found: dict[str, Any], console: Console) -> None:
    """What was made of photographs without the class."""
    table = Table("without the class", *(Column(name, justify="right") for name in ("%", "95 % interval")))
    rows = {
        "false-positive area": "false_positive_area",
        "any false positive": "found",
        f"presence AUC ({found['score']})": "auc",
    }
    if found["threshold"] is not None:
        rows |= {
            f"declared absent (below {found['threshold']:g})": "rejected",
            "the same, with the class": "lost",
        }
    for title, name in rows.items():
        table.add_row(title, percent(found[name]), ends(found["intervals"][name]))
    say(console, f"{found['episodes']} additional episodes whose query does not show the class")
    console.print(table)


def print_wrong_support(found: dict[str, Any], console: Console) -> None:
    """The scores with supports of the query's class and of another one."""
    table = Table("novel class", *(Column(name, justify="right") for name in ("right support", "wrong", "gap")))
    for name, figures in found["per_class"].items():
        table.add_row(cell(name), *(percent(figures[column]) for column in ("right", "wrong", "gap")))
    table.add_section()
    table.add_row("mIoU", *(percent(found[column]) for column in ("right", "wrong", "gap")), style="bold")
    table.add_row("95 % interval", *(ends(found["intervals"][column]) for column in ("right", "wrong", "gap")))
    say(console, f"{found['episodes']} episodes once more, with supports of a class that the query does not show")
    console.print(table)
    if found["left_out"]:
        say(console, f"without {found['left_out']} episodes whose query shows the other tested classes too")


def ends(interval: list[float] | None) -> str:
    """An interval in percent; a dash where there is none.

    >>> ends([0.81, 0.8567])
    '81.0 to 85.7'
    """
    return "-" if interval is None else " to ".join(map(percent, interval))
