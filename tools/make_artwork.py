"""Make `episodes/data/artwork/` again: openly licensed emoji and icons, backgrounds from scikit-image.

    pip install resvg-py scikit-image
    python tools/make_artwork.py

Needs npm on the path; downloads about 50 MB of npm packages into a temporary folder. To change an artwork,
change the tables of `artwork_choices.py`, run, and look at every picture before keeping it.
"""

import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import resvg_py
import skimage
from PIL import Image
from skimage.measure import label

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from artwork_choices import ARTWORK, BACKGROUNDS, CROPS, LICENCES, PAINTS, SETS, Paint, Set

from episodes.data.source import PASCAL_CLASSES

FOLDER = Path(__file__).resolve().parents[1] / "episodes" / "data" / "artwork"
SIDE = 144  # pixels of an artwork's longest side: a scene seldom draws one much larger


def unpack(chosen: Set, folder: Path) -> Path:
    """Fetch one npm package at its pinned version and unpack it."""
    name = f"{chosen.package}@{chosen.version}"
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), name]
    archive = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1]
    target = folder / archive.removesuffix(".tgz")
    shutil.unpack_archive(folder / archive, target)
    return target / "package"


def icon(package: Path, name: str, paint: Paint | None) -> Image.Image:
    """Draw one icon of an Iconify package; `paint` fills what the set leaves to the reader's text colour."""
    content: dict[str, Any] = json.loads((package / "icons.json").read_text(encoding="utf-8"))
    while name not in content["icons"]:
        name = content["aliases"][name]["parent"]
    drawing = content["icons"][name]
    body = drawing["body"]
    left, top = drawing.get("left", 0), drawing.get("top", 0)
    width, height = (drawing.get(key, content.get(key, 16)) for key in ("width", "height"))
    defs = ""
    if "currentColor" in body:
        if paint is None:
            raise SystemExit(f"{name} of {package} has no colour of its own: give it one in PAINTS")
        stops = "".join(f'<stop offset="{offset}" stop-color="{colour}"/>' for offset, colour in paint)
        defs = (
            f'<defs><linearGradient id="paint" gradientUnits="userSpaceOnUse" x1="0" x2="0" y1="{top}" '
            f'y2="{top + height}">{stops}</linearGradient></defs>'
        )
        # The paler tone of two-tone icons is see-through; a sticker must not be. It becomes solid.
        body = re.sub(r'(?<!-)\bopacity="[\d.]+"', f'style="fill:{paint[0][1]}"', body)
        body = body.replace("currentColor", "url(#paint)")
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="{left} {top} {width} {height}" width="{width}" height="{height}">{defs}{body}</svg>'
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, width=4 * SIDE)
    return Image.open(io.BytesIO(bytes(png))).convert("RGBA")


def clean(image: Image.Image, crop: tuple[float, float, float, float]) -> Image.Image:
    """Keep the object alone: no ground shadow, no flying cork, cropped to what is left and made small."""
    image = image.crop(image.getchannel("A").getbbox())
    width, height = image.size
    left, top, right, bottom = crop
    image = image.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))
    alpha = np.asarray(image.getchannel("A")).astype(float)
    alpha = np.clip((alpha - 70) * 255 / 150, 0, 255)  # drawn shadows are fainter than 70, glass is stronger than 220
    parts = label(alpha > 0)  # type: ignore[no-untyped-call]
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    alpha[sizes[parts] < 0.05 * sizes.max()] = 0
    image.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    image = image.crop(image.getchannel("A").getbbox())
    scale = SIDE / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")


def make_artwork(folder: Path, temporary: Path) -> list[str]:
    """Write every artwork; return the rows of the table that lists them."""
    used = sorted({set_name for chosen in ARTWORK.values() for set_name in chosen})
    packages = {name: unpack(SETS[name], temporary) for name in used}
    codes = {
        name: code
        for code, name in json.loads((packages["twemoji"] / "chars.json").read_text(encoding="utf-8")).items()
    }
    rows = []
    for class_name in PASCAL_CLASSES:
        chosen = ARTWORK[class_name]
        for set_name, name in [(key, name) for key, names in chosen.items() for name in names.split()]:
            entry = f"{set_name}:{name}"
            if set_name == "fluent3d":  # ready pictures, named by code point
                assets = packages[set_name] / "assets"
                found = [assets / f"{codes[name]}{variant}.webp" for variant in ("", "-fe0f")]
                image = Image.open(next(path for path in found if path.exists())).convert("RGBA")
            else:
                image = icon(packages[set_name], name, PAINTS.get(entry))
            path = folder / class_name / f"{set_name}-{name}.webp"
            path.parent.mkdir(parents=True, exist_ok=True)
            clean(image, CROPS.get(entry, (0, 0, 1, 1))).save(path, quality=85, alpha_quality=90, method=6)
            changed = [text for table, text in ((CROPS, "cropped"), (PAINTS, "coloured")) if entry in table]
            rows.append(f"| {class_name}/{path.name} | {set_name} | {name} | {', '.join(changed)} |")
    return rows


def make_backgrounds(folder: Path) -> list[str]:
    """Write every background; return the rows of the table that lists them."""
    data = Path(skimage.__file__).parent / "data"
    rows = []
    folder.mkdir(parents=True)
    for name, (regions, licence) in BACKGROUNDS.items():
        photograph = Image.open(data / name)
        for number, box in enumerate(regions, start=1):
            region = photograph.crop(box)
            region.thumbnail((512, 512), Image.Resampling.LANCZOS)
            path = folder / f"{Path(name).stem}-{number}.jpg"
            region.save(path, quality=82, optimize=True)
            rows.append(f"| background/{path.name} | {name}, {box} | {licence} |")
    return rows


def licences(artwork: list[str], backgrounds: list[str]) -> str:
    """The text of LICENCES.md."""
    used = {row.split(" | ")[1] for row in artwork}
    sets = "\n".join(
        f"| {name} | {one.title} | {one.package} {one.version} | {one.licence} | {one.credit} |"
        for name, one in SETS.items()
        if name in used
    )
    return LICENCES.format(
        side=SIDE,
        skimage=version("scikit-image"),
        sets=sets,
        backgrounds="\n".join(backgrounds),
        artwork="\n".join(artwork),
    )


def main() -> None:
    """Replace the folder by a newly made one, once everything in it could be made."""
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary) / "artwork"
        artwork = make_artwork(made, Path(temporary))
        backgrounds = make_backgrounds(made / "background")
        (made / "LICENCES.md").write_text(licences(artwork, backgrounds), encoding="utf-8")
        shutil.copy(FOLDER / "APACHE-2.0.txt", made)
        shutil.rmtree(FOLDER)
        shutil.copytree(made, FOLDER)
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file())
    print(f"{FOLDER}: {len(artwork)} artworks, {len(backgrounds)} backgrounds, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
