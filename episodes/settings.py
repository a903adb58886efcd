"""Settings: frozen dataclasses whose fields say all there is to know of a setting, in one place.

Its type, default, limits, help and flag, and whether it may change when a run goes on, stand in the field. Checks, the
flags of the command line, the keys of TOML files and the rule of resuming are made of them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from episodes.checks import check_choice, check_number, check_type, check_whole, shown
from episodes.errors import InputError

T = TypeVar("T")
MayChange = Literal["never", "on resuming", "among processes"]
"""Whether a run may go on with another value, as it moves its results by no more than rounding; what may even differ
among the processes of a run may also change on resuming."""


class Setting(NamedTuple):
    """What a field says of itself, see `setting`."""

    help: str
    low: float | None
    high: float | None
    above: bool
    flag: str | None
    off: str | None
    shown: str | None
    may_change: MayChange


def setting(
    default: T | Callable[[], T],
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: bool = False,
    flag: str | None = "",
    off: str | None = None,
    shown: str | None = None,
    may_change: MayChange = "never",
) -> T:
    """A field of a dataclass of settings. Its type is that of the field: `Literal[...]` are the choices.

    Args:
        default: The value if none is given; a function makes a new one each time.
        help: What `--help` says, a sentence or more.
        low, high: Limits of a number; both are allowed, but for `low` with `above`.
        above: A number must be above `low`.
        flag: On the command line, with its dashes, if it is not named like the field; None if it has no flag.
        off: The flag that switches it off, if it is true or false and needs one.
        shown: What `--help` says of the default, if that depends on others.
        may_change: See `MayChange`.
    """
    said = {"setting": Setting(help, low, high, above, flag, off, shown, may_change)}
    if callable(default):
        return field(default_factory=default, metadata=said)
    return field(default=default, metadata=said)


class Declared(NamedTuple):
    """A setting with its names.

    Attributes:
        path: From the outermost dataclass, with dots between: `network.iqi.rounds`.
        name: What errors call it: the field, after the `prefix` of its dataclass if that has one: `iqi.rounds`.
        kind: Its type: bool, int, float, str, tuple or another; of choices, theirs.
        item: The type of what is in a tuple; otherwise the same.
        choices: The values or words that it may take; empty if it is free.
        optional: Whether it may be None.
        default: Of the field.
        said: What the field says.
    """

    path: str
    name: str
    kind: type
    item: type
    choices: tuple[Any, ...]
    optional: bool
    default: Any
    said: Setting

    @property
    def flag(self) -> str | None:
        """On the command line; None if it has none."""
        return "--" + self.name.replace(".", "-").replace("_", "-") if self.said.flag == "" else self.said.flag

    @property
    def key(self) -> str:
        """The name as an identifier: `iqi_rounds`."""
        return self.name.replace(".", "_")


_DECLARED: dict[Any, tuple[Declared, ...]] = {}


def declared(settings: Any) -> tuple[Declared, ...]:
    """All settings of a dataclass, a type, in order; those of dataclasses in it where these stand."""
    if settings not in _DECLARED:
        _DECLARED[settings] = tuple(_declared(settings))
    return _DECLARED[settings]


def _declared(settings: type[Any], path: str = "") -> Iterator[Declared]:
    hints, prefix = get_type_hints(settings), getattr(settings, "prefix", "")
    for each in fields(settings):
        hint = hints[each.name]
        if is_dataclass(hint) and isinstance(hint, type):
            yield from _declared(hint, f"{path}{each.name}.")
        elif said := each.metadata.get("setting"):
            kind, item, choices, optional = _kind(hint)
            default = each.default_factory() if each.default_factory is not MISSING else each.default
            yield Declared(path + each.name, prefix + each.name, kind, item, choices, optional, default, said)


def _kind(hint: Any) -> tuple[type, type, tuple[Any, ...], bool]:
    """Type, type of its items, choices, and whether it may be None."""
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    words = tuple(word for part in parts if get_origin(part) is Literal for word in get_args(part))
    kinds = [part for part in parts if part is not NoneType and get_origin(part) is not Literal]
    kind = get_origin(kinds[0]) or kinds[0] if kinds else type(words[0])
    return kind, get_args(kinds[0])[0] if kind is tuple else kind, words, NoneType in parts


def check(settings: Any) -> None:
    """Check each field of a dataclass by what it says of itself; fields of other types are for the dataclass.

    Raises:
        InputError: if one is of another type, out of its range, or none of its choices.
    """
    for each in declared(type(settings)):
        if "." in each.path or (each.optional and getattr(settings, each.path) is None):
            continue
        if each.choices:
            if isinstance(each.choices[0], each.kind):
                check_choice(settings, each.choices, each.path)
        elif each.kind is int:
            check_whole(settings, *_limits(each), each.path)
        elif each.kind is float:
            check_number(settings, *_limits(each), each.path, above=each.said.above)
        elif each.kind in (bool, str, tuple, Mapping):
            check_type(settings, each.kind, each.path)


def _limits(each: Declared) -> tuple[Any, Any]:
    assert each.said.low is not None, each.path
    assert each.said.high is not None, each.path
    return each.said.low, each.said.high


def build(settings: type[T], values: Mapping[str, Any]) -> T:
    """A dataclass of settings from values by `Declared.key`; what is not given has its default.

    Raises:
        InputError: if a value is wrong.
    """
    hints, prefix = get_type_hints(settings), getattr(settings, "prefix", "").replace(".", "_")
    given = {}
    for each in fields(cast(Any, settings)):
        if is_dataclass(hints[each.name]):
            given[each.name] = build(hints[each.name], values)
        elif prefix + each.name in values:
            given[each.name] = values[prefix + each.name]
    return settings(**given)


def from_mapping(settings: type[T], content: object, what: str) -> T:
    """Settings from a mapping with the names of their fields, as from a file.

    Raises:
        InputError: if it is not a mapping, or holds other names.
    """
    if not isinstance(content, Mapping):
        raise InputError(f"{what} must be a table of settings, not {shown(content)}")
    known = {each.name for each in fields(cast(Any, settings))}
    if unknown := sorted(shown(name) for name in content if name not in known):
        raise InputError(f"{what} holds {unknown[0]}, a setting unknown to this version: update srpnet")
    return settings(**content)


def may_change(settings: Any, how: MayChange, path: str = "") -> set[str]:
    """Dotted names of the settings that may change so, in a dataclass or a mapping of dataclasses.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Run:
    ...     lr: float = setting(0.1, "The learning rate.", low=0, high=1)
    ...     workers: int = setting(1, "Processes.", low=0, high=8, may_change="among processes")
    >>> may_change({"run": Run()}, "on resuming")
    {'run.workers'}
    """
    if isinstance(settings, Mapping):
        return {name for own, value in settings.items() for name in may_change(value, how, f"{path}{own}.")}
    if not is_dataclass(settings):
        return set()
    allowed = {"among processes", how}
    return {path + each.path for each in declared(type(settings)) if each.said.may_change in allowed}


def flat(settings: Any, path: str = "") -> dict[str, Any]:
    """Nested settings, of dataclasses or mappings, as one level of dotted names, in plain types that survive saving.

    >>> flat({"lr": 0.1, "network": {"stages": (2, 3)}})
    {'lr': 0.1, 'network.stages': '2, 3'}
    """
    if is_dataclass(settings):
        settings = {each.name: getattr(settings, each.name) for each in fields(settings)}
    plain: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) or is_dataclass(value):
            plain |= flat(value, f"{path}{name}.")
        else:
            plain[path + name] = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
    return plain
