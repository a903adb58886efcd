"""`srpnet check`."""

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
    report_forecast,
    without_examples,
)
from cli.shared.options import BadInput, config_option, options
from cli.shared.progress import waiting
from srpnet.nn.settings import RuntimeSettings


@click.command("check", cls=OrderedCommand)
@config_option
@example_options
@checkpoint_option
@click.option("--size", type=int, default=417, show_default=True, help="Longer side of the network input.")
@fit_option
@options(RuntimeSettings)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A picture of the examples, JPEG.")
@click.pass_context
def command(ctx: click.Context, /, checkpoint: str, size: int, out: Path | None, **flags: Any) -> None:
    """Say how well examples will do on other photographs, before any is segmented.

    Each example is segmented by the others, a single one in other views of itself. From that comes the IoU to expect on
    photographs that show the object, with a range in which nine of ten such cases lie; and which example is the
    weakest, so that you know what to add.

    \b
    Example:
      srpnet check --support cup1.jpg cup1-mask.png --support cup2.jpg cup2-mask.png
    """
    given = given_examples(ctx)
    if given.saved is not None:
        raise BadInput(f"{given.saved} holds saved examples: give the photographs and their masks with --support")
    with waiting(Console(stderr=True), "Loading PyTorch"):
        from srpnet.apps.segmenter import Segmenter

        segmenter = Segmenter(checkpoint, size=size, **without_examples(flags))
    segmenter.show(given.classes, given.absent)
    report_examples(segmenter, out)
    report_forecast(segmenter)
