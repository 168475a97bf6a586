"""Commands as a newcomer meets them: one clear sentence for each mistake, exit codes, what is printed."""

import inspect
import json
import os
import shlex
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

import qoslab
from qoslab.app.api import Result
from qoslab.app.main import main
from qoslab.app.output import duration, short
from qoslab.app.precision import stopping_rule
from qoslab.app.progress import study_progress
from qoslab.app.table_of_commands import COMMANDS
from qoslab.core.check import Check
from qoslab.core.domain import Command, load
from qoslab.core.registry import registry
from qoslab.study.events import TrialEnded

STUDY = """\
[study]
name = "small"
domain = "influence"
seeds = 2
[scenario]
followers = 2
network = { generate = { model = "erdos_renyi", nodes = 20, p = 0.3, directed = true }, connected = "strongly" }
[[method]]
id = "degree"
"""
OWN = """\
from dataclasses import dataclass
from qoslab.core.method import method
@method("influence", "mine", summary="the first agents", origin="ours")
@dataclass(frozen=True)
class Mine:
    '''Takes the first agents.

    Attributes:
        a: nothing.
    '''
    a: float{default}
    def select(self, opinions, rng):
        {body}
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(STUDY)
    return tmp_path


def own(here: Path, default: str = " = 1.0", body: str = "return [0, 1]", more: str = "") -> None:
    (here / "mine.py").write_text(OWN.format(default=default, body=body))
    (here / "own.toml").write_text(STUDY.replace('id = "degree"', f'id = "mine"\nfile = "mine.py"\n{more}'))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--workers", "x", "a.toml"], "--workers must be a whole number, is 'x'"),
        (["run", "small.toml", "--until-precision", "x"], "--until-precision must be a number, is 'x'"),
        (["run", "small.toml", "--until-precision", "0"], "half-width above 0, such as 0.05; it is 0"),
        (["run", "small.toml", "--out"], "--out needs a value"),
        (["run", "small.toml", "--out", "small.toml"], "is a file\n  name another one with --out"),
        (["run", "small.toml", "--out", "/proc/nowhere"], "/proc/nowhere: no such file or directory"),
        (["run", "small.toml", "--data", "nowhere"], "there is no folder of data files 'nowhere'"),
        (["rerun", "small.results"], "ROW is missing"),
        (["rerun", "small.results", "x"], "ROW must be a whole number, is 'x'"),
        (["show", "small.toml"], "run the study first: qoslab run small.toml"),
        (["new", "influence", "more", "words"], "unexpected words: 'more' 'words'"),
        (["data", "import"], "--from is missing"),
        (["entanglement", "plan-swaps"], "PATH is missing\n  see: qoslab entanglement plan-swaps --help"),
        (["small.toml"], "a study file is run with: qoslab run small.toml"),
        (["run"], "qoslab: FILE is missing\n  see: qoslab run --help\n"),
        (["run", "a.toml", "--nope"], "unknown option: --nope"),
        (["data", "frobnicate"], 'unknown command "frobnicate"'),
        (["new", "plan", "--domain"], "'plan' is a command of qoslab"),
        (["new", "influence", "--domain"], "there is a domain 'influence' already"),
        (["new", "2x", "--domain"], "beginning with a letter"),
        (["influence"], "domain 'influence' has no commands of its own"),
    ],
)
def test_wrong_words_are_told_in_one_style(words, said, here, capsys):
    assert main(words) == 2
    out = capsys.readouterr()
    assert out.out == ""
    assert out.err.startswith("qoslab: ")
    assert said in out.err
    assert "╭" not in out.err
    assert sorted(path.name for path in here.iterdir()) == ["small.toml"]


def test_doctor_knows_every_extra():
    from qoslab.app.commands.doctor import EXTRAS

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    offered = set(project["optional-dependencies"]) - {"all", "test", "bench", "docs", "dev"}
    assert set(EXTRAS) == offered


def test_check_tells_a_script_what_a_file_holds_and_what_is_wrong(here, capsys):
    assert main(["check", "small.toml", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["problems"] == []
    assert (found["methods"], found["seeds"], found["trials"]) == (["degree"], 2, 2)
    (here / "bad.toml").write_text(STUDY.replace("followers = 2", "follower = 2").replace("degree", "degre"))
    assert main(["check", "bad.toml", "--json"]) == 2
    out = capsys.readouterr()
    assert out.err == ""
    problems = json.loads(out.out)["problems"]
    assert [(one["line"], one["column"], one["field"]) for one in problems] == [
        (6, 1, "scenario.follower"),
        (9, 6, "method.degre.id"),
    ]
    assert [one["hint"] for one in problems] == ["did you mean 'followers'?", "did you mean 'degree'?"]
    assert Path(problems[0]["path"]).name == "bad.toml"


def test_a_report_goes_into_a_folder_that_is_named(here, capsys):
    assert main(["run", "small.toml", "--workers", "0"]) == 0
    (here / "there").mkdir()
    capsys.readouterr()
    assert main(["report", "small.results", "--out", "there", "--json"]) == 0
    assert [Path(one) for one in json.loads(capsys.readouterr().out)["files"]] == [Path("there/report.html")]
    assert (here / "there" / "report.html").is_file()
    assert main(["export", "small.results", "--out", "tables", "--json"]) == 0
    files = [Path(one) for one in json.loads(capsys.readouterr().out)["files"]]
    assert here / "tables" / "small.zip" in [path.absolute() for path in files]
    assert all(path.is_file() for path in files)


def test_help_before_a_command_is_its_help(capsys):
    assert main(["help", "run"]) == 0
    asked = capsys.readouterr().out
    main(["run", "--help"])
    assert asked == capsys.readouterr().out
    assert "default: False" not in asked
    assert "--empty" not in asked


def test_a_fault_of_the_system_is_not_hidden(monkeypatch):
    def broken(words):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("qoslab.app.main._dispatch", broken)
    with pytest.raises(FileNotFoundError):
        main(["list"])


def test_a_file_that_the_package_lacks_is_not_the_users_fault(monkeypatch):
    def broken(words):
        raise FileNotFoundError(
            2, "No such file or directory", str(Path(qoslab.__file__).parent / "lost.toml")
        )

    monkeypatch.setattr("qoslab.app.main._dispatch", broken)
    with pytest.raises(FileNotFoundError):
        main(["list"])


def test_an_archive_is_for_rerun(here, capsys):
    (here / "small.zip").touch()
    assert main(["show", "small.zip"]) == 2
    assert "qoslab rerun small.zip ROW" in capsys.readouterr().err


@pytest.mark.parametrize("command", [command.name for command in COMMANDS if command.name != "data"])
def test_every_option_is_explained(command):
    function = load(next(one.target for one in COMMANDS if one.name == command))
    text = inspect.getdoc(function)
    silent = [name for name in inspect.signature(function).parameters if f"    {name}: " not in text]
    assert silent == []


def test_counts_are_in_the_right_number(here, capsys):
    assert main(["check", "small.toml"]) == 0
    assert capsys.readouterr().out == "small.toml: 1 scenario x 1 method x 2 seeds = 2 trials\n"


def test_plan_says_what_it_cannot_know(here, capsys):
    assert main(["plan", "small.toml", "--why"]) == 0
    assert "2 trials: 0 kept, 2 to run; how long that takes is known once" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0123, "0.012 s"), (9.9, "9.9 s"), (59.6, "1 min 0 s"), (12345.6, "3 h 25 min")],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_paths_are_short_in_the_working_directory(here):
    assert short(here / "a" / "b.toml") == os.path.join("a", "b.toml")
    assert short("/") == "/"


def test_run_show_and_rerun_agree_on_row_numbers(here, capsys):
    assert main(["run", "small.toml", "--workers", "0"]) == 0
    assert "results: small.results   report: qoslab report small.results" in capsys.readouterr().out
    assert main(["show", "small.results", "--rows"]) == 0
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[0] == "row"
    assert [row.split()[0] for row in rows] == ["0", "1"]
    assert main(["rerun", "small.results", rows[1].split()[0]]) == 0
    assert main(["plan", "small.toml"]) == 0
    assert "2 trials: 2 kept, 0 to run" in capsys.readouterr().out


def test_a_notebook_hears_of_a_run_as_well(here, capsys):
    seen = []
    result = qoslab.Study.from_file("small.toml").run(workers=0, events=seen.append)
    assert [event.replication for event in seen if isinstance(event, TrialEnded)] == [0, 1]
    assert str(result.verdict).startswith("What distance does degree give")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("more", [[], ["--rows"], ["--json"]])
def test_show_names_metrics_that_the_results_do_not_hold(here, capsys, more):
    assert main(["run", "small.toml", "--workers", "0"]) == 0
    capsys.readouterr()
    words = ["show", "small.results", *more]
    assert main([*words, "--metric", "distnace", "--metric", "distance", "--metric", "reason"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert [line for line in told.err.splitlines() if "no metric" in line] == [
        "qoslab: the results hold no metric 'distnace'",
        "the results hold no metric 'reason'",
    ]
    assert "did you mean 'distance'" in told.err
    assert main([*words, "--metric", "counter.followers"]) == 0
    assert "counter.followers" in capsys.readouterr().out


def test_show_as_json_holds_the_metrics_that_were_asked_for(here, capsys):
    assert main(["run", "small.toml", "--workers", "0"]) == 0
    capsys.readouterr()
    who = ["row", "scenario", "method", "method_id", "replication", "seed_path", "status", "reason"]
    assert main(["show", "small.results", "--json", "--metric", "distance"]) == 0
    some = json.loads(capsys.readouterr().out)
    assert [list(row) for row in some] == [[*who, "distance"]] * 2
    assert main(["show", "small.results", "--json"]) == 0
    every = json.loads(capsys.readouterr().out)
    assert {"cpu_s", "distance", "counter.followers", "fingerprint"} <= set(every[0])
    assert [{name: row[name] for name in some[0]} for row in every] == some


def test_seeds_that_a_precision_added_are_told_everywhere(here, capsys):
    assert main(["run", "small.toml", "--workers", "0"]) == 0
    assert "added after looking" not in capsys.readouterr().out
    assert main(["run", "small.toml", "--workers", "0", "--until-precision", "0.5"]) == 0
    told = "2 seeds were planned; 18 were added after looking, to make intervals narrow (20 in all)."
    assert told in capsys.readouterr().out
    result = Result.open("small.results")
    assert told in str(result.verdict)
    assert result.verdict.as_dict()["seeds"] == {"planned": 2, "asked": 20}
    assert result.study.report.precision == 0.5
    asked = (here / "small.toml").read_text() + "[report]\nprecision = 0.5\n"
    (here / "asked.toml").write_text(asked)
    assert told in str(qoslab.Study.from_file("asked.toml").run(workers=0).verdict)
    assert main(["show", "small.results"]) == 0
    assert "2 seeds were planned; a run until a precision made them 20." in capsys.readouterr().out
    assert main(["report", "small.results"]) == 0
    assert told in (here / "small.results" / "report.html").read_text()
    capsys.readouterr()
    # Who sets the number itself has planned it; the same command without a precision goes back to the plan.
    assert main(["run", "small.toml", "--workers", "0", "--set", "study.seeds=20"]) == 0
    assert "added after looking" not in capsys.readouterr().out
    assert main(["run", "small.toml", "--workers", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["seeds"] == {"planned": 2, "asked": 2}


def test_a_metric_that_no_trial_gave_asks_for_no_seeds():
    report = SimpleNamespace(metric="mae[delay]", level=0.95)
    rule = stopping_rule(SimpleNamespace(domain="prediction", report=report), 0.1)
    assert rule(pl.DataFrame({"status": ["failed"], "replication": [0]})) == 0


def test_cite_says_where_there_is_nothing_to_cite(here, capsys):
    assert main(["cite", "small.toml"]) == 0
    assert "no method of this study has a citation" in capsys.readouterr().err


def test_a_parameter_without_a_value_names_both_places(here, capsys):
    own(here, default="")
    assert main(["run", "own.toml", "--workers", "0"]) == 2
    told = capsys.readouterr().err
    line = (here / "mine.py").read_text().splitlines().index("class Mine:") + 1
    assert f"mine.py:{line}: method influence/mine: parameter 'a' is missing (named in own.toml:9)" in told
    assert "class Mine:" in told


def test_a_method_without_the_protocol_is_refused_before_anything_runs(here, capsys):
    own(here)
    (here / "mine.py").write_text((here / "mine.py").read_text().replace("def select", "def choose"))
    assert main(["run", "own.toml", "--workers", "0"]) == 2
    assert "influence methods offer select(opinions, rng); Mine has no select" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["origin", "information"])
def test_a_word_outside_its_list_is_located_in_a_users_file(word, here, capsys):
    own(here)
    text = (here / "mine.py").read_text().replace('origin="ours"', f'{word}="nonsense"')
    (here / "mine.py").write_text(text)
    assert main(["run", "own.toml", "--workers", "0"]) == 2
    told = capsys.readouterr().err
    assert "mine.py:3" in told
    assert f"{word} is 'nonsense'" in told


def test_where_every_trial_fails_the_method_is_to_be_repaired(here, capsys):
    own(here, body="return 1 / 0")
    assert main(["run", "own.toml", "--workers", "0"]) == 1
    out = capsys.readouterr()
    assert "Repair mine" in out.out
    assert "Add a second" not in out.out
    assert out.err.count("division by zero") <= 2


def test_the_report_shows_a_method_of_ones_own(here, capsys):
    own(here)
    assert main(["run", "own.toml", "--workers", "0"]) == 0
    assert main(["report", "own.results"]) == 0
    page = (here / "own.results" / "report.html").read_text()
    for part in ("the first agents", "Takes the first agents.", "a = 1"):
        assert part in page
    assert "figure" not in capsys.readouterr().err


def test_a_failing_figure_is_told(here, capsys, monkeypatch):
    assert main(["run", "small.toml", "--workers", "0"]) == 0
    broken = replace(registry.domain("influence").figures[0], target="qoslab.core.domain:load", needs=())
    domain = replace(registry.domain("influence"), figures=(broken,))
    monkeypatch.setitem(registry._domains, "influence", domain)
    assert main(["report", "small.results"]) == 0
    assert "qoslab: figure 'distance-by-rank' failed: TypeError" in capsys.readouterr().err


def verify_that_breaks(*, quick, context):
    yield Check.within("sound", "closed form", expected=1.0, got=1.0, low=0.9, high=1.1)
    message = "no such thing"
    raise RuntimeError(message)


@pytest.mark.parametrize("target", [f"{__name__}:verify_that_breaks", "qoslab.nowhere:verify"])
def test_a_broken_verify_is_a_failed_check_and_the_next_domain_goes_on(target, capsys, monkeypatch):
    monkeypatch.setitem(
        sys.modules, __name__, sys.modules.get(__name__) or sys.modules[verify_that_breaks.__module__]
    )
    monkeypatch.setitem(sys.modules[__name__].__dict__, "verify_that_breaks", verify_that_breaks)
    ours = replace(registry.domain("influence"), verify=target)
    other = replace(registry.domain("prediction"), verify=None)
    monkeypatch.setitem(registry._domains, "influence", ours)
    monkeypatch.setitem(registry._domains, "prediction", other)
    assert main(["verify", "influence", "prediction"]) == 1
    out = capsys.readouterr().out
    assert "FAIL verify of influence" in out
    assert "no such thing" in out or "no module 'qoslab.nowhere'" in out
    assert "nothing to verify: prediction" in out


def test_a_domain_is_described_with_its_methods(capsys):
    assert main(["describe", "influence"]) == 0
    out = capsys.readouterr().out
    for word in ("select(opinions, rng)", "greedy", "settling_rate_per_s", "distance_by_rank"):
        assert word in out
    assert main(["describe", "influence", "--json"]) == 0
    assert {one["method"] for one in json.loads(capsys.readouterr().out)["methods"]} >= {"degree", "random"}


def test_types_of_parameters_are_in_words(capsys):
    assert main(["describe", "prediction/neumf"]) == 0
    out = capsys.readouterr().out
    assert "int, 1 <= x <= 8" in out
    assert "Annotated" not in out


@dataclass(frozen=True)
class Row:
    servers: int
    wait_s: float


def rows_command(*, servers: int = 3) -> list[Row]:
    """Two rows.

    Args:
        servers: how many.
    """
    return [Row(servers, 0.5), Row(servers + 1, 0.25)]


def test_every_domain_command_prints_json(capsys, monkeypatch):
    known = registry.domain("influence")  # found before imports are redirected
    monkeypatch.setattr(
        "qoslab.core.domain.importlib.import_module", lambda path: sys.modules[rows_command.__module__]
    )
    domain = replace(known, commands=(Command("rows", "here:rows_command", "two rows"),))
    monkeypatch.setitem(registry._domains, "influence", domain)
    assert main(["influence", "rows", "--servers", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"servers": 5, "wait_s": 0.5},
        {"servers": 6, "wait_s": 0.25},
    ]
    assert main(["influence", "rows"]) == 0
    assert capsys.readouterr().out.split()[:2] == ["servers", "wait_s"]


def test_a_command_that_prints_as_it_goes_promises_no_json(capsys):
    """It returns an exit code, which would be no result; the domain's help names it, its own is silent."""
    assert main(["balancing", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert told.endswith("With --json every command prints JSON, except those that print as they go: steer.")
    assert main(["balancing", "steer", "--help"]) == 0
    assert "--json" not in capsys.readouterr().out
    assert main(["balancing", "steer", "haproxy", "--socket", "s", "--backend", "b", "--json"]) == 2
    assert "unknown option: --json" in capsys.readouterr().err
    assert main(["entanglement", "--help"]) == 0
    assert "With --json every command prints JSON." in capsys.readouterr().out


def test_equal_failures_are_told_once_and_counted(capsys):
    with study_progress() as tell:
        for replication in range(20):
            tell(TrialEnded("", "a", replication, "failed", "boom (x.py:3)", {}, 0.0))
        tell(TrialEnded("", "b", 0, "timeout", "too long", {}, 0.0))
    assert capsys.readouterr().err.splitlines() == [
        "failed: a, seed 0: boom (x.py:3)",
        "timeout: b, seed 0: too long",
        "failed: a: 19 more trials: boom (x.py:3)",
    ]


def test_demo_names_its_report_once_and_a_command_that_works(here, capsys):
    main(["demo", "influence"])
    out = capsys.readouterr().out
    report = os.path.join("qoslab-demo", "influence.results", "report.html")
    assert out.count("report") == 2  # the word and the file
    assert f"report: {report}" in out
    for line in out.splitlines():
        if line.startswith("  qoslab run"):
            assert main(["check", line.split()[2]]) == 0


def test_the_next_command_goes_on_where_the_results_are(here, capsys):
    """Results in a folder of another name: the command for more seeds names the file and the folder from here."""
    (here / "sub").mkdir()
    (here / "sub" / "tied.toml").write_text(STUDY + '[[method]]\nid = "greedy"\n')
    assert main(["run", "sub/tied.toml", "--workers", "0", "--out", "elsewhere/kept"]) == 0
    (told,) = [
        line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  qoslab run")
    ]
    assert told[:-1] == ["qoslab", "run", "sub/tied.toml", "--out", "elsewhere/kept", "--set"]
    assert told[-1].startswith("study.seeds=")
    assert main(["run", "sub/tied.toml", "--workers", "0"]) == 0
    (told,) = [
        line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("  qoslab run")
    ]
    assert told[:4] == ["qoslab", "run", "sub/tied.toml", "--set"]
    assert main(["compare", "elsewhere/kept"]) == 0
    assert "  qoslab run tied.toml --out elsewhere/kept --set" in capsys.readouterr().out


STEPS = [(domain.name, *step[:2]) for domain in registry.domains() for step in domain.next_steps]


@pytest.mark.parametrize(("domain", "method", "command"), STEPS)
def test_what_a_verdict_says_to_do_next_is_a_command_with_these_options(capsys, domain, method, command):
    program, *words = command.split()
    options = [word for word in words if word.startswith("--")]
    assert program == "qoslab"
    if not options:
        assert main(words) == 0
        return
    assert main([*words[: words.index(options[0])], "--help"]) == 0
    told = capsys.readouterr().out
    assert [option for option in options if option != "--help" and option not in told] == []


BALANCED = """
[study]
name = "b"
domain = "balancing"
seeds = 3
[scenario]
servers = { count = 2, speeds = { grid = [[1.0, 1.0], [1.0, 4.0]] } }
load = { grid = [0.3, 0.6] }
requests = 2000
[[method]]
id = "random"
[[method]]
id = "sed"
label = "mine (sed)"
[report]
metric = "response_time_p99_s"
"""


def test_the_command_to_put_the_best_to_work_runs_as_it_is_printed(here, capsys):
    (here / "sub").mkdir()
    (here / "sub" / "b.toml").write_text(BALANCED)
    assert main(["run", "sub/b.toml", "--workers", "0", "--set", "scenario.requests=1500"]) == 0
    out = capsys.readouterr().out
    assert (
        "To find the load that 'mine (sed)' carries" in out
        or "To find the load that mine (sed) carries" in out
    )
    (told,) = [line for line in out.splitlines() if "plan-capacity" in line]
    words = shlex.split(told)
    assert words[:4] == ["qoslab", "balancing", "plan-capacity", "sub/b.toml"]
    assert main([*words[1:], "--seeds", "2", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["method"], answer["metric"]) == ("mine (sed)", "response_time_p99_s")
    assert answer["best"] > 0.3
    for line in out.splitlines():
        if line.startswith("  qoslab describe"):
            assert main(shlex.split(line)[1:]) == 0


def test_the_help_of_a_domain_command_is_text_not_lines(capsys):
    assert main(["balancing", "plan-capacity", "--help"]) == 0
    paragraph = capsys.readouterr().out.split("within a limit.")[1].split("╭")[0].strip()
    assert max(map(len, paragraph.splitlines())) > 70
    assert all(len(line) > 60 for line in paragraph.splitlines()[:-1])


def test_completion_installs_into_the_home_folder(tmp_path):
    env = os.environ | {"HOME": str(tmp_path), "SHELL": "/bin/bash"}
    code = "import sys; from qoslab.app.main import main; sys.exit(main(['--install-completion']))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    script = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(script) == 1
    text = script[0].read_text()
    assert "until-precision" in text
    assert "plan-capacity" in text
    assert "entanglement" in text


def test_ctrl_c_finishes_what_runs_keeps_it_and_ends_with_130(here):
    """The first Ctrl-C lets running trials finish; the next run goes on where this one stopped."""
    own(here, body="import time; open('begun', 'a').write('x'); time.sleep(0.3); return [0, 1]")
    text = (here / "own.toml").read_text().replace("seeds = 2", "seeds = 40")
    (here / "own.toml").write_text(text)
    code = (
        "import sys; from qoslab.app.main import main; sys.exit(main(['run', 'own.toml', '--workers', '0']))"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not (here / "begun").exists() and run.poll() is None:
        pass
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 130, err
    assert "stopping: Ctrl-C" in err
    assert "planned trials not run yet" in out
    done = (here / "begun").read_text()
    assert 1 <= len(done) < 40


def test_data_says_why_and_a_missing_file_is_no_success(here, capsys, monkeypatch):
    monkeypatch.setenv("QOSLAB_CACHE", str(here / "cache"))
    monkeypatch.delenv("QOSLAB_DATA", raising=False)
    (here / "bad").mkdir()
    (here / "bad" / "as20000102-snap.txt").write_text("altered")
    assert main(["data", "import", "as-20000102", "--from", "bad"]) == 1
    out = capsys.readouterr().out
    assert "refused" in out
    assert "its bytes are unknown or altered" in out
    assert main(["data", "where", "as-20000102"]) == 1
    assert "is not on this machine" in capsys.readouterr().out


def test_cite_gives_json(here, capsys):
    (here / "cited.toml").write_text(BALANCED.replace("random", "jiq"))
    assert main(["cite", "cited.toml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bibtex"].startswith("@")
