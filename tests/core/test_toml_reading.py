"""Files that cannot be read: one clear error with its line, never another exception."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.core.toml_writer import documents

from qoslab.core.errors import BadInput
from qoslab.core.located import parse_toml, read_toml
from qoslab.core.toml_reading import MAX_BYTES

RELAXED = settings(max_examples=70, deadline=None, suppress_health_check=list(HealthCheck))


def problem_of(text):
    with pytest.raises(BadInput) as caught:
        parse_toml(text)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xef\xbb\xbfa = 1", "byte order mark"),
        (b"\xff\xfea\x00", "UTF-16"),
        (b"a = 1\nb = '\xe9'\n", ":2:6: is not UTF-8: byte 0xe9"),
        (b"a = " + b"9" * 5000, "not TOML"),
        (b"a = 1\x00", "not TOML"),
        (b"#" * (MAX_BYTES + 1), "larger than 10 MB"),
        (b"a = " + b"[" * 100_000, "more than 64 levels"),
        (b"a = " + b"{a = " * 100_000, "more than 64 levels"),
        (b"a." * 100_000 + b"a = 1", "more than 64 levels"),
        (b"[" + b"'a'. " * 100_000 + b"a]", "more than 64 levels"),
        (b'"\\"".' * 1000 + b"a = 1", "more than 64 levels"),
    ],
)
def test_unreadable_content(tmp_path, content, words):
    path = tmp_path / "study.toml"
    path.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        read_toml(path)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_unreadable_paths(tmp_path):
    (tmp_path / "study.toml").write_text("a = 1")
    os.mkfifo(tmp_path / "pipe")
    for name, words in {
        "": "is a folder",
        "stdy.toml": "did you mean 'study.toml'",
        "study.toml/x": "no such file",
        "pipe": "not a regular file",
        "a\0b": "no such file",
        "n" * 5000: "cannot be read",
    }.items():
        with pytest.raises(BadInput, match=words):
            read_toml(tmp_path / name)


def test_nan_and_infinity_are_values():
    tree = parse_toml("a = nan\nb = -inf").tree
    assert tree["a"] != tree["a"]
    assert tree["b"] == -float("inf")


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("a = 1\nb = True\n", 2, 5, "booleans are true and false"),
        ("a = 1\nb\nc = 2\n", 2, 2, "a line is `key = value`"),
        ("a = 1\r\n\r\nb = 'x\r\n", 3, 5, "ends on its line"),
        ('path = "C:\\data"\n', 1, 11, "put the text in single quotes"),
        ("a = [1,\nb = 2\n", 2, 1, "what begins at line 1, column 5 is not closed"),
        ("x = 1\na = '''\ntext\n", 2, 5, "the text that begins here is not closed"),
        ("a = 1\nb = 2\na = 3\n", 3, 1, "first given at line 1, column 1"),
        ("a = 1\na = [\n1,\n2]\n", 2, 1, "first given at line 1, column 1"),
        ("[a]\nx = 1\n[b]\n[a]\n", 4, 2, "first given at line 1, column 2"),
        ("a = {b = 1}\n[a.b]\n", 2, 4, "first given at line 1, column 6"),
        ("seeds = 08\n", 1, 10, "no leading zeros"),
    ],
)
def test_syntax_errors_say_where_and_what_would_be_right(text, line, column, words):
    problem = problem_of(text)
    assert (problem.line, problem.column) == (line, column)
    assert words in str(problem)
    assert problem.quote == text.splitlines()[line - 1]


FAULTS = [
    "fault",
    "fault = ",
    "fault = True",
    "fault = 'x",
    "[fault",
    "fault = 1 1",
    "= 1",
    'fault = "\\d"',
    "f.=1",
]


@RELAXED
@given(documents(), documents(), st.sampled_from(FAULTS))
def test_a_broken_line_is_named_by_its_number(before, after, fault):
    text = before[0].replace("\r\n", "\n").removesuffix("\n")
    line = text.count("\n") + 2
    problem = problem_of(f"{text}\n{fault}\n{after[0]}")
    assert problem.line == line
    assert problem.message.startswith("not TOML")


@RELAXED
@given(documents())
def test_a_key_given_twice_is_named_by_its_second_line(made):
    text = made[0].replace("\r\n", "\n").removesuffix("\n")
    problem = (
        problem_of(f"[once.upon.a.time]\nnothing_else = 1\n{text}\n[once.upon.a.time]\n")
        if "once" not in made[1]
        else None
    )
    if problem is not None:
        assert problem.line == text.count("\n") + 4
        assert "first given at line 1, column 14" in str(problem)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=80))
def test_random_bytes_never_end_in_another_exception(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "random.toml"
    path.write_bytes(content)
    try:
        read_toml(path).index()
    except BadInput as error:
        str(error).encode()


@RELAXED
@given(documents(), st.data())
def test_damaged_documents_give_what_tomllib_gives_or_one_problem(made, data):
    text = made[0]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 2))
        text = text[:at] + data.draw(st.text("[]{}\"'=.,\n#\\ a1", max_size=2)) + text[at + cut :]
    try:
        document = parse_toml(text)
    except BadInput as error:
        (problem,) = error.problems
        assert problem.line is not None
        with pytest.raises(tomllib.TOMLDecodeError):
            tomllib.loads(text)
    else:
        assert repr(document.tree) == repr(tomllib.loads(text))
        document.index()


def test_long_lines_and_odd_characters_are_quoted_sparingly():
    assert problem_of("a" * 100_000 + " = ?").quote is None
    long = problem_of("b = ? " + "x" * 100_000).quote
    assert long is not None
    assert len(long) < 200
    assert problem_of("a = \x1b[31m").quote == "a =  [31m"


TABLE = '[[link]]\nsource = "n17"\ntarget = "n18"\nlength_km = 12.5\n'
SHAPES = {
    "numbers": "a = [" + "0.1234567890123456, " * (MAX_BYTES // 20 - 1) + "]",
    "tables": TABLE * (MAX_BYTES // len(TABLE)),
    "comments": "# nothing here\n" * (MAX_BYTES // 15),
    "brackets in text": "a = '''" + "[{" * (MAX_BYTES // 2 - 10) + "'''",
    "dots in text": 'a = "' + "x." * (MAX_BYTES // 2 - 10) + '"',
    "quotes": "a = [" + "'', " * (MAX_BYTES // 4 - 5) + "]",
    "unclosed": "a = [" * 100 + '"' + "b." * (MAX_BYTES // 2 - 300),
    "one key": "a" * (MAX_BYTES - 4) + " = 1",
}


@pytest.mark.full
@pytest.mark.parametrize("shape", SHAPES)
def test_ten_megabytes_are_read_in_bounded_time_and_memory(tmp_path, shape):
    # Beside tomllib itself, which needs up to 10 s CPU for such files, reading costs next to nothing.
    path = tmp_path / "large.toml"
    path.write_text(SHAPES[shape])
    done_by = Path(__file__).with_name("read_and_measure.py")
    done = subprocess.run(
        [sys.executable, str(done_by), str(path)], capture_output=True, text=True, check=True
    )
    seconds, kilobytes, says = done.stdout.split(maxsplit=2)
    print(shape, done.stdout)
    assert says.strip() == ("refused" if shape == "unclosed" else "read")
    assert float(seconds) < 60
    assert float(kilobytes) < 200 * 1024
