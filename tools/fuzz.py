"""Throws bad values and damaged files at every command: `python tools/fuzz.py --tries 1000`.

Flags come from the declarations of the commands, so that a new flag is fuzzed without being named here. A try is a
child process with a time limit, in a folder of its own, without a network. It passes if it ends with exit code 0, 2 or
130, without a stack trace, with one line of error if it is an error, and without a file outside its folder. A try
depends on the seed and its number alone: `--only NUMBER` repeats one and shows all that it prints.
"""

import json
import os
import random
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import torch
from click.testing import CliRunner
from fuzz_inputs import BASES, Base, build, damage
from huggingface_hub import constants

import cli.main

GOOD_CODES = {0, 2, 130}
ENDLESS = {("app",)}
"""Commands that do not end by themselves; tests/srpnet/apps/web feeds the page what is bad."""
PATHS = (
    *("", ".", "device", "gone", "gone/deep", "pipe", "folder", "loop"),
    *(
        "dangling",
        "socket",
        "empty",
        "noise",
        "n" * 300,
        "~nobody/x",
        "~",
        "\udcff.jpg",
        "\x1b[31mred",
        "[bold]x",
        "a\nb",
    ),
    *("voc", "coco", "fss", "pairs", "net", "run", "scores", "other", "manifest.jsonl", "net/config.json", "pictures"),
)
# None of them leads out of the folder of a try to where something could be written.
WORDS = (
    *PATHS,
    *("stickers", "stickers:x", "pascal", "pascal:voc", "coco:coco", "fss:fss", "pascal:", ":", "coco:voc", "fss:pipe"),
    *(
        "all",
        ",",
        "cat,cat",
        "hsnet,hsnet",
        "hsnet",
        "panet",
        "none",
        "2,3",
        "4,3",
        "1e9",
        "nan",
        "training-free",
        "a/b",
    ),
    *("a/b@c", "@", "9" * 5000, "-1", "True", "keras-v1", "aeroplane", "bus"),
)
WHOLE = (
    "-1",
    "0",
    "1",
    "2",
    "3",
    "1.5",
    "",
    "x",
    "nan",
    "1e9",
    "1000000000000",
    "9223372036854775808",
    "9" * 5000,
    "१",
)
REAL = ("-1", "0", "1", "0.5", "-0.0", "", "x", "nan", "inf", "-inf", "1e308", "1e999", "1e-320", "9" * 5000)
TYPED = (
    True,
    False,
    -1,
    0,
    3,
    2**70,
    0.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "a\0b",
    [],
    [1],
    [["a", "b"]],
    {"a": 1},
)


@dataclass
class Outcome:
    """How a try ended; `complaint` is empty if it passed."""

    number: int
    command: str
    complaint: str
    code: int | None = None
    seconds: float = 0.0
    output: str = ""


def commands(group: click.Group, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Every command by the words that call it."""
    found: dict[tuple[str, ...], click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found |= commands(command, (*path, name)) if isinstance(command, click.Group) else {(*path, name): command}
    return found


def bad_words(parameter: click.Parameter, draw: random.Random) -> list[str]:
    """A flag with a value that may be wrong in any way; an argument's value alone."""
    flag = [] if isinstance(parameter, click.Argument) else [draw.choice([*parameter.opts, *parameter.secondary_opts])]
    if getattr(parameter, "is_flag", False):
        return flag
    return flag + [_value(parameter.type, draw) for _ in range(max(1, parameter.nargs))]


def _value(kind: click.ParamType, draw: random.Random) -> str:
    if isinstance(kind, click.types.FloatParamType):
        return draw.choice(REAL)
    if isinstance(kind, click.types.IntParamType):
        return draw.choice(WHOLE)
    if isinstance(kind, click.Choice):
        return draw.choice([*map(str, kind.choices), "", "x", str(draw.choice(list(kind.choices))).upper()])
    return draw.choice(PATHS if isinstance(kind, click.Path) else WORDS)


def toml_words(command: click.Command, draw: random.Random) -> list[str]:
    """`--config` with a file of typed values, which it writes."""
    names = [option.removeprefix("--") for parameter in command.params for option in parameter.opts]
    lines = [f"{draw.choice(names)} = {_toml(draw.choice(TYPED))}" for _ in range(draw.randint(1, 3))]
    lines += draw.sample(
        ["a = " + "[" * 5000, "a = " + "9" * 5000, "[x]", "d = 1979-05-27", "= 1"], draw.random() < 0.1
    )
    Path("fuzz.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["--config", "fuzz.toml"]


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_toml(inside)}" for name, inside in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return str(value) if isinstance(value, float) else json.dumps(value)


def words_of(
    path: tuple[str, ...], command: click.Command, base: Base | None, draw: random.Random, most: int
) -> list[str]:
    """A command line: a good one, where there is a base, with some of it made bad, `most` flags or fewer."""
    words = [*path, *(base.words if base else ())]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    for parameter in draw.choices(options, k=min(most, draw.choice([0, 0, 1, 1, 2, 4]))) if options else ():
        words += bad_words(parameter, draw)
    bolder = most > 1
    if bolder and any("--config" in parameter.opts for parameter in options) and draw.random() < 0.2:
        words += toml_words(command, draw)
    if base is None or (bolder and draw.random() < 0.1):
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                words += bad_words(parameter, draw)
    if bolder and draw.random() < 0.1 and len(words) > len(path):
        del words[draw.randrange(len(path), len(words))]
    return words


def attempt(number: int, seed: int, ground: Path, folder: Path) -> dict[str, Any]:
    """Run a try in this process, which is a child made for it."""
    draw = random.Random(f"{seed} {number}")
    known = {path: command for path, command in commands(cli.main.main).items() if path not in ENDLESS}
    path = list(known)[number % len(known)]
    bases = [base for base in BASES if base.path == path]
    base = draw.choice(bases) if bases else None
    for root in {*(base.roots if base else ()), *draw.sample(["pairs", "net", "manifest.jsonl"], 1)}:
        target = folder / root
        (shutil.copytree if (ground / root).is_dir() else shutil.copy)(ground / root, target)
    os.chdir(folder)
    strange_files()
    told = [damage(draw, [Path(root) for root in base.roots])] if base and base.roots and draw.random() < 0.6 else []
    words = words_of(path, known[path], base, draw, most=1 if told else 4)
    without_network()
    result = CliRunner().invoke(cli.main.main, words)
    trace = ""
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        trace = "".join(traceback.format_exception(result.exception))
    shown = " ".join(word if len(word) < 80 else f"{word[:20]}..." for word in words)
    said = {"code": result.exit_code, "trace": trace, "output": result.output, "error": result.stderr}
    return said | {"command": ascii(f"{'; '.join(told)} | {shown}")}


def strange_files() -> None:
    """What a name may lead to that is no good file."""
    os.mkfifo("pipe")
    Path("folder").mkdir()
    Path("loop").symlink_to("loop")
    Path("dangling").symlink_to("nowhere")
    Path("device").symlink_to("/dev/zero")  # by a link: what is put in its place is put into this folder
    Path("empty").touch()
    Path("noise").write_bytes(random.Random(0).randbytes(2000))


def without_network() -> None:
    """Nothing may be fetched, by npm or from Hugging Face neither."""
    os.environ["PATH"] = ""
    constants.HF_HUB_OFFLINE = True

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("there is no network here")

    socket.socket.connect = socket.getaddrinfo = refuse  # type: ignore[assignment, method-assign]


def judged(said: dict[str, Any], folder: Path) -> str:
    """What is wrong with the end of a try; nothing if it is good."""
    if said["trace"] or "Traceback (most recent call last)" in said["output"]:
        return "stack trace"
    if said["code"] not in GOOD_CODES:
        return f"exit code {said['code']}"
    lines = [line for line in said["error"].splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("Error: ")]
    if said["code"] == 2 and (len(errors) != 1 or lines[-1] != errors[0]):
        return "not one line of error"
    if [file.name for file in folder.parent.iterdir()] != [folder.name]:
        return "a file outside its folder"
    return ""


@dataclass
class Running:
    """A child, and what it has said so far."""

    number: int
    child: int
    parent: tempfile.TemporaryDirectory[str]
    start: float
    text: bytes = b""

    @property
    def folder(self) -> Path:
        """Where it works."""
        return Path(self.parent.name) / "work"


def begin(number: int, seed: int, ground: Path) -> tuple[int, Running]:
    """Start a try in a child; what it says comes from the file descriptor."""
    parent = tempfile.TemporaryDirectory(prefix="srpnet-fuzz-", ignore_cleanup_errors=True)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(reading)
        os.dup2(os.open(os.devnull, os.O_RDWR), 2)
        folder = Path(parent.name) / "work"
        folder.mkdir()
        try:
            said = attempt(number, seed, ground, folder)
        except BaseException:
            said = {"code": None, "trace": traceback.format_exc(), "output": "", "error": "", "command": "(the fuzz)"}
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(json.dumps(said).encode())
        os._exit(0)
    os.close(writing)
    return reading, Running(number, child, parent, time.monotonic())


def end(running: Running, too_long: str = "") -> Outcome:
    """What a child's end says."""
    if too_long:
        os.killpg(running.child, signal.SIGKILL)
    os.waitpid(running.child, 0)
    seconds = time.monotonic() - running.start
    with running.parent:
        if too_long or not running.text:
            return Outcome(running.number, "", too_long or "the process died", None, seconds)
        said = json.loads(running.text)
        complaint = judged(said, running.folder)
    return Outcome(running.number, said["command"], complaint, said["code"], seconds, said["output"] + said["trace"])


def fuzz(numbers: Sequence[int], seed: int = 0, limit: float = 60.0, workers: int = 2) -> Iterator[Outcome]:
    """Run tries, a few at a time, in children of this process."""
    torch.set_num_threads(1)
    waiting, running = list(reversed(numbers)), dict[int, Running]()
    with tempfile.TemporaryDirectory(prefix="srpnet-fuzz-") as ground, selectors.DefaultSelector() as selector:
        build(Path(ground))
        while waiting or running:
            while waiting and len(running) < workers:
                reading, started = begin(waiting.pop(), seed, Path(ground))
                running[reading] = started
                selector.register(reading, selectors.EVENT_READ)
            for key, _ in selector.select(timeout=0.2):
                if said := os.read(key.fd, 1 << 16):
                    running[key.fd].text += said
                else:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    yield end(running.pop(key.fd))
            for reading, late in list(running.items()):
                if time.monotonic() - late.start > limit:
                    selector.unregister(reading)
                    os.close(reading)
                    yield end(running.pop(reading), f"longer than {limit:g} s")


@click.command()
@click.option("--tries", default=1000, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--limit", default=60.0, show_default=True, help="Seconds a try may take.")
@click.option("--workers", default=2, show_default=True, help="Tries at a time.")
@click.option("--only", type=int, help="Repeat this try, and show all that it prints.")
def command(tries: int, seed: int, limit: float, workers: int, only: int | None) -> None:
    """Throw bad values and damaged files at every command; exit code 1 if a try fails."""
    codes, failed = Counter[str](), 0
    for outcome in fuzz(range(tries) if only is None else [only], seed, limit, workers):
        codes[str(outcome.code)] += 1
        if outcome.complaint or only is not None:
            failed += bool(outcome.complaint)
            print(f"{outcome.number}: {outcome.complaint or 'passed'} ({outcome.seconds:.1f} s): {outcome.command}")
            lines = [line for line in outcome.output.splitlines() if line.strip()]
            print("\n".join(f"    {ascii(line)[1:-1]}" for line in (lines if only is not None else lines[-4:])))
    print(f"{sum(codes.values())} tries, {failed} failed; exit codes {dict(sorted(codes.items()))}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    command()
