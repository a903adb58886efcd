"""One HTML page about a run or several: opens from the disk, needs nothing from elsewhere."""

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from episodes.errors import InputError
from episodes.files import write_text
from episodes.names import for_terminal, from_path
from episodes.results.bootstrap import FIGURES, Interval, Resampling, intervals, mean_of_known
from episodes.results.comparison import Difference, compare
from episodes.results.gallery import pictures_in, ranked
from episodes.results.run import Run
from episodes.results.spread import Spread

BINS = 20
"""Of the histogram."""


@dataclass(frozen=True)
class Bar:
    """A class: IoU of its queries with the interval, and of its supports, as fractions or None, and if it was drawn."""

    name: str
    iou: float | None
    interval: Sequence[float] | None
    support: float | None
    drawn: bool = True


@dataclass(frozen=True)
class Picture:
    """A picture of an episode, as a data URI."""

    caption: str
    uri: str


@dataclass(frozen=True)
class Page:
    """What the page shows of a run.

    Attributes:
        run: The run.
        name: Of its folder.
        bars: Its classes.
        histogram: How many episodes lie in each of `BINS` equal ranges of the IoU.
        median: Of the episodes' IoU.
        pictures: Folder -> what was drawn into it.
        spread: Of the IoU, over supports and over queries.
        supports_too: The 95 % interval of the mIoU where supports are resampled as well as queries.
    """

    run: Run
    name: str
    bars: Sequence[Bar]
    histogram: Sequence[int]
    median: float | None
    pictures: Mapping[str, Sequence[Picture]]
    spread: Spread
    supports_too: Interval | None

    @classmethod
    def of(cls, run: Run, name: str) -> "Page":
        """Gather what there is of a run."""
        content = run.content
        supports = run.records.role("support").scores(run.names, run.rules).values()
        bars = []
        for label, iou in content["per_class"].items():
            support = mean_of_known([score.per_class[label] for score in supports])
            interval = content["intervals"]["per_class"][label]
            bars.append(Bar(label, iou, interval, None if math.isnan(support) else support))
        bars = [Bar(bar.name, None, None, None, drawn=False) if bar.name in run.not_drawn else bar for bar in bars]
        ious = [episode.iou for episode in ranked(run.records)]
        counts, _ = np.histogram(ious, BINS, (0, 1))
        pictures = {folder: _pictures(run.folder / folder) for folder in ("pictures", "worst")}
        median = float(np.median(ious)) if ious else None
        drawn = Resampling(supports=True).figures([run.records.role("query").rows], run.names, run.rules)
        supports_too = intervals(None if drawn is None else drawn[:, 0, : len(FIGURES)], FIGURES)["mIoU"]
        return cls(run, name, bars, counts.tolist(), median, pictures, Spread.of(run.records), supports_too)

    @property
    def settings(self) -> str:
        """All settings as JSON."""
        return json.dumps(
            {key: self.run.content[key] for key in ("settings", "pairs", "weights", "versions")}, indent=2
        )


def report(folders: Sequence[Path], file: Path) -> None:
    """Write the page of some runs; each further one is compared with the first.

    Args:
        folders: Of `srpnet eval --out`.
        file: The page.

    Raises:
        InputError: if a folder holds no run, or the page cannot be written.
    """
    runs = [Run.read(folder) for folder in folders]
    names = _names(folders)
    pages = [Page.of(run, name) for run, name in zip(runs, names, strict=True)]
    compared: list[tuple[str, list[Difference] | str]] = []
    for folder, name in zip(folders[1:], names[1:], strict=True):
        try:
            compared.append((name, compare(folders[0], folder)))
        except InputError as error:
            compared.append((name, str(error)))
    # What a run says of itself, its class names and paths too, is text: autoescape keeps it so.
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_visible
    )
    environment.filters["percent"] = _percent
    source = files("episodes.results") / "templates/report.html"
    template = environment.from_string(source.read_text(encoding="utf-8"))
    write_text(file, template.render(pages=pages, compared=compared, bins=BINS))


def _names(folders: Sequence[Path]) -> list[str]:
    """The shortest ends of the paths that tell the folders apart."""
    resolved = [folder.resolve() for folder in folders]
    for length in range(1, 99):
        names = ["/".join(folder.parts[-length:]) for folder in resolved]
        if len(set(names)) == len(set(resolved)):
            break
    return names


def _pictures(folder: Path) -> list[Picture]:
    """The pictures in a folder by name, as WebP, which takes a tenth of PNG's room."""
    found = []
    for file in pictures_in(folder):
        rank, index, classes = file.stem.split("-", 2)
        stream = io.BytesIO()
        try:
            with Image.open(file) as image:
                image.convert("RGB").save(stream, "WEBP", quality=80)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise InputError(f"{file} cannot be read as a picture ({error}): remove it") from None
        data = base64.b64encode(stream.getvalue()).decode()
        caption = f"{int(rank)}. episode {int(index)}, {from_path(classes)}"
        found.append(Picture(caption, f"data:image/webp;base64,{data}"))
    return found


def _visible(value: Any) -> Any:
    """Text without what would turn its reading direction, line by line; what is markup already stays."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "\n".join(map(for_terminal, value.split("\n")))


def _percent(value: Any, sign: str = "") -> str:
    if value is None or value != value:
        return "-"
    return f"{100 * value:{sign}.1f}".replace("-", "\N{MINUS SIGN}")
