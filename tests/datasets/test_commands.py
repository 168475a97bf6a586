"""The rows behind `qoslab data list|fetch|import|where`."""

from __future__ import annotations

import dataclasses
import json

import pytest
from tests.datasets.conftest import CONTENT, OTHER, QUICK, data_file, data_set, status

from qoslab.core.errors import BadInput
from qoslab.datasets import commands


@pytest.fixture
def pair(register, server):
    good = data_file(CONTENT, "good.bin", url=server.url + "?good")
    gone = data_file(OTHER, "gone.bin", url=server.url + "?gone")
    by_hand = data_file(b"by hand", "hand.bin")
    return register(data_set(good, gone, by_hand))


def test_one_failure_does_not_stop_the_others(pair, server):
    server.script = [status(404)]
    rows = commands.fetch_datasets(["sample"], patience=QUICK)
    assert [row.status for row in rows] == ["failed", "refused", "missing"]  # 404, other bytes, no URL.
    assert "404" in rows[0].reason
    assert "qoslab data import sample --from DIR" in rows[2].reason
    assert not any(row.ok for row in rows)
    again = commands.fetch_datasets(["sample"], patience=QUICK)
    assert [row.status for row in again] == ["fetched", "refused", "missing"]
    assert [row.ok for row in again] == [True, False, False]
    assert commands.fetch_datasets(["sample"], patience=QUICK)[0].status == "present"


def test_fetch_needs_names():
    with pytest.raises(BadInput, match="qoslab data fetch ID"):
        commands.fetch_datasets([])


def test_all_unknown_names_at_once(pair):
    with pytest.raises(BadInput) as caught:
        commands.fetch_datasets(["sampel", "sample", "nosuch"])
    assert len(caught.value.problems) == 2
    assert "did you mean 'sample'" in str(caught.value)


def test_import_and_where(pair, tmp_path, cache):
    (tmp_path / "x").write_bytes(CONTENT)
    rows = commands.import_datasets(tmp_path, ["sample"])
    assert [row.status for row in rows] == ["imported", "missing", "missing"]
    (cache / "sample" / "gone.bin").write_bytes(b"altered")
    where = commands.where_datasets(["sample"])
    assert [row.status for row in where] == ["present", "refused", "missing"]
    assert (where[0].path, where[0].origin) == (str(cache / "sample" / "good.bin"), "cache")
    assert "qoslab data fetch sample" in where[1].reason


def test_list(pair, cache):
    place = cache / "sample"
    place.mkdir(parents=True)
    (place / "good.bin").write_bytes(CONTENT)
    (place / "gone.bin").write_bytes(b"altered")
    [row] = [row for row in commands.list_datasets() if row.id == "sample"]
    assert (row.files, row.downloadable, row.here, row.altered) == (3, 2, 1, 1)
    assert row.bytes == 2 * len(CONTENT) + 7


def test_rows_are_plain_data(pair):
    for row in [*commands.list_datasets(), *commands.where_datasets()]:
        json.dumps(dataclasses.asdict(row))
