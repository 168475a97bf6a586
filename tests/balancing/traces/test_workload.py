import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.domains.balancing.traces.columns import find_size, find_time
from qoslab.domains.balancing.traces.workload import read_trace

SLOW_OK = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
times = st.floats(0, 1e6, allow_nan=False).map(lambda x: round(x, 6))
rows = st.lists(st.tuples(times, st.floats(0, 1e5).map(lambda x: round(x, 6))), min_size=1, max_size=40)


@given(rows=rows, parquet=st.booleans())
@SLOW_OK
def test_round_trip(tmp_path, rows, parquet):
    frame = pl.DataFrame(rows, schema=["time_s", "service_s"], orient="row", strict=False)
    path = tmp_path / ("t.parquet" if parquet else "t.csv")
    frame.write_parquet(path) if parquet else frame.write_csv(path)
    trace = read_trace(path)
    order = np.argsort([t for t, _ in rows], kind="stable")
    want = np.array(rows)[order]
    np.testing.assert_allclose(trace.arrival_s, want[:, 0] - want[0, 0], atol=1e-9)
    np.testing.assert_allclose(trace.size, want[:, 1], atol=1e-12)
    assert trace.size_kind == "service_s"


@given(
    offsets=st.lists(st.integers(0, 10**15), min_size=2, max_size=20),
    unit=st.sampled_from(["ns", "us", "ms"]),
)
@SLOW_OK
def test_whole_epoch_times_keep_all_digits(tmp_path, offsets, unit):
    base, scale = {
        "ns": (1_700_000_000_000_000_000, 1e-9),
        "us": (1_700_000_000_000_000, 1e-6),
        "ms": (1_700_000_000_000, 1e-3),
    }[unit]
    offsets = [offset % 10**12 for offset in offsets]
    path = tmp_path / "t.csv"
    path.write_text(f"timestamp_{unit}\n" + "".join(f"{base + x}\n" for x in offsets))
    got = read_trace(path).arrival_s
    np.testing.assert_allclose(got, (np.sort(offsets) - min(offsets)) * scale, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("first", "second", "gap"),
    [
        ("2023-11-16 18:17:03.9799600", "2023-11-16 18:17:04.0319600", 0.052),
        ("2023-11-16T18:17:03Z", "2023-11-16T19:17:04+01:00", 1.0),
        ("2023-11-16T18:17:03.5-0530", "2023-11-16T23:47:04,000Z", 0.5),
        ("2024-02-28", "2024-03-01", 2 * 86400.0),
    ],
)
def test_iso_times(tmp_path, first, second, gap):
    path = tmp_path / "t.csv"
    path.write_text(f'time\n"{first}"\n"{second}"\n')
    trace = read_trace(path)
    assert trace.arrival_s[1] == pytest.approx(gap, abs=1e-9)


@pytest.mark.parametrize(
    ("cell", "words", "column"),
    [
        ("", "'service_s' is empty", 3), ("x", "'service_s' is no number", 3), ("-1", "negative", 3),
        ("nan", "is nan", 3), ("inf", "is inf", 3),
    ],
)  # fmt: skip
def test_a_bad_cell_is_named_by_line_and_column(tmp_path, cell, words, column):
    path = tmp_path / "t.csv"
    path.write_text(f"time_s,service_s\n1,2\n2,{cell}\n3,1\n")
    with pytest.raises(BadInput) as error:
        read_trace(path)
    problem = error.value.problems[0]
    assert (problem.line, problem.column) == (3, column)
    assert words in problem.message
    kept = read_trace(path, skip_bad=True)
    assert len(kept) == 2
    assert "1 of 3 rows were left out; the first at line 3" in kept.warnings[0]


def test_all_bad_rows_are_counted_and_the_first_shown(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("time_s\n" + "soon\n" * 50 + "1\n")
    with pytest.raises(BadInput) as error:
        read_trace(path)
    assert [p.line for p in error.value.problems[:5]] == [2, 3, 4, 5, 6]
    assert "50 of 51 rows" in error.value.problems[5].message


def test_unsorted_and_coarse_times_are_said(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("time_s,service_s\n5,1\n1,2\n1,3\n1,4\n")
    trace = read_trace(path)
    assert trace.arrival_s.tolist() == [0, 0, 0, 4]
    assert trace.size.tolist() == [2, 3, 4, 1]
    assert any("sorted by time" in words for words in trace.warnings)
    assert any("same instant" in words for words in trace.warnings)


def test_response_times_are_not_taken_for_sizes(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("timestamp,latency_ms\n1,5\n2,5\n")
    trace = read_trace(path)
    assert trace.size is None
    assert any("contain waiting" in words for words in trace.notes)


def test_flows_and_weighted_sizes(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("t;a;b;client\n0;1;2;x\n1;3;4;y\n2;5;6;x\n")
    trace = read_trace(path, size={"a": 0.1, "b": 10.0}, flow="client")
    np.testing.assert_allclose(trace.size, [20.1, 40.3, 60.5])
    assert trace.flow[0] == trace.flow[2] != trace.flow[1]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"), (b"\n\n", "is empty"), (b"1,2\n3,4\n", "has no header"), (b"a,a\n1,2\n", "stands twice"),
        (b"time_s,service_s\n", "no rows"), (b"time_s\n1,2,3\n", "the line has 3 values"),
        (b"\0\0\0", "not a text file"), (b"foo,bar\n1,2\n", "looks like arrival times"),
        (b"time_s\n\xff\xfe\n", "no time"), (b'time_s,service_s\n"1,2\n', "t.csv"),
        (b"a" * (2 << 20), "not a text file"),
    ],
)  # fmt: skip
def test_hostile_files_get_one_clear_message(tmp_path, content, words):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=words):
        read_trace(path)


@given(content=st.binary(max_size=300), parquet=st.booleans())
@SLOW_OK
def test_any_bytes_are_read_or_refused(tmp_path, content, parquet):
    path = tmp_path / ("x.parquet" if parquet else "x.csv")
    path.write_bytes(b"time_s,service_s\n" * (not parquet) + content)
    try:
        trace = read_trace(path)
    except BadInput:
        return
    assert np.isfinite(trace.arrival_s).all()
    assert (np.diff(trace.arrival_s) >= 0).all()


def test_a_missing_file_and_column_are_guessed(tmp_path):
    (tmp_path / "trace.csv").write_text("when,service_s\n1,2\n")
    with pytest.raises(BadInput, match=r"did you mean 'trace\.csv'"):
        read_trace(tmp_path / "trase.csv")
    with pytest.raises(BadInput, match="did you mean 'when'"):
        read_trace(tmp_path / "trace.csv", time="wehn")


def test_names_of_columns():
    assert find_time(["id", "Arrival Time (ms)"]).unit_s == 1e-3
    assert find_time(["startTime"]).column == "startTime"
    assert find_size(["bytes"]).kind == "work"
    assert find_size(["bytes", "processing_time_us"]).unit_s == 1e-6
    assert find_size(["latency"]) is None
