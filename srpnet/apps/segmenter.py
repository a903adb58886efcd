"""Show it one to five photographs with a mask, and it segments that class in any other: the call from Python."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from episodes.data.source import Array
from episodes.errors import InputError
from episodes.fewshot.geometry import Geometry, Placement
from episodes.threads import map_in_threads
from srpnet.apps.example_checks import SupportCheck, border_share, restoration
from srpnet.apps.output_names import alike
from srpnet.apps.outputs import output_paths, write_outputs
from srpnet.apps.reading import Picture, declared_size, described, paired, read_mask, read_photograph
from srpnet.fewshot.checkpoint import load_network
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.presence import Recogniser, examples
from srpnet.fewshot.prototypes import support_prototypes
from srpnet.nn.device import DeviceName, Precision, runtime
from srpnet.nn.grid import label_maps, upsample


class _Placed(NamedTuple):
    """A photograph, where it lands, and what lands there: (3, H, W) in [0, 1]."""

    photograph: Image.Image
    place: Placement
    image: Tensor


class Segmented(NamedTuple):
    """What `Segmenter.write_all` made of a photograph.

    Attributes:
        photograph: Its path.
        labels: The label map, uint8 (H, W).
        presence: See `Segmenter.presence`; None if it was not asked for, or the network has no threshold for it.
    """

    photograph: Path
    labels: Array
    presence: NDArray[np.float32] | None


class _Support(NamedTuple):
    """What was shown: images of one size (3, H, W), their label maps, which way each shows, and the files of all."""

    images: list[Tensor]
    labels_SHW: Tensor
    membership_SN: Tensor
    files: set[Path]


class Segmenter:
    """Segments one class, or several, by example.

    Args:
        network: An `SRPNet`, or what `load_network` takes: a released model, a folder, a Hugging Face name, or
            `training-free` for ImageNet features alone.
        size: Photographs are resized to this longer side, in pixels, for the network.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: `auto`, `fp32` or `bf16`.

    Raises:
        InputError: if the network or its weights cannot be had, or the device is not there.
    """

    def __init__(
        self,
        network: SRPNet | str | Path = "srpnet-base",
        *,
        size: int = 417,
        device: DeviceName = "auto",
        precision: Precision = "auto",
    ) -> None:
        self.runtime = runtime(device, precision)
        network = network if isinstance(network, SRPNet) else load_network(network)
        self.network = network.for_inference(self.runtime.device)
        self.size = size
        self.present_above = network.config.present_above
        self._recogniser: Recogniser | None = None
        self._support: _Support | None = None
        self._prototypes: Tensor | None = None
        self._examples: Tensor | None = None
        self._support_checks: tuple[SupportCheck, ...] = ()
        self._classes = 1

    @torch.inference_mode()
    def set_support(
        self, images: Picture | Iterable[Picture], masks: Picture | Iterable[Picture], classes: int = 1
    ) -> None:
        """Show the examples. Replaces what was shown before; kept as it was if this call fails.

        Args:
            images: Photographs, or one: paths, Pillow images, or arrays or tensors of any number type, (H, W),
                (H, W, 3) or (3, H, W), in 0..255, 0..1 or of 16 bits.
            masks: For each a mask of the same size: a path, a Pillow image, or an array or tensor, (H, W) or
                (1, H, W).
            classes: 1: what is painted is the object (`srpnet.apps.masks`). N: the values 1..N are classes, 0 is
                background, and 255 counts neither way. A photograph may show several.

        Raises:
            InputError: if there is no example, or a mask is missing, empty, of another size than its photograph,
                or all of them leave no background.
        """
        images, masks = paired(images, masks)
        if not images or len(images) != len(masks):
            raise InputError(
                f"give one mask for each support photograph: there are {len(images)} and {len(masks)} masks"
            )
        names = [str(image) if isinstance(image, str | Path) else f"support {i + 1}" for i, image in enumerate(images)]
        for name, image, mask in zip(names, images, masks, strict=True):  # before anything is decoded
            _check_sizes(name, declared_size(image), declared_size(mask))
        photographs = [read_photograph(image) for image in images]
        label_maps = [read_mask(mask, classes) for mask in masks]
        for name, photograph, labels in zip(names, photographs, label_maps, strict=True):
            _check_sizes(name, photograph.size, (labels.shape[1], labels.shape[0]))
            if not ((labels > 0) & (labels <= classes)).any():
                mend = "paint the object white on black" if classes == 1 else f"it has none of the labels 1..{classes}"
                raise InputError(f"the mask of {name} is empty: {mend}")
        if not any((labels == 0).any() for labels in label_maps):
            raise InputError(
                "the masks leave no background: give at least one photograph that shows something else too"
            )
        geometry = Geometry(self.size, "letterbox")
        places = [geometry.place(*labels.shape) for labels in label_maps]
        placed = [place.labels(torch.from_numpy(labels)) for place, labels in zip(places, label_maps, strict=True)]
        labels_SHW = torch.stack(placed).to(self.runtime.device)
        membership_SN = torch.stack([(labels_SHW == way + 1).flatten(1).any(1) for way in range(classes)], dim=1)
        shrunk = [_shrink(photograph, place) for photograph, place in zip(photographs, places, strict=True)]
        features = torch.cat([self._encode(each) for each in shrunk])
        self._prototypes = support_prototypes(
            features, labels_SHW, membership_SN, self.network.stride, self.network.config.pooling, names
        )
        files = {Path(picture).resolve() for picture in (*images, *masks) if isinstance(picture, str | Path)}
        self._support, self._examples = _Support(shrunk, labels_SHW, membership_SN, files), None
        restored_SN = restoration(self.network, features, labels_SHW, self._prototypes).cpu().numpy()
        self._support_checks = tuple(
            SupportCheck(name, described(labels), restored_N, border_share(labels))
            for name, labels, restored_N in zip(names, label_maps, restored_SN, strict=True)
        )
        self._classes = classes

    @property
    def support_checks(self) -> tuple[SupportCheck, ...]:
        """For each example what was read of its mask, how well the network finds that again, and what is doubtful.

        See `srpnet.apps.example_checks.SupportCheck`; empty before `set_support`.
        """
        return self._support_checks

    @property
    def fingerprint(self) -> str:
        """Which examples and which network, in 12 hexadecimal digits: with the same one masks come out alike.

        Raises:
            InputError: if `set_support` was not called.
        """
        if self._support is None:
            raise _no_support()
        settings = json.dumps([asdict(self.network.config), self.size, self._classes], sort_keys=True, default=str)
        digest = hashlib.sha256(settings.encode())
        reduction = [] if self.network.reduce is None else list(self.network.reduce.parameters())
        for tensor in (*reduction, *self._support.images, self._support.labels_SHW):
            digest.update(tensor.detach().cpu().numpy().tobytes())
        return digest.hexdigest()[:12]

    def probabilities(self, image: Picture) -> NDArray[np.float32]:
        """Probability of the background and of each class, (N + 1, H, W), at the photograph's own size.

        Raises:
            InputError: if `set_support` was not called, or the image cannot be read.
        """
        placed = self._read(image)
        scores = placed.place.restore(upsample(self._logits(placed), placed.place.outer, self.network.stride))
        probabilities: NDArray[np.float32] = scores[0].softmax(0).cpu().numpy()
        return probabilities

    def predict(self, image: Picture) -> Array:
        """Segment a photograph: uint8 (H, W) at its own size, 0 background, 1..N the class.

        Raises:
            InputError: if `set_support` was not called, or the image cannot be read.
        """
        placed = self._read(image)
        return self._labels(placed, self._logits(placed))

    def presence(self, image: Picture) -> NDArray[np.float32]:
        """How much what is found of each class resembles the supports: (N,), cosines in [0, 1], 0 where nothing is.

        Where one is below `present_above`, which was chosen on other classes, the class may not be there at all:
        `predict` finds something nearly always. See `srpnet.fewshot.presence`. The first call takes longer.

        Raises:
            InputError: if `set_support` was not called, or the image or the ImageNet weights cannot be had.
        """
        placed = self._read(image)
        return self._presence(placed, self._logits(placed))

    def write(self, photograph: Path, folder: Path) -> Array:
        """Segment a photograph and write `NAME-mask.png` and `NAME-overlay.jpg`; the label map is returned.

        The mask has the photograph's own size. With one class 255 is the object; with more, the values are 1..N. The
        overlay is for looking at, and its longer side has no more than 2000 pixels.

        Raises:
            InputError: if `set_support` was not called, the photograph cannot be read, or a file not be written.
        """
        (segmented,) = self.write_all([photograph], folder, presence=False)
        return segmented.labels

    def write_all(
        self,
        photographs: Iterable[Path],
        folder: Path,
        on_unreadable: Callable[[InputError], object] | None = None,
        presence: bool = True,
        *,
        name: Callable[[Path], str] = lambda path: path.stem,
        stop: Callable[[], bool] = lambda: False,
    ) -> Iterator[Segmented]:
        """`write` many photographs, lazily: each is returned in order, once its files are there.

        While one is segmented, the next are read and the last are written in threads, a few at a time.

        Args:
            photographs: Their paths.
            folder: Where the files go.
            on_unreadable: Told of a photograph that cannot be read, which is then passed over. By default that is an
                error, raised once all before it are written.
            presence: Tell the presence too, if the network has a threshold for it, which takes a second, quicker pass.
            name: Of a photograph's files, without `-mask.png`; it may have folders in it.
            stop: Asked before each photograph is segmented. If it says so none is any more, and those before it are
                written.

        Raises:
            InputError: see `write` and `presence`; also if two photographs would be written under one name, or one over
                an example.
        """

        def read(path: Path) -> tuple[Path, _Placed | InputError]:
            try:
                return path, self._read(path)
            except InputError as error:
                return path, error

        def segmented() -> Iterator[tuple[Image.Image, Segmented]]:
            written: dict[str, Path] = {}
            for path, placed in map_in_threads(read, photographs):
                if stop():
                    return
                if (other := written.setdefault(alike(name(path)), path)) != path:
                    raise InputError(f"{other} and {path} would be written to the same file: rename one of them")
                for output in output_paths(folder, name(path)):
                    if self._support is not None and output.resolve() in self._support.files:
                        raise InputError(f"{output} is an example and would be overwritten: name another folder")
                if not isinstance(placed, InputError):
                    logits = self._logits(placed)
                    shown = self._presence(placed, logits) if presence and self.present_above is not None else None
                    yield placed.photograph, Segmented(path, self._labels(placed, logits), shown)
                elif on_unreadable is None:
                    raise placed
                else:
                    on_unreadable(placed)

        def write(pair: tuple[Image.Image, Segmented]) -> Segmented:
            photograph, segmented = pair
            write_outputs(folder, name(segmented.photograph), photograph, segmented.labels, self._classes)
            return segmented

        return map_in_threads(write, segmented())

    def _read(self, image: Picture) -> _Placed:
        photograph = read_photograph(image)
        place = Geometry(self.size, "longest").place(photograph.height, photograph.width)
        return _Placed(photograph, place, _shrink(photograph, place))

    def _labels(self, placed: _Placed, logits: Tensor) -> Array:
        labels: Array = label_maps(logits, self.network.stride, placed.place, original=True)[0].cpu().numpy()
        return labels

    @torch.inference_mode()
    def _presence(self, placed: _Placed, logits: Tensor) -> NDArray[np.float32]:
        assert self._support is not None  # there are logits, so there is a support
        self._recogniser = recogniser = self._recogniser or Recogniser(self.network, self.runtime.device)
        with self.runtime.autocast():
            deep = recogniser.describe(placed.image[None].to(self.runtime.device))
            if self._examples is None:
                described = [recogniser.describe(image[None].to(self.runtime.device)) for image in self._support.images]
        if self._examples is None:
            shown = recogniser.shown(torch.cat(described), self._support.labels_SHW, self._classes)
            self._examples = examples(shown, self._support.membership_SN)
        presence: NDArray[np.float32] = recogniser.presence(deep, logits, self._examples[None])[0].cpu().numpy()
        return presence

    @torch.inference_mode()
    def _logits(self, placed: _Placed) -> Tensor:
        """(1, N + 1, h, w) at the cells."""
        if self._prototypes is None:
            raise _no_support()
        return self.network.segment(self._encode(placed.image), self._prototypes, iqi=self.network.config.iqi)

    def _encode(self, image: Tensor) -> Tensor:
        with self.runtime.autocast():
            return self.network.encode(image[None].to(self.runtime.device))


def _no_support() -> InputError:
    return InputError("no support is set: call set_support(images, masks) first")


def _check_sizes(name: str, photograph: tuple[int, int] | None, mask: tuple[int, int] | None) -> None:
    """`InputError` if widths and heights are known and differ."""
    if None not in (photograph, mask) and photograph != mask:
        sizes = [f"{size[0]} x {size[1]}" for size in (mask, photograph) if size is not None]
        raise InputError(f"the mask of {name} is {sizes[0]} pixels, the photograph {sizes[1]}: they must agree")


def _shrink(photograph: Image.Image, place: Placement) -> Tensor:
    """`place.image` of a photograph, (3, H, W) in [0, 1], to within one step of 255 and several times as fast."""
    small = np.array(photograph.resize(place.inner[::-1], Image.Resampling.BILINEAR))
    return place.image(torch.from_numpy(small).permute(2, 0, 1).float() / 255)
