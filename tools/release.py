"""Put a trained network into the package: the small weights, then the model card.

    python tools/release.py weights runs/fold1 pascal-fold1
    srpnet eval --fold 1 ... --checkpoint pascal-fold1 --out scores/fold1-1shot
    python tools/release.py card pascal-fold1 --commit 0123abc scores/fold1-1shot scores/fold1-5shot

The scores of a card are those of the small weights, read from `result.json`.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import torch

from episodes.files import atomic_write
from srpnet.fewshot.checkpoint import load_network
from srpnet.fewshot.network import SRPNet
from srpnet.models import released

MODELS = Path(__file__).parent.parent / "srpnet" / "models"
CARD = """---
library_name: srpnet
license: mit
pipeline_tag: image-segmentation
tags: [few-shot-segmentation]
---

# {name}

An SRPNet for few-shot segmentation: {what}. {purpose}

    srpnet predict --checkpoint {name} --support cup1.jpg cup1-mask.png kitchen/ --out found

## Data

{photographs} photographs ({pairs} image-class pairs) of {sources}.
Classes seen: {seen}. {novel}
Pairs: `{rule}`, SHA-256 `{sha256}`.

## Training

{steps} steps of {batch} {way}-way {shot}-shot episodes at {size} x {size} pixels, commit `{commit}`, from the ImageNet
weights `{backbone}` (`{backbone_sha256}`), which are fetched when the model is loaded and are not part of this file.
{mean}All settings: `config.json`, and [docs/results.md](../../../docs/results.md).

## Scores

{scores}

## Limits

{limits}

A photograph without the object may still get a mask where something looks like it, which `srpnet predict` doubts where
what was found resembles the examples too little (presence below {present_above}). The photographs come from Flickr and
the like; what they show, and leave out, is what this model knows.
"""
SOURCES = {
    "pascal": "PASCAL VOC 2012 with the masks of SBD, a part of the training split",
    "masks": "DUTS, with the ImageNet class that the name of each file tells",
    "coco": "COCO 2017, a part of it",
}
LIMITS = {
    False: """Trained on few photographs, most of them of animals; expect less on small objects, thin structures, texts,
satellite or medical images. It learned from 1-way episodes, which never ask which object is meant: it segments what
stands out and resembles the examples more than their surroundings, and confuses several classes at once (N-way).""",
    True: """Trained on things and animals that are large in their photographs; expect less on small objects, thin
structures, parts, texts, textures, satellite or medical images.""",
}
"""By whether it was trained one-vs-rest."""
MOST_NAMED = 40
"""Classes that a card lists."""


@click.group()
def main() -> None:
    """Release a model."""


@main.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("name")
@click.option("--present-above", default=0.34, show_default=True, help="Chosen on base classes, see docs/results.md.")
@click.option("--mean-with", help="Another run or model of the same classes: the mean of both is released.")
@click.option("--share", default=0.75, show_default=True, help="Of RUN in the mean, chosen on base classes.")
def weights(run: Path, name: str, present_above: float, mean_with: str | None, share: float) -> None:
    """Write the small weights of a RUN under a NAME, and beside them how it was trained."""
    network = load_network(run)
    if mean_with is not None:
        average_with(network, load_network(mean_with), share)
    network.config = replace(network.config, present_above=present_above)
    network.write(MODELS / name, small=True)
    size = (MODELS / name / "model.safetensors").stat().st_size
    click.echo(f"{MODELS / name}: {size / 1e6:.1f} MB")


def average_with(network: SRPNet, other: SRPNet, share: float) -> None:
    """Make a network the mean of itself and another that began with the same weights (Wortsman et al., ICML 2022)."""
    values = dict(other.named_parameters())
    with torch.no_grad():
        for key, value in network.named_parameters():
            value.lerp_(values[key], 1 - share)
    ours, theirs = network.config, other.config
    network.config = replace(
        ours,
        frozen_stages=min(ours.frozen_stages, theirs.frozen_stages),
        seen=tuple(sorted({*ours.seen, *theirs.seen})),
        trained_on=ours.trained_on | {"mean_with": {"share": 1 - share, "trained_on": theirs.trained_on}},
    )


@main.command()
@click.argument("name")
@click.option("--run", required=True, type=click.Path(exists=True, path_type=Path), help="Where it was trained.")
@click.option("--commit", required=True, help="At which it was trained.")
@click.argument("results", nargs=-1, type=click.Path(exists=True, path_type=Path))
def card(name: str, run: Path, commit: str, results: tuple[Path, ...]) -> None:
    """Write the model card of NAME with the scores of RESULTS, folders that `srpnet eval` wrote."""
    folder = released()[name]
    config, settings = (json.loads(file.read_text()) for file in (folder / "config.json", run / "settings.json"))
    trained_on, everything = config["trained_on"], config["trained_on"]["fold"] == "all"
    text = CARD.format(
        name=name,
        what="the head is trained" if config["trained"] == "head" else "head and backbone are trained",
        purpose="It saw every class of its data: it is for your own photographs, and for no benchmark of those classes."
        if everything
        else f"It is for fold {trained_on['fold']} of PASCAL-5i, whose novel classes it never saw.",
        photographs=trained_on["photographs"],
        pairs=trained_on["pairs"]["queries"],
        sources="; ".join(SOURCES[kind] for kind in trained_on["data"].split(" + ")),
        seen=", ".join(config["seen"])
        if len(config["seen"]) <= MOST_NAMED
        else f"{len(config['seen'])}, listed in `config.json` under `seen`",
        novel=_kept(trained_on)
        if everything
        else f"Rule for photographs with a novel class: `{trained_on['novel_pixels']}`.",
        rule=trained_on["pairs"]["rule"],
        sha256=trained_on["pairs"]["sha256"][:12],
        steps=trained_on["steps"],
        batch=settings["training"]["batch"],
        **{field: settings[field] for field in ("way", "shot", "size")},
        commit=commit,
        mean=_mean(trained_on),
        backbone=config["backbone"],
        backbone_sha256=config["backbone_sha256"][:12],
        present_above=config["present_above"],
        limits=LIMITS[settings["training"].get("one_vs_rest", False)],
        scores=table([json.loads((result / "result.json").read_text()) for result in results]),
    )
    with atomic_write(folder / "README.md") as temporary:
        temporary.write_text(text)


def _mean(trained_on: dict[str, Any]) -> str:
    """What the weights are the mean of."""
    if "mean_with" not in trained_on:
        return ""
    share, other = trained_on["mean_with"]["share"], trained_on["mean_with"]["trained_on"]
    return (
        f"Its weights are {1 - share:.0%} of these, and {share:.0%} those of a network that was trained for\n"
        f"{other['steps']} steps on 1-way episodes of {other['photographs']} photographs.\n"
    )


def _kept(trained_on: dict[str, Any]) -> str:
    """The classes that were kept from a training on all others."""
    return f"Kept from it: {trained_on['excluded']}." if "excluded" in trained_on else ""


def table(results: list[dict[str, Any]]) -> str:
    """The scores in percent, and the rules they were found by."""
    if not results:
        return "None: there is no class left that it did not see."
    lines = ["| data | episodes | shot | per class | mIoU | FB-IoU |", "|---|---|---|---|---|---|"]
    for result in results:
        settings = result["settings"]
        classes = ", ".join(f"{name} {100 * iou:.1f}" for name, iou in result["per_class"].items())
        lines.append(
            f"| {settings['data'].partition(':')[0]} "
            f"| {result['episodes']}, {settings['protocol']}, seed {settings['seed']} | {settings['shot']} "
            f"| {classes} | {100 * result['miou']:.1f} | {100 * result['fb_iou']:.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
