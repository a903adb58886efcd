"""Students in a folder: `config.json`, and `model.safetensors` with what was trained."""

from dataclasses import asdict
from pathlib import Path

from episodes.errors import InputError
from episodes.inputs import read_json
from episodes.settings import from_mapping
from srpnet.nn.saved import CONFIG, WEIGHTS, read_weights, write_trained
from srpnet.weak.settings import StudentSettings
from srpnet.weak.students import Students, build

FIX = "name a folder that `srpnet weak train` wrote"


def write(students: Students, folder: Path) -> None:
    """Write both files, each atomically. Frozen weights are named by the settings and not written.

    Raises:
        InputError: if the folder cannot be written.
    """
    trained = {name: value for name, value in students.named_parameters() if value.requires_grad}
    write_trained(folder, asdict(students.config), trained)


def read_config(folder: Path) -> StudentSettings:
    """The settings of students in a folder; the file is not trusted.

    Raises:
        InputError: if there is none, or it is of something else.
    """
    content = read_json(folder / CONFIG, FIX)
    if not isinstance(content, dict) or "architecture" not in content:
        raise InputError(f"{folder} does not hold students of DuPL: {FIX}")
    try:
        config = from_mapping(StudentSettings, {"pooling": "max"} | content, "it")  # all had it before one could choose
    except InputError as error:
        raise InputError(f"{folder / CONFIG} cannot be loaded: {error}") from None
    if not config.classes:
        raise InputError(f"{folder / CONFIG} names no classes: {FIX}")
    return config


def load_students(checkpoint: str | Path) -> Students:
    """Students by their folder, in evaluation mode; the files are not trusted.

    Raises:
        InputError: if there are none, or settings or weights are wrong, NaN or infinite, or do not fit each other, or
            the ImageNet weights that they started from cannot be had.
    """
    folder = Path(checkpoint)
    config = read_config(folder)
    file = folder / WEIGHTS
    state = read_weights(file)
    students = build(config)
    trained = {name for name, value in students.named_parameters() if value.requires_grad}
    if wrong := sorted(trained.symmetric_difference(state)):
        raise InputError(f"{file} does not fit its config.json: {wrong[0]} is in one of them alone")
    try:
        students.load_state_dict(state, strict=False)
    except RuntimeError as error:  # a tensor of another shape
        raise InputError(f"{file} does not fit its config.json: {str(error).splitlines()[-1].strip()}") from None
    for name, value in state.items():
        if not value.isfinite().all():
            raise InputError(f"{file} holds NaN or infinity in {name}: train it again or download another copy")
    return students.eval()
