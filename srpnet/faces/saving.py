"""A parser in a folder: `config.json` and `model.safetensors`."""

from dataclasses import asdict
from pathlib import Path

import torch

from episodes.errors import InputError
from episodes.inputs import read_json
from episodes.settings import from_mapping
from srpnet.faces.parser import FaceParser
from srpnet.faces.settings import ParserSettings
from srpnet.models import is_face_parser, released
from srpnet.nn.saved import CONFIG, WEIGHTS, read_weights, write_trained

FIX = "name a face parser of `srpnet models`, or a folder that `srpnet faces train` wrote"


def write(parser: FaceParser, folder: Path, small: bool = False) -> None:
    """Write both files, each atomically; `small` rounds the weights of layers, not of BatchNorm, to half precision.

    Raises:
        InputError: if the folder cannot be written.
    """
    state = {
        name: value.to(torch.float16 if small and value.dim() > 1 else value.dtype)
        for name, value in parser.state_dict().items()
    }
    write_trained(folder, asdict(parser.config), state)


def load_parser(checkpoint: str | Path) -> FaceParser:
    """A parser by its folder or the name of a released one, in evaluation mode; the files are not trusted.

    Raises:
        InputError: if there is none, or settings or weights are wrong, NaN or infinite, or do not fit each other.
    """
    folder = Path(checkpoint)
    if not folder.is_dir():
        folder = released().get(str(checkpoint), folder)
    content = read_json(folder / CONFIG, FIX)
    if not is_face_parser(folder):
        raise InputError(f"{folder} is not a face parser: {FIX}")
    try:
        config = from_mapping(ParserSettings, content, "it")
    except InputError as error:
        raise InputError(f"{folder / CONFIG} cannot be loaded: {error}") from None
    file = folder / WEIGHTS
    state = read_weights(file)
    parser = FaceParser(config)
    try:
        parser.load_state_dict(state)
    except RuntimeError as error:  # a tensor that is missing, or of another shape
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"{file} does not fit its config.json: {reason}") from None
    for name, value in parser.state_dict().items():
        if not value.isfinite().all() or (name.endswith("running_var") and (value < 0).any()):
            raise InputError(f"{file} holds an impossible value in {name}: train it again or download another copy")
    return parser.eval()
