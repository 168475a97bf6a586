"""`qoslab demo`: a domain's quick-start study from nothing to its report."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from qoslab.app.commands.run import conclude, run_study
from qoslab.app.output import short
from qoslab.core.errors import BadInput
from qoslab.core.registry import registry

__all__ = ["demo"]


def demo(
    domain: str = "balancing",
    /,
    *,
    out: Annotated[Path, Parameter(help="Where to work.")] = Path("qoslab-demo"),
) -> int:
    """Run a domain's quick-start study, print its verdict and write its report.

    Args:
        domain: The domain; load balancing by default.
        out: A folder to work in; made where it does not exist.
    """
    from qoslab.report.html import write_report
    from qoslab.study.study import Study

    source = registry.domain(domain).quickstart_path()
    if source is None:
        message = f"domain {domain!r} has no quick-start study; try: qoslab new {domain}"
        raise BadInput(message)
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{domain}.toml"
    if not file.exists():  # a file that was edited since is what the user wants to run
        shutil.copyfile(source, file)
    study = Study.from_file(file)
    trials = len(study.scenarios) * len(study.methods) * study.seeds
    print(f"running {short(file)}: {trials} trials\n", flush=True)
    results = run_study(study)
    code = conclude(results, report=write_report(results))
    return code
