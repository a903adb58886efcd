"""The page in Chromium: somebody paints, segments, corrects and downloads, and nothing comes from elsewhere."""

import io
import os
import socket
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from episodes.errors import InputError
from srpnet.apps.segmenter import Segmenter
from srpnet.apps.web.serve import served
from srpnet.apps.web.settings import AppSettings
from tests.srpnet.apps.web.conftest import Draw, iou

pytestmark = pytest.mark.skipif(find_spec("gradio") is None, reason="needs Gradio")
in_browser = pytest.mark.skipif(
    find_spec("playwright") is None or which("chromium") is None, reason="needs Playwright and Chromium"
)
USUAL = ("net::ERR_ABORTED",)
"""What Gradio does to its own streams of events when they have ended."""


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Addresses that this process connects to; and what the server sets is taken back in the end."""
    for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY", "GRADIO_SSR_MODE", "GRADIO_TEMP_DIR"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    addresses: list[Any] = []
    connect = socket.socket.connect

    def noted(self: socket.socket, address: Any) -> None:
        addresses.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noted)
    return addresses


@pytest.fixture
def address(segmenter: Segmenter, port: int, called: list[Any]) -> Iterator[str]:
    with served(segmenter, AppSettings(port=port, photographs=4, megabytes=1, people=2)) as address:
        yield address


class Visitor:
    """Somebody with a browser, who writes down what it asks for and complains about."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.asked, self.faults = page, list[str](), list[str]()
        page.set_default_timeout(90_000)  # a busy machine
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.faults.append(message.text))
        page.on("requestfailed", lambda request: request.failure in USUAL or self.faults.append(request.url))
        page.goto(address, timeout=90_000)
        page.wait_for_selector("#segment")

    def drop(self, *files: Path) -> None:
        self.page.set_input_files("input[type=file]", list(files))

    def says(self, words: str) -> None:
        self.page.wait_for_function("words => document.querySelector('#said').innerText.includes(words)", arg=words)

    def choose(self, name: str) -> None:
        self.page.locator("#photographs button", has=self.page.locator(f"img[alt^='{name}']")).click()
        self.page.wait_for_selector(f"#painter img[alt='{name}']")
        self.page.wait_for_function("document.querySelector('#painter canvas').width > 1")

    def box(self, inside: NDArray[np.bool_]) -> None:
        """Draw a box around these pixels."""
        canvas, mouse = self.page.locator("#painter canvas"), self.page.mouse
        self.page.click("[data-shape=box]")
        canvas.scroll_into_view_if_needed()
        place, (rows, columns) = canvas.bounding_box(), np.nonzero(inside)
        scale = place["width"] / inside.shape[1]
        mouse.move(place["x"] + columns.min() * scale + 1, place["y"] + rows.min() * scale + 1)
        mouse.down()
        mouse.move(place["x"] + (columns.max() + 1) * scale - 1, place["y"] + (rows.max() + 1) * scale - 1, steps=3)
        mouse.up()

    def masks(self) -> dict[str, NDArray[np.bool_]]:
        """Those of the zip."""
        with self.page.expect_download() as download:
            self.page.click("#masks")
        with zipfile.ZipFile(download.value.path()) as archive:
            files = {name: archive.read(name) for name in archive.namelist() if name.endswith("-mask.png")}
        return {name: np.asarray(Image.open(io.BytesIO(data))) > 0 for name, data in files.items()}


@in_browser
def test_somebody_paints_segments_corrects_and_downloads(
    address: str, called: list[Any], draw: Draw, segmenter: Segmenter, tmp_path: Path
) -> None:
    from playwright.sync_api import sync_playwright

    (a, in_a), (b, in_b), (c, in_c) = draw("a.png", 8, 12), draw("чашка.png", 30, 18), draw("c.png", 20, 10)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=which("chromium"), args=["--no-sandbox"])
        visitor = Visitor(browser.new_page(viewport={"width": 1280, "height": 900}), address)
        page = visitor.page
        visitor.drop(a, b, c)
        visitor.says("Photographs: 3")
        page.click("#use")
        visitor.says("Choose a photograph in the gallery first")
        visitor.choose("a.png")
        visitor.box(in_a)
        page.click("#use")
        visitor.says("examples: 1")
        assert "of its mask" in page.inner_text("#judgement")
        page.click("#segment")
        visitor.says("segmented: 2")
        masks = visitor.masks()
        assert iou(masks["чашка-mask.png"], in_b) > 0.5
        assert np.array_equal(masks["a-mask.png"], in_a)

        visitor.choose("c.png")
        page.click("[data-act=clear]")
        visitor.box(in_c)
        page.click("#use")
        visitor.says("examples: 2")
        assert "Weakest example" in page.inner_text("#judgement")
        page.click("#segment")
        visitor.says("segmented: 1")
        masks = visitor.masks()
        assert np.array_equal(masks["c-mask.png"], in_c), "what was corrected stays as it was painted"
        assert iou(masks["чашка-mask.png"], in_b) > 0.5
        with page.expect_download() as download:
            page.click("#supports")
        segmenter.load_supports(download.value.path())
        assert segmenter.names == ("object",)

        visitor.choose("чашка.png")
        page.click("text=How it was found")
        page.click("#look")
        page.wait_for_selector("#rounds img")
        assert not visitor.faults

        stranger = Visitor(browser.new_context(viewport={"width": 390, "height": 844}).new_page(), address)
        assert not stranger.page.locator("#photographs img").count(), "nobody sees what another has dropped"
        assert "Photographs" not in stranger.page.inner_text("#said")
        assert stranger.page.evaluate("document.documentElement.scrollWidth") <= 390

        (tmp_path / "page.jpg").write_text("<!doctype html><script>alert(1)</script>")
        (tmp_path / "large.png").write_bytes(a.read_bytes() + bytes(1_200_000))
        stranger.drop(a, tmp_path / "page.jpg")
        stranger.says("page.jpg cannot be read as a picture")
        stranger.drop(*[a] * 5, tmp_path / "large.png")
        stranger.says("the page takes 4 photographs, no more")
        stranger.says("large.png has more than 1 MB")
        stranger.page.reload()
        stranger.page.wait_for_selector("#segment")
        stranger.drop(a)  # a page that was closed has made room
        stranger.says("Photographs: 1")
        browser.close()
    for url in (*visitor.asked, *stranger.asked):
        assert url.startswith((address, "data:", "blob:")), url
    assert {host for host, *_ in called if isinstance(host, str)} <= {"127.0.0.1", "localhost"}, called


def test_it_gives_no_files_but_its_own_and_lets_browsers_load_nothing_else(address: str) -> None:
    with urlopen(address) as answer:
        assert answer.headers["content-security-policy"].startswith("default-src 'self'")
    for path in ("/etc/passwd", str(Path(__file__)), "README.md", "../README.md"):
        with pytest.raises(HTTPError):
            urlopen(f"{address}gradio_api/file={path}")


def test_all_files_are_gone_in_the_end(segmenter: Segmenter, port: int, called: list[Any]) -> None:
    with served(segmenter, AppSettings(port=port)) as address:
        assert address == f"http://127.0.0.1:{port}/"
        folder = Path(os.environ["GRADIO_TEMP_DIR"]).parent
        assert folder.is_dir()
    assert not folder.exists()


def test_a_port_that_is_taken(segmenter: Segmenter, port: int, called: list[Any]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        page = served(segmenter, AppSettings(port=port))
        with pytest.raises(InputError, match=f"127.0.0.1:{port} cannot be listened on"), page:
            pass
