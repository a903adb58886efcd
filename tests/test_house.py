"""The house itself: imports never run upward, and the public face changes only on purpose."""

import ast
from pathlib import Path
from types import ModuleType

import pytest

import episodes
import srpnet

ROOT = Path(__file__).parent.parent
FLOORS = ["episodes", "srpnet", "cli"]
ROOMS = {
    "episodes": [".", "data", "fewshot", "scoring", "results", "score"],
    "cli": ["shared", "."],
    "episodes/data": [".", "sets"],
    "episodes/data/formats": ["drawing", "."],
    "episodes/fewshot": [".", "scenes", "checks"],
    "episodes/scoring": [".", "plans"],
    "srpnet": [".", "nn", "training", "fewshot", "faces", "weak", "apps"],
    "srpnet/apps": ["pictures", "looks", "examples", "trust", "files", ".", "web"],
    "srpnet/fewshot": [".", "evaluation", "training"],
    "srpnet/weak": [".", "training"],
}
"""The rooms of a folder, lowest first; `.` is what lies in no room. A file imports from its own room and lower ones."""
FILES = [file for floor in FLOORS for file in sorted((ROOT / floor).rglob("*.py"))]


def imported(file: Path) -> set[str]:
    """Top-level names of everything that a file imports, inside functions too."""
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_never_run_upward(file: Path) -> None:
    floor = FLOORS.index(file.relative_to(ROOT).parts[0])
    assert not imported(file) & set(FLOORS[floor + 1 :])


def modules(file: Path) -> set[str]:
    """Dotted names of everything of ours that a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.partition(".")[0] in FLOORS}


def room(folder: str, name: str) -> str:
    """The room of a folder in which a module lies."""
    first = name.removeprefix(folder.replace("/", ".") + ".").partition(".")[0]
    return first if first in ROOMS[folder] else "."


@pytest.mark.parametrize("folder", ROOMS)
def test_rooms_import_from_lower_ones_alone(folder: str) -> None:
    upward = {}
    for file in (ROOT / folder).rglob("*.py"):
        own = room(folder, ".".join(file.relative_to(ROOT).with_suffix("").parts))
        inside = {name for name in modules(file) if name.startswith(folder.replace("/", ".") + ".")}
        higher = {name for name in inside if ROOMS[folder].index(room(folder, name)) > ROOMS[folder].index(own)}
        if higher and file.name != "__init__.py":
            upward[str(file.relative_to(ROOT))] = higher
    assert not upward


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_file_says_its_subject(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("package", [episodes, srpnet], ids=lambda package: str(package.__name__))
def test_the_public_face_is_there(package: ModuleType) -> None:
    """Its list stands in the package; what is on it must be found where the lazy imports look."""
    assert all(hasattr(package, name) for name in package.__all__)
