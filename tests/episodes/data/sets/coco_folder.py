"""A small COCO folder with known pixels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 6, 8
Content = dict[str, Any]


def box(left: int, top: int, right: int, bottom: int) -> list[list[int]]:
    """A rectangle as a polygon; right and bottom are exclusive."""
    return [[left, top, right, top, right, bottom, left, bottom]]


def runs(labels: np.ndarray) -> Content:
    """A mask as uncompressed run lengths, which is how COCO stores crowds."""
    flat = labels.ravel(order="F").astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat]))).tolist()
    counts = np.diff([0, *edges, flat.size]).tolist()
    return {"size": list(labels.shape), "counts": counts}


def annotation(number: int, category: int, segmentation: Any, image: int = 7, crowd: int = 0) -> Content:
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "segmentation": segmentation,
        "iscrowd": crowd,
    }


def example() -> Content:
    """Image 7 shows a small cat (90) before a large dog (18) before a crowd of dogs; image 8 is empty."""
    crowd = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    crowd[0:2] = 1
    return {
        "images": [
            {"id": 7, "file_name": "000007.jpg", "height": HEIGHT, "width": WIDTH},
            {"id": 8, "file_name": "000008.jpg", "height": HEIGHT, "width": WIDTH},
        ],
        "categories": [{"id": 90, "name": "cat"}, {"id": 18, "name": "dog"}],
        "annotations": [
            annotation(1, 90, box(2, 2, 4, 4)),
            annotation(2, 18, box(0, 1, 6, 5)),
            annotation(3, 18, runs(crowd), crowd=1),
        ],
    }


EXPECTED = np.array(
    [
        [255, 255, 255, 255, 255, 255, 255, 255],
        [1, 1, 1, 1, 1, 1, 255, 255],
        [1, 1, 2, 2, 1, 1, 0, 0],
        [1, 1, 2, 2, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0],
    ]
)


def write(root: Path, content: Content, name: str = "instances", photographs: str = "images") -> Path:
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / "annotations" / f"{name}.json").write_text(json.dumps(content))
    (root / photographs).mkdir(parents=True, exist_ok=True)
    for image in content["images"]:
        Image.new("RGB", (WIDTH, HEIGHT), (10, 20, 30)).save(root / photographs / image["file_name"])
    return root
