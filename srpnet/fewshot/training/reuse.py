"""Features of a frozen backbone, computed once for each photograph and trained on many times (`--reuse-features`).

The backbone's levels are kept, each at its own stride: with a training stride of 16 they take less than half of the
memory of the pyramid that would be made of them, see `reduced_levels`.

Letters in names: V versions of photographs, L numbers of all levels, h w cells and C channels of one level.
"""

import math
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from episodes.errors import InputError
from episodes.fewshot.episode import Episode, EpisodeSpec, Photograph, PreparedPhotograph
from episodes.fewshot.scenes.loading import EpisodeList
from episodes.threads import map_in_threads
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.training.levels import level_shapes, levels, packed
from srpnet.fewshot.training.settings import Reuse
from srpnet.nn.device import Runtime

FEATURES = ".features-"
"""Prefix of the folder with the file of features, which is removed as soon as the file is open."""
CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how much memory a container may take, by version 2 and 1 of its control groups."""
AUTO_SHARE = 0.4
"""Of the machine's memory, what `auto` takes at most."""


class Version(NamedTuple):
    """A photograph as it is, or mirrored."""

    id: str
    mirrored: bool


class ReusedEpisodes:
    """Episodes whose photographs come with the levels of the frozen backbone, in the place of their pixels.

    A photograph may come mirrored, as its features can be computed for both versions; what cannot be, see
    `FewShotTrainSettings.reuse_obstacle`.

    Args:
        episodes: With what augmentation; of one geometry that stretches.
        indices: Those that will be asked for. What they show is known before anything is loaded.
        network: With a frozen backbone. It is put into training mode, whose stride the features have.
        runtime: Device and precision.
    """

    def __init__(self, episodes: EpisodeList, indices: Sequence[int], network: SRPNet, runtime: Runtime) -> None:
        self._episodes, self._network, self._runtime = episodes, network.train(), runtime
        self._first_use: dict[Version, tuple[int, int]] = {}
        self._uses = 0
        for index in indices:
            for slot, version in enumerate(self._versions(episodes.sampler.spec(index))):
                self._first_use.setdefault(version, (index, slot))
                self._uses += 1
        self._photographs: dict[Version, PreparedPhotograph] = {}

    @property
    def shape(self) -> tuple[int, int]:
        """(V, L) of all features together."""
        size = self._episodes.loader.geometry.size
        return len(self._first_use), sum(map(math.prod, level_shapes(self._network, (size, size))))

    @property
    def nbytes(self) -> int:
        """How large they are: two bytes a number in bfloat16, else four, and a byte a pixel for the label map."""
        return math.prod(self.shape) * self._dtype.itemsize + self.shape[0] * self._episodes.loader.geometry.size**2

    @property
    def _dtype(self) -> torch.dtype:
        return torch.bfloat16 if self._runtime.precision == "bf16" else torch.float32

    @property
    def pays(self) -> bool:
        """Whether the backbone runs less often than if features were computed at every step."""
        return self._uses > len(self._first_use)

    def fits(self, limit: float) -> bool:
        """Whether `auto` would keep them in memory: below the limit in gigabytes, and a part of the machine's."""
        processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        return self.nbytes <= min(limit * 2**30, AUTO_SHARE * machine_memory() / processes)

    def check(self, where: Reuse, folder: Path, limit: float) -> None:
        """See whether there is room, before anything is loaded; see `compute`.

        Raises:
            InputError: if they are larger than the limit, or the disk has no room.
        """
        size = self.nbytes / 2**30
        if size > limit:
            raise InputError(
                f"the features of {self.shape[0]} photographs take {size:.1f} GB, and `cache_limit` is {limit:g}: "
                "raise it, or leave out `reuse_features`"
            )
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
        free = shutil.disk_usage(existing).free / 2**30
        if where == "disk" and size > free:
            raise InputError(
                f"{folder} has room for {free:.1f} GB, and the features take {size:.1f}: free disk space, or leave out "
                "`reuse_features`"
            )

    @torch.no_grad()
    def compute(
        self, where: Reuse, folder: Path, limit: float, on_done: Callable[[int, int], None] = lambda *_: None
    ) -> None:
        """Run the backbone over all versions.

        Args:
            where: `memory`, or `disk`: a file in the folder, which is gone when the process ends.
            folder: On a disk with room.
            limit: The most gigabytes (2^30 bytes) that they may take.
            on_done: Called with the number of photographs done, and of all.

        Raises:
            InputError: if there is no room, see `check`, or a photograph cannot be loaded.
        """
        self.check(where, folder, limit)
        features_VL = self._in_file(folder) if where == "disk" else torch.empty(self.shape, dtype=self._dtype)
        loaded, valid = map_in_threads(self._load, self._first_use), None
        labels_VHW: Tensor | None = None
        for row, (version, photograph) in enumerate(zip(self._first_use, loaded, strict=True)):
            with self._runtime.autocast():
                features_VL[row] = packed(levels(self._network, photograph.image[None].to(self._runtime.device)))
            valid = photograph.valid if valid is None else valid  # all of them are, and one says so for all
            if labels_VHW is None:
                # In one piece: small maps that stay, among large ones that go, keep a thread's memory from being freed.
                labels_VHW = photograph.labels.new_empty(self.shape[0], *photograph.labels.shape)
            labels_VHW[row] = photograph.labels
            original = photograph.original.new_empty(0, 0)
            self._photographs[version] = PreparedPhotograph(
                version.id, features_VL[row], labels_VHW[row], valid, photograph.placement, original
            )
            on_done(row + 1, self.shape[0])

    def __getitem__(self, index: int) -> Episode:
        episode = self._episodes[index]
        versions = self._versions(episode.spec)
        return replace(episode, load=lambda _, slot: self._photographs[versions[slot]], origin=None)

    def _versions(self, spec: EpisodeSpec) -> list[Version]:
        """What each slot of an episode shows."""
        mirrors = self._episodes.loader.mirrors
        return [Version(id, mirrors(spec.index, slot)) for slot, id in enumerate(spec.slots)]

    def _load(self, version: Version) -> Photograph:
        index, slot = self._first_use[version]
        photograph = self._episodes[index].load(version.id, slot)
        assert isinstance(photograph, Photograph)  # by the loader
        return photograph

    def _in_file(self, folder: Path) -> Tensor:
        try:
            # The name goes at once, and the space with the last process that uses it, however that ends.
            with tempfile.TemporaryDirectory(prefix=FEATURES, dir=folder, ignore_cleanup_errors=True) as temporary:
                file, numbers = Path(temporary) / "features", math.prod(self.shape)
                with file.open("wb") as new:
                    if hasattr(os, "posix_fallocate"):  # takes all the room now: a disk that fills up later is a crash
                        os.posix_fallocate(new.fileno(), 0, numbers * self._dtype.itemsize)
                return torch.from_file(str(file), True, numbers, dtype=self._dtype).view(self.shape)
        except (OSError, RuntimeError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise InputError(f"features cannot be kept in {folder} ({reason}): name another folder") from None


def clear_features(folder: Path) -> None:
    """Remove what a process left in a folder that was killed before the name of its file was gone."""
    for old in folder.glob(f"{FEATURES}*"):
        shutil.rmtree(old, ignore_errors=True)


def machine_memory(limits: Sequence[Path] = CONTAINER_LIMITS) -> int:
    """Bytes of memory that this process may take: the machine's, or its container's; 8 GB where nobody says."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        memory = 8 << 30
    for file in limits:
        with suppress(OSError, ValueError):  # it is not there, or says "max"
            memory = min(memory, int(file.read_text()))
    return memory
