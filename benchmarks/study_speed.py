"""What a study costs beside its trials: starting, a thousand empty trials, a folder of 100,000 rows and its verdict.

python -m benchmarks.study_speed
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import Child, child, cpu_s, interleaved, judge, show, spread

TRIALS, ROWS = 1000, 100_000
HERE = Path(__file__).parent


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="qoslab-bench-") as scratch:
        starts()
        empty_trials(Path(scratch))
        many_rows(Path(scratch))


def starts() -> None:
    """CPU seconds of fresh processes, the interpreter's own included."""

    def process(*words: str) -> Callable[[], float]:
        return lambda: child([sys.executable, *words]).cpu_s

    script = Path(sys.executable).with_name("qoslab")
    figures = interleaved(
        {
            "python": process("-c", "pass"),
            "import": process("-c", "import qoslab"),
            "Study": process("-c", "from qoslab import Study"),
            "help": lambda: child([str(script), "--help"]).cpu_s,
            "list": lambda: child([str(script), "list", "influence"]).cpu_s,
        },
        rounds=7,
    )
    show("Python alone", f"{spread(figures['python']):.3f} s CPU")
    show("import qoslab", f"{spread(figures['import']):.3f} s CPU")
    show("from qoslab import Study", f"{spread(figures['Study']):.3f} s CPU")
    judge("qoslab --help", spread(figures["help"]), ".3f", "s CPU", at_most=0.3)
    show("qoslab list influence", f"{spread(figures['list']):.3f} s CPU")


EMPTY = """
import sys
import benchmarks.empty
from qoslab import Study
study = Study(name="empty", domain="empty", scenario={"load": {"grid": [0.1, 0.3, 0.5, 0.7, 0.9]}},
              methods=[("idle", {"level": {"grid": [0, 1]}})], seeds=100)
result = study.run(sys.argv[1], workers=2, quiet=True)
print((result.table["status"] == "done").sum())
"""


def empty_trials(scratch: Path) -> None:
    """1,000 trials from a fresh process to the stored table: 5 scenarios, 2 methods, 100 seeds."""
    numbers = iter(range(1_000_000))

    environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}

    def once() -> Child:
        folder = scratch / f"empty-{next(numbers)}"
        done = child([sys.executable, "-c", EMPTY, str(folder)], environment)
        if int(done.output) != TRIALS:
            message = f"{done.output} of {TRIALS} trials are done"
            raise RuntimeError(message)
        return done

    runs = [once() for _ in range(3)]
    what = f"{TRIALS:,} empty trials on 2 workers, all processes"
    judge(what, spread([run.wall_s for run in runs]), ".2f", "s wall", at_most=5.0)
    show("  the same, of all processes together", f"{spread([run.cpu_s for run in runs]):.2f} s CPU")


def many_rows(scratch: Path) -> None:
    """A folder of 100,000 rows: opened from its kept table, from its journal, judged, reported."""
    from qoslab.app.api import Result
    from qoslab.report.html import write_report
    from qoslab.study.store import Store
    from qoslab.study.table import make_table, save_table

    folder = scratch / "many.results"
    _write_rows(folder)
    show(f"{ROWS:,} rows from the journal alone", f"{cpu_s(lambda: Result.open(folder)):.2f} s CPU")
    store = Store(folder)
    save_table(store, make_table(store))
    opened = interleaved({"open": lambda: cpu_s(lambda: Result.open(folder))}, rounds=5)
    show(f"{ROWS:,} rows opened from the kept table", f"{spread(opened['open']):.3f} s CPU")
    result = Result.open(folder)
    if result.table.height != ROWS:
        message = f"the table has {result.table.height} rows instead of {ROWS}"
        raise RuntimeError(message)
    verdicts = interleaved({"verdict": lambda: cpu_s(lambda: result.verdict)}, rounds=3)
    show("  their verdict", f"{spread(verdicts['verdict']):.2f} s CPU")
    begun = time.process_time()
    page = write_report(result)
    show("  their report, figures included", f"{time.process_time() - begun:.2f} s CPU")
    judge("  size of the report's page", spread([page.stat().st_size / 1e6]), ".2f", "MB", at_most=5.0)
    _opened_in_a_browser(page)


def _opened_in_a_browser(page: Path) -> None:
    """Wall time from the start of a browser to the finished page, less what the same browser takes for an empty one."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    what = "  the page opened in Chromium, over an empty page"
    if browser is None:
        show(what, "not run: needs chromium (apt-get install chromium)")
        return
    empty = page.with_name("empty.html")
    empty.write_text("<!doctype html><title>empty</title>", encoding="utf-8")

    def opened(path: Path) -> float:
        words = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", path.as_uri()]
        return child(words).wall_s

    walls = interleaved({"page": lambda: opened(page), "empty": lambda: opened(empty)}, rounds=5)
    over = [full - bare for full, bare in zip(walls["page"], walls["empty"], strict=True)]
    judge(what, spread(over), ".2f", "s wall", at_most=1.0)


def _write_rows(folder: Path) -> None:
    """A results folder as a run would leave it, with made-up values: 50 scenarios, 4 methods, 500 seeds."""
    import benchmarks.empty  # noqa: F401 - registers the domain
    from qoslab.app.api import Study
    from qoslab.study.data import DataFiles
    from qoslab.study.journal import Journal
    from qoslab.study.keep import keep_files
    from qoslab.study.plan import make_plan
    from qoslab.study.record import run_record
    from qoslab.study.store import Store

    study = Study(
        name="many",
        domain="empty",
        scenario={"load": {"grid": [round(0.01 * step, 2) for step in range(1, 51)]}},
        methods=[("idle", {"level": {"grid": [0, 1, 2, 3]}})],
        seeds=500,
    )
    plan = make_plan(study, Store(folder), DataFiles(None))
    run = run_record(Path.cwd())
    with Journal(folder) as journal:
        keep_files(study, folder)
        journal.append([plan.record(), run])
        journal.append(_rows(plan, run["id"]))


def _rows(plan: Any, run: str) -> Iterator[dict[str, Any]]:
    from qoslab.study.record import trial_record
    from qoslab.study.work import Success

    noise = np.random.default_rng(1).standard_normal(len(plan.trials))
    for trial, value in zip(plan.trials, noise, strict=True):
        scenario, method = trial.pair.scenario.scenario, trial.pair.method.source.build()
        time_s = 1.0 / (1.0 - scenario.load) + 0.01 * method.level + 0.05 * float(value)
        yield trial_record(
            trial, Success({"response_time_s": time_s}, {}, {}, 1e-3, 1e-3), run=run, host="bench"
        )


if __name__ == "__main__":
    main()
