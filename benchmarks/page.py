"""Put the tables of `benchmarks/results/*.json` into the pages that show them: `python benchmarks/page.py`.

In the page a table stands between `<!-- table NAME -->` and `<!-- end -->`.
"""

import json
import re
from pathlib import Path

from harness import RESULTS, markdown

from episodes.files import write_text

PAGES = tuple(Path(__file__).parents[1] / "docs" / name for name in ("performance.md", "results.md"))
TABLE = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(name: str) -> str:
    """The Markdown of one result, and the machine that it is of."""
    result = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    facts = result["machine"]
    where = (
        f"{facts['processor']}, {facts['cores']} cores ({facts['bfloat16']}), {facts['threads']} threads, "
        f"accelerator {facts['accelerator']}; Python {facts['python']}, torch {facts['torch']}; {result['date']}"
    )
    return markdown(result["columns"], result["rows"]) + f"\n*{where}*\n"


def render(page: str) -> str:
    """The page with all its tables made anew."""
    return TABLE.sub(lambda found: found[1] + "\n" + table(found[2]) + "\n" + found[3], page)


if __name__ == "__main__":
    for page in PAGES:
        write_text(page, render(page.read_text(encoding="utf-8")))
