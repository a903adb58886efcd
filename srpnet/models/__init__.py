"""The released models, which come with the package: a folder each, with a model card."""

from pathlib import Path


def released() -> dict[str, Path]:
    """Name -> folder of every released model."""
    folder = Path(__file__).parent
    return {config.parent.name: config.parent for config in sorted(folder.glob("*/config.json"))}
