"""What kind of JSON an annotation file is, from its first bytes."""

import re
from typing import Literal

Kind = Literal["coco", "labelme", "label-studio"]
FIRST_KEY = re.compile(rb'\s*\{\s*"([A-Za-z_]+)"\s*:')
COCO_KEYS = {b"info", b"licenses", b"images", b"categories", b"annotations"}
LABELME_KEYS = {b"shapes", b"imagePath", b"imageData", b"imageHeight", b"imageWidth", b"lineColor", b"fillColor"}
TASK = re.compile(rb'\s*\[\s*\{.{0,4000}?"(annotations|predictions|completions|data)"\s*:', re.DOTALL)


def json_kind(head: bytes) -> Kind | None:
    """The kind of a file that begins so; None of any other JSON.

    >>> json_kind(b'{"info": {}, "images": []}'), json_kind(b'{"version": "5.0", "flags": {}, "shapes": []}')
    ('coco', 'labelme')
    """
    head = head.removeprefix(b"\xef\xbb\xbf")
    if TASK.match(head):
        return "label-studio"
    if not (first := FIRST_KEY.match(head)):
        return None
    if first[1] in COCO_KEYS:
        return "coco"
    if first[1] in LABELME_KEYS or any(b'"%s"' % key in head for key in (b"shapes", b"imagePath")):
        return "labelme"
    return "coco" if b'"annotations"' in head and b'"images"' in head else None
