"""The pictures of a run: which episodes are drawn, and under which names."""

from pathlib import Path

import torch
from PIL import Image

from episodes.episode import Episode, EpisodeSpec
from episodes.gallery import Gallery
from episodes.geometry import Geometry
from episodes.loading import Loader
from episodes.metrics import confusion
from episodes.task import DataSettings, Task
from tests.episodes.fakes import Fake, label_map


class Things(Fake):
    """COCO's class names have spaces."""

    classes = ("traffic light", "dog")


SOURCE = Things({id: label_map({1: 300, 2: 300}) for id in ("va", "vb", "vc")})
TASK = Task(DataSettings("fake", min_pixels=1, folds=2), SOURCE)


def episode(index: int) -> Episode:
    return Loader(SOURCE, Geometry(32)).build(EpisodeSpec(index, (2, 1), (("va",), ("vb",)), ("vc",)))


def see(gallery: Gallery, index: int, missed: float) -> None:
    """An episode of which a share of the query's rows is answered with background, or all of it is ignored (2.0)."""
    seen = episode(index)
    (truth,) = (seen.truth(query) for query in seen.queries())
    answer, truth = truth.clone(), torch.full_like(truth, 255) if missed == 2.0 else truth
    answer[: round(missed * len(answer))] = 0
    gallery.see(seen, [answer], confusion(answer, truth, 2))


def test_a_picture_is_named_by_episode_and_classes(tmp_path: Path) -> None:
    gallery = Gallery.of(TASK, episodes=100, pictures=2, worst=0)
    for index in (49, 50, 51):
        see(gallery, index, 0.5)
    gallery.write(tmp_path)
    (file,) = tmp_path.rglob("*.png")
    assert file.relative_to(tmp_path) == Path("pictures/000050-dog-traffic_light.png")
    assert Image.open(file).width > Image.open(file).height


def test_failures_are_those_with_the_lowest_iou() -> None:
    gallery = Gallery.of(TASK, episodes=9, pictures=0, worst=3)
    for index, missed in enumerate((0.5, 0.0, 0.9, 0.2, 2.0, 0.9, 0.7)):
        see(gallery, index, missed)
    assert [failure.rank[1] for failure in gallery.failures] == [2, 5, 6]
    assert not gallery.pictures


def test_what_processes_drew_comes_together(tmp_path: Path) -> None:
    """Each has seen every second episode."""
    parts = [Gallery.of(TASK, episodes=6, pictures=6, worst=2) for _ in range(2)]
    for index, missed in enumerate((0.0, 0.1, 0.1, 0.9, 0.2, 0.0)):
        see(parts[index % 2], index, missed)
    parts[0].take([(part.pictures, part.failures) for part in parts])
    parts[0].write(tmp_path)
    assert sorted(file.name[:6] for file in tmp_path.glob("pictures/*")) == [f"{index:06d}" for index in range(6)]
    assert sorted(file.name[:10] for file in tmp_path.glob("worst/*")) == ["001-000003", "002-000004"]
