"""Study files: what is read, and how everything that is wrong is said at once, each with its line."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toylab.methods.good import Plain
from toylab.model import Servers, Toy
from toylab.studies import TAILS

from qoslab.core.errors import BadInput, Problem
from qoslab.study.cases import Given
from qoslab.study.study import Study


def problems(path: Path, text: str, **overrides: str) -> list[Problem]:
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        Study.from_file(path, overrides)
    return list(caught.value.problems)


HEAD = '[study]\nname = "s"\ndomain = "toy"\n'


def test_a_study_file(tails: Path) -> None:
    study = Study.from_file(tails)
    assert (study.name, study.domain, study.seeds, study.seed) == ("tails", "toy", 6, 0)
    assert [case.label for case in study.scenarios] == ["load=0.3", "load=0.6"]
    assert [case.label for case in study.methods] == ["plain(shift=0.0)", "plain(shift=1.0)", "learned"]
    assert study.methods[1].source == Given(Plain(shift=1.0))
    assert [case.id for case in study.methods] == ["toy/plain", "toy/plain", "toy/learned"]
    assert study.scenarios[1].scenario.servers.speeds == (1.0, 2.0)
    assert study.text == tails.read_bytes()
    assert study.results_path == tails.with_name("tails.results")
    assert study.report.baseline == "learned"


def test_the_study_file_may_leave_out_all_that_has_a_default(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(HEAD + '[[method]]\nid = "plain"\n')
    study = Study.from_file(tmp_path / "s.toml")
    assert (study.seeds, [case.label for case in study.scenarios]) == (20, [""])


def test_a_method_may_carry_its_domain_and_a_label(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(
        HEAD + '[[method]]\nid = "toy/plain"\nlabel = "mine"\nshift = {grid=[1,2]}\n'
    )
    study = Study.from_file(tmp_path / "s.toml")
    assert [case.label for case in study.methods] == ["mine(shift=1)", "mine(shift=2)"]
    assert study.methods[0].source == Given(Plain(shift=1.0))


def test_all_problems_at_once_with_their_lines(tmp_path: Path) -> None:
    text = """\
[study]
name = "s"
domain = "toy"
sedes = 3

[scenario]
load = { grid = [0.5, 1.5] }
kin = "a"

[[method]]
id = "plian"

[[method]]
id = "plain"
shift = -1

[report]
metric = "scor"
"""
    found = problems(tmp_path / "s.toml", text)
    assert [problem.line for problem in found] == [4, 7, 8, 11, 15, 18]
    assert [problem.field for problem in found] == [
        "study.sedes",
        "scenario.load",
        "scenario.kin",
        "method.plian.id",
        "method.plain.shift",
        "report.metric",
    ]
    hints = [problem.hint for problem in found]
    assert "'seeds'" in hints[0]
    assert "'kind'" in hints[2]
    assert "'plain'" in hints[3]
    assert "'score'" in hints[5]
    assert text.splitlines()[6][found[1].column - 1 :].startswith("1.5")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (HEAD + '[[method]]\nid = "plain"\n[scenaro]\nload = 0.5\n', 6, "no such section"),
        (HEAD + '[[method]]\nid = "plain"\n[report]\nbaseline = "pain"\n', 7, "no method labelled 'pain'"),
        (
            HEAD + '[[method]]\nid = "plain"\n[[method]]\nid = "plain"\n',
            6,
            "two methods have the label 'plain'",
        ),
        (
            HEAD + '[[method]]\nid = "plain"\n[[method]]\nid = "plain"\nlabel = "b"\n',
            6,
            "the same as 'plain'",
        ),
        (HEAD + '[scenario]\nload = { grid = [] }\n[[method]]\nid = "plain"\n', 5, "the grid is empty"),
        (HEAD + '[scenario]\nload = { grid = [0.1, 0.1] }\n[[method]]\nid = "plain"\n', 4, "two scenarios"),
        (HEAD, None, "at least one method"),
        (HEAD + '[method]\nid = "plain"\n', 4, "[[method]]"),
        (HEAD + "method = 3\n", 4, "study.method"),
        ('[study]\nname = "s"\ndomain = "tyo"\n', 3, "no domain 'tyo'"),
        ('[study]\nname = "a/b"\ndomain = "toy"\n[[method]]\nid = "plain"\n', 2, "study.name"),
        (HEAD + "seeds = 0\n[[method]]\nid = 'plain'\n", 4, "study.seeds"),
        (HEAD + "seeds = 2.0\n[[method]]\nid = 'plain'\n", 4, "study.seeds"),
        (HEAD + "[[method]]\nshift = 1.0\n", 4, "id"),
        (
            HEAD + "[[method]]\nid = 'learned'\nweights = 'none.safetensors'\n",
            6,
            "no file 'none.safetensors'",
        ),
        (HEAD + "[[method]]\nid = 'mine'\nfile = 'none.py'\n", 6, "no file"),
        (HEAD + "[scenario]\ntrace = 'none.csv'\n[[method]]\nid = 'plain'\n", 5, "no file 'none.csv'"),
        (HEAD + "seeds = \n", 4, ""),
        ('[study]\nname = "s"\n', 1, "study.domain"),
    ],
)
def test_one_mistake_one_message(tmp_path: Path, text: str, line: int | None, words: str) -> None:
    [problem] = problems(tmp_path / "s.toml", text)
    assert problem.line == line
    assert words in str(problem)


SLOW = """\
[scenario]
load = { grid = [0.3, 0.6] }
servers = { count = 2, speeds = [1.0, 0.0] }

[[method]]
id = "plain"
"""


def test_what_the_domain_finds_wrong_has_its_place_and_is_said_once(tmp_path: Path) -> None:
    [found] = problems(tmp_path / "s.toml", HEAD + SLOW)
    assert (found.line, found.field, found.hint) == (6, "scenario.servers.speeds.1", "a speed above 0")
    assert found.column is not None
    assert found.quote is not None
    assert found.quote[found.column - 1 :].startswith("0.0")


def test_what_the_domain_finds_wrong_is_said_with_all_else(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("")
    scenario = SLOW.replace("[scenario]", "[scenario]\ntrace = 't.csv'") + "shfit = 1.0\n"
    found = problems(tmp_path / "s.toml", HEAD + scenario, **{"study.sedes": "3"})
    assert [one.field for one in found] == [
        "--set study.sedes=3",
        None,
        "scenario.servers.speeds.1",
        "method.plain.shfit",
    ]
    assert (found[1].path, found[1].line) == (tmp_path / "t.csv", 1)


def test_a_grid_value_and_a_set_one_are_blamed_where_they_stand(tmp_path: Path) -> None:
    grid = SLOW.replace("speeds = [1.0, 0.0]", "speeds = { grid = [[1.0], [1.0, 0.0]] }")
    [found] = problems(tmp_path / "s.toml", HEAD + grid)
    assert found.line == 6
    assert found.quote is not None
    assert found.quote[found.column - 1 :].startswith("0.0")
    good = SLOW.replace("0.0]", "2.0]")
    [found] = problems(tmp_path / "s.toml", HEAD + good, **{"scenario.servers.speeds": "[0.0]"})
    assert "--set scenario.servers.speeds" in str(found)
    [found] = problems(tmp_path / "s.toml", HEAD + good.replace("0.6", "0.99"))
    assert (found.line, found.field) == (4, "scenario")


def test_a_scenario_made_in_python_is_looked_at_as_well() -> None:
    slow = Toy(servers=Servers(speeds=(0.0,)))
    for scenario in (slow, {"servers": {"speeds": [0.0]}}):
        with pytest.raises(BadInput, match=r"scenario\.servers\.speeds\.0: never ends"):
            Study(name="s", domain="toy", scenario=scenario, methods=["plain"])
    with pytest.raises(BadInput, match=r"scenario\.1\.servers\.speeds\.0: never ends"):
        Study(name="s", domain="toy", scenario=[Toy(), slow], methods=["plain"])


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        Study.from_file(tmp_path / "none.toml")


def test_too_many_combinations_are_refused_before_they_are_made(tmp_path: Path) -> None:
    grid = f"{{ grid = {[i / 1000 for i in range(1, 900)]} }}"
    text = HEAD + f"[scenario]\nload = {grid}\nservers.speeds = [{grid}]\n[[method]]\nid = 'plain'\n"
    [problem] = problems(tmp_path / "s.toml", text)
    assert "808201 combinations" in problem.message


def test_values_set_from_outside(tails: Path) -> None:
    overrides = {
        "study.seeds": "2",
        "scenario.load": "0.9",
        "scenario.kind": "b",
        "method.plain.shift": "3.5",
        "method.1.fails": "true",
    }
    study = Study.from_file(tails, overrides)
    assert (study.seeds, study.scenarios[0].scenario.load, study.scenarios[0].scenario.kind) == (2, 0.9, "b")
    assert study.methods[0].source == Given(Plain(shift=3.5))
    assert study.overrides == overrides


def test_a_wrong_value_from_outside_names_the_option(tails: Path) -> None:
    with pytest.raises(BadInput, match=r"--set scenario.load=2") as caught:
        Study.from_file(tails, {"scenario.load": "2"})
    assert caught.value.problems[0].line is None


def test_paths_start_at_the_study_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trace.csv").write_text("1")
    (tmp_path / "w.safetensors").write_text("0.5")
    path = tmp_path / "s.toml"
    path.write_text(
        HEAD + "[scenario]\ntrace = 'trace.csv'\n[[method]]\nid = 'learned'\nweights = 'w.safetensors'\n"
    )
    monkeypatch.chdir("/")
    study = Study.from_file(path)
    assert study.scenarios[0].scenario.trace == str((tmp_path / "trace.csv").resolve())
    assert study.methods[0].source.method.weights == str((tmp_path / "w.safetensors").resolve())


def test_reading_executes_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise SystemExit('executed')\n# 'mine'\nx = 'mine'\n")
    path = tmp_path / "s.toml"
    path.write_text(HEAD + "[[method]]\nid = 'mine'\nfile = 'mine.py'\nanything = 1\n")
    study = Study.from_file(path)
    study.plan()
    assert study.methods[0].source.file == (tmp_path / "mine.py").resolve()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_mutation_of_a_study_file_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    from toylab.studies import TAILS

    text = list(TAILS)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        text[at] = data.draw(
            st.sampled_from(["", "x", "=", "[", "]", '"', "\n", "1", ".", "{", "}", "#", "\\", "-"])
        )
    path = tmp_path_factory.mktemp("m") / "s.toml"
    path.write_text("".join(text))
    said: list[Problem] = [Problem(message="none")]
    with suppress(BadInput):
        try:
            Study.from_file(path)
        except BadInput as error:
            said = list(error.problems)
            raise
    assert said
    assert all(problem.message for problem in said)


def test_a_mistyped_key_of_a_grid_is_told_once_at_the_key(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    text = TAILS.replace("load = {", "laod = {")
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        Study.from_file(path)
    [problem] = [one for one in caught.value.problems if one.field == "scenario.laod"]
    line = text.splitlines().index("laod = { grid = [0.3, 0.6] }") + 1
    assert (problem.line, problem.column) == (line, 1)
