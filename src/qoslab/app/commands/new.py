"""`qoslab new`: a study file, a method's file or a domain's package to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from qoslab.app.files import write_new
from qoslab.app.output import short
from qoslab.app.skeletons import domain_skeleton, method_skeleton, refuse_name
from qoslab.app.template import study_template
from qoslab.core.errors import BadInput
from qoslab.core.registry import registry

__all__ = ["new"]


def new(
    name: str,
    /,
    *,
    method: Annotated[bool, Parameter(negative="", help="Write a method of your own instead.")] = False,
    domain: Annotated[
        bool, Parameter(negative="", help="Write the package of a new domain instead.")
    ] = False,
    out: Annotated[Path | None, Parameter(help="Where to write it.")] = None,
) -> int:
    """Write a study file with every field explained, or the skeleton of a plug-in.

    Args:
        name: A domain's name; with `--domain`, the name of the new one.
        method: Write a Python file with a method of your own for this domain.
        domain: Write a package that adds a new domain.
        out: Where to write it; by default a name in the current folder. Nothing is overwritten.
    """
    if method and domain:
        message = "--method and --domain cannot stand together"
        raise BadInput(message)
    if domain:
        refuse_name(name)
        written = domain_skeleton(name, out or Path(name))
        print(f"wrote {short(written)}; try: pip install --editable {short(written)} && qoslab demo {name}")
        return 0
    known = registry.domain(name)
    if method:
        path = write_new(out or Path("mine.py"), method_skeleton(known))
        print(f'wrote {short(path)}; name it in a study: [[method]] id = "mine", file = "{path.name}"')
        return 0
    path = write_new(out or Path(f"{name}.toml"), study_template(known))
    print(f"wrote {short(path)}; next: qoslab run {short(path)}")
    return 0
