"""A parent process that a test may kill: runs a study of the test domain and writes down what it was told."""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from qoslab.core.errors import QoslabError
from qoslab.core.registry import registry
from qoslab.study.events import Event, TrialEnded
from qoslab.study.study import Study
from toylab.domain import TOY


def study(seeds: int, seconds: float = 0.004) -> Study:
    methods: list[Any] = [("slow", {"seconds": seconds}), "plain", "learned"]
    return Study(
        name="t", domain="toy", scenario={"load": {"grid": [0.2, 0.4]}}, methods=methods, seeds=seeds
    )


def main(given: dict[str, Any]) -> int:
    registry.add_domain(TOY)
    told = os.open(given["told"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def tell(event: Event) -> None:
        if isinstance(event, TrialEnded):
            row = [event.scenario, event.method, event.replication, event.status, dict(event.metrics)]
            os.write(told, (json.dumps(row) + "\n").encode())

    if "most_bytes" in given:
        resource.setrlimit(resource.RLIMIT_FSIZE, (given["most_bytes"], resource.RLIM_INFINITY))
    try:
        study(given["seeds"], given.get("seconds", 0.004)).run(
            Path(given["out"]), workers=given["workers"], ray=given.get("ray"), events=tell
        )
    except QoslabError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
