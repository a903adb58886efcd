"""Put a trained face parser into the package: the small weights, then the model card.

    python tools/release_faces.py weights runs/faces faces-celebamask
    srpnet faces eval --data faces:$FACES --checkpoint faces-celebamask --out scores.json
    python tools/release_faces.py card faces-celebamask --commit 0123abc scores.json

The scores of a card are those of the small weights.
"""

import json
from pathlib import Path
from typing import Any

import click

from episodes.files import atomic_write
from srpnet.faces.saving import load_parser, write
from srpnet.models import released

MODELS = Path(__file__).parent.parent / "srpnet" / "models"
CARD = """---
library_name: srpnet
license: mit
pipeline_tag: image-segmentation
tags: [face-parsing]
---

# {name}

A face parser (STN-iCNN): brows, eyes, nose, upper lip, inner mouth and lower lip of a photograph of one face.

    srpnet faces predict --checkpoint {name} portraits/ --out found

## Data

{photographs} photographs of CelebAMask-HQ at 512 x 512 pixels, **which are for non-commercial research, and so is this
model meant**. They show celebrities, most of them young, made up, and facing the camera. No photograph is part of this
package.

## Training

On one thread of a busy processor, commit `{commit}`; the commands stand in
[docs/results.md](../../../docs/results.md#faces-stn-icnn). Canvas {canvas} x {canvas}, coarse network at
{input} x {input}, a localizer of {width} channels (the paper's has 64). All settings of the parser: `config.json`.

## Scores

{faces} other photographs, at 512 x 512 pixels; F1 in percent, 95 % intervals by the bootstrap over faces.

| part | F1 | interval |
|---|---|---|
{rows}

Inner mouth: found in {found} faces, missed in {missed}, invented in {invented}, rightly left out in {absent}. Of the
parts' true pixels {coverage} % lie inside their crops.

## Limits

One upright face, seen from the front or somewhat from the side. Expect less of other cameras, ages and light, of a head
that is turned far, of make-up that paints over brows, of glasses, and of a hand or a microphone before the mouth. Skin,
hair and ears have no label. It says where parts are, and nothing of who a person is. Look at the overlays.
"""


@click.group()
def main() -> None:
    """Release a face parser."""


@main.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("name")
def weights(run: Path, name: str) -> None:
    """Write the small weights of a RUN under a NAME."""
    write(load_parser(run), MODELS / name, small=True)
    size = (MODELS / name / "model.safetensors").stat().st_size
    click.echo(f"{MODELS / name}: {size / 1e6:.1f} MB")


@main.command()
@click.argument("name")
@click.option("--commit", required=True, help="At which it was trained.")
@click.argument("scores", type=click.Path(exists=True, path_type=Path))
def card(name: str, commit: str, scores: Path) -> None:
    """Write the model card of NAME with the SCORES that `srpnet faces eval` wrote."""
    folder = released()[name]
    config, scored = (json.loads(file.read_text()) for file in (folder / "config.json", scores))
    text = CARD.format(
        name=name,
        commit=commit,
        photographs=config["trained_on"]["faces"],
        canvas=config["canvas"],
        input=config["input"],
        width=config["localizer_width"],
        faces=scored["faces"],
        rows="\n".join(_row(part, row) for part, row in scored["f1"].items()),
        coverage=_percent(scored["coverage"]["all"]),
        **scored["inner_mouth"],
    )
    with atomic_write(folder / "README.md") as temporary:
        temporary.write_text(text)


def _row(part: str, row: dict[str, Any]) -> str:
    return f"| {part} | {_percent(row['f1'])} | {_percent(row['low'])} to {_percent(row['high'])} |"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


if __name__ == "__main__":
    main()
