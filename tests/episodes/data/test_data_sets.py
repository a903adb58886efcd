"""One record for a data set: what it says reaches everybody who asks."""

import numpy as np
import pytest

import episodes.data
from episodes.data import DATA_SETS, data_set, open_source
from episodes.data.data_set import DataSet
from episodes.errors import InputError
from episodes.fewshot.checks.check_data import check
from episodes.fewshot.settings import DataSettings
from episodes.scoring.protocols import PROTOCOLS
from tests.episodes.fakes import Fake


@pytest.mark.parametrize("name", DATA_SETS)
def test_every_record_says_what_it_is(name: str) -> None:
    record = DATA_SETS[name]
    assert (record.name, bool(record.title), bool(record.help)) == (name, True, True)
    assert record.open_folder or record.open_alone
    assert record.usage in episodes.data.USAGE


def test_a_source_that_only_its_user_has() -> None:
    assert data_set("mine:/somewhere") == DataSet("mine")
    assert PROTOCOLS["hsnet"].on("mine") == PROTOCOLS["hsnet"].counting(1000)
    with pytest.raises(
        InputError,
        match=r"'mine' is not a data set: use stickers, pascal:PATH, coco:PATH, fss:PATH, masks:PATH, faces:PATH or "
        r"folder:PATH",
    ):
        open_source("mine")


def test_a_new_data_set_is_one_record(monkeypatch: pytest.MonkeyPatch) -> None:
    labels = np.ones((8, 8), np.uint8)
    record = DataSet(
        "zoo",
        title="Zoo",
        help="a zoo",
        open_folder=lambda path, name, on_progress: Fake({"t": labels, "v": labels}),
        note="From a zoo",
        classes=9,
        photographs={"train": (5,), "val": (1,)},
        every_pair=True,
    )
    monkeypatch.setitem(DATA_SETS, "zoo", record)
    assert isinstance(open_source("zoo:here"), Fake)
    assert DataSettings("zoo:here").least_pixels == 1
    notes = [finding.text for finding in check("zoo:here").findings if finding.weight == "note"]
    assert "8 classes, where the whole data set has 9" in notes
    assert "train lists 1 photographs, where the whole data set has 5" in notes
    with pytest.raises(InputError, match="folder:PATH or zoo:PATH"):
        open_source("zoo")


def test_what_a_protocol_has_of_its_own_on_coco() -> None:
    assert PROTOCOLS["pfenet"].only_on("coco") == {"episodes": 20000, "size": 641}
    assert PROTOCOLS["panet"].only_on("coco") == {"episodes": 1000, "order": "contiguous"}
    assert PROTOCOLS["panet"].only_on("pascal") == {}
