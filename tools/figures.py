"""Draw the figures of docs/results.md.

python tools/figures.py curves runs/select/select
python tools/figures.py sheet scores/stickers/pictures --rows 1,3,5,7 --file docs/images/found.jpg
"""

import json
from pathlib import Path

import click
from matplotlib import pyplot
from PIL import Image

from episodes.files import atomic_write

RECIPE = Path(__file__).parents[1] / "benchmarks" / "results" / "recipe.json"
SMOOTH = 5
"""Log lines in a running mean."""


@click.group()
def main() -> None:
    """Draw a figure."""


@main.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/images"), show_default=True)
def curves(run: Path, out: Path) -> None:
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


@main.command()
@click.argument("pictures", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--rows", default="", help="Which, by their places from 1, with commas between.  [default: all]")
@click.option("--file", type=click.Path(path_type=Path), required=True)
def sheet(pictures: Path, rows: str, file: Path) -> None:
    """Put PICTURES of a run of `srpnet eval` below one another."""
    drawn = sorted(pictures.glob("*.png"))
    places = [int(place) for place in rows.split(",") if place] or range(1, len(drawn) + 1)
    images = [Image.open(drawn[place - 1]).convert("RGB") for place in places]
    width, height = max(image.width for image in images), sum(image.height for image in images)
    page, top = Image.new("RGB", (width, height), "white"), 0
    for image in images:
        page.paste(image, (0, top))
        top += image.height
    with atomic_write(file) as temporary:
        page.save(temporary, "JPEG", quality=85)


if __name__ == "__main__":
    main()
