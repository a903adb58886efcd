"""`srpnet app`."""

import time
from importlib.util import find_spec
from typing import Any

import click
from rich.console import Console

from cli.shared.examples import checkpoint_option, fit_option
from cli.shared.options import BadInput, config_option, options, taken
from cli.shared.progress import waiting
from srpnet.apps.looks.settings import LookSettings
from srpnet.apps.web.settings import AppSettings
from srpnet.fewshot.settings import NamingSettings
from srpnet.nn.settings import RuntimeSettings


@click.command("app")
@config_option
@checkpoint_option
@click.option("--size", type=int, default=417, show_default=True, help="Longer side of the network input.")
@fit_option
@options(NamingSettings)
@options(LookSettings)
@options(AppSettings)
@options(RuntimeSettings)
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open the page in a browser.")
def command(checkpoint: str, size: int, browser: bool, **flags: Any) -> None:
    """A page in the browser: paint examples, segment photographs, correct, download.

    It works offline and listens to this machine alone, unless --host says otherwise: whoever reaches it may use it. All
    files are deleted when it ends, by Ctrl-C.
    """
    settings = taken(AppSettings, flags)
    if find_spec("gradio") is None:
        raise BadInput("srpnet app needs Gradio: pip install 'srpnet[app]'")
    with waiting(Console(stderr=True), "Loading PyTorch and Gradio"):
        from srpnet.apps.segmenter import Segmenter
        from srpnet.apps.web.serve import served

        segmenter = Segmenter(checkpoint, size=size, **flags)
    try:
        with served(segmenter, settings, browser) as address:
            click.echo(f"The page: {address} (Ctrl-C ends it)")
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        click.echo("Closed; all files of the page are deleted", err=True)
