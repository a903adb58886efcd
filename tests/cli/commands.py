"""How the tests type commands."""

from click.testing import CliRunner, Result

from cli.main import main

TINY = ["--size", "64", "--device", "cpu", "--precision", "fp32"]


def srpnet(*words: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner(env=env).invoke(main, words)


def refused(result: Result) -> str:
    """The message of a refusal: one line, after what was announced before, and exit code 2."""
    assert result.exit_code == 2, result.output
    *announced, message = result.stderr.strip().splitlines()
    assert message.startswith("Error: ")
    assert "Traceback" not in announced
    return message
