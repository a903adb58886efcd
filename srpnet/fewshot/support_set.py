"""Prototypes and examples of supports: all that segments other photographs, to be saved and loaded.

Letters in names: S supports, N ways, P = N + 1 classes with background, C channels, D channels of the deepest stage.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from episodes.checks import shown
from episodes.errors import InputError
from episodes.fewshot.geometry import LARGEST_SIZE
from episodes.files import atomic_write
from episodes.inputs import check_regular, parse_json
from srpnet.fewshot.fitted_head import Head
from srpnet.fewshot.presence import examples
from srpnet.fewshot.prototypes import Pooled, joined, mean_prototypes

if TYPE_CHECKING:
    from srpnet.fewshot.predictor import Predictor

FORMAT = "srpnet supports 1"
LARGEST_FILE = 16 << 20
"""Bytes: 254 classes of a network of 8192 channels would take half of it, a usual set some ten thousand."""
LONGEST_NAME = 200
ABOUT = ("names", "size", "fingerprint", "network_sha256")
"""The attributes in the head of a file."""
FIX = "save the examples again"


class Shots(NamedTuple):
    """Masked averages of supports, each alone.

    Attributes:
        pooled: Of each class.
        objects_SND: Of each way, see `Recogniser.shown`; None if presence is not asked for.
        areas_SPhw: Of each cell the share that is each class; None if no head is fitted.
    """

    pooled: Pooled
    objects_SND: Tensor | None = None
    areas_SPhw: Tensor | None = None


@dataclass(frozen=True, eq=False)
class SupportSet:
    """The supports as one network sees them.

    Attributes:
        prototypes_PC: Background first, float32.
        examples_ND: What presence compares with, unit vectors; None if it is not asked for.
        head: What was fitted to the supports; None if nothing was.
        names: What the classes are called.
        size: Longer side of the photographs for the network, in pixels.
        fingerprint: Of the examples, the network and the size, see `Segmenter.fingerprint`.
        network_sha256: Content hash of the network's weights.

    The last four are empty or 0 where nobody asks for them, as in evaluation.
    """

    prototypes_PC: Tensor
    examples_ND: Tensor | None = None
    head: Head | None = None
    names: tuple[str, ...] = ()
    size: int = 0
    fingerprint: str = ""
    network_sha256: str = ""

    @classmethod
    def of(cls, shots: Sequence[Shots], membership_SN: Tensor, ids: Sequence[str] | None = None, **about: Any) -> Self:
        """The set of several supports, see `Predictor.shots`.

        Args:
            shots: S in all.
            membership_SN: bool, whether support s is a shot of way n.
            ids: Names of the supports, for the error.
            about: The other attributes.

        Raises:
            InputError: if a way has no pixel in any of its shots.
        """
        objects = [shot.objects_SND for shot in shots if shot.objects_SND is not None]
        return cls(
            mean_prototypes(joined([shot.pooled for shot in shots]), membership_SN, ids),
            examples(torch.cat(objects), membership_SN) if objects else None,
            **about,
        )

    def save(self, path: Path | str) -> None:
        """Write a safetensors file, of some ten kilobytes for a class, and fifteen more with a fitted head.

        Raises:
            InputError: if it cannot be written.
        """
        about = {"format": FORMAT, **{name: getattr(self, name) for name in ABOUT}}
        tensors = {"prototypes": self.prototypes_PC, "examples": self.examples_ND}
        if self.head is not None:
            tensors |= {"head": self.head.weights_ND, "head_share": torch.tensor([self.head.share])}
        kept = {name: value.float().cpu().contiguous() for name, value in tensors.items() if value is not None}
        with atomic_write(path) as temporary:
            temporary.write_bytes(save(kept, {"about": json.dumps(about)}))

    @classmethod
    def load(cls, path: Path | str, predictor: "Predictor") -> Self:
        """The set in a file, bit for bit, on the predictor's device; the file is not trusted.

        Raises:
            InputError: if it is no such file, or of another network.
        """
        check_regular(path)
        try:
            if Path(path).stat().st_size > LARGEST_FILE:
                raise ValueError("it is too large")
            with safe_open(path, "pt") as file:
                about, names = _about(file.metadata() or {}), file.keys()
                tensors = {name: file.get_tensor(name) for name in names}
            if about["network_sha256"] != predictor.sha256:
                raise InputError(
                    f"{path} holds examples of another network ({about['network_sha256'][:12]}, not "
                    f"{predictor.sha256[:12]}): use that network"
                )
            ways, network = len(about["names"]), predictor.network
            shapes = {
                "prototypes": (ways + 1, network.channels),
                "examples": (ways, network.backbone.channels[-1]),
                "head": (ways, network.channels + sum(network.backbone.channels) + 1),
                "head_share": (1,),
            }
            for name, value in tensors.items():
                if value.dtype != torch.float32 or value.shape != shapes.get(name):
                    raise ValueError(f"{shown(name)} is {value.dtype} {tuple(value.shape)}")
                if not value.isfinite().all():
                    raise ValueError(f"{name} holds NaN or infinity")
            tensors = {name: value.to(predictor.runtime.device) for name, value in tensors.items()}
            head = None
            if "head" in tensors:
                head = Head(tensors["head"], float(tensors["head_share"]))
                if not 0 < head.share <= 1:
                    raise ValueError(f"the share of its head is {head.share}")
            supports = cls(tensors["prototypes"], tensors.get("examples"), head, **about)
        except InputError:
            raise
        except KeyError as error:
            raise InputError(f"{path} holds no {error.args[0]}: {FIX}") from None
        except Exception as error:  # safetensors has its own error type for a damaged file
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(f"{path} cannot be read as saved examples ({reason}): {FIX}") from None
        return supports


def _about(metadata: dict[str, str]) -> dict[str, Any]:
    """The checked attributes in the head of a file."""
    about = parse_json(metadata["about"])
    if not isinstance(about, dict):
        raise ValueError("its header is not a table")
    if (version := about.pop("format", None)) != FORMAT:
        raise ValueError(f"its format is {shown(version)}, not {FORMAT!r}")
    if set(about) != set(ABOUT):
        raise ValueError("its header has other fields")
    names, size = about["names"], about["size"]
    if not isinstance(names, list) or not 1 <= len(names) <= 254 or len({*map(str, names)}) != len(names):
        raise ValueError("its class names are not a list of 1 to 254 different names")
    for name in names:
        if not isinstance(name, str) or not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
            raise ValueError(f"{shown(name)} is not a class name")
    if type(size) is not int or not 32 <= size <= LARGEST_SIZE:
        raise ValueError(f"its size is {shown(size)}")
    for field, digits in (("fingerprint", 12), ("network_sha256", 64)):
        if not isinstance(about[field], str) or not re.fullmatch(rf"[0-9a-f]{{{digits}}}", about[field]):
            raise ValueError(f"its {field} is {shown(about[field])}")
    return {**about, "names": tuple(names)}
