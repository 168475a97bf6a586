"""Pages of prediction say what the committed tables say."""

import runpy
from pathlib import Path

import pytest

COMMAND = "studies/prediction/page_tables.py"
MADE = runpy.run_path(str(Path(__file__).parents[2] / COMMAND))


@pytest.mark.parametrize(
    "table", MADE["TABLES"], ids=lambda table: f"{table.page}-{table.header.strip('| ')}"
)
def test_a_table_on_a_page_is_that_of_the_results(table):
    on_the_page = table.split((MADE["PAGES"] / f"{table.page}.md").read_text(encoding="utf-8"))[1]
    assert on_the_page == table.made(), f"python {COMMAND}"
