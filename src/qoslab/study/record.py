"""Rows on their way into the journal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qoslab.core.seeds import Seed
from qoslab.study.journal import Record
from qoslab.study.plan import Pair, Trial
from qoslab.study.provenance import commit, now, versions
from qoslab.study.work import Failure, Success, Trained

__all__ = ["run_record", "training_record", "trial_record"]

_LONGEST = 4000
"""Characters of a reason that are kept."""


def run_record(folder: Path) -> Record:
    """What is common to all rows of one run.

    Args:
        folder: Where the study file stands; its commit is part of the provenance.
    """
    return {
        "kind": "run",
        "id": os.urandom(8).hex(),
        "at": now(),
        "versions": versions(),
        "git": commit(folder),
    }


def trial_record(
    trial: Trial, result: Success | Failure, *, run: str, host: str, series: Sequence[str] = ()
) -> Record:
    """A trial's row.

    Args:
        trial: The trial.
        result: What it gave.
        run: The run's name.
        host: The machine it ran on.
        series: Names of the series that are stored for it.
    """
    good = result if isinstance(result, Success) else None
    return {
        "kind": "trial",
        **_common(trial.pair, trial.seed, trial.fingerprint, result, run, host),
        "metrics": dict(good.metrics) if good else {},
        "counters": dict(good.counters) if good else {},
        "series": list(series),
    }


def training_record(
    pair: Pair, seed: Seed, fingerprint: str, result: Trained | Failure, *, run: str, host: str
) -> Record:
    """A training's row; the weights themselves stand in a file of their own."""
    return {"kind": "training", **_common(pair, seed, fingerprint, result, run, host)}


def _common(
    pair: Pair, seed: Seed, fingerprint: str, result: Success | Trained | Failure, run: str, host: str
) -> dict[str, Any]:
    failed = result if isinstance(result, Failure) else None
    return {
        "fingerprint": fingerprint,
        "pair": pair.fingerprint,
        "scenario": pair.scenario.label,
        "method": pair.method.label,
        "replication": seed.replication,
        "seed": seed.path,
        "status": failed.status if failed else "done",
        "reason": _clean(failed.reason) if failed else "",
        "cpu_s": round(result.cpu_s, 6),
        "wall_s": round(result.wall_s, 6),
        "host": host,
        "run": run,
        "at": now(),
    }


def _clean(reason: str) -> str:
    """Text that any file can hold, of a length that a table can show."""
    return reason.encode("utf-8", "replace").decode()[:_LONGEST]
