"""Examples on a command line, where --class names those that follow it."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from cli.shared.options import BadInput, flags_of, together
from episodes.files import atomic_write
from episodes.names import for_terminal
from srpnet.apps.examples.annotation_files import annotated_examples, mask_or_annotations, of_class
from srpnet.apps.examples.annotations import Annotation, Box, Mask, Points, Scribbles
from srpnet.apps.examples.folder import examples_in
from srpnet.apps.examples.reading import marked_photographs
from srpnet.apps.examples.tags import Tag
from srpnet.apps.files.corrections import read_correction
from srpnet.apps.pictures.reading import picture_suffixes
from srpnet.apps.trust.calibration import calibrated_network

if TYPE_CHECKING:
    from srpnet.apps.segmenter import Segmenter

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
ORDER = "order of examples"
"""Where a context keeps the names of the parameters in the order in which they were typed."""
CLASS = "class_names"
ABSENT = "absent"
FIXED = "corrected"
HOW = "give examples with --support PHOTO MASK, or saved ones with --supports FILE"


def _numbers(flag: str, text: str, example: str, count: int | None = None) -> list[int]:
    """Whole numbers with commas between: so many, or, if that is not said, pairs."""
    words = [word.strip() for word in text.split(",")]
    if all(re.fullmatch(r"-?[0-9]{1,9}", word) for word in words) and len(words) in (
        {count} if count else range(2, 999, 2)
    ):
        return [int(word) for word in words]
    raise BadInput(f"{flag} {text!r} are not pixels: write {example}")


def _box(text: str) -> Box:
    return Box(*_numbers("--box", text, "left, top, right and bottom, as in 20,30,120,90", 4))


def _points(flag: str, label: int) -> Callable[[str], Points]:
    def read(text: str) -> Points:
        numbers = _numbers(flag, text, "column and row of each point, as in 20,30,25,41")
        return Points(tuple(zip(numbers[::2], numbers[1::2], strict=True)), label)

    return read


ANNOTATIONS: dict[str, Callable[[Any], Annotation]] = {
    "supports": mask_or_annotations,
    "boxes": _box,
    "points": _points("--points", 1),
    "not_points": _points("--not-points", 0),
    "scribbles": Scribbles,
    "tag_supports": Tag,
}
"""Parameter -> what its second value says of the photograph that is its first."""


def _marked(flag: str, name: str, metavar: str, help: str, type: Any = FILE) -> Callable[[F], F]:
    """A flag of two values, a photograph and what is marked in it, that may be given several times."""
    return click.option(flag, name, nargs=2, type=type, multiple=True, metavar=metavar, help=help)


example_options = together(
    click.option(
        "--class",
        CLASS,
        multiple=True,
        metavar="NAME",
        help="What the examples behind it show, up to the next --class. Without it there is one class.",
    ),
    _marked(
        "--support",
        "supports",
        "PHOTO MASK",
        "A photograph and its mask, in which the object is painted, or its annotation file. Give one to five.",
    ),
    _marked(
        "--box",
        "boxes",
        "PHOTO X0,Y0,X1,Y1",
        "A photograph and a box around the object, in pixels: left, top, right, bottom.",
        (FILE, str),
    ),
    _marked("--points", "points", "PHOTO X,Y,...", "A photograph and points on the object, in pixels.", (FILE, str)),
    _marked("--not-points", "not_points", "PHOTO X,Y,...", "Points on what is not the object.", (FILE, str)),
    _marked(
        "--scribbles",
        "scribbles",
        "PHOTO STROKES",
        "A photograph, and strokes of its size: green on the object, red on what is not it.",
    ),
    _marked(
        "--tag-support",
        "tag_supports",
        "PHOTO RUN",
        "A photograph that shows the class, nobody says where: students that `srpnet weak train` wrote into RUN say, "
        "if they know the class; else what stands out to them is taken.",
        (FILE, click.Path(exists=True, file_okay=False, path_type=Path)),
    ),
    click.option(
        "--not",
        ABSENT,
        type=FILE,
        multiple=True,
        metavar="PHOTO",
        help="A photograph without any of the classes: all of it is background.",
    ),
    click.option(
        "--fix",
        FIXED,
        type=FILE,
        multiple=True,
        metavar="MASK",
        help="A mask that `srpnet predict` wrote, after you corrected it; an empty one says that nothing is there.",
    ),
    click.option(
        "--supports",
        "--load-supports",
        "shown",
        type=click.Path(exists=True, path_type=Path),
        help="A folder of examples: a subfolder for each class, or annotations; or a file of examples that were saved.",
    ),
)


checkpoint_option = click.option(
    "--checkpoint",
    default="srpnet-base",
    show_default=True,
    help="A model of `srpnet models`, a folder that `srpnet train` wrote, a Hugging Face name, or training-free.",
)


fit_option = click.option(
    "--fit",
    type=click.Choice(["auto", "none"]),
    default="auto",
    show_default=True,
    help="auto: fit a head to the examples, where there are several of a class and it does better on them. Saved "
    "examples come as they were fitted.",
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
        absent: Photographs without any of them.
        corrected: Masks that were corrected, and their photographs.
        saved: The file of saved examples.
    """

    classes: dict[str, list[tuple[Path, Annotation]]] = field(default_factory=dict)
    absent: list[Path] = field(default_factory=list)
    corrected: dict[Path, Path] = field(default_factory=dict)
    saved: Path | None = None

    @property
    def photographs(self) -> list[Path]:
        """Of all examples."""
        return [photograph for shown in self.classes.values() for photograph, _ in shown] + self.absent

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
        if typed or ctx.params[ABSENT]:
            raise BadInput(f"{shown} holds saved examples, which come alone: leave out the others")
        return Given(saved=shown)
    given, classes = Given(absent=list(ctx.params[ABSENT])), [value for name, value in typed if name == CLASS]
    if twice := next((name for name in classes if classes.count(name) > 1), None):
        raise BadInput(f"--class {twice} is there twice: put all of its examples behind one")
    if shown is not None:
        given.classes, absent = annotated_examples(shown)
        given.absent += absent
        given.classes = given.classes or {
            name: [(photograph, Mask(mask)) for photograph, mask in pairs] for name, pairs in examples_in(shown).items()
        }
    current = None if classes or shown else "object"
    for name, value in typed:
        if name == CLASS:
            current = value
            given.classes.setdefault(current, [])
            continue
        if name == FIXED:
            _add_correction(given, value, current)
            continue
        photograph, mark = value
        if current is None:
            flag = flags_of(ctx.command)[name]
            raise BadInput(f"{flag} {photograph} has no class: put it behind the --class that it shows")
        given.classes.setdefault(current, []).append((photograph, ANNOTATIONS[name](mark)))
    if not given.classes:
        raise BadInput(HOW)
    for name, pairs in given.classes.items():
        pairs[:] = [(photograph, of_class(mark, name)) for photograph, mark in pairs]
    for file in (*given.photographs, *given.marks):
        if not file.is_file():
            raise BadInput(f"{file} is a pipe, socket or device: save it as a picture")
    marked_photographs(given.classes, given.absent)  # what can be said before PyTorch is loaded
    for photograph, mark in (pair for pairs in given.classes.values() for pair in pairs):
        if isinstance(mark, Tag):
            click.echo(for_terminal(f"{photograph}: {mark.remark}"))
    return given


def _add_correction(given: Given, mask: Path, current: str | None) -> None:
    """A corrected mask is of the classes that its folder names, or else of the present one."""
    photograph, classes = read_correction(mask)
    given.corrected[mask] = photograph
    for name, mark in classes:
        if (known := name or current) is None:
            raise BadInput(f"--fix {mask} has no class: put it behind the --class that it shows")
        given.classes.setdefault(known, []).append((photograph, mark))
    if not classes:
        given.absent.append(photograph)


def _in_order(ctx: click.Context) -> list[tuple[str, Any]]:
    """The name and value of each example and each --class, as they were typed; before them those of --config."""
    names = [CLASS, FIXED, *ANNOTATIONS]
    configured = [name for name in names if ctx.get_parameter_source(name) is ParameterSource.DEFAULT_MAP]
    if CLASS in configured:
        raise BadInput("a TOML file has no order of examples: write --class on the command line, or use --supports")
    values = {name: list(ctx.params[name]) for name in names}
    order = [name for name in configured for _ in values[name]]
    order += [name for name in ctx.meta[ORDER] if name in names and name not in configured]
    return [(name, values[name].pop(0)) for name in order]


def without_examples(flags: dict[str, Any]) -> dict[str, Any]:
    """The other parameters of a command."""
    return {name: value for name, value in flags.items() if name not in (CLASS, ABSENT, FIXED, "shown", *ANNOTATIONS)}


def report_examples(segmenter: "Segmenter", picture_file: Path | None = None) -> None:
    """A line for each example, what is doubtful about it, and which is the weakest; a picture of them all."""
    from srpnet.apps.examples.checks import weakest

    for check in segmenter.support_checks:
        click.echo(for_terminal(f"{check.name}: {check.summary}"))
        for doubt in check.doubts:
            click.echo(for_terminal(f"Warning: {doubt}"), err=True)
    if segmenter.fitted_share:
        share = f"{100 * segmenter.fitted_share:.0f} %"
        click.echo(f"A head fitted to the examples has a share of {share} in the masks; --fit none leaves it out")
    if picture_file is not None and (picture := segmenter.draw_examples()) is not None:
        with atomic_write(picture_file) as temporary:
            picture.save(temporary, "JPEG", quality=90)
    if (last := weakest(segmenter.support_checks)) is not None:
        found = f"from the others the network finds {100 * last.least_of_others:.0f} % of it"
        where = "" if picture_file is None else f": see {picture_file}"
        click.echo(for_terminal(f"Weakest example: {last.name}; {found}{where}"))


def report_forecast(segmenter: "Segmenter") -> None:
    """What to expect of photographs that show each class, and which example to add to."""
    for name, expected in zip(segmenter.names, segmenter.forecast(), strict=True):
        click.echo(for_terminal(expected.summary(name if len(segmenter.names) > 1 else "it")))
        if expected.advice is not None:
            click.echo(for_terminal(expected.advice))
    if segmenter.predictor.sha256 != calibrated_network():
        click.echo("With this network the forecast is a guess: it was calibrated with srpnet-base")
