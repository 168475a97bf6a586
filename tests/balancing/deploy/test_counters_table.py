"""The table of counters read quickly gives what reading it as CSV gives, whatever stands in its fields."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.domains.balancing.deploy.runtime import ProxyGone, Runtime, Server

COLUMNS = ("pxname", "svname", "qcur", "scur", "stot", "status", "weight", "last_chk", "agent_status", "mode")
COLUMNS += ("uweight", "ssl_sess", "")
NUMBERS = st.one_of(st.just(""), st.integers(0, 300).map(str))
WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
ROW = st.fixed_dictionaries(
    {
        "pxname": st.just("work"),
        "svname": st.from_regex(r"[A-Za-z0-9_.:-]{1,9}", fullmatch=True),
        "qcur": NUMBERS,
        "scur": NUMBERS,
        "stot": NUMBERS,
        "status": st.sampled_from(("UP", "UP 1/3", "DOWN", "no check", "MAINT", "NOLB")),
        "weight": NUMBERS,
        "last_chk": st.one_of(st.just(""), WORDS),
        "agent_status": st.sampled_from(("", "L7OK")),
        "mode": st.just("http"),
        "uweight": NUMBERS,
        "ssl_sess": NUMBERS,
        "": st.just(""),
    }
)


class Says(Runtime):
    """A proxy with this answer."""

    def __init__(self, table):
        self.table = table

    def ask(self, command):
        return f"Name: HAProxy\nPid: 17\nUptime: 0\nStart_time_sec: 5\n\n# {self.table}\n"


def as_csv(table):
    """The servers of a table, by its columns' names."""
    found = []
    for row in csv.DictReader(io.StringIO(table)):
        weight = int(row.get("uweight") or row["weight"] or 0)
        up = weight > 0 and (row["status"] == "no check" or row["status"][:2] == "UP")
        numbers = int(row["scur"] or 0), int(row["stot"] or 0)
        found.append(Server(row["svname"], *numbers, weight, up, bool(row.get("agent_status"))))
    return found


@given(st.lists(ROW, min_size=1, max_size=5), st.sets(st.sampled_from(("uweight", "agent_status"))))
def test_every_table_is_read_as_csv_reads_it(rows, lacking):
    columns = [name for name in COLUMNS if name not in lacking]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    assert Says(text.getvalue()).servers("work") == ("17 of 5", as_csv(text.getvalue()))


@pytest.mark.parametrize("name", ["svname", "scur", "stot", "status", "weight"])
def test_a_table_without_a_column_that_is_needed_counts_as_no_answer(name):
    columns = [one for one in COLUMNS if one != name]
    with pytest.raises(ProxyGone, match="a table of counters that cannot be read"):
        Says(",".join(columns) + "\n" + "1," * len(columns)).servers("work")


WHOLE = {
    "pxname": "work",
    "scur": "3",
    "stot": "71",
    "status": "UP",
    "weight": "9",
    "uweight": "9",
    "mode": "http",
}
QUOTED = {"last_chk": '"Layer7 check passed, code 200"'}
OLD = ("pxname", "svname", "scur", "stot", "status", "weight", "mode", "")


@pytest.mark.parametrize(
    "columns", [COLUMNS, OLD, (*OLD[:5], "mode", "weight")], ids=["new", "old", "weight last"]
)
@pytest.mark.parametrize("row", [WHOLE, WHOLE | QUOTED], ids=["plain", "quoted"])
def test_a_table_that_was_cut_short_counts_as_no_answer(columns, row):
    """Wherever its last row lost fields, and whichever columns the proxy knows."""
    first, last = (",".join((row | {"svname": name}).get(k, "") for k in columns) for name in "ab")
    table = f"{','.join(columns)}\n{first}\n"
    assert [server.weight for server in Says(table + last).servers("work")[1]] == [9, 9]
    assert len(Says(table).servers("work")[1]) == 1
    commas = [k for k, sign in enumerate(last) if sign == "," and not last[:k].count('"') % 2]
    for cut in commas:
        with pytest.raises(ProxyGone, match="a table of counters that cannot be read"):
            Says(table + last[:cut]).servers("work")


def test_a_row_with_more_fields_than_columns_counts_as_no_answer():
    with pytest.raises(ProxyGone, match="a row of 9 fields, of 8"):
        Says(f"{','.join(OLD)}\nwork,b,3,71,UP,9,http,,\n").servers("work")
