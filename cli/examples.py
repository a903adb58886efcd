"""Examples on a command line, where --class names those that follow it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from cli.options import BadInput, flags_of, together
from srpnet.apps.annotations import Annotation, Mask
from srpnet.apps.example_folder import examples_in
from srpnet.apps.examples import marked_photographs
from srpnet.apps.photographs import picture_suffixes

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
ORDER = "order of examples"
"""Where a context keeps the names of the parameters in the order in which they were typed."""
CLASS = "class_names"
ANNOTATIONS: dict[str, Callable[..., tuple[Path, Annotation]]] = {"supports": lambda photo, mask: (photo, Mask(mask))}
"""Parameter -> what its value says of a photograph."""
HOW = "give examples with --support PHOTO MASK, or saved ones with --supports FILE"

example_options = together(
    click.option(
        "--class",
        CLASS,
        multiple=True,
        metavar="NAME",
        help="What the examples behind it show, up to the next --class. Without it there is one class.",
    ),
    click.option(
        "--support",
        "supports",
        nargs=2,
        type=FILE,
        multiple=True,
        metavar="PHOTO MASK",
        help="A photograph and its mask, in which the object is painted. Give one to five.",
    ),
    click.option(
        "--supports",
        "--load-supports",
        "shown",
        type=click.Path(exists=True, path_type=Path),
        help="A folder of examples, with a subfolder for each class; or a file of examples that were saved.",
    ),
)


class OrderedCommand(click.Command):
    """Keeps the order in which parameters were typed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        ctx.meta[ORDER] = [str(parameter.name) for parameter in order]
        return super().parse_args(ctx, args)


@dataclass
class Given:
    """What was typed.

    Attributes:
        classes: Name -> photographs, and what is marked in each; empty if saved examples are used.
        saved: The file of saved examples.
    """

    classes: dict[str, list[tuple[Path, Annotation]]] = field(default_factory=dict)
    saved: Path | None = None

    @property
    def photographs(self) -> list[Path]:
        """Of all examples."""
        return [photograph for shown in self.classes.values() for photograph, _ in shown]

    @property
    def marks(self) -> list[Path]:
        """The files of what is marked in them."""
        return [file for shown in self.classes.values() for _, mark in shown for file in mark.files()]


def given_examples(ctx: click.Context) -> Given:
    """The examples of a command line, or of its --config.

    Raises:
        InputError: if there are none, two classes have one name, a file is not there, or saved examples and others come
            together.
    """
    shown, typed = ctx.params["shown"], _in_order(ctx)
    if shown is not None and shown.suffix.lower() in picture_suffixes():
        raise BadInput(f"{shown} is a picture: show a single example with --support PHOTO MASK")
    if shown is not None and not shown.is_dir():
        if typed:
            raise BadInput(f"{shown} holds saved examples, which come alone: leave out the others")
        return Given(saved=shown)
    given, classes = Given(), [value for name, value in typed if name == CLASS]
    if twice := next((name for name in classes if classes.count(name) > 1), None):
        raise BadInput(f"--class {twice} is there twice: put all of its examples behind one")
    if shown is not None:
        for name, pairs in examples_in(shown).items():
            given.classes[name] = [(photograph, Mask(mask)) for photograph, mask in pairs]
    current = None if classes or shown else "object"
    for name, value in typed:
        if name == CLASS:
            current = value
            given.classes.setdefault(current, [])
            continue
        if current is None:
            flag = flags_of(ctx.command)[name]
            raise BadInput(f"{flag} {value[0]} has no class: put it behind the --class that it shows")
        given.classes.setdefault(current, []).append(ANNOTATIONS[name](*value))
    if not given.classes:
        raise BadInput(HOW)
    for file in (*given.photographs, *given.marks):
        if not file.is_file():
            raise BadInput(f"{file} is a pipe, socket or device: save it as a picture")
    marked_photographs(given.classes)  # what can be said before PyTorch is loaded
    return given


def _in_order(ctx: click.Context) -> list[tuple[str, Any]]:
    """The name and value of each example and each --class, as they were typed; before them those of --config."""
    names = [CLASS, *ANNOTATIONS]
    configured = [name for name in names if ctx.get_parameter_source(name) is ParameterSource.DEFAULT_MAP]
    if CLASS in configured:
        raise BadInput("a TOML file has no order of examples: write --class on the command line, or use --supports")
    values = {name: list(ctx.params[name]) for name in names}
    order = [name for name in configured for _ in values[name]]
    order += [name for name in ctx.meta[ORDER] if name in names and name not in configured]
    return [(name, values[name].pop(0)) for name in order]


def without_examples(flags: dict[str, Any]) -> dict[str, Any]:
    """The other parameters of a command."""
    return {name: value for name, value in flags.items() if name not in (CLASS, "shown", *ANNOTATIONS)}
