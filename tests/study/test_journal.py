from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.study.files import DiskFull
from qoslab.study.journal import Journal, encode, journals, parse, read

texts = st.text(max_size=20)
records = st.lists(
    st.dictionaries(
        texts,
        st.one_of(texts, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.none()),
        max_size=5,
    ),
    max_size=8,
)


@given(records)
def test_what_was_written_is_read(given: list[dict]) -> None:
    data = b"".join(map(encode, given))
    assert parse(data) == (given, len(data))


@given(records)
def test_a_journal_is_ascii_lines(given: list[dict]) -> None:
    data = b"".join(map(encode, given))
    assert data.isascii()
    assert data.count(b"\n") == len(given)


@given(records, st.data())
def test_a_torn_journal_gives_the_records_before_the_tear(given: list[dict], data: st.DataObject) -> None:
    whole = [encode(record) for record in given]
    text = b"".join(whole)
    cut = data.draw(st.integers(0, len(text)))
    found, used = parse(text[:cut])
    complete = sum(len(b"".join(whole[: n + 1])) <= cut for n in range(len(whole)))
    assert found == given[:complete]
    assert used == len(b"".join(whole[:complete]))


@settings(max_examples=300)
@given(records, st.data())
def test_damage_costs_what_it_touches_and_invents_nothing(given: list[dict], data: st.DataObject) -> None:
    # A changed byte passes a CRC32 of its record never (a burst of 8 bits), several bytes with probability
    # 2^-32 a record: over these examples below 1e-6.
    text = bytearray(b"".join(map(encode, given)))
    ends, at = [], 0
    for record in given:
        at += len(encode(record))
        ends.append(at)
    hits = data.draw(
        st.lists(st.tuples(st.integers(0, max(0, len(text) - 1)), st.integers(1, 255)), max_size=4)
    )
    touched = set()
    for place, change in hits:
        if text:
            text[place] ^= change
            touched.add(next(i for i, end in enumerate(ends) if place < end))
    clean = [json.dumps(record) for i, record in enumerate(given) if i not in touched]
    found = [json.dumps(record) for record in parse(bytes(text))[0]]
    # Two changes of one byte may cancel; then the record is good again.
    possible = [json.dumps(record) for record in given]
    assert all(record in possible for record in found)
    assert [record for record in found if record in clean] == clean or set(clean) <= set(found)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_without_complaint(data: bytes) -> None:
    found, used = parse(data)
    assert used <= len(data)
    assert all(isinstance(record, dict) for record in found)


def test_a_record_of_deep_or_foreign_json_is_passed_over() -> None:
    from zlib import crc32

    for payload in (b"[" * 100_000, b"7", b"{nonsense"):
        size = b"%08x" % len(payload)
        bad = b"\x1e" + size + b"%08x " % crc32(size + payload) + payload + b"\n"
        assert parse(bad + encode({"good": 1}))[0] == [{"good": 1}]


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError):
        encode({"x": float("nan")})


def test_each_writer_has_its_own_file(tmp_path: Path) -> None:
    with Journal(tmp_path) as one, Journal(tmp_path) as two:
        one.append([{"a": 1}])
        two.append([{"a": 2}])
        one.append([{"a": 3}, {"a": 4}])
    assert len(journals(tmp_path)) == 2
    assert [record["a"] for record in read(tmp_path)] == [1, 3, 4, 2]


def test_nothing_to_write_makes_no_file(tmp_path: Path) -> None:
    with Journal(tmp_path / "none") as journal:
        journal.append([])
    assert not (tmp_path / "none").exists()


def test_a_record_behind_a_torn_one_is_found(tmp_path: Path) -> None:
    (tmp_path / "journal.0").write_bytes(encode({"a": 1}) + encode({"a": 2})[:-5] + encode({"a": 3}))
    assert [record["a"] for record in read(tmp_path)] == [1, 3]


def test_a_full_disk_takes_back_the_torn_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    with Journal(tmp_path) as journal:
        journal.append([{"a": 1}])
        size = journals(tmp_path)[0].stat().st_size

        def full(file: int, data: memoryview) -> int:
            if len(data) > 5:
                return real(file, data[:5])
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(DiskFull, match="run the same command again"):
            journal.append([{"b": "x"}])
        assert journals(tmp_path)[0].stat().st_size == size
        monkeypatch.undo()
        journal.append([{"c": 3}])
    assert list(read(tmp_path)) == [{"a": 1}, {"c": 3}]


def test_another_failure_of_the_disk_is_not_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_file: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with Journal(tmp_path) as journal:
        monkeypatch.setattr(os, "fsync", broken)
        with pytest.raises(OSError, match="Input/output"):
            journal.append([{"a": 1}])
