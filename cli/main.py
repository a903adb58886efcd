"""The `srpnet` command."""

import errno
import importlib
import io
import sys
import warnings
from typing import Any

import click

from cli.shared.options import BadInput, flags_of, with_flags
from episodes.names import for_terminal

COMMANDS = {
    "train": "Train SRPNet on the base classes of a fold.",
    "eval": "Score it on the novel classes of a fold.",
    "compare": "Compare two runs: the difference and its confidence interval.",
    "report": "Write an HTML report of runs.",
    "protocols": "Show the rules of each evaluation protocol.",
    "episodes": "Export episodes to a file, and draw them.",
    "data": "Build and check data sets, and report leakage of novel classes.",
    "check": "Say how well examples will do, before any photograph is segmented.",
    "suggest": "Say which photographs to mark next.",
    "predict": "Segment your own photographs by example.",
    "app": "A page in the browser to do the same: paint, segment, correct, download.",
    "faces": "Face parsing: train, score, and use a parser of brows, eyes, nose and lips.",
    "weak": "DuPL: learn masks from image tags alone.",
    "supports": "Save examples for predict, look at them, and add to them.",
    "export": "Write a model as ONNX.",
    "models": "List the released models.",
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
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a name of a file may hold bytes that are not text
                stream.reconfigure(errors="backslashreplace")
        before, warnings.formatwarning = warnings.formatwarning, _one_line
        try:
            return super().invoke(ctx)
        except click.UsageError as error:  # which repeats what was typed
            raise click.UsageError(for_terminal(" ".join(error.format_message().split())), error.ctx) from None
        except ValueError as error:
            from episodes.errors import InputError

            if not isinstance(error, InputError):
                raise
            called = self.get_command(ctx, ctx.invoked_subcommand or "")
            raise BadInput(with_flags(str(error), flags_of(called) if called else {})) from None
        except OSError as error:
            if error.errno is None or error.errno == errno.EPIPE:  # whoever reads has had enough, which click knows
                raise
            where = "" if error.filename is None else f"{error.filename}: "
            raise BadInput(f"{where}{error.strerror}") from None
        except (MemoryError, RuntimeError) as error:
            if str(error).startswith("Symlink loop"):  # of `Path.resolve`, before Python 3.13
                raise BadInput(f"{error}: a symbolic link that points to itself") from None
            if not _no_memory(error):
                raise
            raise BadInput("out of memory: choose a smaller --size or --batch") from None
        finally:
            warnings.formatwarning = before


def _one_line(message: Warning | str, *_: object, **__: object) -> str:
    return f"Warning: {for_terminal(str(message))}\n"


def _no_memory(error: Exception) -> bool:
    """Whether memory ran out, of the machine or of a GPU; PyTorch says so in words alone."""
    said = ("can't allocate memory", "out of memory")
    return isinstance(error, MemoryError) or any(words in str(error) for words in said)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="srpnet", prog_name="srpnet")
def main() -> None:
    """Few-shot segmentation: show it one to five photographs with a mask, and it segments that class everywhere.

    A first look with nothing to download but the backbone:

    \b
      srpnet train --fold 0 --shot 1
      srpnet eval --fold 0 --shot 1 --checkpoint runs/stickers-fold0-1shot --out scores
    """
