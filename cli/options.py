"""Flags that several commands share, spelled alike, and the way from flags to settings."""

import math
import os
import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import click

from episodes.data import DATA_SETS, USAGE
from episodes.names import for_terminal

F = TypeVar("F", bound=Callable[..., Any])


class Settings(Protocol):
    """A dataclass of settings."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


S = TypeVar("S", bound=Settings)


class BadInput(click.ClickException):
    """Bad input from a person: one line that names the thing and the mend, and exit code 2."""

    exit_code = 2

    def format_message(self) -> str:
        message = for_terminal(self.message)  # it may name what came with data
        return f"rank {rank()}: {message}" if rank() else message


def rank() -> int:
    """The number of this process among those that torchrun started. Only 0 prints more than its own errors."""
    return int(os.environ.get("RANK", "0")) if "LOCAL_RANK" in os.environ else 0


def together(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, in the order of the help text."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def pick(settings: type[S], flags: Mapping[str, Any], **more: Any) -> S:
    """A dataclass of settings from the flags that bear its fields' names."""
    known = settings.__dataclass_fields__
    return settings(**{name: value for name, value in flags.items() if name in known} | more)


def names_in(text: str) -> tuple[str, ...]:
    """The names in a list with commas between.

    >>> names_in("cat, cow,")
    ('cat', 'cow')
    """
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _read_config(ctx: click.Context, _: click.Parameter, file: Path | None) -> None:
    if file is None:
        return
    from episodes.inputs import read_toml

    flags = {flag: parameter for parameter in ctx.command.params for flag in parameter.opts}
    values = {}
    for name, value in read_toml(file, "name a TOML file of settings").items():
        flag = "--" + name.replace("_", "-")
        if flag not in flags or flag == "--config":
            raise BadInput(
                f"{file}: `srpnet {ctx.info_name}` has no flag {flag}, so no setting {name!r}: see its --help"
            )
        if not _fits(value, flags[flag]):
            raise BadInput(f"{file}: {name} cannot be {type(value).__name__} {str(value)[:60]!r}: see --help")
        alone = flags[flag].multiple and flags[flag].nargs == 1 and not isinstance(value, list)
        values[str(flags[flag].name)] = [value] if alone else value
    ctx.default_map = {**(ctx.default_map or {}), **values}


def _fits(value: Any, parameter: click.Parameter) -> bool:
    """Whether a value in a TOML file is of a flag's type; click would make 3 of 3.7, and 1 of true."""
    if isinstance(value, list):
        several = parameter.multiple or parameter.nargs != 1
        return several and all(isinstance(each, list) or _fits(each, parameter) for each in value)
    if getattr(parameter, "is_flag", False):
        return isinstance(value, bool)
    if isinstance(parameter.type, click.types.IntParamType):
        return type(value) is int
    if isinstance(parameter.type, click.types.FloatParamType):
        return type(value) in (int, float)
    return type(value) in (int, float) or (isinstance(value, str) and "\0" not in value)


def _fold(_: click.Context, __: click.Parameter, value: int | str) -> int | str:
    """The number of a fold, or `all`, from a flag or a TOML file."""
    if value != "all" and (not str(value).removeprefix("-").isdecimal() or len(str(value)) > 9):
        raise click.BadParameter(f"{value!r} is neither the number of a fold nor `all`")
    return "all" if value == "all" else int(value)


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_read_config,
    help="TOML file of settings, named like the flags; flags win.",
)

EVERY_PAIR = ", ".join(record.title for record in DATA_SETS.values() if record.every_pair)
data_options = together(
    click.option(
        "--data",
        # Not click's envvar, which would win over a --config file.
        default=lambda: [os.environ.get("SRPNET_DATA") or "stickers"],
        show_default="$SRPNET_DATA, or stickers",
        multiple=True,
        callback=lambda ctx, parameter, names: " + ".join(names),
        help=f"{USAGE}. Several are used as one.",
    ),
    click.option("--pairs", help="Folder of {train,val}_fold{0..3}.txt lists of (image, class) pairs."),
    click.option(
        "--allow-missing", is_flag=True, help="Leave out, and count, listed pairs whose photograph is absent."
    ),
    click.option(
        "--strict", is_flag=True, help="Refuse data of which any record has to be passed over, instead of a tenth."
    ),
    click.option(
        "--min-pixels",
        type=int,
        help=f"Without --pairs: pixels of a class that make a pair.  [default: 2048; of {EVERY_PAIR}: 1]",
    ),
    click.option(
        "--fold",
        default=0,
        type=click.UNPROCESSED,
        callback=_fold,
        metavar="NUMBER|all",
        show_default=True,
        help="Which classes are novel; all: every class is trained, or every class is tested.",
    ),
    click.option("--folds", default=4, show_default=True, help="Into how many folds the classes are split."),
    click.option(
        "--fold-order",
        type=click.Choice(["contiguous", "interleaved"]),
        default="contiguous",
        show_default=True,
        help="Blocks of classes, or every 4th (HSNet's COCO-20i).",
    ),
)

episode_options = together(
    click.option("--way", default=1, show_default=True, help="Classes in an episode (N)."),
    click.option("--shot", default=1, show_default=True, help="Supports of each class (K)."),
    click.option("--queries", "query_count", default=1, show_default=True, help="Queries in an episode."),
    click.option("--seed", default=0, show_default=True, help="Seeds the episodes and everything else."),
)

plan_options = together(
    click.option(
        "--protocol",
        default="hsnet",
        show_default=True,
        help="Whose rules for drawing and scoring; several with commas between, or all. See `srpnet protocols`.",
    ),
    click.option(
        "--drawing",
        type=click.Choice(["random", "even", "pairs", "list", "images", "image-list", "hsnet-seed0"]),
        help="How episodes are drawn. hsnet-seed0: HSNet's own 1000 of PASCAL-5i, name by name, from its pair lists.  "
        "[default: the protocol's]",
    ),
    click.option("--episodes", type=int, help="How many for each seed.  [default: the protocol's]"),
    click.option("--seeds", type=int, help="How many runs, each with the next seed.  [default: the protocol's]"),
    click.option("--classes", default="", help="Only these novel classes, names or numbers with commas between."),
)

runtime_options = together(
    click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto", show_default=True),
    click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16"]),
        default="auto",
        show_default=True,
        help="auto: bfloat16 where the hardware multiplies in it.",
    ),
)


def checkpoint_option(default: str | None = None) -> Callable[[F], F]:
    """`--checkpoint`."""
    return click.option(
        "--checkpoint",
        default=default,
        show_default=default or "training-free",
        help="A model of `srpnet models`, a folder that `srpnet train` wrote, a Hugging Face name, or training-free: "
        "ImageNet features, nothing learned.",
    )


def announce_data(ctx: click.Context, data: str) -> None:
    """Say so when nobody chose the data."""
    chosen = ctx.get_parameter_source("data") is not click.core.ParameterSource.DEFAULT
    if not chosen and not os.environ.get("SRPNET_DATA") and rank() == 0:
        click.echo(f"No --data and no SRPNET_DATA: using the embedded {data}, a first look and no benchmark.")


def given_flags(ctx: click.Context, names: Collection[str]) -> str:
    """The named flags of a command as one would type them, without those that have their default value."""
    words: list[str] = []
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        if parameter.name not in names or value is None or value is False:
            continue
        if parameter.name in ("fold", "shot") or value != parameter.default:
            words += [parameter.opts[0]] if value is True else [parameter.opts[0], shlex.quote(str(value))]
    return " ".join(words)


def percent(fraction: float | None, sign: str = "") -> str:
    """A fraction as percent with one decimal; a dash where there is none.

    >>> percent(0.7654), percent(None), percent(0.01, sign="+")
    ('76.5', '-', '+1.0')
    """
    return "-" if fraction is None or math.isnan(fraction) else f"{100 * fraction:{sign}.1f}"
