"""What was trained, in a folder: `config.json` and `model.safetensors`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import Tensor

from episodes.errors import InputError
from episodes.files import atomic_write, write_json
from episodes.inputs import check_regular

CONFIG, WEIGHTS = "config.json", "model.safetensors"


def write_trained(folder: Path, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    """Write both files, each atomically.

    Raises:
        InputError: if the folder cannot be written.
    """
    write_json(folder / CONFIG, config)
    tensors = {name: value.detach().contiguous().cpu() for name, value in state.items()}
    with atomic_write(folder / WEIGHTS) as temporary:
        temporary.write_bytes(save(tensors, {"format": "pt"}))


def read_weights(file: Path) -> dict[str, Tensor]:
    """The tensors of a `model.safetensors`, by name; the file is not trusted, their names, shapes and values neither.

    Raises:
        InputError: if it is no regular file, or damaged.
    """
    check_regular(file)
    try:
        return load_file(file)
    except Exception as error:  # safetensors has its own error type for a damaged file
        raise InputError(f"{file} cannot be read ({error}): train it again or download another copy") from None
