"""Train a face parser: `srpnet faces train` as a plain function."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from episodes.data.remarks import check_remarks
from episodes.data.sets.faces import Faces
from episodes.data.source import OnProgress, silent
from episodes.errors import InputError
from episodes.files import check_folder, clear_parts, locked, write_json
from srpnet.faces.batches import FaceItems, canvas_bytes, read_canvases
from srpnet.faces.parser import FaceParser
from srpnet.faces.saving import load_parser
from srpnet.faces.settings import FaceTrainSettings
from srpnet.faces.trainable import PHASES
from srpnet.nn.device import runtime
from srpnet.training import state
from srpnet.training.log import Progress
from srpnet.training.run import TrainingRun

OnLog = Callable[[str, Progress], None]
"""Called with the phase and the progress."""


def run_training(
    settings: FaceTrainSettings,
    out: Path,
    resume: bool = False,
    say: Callable[[str], None] = print,
    on_log: OnLog = lambda *_: None,
    on_progress: OnProgress = silent,
) -> Path:
    """Train a parser phase by phase; the folder that holds it is returned.

    Each phase is a run of its own, in a folder of its name below `out`, the last one in `out`: each folder holds the
    parser as it is then. `out/parts` is the parser before it is trained end to end. With `resume` finished phases are
    passed by, and the one that was stopped goes on.

    Raises:
        InputError: if settings or data are wrong, or `out` holds another run, or is being used.
        Interrupted: if asked to stop; the state is saved.
    """
    check_folder(out)
    with locked(out, "trained"):
        _train(settings, out, resume, say, on_log, on_progress)
    return out


def _train(
    settings: FaceTrainSettings,
    out: Path,
    resume: bool,
    say: Callable[[str], None],
    on_log: OnLog,
    on_progress: OnProgress,
) -> None:
    phases = [phase for phase in PHASES[settings.parser.cropper] if phase.steps(settings)]
    folders = [out / phase.name for phase in phases[:-1]] + [out]
    begun = [state.exists(folder) for folder in folders]
    if any(begun) and not resume:
        raise InputError(f"{out} already holds a run: go on with `resume`, or name another `out`")
    for folder in folders:
        clear_parts(folder)
    source = Faces(settings.data.partition(":")[2], on_progress=on_progress)
    check_remarks(source.name, source.remarks("train"), strict=False)
    usable = [id for id in source.ids("train") if source.has(id)]
    ids = usable[: len(usable) - settings.hold_back]
    if len(ids) < settings.training.batch:
        raise InputError(f"{source.name} has {len(ids)} faces for training, fewer than `batch`: use a smaller one")
    machine = runtime(settings.device, settings.precision)
    trained_on = {"data": source.layout.name, "faces": len(ids), "seed": settings.seed}
    parser = FaceParser(replace(settings.parser, trained_on=trained_on), settings.seed)
    if settings.start is not None:
        begin_with(parser, load_parser(settings.start), say)
    parser.place(machine.device)
    say(f"{len(ids)} faces of {source.name} ({source.layout.name}); {machine}")
    in_memory = canvas_bytes(len(ids), settings.parser.canvas) <= settings.cache_limit * 1e9
    kept = read_canvases(source, ids, settings.parser.canvas, machine.device, on_progress) if in_memory else None
    write_json(out / "settings.json", asdict(settings))
    for phase, folder, resumed in zip(phases, folders, begun, strict=True):
        trainable = phase(parser, settings, kept, machine)
        items = FaceItems(
            source, ids, settings.parser.canvas, settings.augmentation, settings.seed, phase.name, in_memory
        )
        run = TrainingRun(trainable, folder, resume=resumed, identity=settings)
        run.train(items, partial(on_log, phase.name), on_step=partial(on_progress, f"Training: {phase.name}"))


def begin_with(parser: FaceParser, start: FaceParser, say: Callable[[str], None] = print) -> None:
    """Give a parser the weights of another; those of another shape, as for another input, stay as they are."""
    own, other = parser.state_dict(), start.state_dict()
    fitting = {name: value for name, value in other.items() if name in own and own[name].shape == value.shape}
    parser.load_state_dict(fitting, strict=False)
    if left := [name for name in own if name not in fitting]:
        say(f"Not in the parser to begin with, or of another shape there: {', '.join(left)}")
