"""The house itself: imports never run upward, and the public face changes only on purpose."""

import ast
from pathlib import Path

import pytest

import episodes
import srpnet

ROOT = Path(__file__).parent.parent
FLOORS = ["episodes", "srpnet", "cli"]
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


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_file_says_its_subject(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text))


def test_public_api_of_episodes() -> None:
    assert set(episodes.__all__) == {
        "PROTOCOLS",
        "Augmentation",
        "DataSettings",
        "Difference",
        "Episode",
        "EpisodeList",
        "EpisodeSpec",
        "Evaluation",
        "Geometry",
        "Header",
        "InputError",
        "Interval",
        "Loader",
        "Manifest",
        "Method",
        "Outcome",
        "Output",
        "Pairs",
        "Photograph",
        "Plan",
        "PlanSettings",
        "Predictions",
        "Protocol",
        "Record",
        "Records",
        "Resampling",
        "Run",
        "Sampler",
        "Score",
        "Source",
        "Task",
        "World",
        "compare",
        "confusion",
        "evaluate",
        "folds",
        "joined",
        "novel_and_base",
        "open_source",
        "plans",
        "protocols",
        "score",
    }
    assert all(hasattr(episodes, name) for name in episodes.__all__)


def test_public_api_of_srpnet() -> None:
    assert set(srpnet.__all__) == {
        "TRAINING_FREE",
        "WEIGHT_SETS",
        "Backbone",
        "EvalSettings",
        "InputError",
        "NetworkSettings",
        "QueryInference",
        "SRPNet",
        "SRPNetMethod",
        "Segmenter",
        "TrainSettings",
        "TrainingRun",
        "TrainingSettings",
        "__version__",
        "build",
        "cosine",
        "fidelity",
        "get_weights",
        "infer",
        "load_network",
        "masked_average_pooling",
        "run_evaluation",
        "run_training",
        "runtime",
        "segmentation_loss",
        "support_prototypes",
    }
    assert all(hasattr(srpnet, name) for name in srpnet.__all__)
