"""`stickers`: embedded scenes of emoji on photographs, for a first look and a smoke test, not a benchmark.

A scene is made when it is asked for, from its id alone. Supports and queries are made from different artworks
and different background photographs, so no episode is solved by finding the same drawing again.
`artwork/LICENCES.md` lists every picture; `tools/make_artwork.py` made them.
"""

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from episodes.data.class_index import Index, areas_of, class_index, fingerprint
from episodes.data.data_set import DataSet
from episodes.data.source import IGNORE, PASCAL_CLASSES, Array, Split
from episodes.draws import Draws
from episodes.errors import InputError

Role = Literal["support", "query"]

VERSION = "stickers-1"
"""Part of every draw and of the index: change it with any change of the scenes."""

SPLITS: dict[Split, int] = {"train": 240, "val": 120}
ROLES: tuple[Role, Role] = ("support", "query")
SCENES = {
    f"{split}-{role}-{number:04}": (split, role, number)
    for split, count in SPLITS.items()
    for role in ROLES
    for number in range(count)
}

ARTWORK = Path(__file__).parent.parent / "artwork"
DRAWN_ALIKE = {"fluentflat": "fluent3d", "notov1": "noto"}  # sets whose pictures of one emoji share a design

SMALLEST = 600  # pixels of an object that must stay visible, or it is not pasted
VISIBLE = 0.5  # the least part of an object that others and the scene's edge may leave visible
TRIES = 12
SOLID = [0] * 128 + [255] * 128  # alpha -> whether a pixel is the object's: more than half opaque
RIM = [0] * 26 + [255] * 230  # alpha -> whether it is the object's or on its rim


class Half(NamedTuple):
    """What the scenes of one role are made of. Class c's pictures are `artworks[c - 1]`."""

    artworks: list[list[Path]]
    backgrounds: list[Path]


class Piece(NamedTuple):
    """One object of a scene: an RGBA picture, scaled, turned and flipped, and where its corner goes."""

    label: int
    picture: Image.Image
    left: int
    top: int


class Layout(NamedTuple):
    """A scene without its light: size in pixels, background, and objects from the furthest to the nearest."""

    width: int
    height: int
    background: Path
    pieces: list[Piece]


class Stickers:
    """The embedded source: PASCAL's 20 class names, nothing to download.

    >>> source = Stickers()
    >>> len(source.ids("train")), source.ids("val", "support")[0]
    (240, 'val-support-0000')
    """

    def __init__(self) -> None:
        self._indexes: dict[tuple[Split, Role], Index] = {}

    @property
    def name(self) -> str:
        """`stickers`."""
        return "stickers"

    @property
    def classes(self) -> tuple[str, ...]:
        """PASCAL's names."""
        return PASCAL_CLASSES

    def ids(self, split: Split, role: Role = "query") -> Sequence[str]:
        """Names such as `train-support-0007`. Scene i always shows class i % 20 + 1, and often others."""
        return [id for id, scene in SCENES.items() if scene[:2] == (split, role)]

    def classes_in(self, id: str) -> Mapping[int, int]:
        """Class -> pixels. The first call for a split and role counts all its scenes, unless that is cached.

        Raises:
            InputError: There is no scene of this name.
        """
        split, role, _ = _parts(id)
        if (split, role) not in self._indexes:
            ids = self.ids(split, role)
            files = [path.relative_to(ARTWORK).as_posix() for path in _files(ARTWORK)]
            made_from = fingerprint([VERSION, f"pillow {PIL.__version__}", *files, *ids])
            areas = class_index(ids, lambda one: areas_of(_labels(_layout(one))), made_from)
            self._indexes[split, role] = areas
        return self._indexes[split, role][id]

    def has(self, id: str) -> bool:
        """Whether there is a scene of this name."""
        return id in SCENES

    def load(self, id: str) -> tuple[Array, Array]:
        """The scene, RGB (H, W, 3), and its label map (H, W), 255 on the half-transparent rim of objects.

        Raises:
            InputError: There is no scene of this name.
        """
        image, labels = _scene(id)
        return image.copy(), labels.copy()


def _parts(id: str) -> tuple[Split, Role, int]:
    """Split, role and number of a scene."""
    if id not in SCENES:
        last = list(SCENES)[-1]
        raise InputError(f"stickers has no scene {id!r}: they are train-support-0000 .. {last}")
    return SCENES[id]


# What there is to paste, and which role may paste it.


def _files(folder: Path) -> list[Path]:
    """Every picture below a folder, in an order that no file system decides."""
    return sorted((path for path in folder.rglob("*") if path.suffix in (".webp", ".jpg")), key=Path.as_posix)


def _design(path: Path) -> str:
    """Pictures of one design look so alike that one role must have them all."""
    drawn_by, name = path.stem.split("-", 1)
    return f"{DRAWN_ALIKE.get(drawn_by, drawn_by)} {name}"


def _photograph(path: Path) -> str:
    """What a background was cut from: its regions share light and texture, so one role has them all."""
    return path.stem.rsplit("-", 1)[0]


def _deal(paths: list[Path], group: Callable[[Path], str], role: Role) -> list[Path]:
    """This role's share: groups, in order of name, go in turn to the two roles, so most sets reach both."""
    groups = sorted({group(path) for path in paths})
    own = groups[ROLES.index(role) :: len(ROLES)]
    return [path for path in paths if group(path) in own]


@cache
def _half(role: Role) -> Half:
    artworks = [_deal(_files(ARTWORK / name), _design, role) for name in PASCAL_CLASSES]
    return Half(artworks, _deal(_files(ARTWORK / "background"), _photograph, role))


@cache
def _picture(path: Path) -> Image.Image:
    """A decoded file: RGBA for artwork, RGB or grey for a background. Never changed, only copied from."""
    with Image.open(path) as image:
        return image.convert("RGBA") if path.suffix == ".webp" else image.copy()


# Where everything goes. Labels depend on this alone, so they can be counted without painting.


def _layout(id: str) -> Layout:
    _, role, number = _parts(id)
    draws = Draws(VERSION, id, "layout")
    half = _half(role)
    short, long = 288 + 16 * draws.below(5), 336 + 16 * draws.below(6)
    width, height = (long, short) if draws.chance(0.6) else (short, long)
    background = draws.choice(half.backgrounds)

    first = number % len(PASCAL_CLASSES) + 1
    others = draws.sample([c for c in range(1, len(PASCAL_CLASSES) + 1) if c != first], draws.below(4))
    if draws.chance(0.15):
        others.append(first)
    unused = {label: draws.sample(half.artworks[label - 1], 2) for label in [first, *others]}

    crowding = draws.uniform(VISIBLE, 0.95)  # so that some scenes overlap much and others hardly
    pieces: list[Piece] = []
    for label in [first, *others]:
        reach = (0.25, 0.5) if pieces else (0.45, 0.75)
        picture = _turned(_picture(unused[label].pop()), round(draws.uniform(*reach) * min(width, height)), draws)
        for _ in range(TRIES):
            # Up to a tenth of an object may leave the scene on either side.
            left, top = (
                round(draws.uniform(-0.1 * own, max(scene - 0.9 * own, 0)))
                for own, scene in zip(picture.size, (width, height), strict=True)
            )
            at = 0 if draws.chance(0.4) else len(pieces)
            tried = pieces.copy()
            tried.insert(at, Piece(label, picture, left, top))
            if _all_visible(Layout(width, height, background, tried), crowding if pieces else VISIBLE):
                pieces = tried
                break
    return Layout(width, height, background, pieces)


def _turned(picture: Image.Image, longest: int, draws: Draws) -> Image.Image:
    """A picture resized to a longest side in pixels, perhaps flipped, and turned by up to 35 degrees."""
    scale = longest / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    if draws.chance(0.5):
        picture = ImageOps.mirror(picture)
    # A product of two draws: most objects stand nearly upright, as in photographs.
    angle = 35 * draws.uniform(-1, 1) * draws.uniform()
    picture = picture.rotate(angle, Image.Resampling.BILINEAR, expand=True)
    return picture.crop(picture.getchannel("A").getbbox())


def _map(layout: Layout, values: Sequence[int], rim: int | None = None) -> Image.Image:
    """A map (H, W) with each piece's value where it is more than half opaque, nearer over further ones."""
    canvas = Image.new("L", (layout.width, layout.height))
    for piece, value in zip(layout.pieces, values, strict=True):
        alpha = piece.picture.getchannel("A")
        if rim is not None:
            canvas.paste(rim, (piece.left, piece.top), alpha.point(RIM))
        canvas.paste(value, (piece.left, piece.top), alpha.point(SOLID))
    return canvas


def _all_visible(layout: Layout, part: float) -> bool:
    """Whether at least this part of every object is left to see, and enough pixels."""
    numbers = range(1, len(layout.pieces) + 1)
    seen = _map(layout, numbers).histogram()
    for number, piece in zip(numbers, layout.pieces, strict=True):
        whole = sum(piece.picture.getchannel("A").histogram()[128:])
        if seen[number] < max(SMALLEST, part * whole):
            return False
    return True


def _labels(layout: Layout) -> Array:
    return np.asarray(_map(layout, [piece.label for piece in layout.pieces], IGNORE))


# What it looks like.


@lru_cache(maxsize=64)
def _scene(id: str) -> tuple[Array, Array]:
    layout = _layout(id)
    draws = Draws(VERSION, id, "light")
    canvas = _ground(layout, draws)
    shadow = draws.uniform(0, 0.45)
    shift = (draws.below(13) - 6, draws.below(9))
    for piece in layout.pieces:
        corner = (piece.left, piece.top)
        alpha = piece.picture.getchannel("A")
        soft = ImageOps.expand(alpha, 8).filter(ImageFilter.BoxBlur(4)).point(lambda a: round(a * shadow))
        canvas.paste((0, 0, 0), (piece.left - 8 + shift[0], piece.top - 8 + shift[1]), soft)
        picture = _relit(piece.picture.convert("RGB"), draws)
        if draws.chance(0.4):
            picture = picture.filter(ImageFilter.BoxBlur(draws.uniform(0.3, 1.2)))
        canvas.paste(picture, corner, alpha)
    return _photographed(canvas, id, draws), _labels(layout)


def _relit(picture: Image.Image, draws: Draws) -> Image.Image:
    """Other brightness, contrast and saturation."""
    picture = ImageEnhance.Color(picture).enhance(draws.uniform(0.55, 1.25))
    picture = ImageEnhance.Contrast(picture).enhance(draws.uniform(0.7, 1.2))
    return ImageEnhance.Brightness(picture).enhance(draws.uniform(0.65, 1.15))


def _ground(layout: Layout, draws: Draws) -> Image.Image:
    """A drawn window of the background photograph, at the scene's size; a grey one is tinted."""
    picture = _picture(layout.background)
    scale = draws.uniform(0.6, 1.0) * min(picture.width / layout.width, picture.height / layout.height)
    width, height = scale * layout.width, scale * layout.height
    left, top = draws.uniform(0, picture.width - width), draws.uniform(0, picture.height - height)
    window = picture.resize(
        (layout.width, layout.height), Image.Resampling.BICUBIC, (left, top, left + width, top + height)
    )
    if window.mode == "L":
        dark = tuple(draws.below(50) for _ in range(3))
        light = tuple(175 + draws.below(81) for _ in range(3))
        window = ImageOps.colorize(ImageOps.autocontrast(window, cutoff=1), dark, light)
    if draws.chance(0.5):
        window = ImageOps.mirror(window)
    if draws.chance(0.4):
        window = window.filter(ImageFilter.BoxBlur(draws.uniform(0.5, 2.5)))
    return _relit(window, draws)


def _photographed(canvas: Image.Image, id: str, draws: Draws) -> Array:
    """Blur, light, noise and JPEG over the whole, so that seams alone do not give objects away."""
    if draws.chance(0.7):
        canvas = canvas.filter(ImageFilter.BoxBlur(draws.uniform(0.2, 0.7)))
    pixels = np.asarray(canvas, dtype=np.float32)
    height, width, _ = pixels.shape
    across, down = draws.uniform(-0.2, 0.2), draws.uniform(-0.2, 0.2)
    light = 1 + across * np.linspace(-1, 1, width, dtype=np.float32)
    light = light + down * np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    cast = np.array([draws.uniform(0.9, 1.1) for _ in range(3)], dtype=np.float32)
    noise = _noise(id, height, width) * np.float32(draws.uniform(2, 14))
    pixels = pixels * light[..., None] * cast + noise[..., None]
    image = np.clip(pixels, 0, 255).astype(np.uint8)
    if draws.chance(0.5):
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=50 + draws.below(45))
        image = np.asarray(Image.open(file))
    return image


def _noise(id: str, height: int, width: int) -> NDArray[np.float32]:
    """Grain (height, width) in [-0.5, 0.5] from SHAKE-128 of the id, a stream that no version changes."""
    stream = hashlib.shake_128(f"{VERSION} {id}".encode()).digest(height * width)
    grain = np.frombuffer(stream, dtype=np.uint8).reshape(height, width).astype(np.float32)
    return grain / np.float32(255) - np.float32(0.5)


STICKERS = DataSet(
    name="stickers",
    title="stickers",
    help="embedded",
    open_alone=lambda _: Stickers(),
    embedded=True,
    note="Made from the embedded stickers: a first look and a smoke test, not a benchmark",
)
