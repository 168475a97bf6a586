import bz2
import gzip
import io
import lzma
import tarfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.domains.balancing.traces.drift import read_drift
from qoslab.domains.balancing.traces.rates import read_rates
from qoslab.domains.balancing.traces.sizes import read_sizes
from qoslab.domains.balancing.traces.sources import Limits, chunks, lines

SLOW_OK = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PACK = {"plain": bytes, "gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@given(
    content=st.lists(
        st.binary(max_size=50).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")), max_size=30
    ),
    pack=st.sampled_from(sorted(PACK)),
)
@SLOW_OK
def test_lines_of_any_compression(tmp_path, content, pack):
    path = tmp_path / "f"
    plain = b"".join(line + b"\n" for line in content)
    if pack == "plain" and plain.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ")):
        return
    path.write_bytes(PACK[pack](plain))
    assert list(lines(path)) == [(number, line, True) for number, line in enumerate(content, 1)]


def test_joined_and_padded_members(tmp_path):
    path = tmp_path / "f.gz"
    path.write_bytes(gzip.compress(b"a\nb") + gzip.compress(b"c\n") + b"\0" * 100)
    assert [line for _, line, _ in lines(path)] == [b"a", b"bc"]


def test_long_lines_are_cut_and_marked(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x" * 2_000_000 + b"\nshort\n")
    (_, first, whole), (number, second, fine) = lines(path, Limits(line=1000))
    assert (len(first), whole) == (1000, False)
    assert (number, second, fine) == (2, b"short", True)


@pytest.mark.parametrize("pack", ["gz", "bz2", "xz"])
def test_a_bomb_is_refused(tmp_path, pack):
    path = tmp_path / "f"
    path.write_bytes(PACK[pack](b"a" * (80 << 20)))
    with pytest.raises(BadInput, match="when decompressed"):
        sum(len(block) for block in chunks(path, Limits(ratio=1)))


@pytest.mark.parametrize("pack", ["gz", "bz2", "xz"])
def test_a_truncated_file_is_said(tmp_path, pack):
    path = tmp_path / "f"
    packed = PACK[pack](np.random.default_rng(1).bytes(10_000))
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(BadInput, match=r"ends too early|cannot be read"):
        list(lines(path))


@given(
    rates=st.lists(st.floats(0, 1e6).map(lambda x: round(x, 3)), min_size=1, max_size=200).filter(any),
    blank=st.sampled_from([" ", "\n", "\t", ", "]),
    archive=st.booleans(),
)
@SLOW_OK
def test_rates_round_trip(tmp_path, rates, blank, archive):
    text = blank.join(map(str, rates)).encode()
    path = tmp_path / "r"
    if archive:
        with tarfile.open(path, "w:bz2") as file:
            entry = tarfile.TarInfo("workload.txt")
            entry.size = len(text)
            file.addfile(entry, io.BytesIO(text))
    else:
        path.write_bytes(text)
    np.testing.assert_allclose(read_rates(path), rates)


def test_links_and_paths_of_an_archive_are_not_followed(tmp_path):
    path = tmp_path / "r.tar"
    with tarfile.open(path, "w") as file:
        link = tarfile.TarInfo("workload.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        file.addfile(link)
    with pytest.raises(BadInput, match="no regular file"):
        read_rates(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [("1 2 -3", "number 3 is '-3'"), ("1 x", "number 2 is 'x'"), ("nan", "number 1"), ("0 0", "all rates are zero"),
     ("", "holds 0 numbers"), ("1" * 100, "number 1 is")],
)  # fmt: skip
def test_bad_rates(tmp_path, text, words):
    path = tmp_path / "r"
    path.write_text(text)
    with pytest.raises(BadInput, match=words):
        read_rates(path)


def test_size_table_against_integrals(tmp_path):
    path = tmp_path / "s"
    path.write_text("# uniform on 0..1 with an atom at 1\n0 0\n1 50\n1 100\n")
    table = read_sizes(path)
    assert table.mean == pytest.approx(0.75)
    assert table.scv == pytest.approx((1 / 6 + 0.5) / 0.75**2 - 1)
    assert table.quantile(0.25) == pytest.approx(0.5)
    assert table.scaled(3.0).mean == pytest.approx(3.0)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [("0 0\n2 .5\n1 1\n", 3, "must not decrease"), ("0 0\nx 1\n", 2, "two numbers"), ("0 0 0\n", 1, "two numbers"),
     ("0 0\n-1 1\n", 2, "not negative"), ("0 0\n1 .7\n", None, "last share is 0.7"), ("0 0\n", None, "fewer"),
     ("0 0\n0 1\n", None, "mean size is zero")],
)  # fmt: skip
def test_bad_size_tables(tmp_path, text, line, words):
    path = tmp_path / "s"
    path.write_text(text)
    with pytest.raises(BadInput, match=words) as error:
        read_sizes(path)
    assert error.value.problems[0].line == line


def test_drift_is_relative_to_each_median(tmp_path):
    path = tmp_path / "d.csv"
    path.write_text("server,time_s,value\nb,0,10\na,0,1\na,10,3\nb,5,30\na,20,2\n")
    first, second = read_drift(path, time_scale=2.0)
    assert (first.server, second.server) == ("a", "b")
    np.testing.assert_allclose(first.speed, [0.5, 1.5, 1.0])
    np.testing.assert_allclose(first.time_s, [0, 20, 40])
    np.testing.assert_allclose(first.sampled(10.0), [0.5, 0.5, 1.5, 1.5, 1.0])
    path.write_text("server,value\na,0\n")
    with pytest.raises(BadInput) as error:
        read_drift(path)
    assert error.value.problems[0].line == 2
