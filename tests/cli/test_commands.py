"""The commands as a person types them, on the stickers, with a backbone of random weights and tiny pictures."""

import json
import os
import warnings
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from cli.main import COMMANDS
from episodes import InputError
from tests.cli.commands import TINY, refused, srpnet
from tests.episodes.fakes import masks_folder, painted, voc_folder

SOURCES = {"one": "cup ant ant cup bee bee ant", "two": "elk elk Bee Bee elk"}
RECIPES = Path(__file__).parents[2] / "configs"

pytestmark = pytest.mark.usefixtures("random_backbone")


def test_help_lists_the_commands_and_each_has_examples() -> None:
    assert all(name in srpnet("--help").output for name in COMMANDS)
    for name in ("train", "eval", "compare", "predict", "weights"):
        result = srpnet(name, "--help")
        assert result.exit_code == 0
        assert f"srpnet {name}" in result.output


def test_version() -> None:
    assert srpnet("--version").output.startswith("srpnet, version ")


def test_an_unknown_command_is_a_usage_error() -> None:
    assert srpnet("segment").exit_code == 2


def test_train_then_eval_then_predict(tmp_path: Path) -> None:
    trained = srpnet("train", *TINY, "--steps", "2", "--batch", "2", "--workers", "0", "--out", "run")
    assert trained.exit_code == 0, trained.output
    assert "embedded stickers" in trained.output
    assert "srpnet eval --data stickers --fold 0 --shot 1 --checkpoint run" in trained.output

    scored = srpnet("eval", *TINY, "--episodes", "3", "--checkpoint", "run", "--out", "scores", "--pictures", "2")
    assert scored.exit_code == 0, scored.output
    assert "mIoU" in scored.output
    assert "not a benchmark" in scored.output
    result = json.loads(Path("scores/result.json").read_text())
    assert result["episodes"] == 3
    assert result["settings"]["checkpoint"] == "run"
    assert "stickers" in result["note"]
    assert len(list(Path("scores/pictures").glob("*.png"))) == 2

    Path("photos").mkdir()
    for name, colour in (("one", "red"), ("two", "blue")):
        Image.new("RGB", (90, 60), colour).save(f"photos/{name}.jpg")
    mask = Image.new("L", (90, 60))
    mask.paste(255, (20, 20, 50, 50))
    mask.save("mask.png")
    words = ("predict", "--support", "photos/one.jpg", "mask.png", "photos", "--checkpoint", "run", *TINY)
    found = srpnet(*words, "--out", "found")
    assert found.exit_code == 0, found.output
    assert sorted(file.name for file in Path("found").iterdir()) == [
        "found-examples.jpg",
        "found.csv",
        "one-mask.png",
        "one-overlay.jpg",
        "two-mask.png",
        "two-overlay.jpg",
    ]
    with Image.open("found/two-mask.png") as written:
        assert written.size == (90, 60)


def test_a_finished_folder_is_not_trained_over() -> None:
    words = ("train", *TINY, "--steps", "1", "--batch", "1", "--workers", "0", "--out", "run")
    assert srpnet(*words).exit_code == 0
    assert "--resume" in refused(srpnet(*words))


def test_settings_from_a_file_and_flags_win() -> None:
    Path("settings.toml").write_text('data = "stickers"\nepisodes = 2\nsize = 64\nclasses = "boat"\n')
    words = ("eval", "--config", "settings.toml", "--device", "cpu", "--out", "scores", "--episodes", "1")
    result = srpnet(*words)
    assert result.exit_code == 0, result.output
    assert "No --data" not in result.output
    content = json.loads(Path("scores/result.json").read_text())
    assert content["episodes"] == 1
    assert content["settings"]["size"] == 64
    assert list(content["per_class"]) == ["boat"]


def test_data_from_the_environment_unless_a_file_or_flag_says_otherwise() -> None:
    env = {"SRPNET_DATA": "pascal:nowhere"}
    assert "nowhere" in refused(srpnet("eval", env=env))
    Path("settings.toml").write_text('data = "coco:elsewhere"\n')
    assert "elsewhere" in refused(srpnet("eval", "--config", "settings.toml", env=env))
    assert "'emoji'" in refused(srpnet("eval", "--config", "settings.toml", "--data", "emoji", env=env))


def test_several_sources_are_trained_on_together(tmp_path: Path) -> None:
    """From flags, and in a file as a list; a file names what is excluded."""
    one, two = (f"masks:{masks_folder(tmp_path / name, classes)}" for name, classes in SOURCES.items())
    Path("excluded.txt").write_text("BEE\n\n")
    words = ("train", *TINY, "--fold", "all", "--steps", "1", "--batch", "1", "--workers", "0", "--temper", "0.5")
    words = (*words, "--distractors", "0.5", "--absent", "0.2", "--exclude-classes")
    trained = srpnet(*words, "excluded.txt", "--data", one, "--data", two, "--out", "run")
    assert trained.exit_code == 0, trained.output
    assert "Excluded: bee\n" in trained.output
    Path("settings.toml").write_text(f"data = {json.dumps([one, two])}\n")
    assert srpnet(*words, "bee", "--config", "settings.toml", "--out", "other").exit_code == 0
    for folder in ("run", "other"):
        settings = json.loads(Path(folder, "settings.json").read_text())
        config = json.loads(Path(folder, "config.json").read_text())
        assert settings["data"]["data"] == f"{one} + {two}"
        assert settings["exclude_classes"] == [{"run": "BEE", "other": "bee"}[folder]]
        assert config["seen"] == ["ant", "cup", "elk"]
        assert config["trained_on"]["excluded"] == "bee"
        assert config["trained_on"]["temper"] == settings["temper"] == 0.5
        assert config["trained_on"]["composition"]["distractors"] == settings["composition"]["distractors"] == 0.5
    assert "'wasp' is not a class of" in refused(
        srpnet(*words, "bee,wasp", "--data", one, "--data", two, "--out", "third")
    )


def test_settings_of_a_file_are_named_like_the_flags() -> None:
    Path("settings.toml").write_text('lambda = 0.5\ntrain = "all"\nweights = "vgg"\nqueries = 2\niqi-rounds = 1\n')
    assert "'vgg'" in refused(srpnet("train", "--config", "settings.toml"))


def test_counting_a_folder_shows_how_far_it_is() -> None:
    """Once: the second command finds the counts in the cache."""
    labels = np.ones((40, 40), np.uint8)
    voc_folder(Path("voc"), dict.fromkeys(("train", "val"), dict.fromkeys("ab", (painted(labels), labels))))
    words = ("--data", "pascal:voc", "--min-pixels", "1", "--episodes", "1", "--classes", "aeroplane")
    shown = [srpnet("eval", *TINY, *words).stderr for _ in range(2)]
    assert ["Counting the val masks" in text for text in shown] == [True, False]
    assert all("Evaluating" in text for text in shown)


def test_the_line_that_says_how_to_score_repeats_the_data_flags() -> None:
    words = ("--steps", "1", "--batch", "1", "--workers", "0", "--min-pixels", "900", "--way", "2", "--out", "run")
    result = srpnet("train", *TINY, *words)
    assert (
        "srpnet eval --data stickers --min-pixels 900 --fold 0 --way 2 --shot 1 --checkpoint run --out run/scores"
        in result.output
    )


def test_resuming_where_nothing_was_begun_begins() -> None:
    words = ("--steps", "1", "--batch", "1", "--workers", "0", "--out", "run")
    result = srpnet("train", *TINY, *words, "--resume")
    assert result.exit_code == 0
    assert "run holds no run yet: a new one begins" in result.output


@pytest.mark.parametrize("name", ["train", "eval"])
def test_a_folder_that_is_a_file(name: str) -> None:
    Path("taken").touch()
    assert "taken is a file" in refused(srpnet(name, *TINY, "--out", "taken/run"))


def test_a_broken_photograph_is_one_line_even_from_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise InputError("scene 7 cannot be read: replace it")

    monkeypatch.setattr("episodes.data.sets.stickers.Stickers.load", load)
    words = ("--steps", "1", "--batch", "1", "--workers", "1", "--out", "run")
    assert refused(srpnet("train", *TINY, *words)) == "Error: scene 7 cannot be read: replace it"


def test_a_network_is_not_tested_on_classes_it_has_seen() -> None:
    words = ("--steps", "1", "--batch", "1", "--workers", "0", "--out", "run")
    assert srpnet("train", *TINY, *words).exit_code == 0
    assert "was trained on" in refused(srpnet("eval", *TINY, "--fold", "1", "--checkpoint", "run"))


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("eval", "--fold", "4"), "fold 4"),
        (("eval", "--data", "emoji"), "'emoji'"),
        (("eval", "--classes", "cat"), "'cat'"),
        (("eval", "--protocol", "ours"), "'ours'"),
        (("eval", "--episodes", "0"), "--episodes must be a whole number from 1 to 1000000, not 0"),
        (("eval", "--pictures", "2"), "--out"),
        (("eval", "--checkpoint", "nowhere"), "nowhere"),
        (("eval", "--protocol", "ssp", "--shot", "500"), "500"),
        (("eval", "--shot", "0"), "shot"),
        (("train", "--lr", "nan"), "lr"),
        (("train", "--checkpointing"), "--train all"),
        (("eval", "--size", "0"), "--size must be a whole number from 32 to 4096, not 0"),
        (("eval", "--way", "6"), "6-way"),
        (("eval", "--size", "8"), "--size must be a whole number from 32 to 4096, not 8"),
        (("eval", "--iqi-rounds", "-1"), "-1"),
        (("eval", "--device", "cuda"), "cuda"),
        (("train", "--stages", "two"), "'two'"),
        (("train", "--stages", "5"), "5"),
        (("train", "--steps", "0"), "steps"),
        (("train", "--flip", "2"), "flip"),
        (("train", "--size", "8"), "--size must be a whole number from 32"),
        (("train", "--hold-back", "unicorn"), "'unicorn'"),
        (("train", "--hold-back", "15"), "15"),
        (("train", "--weights", "vgg"), "'vgg'"),
        (("train", "--accumulate", "3"), "3"),
        (("train", "--pairs", "nowhere"), "nowhere"),
        (("train", "--config", "missing.toml"), "missing.toml"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_bad_input_is_one_line_and_leaves_nothing(
    words: tuple[str, ...], named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert named in refused(srpnet(*words))
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not list(tmp_path.rglob("result.json"))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("fold = ", "TOML"),
        ("colour-of-sky = 1", "--colour-of-sky"),
        ("steps = [3]", "steps cannot be list"),
        ("steps = true", "steps cannot be bool"),
        ("out = 5", "out cannot be int"),
        ("steps = 3.7", "steps cannot be float"),
        ("steps = inf", "steps cannot be float"),
        ("alpha = 1979-05-27", "alpha cannot be date"),
        ("both-ways = 1", "both-ways cannot be int"),
        ("data = {a = 1}", "data cannot be dict"),
        ('pairs = "a\\u0000b"', "pairs cannot be str"),
        ("a = " + "[" * 3000, "not valid TOML"),
    ],
)
def test_a_bad_config_file_is_named(text: str, named: str) -> None:
    Path("settings.toml").write_text(text)
    message = refused(srpnet("train", "--config", "settings.toml"))
    assert "settings.toml" in message
    assert named in message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes of POSIX")
def test_a_named_pipe_is_never_opened() -> None:
    os.mkfifo("pipe")
    for words in (
        ("train", "--config", "pipe"),
        ("eval", "--manifest", "pipe"),
        ("eval", "--data", "pascal:pipe"),
        ("compare", "pipe", "pipe"),
        ("weights", "--name", "keras-v1", "--file", "pipe"),
        ("predict", "--support", "pipe", "pipe", "pipe", "--out", "found"),
    ):
        refused(srpnet(*words))


def test_a_mistyped_folder_is_not_looked_for_on_the_internet() -> None:
    Path("runs").mkdir()
    assert "there is no checkpoint runs/dmo" in refused(srpnet("eval", "--checkpoint", "runs/dmo"))


@pytest.mark.parametrize("fold", ["one", "1.5", ""])
def test_a_fold_is_a_number_or_all(fold: str) -> None:
    result = srpnet("eval", "--fold", fold)
    assert result.exit_code == 2
    assert "neither the number of a fold nor `all`" in result.output


def test_the_released_models_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cup-head").mkdir()
    (tmp_path / "cup-head/config.json").write_text('{"trained": "head", "seen": ["cat", "dog"]}')
    (tmp_path / "cup-head/model.safetensors").write_bytes(bytes(1_840_000))
    (tmp_path / "lips").mkdir()
    (tmp_path / "lips/config.json").write_text('{"crops": [9], "trained_on": {"faces": 7, "data": "Helen", "seed": 0}}')
    (tmp_path / "lips/model.safetensors").write_bytes(bytes(6_000_000))
    monkeypatch.setattr("cli.models.released", lambda: {name: tmp_path / name for name in ("cup-head", "lips")})
    result = srpnet("models")
    assert result.exit_code == 0
    lines = [line.split(maxsplit=1) for line in result.output.splitlines() if line]
    assert lines[:3] == [["name", "cup-head"], ["trained", "head, 1.8 MB"], ["on", "cat, dog"]]
    assert lines[4:7] == [["name", "lips"], ["trained", "face parser, 6.0 MB"], ["on", "7 faces of Helen"]]


@pytest.mark.parametrize("recipe", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_a_recipe_has_settings_that_exist(recipe: Path, tmp_path: Path) -> None:
    """It is read up to the data, which are not there."""
    command = ["weak", "train"] if recipe.stem.startswith("weak-") else ["train"]
    result = srpnet(*command, "--config", str(recipe), "--data", "pascal:nowhere", "--out", str(tmp_path / "run"))
    assert "nowhere" in refused(result)


def test_a_warning_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def odd() -> None:
        warnings.warn("odd \x1b[31m", stacklevel=1)

    monkeypatch.setattr("cli.models.command", odd)
    before = warnings.formatwarning
    with warnings.catch_warnings():  # pytest's own would swallow it
        warnings.simplefilter("always")
        warnings.showwarning = lambda *given: click.echo(warnings.formatwarning(*given[:4]), nl=False)
        assert srpnet("models").output == "Warning: odd \\x1b[31m\n"
    assert warnings.formatwarning is before


def test_what_click_repeats_is_one_line() -> None:
    assert refused(srpnet("compare", "a", "b", "c\nd")).endswith("(c d)")
    assert "Choose from: pascal, coco" in refused(srpnet("data", "prepare", "--root", "new"))
    assert "\\x1b" in refused(srpnet("eval", "--device", "\x1b[31m"))
