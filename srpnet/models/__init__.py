"""The released models, which come with the package: a folder each, with a model card."""

import json
from pathlib import Path


def released() -> dict[str, Path]:
    """Name -> folder of every released model."""
    folder = Path(__file__).parent
    return {config.parent.name: config.parent for config in sorted(folder.glob("*/config.json"))}


def is_face_parser(folder: Path) -> bool:
    """Whether a folder says that it holds a face parser, and not a few-shot network; False if it says nothing."""
    try:
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "crops" in content
