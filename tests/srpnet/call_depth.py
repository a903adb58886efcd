"""How many functions of ours a call passes through: what somebody has to read who wants to follow it."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NamedTuple

SRPNET = Path(__file__).parents[2] / "srpnet"


class Function(NamedTuple):
    file: str
    name: str


def passed(call: Callable[[], object]) -> list[Function]:
    """The functions of `srpnet` that a call passes, in the order in which they are entered.

    Neither lambdas and comprehensions, which stand where they run, nor properties.
    """
    functions: dict[Function, None] = {}

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(SRPNET)) and not code.co_name.startswith("<"):
            owner = frame.f_locals.get("self")
            if not isinstance(getattr(type(owner), code.co_name, None), property):
                functions[Function(code.co_filename, code.co_qualname)] = None

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return list(functions)
