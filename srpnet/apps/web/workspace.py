"""What one person shows on the page, and gets: photographs, what is marked in them, masks; in a folder of its own."""

import copy
import shutil
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from episodes.data.source import Array
from episodes.errors import InputError
from episodes.files import atomic_write
from episodes.names import alike
from srpnet.apps.examples.annotations import Mask
from srpnet.apps.examples.checks import SupportCheck
from srpnet.apps.examples.folder import MASK_ENDS
from srpnet.apps.examples.judgement import Tile
from srpnet.apps.examples.reading import check_names, class_names, together
from srpnet.apps.files.class_table import write_classes
from srpnet.apps.files.export import read_labels
from srpnet.apps.files.found_table import FoundTable
from srpnet.apps.files.output_names import check_outputs
from srpnet.apps.files.outputs import mask_path, output_paths, overlaid, write_outputs
from srpnet.apps.pictures.reading import read_photograph
from srpnet.apps.segmenter import Segmenter
from srpnet.apps.web.items import Item, check_dropped, copied, is_complete, kept
from srpnet.apps.web.marks import Painted, painting_of
from srpnet.apps.web.settings import AppSettings

WORKING = 1280
"""The longer side of a photograph that is painted on, in pixels."""
SMALL = 320
"""Of one in a gallery."""


class Opened(NamedTuple):
    """A photograph to paint on, what is painted already, and whether the rest of it is not the object."""

    photograph: Image.Image
    painting: Image.Image
    complete: bool


class Workspace:
    """What one person does.

    Args:
        segmenter: Whose network is used; what was shown to it is not.
        folder: A new one, for all files.
        settings: How much it takes.
    """

    def __init__(self, segmenter: Segmenter, folder: Path, settings: AppSettings) -> None:
        self._blank = copy.copy(segmenter)
        self.segmenter = copy.copy(segmenter)  # the network is shared; what is shown to a copy is its own
        self.folder, self.settings = folder, settings
        self.items: list[Item] = []
        self.names: tuple[str, ...] = ()
        """Of the classes that were shown; none while the examples are not enough."""
        self.closed = False
        (folder / "photographs").mkdir(parents=True)
        (folder / "small").mkdir()

    @property
    def out(self) -> Path:
        """The folder of the masks."""
        return self.folder / "masks"

    def close(self) -> None:
        """Forget everything."""
        self.closed = True
        self.items.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def worded(self, problem: object) -> str:
        """A message in which files are called as the person knows them."""
        return str(problem).replace(f"{self.folder / 'photographs'}/", "")

    # ------------------------------------------------------------------------------------------------- photographs

    def add(self, files: Iterable[Path], class_name: str = "object") -> list[str]:
        """Take files that were dropped. `a-mask.png` says where `a.jpg` shows the class, if that is there.

        Returns:
            A line for each that was not taken, and why.
        """
        problems, masks = list[str](), False
        for file in sorted(files, key=lambda file: file.stem.endswith(MASK_ENDS)):
            try:
                if (photograph := self._photograph_of(file)) is not None:
                    photograph.marks[class_name] = self._mask(file, photograph)
                    photograph.absent, photograph.small, masks = False, None, True
                else:
                    check_dropped(file, self.settings)
                    if len(self.items) == self.settings.photographs:
                        raise InputError(
                            f"{file.name}: the page takes {self.settings.photographs} photographs, no more"
                        )
                    self.items.append(Item(self._kept(file)))
            except (InputError, OSError) as problem:
                problems.append(str(problem).replace(str(file), file.name))
        if masks:
            try:
                self.learn()
            except InputError as problem:
                problems.append(str(problem))
        return problems

    def _photograph_of(self, mask: Path) -> Item | None:
        bases = {alike(mask.stem.removesuffix(end)) for end in MASK_ENDS if mask.stem.endswith(end)}
        return next((item for item in self.items if alike(item.path.stem) in bases), None)

    def _mask(self, file: Path, photograph: Item) -> Mask:
        mask = Mask(copied(file, self.folder / "photographs" / f".{photograph.path.stem}.mask{file.suffix}"))
        mask.labels(photograph.name, read_photograph(photograph.path))  # what is wrong with it is said now
        return mask

    def _kept(self, file: Path) -> Path:
        """The copy of a photograph, under a name that none of the others has."""
        taken, number, stem = {alike(item.path.stem) for item in self.items}, 2, file.stem
        while alike(stem) in taken:
            stem, number = f"{file.stem}-{number}", number + 1
        check_outputs(self.out, stem)
        return kept(file, self.folder / "photographs" / f"{stem}{file.suffix}")

    def remove(self, item: Item) -> None:
        """Forget a photograph."""
        self.items.remove(item)
        item.path.unlink(missing_ok=True)
        for file in output_paths(self.out, item.path.stem):
            file.unlink(missing_ok=True)
        if item.is_example:
            self.learn()

    # ---------------------------------------------------------------------------------------------------- examples

    def size(self, item: Item) -> tuple[int, int]:
        """Width and height of a photograph that is painted on."""
        return _shrunk(read_photograph(item.path), WORKING).size

    def open(self, item: Item, class_name: str) -> Opened:
        """A photograph, with what is marked in it or was found."""
        photograph = read_photograph(item.path)
        working = _shrunk(photograph, WORKING)
        labels, complete = np.zeros(working.size[::-1], dtype=np.uint8), True
        if class_name in item.marks:
            labels = _resized(item.marks[class_name].labels(item.name, photograph), working.size)
            complete = is_complete(item.marks[class_name])
        elif not item.is_example and class_name in self.names:
            labels = (self.found(item, working.size) == self.names.index(class_name) + 1).astype(np.uint8)
        return Opened(working, painting_of(labels), complete)

    def mark(self, item: Item, class_name: str, painting: Image.Image, complete: bool) -> None:
        """Take what was painted as an example. What was found of other classes in the photograph then is right, too.

        Args:
            item: The photograph.
            class_name: Of what is painted.
            painting: RGBA, of the size of `open`, see `Painted`.
            complete: The rest of the photograph is not the object.

        Raises:
            InputError: if nothing is painted, a class cannot be called so, or the examples are not enough yet.
        """
        class_name = class_name.strip()
        check_names(tuple(dict.fromkeys([*self._marked_names(), class_name])))
        painted, marks = Painted.of(painting, complete), dict(item.marks)
        if complete and not item.is_example:
            found = self.found(item, painting.size)
            for way, other in enumerate(self.names, start=1):
                rest = (found == way) & (painted.map == 0)
                if other != class_name and rest.any():
                    marks[other] = Painted(rest.astype(np.uint8))
        item.marks, item.absent, item.small = {**marks, class_name: painted}, False, None
        self.learn()

    def mark_absent(self, item: Item) -> None:
        """Take a photograph as an example that shows no class.

        Raises:
            InputError: if the examples are not enough yet.
        """
        item.marks, item.absent, item.small = {}, True, None
        self.learn()

    def unmark(self, item: Item) -> None:
        """Take a photograph for no example any more."""
        item.marks, item.absent, item.small = {}, False, None
        self.learn()

    def learn(self) -> None:
        """Show the examples to the network. Masks whose values would mean other classes now are forgotten.

        Raises:
            InputError: if they are not enough: none shows an object, or all of them leave no background.
        """
        before, self.names = self.names, ()
        order = sorted(self._marked_names(), key=lambda name: before.index(name) if name in before else len(before))
        if tuple(order) != before:
            shutil.rmtree(self.out, ignore_errors=True)
            for item in self.items:
                item.row = item.small = None
        if not order:
            self.segmenter = copy.copy(self._blank)
            return
        classes = {name: [(item.path, item.marks[name]) for item in self.items if name in item.marks] for name in order}
        self.segmenter.show(classes, [item.path for item in self.items if item.absent])
        self.names = tuple(order)

    def _marked_names(self) -> list[str]:
        return list(dict.fromkeys(name for item in self.items for name in item.marks))

    def judgement(self) -> list[SupportCheck]:
        """What the network makes of each example, see `SupportCheck`."""
        return [check._replace(name=Path(check.name).name) for check in self.segmenter.support_checks if self.names]

    def forecasts(self) -> list[str]:
        """What to expect of each class, in words; nothing where the network tells no presence."""
        if not self.names or self.segmenter.present_above is None:
            return []
        expected = zip(self.names, self.segmenter.forecast(), strict=True)
        return [each.summary(name if len(self.names) > 1 else "it") for name, each in expected]

    def judged(self) -> list[tuple[str, list[Tile]]]:
        """The name of each example; what was marked in it, and what is found by itself and by the others."""
        names = [check.name for check in self.judgement()]
        return list(zip(names, self.segmenter.example_tiles if names else (), strict=True))

    # ------------------------------------------------------------------------------------------------------- masks

    def segment(self, on_progress: Callable[[int, int], object] = lambda done, of: None) -> list[str]:
        """Segment all photographs that are not examples, or of which an example leaves something open.

        Returns:
            A line for each that cannot be segmented, and why.

        Raises:
            InputError: if there are no examples, or a file cannot be written.
        """
        self._check_examples()
        todo = {item.path: item for item in self.items if not item.is_complete}
        if not todo:
            raise InputError("all photographs are examples: drop in others to segment")
        problems, table = list[str](), self._table(self.segmenter.thresholds)
        for done, segmented in enumerate(
            self.segmenter.write_all(todo, self.out, lambda problem: problems.append(self.worded(problem))), start=1
        ):
            item = todo[segmented.photograph]
            item.row = table.add(*self._paths(item), segmented.labels, segmented.presence)
            item.small = None
            on_progress(done, len(todo))
        table.write()
        return problems

    def rounds(self, item: Item) -> list[Image.Image]:
        """What is found by the examples alone, and after each round of query inference, painted over a photograph.

        Raises:
            InputError: if there are no examples.
        """
        self._check_examples()
        photograph = _shrunk(read_photograph(item.path), WORKING)
        return [overlaid(photograph, labels) for labels in self.segmenter.rounds(photograph)]

    def found(self, item: Item, size: tuple[int, int]) -> Array:
        """The label map that was found, resized to this width and height; 0 where nothing was, or nobody has looked."""
        if item.row is None:
            return np.zeros(size[::-1], dtype=np.uint8)
        return _resized(read_labels(mask_path(self.out, item.path.stem), len(self.names)), size)

    def labels(self, item: Item, size: tuple[int, int]) -> Array | None:
        """The label map of what is marked, or was found; None if there is neither."""
        if not item.is_example or (item.row and not item.is_complete):
            return None if item.row is None else self.found(item, size)
        photograph, names = read_photograph(item.path), self.names or tuple(self._marked_names())
        marks = [(names.index(name) + 1, mark.labels(item.name, photograph)) for name, mark in item.marks.items()]
        return _resized(together(item.name, names, photograph.size[::-1], marks), size)

    def small(self, item: Item) -> Path:
        """The file that the gallery shows: the photograph, with what is marked in it or was found."""
        if item.small is None or not item.small.is_file():
            photograph = _shrunk(read_photograph(item.path), SMALL)
            labels = self.labels(item, photograph.size)
            picture = photograph if labels is None else overlaid(photograph, labels)
            item.small = self.folder / "small" / f"{item.path.stem}.jpg"
            picture.save(item.small, "JPEG", quality=88)
        return item.small

    # --------------------------------------------------------------------------------------------------- downloads

    def zip(self) -> Path:
        """A file of all masks and overlays, those of complete examples too, with `found.csv`; as `srpnet predict`.

        Raises:
            InputError: if there is no mask.
        """
        self._check_examples()
        table = self._table(None)
        for item in self.items:
            if item.is_complete:
                photograph = read_photograph(item.path)
                labels = self.labels(item, photograph.size)
                assert labels is not None  # as it is an example
                write_outputs(self.out, item.path.stem, photograph, labels, len(self.names))
                table.add(*self._paths(item), labels, None)
        table.write()
        target = self.folder / "srpnet-masks.zip"
        with atomic_write(target) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(self.out.iterdir()):
                if not file.name.startswith("."):
                    archive.write(file, file.name)
        return target

    def save_supports(self) -> Path:
        """The file of the examples, for `srpnet predict --supports`.

        Raises:
            InputError: if there are none.
        """
        self._check_examples()
        self.segmenter.supports.save(target := self.folder / "examples.srp")
        return target

    def _check_examples(self) -> None:
        if not self.names:
            raise InputError("there is no example yet: choose a photograph, paint the object, and use it as an example")

    def _table(self, present_above: tuple[float, ...] | None) -> FoundTable:
        self.out.mkdir(exist_ok=True)
        if self.names != class_names(1):
            write_classes(self.out, self.names)
        return FoundTable(self.out, self.segmenter.fingerprint, present_above, len(self.names))

    def _paths(self, item: Item) -> tuple[Path, Path]:
        return Path(item.name), mask_path(Path(), item.path.stem)


def _resized(labels: Array, size: tuple[int, int]) -> Array:
    return np.asarray(Image.fromarray(labels).resize(size, Image.Resampling.NEAREST))


def _shrunk(photograph: Image.Image, longest: int) -> Image.Image:
    small = photograph.copy()
    small.thumbnail((longest, longest))
    return small
