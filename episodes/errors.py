"""What is reported about input: an error if it is wrong, a warning if it is odd."""

import sys
import warnings

OURS = ("episodes", "srpnet", "cli")
"""Our packages, whose lines are not the ones to look at."""


class InputError(ValueError):
    """Bad input from a person: a path, a class, a mask, a file. The message names the problem and the fix.

    The command line prints the message alone and exits with code 2.

    >>> raise InputError("fold 4 does not exist: PASCAL-5i has folds 0..3")
    Traceback (most recent call last):
    ...
    episodes.errors.InputError: fold 4 does not exist: PASCAL-5i has folds 0..3
    """


def warn(message: str) -> None:
    """A `UserWarning` at the line outside of these packages that led to it."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in OURS:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
