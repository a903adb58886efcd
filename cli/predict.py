"""`srpnet predict`."""

from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.options import BadInput, checkpoint_option, config_option, runtime_options
from cli.progress import Bars, waiting

PHOTOGRAPHS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


@click.command("predict")
@config_option
@click.option(
    "--support",
    "supports",
    nargs=2,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    required=True,
    metavar="PHOTO MASK",
    help="A photograph and its mask, in which the object is painted. Give one to five.",
)
@click.argument("queries", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="QUERY...")
@checkpoint_option("srpnet-base")
@click.option("--size", default=417, show_default=True, help="Longer side of the photographs for the network.")
@click.option(
    "--presence/--no-presence",
    default=True,
    show_default=True,
    help="Name the photographs in which the object is perhaps not there. It takes a second, quicker pass.",
)
@runtime_options
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for masks and overlays.")
def command(
    supports: tuple[tuple[Path, Path], ...],
    queries: tuple[Path, ...],
    checkpoint: str,
    size: int,
    presence: bool,
    out: Path,
    **flags: Any,
) -> None:
    """Segment your own photographs by example.

    Each QUERY is a photograph, or a folder of them, in which *-mask and *-overlay are passed over. For each, OUT
    receives NAME-mask.png (255 is the object, at the photograph's own size), and NAME-overlay.jpg to look at.
    Photographs in which the object may not be there at all are named at the end.

    \b
    Example:
      srpnet predict --support cup1.jpg cup1-mask.png kitchen/ --out found
    """
    photographs = find_photographs(queries)
    own = {file.parent.resolve() for file in (*photographs, *(file for pair in supports for file in pair))}
    if out.resolve() in own:
        raise BadInput(f"{out} holds your own photographs or masks, which could be overwritten: name another --out")
    console = Console(stderr=True)
    with waiting(console, "Loading PyTorch"):
        from srpnet.reading import check_photograph
        from srpnet.segmenter import Segmenter

        for photograph in photographs:
            check_photograph(photograph)
        segmenter = Segmenter(checkpoint, size=size, **flags)
    images, masks = zip(*supports, strict=True)
    segmenter.set_support(images, masks)
    done, empty, doubtful, unreadable = 0, list[str](), list[str](), list[str]()
    with Bars(console) as bars:
        for found in segmenter.write_all(photographs, out, lambda error: unreadable.append(str(error)), presence):
            done += 1
            if not found.labels.any():
                empty.append(found.photograph.name)
            elif found.presence is not None and found.presence[0] < segmenter.present_above:
                doubtful.append(found.photograph.name)
            bars.update("Segmenting", done + len(unreadable), len(photographs))
    if empty:
        click.echo(f"Nothing was found in {', '.join(empty)}")
    if doubtful:
        click.echo(f"Perhaps it is not there, for what was found is little like the examples: {', '.join(doubtful)}")
    if done:
        click.echo(f"Masks and overlays of {done} photographs: {out}")
    if unreadable:
        raise BadInput(f"passed over: {'; '.join(unreadable)}")


def find_photographs(queries: tuple[Path, ...]) -> list[Path]:
    """The photographs named, and those in the folders named, in order.

    Raises:
        BadInput: if a folder holds none, or two photographs would be written under one name.
    """
    found: list[Path] = []
    for query in queries:
        if not query.is_dir():
            found.append(query)
            continue
        inside = sorted(file for file in query.iterdir() if file.suffix.lower() in PHOTOGRAPHS)
        inside = [file for file in inside if not file.stem.endswith(("-mask", "-overlay"))]
        if not inside:
            raise BadInput(f"{query} holds no photographs ({', '.join(sorted(PHOTOGRAPHS))})")
        found += inside
    stems: dict[str, Path] = {}
    for file in found:
        if file.stem in stems:
            raise BadInput(f"{stems[file.stem]} and {file} would be written under one name: rename one of them")
        stems[file.stem] = file
    return found
