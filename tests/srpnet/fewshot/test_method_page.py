"""`docs/method.md` shows the formulas as they stand in the code."""

import importlib
import inspect
import re
from functools import reduce
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "method.md").read_text()
FORMULAS = re.findall(r"`([\w.]+)` in\s\[([\w/.]+)\]\(\.\./([\w/.]+)\):\n\n((?:    .+\n)+)", PAGE)
"""Name of the function, its file, the address that is linked, and the lines that are shown."""


def test_all_are_shown() -> None:
    assert len(FORMULAS) == 5
    assert {file for _, file, _, _ in FORMULAS} <= {
        str(file.relative_to(ROOT)) for file in ROOT.rglob("srpnet/**/*.py")
    }


@pytest.mark.parametrize(("name", "file", "address", "lines"), FORMULAS, ids=[name for name, *_ in FORMULAS])
def test_the_lines_stand_in_the_function(name: str, file: str, address: str, lines: str) -> None:
    assert address == file
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    source = inspect.getsource(reduce(getattr, name.split("."), module))
    for line in lines.splitlines():
        assert line.strip() in source
