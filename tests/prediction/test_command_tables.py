"""Tables of what commands print: whole groups, each once, with where they come from; and those that are committed."""

import importlib.util
import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "studies" / "prediction"
FILE = FOLDER / "command_tables.py"

WORLD = """
[study]
name = "world"
domain = "prediction"

[scenario]
data = { kind = "planted", users = 40, services = 60 }
density = 0.3

[[method]]
id = "item_mean"
"""


@pytest.fixture
def tables():
    spec = importlib.util.spec_from_file_location("command_tables", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def asked(tables, monkeypatch):
    """Commands that were run; each prints two rows."""
    commands = []

    def printed(words, folder):
        commands.append(words)
        return json.dumps([{"row": row, "of": words} for row in range(2)])

    monkeypatch.setattr(tables, "_printed", printed)
    return commands


GROUPS = [("train a", "ask x", "ask y"), ("alone",), ("train b", "ask x")]


def test_rows_of_questions_are_kept_and_those_of_a_training_are_not(tables, asked, monkeypatch, tmp_path):
    monkeypatch.setitem(tables.TABLES, "some", GROUPS)
    tables.make("some", tmp_path / "some.jsonl")
    assert asked == ["train a", "ask x", "ask y", "alone", "train b", "ask x"]
    rows = tables.read(tmp_path / "some.jsonl")
    assert [(row["after"], row["command"], row["row"]) for row in rows] == [
        (group[0], words, row) for group in GROUPS for words in group[1:] or group for row in range(2)
    ]
    assert all(row["of"] == row["command"] for row in rows)
    assert all({"git", "versions", "command_cpu_s", "finished_at"} <= set(row) for row in rows)


def test_what_a_table_has_is_not_run_again(tables, asked, monkeypatch, tmp_path):
    """A table goes on where it was stopped, even in the middle of a line."""
    monkeypatch.setitem(tables.TABLES, "some", GROUPS)
    path = tmp_path / "some.jsonl"
    tables.make("some", path, only="train")
    assert asked == ["train a", "ask x", "ask y", "train b", "ask x"]
    path.write_text(path.read_text() + '{"after": "alone", "comm')
    asked.clear()
    tables.make("some", path)
    assert asked == ["alone"]
    tables.make("some", path)
    assert asked == ["alone"]
    assert len(tables.read(path)) == 8


def test_a_group_that_stopped_half_way_is_run_again(tables):
    rows = [{"after": "train a", "command": "ask x"}, {"after": "alone", "command": "alone"}]
    assert tables.missing(GROUPS, rows) == [GROUPS[0], GROUPS[2]]


def test_a_model_is_trained_and_asked_in_a_temporary_place(tables, monkeypatch, tmp_path):
    pytest.importorskip("safetensors", reason="needs the extra 'learn'")
    (tmp_path / "world.toml").write_text(WORLD)
    group = (f"train {tmp_path}/world.toml --method item_mean --to model", "evaluate model")
    monkeypatch.setitem(tables.TABLES, "some", [group])
    tables.make("some", tmp_path / "some.jsonl")
    rows = tables.read(tmp_path / "some.jsonl")
    assert [row["command"] for row in rows] == ["evaluate model"] * 2
    assert [row["parameter"] for row in rows] == ["q0", "q1"]
    assert all(0 < row["coverage"] <= 1 for row in rows)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["some.jsonl", "world.toml"]


@pytest.mark.parametrize("file", sorted((FOLDER / "results").glob("*.jsonl")), ids=lambda file: file.stem)
def test_committed_tables_are_whole_and_of_committed_code(tables, file):
    rows = tables.read(file)
    assert tables.missing(tables.TABLES[file.stem], rows) == []
    assert all(len(row["git"]) == 40 for row in rows)  # longer where files differed from the commit
