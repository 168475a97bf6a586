"""Every policy has a page, and the page says what the code says."""

import dataclasses
import re
from pathlib import Path

import pytest
from desk import POLICIES

from qoslab.core.registry import registry

PAGES = Path(__file__).parents[3] / "docs" / "balancing"


def shown(value):
    if isinstance(value, bool):
        return str(value).lower()
    return (
        f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    )


@pytest.mark.parametrize("name", POLICIES)
def test_page_agrees_with_the_code(name):
    entry = registry.method("balancing", name)
    text = (PAGES / f"{name}.md").read_text()
    for field in dataclasses.fields(entry.cls):
        assert f"| `{field.name}` | `{shown(field.default)}` |" in text
    assert f"- Information: {entry.information}" in text
    assert text.count("$$") == 2
    assert "## When to use it" in text
    assert entry.citation.strip() in text


def test_the_list_of_policies_is_complete():
    tables, _, _ = (PAGES / "policies.md").read_text().partition("## Policies that a proxy has itself")
    listed = re.findall(r"\]\((\w+)\.md\)", tables)
    assert sorted(listed) == sorted(POLICIES)


@pytest.mark.parametrize("name", POLICIES)
def test_citations_are_bibtex(name):
    citation = registry.method("balancing", name).citation.strip()
    if citation:
        found = re.match(r"@(article|inproceedings|techreport|misc|manual)\{\w+,\n", citation)
        assert found
        assert citation.count("{") == citation.count("}")
        documentation = found[1] in {"misc", "manual"}  # as it stands today: by its address
        fields = ("author", "title", "url" if documentation else "year")
        assert all(f"  {field} = {{" in citation for field in fields)
