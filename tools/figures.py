"""Draw the curves of docs/results.md: `python tools/figures.py runs/select/select --out docs/images`."""

import json
from pathlib import Path

import click
from matplotlib import pyplot

from episodes.files import atomic_write

RECIPE = Path(__file__).parents[1] / "benchmarks" / "results" / "recipe.json"
SMOOTH = 5
"""Log lines in a running mean."""


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/images"), show_default=True)
def main(run: Path, out: Path) -> None:
    """Draw how a RUN with classes held back went, and what rounds of query inference bring it."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for name, label in (("support_loss", "support: self-regularization"), ("query_loss", "query")):
        values = [line[name] for line in lines]
        means = [sum(part) / len(part) for part in (values[max(0, i - SMOOTH + 1) : i + 1] for i in range(len(values)))]
        left.plot([line["step"] for line in lines], means, label=label)
    left.set(xlabel="step", ylabel="cross-entropy on training episodes", ylim=0)
    left.legend(frameon=False)
    recipe = json.loads(RECIPE.read_text(encoding="utf-8"))["values"]
    scores = {0: recipe["0 rounds"], 1: recipe["1 rounds"], 2: recipe["2 rounds"], 3: recipe["as configured"]}
    scores |= {5: recipe["5 rounds"]}
    for name in scores[0]["per_class"]:
        right.plot(list(scores), [100 * score["per_class"][name] for score in scores.values()], "o-", label=name)
    right.set(xlabel="rounds of query inference", ylabel="IoU of classes held back, %")
    right.legend(frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(out / "curves.png") as temporary:
        figure.savefig(temporary, format="png", dpi=120)


if __name__ == "__main__":
    main()
