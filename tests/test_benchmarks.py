"""The pages show what the benchmarks recorded, and nothing else."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module `benchmarks/page.py`, as `python benchmarks/page.py` finds it."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("page")
    yield module
    for name in ("page", "harness"):
        sys.modules.pop(name)


def test_the_tables_are_those_of_the_results(page: Any) -> None:
    for path in page.PAGES:
        text = path.read_text(encoding="utf-8")
        assert page.render(text) == text
        assert page.TABLE.search(text), path


def test_every_result_is_shown_and_every_script_has_one(page: Any) -> None:
    shown = {name for path in page.PAGES for _, name, _ in page.TABLE.findall(path.read_text(encoding="utf-8"))}
    assert shown == {path.stem for path in (BENCHMARKS / "results").glob("*.json")}
    assert shown == {path.stem for path in BENCHMARKS.glob("*.py")} - {
        *("harness", "jobs", "page", "plain", "scoring", "tasks"),
        "faces_unet",  # its rows are in the table of `faces`
    }


@pytest.mark.parametrize("path", sorted((BENCHMARKS / "results").glob("*.json")), ids=lambda path: path.stem)
def test_a_result_says_where_it_was_measured(path: Path) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    assert {"processor", "threads", "bfloat16", "torch"} <= set(content["machine"])
    assert all(len(row) == len(content["columns"]) for row in content["rows"])
    assert not any("/" in str(value) for value in content["arguments"].values())
