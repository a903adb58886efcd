"""Published archives: found or downloaded, checked, unpacked, made into a data folder that is there whole or not."""

import hashlib
import shutil
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from torchvision.datasets.utils import download_url

from episodes.data.source import OnProgress
from episodes.errors import InputError
from episodes.files import LOCK, check_folder, expanded, write_json
from episodes.inputs import check_regular, read_json

WORKSHOP = ".building"
"""What is not finished yet, inside the folder that is built."""
READY = "ready.json"
"""In the workshop: everything is made."""
FINISHED = "prepared.json"
"""Written last: what the folder was built of."""


@dataclass(frozen=True)
class Archive:
    """A file that a data set is published as.

    Attributes:
        name: Of the file.
        url: Where it is.
        md5: Its checksum as published, in hexadecimal.
        sha256: The same of a sum that cannot be forged; None if it is not known.
    """

    name: str
    url: str
    md5: str
    sha256: str | None = None


class Workshop:
    """Where a data folder is built. What is done stays done, so that a build which was stopped goes on.

    Args:
        root: The data folder.
        on_progress: Called with the progress.

    Raises:
        InputError: if the folder cannot be written, or holds something else.
    """

    def __init__(self, root: Path, on_progress: OnProgress) -> None:
        self.root, self.on_progress = expanded(root), on_progress
        check_folder(self.root, "root")
        self.folder = self.root / WORKSHOP
        held = (file for file in self.root.iterdir() if file.name != LOCK) if self.root.exists() else ()
        if not self.folder.exists() and any(held):
            what = "is complete already" if (self.root / FINISHED).exists() else "holds other files"
            raise InputError(f"{self.root} {what}: name an empty folder as `root`")
        self.folder.mkdir(parents=True, exist_ok=True)

    def unpacked(self, wanted: Sequence[Archive], given: Sequence[Path]) -> dict[Archive, Path]:
        """Archive -> the folder with its content. What is unpacked already needs no file any more.

        Args:
            wanted: All that it takes.
            given: Files that are there already. The others are downloaded, and deleted once they are unpacked.

        Raises:
            InputError: if a file that was given is none of these, one cannot be had or is damaged, or the disk is full.
        """
        folders = {archive: self.folder / "unpacked" / archive.name for archive in wanted}
        missing = [archive for archive in wanted if not folders[archive].exists()]
        by_sum = {archive.md5: archive for archive in wanted}
        found: dict[Archive, Path] = {}
        for file in given if missing else ():
            md5, sha256 = _checksums(file, self.on_progress)
            if (archive := by_sum.get(md5)) is None or archive.sha256 not in (None, sha256):
                known = " nor ".join(archive.name for archive in wanted)
                raise InputError(f"{file} is neither {known}, or is damaged (MD5 {md5}): download it again")
            found[archive] = file
        for archive in missing:
            file = found.get(archive) or self._downloaded(archive)
            self._unpack(file, folders[archive])
            if archive not in found:
                file.unlink()
        return folders

    def _downloaded(self, archive: Archive) -> Path:
        folder = self.folder / "archives"
        try:
            download_url(archive.url, str(folder), archive.name, archive.md5)  # nothing, if it is there and whole
        except (OSError, HTTPException, RuntimeError) as error:
            reason = getattr(error, "reason", error)
            raise InputError(
                f"{archive.url} cannot be downloaded ({reason}): download it another way and use `archives`"
            ) from None
        file = folder / archive.name
        if archive.sha256 not in (None, _checksums(file, self.on_progress)[1]):
            file.unlink()
            raise InputError(f"{archive.url} is not the published file, by its SHA-256: download it another way")
        return file

    def _unpack(self, file: Path, target: Path) -> None:
        part = target.with_name(f"{target.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        self.on_progress(f"Unpacking {file.name}", 0, 1)
        try:
            if zipfile.is_zipfile(file):
                shutil.unpack_archive(file, part, "zip")
            else:
                with tarfile.open(file) as opened:
                    opened.extractall(part, filter="data")
        except Exception as error:  # a damaged archive makes the readers raise nearly anything
            shutil.rmtree(part, ignore_errors=True)
            fix = "free disk space, or download it again"
            raise InputError(f"{file} cannot be unpacked into {part.parent} ({error}): {fix}") from None
        self.on_progress(f"Unpacking {file.name}", 1, 1)
        part.rename(target)

    @property
    def ready(self) -> bool:
        """Whether everything is made, and only `install` is left."""
        return (self.folder / READY).exists()

    def made(self, parts: Mapping[str, Path], archives: Sequence[Archive], counts: Mapping[str, int]) -> None:
        """Note that everything is made.

        Args:
            parts: Place in the data folder -> what belongs there.
            archives: What it was made of.
            counts: What is in it.
        """
        made_of = {
            archive.name: {"url": archive.url, "md5": archive.md5, "sha256": archive.sha256} for archive in archives
        }
        targets = {target: str(part.relative_to(self.folder)) for target, part in parts.items()}
        write_json(self.folder / READY, {"parts": targets, "archives": made_of, "counts": dict(counts)})

    def install(self) -> dict[str, int]:
        """Move the parts to their targets, say what the folder was built of, clear up, and return the counts."""
        content = read_json(self.folder / READY, f"remove {self.root} and build it again")
        try:
            for target, part in content.pop("parts").items():
                if (self.folder / part).exists():  # else an earlier try has moved it
                    (self.root / target).parent.mkdir(parents=True, exist_ok=True)
                    (self.folder / part).rename(self.root / target)
            write_json(self.root / FINISHED, content)
            for rest in self.folder.iterdir():  # what says that all is ready goes last
                if rest.name != READY:
                    shutil.rmtree(rest)
            shutil.rmtree(self.folder)
        except OSError as error:
            raise InputError(f"{self.root} cannot be finished ({error}): check the folder, and try again") from None
        counts: dict[str, int] = content["counts"]
        return counts


def _checksums(file: Path, on_progress: OnProgress) -> tuple[str, str]:
    """MD5 and SHA-256 of a file, in hexadecimal."""
    check_regular(file)
    digests, done = (hashlib.md5(usedforsecurity=False), hashlib.sha256()), 0
    try:
        total = file.stat().st_size
        with file.open("rb") as stream:
            while block := stream.read(1 << 24):
                for digest in digests:
                    digest.update(block)
                on_progress(f"Checking {file.name}", done := done + len(block), total)
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}): name an archive with `archives`") from None
    md5, sha256 = (digest.hexdigest() for digest in digests)
    return md5, sha256
