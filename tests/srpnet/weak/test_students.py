"""Students of either backbone: shapes, what is frozen, saving and loading."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from episodes.errors import InputError
from srpnet.nn import vit
from srpnet.nn.vit import PatchTransformer, vit_weights
from srpnet.weak.saving import load_students, write
from srpnet.weak.settings import StudentSettings
from srpnet.weak.students import Features, Students, build
from tests.srpnet.conftest import Noise
from tests.srpnet.runs import same
from tests.srpnet.weak.conftest import SMALL, VIT

BOTH = pytest.mark.parametrize("config", [SMALL, VIT], ids=["resnet50", "vit-b16"])


@BOTH
@pytest.mark.usefixtures("global_state")
def test_both_backbones_give_two_maps_of_any_size(config: StudentSettings) -> None:
    students = Students(config).eval()
    assert len(list(students)) == 2
    for height, width in ((48, 48), (40, 57)):
        levels = students.lower(torch.full((2, 3, height, width), 0.4))
        for student in students:
            features = student(levels, (height, width))
            cells = (-(-height // 16), -(-width // 16))
            assert features.main.shape == (2, student.encoder.channels[1], *cells)
            assert features.aux.shape == (2, student.encoder.channels[0], *cells)
            assert [logits.shape for logits in student.class_logits(features)] == [(2, 3), (2, 3)]
            assert student.encoder.upsample(student.segment(features), (height, width)).shape == (2, 4, height, width)


@BOTH
def test_frozen_blocks_change_nothing_but_what_learns(config: StudentSettings) -> None:
    """However many blocks are frozen, the features are the same."""
    images = torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    whole = Students(replace(config, students=1)).eval()
    expected = next(iter(whole))(whole.lower(images), (48, 48))
    for frozen in range(1, config.blocks + 1):
        students = Students(replace(config, students=1, frozen_blocks=frozen)).eval()
        students.load_state_dict(whole.state_dict())
        levels = students.lower(images)
        assert not any(level.requires_grad for level in levels)
        found = next(iter(students))(levels, (48, 48))
        assert torch.allclose(found.main, expected.main, atol=1e-5)
        assert torch.allclose(found.aux, expected.aux, atol=1e-5)
        learned = sum(value.numel() for value in students.backbones())
        assert learned < sum(value.numel() for value in whole.backbones())


def test_cams_are_the_classifier_at_every_cell(students: Students) -> None:
    student = next(iter(students))
    features = student(students.lower(torch.rand(1, 3, 48, 48)), (48, 48))
    main, _ = student.class_maps(features)
    weights = student.classifier.weight[:, :, 0, 0]
    assert torch.allclose(main[0, :, 1, 2], weights @ features.main[0, :, 1, 2], atol=1e-5)


def test_classifiers_see_the_average_of_all_cells_or_the_largest_of_each_channel() -> None:
    """Two channels, four cells: the average is (2, 1), the largest (5, 4)."""
    maps = torch.tensor([[[[5.0, 1.0], [1.0, 1.0]], [[0.0, 4.0], [0.0, 0.0]]]])
    for pooling, expected in (("average", 2 * 10 + 1), ("max", 5 * 10 + 4)):
        student = next(iter(Students(replace(SMALL, pooling=pooling))))
        aux, main = (maps.repeat(1, channels // 2, 1, 1) for channels in student.encoder.channels)
        with torch.no_grad():
            for classifier in (student.classifier, student.aux_classifier):
                classifier.weight.zero_()
                classifier.weight[1, 0], classifier.weight[1, 1] = 10, 1
        for logits in student.class_logits(Features(aux, main)):
            assert logits.tolist() == [[0, expected, 0]]


def test_average_pooling_is_the_mean_of_the_class_maps(students: Students) -> None:
    """So each cell adds what the map says of it: nothing but its sum is learned, and no peak can do for all."""
    student = next(iter(students))
    features = student(students.lower(torch.rand(1, 3, 48, 48)), (48, 48))
    for logits, maps in zip(student.class_logits(features), student.class_maps(features), strict=True):
        assert torch.allclose(logits, maps.mean((2, 3)), atol=1e-5)


def test_students_that_were_trained_before_there_was_a_choice_have_max_pooling(cache: Any, tmp_path: Path) -> None:
    write(build(SMALL), tmp_path)
    assert load_students(tmp_path).config.pooling == "average"
    content = json.loads((tmp_path / "config.json").read_text())
    del content["pooling"]
    (tmp_path / "config.json").write_text(json.dumps(content))
    assert load_students(tmp_path).config.pooling == "max"


def test_students_differ_in_their_heads_alone(cache: Any) -> None:
    first, second = build(SMALL, seed=3)
    assert same(first.encoder.state_dict(), second.encoder.state_dict())
    assert not torch.equal(first.head[0].weight, second.head[0].weight)
    again = build(SMALL, seed=3)
    assert same(again.state_dict(), torch.nn.ModuleList([first, second]).state_dict(prefix="students."))


@pytest.mark.parametrize("frozen", [0, 3])
def test_what_was_trained_is_saved_and_loaded(cache: Any, tmp_path: Path, frozen: int) -> None:
    students = build(replace(SMALL, frozen_blocks=frozen))
    with torch.no_grad():
        for value in (*students.heads(), *students.backbones()):
            value.add_(0.1)
    write(students, tmp_path)
    loaded = load_students(tmp_path)
    assert same(loaded.state_dict(), students.state_dict())
    assert loaded.config == students.config
    saved = load_file(tmp_path / "model.safetensors")
    assert ("students.0.encoder.backbone.conv1.weight" in saved) == (frozen == 0)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "name a folder that `srpnet weak train` wrote"),
        (lambda folder: (folder / "config.json").write_text("{}"), "does not hold students of DuPL"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"no"), "cannot be read"),
        (lambda folder: _change(folder, classes=["cat", "cow"], labels=[1, 2]), "does not fit its config.json"),
        (lambda folder: _change(folder, students=3), "`students` must be"),
        (lambda folder: _change(folder, pooling="median"), "`pooling` must be"),
        (lambda folder: _change(folder, frozen_blocks=9), "9 cannot be frozen"),
        (lambda folder: _poison(folder), "holds NaN or infinity in students.0.classifier.weight"),
    ],
)
def test_files_are_not_trusted(cache: Any, tmp_path: Path, damage: Any, message: str) -> None:
    write(build(SMALL), tmp_path)
    damage(tmp_path)
    with pytest.raises(InputError, match=message):
        load_students(tmp_path)


def _change(folder: Path, **values: Any) -> None:
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | values))


def _poison(folder: Path) -> None:
    state = load_file(folder / "model.safetensors")
    state["students.0.classifier.weight"][0] = float("nan")
    save_file(state, folder / "model.safetensors")


def test_positions_of_another_size_are_resized(noise: Noise) -> None:
    transformer = PatchTransformer(depth=1, heads=2, head_width=4, grid=3)
    with torch.no_grad():
        transformer.encoder.pos_embedding.copy_(noise(1, 10, 8))
    assert transformer.positions((3, 3)) is transformer.encoder.pos_embedding
    assert transformer.positions((4, 2)).shape == (1, 9, 8)
    assert torch.equal(transformer.positions((4, 2))[:, 0], transformer.encoder.pos_embedding[:, 0])


def test_features_are_those_of_torchvision() -> None:
    """At its own size, with the weights under its names."""
    from torchvision.models.vision_transformer import VisionTransformer

    transformer = PatchTransformer(depth=2, heads=2, head_width=4, grid=3).eval()
    whole = VisionTransformer(48, 16, 2, 2, 8, 32).eval()
    vit.load_vit(transformer, dict(whole.state_dict()))
    images = torch.rand(1, 3, 48, 48)
    tokens = transformer.embed(images)
    for block in transformer.blocks:
        tokens = block(tokens)
    patches = whole._process_input(images)
    expected = whole.encoder(torch.cat([whole.class_token, patches], 1))
    assert torch.allclose(transformer.encoder.ln(tokens), expected, atol=1e-5)
    assert torch.equal(transformer.feature_map(tokens, (48, 48))[0, :, 1, 2], tokens[0, 6])


def test_vit_weights_come_from_a_file_and_are_kept(tmp_path: Path) -> None:
    state = PatchTransformer(depth=4, heads=2, head_width=8, grid=14).state_dict()
    torch.save({**state, "heads.head.weight": torch.zeros(2, 16)}, tmp_path / "vit.pth")
    found, loaded = vit_weights(tmp_path / "vit.pth")
    assert same(loaded, dict(state))
    again, kept = vit_weights(sha256=found.sha256)
    assert again == found
    assert same(kept, loaded)
    with pytest.raises(InputError, match="not the 000000000000 asked for"):
        vit_weights(sha256="0" * 64)
    students = build(VIT)
    assert students.config.weights == "torchvision-vit-b16"
    write(students, tmp_path / "run")
    assert same(load_students(tmp_path / "run").state_dict(), students.state_dict())


def test_without_a_network_vit_weights_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise InputError("no network")

    monkeypatch.setattr(vit, "download", fail)
    with pytest.raises(InputError, match="connect to the internet, or name a file that holds it as `weights_file`"):
        vit_weights()


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(InputError, match="the weights do not fit ViT-B/16"):
        vit.load_vit(PatchTransformer(depth=1, heads=2, head_width=4, grid=3), {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": (8, 10)}, "`labels` must be a number from 1 to 254 for each class"),
        ({"labels": (8, 10, 255)}, "`labels` must be a number from 1 to 254 for each class"),
        ({"layers": (1, 1)}, "`layers` must be 4 numbers"),
        ({"weights": "mine"}, "no weights are called 'mine'"),
        ({"classes": "cat"}, "`classes` must be a list"),
    ],
)
def test_wrong_settings_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(SMALL, **options)
