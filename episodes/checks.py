"""Whether settings are what they should be: whole or finite, within a range, of the right type; they come from people
and from files of strangers.

Each function looks at fields of a dataclass by name, and says in one line which is wrong and what it may be.
"""

from collections.abc import Collection

import numpy as np

from episodes.errors import InputError

MOST_SHOWN = 60
"""Characters of a value that a message repeats."""
LARGEST_SEED = 2**62
"""Seeds are kept as 64-bit integers, and each run takes the next."""
GIGABYTES = 1e6
"""The most that a limit of memory can be: none at all."""


def check_whole(settings: object, low: int, high: int, *names: str) -> None:
    """`InputError` unless each field is a whole number in low..high; a bool is none.

    >>> from types import SimpleNamespace
    >>> check_whole(SimpleNamespace(steps=0), 1, 100, "steps")
    Traceback (most recent call last):
    ...
    episodes.errors.InputError: `steps` must be a whole number from 1 to 100, not 0
    """
    for name in names:
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not low <= value <= high:
            raise InputError(f"{named(settings, name)} must be a whole number from {low} to {high}, not {shown(value)}")


def check_number(settings: object, low: float, high: float, *names: str, above: bool = False) -> None:
    """`InputError` unless each field is a number in [low, high], which NaN and infinity never are.

    Args:
        settings: Has the fields.
        low, high: Finite.
        names: Of the fields.
        above: The number must be above `low`.
    """
    for name in names:
        value = getattr(settings, name)
        number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
        if not number or not low <= value <= high or (above and value == low):
            span = f"above {low:g} and at most {high:g}" if above else f"from {low:g} to {high:g}"
            raise InputError(f"{named(settings, name)} must be a number {span}, not {shown(value)}")


def check_type(settings: object, kind: type, *names: str) -> None:
    """`InputError` unless each field is of this type."""
    for name in names:
        if not isinstance(value := getattr(settings, name), kind):
            wanted = {bool: "true or false", str: "text"}.get(kind, f"a {kind.__name__}")
            raise InputError(f"{named(settings, name)} must be {wanted}, not {shown(value)}")


def check_choice(settings: object, choices: Collection[object], *names: str) -> None:
    """`InputError` unless each field is one of these."""
    for name in names:
        value = getattr(settings, name)
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise InputError(f"{named(settings, name)} must be {' or '.join(map(str, choices))}, not {shown(value)}")


def named(settings: object, name: str) -> str:
    """A field as a message has it: in backticks, by which a command line finds its flag.

    >>> named(object(), "lr")
    '`lr`'
    """
    return f"`{getattr(settings, 'prefix', '')}{name}`"


def shown(value: object) -> str:
    """A value as a message repeats it: one line, and not too long.

    >>> shown("a" * 100)[-3:], shown(10**5000)
    ('...', 'an integer of 16610 bits')
    """
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # such integers or such depths inside
        text = f"a {type(value).__name__}"
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."
