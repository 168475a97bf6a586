"""Files as they come: what is read is what stands there, and every fault is named with its place."""

import csv
import gzip
import os

import numpy as np
import polars as pl
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.scenario import dataset_names, input_files
from qoslab.core.seeds import Seed
from qoslab.datasets.locate import locate, resolver
from qoslab.domains.prediction.data import make_task
from qoslab.domains.prediction.place_lists import read_places
from qoslab.domains.prediction.readers import read
from qoslab.domains.prediction.scenario import PredictionScenario
from qoslab.domains.prediction.slots import read_slots
from qoslab.domains.prediction.tables import read_ids

NAN = float("nan")

needs_data = pytest.mark.skipif(
    "QOSLAB_DATA" not in os.environ, reason="needs the data folder: set QOSLAB_DATA"
)


def source(raw):
    return PredictionScenario.model_validate({"data": raw}).data


def table(tmp_path, text, name="t.csv", **fields):
    file = tmp_path / name
    file.write_text(text)
    raw = {"kind": "table", "file": str(file), "parameters": ["rt", "tp"]} | fields
    return read(source(raw), Seed(), Context())


GOOD = "user,service,rt,tp,user_country,service_country\nann,x,0.5,10,DE,FR\nbob,x,,20,FR,FR\nann,y,2,,DE,\n"


def test_a_table_by_hand(tmp_path):
    found = table(tmp_path, GOOD, context=["country"])
    np.testing.assert_array_equal(found.values, [[[0.5, 2.0], [NAN, NAN]], [[10, NAN], [20, NAN]]])
    assert found.user_context["country"].tolist() == [0, 1]
    assert found.service_context["country"].tolist() == [1, -1]
    assert found.words == {"country": ("DE", "FR")}
    scenario = {
        "data": {"kind": "table", "file": str(tmp_path / "t.csv"), "parameters": ["rt"]},
        "density": 0.3,
    }
    scenario["data"] |= {"context": ["country"]}
    task = make_task(PredictionScenario.model_validate(scenario), Seed(), Context())
    assert task.known.copy().words == found.words


def test_parquet_and_csv_are_read_alike(tmp_path):
    first = table(tmp_path, GOOD)
    pl.read_csv(tmp_path / "t.csv").write_parquet(tmp_path / "t.parquet")
    raw = {"kind": "table", "file": str(tmp_path / "t.parquet"), "parameters": ["rt", "tp"]}
    np.testing.assert_array_equal(read(source(raw), Seed(), Context()).values, first.values)


FOREIGN = (
    "UserID,ServiceID,ResponseTime,Throughput,UserRegion,ServiceRegion,other\n"
    "7,1,0.5,10 ,DE,FR,a\n9,1,, 20,FR,FR,b\n7,2,2,  ,DE,,c\n"
)
RENAMED = {
    "user": "UserID",
    "service": "ServiceID",
    "rt": "ResponseTime",
    "tp": "Throughput",
    "user_country": "UserRegion",
    "service_country": "ServiceRegion",
}


def test_columns_of_other_names_blanks_and_compression(tmp_path):
    """The same table as GOOD, in a file that names its columns otherwise and pads its numbers."""
    file = tmp_path / "foreign.csv.gz"
    file.write_bytes(gzip.compress(FOREIGN.encode()))
    raw = {"kind": "table", "parameters": ["rt", "tp"], "context": ["country"], "columns": RENAMED}
    found = read(source(raw | {"file": str(file)}), Seed(), Context())
    first = table(tmp_path, GOOD, context=["country"])
    np.testing.assert_array_equal(found.values, first.values)
    assert found.service_context["country"].tolist() == first.service_context["country"].tolist()
    registered = source(raw | {"dataset": "set/foreign.csv.gz"})
    there = read(registered, Seed(), Context(dataset=lambda name: tmp_path / name.removeprefix("set/")))
    np.testing.assert_array_equal(there.values, first.values)


def test_a_column_that_is_not_there_under_its_other_name(tmp_path):
    with pytest.raises(BadInput, match=r"(?s)no column 'ResponsTime'.*ResponseTime"):
        table(tmp_path, FOREIGN, columns=RENAMED | {"rt": "ResponsTime"})


def test_a_damaged_archive_is_named(tmp_path):
    file = tmp_path / "t.csv.gz"
    file.write_bytes(gzip.compress(FOREIGN.encode())[:-30])
    with pytest.raises(BadInput, match="cannot be read"):
        read(source({"kind": "table", "file": str(file), "parameters": ["rt"]}), Seed(), Context())


def ids_of(tmp_path, name="t.csv"):
    raw = {"kind": "table", "file": str(tmp_path / name), "parameters": ["rt"]}
    return read_ids(source(raw), Context())


@pytest.mark.parametrize(
    "ids",
    [("007", "7"), ("1.1", "1.10"), ("true", "TRUE"), ("1e3", "1000.0"), ("12345678901234567890123", "inf")],
)
def test_ids_are_text_as_the_file_has_it(tmp_path, ids):
    """Two ids that are one number are two users, two services, and keep their spelling."""
    text = "user,service,rt,tp\n" + "".join(f"{u},{s},1,2\n" for u in ids for s in ids)
    assert table(tmp_path, text).values.shape == (2, 2, 2)
    assert ids_of(tmp_path) == (list(ids), list(ids))


def test_ids_of_typed_columns_are_their_usual_spelling(tmp_path):
    frame = pl.DataFrame({"user": [10, 9], "service": [True, False], "rt": [0.5, 2.0]})
    frame.write_parquet(tmp_path / "t.parquet")
    assert ids_of(tmp_path, "t.parquet") == (["10", "9"], ["true", "false"])


MIXED = "user,service,rt,tp,user_as,service_as\nu1,s1,1,2,10,10\nu2,s2,2,3,20,AS20\nu3,s3,2,3,10,30\n"


def test_words_of_a_context_match_whatever_else_stands_in_the_column(tmp_path):
    """One AS20 among the services' numbers does not part the AS 10 of a user from that of a service."""
    found = table(tmp_path, MIXED, context=["as"])
    assert found.words == {"as": ("10", "20", "AS20", "30")}
    assert found.user_context["as"].tolist() == [0, 1, 0]
    assert found.service_context["as"].tolist() == [0, 2, 3]


def test_whole_numbers_with_gaps_are_the_same_words_without(tmp_path):
    """As dataframes write a column with a missing value: 10.0; and a version 1.10 stays one."""
    text = MIXED.replace("1,2,10,10", "1,2,10.0,10").replace("2,3,20,AS20", "2,3,,20")
    found = table(tmp_path, text.replace("2,3,10,30", "2,3,10.0,30"), context=["as"])
    assert found.words == {"as": ("10", "20", "30")}
    assert found.user_context["as"].tolist() == [0, -1, 0]
    text = MIXED.replace("1,2,10,10", "1,2,1.0,1.10").replace("2,3,20,AS20", "2,3,1.10,1")
    assert table(tmp_path, text, context=["as"]).words == {"as": ("1.0", "1.10", "10", "1", "30")}


def test_blanks_around_names_of_columns_count_for_nothing(tmp_path):
    found = table(tmp_path, GOOD.replace("user,service,rt,tp,", "user, service ,rt,\ttp,"))
    np.testing.assert_array_equal(found.values, table(tmp_path, GOOD).values)
    with pytest.raises(BadInput, match=r"t\.csv:1: two columns have the name 'rt'"):
        table(tmp_path, "user,service,rt, rt\n1,1,2,3\n")


@pytest.mark.parametrize("fields", [{}, {"file": __file__, "dataset": "x/y.csv"}])
def test_a_table_has_one_source(fields):
    with pytest.raises(ValueError, match="either a file or a dataset"):
        source({"kind": "table", "parameters": ["rt"]} | fields)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"parameters": ["rt", "rt"]}, "rt"),
        ({"parameters": ["rt", "user"]}, "user"),
        ({"service": "user"}, "user"),
        ({"columns": {"rt": "x", "tp": "x"}}, "x"),
    ],
)
def test_a_column_has_one_use(fields, name):
    with pytest.raises(ValueError, match=f"the column '{name}' is named twice"):
        source({"kind": "table", "file": __file__, "parameters": ["rt"]} | fields)
    with pytest.raises(ValueError, match="the array 'rt' is named twice"):
        source({"kind": "dataset", "name": "x/a.npz", "parameters": ["rt", "rt"]})


def test_a_parameter_of_zeros_is_named(tmp_path):
    """Nothing can be learned of it, and no error is a share of its mean; a split may ask zeros alone, too."""
    with pytest.raises(BadInput, match="'tp' is 0 wherever it was measured"):
        table(tmp_path, "user,service,rt,tp\n1,1,2,0\n2,1,3,0\n")
    rows = "".join(f"{u},{s},{1 + u},{int(u == 0)}\n" for u in range(9) for s in range(9))
    (tmp_path / "t.csv").write_text("user,service,rt,tp\n" + rows)
    raw = {"kind": "table", "file": str(tmp_path / "t.csv"), "parameters": ["rt", "tp"]}
    cold = PredictionScenario.model_validate({"data": raw, "density": 0.5, "cold": {"users": 0.1}})
    alone = [Seed(replication=r) for r in range(40)]
    messages = []
    for seed in alone:
        try:
            make_task(cold, seed, Context())
        except BadInput as error:
            messages.append(str(error))
    assert any("all cells of 'tp' that the split asks are 0" in one for one in messages)


@needs_data
@pytest.mark.data
def test_the_three_parameter_set_is_that_of_its_description():
    """Figures of the data's own description: 112 x 35, 3,886 rows; means 1.267 s, 35.09 kbps, .840."""
    columns = {"user": "UserID", "service": "ServiceID", "reliability": "Reliability"}
    columns |= {"rt": "ResponseTime", "tp": "Throughput"}
    raw = {"kind": "table", "dataset": "qos-3-tasks/qos3_small_3t.csv.gz", "columns": columns}
    raw["parameters"] = ["rt", "tp", "reliability"]
    found = read(source(raw), Seed(), Context(dataset=resolver()))
    assert found.values.shape == (3, 112, 35)
    assert np.isfinite(found.values).sum(axis=(1, 2)).tolist() == [3886] * 3
    assert np.nanmean(found.values, axis=(1, 2)) == pytest.approx([1.267, 35.09, 0.840], rel=1e-3)


def test_named_codes_are_missing(tmp_path):
    for word, code in (("-1", -1.0), ("nan", NAN)):
        text = f"user,service,rt,tp\n1,1,{word},2\n1,2,3,{word}\n"
        found = table(tmp_path, text, missing=[code])
        np.testing.assert_array_equal(found.values[:, 0], [[NAN, 3.0], [2.0, NAN]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,service,rt,tp\n1,1,2,3\n1,2,3\n", r"t\.csv:3: the row has 3 fields, the header has 4"),
        ("user,service,rt,tp\n1,1,2,3\n1,2,3,4,5\n", r"t\.csv:3: the row has 5 fields, the header has 4"),
        ('user,service,rt,tp\n"1\n2",1,2,3\n\n1\n', r"t\.csv:5: the row has 1 field, the header has 4"),
        ('user,service,rt,tp\n"a\nb",1,2,3\n\n1,1,-4,1\n', r"t\.csv:5: 'rt' is -4"),
        ("user,service,rt,rt\n1,1,2,3\n", r"t\.csv:1: two columns have the name 'rt'"),
        ("user,service,rt,tp\nu,1,2,3\n u,1,2,3\n", r"t\.csv:3: user 'u' and service '1' stand there twice"),
        (
            "user,service,rt,tp\n1,1,2,3\n2,1,-1,3\n",
            r"t\.csv:3: 'rt' is -1; a measurement is 0, or from(.|\n)*`missing`",
        ),
        ("user,service,rt,tp\n1,1,2,NaN\n", r"t\.csv:2: 'tp' is nan"),
        ("user,service,rt,tp\n1,1,inf,3\n", r"t\.csv:2: 'rt' is inf"),
        ("user,service,rt,tp\n1,1,1,1e308\n", r"t\.csv:2: 'tp' is 1e\+308; a measurement .* to 1e\+30"),
        ("user,service,rt,tp\n1,1,2,3\n2,2,1,-0.5\n", r"t\.csv:3: 'tp' is -0\.5"),
        (
            "user,service,rt,tp\n1,1,2,3\n1,2,2,3\n1,1,5,6\n",
            r"t\.csv:4: user '1' and service '1' stand there twice",
        ),
        ("user,service,rt,tp\n1,1,2,\n2,1,3,\n", r"'tp' has no measurement"),
        ("user,service,rt,tp\n1,1,2,soon\n", r"t\.csv:2: 'tp' holds 'soon', which is no number"),
        ("user,service,rt,tp\n1,,2,3\n", r"t\.csv:2: 'service' is empty"),
        ("user,service,rt,pt\n1,1,2,3\n", r"there is no column 'tp'(.|\n)*known: pt, rt"),
        ("user,service,rt,tp\n", r"there are no rows"),
        (
            "user,service,rt,tp\n1,1,2,1e-300\n",
            r"t\.csv:2: 'tp' is 1e-300; a measurement is 0, or from 1e-30",
        ),
        *(
            (
                f'user,service,rt,tp\n"a ""b""",1,2,3\n{field},3,1,2\n"c",3,1,2\n',
                r"t\.csv:3: a quote stands beside other characters of a field(.|\n)*double the quotes",
            )
            for field in ('u"x', '"Foo" Inc', '""b""', '"Foo" "Bar"', ' "a"')
        ),
    ],
)
def test_faults_of_a_table_are_named(tmp_path, text, message):
    with pytest.raises(BadInput, match=message):
        table(tmp_path, text)


def test_quotes_that_csv_writers_make_are_read(tmp_path):
    rows = [["user", "service", "rt", "tp"], ['say "a"', "x,y", 1, 2], ["two\nlines", '"', 3, 4]]
    (tmp_path / "w").mkdir()
    with (tmp_path / "w" / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    found = table(tmp_path, (tmp_path / "w" / "t.csv").read_text())
    np.testing.assert_array_equal(found.values[0], [[1, NAN], [NAN, 3]])
    assert ids_of(tmp_path) == (['say "a"', "two\nlines"], ["x,y", '"'])


def test_a_table_that_nobody_could_hold_is_refused_before_it_is_made(tmp_path):
    """20,000 users of a service each: 400 million cells of each parameter for 20,000 rows."""
    rows = "".join(f"u{i},s{i},1,2\n" for i in range(20_000))
    message = (
        r"t\.csv: a table of 20,000 users, 20,000 services and 2 parameters has 800,000,000 values; at most"
    )
    with pytest.raises(BadInput, match=message):
        table(tmp_path, "user,service,rt,tp\n" + rows)
    with pytest.raises(ValueError, match="300,000 services and 16 parameters"):
        source({"kind": "planted", "users": 300_000, "services": 300_000, "parameters": 16})
    (tmp_path / "a.txt").write_text("90000000 0 0 1\n")
    (tmp_path / "b.txt").write_text("0 90000000 0 1\n")
    files = {name: str(tmp_path / f"{name}.txt") for name in "ab"}
    with pytest.raises(BadInput, match="90,000,001 users, 90,000,001 services"):
        read(source({"kind": "slots", "files": files}), Seed(), Context())


def test_nan_among_numbers_of_networks_is_no_network(tmp_path):
    """10.0 beside it is 10 still, as on the other side."""
    columns = {"user": ["a", "b"], "service": ["x", "y"], "rt": [0.5, 2.0]}
    places = {"user_as": [10.0, float("nan")], "service_as": [11.0, 10.0]}
    pl.DataFrame(columns | places).write_parquet(tmp_path / "t.parquet")
    raw = {"kind": "table", "file": str(tmp_path / "t.parquet"), "parameters": ["rt"], "context": ["as"]}
    found = read(source(raw), Seed(), Context())
    assert found.words == {"as": ("10", "11")}
    assert found.user_context["as"].tolist() == [0, -1]
    assert found.service_context["as"].tolist() == [1, 0]


@pytest.mark.parametrize("empty", [float("nan"), None])
def test_an_id_that_is_not_there_is_no_user(tmp_path, empty):
    frame = pl.DataFrame({"user": [1.0, empty], "service": [1, 2], "rt": [0.5, 2.0]})
    frame.write_parquet(tmp_path / "t.parquet")
    raw = {"kind": "table", "file": str(tmp_path / "t.parquet"), "parameters": ["rt"]}
    with pytest.raises(BadInput, match=r"t\.parquet: row 2: 'user' is empty"):
        read(source(raw), Seed(), Context())


def test_places_may_be_those_of_one_side(tmp_path):
    text = GOOD.replace("service_country", "note")
    with pytest.raises(
        BadInput, match=r"no column 'service_country'(.|\n)*service_context = false, if services"
    ):
        table(tmp_path, text, context=["country"])
    with pytest.raises(BadInput) as caught:
        table(tmp_path, text, context=["land"])
    assert not any("context = false" in str(one.hint) for one in caught.value.problems)
    found = table(tmp_path, text, context=["country"], service_context=False)
    assert found.user_context["country"].tolist() == [0, 1]
    assert found.service_context == {}
    other = table(tmp_path, GOOD, context=["country"], user_context=False)
    assert (other.user_context, other.service_context["country"].tolist()) == ({}, [0, -1])
    with pytest.raises(ValueError, match="a context is that of users or of services"):
        table(tmp_path, GOOD, context=["country"], user_context=False, service_context=False)


def test_every_ragged_row_has_its_line(tmp_path):
    with pytest.raises(BadInput) as caught:
        table(tmp_path, "user,service,rt,tp\n1,1,2\n1,2,2,3\n1,3,4,5,6\n")
    assert [one.line for one in caught.value.problems] == [2, 4]


def test_empty_lines_blanks_and_a_byte_order_mark_are_passed_over(tmp_path):
    padded = "\ufeff" + GOOD.replace("ann,x", "\n ann ,x").replace("\n", "\r\n") + "\r\n\r\n"
    (tmp_path / "other").mkdir()
    found = table(tmp_path / "other", padded, context=["country"])
    np.testing.assert_array_equal(found.values, table(tmp_path, GOOD, context=["country"]).values)


def test_another_encoding_is_named_with_its_line(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"user,service,rt\n1,1,2\nRen\xe9,1,3\n")
    with pytest.raises(BadInput, match=r"(?s)t\.csv:3: .*byte 0xe9 is not UTF-8.*save the file as UTF-8"):
        read(
            source({"kind": "table", "file": str(tmp_path / "t.csv"), "parameters": ["rt"]}),
            Seed(),
            Context(),
        )


def test_rows_of_a_parquet_file_are_named_by_number(tmp_path):
    pl.DataFrame({"user": [1, 1], "service": [1, 2], "rt": [0.5, -2.0]}).write_parquet(tmp_path / "t.parquet")
    raw = {"kind": "table", "file": str(tmp_path / "t.parquet"), "parameters": ["rt"]}
    with pytest.raises(BadInput, match=r"t\.parquet: row 2: 'rt' is -2"):
        read(source(raw), Seed(), Context())


@pytest.mark.parametrize(
    ("column", "kind"),
    [("rt", pl.List(pl.Float64)), ("user", pl.List(pl.Float64)), ("user_as", pl.List(pl.Float64))]
    + [("rt", kind) for kind in (pl.Struct({"a": pl.Float64}), pl.Binary, pl.Boolean, pl.Duration)],
)
def test_a_column_of_another_type_is_named(tmp_path, column, kind):
    """Parquet files state types: what is neither numbers nor words is named with its column and file."""
    values = {pl.Binary: b"1", pl.Boolean: True, pl.Duration: 1}
    odd = values.get(kind, [1.0] if kind == pl.List else {"a": 1.0})
    columns = {"user": [1, 2], "service": [1, 2], "rt": [0.5, 2.0], "user_as": [1, 2], "service_as": [1, 2]}
    frame = pl.DataFrame(columns | {column: pl.Series([odd, odd], dtype=kind)})
    frame.write_parquet(tmp_path / "t.parquet")
    raw = {"kind": "table", "file": str(tmp_path / "t.parquet"), "parameters": ["rt"], "context": ["as"]}
    with pytest.raises(BadInput, match=rf"t\.parquet: the column '{column}' is of type .*needed") as caught:
        read(source(raw), Seed(), Context())
    assert len(caught.value.problems) == 1


def test_numbers_of_other_types_are_numbers(tmp_path):
    values = {"user": ["a", "b"], "service": ["1", "2"], "rt": ["0.5", "2"]}
    frame = pl.DataFrame(values, schema=dict.fromkeys(values, pl.Categorical))
    frame.write_parquet(tmp_path / "t.parquet")
    raw = {"kind": "table", "file": str(tmp_path / "t.parquet"), "parameters": ["rt"]}
    np.testing.assert_array_equal(read(source(raw), Seed(), Context()).values, [[[0.5, NAN], [NAN, 2.0]]])


@pytest.mark.parametrize(
    "kind", [pl.String, pl.Categorical, pl.Enum(["a", "a ", "b", " x", "x", "y", "DE", "DE ", " ", ""])]
)
def test_categories_are_read_as_text(tmp_path, kind):
    """Blanks around them count for nothing, and an empty one is no place."""
    words = {"user": ["a", "a ", "b"], "service": ["x", "y", " x"]}
    words |= {"user_as": ["DE", "DE ", ""], "service_as": ["DE", " ", "DE "]}
    frame = pl.DataFrame(words, schema=dict.fromkeys(words, kind))
    frame.with_columns(rt=pl.Series([1.0, 2.0, 3.0])).write_parquet(tmp_path / "t.parquet")
    raw = {"kind": "table", "file": str(tmp_path / "t.parquet"), "parameters": ["rt"], "context": ["as"]}
    found = read(source(raw), Seed(), Context())
    np.testing.assert_array_equal(found.values, [[[1.0, 2.0], [3.0, NAN]]])
    assert found.words == {"as": ("DE",)}
    assert found.user_context["as"].tolist() == [0, -1]
    assert found.service_context["as"].tolist() == [0, -1]


@pytest.mark.parametrize("kind", [pl.String, pl.Categorical])
def test_an_empty_word_is_no_user(tmp_path, kind):
    words = {"user": ["a", " "], "service": ["x", "y"]}
    frame = pl.DataFrame(words, schema=dict.fromkeys(words, kind))
    frame.with_columns(rt=pl.Series([1.0, 2.0])).write_parquet(tmp_path / "t.parquet")
    raw = {"kind": "table", "file": str(tmp_path / "t.parquet"), "parameters": ["rt"]}
    with pytest.raises(BadInput, match=r"t\.parquet: row 2: 'user' is empty"):
        read(source(raw), Seed(), Context())


def test_all_faults_are_named_at_once(tmp_path):
    with pytest.raises(BadInput) as caught:
        table(tmp_path, "user,service,rt,tp\n1,1,-2,3\n1,2,2,inf\n")
    assert len(caught.value.problems) == 2


def test_a_place_that_changes_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"t\.csv:4: 'user_country' of one user differs"):
        table(tmp_path, GOOD.replace("ann,y,2,,DE,", "ann,y,2,,IT,"), context=["country"])


def test_other_kinds_of_files_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"neither \.csv nor \.csv\.gz nor \.parquet"):
        table(tmp_path, GOOD, name="t.txt")
    with pytest.raises(ValueError, match=r"there is no file|no such file"):
        source({"kind": "table", "file": str(tmp_path / "none.csv"), "parameters": ["rt"]})


def archive(tmp_path, parameters=("rt",), arrays=None, **fields):
    np.savez(tmp_path / "a.npz", **arrays)
    raw = {"kind": "dataset", "name": "x/a.npz", "parameters": list(parameters)} | fields
    return read(source(raw), Seed(), Context(dataset=lambda _: tmp_path / "a.npz"))


SPARSE = {
    "rt_u": np.array([0, 2]),
    "rt_s": np.array([1, 0]),
    "rt_v": np.array([0.5, 2.0], np.float32),
    "user_country": np.array([4, 5, 6]),
    "svc_country": np.array([5, -1, 7]),
}


def test_columns_of_an_archive_become_a_table(tmp_path):
    found = archive(tmp_path, arrays=SPARSE, context=["country"])
    expected = np.full((1, 3, 3), NAN)
    expected[0, 0, 1], expected[0, 2, 0] = 0.5, 2.0
    np.testing.assert_array_equal(found.values, expected)
    first = archive(tmp_path, arrays=SPARSE, context=["country"], services=2)
    assert first.values.shape == (1, 3, 2)
    assert first.service_context["country"].tolist() == [5, -1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rt_u": np.array([0, 3])}, "user 3 of 'rt' is out of range"),
        ({"rt_s": np.array([-1, 0])}, "service -1 of 'rt' is out of range"),
        ({"rt_u": np.array([0, 0]), "rt_s": np.array([1, 1])}, "'rt' has a cell twice"),
        ({"rt_v": np.array([0.5, -1.0])}, "'rt' of user 2 and service 0 is -1"),
        ({"rt_v": np.array([0.5, np.inf])}, "'rt' of user 2 and service 0 is inf"),
        ({"rt_v": np.array([NAN, NAN])}, "'rt' has no measurement"),
        (
            {"rt_v": np.array([0.5, 1e308])},
            r"a\.npz: 'rt' of user 2 and service 0 is 1e\+308; .* to 1e\+30",
        ),
        ({"rt_v": np.array([0.5])}, r"columns of 'rt' have the shapes \(2,\), \(2,\), \(1,\)"),
        ({"rt": np.ones(3)}, r"'rt' has the shape \(3,\) and the type float64"),
        ({"rt": np.array([["a"]])}, "'rt' has the shape .* the type <U1, not numbers"),
        ({"rt": np.ones((3, 4))}, r"svc_country has the shape \(3,\), the table has 4"),
    ],
)
def test_faults_of_an_archive_are_named(tmp_path, changes, message):
    with pytest.raises(BadInput, match=message):
        archive(tmp_path, arrays=SPARSE | changes, context=["country"])


def test_context_that_an_archive_lacks_is_named(tmp_path):
    with pytest.raises(BadInput, match="holds no array 'user_as'"):
        archive(tmp_path, arrays=SPARSE, context=["as"])


def test_users_alone_may_have_context(tmp_path):
    arrays = {name: array for name, array in SPARSE.items() if name != "svc_country"}
    found = archive(tmp_path, arrays=arrays, context=["country"], service_context=False)
    assert found.user_context["country"].tolist() == [4, 5, 6]
    assert found.service_context == {}


MOMENTS = np.array([[[0, 1500, 65535]], [[2000, 65535, 65535]], [[3000, 500, 65535]]], np.uint16)
"""Three slots of one user and three services in milliseconds: a zero, gaps, and a service that nobody measured."""


def test_a_slot_of_an_archive_in_seconds(tmp_path):
    found = archive(tmp_path, arrays={"rt_ms": MOMENTS}, slot=1)
    np.testing.assert_array_equal(found.values, [[[2.0, NAN, NAN]]])
    assert found.parameters == ("rt",)
    table = archive(tmp_path, arrays={"rt_ms": MOMENTS[0]})
    np.testing.assert_array_equal(table.values, [[[NAN, 1.5, NAN]]])


def test_the_mean_over_the_slots_in_which_a_cell_was_measured(tmp_path):
    found = archive(tmp_path, arrays={"rt_ms": MOMENTS})
    np.testing.assert_array_equal(found.values, [[[2.5, 1.0, NAN]]])
    plain = np.array([[[0.0, NAN]], [[1.0, 3.0]]])
    np.testing.assert_array_equal(archive(tmp_path, arrays={"rt": plain}).values, [[[0.5, 3.0]]])


def test_a_parameter_whose_own_name_ends_so_is_read_as_it_stands(tmp_path):
    """It is turned into seconds where the name that was asked for lacks the ending alone."""
    stored = {"delay_ms": np.array([[0, 1500]], np.uint16)}
    np.testing.assert_array_equal(archive(tmp_path, ["delay_ms"], stored).values, [[[0.0, 1500.0]]])
    np.testing.assert_array_equal(archive(tmp_path, ["delay"], stored).values, [[[NAN, 1.5]]])
    fractions = {"delay_ms": np.array([[[0.25, 2.0]], [[0.75, NAN]]])}
    np.testing.assert_array_equal(archive(tmp_path, ["delay_ms"], fractions).values, [[[0.5, 2.0]]])
    np.testing.assert_array_equal(archive(tmp_path, ["delay_ms"], fractions, slot=1).values, [[[0.75, NAN]]])
    again = {"delay_ms_ms": stored["delay_ms"]}
    np.testing.assert_array_equal(archive(tmp_path, ["delay_ms"], again).values, [[[NAN, 1.5]]])


def test_two_arrays_for_one_parameter_are_refused(tmp_path):
    both = {"rt": np.ones((1, 3)), "rt_ms": MOMENTS[0]}
    with pytest.raises(BadInput, match=r"data\.parameters: a\.npz holds both 'rt' and 'rt_ms'"):
        archive(tmp_path, arrays=both)


@pytest.mark.parametrize(
    ("arrays", "fields", "message"),
    [
        ({"rt_ms": MOMENTS}, {"slot": 3}, r"data\.slot: a\.npz: 'rt_ms' has the slots 0 to 2, not 3"),
        ({"rt_ms": MOMENTS[0]}, {"slot": 0}, r"data\.slot: a\.npz: 'rt_ms' has no slots"),
        (SPARSE, {"slot": 0}, r"data\.slot: a\.npz: 'rt' has no slots"),
        (
            {"rt_ms": MOMENTS.astype(np.int64)},
            {},
            "'rt_ms' has the type int64, milliseconds are of .* uint16",
        ),
        ({"rt_ms": np.full((2, 1, 1), 65535, np.uint16)}, {"slot": 1}, "'rt' has no measurement"),
        ({"rt": np.ones((2, 2, 2, 2))}, {}, r"'rt' has the shape \(2, 2, 2, 2\)"),
    ],
)
def test_faults_of_slots_of_an_archive_are_named(tmp_path, arrays, fields, message):
    with pytest.raises(BadInput, match=message):
        archive(tmp_path, arrays=arrays, **fields)


def test_an_archive_that_has_changed_is_read_again(tmp_path):
    """It is kept between the cases of a study; an archive of equal size counts as another by its time."""
    first = archive(tmp_path, arrays={"rt_ms": MOMENTS}, slot=1)
    again = archive(tmp_path, arrays={"rt_ms": MOMENTS[::-1]}, slot=2)
    assert first.values[0, 0, 0] == 2.0
    np.testing.assert_array_equal(again.values, [[[NAN, 1.5, NAN]]])


CELLS = {"u": np.array([0, 1]), "s": np.array([2, 0]), "v": np.array([0.5, 2.0])}


def test_columns_without_a_name_are_those_of_the_only_parameter(tmp_path):
    found = archive(tmp_path, ["delay"], CELLS)
    assert found.parameters == ("delay",)
    np.testing.assert_array_equal(found.values, [[[NAN, NAN, 0.5], [2.0, NAN, NAN]]])
    with pytest.raises(BadInput, match=r"(?s)holds no array 'rt'.*u, s and v are of one parameter: name one"):
        archive(tmp_path, ["rt", "tp"], CELLS)


@pytest.mark.parametrize(
    "other", [{"tp": np.ones((2, 3))}, {"tp_ms": MOMENTS}, {f"tp_{part}": CELLS[part] for part in "usv"}]
)
def test_a_misspelt_parameter_gets_no_columns_without_a_name_beside_others(tmp_path, other):
    with pytest.raises(BadInput, match=r"(?s)holds no array 'tpp'.*it has tp.*only where no other is there"):
        archive(tmp_path, ["tpp"], CELLS | other)
    beside = {"user_country": np.array([1, 2]), "when": np.array([5, 6]), "seen": np.ones((2, 3), bool)}
    assert archive(tmp_path, ["delay"], CELLS | beside).parameters == ("delay",)


UNSURE = {"kind": "dataset", "name": "wsdream-1-sample/ds1_5pct.npz", "context": ["country", "as"]}


@pytest.mark.parametrize("fields", [{}, {"services": 4701}])
def test_places_of_services_beyond_those_that_are_certain_are_refused(fields):
    with pytest.raises(BadInput, match=r"(?s)data\.services: from number 4700 on.*services = 4700, or"):
        read(source(UNSURE | fields), Seed(), Context())


@needs_data
@pytest.mark.data
def test_places_that_are_certain_or_of_users_alone_are_read():
    context = Context(dataset=resolver())
    both = read(source(UNSURE | {"services": 4700}), Seed(), context)
    alone = read(source(UNSURE | {"service_context": False}), Seed(), context)
    assert [one.values.shape for one in (both, alone)] == [(2, 339, 4700), (2, 339, 5823)]
    assert [sorted(one.service_context) for one in (both, alone)] == [["as", "country"], []]
    np.testing.assert_array_equal(both.user_context["as"], alone.user_context["as"])


@needs_data
@pytest.mark.data
def test_the_slots_of_wsdream_2_have_the_mean_of_their_description():
    """A slot is that of the array; below 19.999 s, where timeouts begin to crowd, all average 1.462 s."""
    raw = {"kind": "dataset", "name": "wsdream-2-sample/ds2_rt_64slots_ms_uint16.npz", "parameters": ["rt"]}
    context = Context(dataset=resolver())
    tables = np.stack([read(source(raw | {"slot": slot}), Seed(), context).values[0] for slot in range(64)])
    assert np.nanmean(tables) == pytest.approx(3.212, abs=5e-4)
    assert np.nanmean(tables[tables < 19.999]) == pytest.approx(1.462, abs=5e-4)
    mean = read(source(raw), Seed(), context).values[0]
    cell = np.argwhere(np.isfinite(mean))[1000]
    assert mean[*cell] == pytest.approx(np.nanmean(tables[:, *cell]))
    assert np.isfinite(mean).sum() == np.isfinite(tables).any(axis=0).sum()


@needs_data
@pytest.mark.data
def test_further_cells_of_wsdream_1_agree_with_its_sample():
    raw = {"kind": "dataset", "parameters": ["rt"]}
    names = ("ds1_rt_extra_142x4500", "ds1_5pct")
    further, sample = (
        read(source(raw | {"name": f"wsdream-1-sample/{name}.npz"}), Seed(), Context(dataset=resolver()))
        for name in names
    )
    table = further.values[0]
    assert np.isfinite(table).sum() == 133_321
    shared = np.isfinite(table) & np.isfinite(sample.values[0, : table.shape[0], : table.shape[1]])
    assert shared.sum() == 7_222
    np.testing.assert_array_equal(table[shared], sample.values[0, : table.shape[0], : table.shape[1]][shared])


def matrices(tmp_path, text, lists=True):
    (tmp_path / "rt.txt").write_text(text)
    users = "[User ID]\n====\n0\t1.2.3.4\tDE\t5\tAS1\t0\t0\n1\t1.2.3.5\tFR\t6\tnull\t0\t0\n"
    services = "[Service ID]\n====\n" + "".join(f"{i}\tw\tp\t1.1.1.1\tFR\t5\tAS1\t0\t0\n" for i in range(3))
    (tmp_path / "u.txt").write_text(users)
    (tmp_path / "s.txt.gz").write_bytes(gzip.compress(services.encode("latin-1")))
    names = {"users": "d/u.txt", "services": "d/s.txt.gz"} if lists else {}
    raw = {"kind": "matrices", "files": {"rt": "d/rt.txt"}} | names
    return read(source(raw), Seed(), Context(dataset=lambda name: tmp_path / name.split("/")[1]))


def test_published_matrices_by_hand(tmp_path):
    found = matrices(tmp_path, "1.5\t-1\t2\n-1\t0.3\t4\n")
    np.testing.assert_array_equal(found.values, [[[1.5, NAN, 2], [NAN, 0.3, 4]]])
    assert found.user_context["country"].tolist() == [0, 1]
    assert found.service_context["country"].tolist() == [1, 1, 1]
    assert found.user_context["as"].tolist() == [0, -1]


def test_places_are_those_of_the_ids(tmp_path):
    """In any order; who stands there more than once, as services 4700 to 4702 of the published list, has no place."""
    rows = {"2": "CL", "0": "DE", "1": "FR"}
    text = "a\nb\n" + "\n".join(f"{i}\tip\t{country}\t5\tAS{i}\t0\t0" for i, country in rows.items())
    (tmp_path / "u.txt").write_text(text)
    assert [place.country for place in read_places(tmp_path / "u.txt", 3, "users")] == ["DE", "FR", "CL"]
    (tmp_path / "u.txt").write_text(text.replace("\n0\t", "\n2\t"))
    found = read_places(tmp_path / "u.txt", 3, "users")
    assert found == [("", ""), ("FR", "AS1"), ("", "")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("3\tip\tDE\t5\tA\t0\t0", r"u\.txt:6: '3' is no id of the users: those are 0 to 2"),
        ("-1\tip\tDE\t5\tA\t0\t0", r"u\.txt:6: '-1' is no id"),
        ("x\tip\tDE\t5\tA\t0\t0", r"u\.txt:6: 'x' is no id"),
        ("\u0662\tip\tDE\t5\tA\t0\t0", r"u\.txt:6: '\u0662' is no id"),
        ("1" * 5000 + "\tip\tDE\t5\tA\t0\t0", r"u\.txt:6: '1{5000}' is no id"),
        ("2\tip\tDE\t5", r"u\.txt:6: 4 columns; a list of users has 7"),
    ],
)
def test_faults_of_a_list_of_places_are_named(tmp_path, row, message):
    rows = "".join(f"{i}\tip\tDE\t5\tA\t0\t0\n" for i in range(2))
    (tmp_path / "u.txt").write_text(f"a\nb\n{rows}\n{row}\n")
    with pytest.raises(BadInput, match=message):
        read_places(tmp_path / "u.txt", 3, "users")


@needs_data
def test_the_published_lists_have_three_uncertain_services(tmp_path):
    found = read_places(locate("wsdream-1-sample/ds1_wslist.txt.gz").path, 5825, "services")
    assert [number for number, place in enumerate(found) if place == ("", "")] == [4700, 4701, 4702]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3\n4 5\n", r"rt\.txt:2: the row has 2 values, the first has 3"),
        ("1 2 3\n4 x 5\n", r"rt\.txt:2: could not convert"),
        ("1 2 3\n4 1_0 5\n", r"rt\.txt:2: could not convert string to float: '1_0'"),
        ("1 2 3\n4 \u0661 5\n", r"rt\.txt:2: could not convert"),
        ("1 2\n4 5\n", "the list has 3 services, the matrices have 2"),
        (
            "1 2 3\n4 -2 5\n",
            r"rt\.txt:2: 'rt' of user 1 and service 1 is -2(.|\n)*-1 stands for not measured",
        ),
        ("1 2 3\n4 nan 5\n", r"rt\.txt:2: 'rt' of user 1 and service 1 is nan"),
        ("1 2 3\n4 1e308 5\n", r"rt\.txt:2: 'rt' of user 1 and service 1 is 1e\+308; .* to 1e\+30"),
        ("-1 -1 -1\n-1 -1 -1\n", r"rt\.txt: 'rt' has no measurement"),
        ("", r"rt\.txt: there are no values"),
    ],
)
def test_faults_of_published_matrices_are_named(tmp_path, text, message):
    with pytest.raises(BadInput, match=message):
        matrices(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "message"),
    [("1 2\n\n4 -2\n", r"tp\.txt:3: 'tp' of user 1"), ("-1 -1\n-1 -1\n", "tp.txt: 'tp' has no")],
)
def test_a_fault_is_that_of_the_matrix_that_has_it(tmp_path, text, message):
    files = {name: str(tmp_path / f"{name}.txt") for name in ("rt", "tp")}
    (tmp_path / "rt.txt").write_text("1 2\n3 4\n")
    (tmp_path / "tp.txt").write_text(text)
    with pytest.raises(BadInput, match=message) as caught:
        read(source({"kind": "matrices", "files": files}), Seed(), Context())
    assert "rt" not in str(caught.value).replace(str(tmp_path), "")


def test_empty_lines_of_matrices_and_slots_count_for_nothing(tmp_path):
    """At the end, as editors leave them, or between; and a fault below one has the number of its own line."""
    np.testing.assert_array_equal(
        matrices(tmp_path, "1.5\t-1\t2\n\n-1\t0.3\t4\n \n\n").values, [[[1.5, NAN, 2], [NAN, 0.3, 4]]]
    )
    with pytest.raises(BadInput, match=r"rt\.txt:3: the row has 2 values"):
        matrices(tmp_path, "1 2 3\n\n4 5\n")
    expected = slots(tmp_path).values
    for text in (
        SLOTS + "\n \n",
        "\n" + SLOTS,
        SLOTS.replace("\n", "\n\n"),
        SLOTS.replace("\n", "\r\n") + "\r\n",
    ):
        np.testing.assert_array_equal(slots(tmp_path, text).values, expected)
    with pytest.raises(BadInput, match=r"rt\.txt:6: user -3 is out of range"):
        slots(tmp_path, "\n" + SLOTS + "\n-3 1 2 1\n")


def test_blanks_of_other_scripts_are_blanks(tmp_path):
    np.testing.assert_array_equal(
        matrices(tmp_path, "1\u00a02 3\n4 5 6\u3000\n").values[0], [[1, 2, 3], [4, 5, 6]]
    )
    assert slots(tmp_path, SLOTS + "1 1\u00a01 1\n").values[0, 1, 1] == 1


def test_lists_of_one_side_are_refused():
    with pytest.raises(ValueError, match="places need the lists of both"):
        source({"kind": "matrices", "files": {"rt": "d/rt.txt"}, "users": "d/u.txt"})


SLOTS = "0 3 1 4.18\n2 1 63 0.5\n0 3 5 2.18\n"


def slots(tmp_path, text=SLOTS, **fields):
    (tmp_path / "rt.txt").write_text(text)
    raw = {"kind": "slots", "files": {"rt": str(tmp_path / "rt.txt")}} | fields
    return read(source(raw), Seed(), Context())


def test_lines_of_slots(tmp_path):
    """The mean over slots, one slot alone, and the same from a packed file and from lines with tabs."""
    expected = np.full((1, 3, 4), NAN)
    expected[0, 2, 1], expected[0, 0, 3] = 0.5, (4.18 + 2.18) / 2
    np.testing.assert_allclose(slots(tmp_path).values, expected)
    np.testing.assert_allclose(slots(tmp_path, SLOTS.replace(" ", "\t ")).values, expected)
    expected[0, 2, 1], expected[0, 0, 3] = NAN, 2.18
    np.testing.assert_allclose(slots(tmp_path, slot=5).values, expected)
    (tmp_path / "rt.txt.gz").write_bytes(gzip.compress(SLOTS.encode()))
    assert read_slots(tmp_path / "rt.txt.gz").slots.tolist() == [1, 63, 5]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("2 1_0 63 1", r"rt\.txt:4: '2 1_0 63 1' is not `user service slot value`"),
        ("2 1 63", r"rt\.txt:4: '2 1 63' is not `user service slot value`"),
        ("2 1 63 1 7", r"rt\.txt:4: '2 1 63 1 7' is not"),
        ("2 x 63 1", r"rt\.txt:4: '2 x 63 1' is not"),
        ("-3 1 2 1", r"rt\.txt:4: user -3 is out of range"),
        ("3 -1 2 1", r"rt\.txt:4: service -1 is out of range"),
        ("3 1 -2 1", r"rt\.txt:4: slot -2 is out of range"),
        ("3 1 2 -1", r"rt\.txt:4: the value is -1; a measurement"),
        ("3 1 2 nan", r"rt\.txt:4: the value is nan"),
        ("3 1 2 inf", r"rt\.txt:4: the value is inf"),
        ("3 1 2 1e308", r"rt\.txt:4: the value is 1e\+308; a measurement is .* to 1e\+30"),
        ("2 1 63 0.5", r"rt\.txt:4: user 2, service 1 and slot 63 stand there twice"),
        ("1000000 1000000 2 1", r"rt\.txt:4: an id is out of range"),
        ("1 1 999999999999 1", r"rt\.txt:4: an id is out of range"),
        (f"{10**30} 1 1 1", r"rt\.txt:4: an id of '10+ 1 1 1' is out of range"),
        (f"1 1 {2**63} 1", r"rt\.txt:4: an id of .* is out of range"),
    ],
)
def test_faults_of_slots_are_named(tmp_path, line, message):
    with pytest.raises(BadInput, match=message):
        slots(tmp_path, SLOTS + line + "\n")


def test_slots_without_measurements_are_named(tmp_path):
    with pytest.raises(BadInput, match="'rt' has no measurement in slot 2"):
        slots(tmp_path, slot=2)
    with pytest.raises(BadInput, match=r"rt\.txt: there are no lines"):
        slots(tmp_path, "")


def test_a_file_beside_the_study_goes_before_the_registry(tmp_path):
    """`matrices` and `slots` take files of one's own, packed or not."""
    (tmp_path / "rt.txt.gz").write_bytes(gzip.compress(b"1.5 -1\n2 3\n"))
    raw = {"data": {"kind": "matrices", "files": {"rt": "rt.txt.gz"}}}
    data = PredictionScenario.model_validate(raw, context={"base": str(tmp_path)}).data
    np.testing.assert_array_equal(read(data, Seed(), Context()).values, [[[1.5, NAN], [2, 3]]])
    raw = {"data": {"kind": "matrices", "files": {"rt": "wsdream-1/rtMatrix.txt"}}}
    data = PredictionScenario.model_validate(raw, context={"base": str(tmp_path)}).data
    assert dataset_names(data) == ["wsdream-1/rtMatrix.txt"]
    assert input_files(data) == []


@needs_data
@pytest.mark.data
def test_the_sample_of_wsdream_1_is_split_with_its_places():
    """The counts and means that the data's own description states."""
    raw = {
        "data": {
            "kind": "dataset",
            "name": "wsdream-1-sample/ds1_5pct.npz",
            "context": ["country", "as"],
            "services": 4700,
        },
        "density": 0.02,
        "joint": False,
    }
    found = make_task(
        PredictionScenario.model_validate(raw), Seed(), Context(dataset=lambda name: locate(name).path)
    )
    assert np.isfinite(found.truth).sum(axis=(1, 2)).tolist() == [79447, 79180]
    assert np.isfinite(found.known.values).sum(axis=(1, 2)).tolist() == [round(0.02 * 339 * 4700)] * 2
    assert len(found.known.user_context["as"]) == 339
    assert len(found.known.service_context["country"]) == 4700


@needs_data
@pytest.mark.data
def test_the_first_lines_of_wsdream_2_agree_with_its_array():
    users, services, slots, values = read_slots(locate("wsdream-2-sample/rttdata_first1000_lines.txt").path)
    with np.load(locate("wsdream-2-sample/ds2_rt_64slots_ms_uint16.npz").path) as kept:
        array = kept["rt_ms"][slots, users, services] / 1000.0
    np.testing.assert_allclose(array, values, atol=5.1e-4)
