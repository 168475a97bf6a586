"""Tables of what `qoslab prediction` commands print, each row with the command that gave it, its commit and versions.

A table is a file of lines in JSON, `results/NAME.jsonl` beside this file unless `--out` names another. Commands whose
rows it holds are not run again, so that the same command goes on where it was stopped:

    python studies/prediction/command_tables.py tuning-three
"""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qoslab.study.provenance import commit, now, versions

HERE = Path(__file__).parent
STUDIES = "studies/prediction"
MADE = ("model", "edge")
"""Folders that a command makes for those after it; they are in a temporary place, and gone afterwards."""

Group = tuple[str, ...]
"""Commands that follow each other; rows of the last ones are kept, of a single one its own."""

FACTORS = ("pmf", "nmf", "biased_mf", "nimf", "amf")
NETWORKS = ("lightgcn", "shared_bottom", "mmoe", "ldcf")
OTHERS = ("factor_analysis", "upcc", "ipcc", "uipcc", "region_knn", "surprise_svd")
LONGER = (
    "sharp_qos",
    "boosted_factors",
    "neumf",
    "robust_factorisation",
    "gradient_boosting",
    "surprise_knn",
)
"""Methods whose trials take longer, and which have a command each."""

SPLIT = 5
"""Split that methods are tuned on; tables of errors have splits 0 to 4."""


def tuning(world: str, *batches: Sequence[str]) -> list[Group]:
    """Twenty trials or thirty minutes of CPU for each method, a command for each batch of methods."""
    tune = f"tune {STUDIES}/{world}.toml --split {SPLIT}"
    return [(" ".join([tune, *(f"--method {method}" for method in methods)]),) for methods in batches]


PLACED = {
    "new users": f"{STUDIES}/serve-new-users.toml",
    "new services": f"{STUDIES}/serve-new-services.toml",
}
LIMITS = ("--at-most rt=0.5 --at-least tp=20", "--at-most rt=1 --at-least tp=5")
EXPORT = "export model --to edge --rank 32"


def kept_model(world: str, method: str, split: int, *questions: str) -> Group:
    """A model that is trained, and what is asked of it."""
    return (f"train {world} --method {method} --split {split} --to model", "evaluate model", *questions)


PROMISES = tuple(f"evaluate model {words}" for words in LIMITS)
PART_SPLITS = {"factor_analysis": 2, "amf": 2, "gradient_boosting": 2}
"""Splits of a ninth of the services on which promises are held against what happened."""


def serving() -> list[Group]:
    """Errors, coverage, promises and graphs of models at a tenth of WS-DREAM #2; newcomers of whom nothing is known."""
    methods = ("factor_analysis", "boosted_factors")
    return [
        *(kept_model(f"{STUDIES}/serve.toml", method, 0, *PROMISES, EXPORT) for method in methods),
        *(kept_model(file, "factor_analysis", 0) for file in PLACED.values()),
    ]


def promises() -> list[Group]:
    """What selections promise and what is met, of 500 services: few hidden cells."""
    return [
        kept_model(f"{STUDIES}/serve-part.toml", method, split, *PROMISES)
        for method, splits in PART_SPLITS.items()
        for split in range(splits)
    ]


def few() -> list[Group]:
    """What intervals hold where next to nothing is known: five splits of a tenth of the three-parameter set."""
    return [kept_model(f"{STUDIES}/tuning-three.toml", "factor_analysis", split) for split in range(5)]


def streaming() -> list[Group]:
    """Five seeds of the contenders on the same cells, and of those that learn online as tuned; two of the longest."""
    named = ("online factors", "trained on the last 8 slots", "trained robustly on the last 8 slots")
    longest = " ".join(f"--contender {shlex.quote(name)}" for name in named)
    return [("stream --seeds 5 --trials 20",), (f"stream --seeds 2 {longest}",)]


TABLES: dict[str, list[Group]] = {
    "few": few(),
    "promises": promises(),
    "serving": serving(),
    "streaming": streaming(),
    "tuning-three": tuning("tuning-three", (*FACTORS, *NETWORKS, *OTHERS), *([one] for one in LONGER)),
    "tuning-part": tuning("tuning-part", *([one] for one in (*FACTORS, *NETWORKS, *LONGER, *OTHERS))),
}


def rows_of(group: Group, folder: Path) -> Iterator[dict[str, Any]]:
    """What the commands of a group print, with where it comes from.

    Args:
        group: The commands, without `qoslab prediction`.
        folder: Place for models and graphs.

    Raises:
        CalledProcessError: A command ended with another status than 0.
    """
    kept = group[1:] or group
    for words in group:
        before, at = resource.getrusage(resource.RUSAGE_CHILDREN), commit(HERE)
        found = json.loads(_printed(words, folder))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        about = {"git": at, "versions": versions(), "command_cpu_s": round(spent, 1), "finished_at": now()}
        if words in kept:
            yield from ({"after": group[0], "command": words} | row | about for row in found)


def _printed(words: str, folder: Path) -> str:
    """The JSON that one command prints."""
    placed = [str(folder / word) if word in MADE else word for word in shlex.split(words)]
    command = [sys.executable, "-m", "qoslab", "prediction", *placed, "--json"]
    done = subprocess.run(command, cwd=HERE.parents[1], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a file; a last line that was cut off is taken away."""
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]


def missing(groups: Sequence[Group], rows: Sequence[dict[str, Any]]) -> list[Group]:
    """The groups of which a table has not all commands; models are the same for the same first command."""
    there = {(row["after"], row["command"]) for row in rows}
    return [group for group in groups if any((group[0], words) not in there for words in group[1:] or group)]


def make(name: str, path: Path, only: str = "") -> None:
    """Run what a table has not yet, and append its rows group by group.

    Args:
        name: Which table.
        path: Its file.
        only: Part of the commands that are wanted; all by default.
    """
    for group in missing(TABLES[name], read(path)):
        if only not in " ".join(group):
            continue
        with tempfile.TemporaryDirectory(prefix="qoslab-") as folder:
            rows = list(rows_of(group, Path(folder)))
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(row) + "\n" for row in rows))


def main(argv: Sequence[str] | None = None) -> None:
    """Make one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("--out", type=Path, help="file of the table; results/TABLE.jsonl by default")
    parser.add_argument("--only", default="", help="commands in which these words stand")
    given = parser.parse_args(argv)
    make(given.table, given.out or HERE / "results" / f"{given.table}.jsonl", given.only)


if __name__ == "__main__":
    main()
