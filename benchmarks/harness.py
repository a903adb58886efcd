"""What the benchmarks share: timing by the median, facts of the machine, results as JSON and as a table."""

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from episodes.data.source import Source, Split
from episodes.files import write_json
from srpnet import __version__

RESULTS = Path(__file__).parent / "results"
PATHS = {
    *("json", "jobs", "backgrounds", "data", "pairs", "checkpoint", "runs", "unets", "exported"),
    *("masks", "kept", "painted"),
}
"""Arguments that name places on somebody's machine, which are not recorded."""


@dataclass(frozen=True)
class Timing:
    """Seconds of several runs of one thing."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Largest minus smallest."""
        return max(self.seconds) - min(self.seconds)

    def record(self) -> dict[str, float | int]:
        """For the JSON file."""
        return {"median": self.median, "spread": self.spread, "runs": len(self.seconds)}

    def text(self, unit: str = "s") -> str:
        """Median and spread, in `s` or `ms`.

        >>> Timing((1.0, 1.5, 1.25)).text()
        '1.25 s (spread 0.50)'
        """
        scale = {"s": 1, "ms": 1000}[unit]
        digits = 2 if self.median * scale < 100 else 0
        return f"{self.median * scale:.{digits}f} {unit} (spread {self.spread * scale:.{digits}f})"


def measure(call: Callable[[], object], repeats: int = 5, warm: bool = True) -> Timing:
    """Time a call several times, after one that is not counted."""
    if warm:
        call()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return Timing(tuple(seconds))


def machine() -> dict[str, Any]:
    """The processor, what it multiplies bfloat16 with, threads and versions."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    bfloat16 = [name for name in ("amx_bf16", "avx512_bf16") if capabilities.get(name)]
    return {
        "processor": capabilities.get("cpu_name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "bfloat16": ", ".join(bfloat16) or "emulated",
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **{package: version(package) for package in ("torch", "torchvision", "numpy")},
        "srpnet": __version__,
    }


def ids_of(source: Source) -> list[str]:
    """All photographs of a source, whichever splits it has."""
    splits: tuple[Split, ...] = getattr(source, "splits", ("train", "val"))
    return list(dict.fromkeys(id for split in splits for id in source.ids(split)))


def markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


@dataclass
class Report:
    """A table of results, printed as Markdown and kept as JSON in `benchmarks/results/NAME.json`.

    Attributes:
        name: Of the script.
        columns: Headings.
        rows: Cells as they are shown.
        values: The numbers behind the cells, by a name for each.
    """

    name: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)

    def add(self, *cells: str, **values: Any) -> None:
        """A row, and its numbers under the row's first cell. It is printed at once to the screen."""
        self.rows.append(cells)
        self.values[cells[0]] = {
            key: value.record() if isinstance(value, Timing) else value for key, value in values.items()
        }
        print("  ".join(cells), file=sys.stderr, flush=True)

    def finish(self, arguments: argparse.Namespace) -> None:
        """Print the table with the machine, and write the JSON file. Paths given on the command line are left out."""
        facts = machine()
        print(markdown(self.columns, self.rows))
        print(", ".join(f"{name} {value}" for name, value in facts.items()))
        given = {name: value for name, value in vars(arguments).items() if name not in PATHS}
        content = {
            "name": self.name,
            "date": date.today().isoformat(),
            "arguments": json.loads(json.dumps(given, default=str)),
            "machine": facts,
            **{key: value for key, value in asdict(self).items() if key != "name"},
        }
        write_json(arguments.json, content)


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """A parser that knows `--json`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--json", type=Path, default=RESULTS / f"{name}.json", help="where the results go")
    return parser
