"""Show it one to five photographs with a mask, and it segments that class in any other: the call from Python."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from episodes.data.source import Array
from episodes.errors import InputError
from episodes.threads import map_in_threads
from srpnet.apps.examples.checks import SupportCheck
from srpnet.apps.examples.judgement import Tile, sheet
from srpnet.apps.examples.reading import Example, Marked, class_names, read_examples, read_marked
from srpnet.apps.examples.shown import Shown
from srpnet.apps.files.outputs import overlaid
from srpnet.apps.files.writing import Segmented, Writing
from srpnet.apps.first_look import Seen, look
from srpnet.apps.looks.closer import Looks, look_closer
from srpnet.apps.looks.edges import agreeing, check_refine, refine_edges
from srpnet.apps.looks.placing import PlacedPhotograph, place_photograph
from srpnet.apps.looks.settings import Closer, Refine
from srpnet.apps.pictures.reading import Picture, read_ahead, read_photograph
from srpnet.apps.trust.evidence import Evidence, gather
from srpnet.apps.trust.forecast import Forecast, forecast
from srpnet.apps.trust.suggestions import Candidate, Suggestion, candidate, suggest
from srpnet.fewshot.checkpoint import load_network
from srpnet.fewshot.network import SRPNet
from srpnet.fewshot.predictor import Encoded, Prediction, Predictor
from srpnet.fewshot.settings import Fit, Naming, QueryInference
from srpnet.fewshot.support_set import SupportSet
from srpnet.nn.device import runtime
from srpnet.nn.settings import DeviceName, Precision


class Segmenter:
    """Segments one class, or several, by example.

    Args:
        network: An `SRPNet`, or what `load_network` takes: a released model, a folder, a Hugging Face name, or
            `training-free` for ImageNet features alone.
        size: Photographs are resized to this longer side, in pixels, for the network.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: `auto`, `fp32` or `bf16`.
        fit: `auto`: a head is fitted to the examples where there are several of a class and it does better on them, see
            `srpnet.fewshot.fitted_head`. `none`: prototypes alone.
        naming: How several classes are told apart: `regions` as wholes, which takes a second, quicker pass, or `pixels`
            one by one, see `srpnet.fewshot.naming`.
        closer: `auto`: what fills a part of the photograph alone is looked at again, closer, see
            `srpnet.apps.looks.closer`. `none`: one look at the whole photograph.
        refine: `auto`: edges are drawn anew by the photograph's colours if OpenCV is installed, see
            `srpnet.apps.looks.edges`; `grabcut`: likewise, and it must be; `none`: they stay as the network has them.
        fast: Deeper features on a grid half as fine: half the time, for slightly worse masks.

    Raises:
        InputError: if the network or its weights cannot be had, the device is not there, or `fit`, `closer` or
            `refine` is another word, or takes what is not installed.
    """

    def __init__(
        self,
        network: SRPNet | str | Path = "srpnet-base",
        *,
        size: int = 417,
        device: DeviceName = "auto",
        precision: Precision = "auto",
        fit: Fit = "auto",
        naming: Naming = "regions",
        closer: Closer = "auto",
        refine: Refine = "auto",
        fast: bool = False,
    ) -> None:
        network = network if isinstance(network, SRPNet) else load_network(network)
        if fast:
            network = network.with_output_stride(16)
        self.predictor = Predictor(network, runtime(device, precision))
        self.size, self.naming = size, naming
        if fit not in get_args(Fit):
            raise InputError(f"`fit` must be {' or '.join(get_args(Fit))}, not {fit!r}")
        self.fits = fit == "auto"
        if closer not in get_args(Closer):
            raise InputError(f"`closer` must be {' or '.join(get_args(Closer))}, not {closer!r}")
        self.looks_closer, self.refines = closer == "auto", check_refine(refine)
        self.present_above = network.config.present_above
        self._latest: Shown | None = None

    def set_support(
        self,
        images: Picture | Iterable[Picture],
        masks: Picture | Iterable[Picture],
        classes: int = 1,
        names: Sequence[str] = (),
    ) -> None:
        """Show the examples. Replaces what was shown before; kept as it was if this call fails.

        Args:
            images: Photographs, or one: paths, Pillow images, or arrays or tensors of any number type, (H, W),
                (H, W, 3) or (3, H, W), in 0..255, 0..1 or of 16 bits.
            masks: For each a mask of the same size: a path, a Pillow image, or an array or tensor, (H, W) or
                (1, H, W).
            classes: 1: what is painted is the object (`srpnet.apps.pictures.masks`). N: the values 1..N are classes, 0
                is background, and 255 is ignored. A photograph may show several.
            names: What the classes are called, for those who load them; by default `object`, or `class 1`, `class 2` ..

        Raises:
            InputError: if there is no example, or a mask is missing, empty, of another size than its photograph,
                or all of them leave no background; or if there are not as many names as classes.
        """
        self._show(read_examples(images, masks, classes), class_names(classes, names))

    def show(self, classes: Mapping[str, Iterable[Marked]], absent: Iterable[Picture] = ()) -> None:
        """Show the examples class by class. Replaces what was shown before; kept as it was if this call fails.

        Several marks in one photograph make one example. What is marked as several classes is ignored.

        Args:
            classes: Name of a class -> its photographs, each with what is marked in it: a mask as for `set_support`, or
                a `Box`, `Points` or `Scribbles` of `srpnet.apps.examples.annotations`. The first class has the label 1.
            absent: Photographs that show none of them.

        Raises:
            InputError: if a class has no example, or two have one name, or a photograph is among its examples and among
                those that do not show it; or see `set_support`.
        """
        self._show(read_marked(classes, absent), tuple(classes))

    def _show(self, shown: Sequence[Example], names: tuple[str, ...]) -> None:
        self._latest = Shown.of(self.predictor, shown, names, self.size, self.fits, self.naming)

    def load_supports(self, path: Path | str) -> None:
        """Take what was shown from a file of `supports.save`, and with it the size of all photographs.

        Replaces what was shown before; kept as it was if this call fails. `support_checks` is empty then.

        Raises:
            InputError: if it is no such file, or was shown to another network.
        """
        self._latest = Shown.load(self.predictor, path)
        self.size = self._latest.supports.size

    @property
    def supports(self) -> SupportSet:
        """What was shown, as it is saved; with what presence takes if the network has a threshold for it, and regions.

        Raises:
            InputError: if nothing was shown, or the ImageNet weights cannot be had.
        """
        needs = self.present_above is not None or self._names_regions
        supports = self._shown.with_examples() if needs else self._shown.supports
        return replace(supports, network_sha256=self.predictor.sha256)

    @property
    def support_checks(self) -> tuple[SupportCheck, ...]:
        """For each example what was read of its mask, how well the network finds that again, and what is doubtful.

        See `srpnet.apps.examples.checks.SupportCheck`; empty before `set_support`.
        """
        return () if self._latest is None else self._latest.checks

    @property
    def names(self) -> tuple[str, ...]:
        """What the classes are called, see `set_support`.

        Raises:
            InputError: if nothing was shown.
        """
        return self._shown.supports.names

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """Below which presence each class may not be there; None if the network has no threshold.

        Raises:
            InputError: if nothing was shown, or the ImageNet weights cannot be had.
        """
        return self._shown.thresholds()

    @property
    def fingerprint(self) -> str:
        """Which examples and which network, in 12 hexadecimal digits: with the same one masks come out alike.

        Raises:
            InputError: if `set_support` was not called.
        """
        shown = self._shown.supports.fingerprint
        ways = self.looks_closer * ["closer"] + self.refines * ["refined"]
        return hashlib.sha256(" ".join([shown, *ways]).encode()).hexdigest()[:12] if ways else shown

    @property
    def fitted_share(self) -> float:
        """How much a head that was fitted to the examples has to say, up to 1; 0 where there is none.

        Raises:
            InputError: if nothing was shown.
        """
        head = self._shown.supports.head
        return 0.0 if head is None else head.share

    def evidence(self) -> tuple[Evidence, ...]:
        """What the examples of each class say of themselves.

        Raises:
            InputError: if none were shown, or saved ones, or the ImageNet weights cannot be had.
        """
        return gather(self._shown)

    def forecast(self) -> tuple[Forecast, ...]:
        """The IoU to expect on photographs that show each class, and the weakest example.

        Calibrated with one class and `srpnet-base`, see `srpnet.apps.trust.forecast` and docs/trust.md.

        Raises:
            InputError: see `evidence`.
        """
        return tuple(map(forecast, self.evidence()))

    def suggest(
        self,
        photographs: Iterable[Path],
        on_unreadable: Callable[[InputError], object] | None = None,
        on_done: Callable[[int], object] = lambda done: None,
    ) -> list[tuple[Path, Suggestion]]:
        """Photographs without masks in the order in which they should be marked, see `srpnet.apps.trust.suggestions`.

        Args:
            photographs: Their paths.
            on_unreadable: Called for one that cannot be read, which is then skipped; by default that is an error.
            on_done: Called with how many were looked at.

        Raises:
            InputError: if several classes were shown, or none, or a photograph or the ImageNet weights cannot be read.
        """
        if len(self.names) > 1:
            raise InputError("photographs are suggested for one class at a time: show its examples alone")

        supports, found = self._shown.with_examples(), dict[Path, Candidate]()
        for done, (path, placed) in enumerate(self._placed_ahead(photographs), start=1):
            if not isinstance(placed, InputError):
                found[path] = candidate(self.predictor, supports, placed)
            elif on_unreadable is None:
                raise placed
            else:
                on_unreadable(placed)
            on_done(done)
        assert supports.examples_ND is not None  # as they were computed
        paths = list(found)
        return [(paths[each.number], each) for each in suggest(list(found.values()), supports.examples_ND)]

    def draw_examples(self) -> Image.Image | None:
        """A picture of the examples, a row for each: what was marked, and what is found of it by the example itself and
        by the others, see `support_checks`. None if there are none, or saved ones.
        """
        return sheet(self.example_tiles) if self.example_tiles else None

    @property
    def example_tiles(self) -> tuple[list[Tile], ...]:
        """What `draw_examples` draws: of each example titles, photographs and label maps."""
        return self._latest.pictures if self._latest else ()

    def probabilities(self, image: Picture) -> NDArray[np.float32]:
        """Probability of the background and of each class, (N + 1, H, W), at the photograph's own size.

        Raises:
            InputError: if `set_support` was not called, or the image cannot be read.
        """
        placed = place_photograph(read_photograph(image), self.size)
        looks = self._look(placed).looks
        labels = self._labels(placed, looks)
        return self._probabilities(looks, labels)

    def predict(self, image: Picture) -> Array:
        """Segment a photograph: uint8 (H, W) at its own size, 0 background, 1..N the class.

        Raises:
            InputError: if `set_support` was not called, or the image cannot be read.
        """
        placed = place_photograph(read_photograph(image), self.size)
        return self._labels(placed, self._look(placed).looks)

    def overlay(self, image: Picture) -> Image.Image:
        """A photograph with what is found painted over it, to look at; its longer side has 2000 pixels at most.

        Raises:
            InputError: if `set_support` was not called, or the image cannot be read.
        """
        photograph = read_photograph(image)
        return overlaid(photograph, self.predict(photograph))

    def rounds(self, image: Picture) -> list[Array]:
        """What the first look finds by the supports alone, and after each round of query inference: the last is what
        `predict` begins with, before closer looks and edges.

        Raises:
            InputError: if `set_support` was not called, or the image cannot be read.
        """
        placed, iqi = place_photograph(read_photograph(image), self.size), self.predictor.network.config.iqi
        encoded, stride = self._encode(placed.image), self.predictor.network.stride
        recipes = [replace(iqi, rounds=rounds) for rounds in range(iqi.rounds + 1)]
        logits = [self._segment_encoded(encoded, recipe).logits_BPhw for recipe in recipes]
        return [Looks(placed.placement, stride, logits_BPhw).labels() for logits_BPhw in logits]

    def presence(self, image: Picture) -> NDArray[np.float32]:
        """How much the predicted region of each class resembles the supports: (N,), cosines in [0, 1], 0 without one.

        Where one is below `thresholds`, the class may not be there at all: `predict` finds something nearly always. See
        `srpnet.fewshot.presence`. The first call takes longer.

        Raises:
            InputError: if `set_support` was not called, or the image or the ImageNet weights cannot be had.
        """
        placed = place_photograph(read_photograph(image), self.size)
        presence_N = self._look(placed, presence=True).presence_N
        assert presence_N is not None
        presence: NDArray[np.float32] = presence_N.cpu().numpy()
        return presence

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
        write_probabilities: Callable[[Path, NDArray[np.float32]], object] | None = None,
    ) -> Iterator[Segmented]:
        """`write` many photographs, lazily: each is returned in order, once its files are there.

        While one is segmented, the next are read and the last are written in threads, a few at a time.

        Args:
            photographs: Their paths.
            folder: Where the files go.
            on_unreadable: Called for a photograph that cannot be read, which is then skipped. By default that is an
                error, raised once all before it are written.
            presence: Tell the presence too, if the network has a threshold for it, which takes a second, quicker pass.
            name: Of a photograph's files, without `-mask.png`; it may have folders in it.
            stop: Asked before each photograph is segmented. If it says so none is any more, and those before it are
                written.
            write_probabilities: Called in a thread with each photograph and the probabilities of its classes, (N, H,
                W), before its other files are written.

        Raises:
            InputError: see `write` and `presence`; also if two photographs would be written under one name, or one over
                an example.
        """
        telling, writing = presence and self.present_above is not None, Writing(folder, name, write_probabilities)

        def segmented() -> Iterator[tuple[Image.Image, Segmented]]:
            for path, placed in self._placed_ahead(photographs):
                if stop():
                    return
                writing.check(path, self._shown.files)
                if not isinstance(placed, InputError):
                    looks, presence_N = self._look(placed, telling)
                    scores = None if presence_N is None else presence_N.cpu().numpy()
                    labels = self._labels(placed, looks)
                    likely = self._probabilities(looks, labels)[1:] if write_probabilities else None
                    yield placed.photograph, Segmented(path, labels, scores, likely)
                elif on_unreadable is None:
                    raise placed
                else:
                    on_unreadable(placed)

        return map_in_threads(lambda pair: writing.write(*pair, len(self.names)), segmented())

    def _placed_ahead(self, photographs: Iterable[Path]) -> Iterator[tuple[Path, PlacedPhotograph | InputError]]:
        return read_ahead(photographs, lambda path: place_photograph(read_photograph(path), self.size))

    def _segment(self, image_3HW: Tensor, presence: bool = False) -> Prediction:
        return self._segment_encoded(self._encode(image_3HW, presence), self.predictor.network.config.iqi)

    def _encode(self, image_3HW: Tensor, presence: bool = False) -> Encoded:
        return self.predictor.encode(
            image_3HW[None], presence or self._names_regions, self._shown.supports.head is not None
        )

    def _segment_encoded(self, encoded: Encoded, iqi: QueryInference) -> Prediction:
        supports = self._shown.supports if encoded.deep_BDyx is None else self._shown.with_examples()
        naming: Naming = "regions" if self._names_regions else "pixels"
        return self.predictor.segment(encoded, [supports], iqi=iqi, naming=naming)

    def _look(self, placed: PlacedPhotograph, presence: bool = False) -> Seen:
        return look(placed, self._shown, self._segment, self.size, presence, self.looks_closer)

    def _labels(self, placed: PlacedPhotograph, looks: Looks) -> Array:
        """The label map, after closer looks at what was found."""
        if self.looks_closer:
            look_closer(placed.photograph, looks, self.size, lambda image_3HW: self._segment(image_3HW).logits_BPhw)
        labels = looks.labels()
        return refine_edges(placed.photograph, labels, looks) if self.refines else labels

    def _probabilities(self, looks: Looks, labels: Array) -> NDArray[np.float32]:
        probabilities: NDArray[np.float32] = looks.probabilities().cpu().numpy()
        return agreeing(probabilities, labels) if self.refines else probabilities

    @property
    def _names_regions(self) -> bool:
        return self.naming == "regions" and self._shown.names_regions

    @property
    def _shown(self) -> Shown:
        if self._latest is None:
            raise InputError("no support is set: call set_support(images, masks) first")
        return self._latest
