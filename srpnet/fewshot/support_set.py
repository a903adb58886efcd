"""Prototypes and examples of supports: all that segments other photographs, to be saved and loaded.

Letters in names: S supports, N ways, P = N + 1 classes with background, C channels, D channels of the deepest stage.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn.functional import normalize

from episodes.checks import shown
from episodes.errors import InputError
from episodes.fewshot.geometry import LARGEST_SIZE
from episodes.files import atomic_write
from episodes.inputs import check_regular, parse_json
from srpnet.fewshot.fitted_head import Head
from srpnet.fewshot.presence import examples
from srpnet.fewshot.prototypes import Pooled, counted, joined, mean_prototypes

if TYPE_CHECKING:
    from srpnet.fewshot.predictor import Predictor

FORMAT = "srpnet supports 1"
LARGEST_FILE = 16 << 20
"""Bytes: 254 classes of a network of 8192 channels would take half of it, a usual set some ten thousand."""
LONGEST_NAME = 200
ABOUT = ("names", "size", "fingerprint", "network_sha256")
"""The attributes in the head of a file."""
MOST_SHOTS = 1_000_000
AFAR_CHANNELS = 512
"""Of the stage by which objects are searched, in every network."""
FIX = "save the examples again"


class Shots(NamedTuple):
    """Masked averages of supports, each alone.

    Attributes:
        pooled: Of each class.
        objects_SND: Of each way, see `Recogniser.shown`; None if neither presence nor regions are asked for.
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
        examples_ND: What presence and regions are compared with, unit vectors; None if neither is asked for.
        head: What was fitted to the supports; None if nothing was.
        shots_P: How many supports are behind each prototype, float32; None in files of earlier versions.
        lengths_N: Of the sums of the supports' unit vectors, whose directions are the examples; None as they are.
        present_above_N: Below which presence a class may not be there; None where nobody asked.
        afar_ND: What objects look like that are too small for the network, see `srpnet.apps.looks.search`: unit
            vectors; likewise.
        names: What the classes are called.
        size: Longer side of the photographs for the network, in pixels.
        fingerprint: Of the examples, the network and the size, see `Segmenter.fingerprint`.
        network_sha256: Content hash of the network's weights.

    The last four are empty or 0 where nobody asks for them, as in evaluation.
    """

    prototypes_PC: Tensor
    examples_ND: Tensor | None = None
    head: Head | None = None
    shots_P: Tensor | None = None
    lengths_N: Tensor | None = None
    present_above_N: Tensor | None = None
    afar_ND: Tensor | None = None
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
        pooled, objects = joined([shot.pooled for shot in shots]), [shot.objects_SND for shot in shots]
        supports = cls(
            mean_prototypes(pooled, membership_SN, ids), shots_P=counted(pooled, membership_SN).sum(0).float(), **about
        )
        known = [each for each in objects if each is not None]
        return supports.with_examples(torch.cat(known), membership_SN) if known else supports

    def with_examples(self, objects_SND: Tensor, membership_SN: Tensor) -> Self:
        """The same with what presence compares with.

        Args:
            objects_SND: What each support shows, see `Recogniser.shown`.
            membership_SN: See `of`.
        """
        lengths_N = torch.linalg.vector_norm((objects_SND * membership_SN[..., None]).sum(0), dim=1)
        return replace(self, examples_ND=examples(objects_SND, membership_SN), lengths_N=lengths_N)

    def joined_with(self, other: "SupportSet") -> Self:
        """The set of the supports of both, as if they had been shown together, up to rounding.

        A fitted head is lost, and thresholds of presence are weighted means: what the supports of one make of the
        other's is not known. Classes of one name are one; new ones come behind those that there are.

        Raises:
            InputError: if one was saved by an earlier version, or they differ in size or network.
        """
        if (self.size, self.network_sha256) != (other.size, other.network_sha256):
            raise InputError("examples that were shown to other networks, or at another size, cannot be joined")
        if self.shots_P is None or other.shots_P is None:
            raise InputError(f"these examples were saved by an earlier version, without their number: {FIX}")
        names = tuple(dict.fromkeys(self.names + other.names))
        ways = [[names.index(name) for name in names_of] for names_of in (self.names, other.names)]
        mine, theirs = ([0, *(way + 1 for way in some)] for some in ways)
        prototypes_PC = _added(
            len(names) + 1,
            (mine, self.prototypes_PC * self.shots_P[:, None]),
            (theirs, other.prototypes_PC * other.shots_P[:, None]),
        )
        shots_P = _added(len(names) + 1, (mine, self.shots_P), (theirs, other.shots_P))
        digest = hashlib.sha256(f"{self.fingerprint} {other.fingerprint}".encode()).hexdigest()
        both = replace(
            self,
            prototypes_PC=prototypes_PC / shots_P.clamp(min=1)[:, None],
            examples_ND=None,
            head=None,
            shots_P=shots_P,
            lengths_N=None,
            present_above_N=None,
            afar_ND=None,
            names=names,
            fingerprint=digest[:12],
        )
        if (mine_ND := self._sums_ND) is not None and (theirs_ND := other._sums_ND) is not None:
            sums_ND = _added(len(names), (ways[0], mine_ND), (ways[1], theirs_ND))
            lengths_N = torch.linalg.vector_norm(sums_ND, dim=1)
            both = replace(both, examples_ND=normalize(sums_ND, dim=1), lengths_N=lengths_N)
        if self.present_above_N is not None and other.present_above_N is not None:
            above_N = _added(
                len(names),
                (ways[0], self.present_above_N * self.shots_P[1:]),
                (ways[1], other.present_above_N * other.shots_P[1:]),
            )
            both = replace(both, present_above_N=above_N / shots_P[1:].clamp(min=1))
        if self.afar_ND is not None and other.afar_ND is not None:
            afar_ND = _added(
                len(names),
                (ways[0], self.afar_ND * self.shots_P[1:, None]),
                (ways[1], other.afar_ND * other.shots_P[1:, None]),
            )
            both = replace(both, afar_ND=normalize(afar_ND, dim=1))
        return both

    @property
    def _sums_ND(self) -> Tensor | None:
        """The sums of which the examples are the directions."""
        if self.examples_ND is None or self.lengths_N is None:
            return None
        return self.examples_ND * self.lengths_N[:, None]

    def save(self, path: Path | str) -> None:
        """Write a safetensors file, of some ten kilobytes for a class, and fifteen more with a fitted head.

        Raises:
            InputError: if it cannot be written.
        """
        about = {"format": FORMAT, **{name: getattr(self, name) for name in ABOUT}}
        tensors = {
            "prototypes": self.prototypes_PC,
            "examples": self.examples_ND,
            "shots": self.shots_P,
            "lengths": self.lengths_N,
            "present_above": self.present_above_N,
            "afar": self.afar_ND,
        }
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
        supports = cls.read(path)
        if supports.network_sha256 != predictor.sha256:
            raise InputError(
                f"{path} holds examples of another network ({supports.network_sha256[:12]}, not "
                f"{predictor.sha256[:12]}): use that network"
            )
        network, head = predictor.network, supports.head
        for name, value, channels in (
            ("prototypes", supports.prototypes_PC, network.channels),
            ("examples", supports.examples_ND, network.backbone.channels[-1]),
            ("afar", supports.afar_ND, AFAR_CHANNELS),
            ("head", head and head.weights_ND, network.channels + sum(network.backbone.channels) + 1),
        ):
            if value is not None and value.shape[1] != channels:
                raise InputError(_unreadable(path, f"{name!r} is {value.dtype} {tuple(value.shape)}"))
        device = predictor.runtime.device
        moved: dict[str, Any] = {
            name: value.to(device) for name, value in vars(supports).items() if isinstance(value, Tensor)
        }
        return replace(supports, **moved, head=head and head._replace(weights_ND=head.weights_ND.to(device)))

    @classmethod
    def read(cls, path: Path | str) -> Self:
        """The set in a file, bit for bit, whatever its network; the file is not trusted.

        Raises:
            InputError: if it is no such file.
        """
        check_regular(path)
        try:
            if Path(path).stat().st_size > LARGEST_FILE:
                raise ValueError("it is too large")
            with safe_open(path, "pt") as file:
                about, names = _about(file.metadata() or {}), file.keys()
                tensors = {name: file.get_tensor(name) for name in names}
            ways = len(about["names"])
            axes: dict[str, tuple[int | None, ...]] = {"prototypes": (ways + 1, None), "examples": (ways, None)}
            axes |= {"shots": (ways + 1,), "lengths": (ways,), "present_above": (ways,), "afar": (ways, None)}
            axes |= {"head": (ways, None), "head_share": (1,)}
            for name, value in tensors.items():
                shape = tuple(value.shape)
                fits = name in axes and len(shape) == len(axes[name]) and shape[0] == axes[name][0]
                if value.dtype != torch.float32 or not fits:
                    raise ValueError(f"{shown(name)} is {value.dtype} {shape}")
                if not value.isfinite().all():
                    raise ValueError(f"{name} holds NaN or infinity")
            for name in ("shots", "lengths", "present_above"):
                if name in tensors and not 0 <= float(tensors[name].min()) <= float(tensors[name].max()) <= MOST_SHOTS:
                    raise ValueError(f"{name} are out of range")
            head = None
            if "head" in tensors:
                head = Head(tensors["head"], float(tensors["head_share"]))
                if not 0 < head.share <= 1:
                    raise ValueError(f"the share of its head is {head.share}")
            return cls(
                tensors["prototypes"],
                tensors.get("examples"),
                head,
                tensors.get("shots"),
                tensors.get("lengths"),
                tensors.get("present_above"),
                tensors.get("afar"),
                **about,
            )
        except InputError:
            raise
        except KeyError as error:
            raise InputError(f"{path} holds no {error.args[0]}: {FIX}") from None
        except Exception as error:  # safetensors has its own error type for a damaged file
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(_unreadable(path, reason)) from None


def _added(count: int, *parts: tuple[list[int], Tensor]) -> Tensor:
    """The sum of several tensors, whose rows belong to these rows of it."""
    total = parts[0][1].new_zeros(count, *parts[0][1].shape[1:])
    for rows, values in parts:
        total[rows] += values
    return total


def _unreadable(path: Path | str, reason: str) -> str:
    return f"{path} cannot be read as saved examples ({reason}): {FIX}"


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
