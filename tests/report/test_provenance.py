"""Where the numbers of a report come from."""

from __future__ import annotations

import json

import polars as pl
import pytest

from qoslab.report.provenance import provenance


@pytest.mark.parametrize(
    ("numpy", "told"),
    [
        (["2.1", "2.1"], "numpy 2.1"),
        (["2.1", "2.2"], "the table mixes 2 sets of versions: numpy 2.1; numpy 2.2"),
        (
            list("123456"),
            "the table mixes 6 sets of versions: numpy 1; numpy 2; numpy 3; numpy 4; and 2 more",
        ),
    ],
)
def test_a_table_of_several_versions_says_so(numpy: list[str], told: str) -> None:
    table = pl.DataFrame({"versions": [json.dumps({"numpy": version}) for version in numpy]})
    assert dict(provenance(table))["versions"] == told
