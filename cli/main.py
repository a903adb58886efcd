"""The `srpnet` command."""

import importlib
import warnings
from typing import Any

import click

from cli.options import BadInput
from episodes.names import for_terminal

COMMANDS = {
    "train": "Train SRPNet on the base classes of a fold.",
    "eval": "Score it on the novel classes of a fold.",
    "compare": "Tell by how much one run is better than another, and how sure that is.",
    "report": "Write an HTML page about runs.",
    "protocols": "Print what each protocol of evaluation does.",
    "episodes": "Write episodes to a file, and look at them.",
    "data": "Check data, build them, and see what training sees of novel classes.",
    "predict": "Segment your own photographs by example.",
    "models": "List the models that come with it.",
    "weights": "Fetch the ImageNet weights of the backbone.",
}


class Commands(click.Group):
    """Imports a command when it is called, and turns bad input into one line and exit code 2, and warnings into one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # The short helps stand above, so that `srpnet --help` does not import torch.
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        before, warnings.formatwarning = warnings.formatwarning, _one_line
        try:
            return super().invoke(ctx)
        except ValueError as error:
            from episodes.errors import InputError

            if not isinstance(error, InputError):
                raise
            raise BadInput(str(error)) from None
        finally:
            warnings.formatwarning = before


def _one_line(message: Warning | str, *_: object, **__: object) -> str:
    return f"Warning: {for_terminal(str(message))}\n"


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="srpnet", prog_name="srpnet")
def main() -> None:
    """Few-shot segmentation: show it one to five photographs with a mask, and it segments that class everywhere.

    A first look with nothing to download but the backbone:

    \b
      srpnet train --fold 0 --shot 1
      srpnet eval --fold 0 --shot 1 --checkpoint runs/stickers-fold0-1shot --out scores
    """
