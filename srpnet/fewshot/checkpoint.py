"""Networks by name."""

from pathlib import Path

from episodes.errors import InputError
from srpnet.fewshot.network import SRPNet, build
from srpnet.fewshot.settings import TRAINING_FREE
from srpnet.models import is_face_parser, released


def load_network(checkpoint: str | Path | None) -> SRPNet:
    """A network by folder, name of a released model, or Hugging Face name; None or `training-free` learned nothing.

    `owner/name@revision` is that branch, tag or commit on Hugging Face. A commit alone never changes.

    Raises:
        InputError: if there is no such checkpoint, or its weights cannot be had.
    """
    if checkpoint is None or checkpoint == "training-free":
        return build(TRAINING_FREE)
    name, _, revision = str(checkpoint).partition("@")
    folder = Path(checkpoint)
    if not folder.is_dir():
        folder = released().get(str(checkpoint), folder)
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder} holds no config.json: name a folder that `srpnet train` wrote")
        if is_face_parser(folder):
            raise InputError(f"{checkpoint} is a face parser: use it with `srpnet faces`, or name another checkpoint")
    elif name.count("/") != 1 or name.startswith(("/", ".", "~")) or folder.parent.is_dir():
        raise InputError(
            f"there is no checkpoint {checkpoint}: name a model of `srpnet models`, or a folder of `srpnet train`"
        )
    try:
        if folder.is_dir():
            return SRPNet.from_pretrained(folder)
        return SRPNet.from_pretrained(name, revision=revision or None)
    except InputError:
        raise
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:  # of a config.json that is none
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"checkpoint {checkpoint} cannot be loaded: {reason}") from None
