"""A parser in a folder: `config.json` and `model.safetensors`."""

from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import load_file, save

from episodes.errors import InputError
from episodes.files import atomic_write, write_json
from episodes.inputs import check_regular, read_json
from episodes.settings import from_mapping
from srpnet.faces.parser import FaceParser
from srpnet.faces.settings import ParserSettings
from srpnet.models import is_face_parser, released

FIX = "name a face parser of `srpnet models`, or a folder that `srpnet faces train` wrote"


def write(parser: FaceParser, folder: Path, small: bool = False) -> None:
    """Write both files, each atomically; `small` rounds the weights of layers, not of BatchNorm, to half precision.

    Raises:
        InputError: if the folder cannot be written.
    """
    state = {
        name: value.to(torch.float16 if small and value.dim() > 1 else value.dtype).contiguous().cpu()
        for name, value in parser.state_dict().items()
    }
    write_json(folder / "config.json", asdict(parser.config))
    with atomic_write(folder / "model.safetensors") as temporary:
        temporary.write_bytes(save(state, {"format": "pt"}))


def load_parser(checkpoint: str | Path) -> FaceParser:
    """A parser by its folder or the name of a released one, in evaluation mode; the files are not trusted.

    Raises:
        InputError: if there is none, or settings or weights are wrong, NaN or infinite, or do not fit each other.
    """
    folder = Path(checkpoint)
    if not folder.is_dir():
        folder = released().get(str(checkpoint), folder)
    content = read_json(folder / "config.json", FIX)
    if not is_face_parser(folder):
        raise InputError(f"{folder} is not a face parser: {FIX}")
    try:
        config = from_mapping(ParserSettings, content, "it")
    except InputError as error:
        raise InputError(f"{folder / 'config.json'} cannot be loaded: {error}") from None
    file = folder / "model.safetensors"
    check_regular(file)
    try:
        state = load_file(file)
    except Exception as error:  # safetensors has its own error type for a damaged file
        raise InputError(f"{file} cannot be read ({error}): train it again or download another copy") from None
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
