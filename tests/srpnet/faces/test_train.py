"""Training a parser: phases, losses, interruptions, and what must not drift."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from episodes.data.sets.face_layouts import MIRRORED
from episodes.data.sets.faces import Faces
from episodes.errors import InputError
from srpnet.faces.batches import FaceItems, changed, read_canvases
from srpnet.faces.labels import CROPPED, box_centres, part_masks
from srpnet.faces.parser import FaceParser
from srpnet.faces.saving import load_parser
from srpnet.faces.settings import FaceAugmentation, ParserSettings
from srpnet.faces.train import run_training
from srpnet.faces.trainable import CoarsePhase, EndPhase, LocalizerPhase, PartsPhase, part_losses, theta_loss
from srpnet.training.interrupts import Interrupted
from tests.srpnet.faces.conftest import SMALL, Settings
from tests.srpnet.runs import FP32, interrupt, same

CPU = torch.device("cpu")
STILL = FaceAugmentation(flip=0, turn=0, zoom=0, shift=0, colour=0)


def train(settings: Any, out: Path, **options: Any) -> FaceParser:
    run_training(settings, out, say=lambda _: None, **options)
    return load_parser(out)


def items(root: Path, augmentation: FaceAugmentation, in_memory: bool = True) -> FaceItems:
    source = Faces(root)
    return FaceItems(source, source.ids("train"), 96, augmentation, 0, "test", in_memory)


@pytest.mark.usefixtures("global_state")
def test_each_phase_trains_its_own_part(settings: Settings, tmp_path: Path) -> None:
    whole = settings()
    train(whole, tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        *(
            "coarse",
            "localizer",
            "parts",
            "config.json",
            "model.safetensors",
            "settings.json",
            "training.pt",
            "log.jsonl",
        ),
    }
    states = [load_parser(tmp_path / "run" / phase).state_dict() for phase in ("coarse", "localizer", "parts", ".")]
    before = FaceParser(SMALL, whole.seed).state_dict()
    for phase, state in zip(("coarse", "localizer", "parts"), states, strict=False):
        moved = {name.partition(".")[0] for name in state if not same(state[name], before[name])}
        assert moved == {phase}
        before = state
    moved = {name.partition(".")[0] for name in before if not same(states[3][name], before[name])}
    assert moved == {"coarse", "localizer", "parts"}
    assert load_parser(tmp_path / "run").config.trained_on == {"data": "CelebAMask-HQ", "faces": 8, "seed": 0}
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert {"loss", "theta_loss", "left_brow_loss", "mouth_loss", "coverage"} <= log[0].keys()


def test_the_two_step_baseline_has_no_localizer_and_nothing_to_train_end_to_end(
    settings: Settings, tmp_path: Path
) -> None:
    parser = train(settings(parser=replace(SMALL, cropper="centroid")), tmp_path / "run")
    assert parser.localizer is None
    assert {path.name for path in (tmp_path / "run").iterdir() if path.is_dir()} == {"coarse"}
    scores, theta = parser(torch.rand(1, 3, 96, 96))
    assert scores.shape == (1, 9, 96, 96)
    assert theta.shape == (1, 6, 2, 3)


@pytest.mark.parametrize("phase", ["coarse", "end"])
def test_an_interrupted_training_goes_on_as_if_it_had_not_been(settings: Settings, tmp_path: Path, phase: str) -> None:
    """BatchNorm's running statistics are part of what is saved."""
    unbroken = train(settings(), tmp_path / "unbroken")

    def stop(name: str, progress: Any) -> None:
        if name == phase and progress.step == 1:
            interrupt()

    with pytest.raises(Interrupted):
        train(settings(), tmp_path / "broken", on_log=stop)
    with pytest.raises(InputError, match="already holds a run: go on with `resume`"):
        train(settings(), tmp_path / "broken")
    with pytest.raises(InputError, match="was begun with"):
        train(settings(seed=1), tmp_path / "broken", resume=True)
    resumed = train(settings(), tmp_path / "broken", resume=True)
    assert same(resumed.state_dict(), unbroken.state_dict())


def test_a_parser_to_begin_with_takes_the_place_of_phases(settings: Settings, tmp_path: Path) -> None:
    train(settings(), tmp_path / "first")
    start = str(tmp_path / "first" / "parts")
    said: list[str] = []
    run_training(
        settings(parser=replace(SMALL, input=48), start=start, parts_steps=0), tmp_path / "second", say=said.append
    )
    parts = load_parser(tmp_path / "second" / "localizer").parts.state_dict()
    assert same(parts, load_parser(start).parts.state_dict())
    assert not (tmp_path / "second" / "parts").exists()
    assert "Not in the parser to begin with, or of another shape there: localizer.last.weight" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "pascal:here"}, "`data` must be faces:PATH, not 'pascal:here'"),
        ({"parts_steps": 0}, "a phase without steps needs a parser to begin with"),
        ({"batch": 9}, "has 8 faces for training, fewer than `batch`"),
        ({"hold_back": 7}, "has 1 faces for training, fewer than `batch`"),
        ({"anchor": float("nan")}, "`anchor` must be a number"),
    ],
)
def test_wrong_settings_are_named(settings: Settings, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    data = options.pop("data", None)
    with pytest.raises(InputError, match=message):
        train(replace(settings(**options), **{"data": data} if data else {}), tmp_path / "run")


def test_an_unchanged_face_is_the_photograph(root: Path) -> None:
    source = Faces(root)
    kept = read_canvases(source, source.ids("train"), 96, CPU)
    some = [items(root, STILL)[index] for index in range(3)]
    images, labels = changed(some, kept, CPU)
    for image, own, face in zip(images, labels, some, strict=True):
        photograph, parts = source.parts(source.ids("train")[int(face.number)])
        assert np.array_equal((image * 255).round().byte().permute(1, 2, 0).numpy(), photograph)
        assert np.array_equal(own.numpy(), parts)


def test_a_flip_swaps_left_and_right(root: Path) -> None:
    source = Faces(root)
    kept = read_canvases(source, source.ids("train"), 96, CPU)
    plain, flipped = ([items(root, replace(STILL, flip=flip))[0]] for flip in (0, 1))
    (image,), (labels,) = changed(plain, kept, CPU)
    (mirrored,), (swapped,) = changed(flipped, kept, CPU)
    assert (mirrored - image.flip(-1)).abs().max() < 1e-4
    assert torch.equal(swapped, torch.tensor(MIRRORED, dtype=torch.uint8)[labels.flip(-1).long()])


def test_photographs_that_do_not_fit_in_memory_come_with_the_faces(
    root: Path, settings: Settings, tmp_path: Path
) -> None:
    source = Faces(root)
    kept = read_canvases(source, source.ids("train"), 96, CPU)
    inside, outside = ([items(root, FaceAugmentation(), in_memory)[5]] for in_memory in (True, False))
    assert inside[0].photograph_3WW.numel() == 0
    for one, other in zip(changed(inside, kept, CPU), changed(outside, None, CPU), strict=True):
        assert torch.equal(one, other)
    parsers = [train(settings(cache_limit=limit), tmp_path / f"run{limit}") for limit in (1.0, 0.0)]
    assert same(parsers[0].state_dict(), parsers[1].state_dict())


def test_an_epoch_has_every_face_once_and_the_next_another_order(root: Path) -> None:
    faces = items(root, STILL)
    epochs = [[int(faces[index].number) for index in range(start, start + 8)] for start in (0, 8)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == list(range(8))
    assert epochs[0] != epochs[1]
    assert [int(items(root, STILL)[index].number) for index in range(8)] == epochs[0]


def canvas_and_labels(root: Path) -> tuple[torch.Tensor, torch.Tensor]:
    source = Faces(root)
    kept = read_canvases(source, source.ids("train"), 96, CPU)
    return kept.photographs[:2].float() / 255, kept.labels[:2]


def test_the_theta_loss_is_zero_where_the_boxes_are_and_ignores_what_is_not_there(
    parser: FaceParser, root: Path
) -> None:
    _, labels = canvas_and_labels(root)
    labels[labels == 3] = 0  # no left eye
    masks = part_masks(labels)
    centres, there = box_centres(masks)
    assert there.tolist() == [[True, True, False, True, True, True]] * 2
    theta = parser.crops_around(centres)
    theta[:, 2] += 1
    assert theta_loss(parser, theta, masks).tolist() == [0, 0]
    theta[:, 4, 0, 2] += 0.5  # smooth L1: 0.5 * 0.5 ** 2, of four numbers, of five parts
    assert theta_loss(parser, theta, masks).tolist() == pytest.approx([0.125 / 4 / 5] * 2)


def test_part_losses_compare_with_the_labels_in_the_crops(parser: FaceParser, root: Path) -> None:
    canvas, labels = canvas_and_labels(root)
    centres, _ = box_centres(part_masks(labels))
    theta = parser.crops_around(centres.round())
    with torch.no_grad():
        told = part_losses(parser, canvas, labels, theta)
        logits = parser.segment_parts(canvas, theta)[5]
    x, y = centres[0, 5].round().int().tolist()
    window = labels[0, y - 20 : y + 21, x - 20 : x + 21].long()
    own = torch.where(window >= 6, window - 5, 0)
    expected = torch.nn.functional.cross_entropy(logits[:1], own[None])
    assert told["mouth_loss"][0].item() == pytest.approx(expected.item(), abs=1e-5)
    assert torch.allclose(told["loss"], sum(value for name, value in told.items() if name != "loss"))  # type: ignore[arg-type]
    assert len(told) == 1 + len(CROPPED)


@pytest.mark.parametrize("phase", [CoarsePhase, LocalizerPhase, PartsPhase, EndPhase])
def test_a_phase_learns(settings: Settings, root: Path, phase: Any) -> None:
    """The loss of the same faces falls."""
    whole = settings(augmentation=STILL, jitter=0.0)
    source = Faces(root)
    kept = read_canvases(source, source.ids("train"), 96, CPU)
    trainable = phase(FaceParser(SMALL), whole, kept, FP32)
    batch = [items(root, STILL)[index] for index in range(2)]
    optimizer = torch.optim.Adam(trainable.module.parameters(), 3e-3)
    trainable.module.train()
    losses = []
    for _ in range(8):
        loss = trainable.losses(batch).total.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_the_defaults_are_those_of_the_page() -> None:
    assert ParserSettings().canvas == 512
    assert ParserSettings().input == 128
