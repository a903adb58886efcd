"""Flags are made of settings: each reaches its field, each field has a help, and errors below name flags here."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from cli.main import main
from cli.shared.options import flags_of, options, with_flags
from episodes.fewshot.settings import DataSettings
from episodes.results.output import Output
from episodes.scoring.plans.settings import DrawingSettings
from episodes.settings import Declared, build, declared
from srpnet.faces.settings import FaceEvalSettings, FaceTrainSettings
from srpnet.fewshot.evaluation.settings import EvalSettings
from srpnet.fewshot.settings import NamingSettings
from srpnet.fewshot.training.settings import FewShotTrainSettings
from srpnet.nn.settings import RuntimeSettings
from tests.cli.commands import refused, srpnet

SETTINGS: dict[tuple[str, ...], tuple[type, ...]] = {
    ("train",): (FewShotTrainSettings,),
    ("eval",): (EvalSettings, Output),
    ("episodes", "export"): (DrawingSettings,),
    ("data", "report"): (DataSettings,),
    ("predict",): (NamingSettings, RuntimeSettings),
    ("faces", "train"): (FaceTrainSettings,),
    ("faces", "eval"): (FaceEvalSettings,),
    ("faces", "predict"): (RuntimeSettings,),
}
"""Words that call a command -> the dataclasses of which its flags are made."""


def with_a_flag(settings: type) -> list[Declared]:
    return [each for each in declared(settings) if each.flag]


def another(each: Declared) -> tuple[list[str], Any]:
    """Words that set a flag to a value that is not its default, and that value."""
    flag = str(each.flag)
    if each.kind is bool:
        return [str(each.said.off) if each.default else flag], not each.default
    if each.choices:
        value = next(choice for choice in reversed(each.choices) if choice != each.default)
        return [flag, str(value)], value
    if each.kind is tuple:
        return ([flag, "1,4"], (1, 4)) if each.item is int else ([flag, "cat, dog"], ("cat", "dog"))
    if each.kind in (str, Path):
        return [flag, "another"], each.kind("another")
    low, high = each.said.low or 0, each.said.high or 0
    value = each.kind(low + 1 if low + 1 not in (each.default, high) else low + 2) if high > 1 else 0.25
    return [flag, str(value)], value


@pytest.mark.parametrize(
    ("settings", "each"),
    [
        pytest.param(settings, each, id=f"{settings.__name__} {each.flag}")
        for settings in (FewShotTrainSettings, EvalSettings, Output)
        for each in with_a_flag(settings)
    ],
)
def test_every_flag_reaches_its_field(settings: type, each: Declared) -> None:
    heard: dict[str, Any] = {}

    @click.command()
    @options(settings)
    def typed(**flags: Any) -> None:
        heard.update(flags)

    words, expected = another(each)
    result = CliRunner().invoke(typed, words)
    assert result.exit_code == 0, result.output
    assert heard[each.key] == expected != each.default
    heard[each.key] = each.default
    assert build(settings, heard) == settings()


@pytest.mark.parametrize("words", SETTINGS, ids=" ".join)
def test_every_setting_has_a_help_and_a_flag_of_its_own(words: tuple[str, ...]) -> None:
    known = [each for settings in SETTINGS[words] for each in declared(settings)]
    assert all(each.said.help.endswith((".", "?")) for each in known)
    assert len({each.key for each in known}) == len(known)
    flags = [flag for each in known for flag in (each.flag, each.said.off) if flag]
    assert len(set(flags)) == len(flags)
    command: click.Command | None = main
    for word in words:
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word)
    assert command is not None
    assert {each.key: each.flag for each in known if each.flag}.items() <= flags_of(command).items()


def test_settings_are_shown_as_flags() -> None:
    flags = {"lr": "--lr", "iqi_weight": "--iqi-weight"}
    assert with_flags("`iqi.weight` of `dupl.weight`, `lr`, `srpnet train`", flags) == (
        "--iqi-weight of `dupl.weight`, --lr, `srpnet train`"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "--lr", "nan"), "--lr must be a number above 0 and at most 1000, not nan"),
        (("train", "--iqi-weight", "0"), "--iqi-weight must be a number above 0 and at most 1000, not 0.0"),
        (("train", "--lambda", "-1"), "--lambda must be a number from 0 to 1000, not -1.0"),
        (
            ("train", "--checkpointing"),
            "--checkpointing saves memory only when the backbone is trained: use --train all",
        ),
        (
            ("train", "--reuse-features", "disk", "--crop-scale", "0.5", "--absent", "1"),
            "features cannot be reused where no photograph comes twice: leave out --crop-scale and --absent, or "
            "--reuse-features",
        ),
        (("eval", "--seeds", "0"), "--seeds must be a whole number from 1 to 1000, not 0"),
        (("eval", "--way", "0"), "--way must be a whole number from 1 to 1000, not 0"),
    ],
)
def test_errors_from_below_name_flags(words: tuple[str, ...], message: str) -> None:
    assert refused(srpnet(*words)) == f"Error: {message}"
