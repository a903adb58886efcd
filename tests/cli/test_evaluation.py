"""The commands of evaluation as a person types them, on the stickers, with random weights and tiny pictures."""

import json
from pathlib import Path
from typing import get_args

import click
import numpy as np
import pytest
from PIL import Image

from cli.eval import command as evaluation
from episodes import open_source
from episodes.fewshot.settings import Drawing
from tests.cli.commands import TINY, refused, srpnet

pytestmark = pytest.mark.usefixtures("random_backbone")
TINY_EVAL = ("eval", *TINY, "--episodes", "4")


@pytest.mark.parametrize("flag", ["--pictures", "--worst"])
def test_pictures_need_a_folder_and_a_number(flag: str) -> None:
    assert f"{flag} needs --out, the folder to draw them into" in refused(srpnet("eval", flag, "3"))
    message = refused(srpnet("eval", flag, "-1", "--out", "o"))
    assert f"{flag} must be a whole number from 0 to 1000000, not -1" in message


def test_several_protocols_in_one_run() -> None:
    scored = srpnet(*TINY_EVAL, "--protocol", "panet,hsnet", "--seeds", "2", "--out", "scores")
    assert scored.exit_code == 0, scored.output
    assert scored.output.index("protocol panet") < scored.output.index("protocol hsnet")
    assert "2 seeds: mIoU" in scored.output
    assert "differs from hsnet: episodes: 4, not 1000" in scored.output
    for name in ("panet", "hsnet"):
        result = json.loads(Path(f"scores/{name}/result.json").read_text())
        assert (result["settings"]["protocol"], result["protocol"]["name"]) == (name, name)
        assert Path(f"scores/{name}/counts.npz").is_file()


def test_a_manifest_is_exported_shown_and_scored() -> None:
    out = ("--fold", "1", "--classes", "cat,cow", "--episodes", "4", "--shot", "2", "--out", "m.jsonl")
    exported = srpnet("episodes", "export", *out)
    assert exported.exit_code == 0, exported.output
    assert "4 episodes: m.jsonl" in exported.output
    shown = srpnet("episodes", "show", "m.jsonl", "--data", "stickers", "--pictures", "2", "--out", "pictures")
    assert shown.exit_code == 0, shown.output
    assert len(list(Path("pictures").glob("*.png"))) == 2
    scored = srpnet("eval", *TINY, "--manifest", "m.jsonl", "--out", "by-manifest")
    assert scored.exit_code == 0, scored.output
    drawn = srpnet("eval", *TINY, *out[:-2], "--out", "drawn")
    assert drawn.exit_code == 0, drawn.output
    results = [json.loads(Path(folder, "result.json").read_text()) for folder in ("by-manifest", "drawn")]
    assert results[0]["per_class"] == results[1]["per_class"]
    assert results[0]["settings"]["source"]["fold"] == 1


def test_negatives_are_told_and_stand_in_the_report() -> None:
    scored = srpnet(*TINY_EVAL, "--negatives", "0.5", "--out", "scores")
    assert scored.exit_code == 0, scored.output
    assert "2 additional episodes whose query does not show the class" in scored.output
    assert "presence AUC (of the method)" in scored.output
    assert Path("scores/negatives.npz").is_file()
    assert srpnet("report", "scores", "--out", "page.html").exit_code == 0
    assert "Queries without the class" in Path("page.html").read_text()


def test_wrong_supports_are_told_and_stand_in_the_report() -> None:
    words = (*TINY_EVAL, "--wrong-support", "--out")
    scored = srpnet(*words, "one")
    assert scored.exit_code == 0, scored.output
    assert "4 episodes once more, with supports of a class that the query does not show" in scored.output
    assert srpnet(*words, "other", "--cache-limit", "0").exit_code == 0
    one, other = (json.loads(Path(name, "result.json").read_text()) for name in ("one", "other"))
    assert one["wrong_support"]["per_class"] == other["wrong_support"]["per_class"]
    assert "--wrong-support" in one["settings"]["command"]
    compared = srpnet("compare", "one", "other")
    assert "gap to the wrong support" in compared.output
    assert srpnet("report", "one", "other", "--out", "page.html").exit_code == 0
    page = Path("page.html").read_text()
    assert "Under a wrong support" in page
    assert "What the score rests on" in page


def test_other_code_is_asked_under_wrong_supports_too() -> None:
    assert srpnet("episodes", "export", "--episodes", "3", "--wrong-support", "--out", "m.jsonl").exit_code == 0
    wrong = [json.loads(line) for line in Path("m-wrong.jsonl").read_text().splitlines()]
    asked = [json.loads(line) for line in Path("m.jsonl").read_text().splitlines()[1:]]
    assert all(one["queries"] == asked[one["index"]]["queries"] for one in wrong)
    assert not any(one["classes"] == asked[one["index"]]["classes"] for one in wrong)
    source = open_source("stickers")
    for folder, specs, value in (("maps", asked, 1), ("maps/wrong", wrong, 0)):
        Path(folder).mkdir()
        for spec in specs:
            labels = np.full(source.load(spec["queries"][0])[0].shape[:2], value, np.uint8)
            Image.fromarray(labels).save(f"{folder}/{spec['index']:06d}_0.png")
    words = ("eval", "--manifest", "m.jsonl", "--predictions", "maps", "--wrong-support", "--out", "scores")
    scored = srpnet(*words)
    assert scored.exit_code == 0, scored.output
    found = json.loads(Path("scores/result.json").read_text())["wrong_support"]
    assert found["wrong"] == 0
    assert found["gap"] == found["right"] > 0


def test_runs_are_compared() -> None:
    for rounds in ("0", "2"):
        assert srpnet(*TINY_EVAL, "--iqi-rounds", rounds, "--out", f"iqi{rounds}").exit_code == 0
    compared = srpnet("compare", "iqi0", "iqi2")
    assert compared.exit_code == 0, compared.output
    assert "A: iqi0" in compared.output
    assert srpnet("report", "iqi0", "iqi2", "--out", "both.html").exit_code == 0
    assert "srpnet eval" in Path("both.html").read_text()
    assert "The interval of the mIoU" in compared.output or "the interval of the mIoU" in compared.output


def test_protocols_are_printed() -> None:
    printed = srpnet("protocols").output
    assert all(word in printed for word in ("panet", "20000", "own size", "background"))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("eval", "--protocol", "blind"), "there is no protocol 'blind'"),
        (
            ("eval", "--protocol", "ssp", "--size", "64"),
            "ssp keeps every photograph at its original size: leave out --size",
        ),
        (("eval", "--manifest", "m.jsonl", "--fold", "1"), "--fold is fixed by the manifest: leave one of the two out"),
        (("eval", "--manifest", "gone.jsonl"), "gone.jsonl cannot be read"),
        (("eval", "--seeds", "0"), "--seeds must be a whole number from 1 to 1000, not 0"),
        (("eval", "--negatives", "2"), "--negatives must be a number from 0 to 1, not 2"),
        (
            ("eval", "--manifest", "m", "--predictions", "p", "--negatives", "1"),
            "--negatives makes episodes of which there are no predictions",
        ),
        (
            ("eval", "--wrong-support", "--classes", "car", "--fold", "1"),
            "needs 2 classes for 1-way episodes: here is 1",
        ),
        (("compare", "gone", "gone"), "gone holds no result.json"),
        (("episodes", "export", "--protocol", "all", "--out", "m.jsonl"), "a manifest has one protocol"),
        (("episodes", "export", "--data", "pascal", "--out", "m.jsonl"), "pascal without a folder is for manifests"),
        (("episodes", "show", "gone.jsonl", "--data", "stickers", "--out", "p"), "gone.jsonl cannot be read"),
    ],
)
def test_bad_input_to_the_commands_of_evaluation(words: tuple[str, ...], complaint: str) -> None:
    assert complaint in refused(srpnet(*words))
    assert not list(Path().iterdir())


def test_every_drawing_can_be_chosen() -> None:
    (option,) = (parameter for parameter in evaluation.params if parameter.name == "drawing")
    assert isinstance(option.type, click.Choice)
    assert tuple(option.type.choices) == get_args(Drawing)


def test_hsnet_s_own_episodes_are_exported(tmp_path: Path) -> None:
    (tmp_path / "val_fold1.txt").write_text("".join(f"p{number}__{6 + number % 5:02d}\n" for number in range(20)))
    flags = ("--data", "pascal", "--pairs", str(tmp_path), "--fold", "1", "--shot", "2", "--drawing", "hsnet-seed0")
    exported = srpnet("episodes", "export", *flags, "--out", str(tmp_path / "m.jsonl"))
    assert "1000 episodes" in exported.output
    assert '"drawing": "hsnet-seed0"' in (tmp_path / "m.jsonl").read_text()
    said = refused(srpnet("eval", "--manifest", str(tmp_path / "m.jsonl"), "--drawing", "list"))
    assert "--drawing is fixed by the manifest" in said
