"""What scenarios take from files, and what is said of files that hold something else."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.domains.balancing import data
from qoslab.domains.balancing.arrivals import RateSeries, Trace
from qoslab.domains.balancing.laws import Empirical

CONTEXT = Context()


def _written(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def test_sizes_are_sums_of_columns_and_sorted_with_their_times(tmp_path: Path) -> None:
    file = _written(tmp_path, "t.csv", b"time_ms,inside,outside,who\n7,1,2,b\n5,10,20,a\n6,3,4,b\n")
    asked = Trace(file=file, time="time_ms", size={"inside": 0.5, "outside": 2.0}, flow="who")
    found = data.trace(asked, CONTEXT)
    np.testing.assert_allclose(found.times, [0.0, 1.0, 2.0])  # seconds, whatever the column is called
    np.testing.assert_allclose(found.sizes, [45.0, 9.5, 4.5])
    assert found.flows[1] == found.flows[2] != found.flows[0]
    plain = data.trace(Trace(file=file, time="time_ms"), CONTEXT)
    assert len(plain.sizes) == len(plain.flows) == 0


def test_a_size_of_zero_is_refused(tmp_path: Path) -> None:
    file = _written(tmp_path, "t.csv", b"time_s,size_s\n0,1\n2,1\n1,0\n")
    with pytest.raises(BadInput, match="size of request 2"):
        data.trace(Trace(file=file, size="size_s"), CONTEXT)


def test_speeds_are_relative_to_their_mean(tmp_path: Path) -> None:
    file = _written(tmp_path, "d.csv", b"server,value\nb,10\na,1\na,3\nb,30\na,8\n")
    first, second = data.relative_speeds(file, None, CONTEXT)
    np.testing.assert_allclose(first, [0.25, 0.75, 2.0])
    np.testing.assert_allclose(second, [0.5, 1.5])


def test_rates_out_of_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "rates.tbz2"
    with tarfile.open(path, "w:bz2") as archive:
        entry = tarfile.TarInfo("rates.txt")
        entry.size = 7
        archive.addfile(entry, io.BytesIO(b"1 2 3 4"))
    asked = RateSeries(file=str(path), start=1, count=2)
    np.testing.assert_allclose(data.rates(asked, CONTEXT), [2, 3])
    np.testing.assert_allclose(data.rates(RateSeries(rates=(1, 2, 3), start=1), CONTEXT), [2, 3])
    with pytest.raises(BadInput, match="nothing is left"):
        data.rates(RateSeries(rates=(1, 2, 3), start=3), CONTEXT)


@pytest.mark.parametrize("name", ["x.txt", "x.bz2", "x.tbz2", "x.tar.gz", "x.xz", "x.csv", "x.parquet"])
@pytest.mark.parametrize(
    "content", [b"", b"BZh9broken", b"\xfd7zXZ\x00broken", b"\x1f\x8bbroken", b"\xff" * 600, None]
)
def test_a_damaged_or_missing_file_is_said(tmp_path: Path, name: str, content: bytes | None) -> None:
    file = str(tmp_path / name) if content is None else _written(tmp_path, name, content)
    for read in (
        lambda: data.rates(RateSeries.model_construct(file=file), CONTEXT),
        lambda: data.distribution(Empirical.model_construct(file=file), CONTEXT),
        lambda: data.trace(Trace.model_construct(file=file), CONTEXT),
        lambda: data.relative_speeds(file, None, CONTEXT),
    ):
        with pytest.raises(BadInput):
            read()
