"""The commands of `qoslab`, as data: help is printed from here without loading the command-line library."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["COMMANDS", "GROUPS", "CommandLine"]


class CommandLine(NamedTuple):
    """One command: the words to type, where its function stands, one line of help, its group."""

    name: str
    target: str
    summary: str
    group: str


GROUPS = ("Start", "Study", "Results", "Knowledge", "House")

_HERE = "qoslab.app.commands."

COMMANDS = (
    CommandLine("demo", _HERE + "demo:demo", "run a quick-start study and write its report", "Start"),
    CommandLine("new", _HERE + "new:new", "a study file with every field explained, or a plug-in", "Start"),
    CommandLine("check", _HERE + "study:check", "check a study file; runs nothing", "Study"),
    CommandLine("plan", _HERE + "study:plan", "trials, cached ones, estimate, what changed", "Study"),
    CommandLine("run", _HERE + "run:run", "run a study, or what is left of it", "Study"),
    CommandLine("rerun", _HERE + "results:rerun", "run one row again: the same numbers", "Study"),
    CommandLine("show", _HERE + "results:show", "the table of results", "Results"),
    CommandLine("compare", _HERE + "results:compare", "methods against a baseline; the verdict", "Results"),
    CommandLine("report", _HERE + "results:report", "write the report: one offline HTML file", "Results"),
    CommandLine("export", _HERE + "results:export", "LaTeX and CSV tables, an archive to rerun", "Results"),
    CommandLine("cite", _HERE + "knowledge:cite", "BibTeX of the methods a study uses", "Knowledge"),
    CommandLine("list", _HERE + "knowledge:list_methods", "all methods, or those of a domain", "Knowledge"),
    CommandLine(
        "describe", _HERE + "knowledge:describe", "a method with its parameters, or a domain", "Knowledge"
    ),
    CommandLine("schema", _HERE + "schema:schema", "JSON Schema of study files, for editors", "Knowledge"),
    CommandLine("verify", _HERE + "verify:verify", "closed forms and published figures", "Knowledge"),
    CommandLine(
        "steer",
        "qoslab.domains.balancing.deploy.steer:steer",
        "weights of a running HAProxy, from what it sees",
        "House",
    ),
    CommandLine("data", _HERE + "data:app", "list, fetch, import or find datasets", "House"),
    CommandLine("doctor", _HERE + "doctor:doctor", "what is installed, and what is missing", "House"),
)
