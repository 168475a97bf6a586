"""The page of `blind_sed` says what its tables say."""

import runpy
from pathlib import Path

import pytest

COMMAND = "studies/balancing/blind_tables.py"
MADE = runpy.run_path(str(Path(__file__).parents[2] / COMMAND))


@pytest.mark.parametrize("header", MADE["TABLES"])
def test_a_table_on_the_page_is_that_of_the_results(header):
    on_the_page = MADE["split"](MADE["PAGE"].read_text(), header)[1]
    assert on_the_page == MADE["TABLES"][header](), f"python {COMMAND}"
