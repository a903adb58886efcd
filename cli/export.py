"""`srpnet export`."""

from pathlib import Path

import click
from rich.console import Console

from cli.shared.progress import waiting
from episodes.names import for_terminal


@click.command("export")
@click.argument("model")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder for the files.")
def command(model: str, out: Path) -> None:
    """Write a model as ONNX, for programs without PyTorch.

    MODEL is what --checkpoint takes elsewhere. OUT receives encoder.onnx, scorer.onnx and about.json; photographs may
    have any size. docs/onnx.md has a program of 30 lines that segments with them.

    \b
    Example:
      srpnet export srpnet-base --out exported
    """
    with waiting(Console(stderr=True), "Exporting"):
        from srpnet.apps.onnx import check_possible, export
        from srpnet.fewshot.checkpoint import load_network

        check_possible(out)
        export(load_network(model), out)
    sizes = ", ".join(f"{file.name} {file.stat().st_size / 1e6:.1f} MB" for file in sorted(out.glob("*.onnx")))
    click.echo(for_terminal(f"Written to {out}: {sizes}"))
