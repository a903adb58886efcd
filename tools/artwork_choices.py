"""What the embedded artwork is made of: sets of emoji and icons, the chosen ones, their crops and paints, licences."""

from typing import NamedTuple


class Set(NamedTuple):
    """One emoji or icon set, as npm ships it."""

    package: str
    version: str
    title: str
    licence: str
    credit: str


SETS = {
    "fluent3d": Set(
        "@lobehub/fluent-emoji-3d",
        "1.1.0",
        "Fluent Emoji, 3D",
        "MIT",
        "Copyright (c) Microsoft Corporation, github.com/microsoft/fluentui-emoji; packaged by LobeHub",
    ),
    "fluentflat": Set(
        "@iconify-json/fluent-emoji-flat",
        "1.2.6",
        "Fluent Emoji, flat",
        "MIT",
        "Copyright (c) Microsoft Corporation, github.com/microsoft/fluentui-emoji",
    ),
    "noto": Set(
        "@iconify-json/noto",
        "1.2.9",
        "Noto Emoji",
        "Apache-2.0",
        "Google Inc, github.com/googlefonts/noto-emoji",
    ),
    "notov1": Set(
        "@iconify-json/noto-v1",
        "1.2.5",
        "Noto Emoji, version 1",
        "Apache-2.0",
        "Google Inc, github.com/googlefonts/noto-emoji",
    ),
    "twemoji": Set(
        "@iconify-json/twemoji",
        "1.2.5",
        "Twemoji",
        "CC-BY-4.0",
        "Copyright Twitter, Inc and other contributors, github.com/jdecked/twemoji",
    ),
    "emojitwo": Set(
        "@iconify-json/emojione",
        "1.2.3",
        "EmojiTwo (Emoji One 2)",
        "CC-BY-4.0",
        "Emoji One and EmojiTwo, github.com/EmojiTwo/emojitwo",
    ),
    "fxemoji": Set(
        "@iconify-json/fxemoji",
        "1.2.2",
        "Firefox OS Emoji",
        "Apache-2.0",
        "Mozilla, github.com/mozilla/fxemoji",
    ),
    "streamline": Set(
        "@iconify-json/streamline-emojis",
        "1.2.4",
        "Streamline Emojis",
        "CC-BY-4.0",
        "Streamline, github.com/webalys-hq/streamline-vectors",
    ),
    "ultimate": Set(
        "@iconify-json/streamline-ultimate-color",
        "1.2.2",
        "Streamline Ultimate Colour",
        "CC-BY-4.0",
        "Streamline, github.com/webalys-hq/streamline-vectors",
    ),
    "fluenticons": Set(
        "@iconify-json/fluent",
        "1.2.60",
        "Fluent UI System Icons",
        "MIT",
        "Copyright (c) Microsoft Corporation, github.com/microsoft/fluentui-system-icons",
    ),
    "material": Set(
        "@iconify-json/material-symbols",
        "1.2.98",
        "Material Symbols",
        "Apache-2.0",
        "Google, github.com/google/material-design-icons",
    ),
    "mdi": Set(
        "@iconify-json/mdi",
        "1.2.3",
        "Material Design Icons",
        "Apache-2.0",
        "Pictogrammers, github.com/Templarian/MaterialDesign",
    ),
    "gameicons": Set(
        "@iconify-json/game-icons",
        "1.2.4",
        "Game Icons",
        "CC-BY-3.0",
        "Delapouite, Lorc and other authors, game-icons.net, github.com/game-icons/icons",
    ),
    "awesome": Set(
        "@iconify-json/fa6-solid",
        "1.2.4",
        "Font Awesome 6 Solid",
        "CC-BY-4.0",
        "Dave Gandy and Fonticons, Inc, github.com/FortAwesome/Font-Awesome",
    ),
    "solar": Set(
        "@iconify-json/solar",
        "1.2.13",
        "Solar",
        "CC-BY-4.0",
        "480 Design, figma.com/community/file/1166831539721848736",
    ),
    "phosphor": Set(
        "@iconify-json/ph",
        "1.2.2",
        "Phosphor",
        "MIT",
        "Copyright (c) Phosphor Icons, github.com/phosphor-icons/core",
    ),
    "tabler": Set(
        "@iconify-json/tabler",
        "1.2.41",
        "Tabler Icons",
        "MIT",
        "Copyright (c) Paweł Kuna, github.com/tabler/tabler-icons",
    ),
    "maki": Set("@iconify-json/maki", "1.2.5", "Maki", "CC0-1.0", "Mapbox, github.com/mapbox/maki"),
}

# Class -> set -> names. Whole bodies where there is a choice; nothing that shows two of the classes, such as
# a rider on a motorbike.
ARTWORK = {
    "aeroplane": {
        "fluent3d": "airplane small-airplane",
        "noto": "airplane small-airplane",
        "notov1": "airplane small-airplane",
        "twemoji": "airplane small-airplane",
        "emojitwo": "airplane small-airplane",
        "fxemoji": "airplane",
        "streamline": "airplane",
    },
    "bicycle": {
        "fluent3d": "bicycle",
        "fluentflat": "bicycle",
        "noto": "bicycle",
        "notov1": "bicycle",
        "twemoji": "bicycle",
        "emojitwo": "bicycle",
        "fxemoji": "bicycle",
        "streamline": "bicycle",
    },
    "bird": {
        "fluent3d": "parrot duck owl",
        "noto": "eagle bird flamingo",
        "notov1": "duck",
        "twemoji": "bird swan parrot",
        "emojitwo": "bird rooster",
        "fxemoji": "penguin",
        "streamline": "bird-2",
    },
    "boat": {
        "fluent3d": "sailboat",
        "noto": "sailboat ship motor-boat speedboat canoe",
        "notov1": "passenger-ship sailboat canoe",
        "twemoji": "sailboat motor-boat",
        "emojitwo": "canoe ship",
        "streamline": "sailboat speedboat",
    },
    "bottle": {
        "fluent3d": "baby-bottle lotion-bottle bottle-with-popping-cork",
        "noto": "baby-bottle bottle-with-popping-cork lotion-bottle",
        "notov1": "bottle-with-popping-cork baby-bottle",
        "twemoji": "baby-bottle lotion-bottle",
        "emojitwo": "bottle-with-popping-cork baby-bottle sake",
        "streamline": "baby-bottle",
    },
    "bus": {
        "fluent3d": "bus oncoming-bus",
        "noto": "bus oncoming-bus",
        "notov1": "bus oncoming-bus",
        "twemoji": "bus oncoming-bus",
        "emojitwo": "bus oncoming-bus",
        "fxemoji": "bus",
        "streamline": "bus",
    },
    "car": {
        "fluent3d": "automobile taxi",
        "noto": "automobile sport-utility-vehicle",
        "notov1": "automobile oncoming-automobile",
        "twemoji": "automobile police-car sport-utility-vehicle",
        "emojitwo": "automobile oncoming-automobile",
        "fxemoji": "automobile taxi",
        "streamline": "automobile",
    },
    "cat": {
        "fluent3d": "cat black-cat cat-face",
        "noto": "cat black-cat",
        "notov1": "cat cat-face",
        "twemoji": "cat cat-face",
        "emojitwo": "cat",
        "fxemoji": "cat",
        "streamline": "cat",
    },
    "chair": {
        "fluent3d": "chair seat",
        "noto": "chair seat",
        "notov1": "seat",
        "twemoji": "chair seat",
        "emojitwo": "seat",
        "fxemoji": "seat",
        "gameicons": "wooden-chair rocking-chair",
        "ultimate": "office-chair",
        "awesome": "chair",
    },
    "cow": {
        "fluent3d": "cow ox",
        "noto": "cow ox",
        "notov1": "cow",
        "twemoji": "cow ox",
        "emojitwo": "cow-face",
        "fxemoji": "cow ox",
        "streamline": "cow ox",
    },
    "diningtable": {
        "material": "table-restaurant table-bar",
        "mdi": "table-furniture table-picnic",
        "gameicons": "table",
        "maki": "picnic-site",
        "tabler": "picnic-table",
        "fluenticons": "table-picnic-20-filled",
    },
    "dog": {
        "fluent3d": "dog poodle service-dog",
        "noto": "dog guide-dog",
        "notov1": "dog-face",
        "twemoji": "dog guide-dog",
        "emojitwo": "dog poodle",
        "fxemoji": "poodle",
        "streamline": "dog poodle",
    },
    "horse": {
        "fluent3d": "horse horse-face",
        "noto": "horse horse-face",
        "notov1": "horse",
        "twemoji": "horse horse-face",
        "emojitwo": "horse",
        "fxemoji": "horse",
        "streamline": "horse",
    },
    "motorbike": {
        "fluent3d": "motorcycle motor-scooter",
        "noto": "motorcycle motor-scooter",
        "notov1": "motorcycle motor-scooter",
        "twemoji": "motorcycle motor-scooter",
        "emojitwo": "motor-scooter",
        "fxemoji": "motorcycle",
    },
    "person": {
        "fluent3d": "person-standing woman-dancing man-running",
        "noto": "woman-standing-dark-skin-tone man-walking-medium-skin-tone person-standing",
        "notov1": "man-dancing woman-dancing",
        "twemoji": "person-walking-medium-dark-skin-tone woman-standing-light-skin-tone man-standing",
        "emojitwo": "person-running man-dancing",
        "streamline": "man-running-2 woman-walking-2",
    },
    "pottedplant": {
        "fluent3d": "potted-plant pine-decoration",
        "noto": "potted-plant pine-decoration",
        "twemoji": "potted-plant",
        "emojitwo": "pine-decoration",
        "gameicons": "flower-pot cactus-pot",
        "material": "potted-plant",
        "phosphor": "potted-plant-duotone",
    },
    "sheep": {
        "fluent3d": "ewe ram",
        "noto": "ewe ram",
        "notov1": "ewe ram",
        "twemoji": "ewe ram",
        "emojitwo": "ewe",
        "fxemoji": "ram sheep",
        "streamline": "ewe-2 ram",
    },
    "sofa": {
        "fluent3d": "couch-and-lamp",
        "noto": "couch-and-lamp",
        "notov1": "couch-and-lamp",
        "twemoji": "couch-and-lamp",
        "emojitwo": "couch-and-lamp",
        "awesome": "couch",
        "fluenticons": "couch-48-filled",
        "gameicons": "sofa",
        "mdi": "sofa",
        "phosphor": "couch-duotone",
        "solar": "sofa-bold-duotone sofa-3-bold-duotone",
    },
    "train": {
        "fluent3d": "train locomotive bullet-train",
        "noto": "train locomotive",
        "notov1": "tram bullet-train",
        "twemoji": "train locomotive railway-car",
        "emojitwo": "locomotive tram-car",
        "streamline": "locomotive",
    },
    "tvmonitor": {
        "fluent3d": "television desktop-computer",
        "noto": "television desktop-computer",
        "notov1": "television desktop-computer",
        "twemoji": "television desktop-computer",
        "emojitwo": "television desktop-computer",
        "fxemoji": "television",
        "streamline": "television",
    },
}

# Part of an artwork's box that is kept, (left, top, right, bottom) in 0..1: without water, lamps, cups.
CROPS = {
    "fluent3d:sailboat": (0, 0, 1, 0.8),
    "twemoji:sailboat": (0, 0, 1, 0.82),
    "twemoji:motor-boat": (0, 0, 1, 0.41),
    "emojitwo:ship": (0, 0.3, 1, 0.84),
    "emojitwo:sake": (0.4, 0, 1, 1),
    "fluent3d:couch-and-lamp": (0, 0.52, 0.765, 1),
    "noto:couch-and-lamp": (0, 0.47, 1, 1),
    "notov1:couch-and-lamp": (0, 0.255, 0.86, 1),
    "twemoji:couch-and-lamp": (0, 0.36, 0.92, 1),
    "emojitwo:couch-and-lamp": (0, 0.385, 1, 1),
}

Paint = tuple[tuple[float, str], ...]


def pot(plant: str, clay: str, rim: float) -> Paint:
    """Green that deepens downward, and from the rim on a clay pot."""
    return ((0, plant), (rim, "#2e6b2f"), (rim, clay), (1, "#7d3c20"))


# Icons of one colour are filled from top to bottom: (offset in 0..1, colour) stops.
OAK = ((0, "#c9945a"), (1, "#8f5d2e"))
WALNUT = ((0, "#8a5a3a"), (1, "#54331d"))
PINE = ((0, "#e0b67c"), (1, "#b5854a"))
TEAK = ((0, "#a9683c"), (1, "#6b3a1c"))
PAINTS: dict[str, Paint] = {
    "material:table-restaurant": OAK,
    "material:table-bar": WALNUT,
    "mdi:table-furniture": PINE,
    "mdi:table-picnic": TEAK,
    "gameicons:table": TEAK,
    "maki:picnic-site": OAK,
    "tabler:picnic-table": WALNUT,
    "fluenticons:table-picnic-20-filled": PINE,
    "gameicons:wooden-chair": PINE,
    "gameicons:rocking-chair": WALNUT,
    "awesome:chair": ((0, "#5b87a8"), (1, "#2f4b66")),
    "gameicons:flower-pot": pot("#e2574c", "#cf7a45", 0.62),
    "gameicons:cactus-pot": pot("#6fae4e", "#c96f3f", 0.6),
    "material:potted-plant": pot("#83c45c", "#d08050", 0.52),
    "phosphor:potted-plant-duotone": pot("#94cf5f", "#b9663b", 0.55),
    "awesome:couch": ((0, "#b4524a"), (1, "#6e2a28")),
    "fluenticons:couch-48-filled": ((0, "#d9c7a6"), (1, "#a08a64")),
    "gameicons:sofa": ((0, "#8c4a2f"), (1, "#4e2516")),
    "mdi:sofa": ((0, "#9aa5ad"), (1, "#59636b")),
    "phosphor:couch-duotone": ((0, "#4f8f86"), (1, "#22514d")),
    "solar:sofa-bold-duotone": ((0, "#8d6bb0"), (1, "#513771")),
    "solar:sofa-3-bold-duotone": ((0, "#e3a33c"), (1, "#a66a17")),
}

# Backgrounds: file in skimage/data -> regions that show none of the 20 classes, (left, top, right, bottom),
# and the licence as scikit-image's documentation gives it.
BACKGROUNDS = {
    "astronaut.png": ([(0, 0, 150, 200)], "public domain (NASA)"),
    "brick.png": ([(0, 0, 512, 512)], "CC0 (CC0Textures, Bricks25)"),
    "camera.png": ([(336, 0, 512, 300)], "CC0 (Lav Varshney)"),
    "cell.png": ([(0, 0, 550, 660)], "CC0 (Paul Müller and others)"),
    "clock_motion.png": ([(0, 0, 400, 300)], "public domain (Stefan van der Walt)"),
    "grass.png": ([(0, 0, 512, 512)], "CC0 (linolafett, DeviantArt)"),
    "gravel.png": ([(0, 0, 512, 512)], "CC0 (CC0Textures, Gravel04)"),
    "hubble_deep_field.jpg": ([(0, 0, 700, 700)], "public domain (NASA, Hubble)"),
    "retina.jpg": ([(220, 220, 700, 1200), (700, 220, 1200, 1200)], "CC0 (Mikael Häggström)"),
    "rocket.jpg": ([(0, 0, 260, 427), (340, 0, 640, 427)], "public domain (SpaceX)"),
    "text.png": ([(0, 0, 448, 172)], "public domain (Wikipedia, Corner.png)"),
}

LICENCES = """# Licences of the embedded artwork

Made by `tools/make_artwork.py`. Every picture below is the work of others under an open licence. All
were changed: drawn at {side} pixels, soft ground shadows and loose pieces removed, cropped to the
object. `cropped`: a part was cut off as well (water under a boat, the lamp beside a sofa, a cup).
`coloured`: an icon of one colour was filled with colours of our choice.

No emoji shows a dining table, so that class is made of icons from map and interface sets in wood
colours; it is the least lifelike of the twenty. Some chairs, potted plants and sofas are such icons too.

## Sets

| set | title | npm package and version | licence | credit |
| --- | --- | --- | --- | --- |
{sets}

Licence texts: MIT below, Apache-2.0 in `APACHE-2.0.txt` beside this file,
[CC-BY-4.0](https://creativecommons.org/licenses/by/4.0/),
[CC-BY-3.0](https://creativecommons.org/licenses/by/3.0/),
[CC0-1.0](https://creativecommons.org/publicdomain/zero/1.0/).

## Backgrounds

Regions, (left, top, right, bottom) in pixels, of photographs in `skimage/data` of scikit-image
{skimage}, with the licences that its documentation states.

| file | photograph and region | licence |
| --- | --- | --- |
{backgrounds}

## Artwork

| file | set | original name | changes beyond the common ones |
| --- | --- | --- | --- |
{artwork}

## MIT licence

Of the sets marked MIT above, each under its own copyright line:

> Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
> associated documentation files (the "Software"), to deal in the Software without restriction,
> including without limitation the rights to use, copy, modify, merge, publish, distribute,
> sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
> furnished to do so, subject to the following conditions:
>
> The above copyright notice and this permission notice shall be included in all copies or
> substantial portions of the Software.
>
> THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
> NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
> NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
> DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT
> OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
