"""The one error that means: the input is wrong, and this line says what to do about it."""


class InputError(ValueError):
    """Bad input from a person: a path, a class, a mask, a file. The message names the thing and the mend.

    The command line prints the message alone and exits with code 2.

    >>> raise InputError("fold 4 does not exist: PASCAL-5i has folds 0..3")
    Traceback (most recent call last):
    ...
    episodes.errors.InputError: fold 4 does not exist: PASCAL-5i has folds 0..3
    """
