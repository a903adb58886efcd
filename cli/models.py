"""`srpnet models`: the released models."""

import json

import click

from srpnet.models import is_face_parser, released


@click.command("models")
def command() -> None:
    """List the models that come with the package.

    Each is a name for --checkpoint. A model must not be tested on a class that it was trained on; `srpnet-base` was
    trained on every class, for your own photographs. Face parsers are for `srpnet faces`.

    \b
    Examples:
      srpnet predict --checkpoint srpnet-base --support cup1.jpg cup1-mask.png kitchen/ --out found
      srpnet eval --fold 1 --data pascal:$PASCAL --checkpoint pascal-fold1
    """
    for name, folder in released().items():
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        size = (folder / "model.safetensors").stat().st_size / 1e6
        # Blocks, not a table: a name is there to be copied, and a narrow terminal would cut it.
        click.echo(f"name     {name}")
        if is_face_parser(folder):
            trained, on = "face parser", "{faces} faces of {data}".format(**config["trained_on"])
        else:
            trained = "head" if config["trained"] == "head" else "head and backbone"
            on = ", ".join(config["seen"])
        click.echo(f"trained  {trained}, {size:.1f} MB")
        click.echo(f"on       {on}")
        click.echo(f"card     {folder / 'README.md'}\n")
