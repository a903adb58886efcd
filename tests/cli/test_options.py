"""Flags are made of settings: each reaches its field, each field has a help, and errors below name flags here."""

from typing import Any

import click
import pytest
from click.testing import CliRunner

from cli.main import main
from cli.options import flags_of, options, with_flags
from episodes.settings import Declared, build, declared
from srpnet.fewshot.train_settings import FewShotTrainSettings
from tests.cli.commands import refused, srpnet

SETTINGS = [each for each in declared(FewShotTrainSettings) if each.flag]


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
    if each.kind is str:
        return [flag, "another"], "another"
    low, high = each.said.low or 0, each.said.high or 0
    value = each.kind(low + 1 if low + 1 not in (each.default, high) else low + 2) if high > 1 else 0.25
    return [flag, str(value)], value


@pytest.mark.parametrize("each", SETTINGS, ids=lambda each: str(each.flag))
def test_every_flag_reaches_its_field(each: Declared) -> None:
    heard: dict[str, Any] = {}

    @click.command()
    @options(FewShotTrainSettings)
    def typed(**flags: Any) -> None:
        heard.update(flags)

    words, expected = another(each)
    result = CliRunner().invoke(typed, words)
    assert result.exit_code == 0, result.output
    assert heard[each.key] == expected != each.default
    heard[each.key] = each.default
    assert build(FewShotTrainSettings, heard) == FewShotTrainSettings()


def test_every_setting_has_a_help_and_no_two_share_a_flag() -> None:
    known = declared(FewShotTrainSettings)
    assert all(each.said.help.endswith(".") for each in known)
    assert len({each.key for each in known}) == len(known)
    flags = [flag for each in SETTINGS for flag in (each.flag, each.said.off) if flag]
    assert len(set(flags)) == len(flags)


def test_the_command_has_a_flag_for_every_setting() -> None:
    command = main.get_command(click.Context(main), "train")
    assert command is not None
    assert {each.key: each.flag for each in SETTINGS}.items() <= flags_of(command).items()


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
        (("eval", "--seeds", "0"), "cannot score 0 seeds: at least 1"),
        (("eval", "--way", "0"), "--way must be a whole number from 1 to 1000, not 0"),
    ],
)
def test_errors_from_below_name_flags(words: tuple[str, ...], message: str) -> None:
    assert refused(srpnet(*words)) == f"Error: {message}"
