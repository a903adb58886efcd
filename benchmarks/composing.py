"""What each option of composed training scenes is worth: `python benchmarks/composing.py --help`.

The recipe of the general model, made short, is trained once as it is and once with each change, by the commands that a
user has; every network is scored on classes that none was trained on, with the right support and with a wrong one.
Runs and scores are kept in `--runs`, so that the command goes on where it was stopped.
"""

import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from harness import Report, parser

ROOT = Path(__file__).parents[1]
COMMAND = (sys.executable, "-c", "from cli.main import main; main()")
SHORT = "--frozen-stages 3 --size 193 --batch 2 --log-every 50 --save-every 50"
"""Stage 4 alone moves, and photographs are smaller."""

ROWS = {
    "the recipe: 4-way, composed": "",
    "nothing pasted": "--distractors 0 --rivals 0 --support-distractors 0 --transplant 0",
    "1-way, nothing pasted": "--way 1 --queries 1 --distractors 0 --rivals 0 --support-distractors 0 --transplant 0 "
    "--batch 8 --all-ways --absent-weight 1 --several 0",
    "1-way, composed": "--way 1 --queries 1 --rivals 0 --batch 8 --all-ways --absent-weight 1 --absent 0.2",
    "distractors of any class, no rivals": "--rivals 0",
    "all four ways at once": "--all-ways --absent-weight 1",
    "half of the classes are hard ones": "--hard 0.5",
    "a fifth objects without a class": "--views 0.2",
    "a fifth of queries without the class": "--absent 0.2",
    "no distractor in supports": "--support-distractors 0",
    "no object in another class's photograph": "--transplant 0",
    "no photographs of several classes": "--several 0",
    "absent classes weigh as much": "--absent-weight 1",
}
"""What is changed in each row. 1-way steps have as many photographs as the others."""


def run(*words: str) -> None:
    """One command of srpnet, which says on the screen what it does."""
    subprocess.run((*COMMAND, *words), check=True)


def score(folder: Path, words: list[str]) -> dict[str, Any]:
    """`result.json` of an evaluation in this folder, which is made if it is not there."""
    if not (folder / "result.json").exists():
        run("eval", *words, "--wrong-support", "--out", str(folder))
    content: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return content


def main() -> None:
    arguments = parser("composing", __doc__)
    arguments.add_argument("--data", required=True, help="all that srpnet train gets beside the recipe, in quotes")
    arguments.add_argument("--tests", required=True, nargs="+", metavar="NAME=FLAGS", help="likewise, of srpnet eval")
    arguments.add_argument("--steps", type=int, default=100)
    arguments.add_argument("--episodes", type=int, default=300)
    arguments.add_argument("--rows", type=int, default=len(ROWS), help="only the first ones")
    arguments.add_argument("--runs", type=Path, default=Path("runs/composing"), help="where finished runs are kept")
    given = arguments.parse_args()
    tests = dict(test.split("=", 1) for test in given.tests)
    columns = ("what", *(f"{name}, {support}" for name in tests for support in ("right", "wrong", "gap")))
    report = Report("composing", columns)
    recipe = ["train", "--config", str(ROOT / "configs" / "general.toml"), *shlex.split(SHORT)]
    for name, changes in list(ROWS.items())[: given.rows]:
        folder = given.runs / name.replace("'", "")
        if not (folder / "model.safetensors").exists() or not (folder / "done").exists():
            words = (*recipe, "--steps", str(given.steps), *shlex.split(given.data), *shlex.split(changes))
            run(*words, "--out", str(folder), "--resume")
            (folder / "done").touch()
        cells, values = [], {}
        for test, flags in tests.items():
            words = [*shlex.split(flags), "--episodes", str(given.episodes), "--checkpoint", str(folder)]
            result = score(folder / test, words)
            values[test] = {name: result["wrong_support"][name] for name in ("right", "wrong", "gap")}
            cells += [f"{100 * value:.1f}" for value in values[test].values()]
        report.add(name, *cells, changes=changes, **values)
    report.finish(given)


if __name__ == "__main__":
    main()
