"""Serves the page: offline, to few people, each with a folder of their own."""

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from episodes.errors import InputError
from srpnet.apps.segmenter import Segmenter
from srpnet.apps.web.settings import AppSettings
from srpnet.apps.web.workspace import Workspace

POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; frame-ancestors 'self'"
"""Browsers load nothing from elsewhere, whatever Gradio asks for."""
MISSING = "srpnet app needs Gradio: pip install 'srpnet[app]'"


class OwnOriginAlone:
    """Adds `POLICY` to every answer of a web application."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", POLICY.encode())]
            await send(message)

        await self.app(scope, receive, send_with_policy)


class Workspaces:
    """Those of everybody who has the page open.

    Args:
        segmenter: Whose network all use.
        folder: For their files.
        settings: How many there may be, and how much each takes.
    """

    def __init__(self, segmenter: Segmenter, folder: Path, settings: AppSettings) -> None:
        self.segmenter, self.folder, self.settings = segmenter, folder, settings
        self.open: dict[str, Workspace] = {}
        """By what Gradio calls each visit."""
        self._left: list[str] = []
        """Visits whose page is closed, the longest ago first."""
        self._lock = threading.Lock()

    def begin(self, visit: str) -> Workspace:
        """One more; if there are enough, in the place of one whose page is closed.

        Raises:
            InputError: if there are enough, and all pages are open.
        """
        with self._lock:
            if len(self.open) >= self.settings.people:
                if not self._left:
                    raise InputError(f"{self.settings.people} people use this page already: try again later")
                self._close(self._left[0])
            folder = Path(tempfile.mkdtemp(dir=self.folder, prefix="workspace-"))
            self.open[visit] = Workspace(self.segmenter, folder, self.settings)
        return self.open[visit]

    def leave(self, visit: str) -> None:
        """A page was closed, or its connection is lost: nothing is deleted while there is room."""
        with self._lock:
            if visit in self.open and visit not in self._left:
                self._left.append(visit)

    def end(self, workspace: Workspace) -> None:
        """One is not needed any more."""
        with self._lock:
            for visit in [visit for visit, each in self.open.items() if each is workspace]:
                self._close(visit)

    def _close(self, visit: str) -> None:
        if visit in self._left:
            self._left.remove(visit)
        self.open.pop(visit).close()


@contextmanager
def served(segmenter: Segmenter, settings: AppSettings, browser: bool = False) -> Iterator[str]:
    """The address of the page, as long as it is served; its files are deleted in the end.

    Args:
        segmenter: Whose network is used.
        settings: Where, and how much it takes.
        browser: Open one.

    Raises:
        InputError: if Gradio is missing, or the address cannot be listened on.
    """
    # Before Gradio is imported: it reads some of them then. Nothing is sent, nothing asked for.
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", GRADIO_SSR_MODE="False")
    try:
        import gradio
        from starlette.middleware import Middleware
    except ImportError:
        raise InputError(MISSING) from None
    from srpnet.apps.web.page import ASSETS, page

    with tempfile.TemporaryDirectory(prefix="srpnet-app-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = str(Path(folder) / "uploads")
        workspaces = Workspaces(segmenter, Path(folder), settings)
        blocks = page(workspaces.begin, workspaces.leave, workspaces.end)
        try:
            _, address, _ = blocks.launch(
                server_name=settings.host,
                server_port=settings.port,
                share=False,
                inbrowser=browser,
                quiet=True,
                prevent_thread_lock=True,
                show_error=True,
                ssr_mode=False,
                footer_links=[],
                max_file_size=4 * settings.megabytes * 1_000_000,  # beyond which Gradio says no more than "Error"
                theme=gradio.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
                css_paths=ASSETS / "page.css",
                app_kwargs={"middleware": [Middleware(OwnOriginAlone)]},
            )
        except (OSError, ValueError) as error:  # taken; or a proxy stands before this very machine
            raise InputError(
                f"{settings.host}:{settings.port} cannot be listened on ({error}): choose another `port`"
            ) from None
        try:
            yield address
        finally:
            blocks.close(verbose=False)
