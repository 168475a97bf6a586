"""A domain on one page: what it measures, its methods, commands and figures."""

from __future__ import annotations

from typing import Any

from qoslab.app.output import text_table
from qoslab.core.domain import Domain
from qoslab.core.registry import registry

__all__ = ["about_domain", "domain_as_dict"]


def about_domain(domain: Domain) -> str:
    """The page as text."""
    found = domain_as_dict(domain)
    parts = [f"{domain.name}: {domain.summary}"]
    offers = ", ".join(domain.offered().values())
    if offers:
        parts.append(f"a method offers: {offers}")
    parts.append(text_table(found["methods"], ["method", "origin", "extra", "summary"]))
    parts.append(text_table(found["metrics"], ["metric", "unit", "better", "summary"]))
    for kind in ("figures", "commands"):
        if found[kind]:
            parts.append(text_table(found[kind], [kind[:-1], "summary"]))
    parts.append(f"a study file with every scenario field explained: qoslab new {domain.name}")
    return "\n\n".join(parts)


def domain_as_dict(domain: Domain) -> dict[str, Any]:
    """The page for scripts."""
    return {
        "domain": domain.name,
        "summary": domain.summary,
        "baseline": domain.baseline,
        "offers": domain.offered(),
        "methods": [
            {"method": e.name, "origin": e.origin, "extra": e.extra, "summary": e.summary}
            for e in registry.methods(domain.name)
        ],
        "metrics": [
            {"metric": m.name, "unit": m.unit, "better": m.direction, "summary": m.summary}
            for m in domain.metrics
        ],
        "figures": [{"figure": f.name, "summary": f.summary} for f in domain.figures],
        "commands": [{"command": f"{domain.name} {c.name}", "summary": c.summary} for c in domain.commands],
    }
