"""The report: what it shows of a run, that it needs nothing from elsewhere, and that a browser finds no fault."""

import json
import re
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from PIL import Image

from episodes.errors import InputError
from episodes.files import write_json
from episodes.results.page import report
from tests.episodes.results.test_comparison import ants_alone, write_run
from tests.episodes.scored import perfect


class Elements(HTMLParser):
    """Checks that elements close in order, and keeps their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[dict[str, str | None]] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append(dict(attrs))
        if tag not in ("meta", "img", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = write_run(tmp_path / "runs/ants", ants_alone)
    for name in ("pictures/001-000007-ant.png", "worst/001-000003-traffic_light.png"):
        (folder / name).parent.mkdir()
        Image.new("RGB", (60, 40), "teal").save(folder / name)
    return folder


def written(tmp_path: Path, *runs: Path) -> str:
    report(runs, tmp_path / "deep/report.html")
    page = (tmp_path / "deep/report.html").read_text(encoding="utf-8")
    Elements(page)
    return page


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


def test_what_it_shows(tmp_path: Path, run: Path) -> None:
    page = written(tmp_path, run)
    text = words(page)
    assert "mIoU 50.0" in text
    assert "ant 100.0 bee 0.0" in text
    assert "1. episode 7, ant" in text
    assert "1. episode 3, traffic light" in text
    assert "Compared with" not in text
    assert page.count("data:image/webp;base64,") == 2


def test_it_needs_nothing_from_elsewhere(tmp_path: Path, run: Path) -> None:
    page = written(tmp_path, run)
    for attributes in Elements(page).attributes:
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert not re.search(r"url\(|@import|<script|http", page)


def test_each_further_run_is_compared_with_the_first(tmp_path: Path, run: Path) -> None:
    better, other = write_run(tmp_path / "runs/all", perfect), write_run(tmp_path / "runs/seed", perfect, seed=1)
    page = written(tmp_path, run, better, other)
    text = words(page)
    assert "Compared with ants" in text
    assert "mIoU 50.0 100.0 +50.0 +50.0 to +50.0" in text
    assert "scored different episodes" in text
    assert page.count("<section>") == 3


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / f"{name}/hsnet", perfect) for name in ("one", "two")]
    page = written(tmp_path, *runs)
    assert "<h2>one/hsnet</h2>" in page
    assert "<h2>two/hsnet</h2>" in page


def test_what_a_run_says_of_itself_is_text(tmp_path: Path, run: Path) -> None:
    content = json.loads((run / "result.json").read_text())
    content["departures"] = ["<script>alert(1)</script>"]
    write_json(run / "result.json", content)
    assert "&lt;script&gt;alert(1)" in written(tmp_path, run)


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no result.json"):
        report([tmp_path], tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.skipif(
    find_spec("playwright") is None or which("chromium") is None, reason="needs Playwright and Chromium"
)
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_finds_no_fault(tmp_path: Path, run: Path, width: int) -> None:
    from playwright.sync_api import sync_playwright

    written(tmp_path, run, write_run(tmp_path / "runs/all", perfect))
    faults: list[Any] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("requestfailed", lambda request: faults.append(request.url))
        page.goto((tmp_path / "deep/report.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
        browser.close()
    assert not faults
