"""Flags that several commands share, spelled alike, and the way from flags to settings."""

import math
import os
import re
import shlex
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from episodes.names import for_terminal
from episodes.settings import Declared, build, declared

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class BadInput(click.ClickException):
    """Bad input from a person: one line that names the problem and the fix, and exit code 2."""

    exit_code = 2

    def format_message(self) -> str:
        message = for_terminal(self.message)  # it may name what came with data
        return f"rank {rank()}: {message}" if rank() else message


def percentage(text: str) -> float:
    """A share that is written in percent.

    >>> percentage("5%"), percentage("12.5")
    (0.05, 0.125)
    """
    number = text.strip().removesuffix("%").strip()
    if not re.fullmatch(r"[0-9]{1,2}(\.[0-9]{1,6})?", number) or not float(number):
        raise BadInput(f"{text!r} is not a share between 0 and 100 %: write 5%")
    return float(number) / 100


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


def options(settings: type, *, shown: Mapping[str, str] | None = None, **more: Mapping[str, Any]) -> Callable[[F], F]:
    """The flags of a dataclass of settings: names, types, defaults and help texts are those of its fields.

    Args:
        settings: See `episodes.settings`.
        shown: Name -> what `--help` says of a default, if that is not what the field says.
        more: Name -> what else click is told of a flag.
    """
    known = [each for each in declared(settings) if each.flag]
    flags = {each.key: str(each.flag) for each in known}
    made = []
    for each in known:
        help, told = with_flags(each.said.help, flags), (shown or {}).get(each.key, each.said.shown)
        plain = told is None and (bool(each.said.off) if each.kind is bool else each.default not in (None, ()))
        said = {
            "default": _typed(each),
            "show_default": plain,
            "help": f"{help}  [default: {with_flags(told, flags)}]" if told else help,
            **_reading(each),
            **more.get(each.key, {}),
        }
        made.append(click.option(f"{each.flag}/{each.said.off}" if each.said.off else str(each.flag), each.key, **said))
    return together(*made)


def taken(settings: type[T], flags: dict[str, Any]) -> T:
    """Settings, whose flags are taken out of the others."""
    return build(settings, {each.key: flags.pop(each.key) for each in declared(settings) if each.key in flags})


def _reading(each: Declared) -> dict[str, Any]:
    """How click reads a value."""
    if each.kind is bool:
        return {"is_flag": True}
    if each.choices and isinstance(each.choices[0], each.kind):
        values = {str(choice): choice for choice in each.choices}
        return {"type": click.Choice(list(values)), "callback": lambda _, __, value: values.get(value)}
    if each.choices:
        metavar = "|".join(("NUMBER", *each.choices))
        return {"type": click.UNPROCESSED, "callback": _number_or_word(each), "metavar": metavar}
    if each.kind is tuple and each.item is int:
        return {"type": click.UNPROCESSED, "callback": _numbers, "metavar": "NUMBERS"}
    if each.kind is tuple:
        return {"type": click.STRING, "callback": _names, "metavar": "FILE|NAMES"}
    return {"type": each.kind}


def _number_or_word(each: Declared) -> Callable[[click.Context, click.Parameter, Any], int | str]:
    def read(_: click.Context, parameter: click.Parameter, value: Any) -> int | str:
        if value in each.choices:
            return str(value)
        if not str(value).removeprefix("-").isdecimal() or len(str(value)) > 9:
            words = " or ".join(f"`{word}`" for word in each.choices)
            raise click.BadParameter(f"{value!r} is neither the number of a {parameter.name} nor {words}")
        return int(value)

    return read


def _numbers(_: click.Context, parameter: click.Parameter, value: Any) -> tuple[int, ...]:
    try:
        return tuple(int(number) for number in str(value).split(","))
    except ValueError:
        raise BadInput(f"{parameter.opts[0]} {value!r} is not a list of numbers: write 2,3,4") from None


def _names(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    """The names in a file, one a line, or in a list with commas between."""
    if not Path(value).is_file():
        return names_in(value)
    lines = Path(value).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    return tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _typed(each: Declared) -> Any:
    """A default as click wants it: of choices and lists, as one would type it."""
    if isinstance(each.default, tuple):
        return ",".join(map(str, each.default))
    return str(each.default) if each.choices and each.default is not None else each.default


def with_flags(text: str, flags: Mapping[str, str]) -> str:
    """A text in which settings are named in backticks, with their flags instead.

    >>> with_flags("try a lower `lr`; see `srpnet train`", {"lr": "--lr"})
    'try a lower --lr; see `srpnet train`'
    """
    return re.sub(r"`([a-z0-9_.]+)`", lambda found: flags.get(found[1].replace(".", "_"), found[0]), text)


def flags_of(command: click.Command) -> dict[str, str]:
    """Names of the settings of a command, and of its subcommands -> their flags."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        subcommands = (command.get_command(context, name) for name in command.list_commands(context))
        return {name: flag for each in subcommands if each for name, flag in flags_of(each).items()}
    return {str(each.name): each.opts[0] for each in command.params if isinstance(each, click.Option)}


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
                f"{file}: `{ctx.command_path}` has no flag {flag}, so {name!r} is not a setting: see its --help"
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
    if isinstance(value, str):
        return "\0" not in value
    paths = (click.Path, click.types.FuncParamType)
    return type(value) in (int, float) and not isinstance(parameter.type, paths)


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_read_config,
    help="TOML file of settings, named like the flags; flags take precedence.",
)

DATA: dict[str, Any] = {
    # Not click's envvar, which would win over a --config file.
    "default": lambda: [os.environ.get("SRPNET_DATA") or "stickers"],
    "show_default": "$SRPNET_DATA, or stickers",
    "multiple": True,
    "callback": lambda _, __, names: " + ".join(names),
}
CLASSES: dict[str, Any] = {"callback": lambda _, __, value: names_in(value), "metavar": "NAMES"}


def announce_data(ctx: click.Context, data: str) -> None:
    """Say so when nobody chose the data."""
    chosen = ctx.get_parameter_source("data") is not click.core.ParameterSource.DEFAULT
    if not chosen and not os.environ.get("SRPNET_DATA") and rank() == 0:
        click.echo(f"No --data and no SRPNET_DATA: using the embedded {data}, a first look, not a benchmark.")


def given_flags(ctx: click.Context, names: Collection[str]) -> str:
    """The named flags of a command as one would type them, without those that have their default value."""
    words: list[str] = []
    for parameter in ctx.command.params:
        value = ctx.params.get(parameter.name or "")
        if isinstance(value, tuple):
            value = ",".join(map(str, value))
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
