"""What the tests of the commands share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In which the stickers are counted once for all tests."""
    return tmp_path_factory.mktemp("cache")
