"""Names of files, as lists and annotation files have them."""

import re
from collections import Counter
from pathlib import PurePosixPath


def below(name: str) -> str | None:
    """A file name as a path below a folder, with slashes; None if it would lead out of the folder.

    >>> below("cam0\\\\1.jpg"), below("../1.jpg"), below("C:\\\\1.jpg"), below("./a//1.jpg")
    ('cam0/1.jpg', None, None, 'a/1.jpg')
    """
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or "\0" in name or re.match(r"[A-Za-z]:", name) or not path.name:
        return None
    try:
        name.encode()  # a lone surrogate is no name of a file
    except UnicodeEncodeError:
        return None
    return str(path)


def ids_of(files: list[str]) -> list[str]:
    """The id of each file: its name without folder and extension, or with as much of them as tells it from the others.

    >>> ids_of(["a/1.jpg", "b/1.jpg", "b/2.jpg", "b/2.png", "3.jpg"])
    ['a/1', 'b/1', 'b/2.jpg', 'b/2.png', '3']
    """
    ids = [PurePosixPath(file).stem for file in files]
    for longer in (lambda file: str(PurePosixPath(file).with_suffix("")), str):
        counts = Counter(ids)
        ids = [id if counts[id] == 1 else longer(file) for id, file in zip(ids, files, strict=True)]
    return ids
