"""The same laboratory from Python: `Study(...).run()` in a script or a notebook.

    from qoslab import Study

    result = Study.from_file("tails.toml").run()
    print(result.verdict)
    result.table

The table is a polars frame with one row per trial.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qoslab.study.results import Results
from qoslab.study.study import Study as _Study

if TYPE_CHECKING:
    import polars as pl

    from qoslab.report.verdict import Verdict
    from qoslab.study.events import Event, Events

__all__ = ["Result", "Study"]


class Result(Results):
    """The results of a study: `table` (polars, one row per trial), `verdict`, `compare`, `report`."""

    @property
    def verdict(self) -> Verdict:
        """The answer in plain words, by the study's own metric and baseline."""
        from qoslab.report.verdict import verdict

        return verdict(self)

    def compare(self, metric: str | None = None, baseline: str | None = None) -> pl.DataFrame:
        """Methods against a baseline, seed by seed; see `qoslab.report.compare.compare`."""
        from qoslab.report.compare import compare

        return compare(self, metric, baseline)

    def report(self, out: Path | None = None) -> Path:
        """Write the report; see `qoslab.report.html.write_report`."""
        from qoslab.report.html import write_report

        return write_report(self, out)


class Study(_Study):
    """Scenarios x methods x seeds, from a file (`Study.from_file`) or put together in Python."""

    @classmethod
    def from_file(cls, path: str | Path, overrides: Mapping[str, str] | None = None) -> Study:
        """Read a study file; see `qoslab.study.study.Study.from_file`."""
        found = _Study.from_file(path, overrides)
        study = object.__new__(cls)
        for field in dataclasses.fields(found):
            object.__setattr__(study, field.name, getattr(found, field.name))
        return study

    def run(
        self,
        out: str | Path | None = None,
        *,
        workers: int | None = None,
        until_precision: float | None = None,
        quiet: bool = False,
        events: Events | None = None,
        **options: Any,
    ) -> Result:
        """Run the study, or what is left of it.

        Args:
            out: Folder of results; `NAME.results` by default.
            workers: Worker processes; 0 runs in this process; one per processor by default.
            until_precision: Add seeds until every interval of the report's metric has this relative half-width; by
                default what the study's `[report]` table asks for.
            quiet: Draw no progress.
            events: Hears what happens, besides the progress that is drawn; see `qoslab.study.events`.
            **options: See `qoslab.study.run.run`.

        Returns:
            The results.
        """
        from qoslab.app.precision import stopping_rule
        from qoslab.app.progress import study_progress

        study = self if until_precision is None else self.with_precision(until_precision)
        with study_progress(quiet=quiet) as drawn:

            def tell(event: Event) -> None:
                drawn(event)
                if events is not None:
                    events(event)

            results = _Study.run(
                study,
                Path(out) if out is not None else None,
                workers=workers,
                until_precision=stopping_rule(study, study.report.precision),
                events=tell,
                **options,
            )
        opened = Result.open(results.path)
        opened.interrupted = results.interrupted
        return opened
