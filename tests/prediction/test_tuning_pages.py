"""What was tuned, against the committed tables: lines of the page, parameters of tuned studies, and their errors."""

import json
import tomllib
from pathlib import Path

import polars as pl
import pytest

from qoslab.domains.prediction.methods.sharp_qos import SharpQos

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "studies" / "prediction"


def found(name):
    """The rows of a table of `qoslab prediction tune`, by method."""
    text = (STUDIES / "results" / f"{name}.jsonl").read_text(encoding="utf-8")
    return {row["method"]: row for row in map(json.loads, text.splitlines())}


def page():
    return (ROOT / "docs" / "prediction" / "tuning.md").read_text(encoding="utf-8")


def short(value, digits=3):
    return f"{value:.{digits}f}".removeprefix("0")


@pytest.mark.parametrize("name", ["tuning-part", "tuning-three"])
def test_every_method_had_twenty_trials_or_thirty_minutes(name):
    for row in found(name).values():
        assert row["trials"] == 20 or row["cpu_s"] >= 1800
        assert row["hidden_nmae_tuned"] <= row["hidden_nmae"]


@pytest.mark.parametrize("name", ["tuning-part", "tuning-three"])
def test_the_page_has_every_line_of_the_table(name):
    text = page()
    for method, row in found(name).items():
        errors = [short(row[key]) for key in ("hidden_nmae", "hidden_nmae_tuned", "nmae", "nmae_tuned")]
        cells = [method, *errors, str(row["trials"]), f"{row['cpu_s']:.0f}"]
        assert "| " + " | ".join(cells) + " |" in text
        assert f"| {method} | {row['chosen']} |" in text


@pytest.mark.parametrize(("study", "table"), [("tuned-ten-percent", "tuning-part")])
def test_tuned_studies_have_the_parameters_that_were_found(study, table):
    """Those of which nothing was changed are not run again as tuned."""
    methods = tomllib.loads((STUDIES / f"{study}.toml").read_text(encoding="utf-8"))["method"]
    chosen = {
        block["id"]: {key: value for key, value in block.items() if key not in {"id", "label"}}
        for block in methods
        if block.get("label", "").endswith(", tuned")
    }
    expected = {}
    for method, row in found(table).items():
        if row["chosen"] != "as it was":
            words = (pair.split(" = ") for pair in row["chosen"].split(", "))
            expected[method] = {name: float(value) for name, value in words}
    assert chosen == expected


PUBLISHED = ("pmf", "nmf", "biased_mf", "nimf", "amf", "neumf", "ldcf", "lightgcn", "shared_bottom", "mmoe")
METRICS = ["mae[rt]", "mae[tp]", "rmse[rt]", "rmse[tp]"]


def splits(name):
    """Errors of each method of a table on each split at a tenth."""
    table = pl.read_parquet(STUDIES / "results" / f"{name}.parquet").filter(
        pl.col("scenario") == "density=0.1"
    )
    return table.with_columns(pl.col("method").str.strip_suffix(", tuned"))


def means(table):
    """Mean errors over splits, by method."""
    found = table.group_by("method").agg(pl.col("nmae", *METRICS).mean())
    return {row["method"]: row for row in found.to_dicts()}


@pytest.fixture(scope="module")
def before():
    return means(splits("densities"))


@pytest.fixture(scope="module")
def after():
    return means(splits("tuned-ten-percent"))


def test_both_tables_have_the_same_five_splits():
    def seeds(name):
        return set(splits(name).select("method", "replication", "seed_path").iter_rows())

    kept, tuned = seeds("densities"), seeds("tuned-ten-percent")
    assert tuned <= kept
    assert tuned == {row for row in kept if row[0] in {method for method, *_ in tuned}}
    assert {split for _, split, _ in tuned} == set(range(5))


def test_the_page_has_errors_before_and_after(before, after):
    text = page()
    for method, row in after.items():
        cells = [
            f"{short(one['nmae'])} ({one['mae[rt]']:.3f} / {one['mae[tp]']:.2f})".replace("(0.", "(.")
            for one in (before[method], row)
        ]
        assert f"| {method} | {cells[0]} | {cells[1]} |" in text


@pytest.mark.parametrize(
    "name", ["sharp_qos", "sharp_qos, tuned", "boosted_factors", "boosted_factors, tuned"]
)
def test_the_page_has_the_gains_over_rivals_as_they_were_and_as_tuned(name, before, after):
    """The better of both is chosen figure by figure, by the asked cells."""
    rivals = {
        "as they were": lambda method, metric: before[method][metric],
        "as tuned": lambda method, metric: after[method][metric],
        "the better of both": lambda method, metric: min(before[method][metric], after[method][metric]),
    }
    text = page()
    ours = (after if name.endswith(", tuned") else before)[name.removesuffix(", tuned")]
    for word, error in rivals.items():
        gains = [
            100 * (1 - ours[metric] / (sum(error(rival, metric) for rival in PUBLISHED) / 10))
            for metric in METRICS
        ]
        rt, tp, rmse_rt, rmse_tp = gains
        cells = [
            f"{rt:.1f} and {tp:.1f} % (mean {(rt + tp) / 2:.1f} %)",
            f"{rmse_rt:.1f} and {rmse_tp:.1f} % (mean {(rmse_rt + rmse_tp) / 2:.1f} %)",
        ]
        assert f"| {name} | {word} | {cells[0]} | {cells[1]} |" in text
        assert (rt + tp) / 2 > 19.5 or (name, word) == ("sharp_qos", "the better of both")


def test_the_other_page_repeats_the_gains_over_rivals_as_tuned(before, after):
    text = (ROOT / "docs" / "prediction" / "results.md").read_text(encoding="utf-8")
    text = " ".join(text[text.index("With the ten rivals and") :].split())
    rivals = [sum(after[rival][metric] for rival in PUBLISHED) / 10 for metric in METRICS]
    for ours, all_four, mean in (
        (after["sharp_qos"], True, True),
        (before["sharp_qos"], False, True),
        (after["boosted_factors"], False, False),
    ):
        gains = [100 * (1 - ours[metric] / rival) for metric, rival in zip(METRICS, rivals, strict=True)]
        words = f"{gains[0]:.1f} and {gains[1]:.1f} %"
        words += " of MAE" * all_four + f" (mean {(gains[0] + gains[1]) / 2:.1f} %)" * mean
        assert words + f" and {gains[2]:.1f} and {gains[3]:.1f} % of RMSE" * all_four in text


def test_the_pages_say_what_tuning_changes_on_three_parameters():
    rows = found("tuning-three")
    order = sorted(rows, key=lambda one: rows[one]["nmae_tuned"])
    text = " ".join(page().split())
    assert order[:5] == ["sharp_qos", "neumf", "ldcf", "gradient_boosting", "boosted_factors"]
    assert min(rows, key=lambda one: rows[one]["nmae"]) == "sharp_qos"
    won = [round(100 * (1 - rows[one]["nmae_tuned"] / rows[one]["nmae"])) for one in order[:3]]
    assert "`neumf` and `ldcf` gain {1} and {2} % and are second and third then".format(*won) in text
    assert f"and gains {won[0]} %: `neumf`" in text
    tuned = {one: short(rows[one]["nmae_tuned"]) for one in order}
    assert f"a tuned `neumf` ({tuned['neumf']}) is beside a tuned `sharp_qos` ({tuned['sharp_qos']};" in text
    front = (ROOT / "docs" / "prediction" / "index.md").read_text(encoding="utf-8")
    assert "`sharp_qos` has {sharp_qos}, `neumf` {neumf}".format(**tuned) in front
    metrics = ("mae_tuned[rt]", "mae_tuned[tp]")
    rivals = [sum(rows[one][metric] for one in PUBLISHED) / 10 for metric in metrics]
    gains = [
        50 * sum(1 - rows[one][metric] / rival for metric, rival in zip(metrics, rivals, strict=True))
        for one in ("sharp_qos", "neumf")
    ]
    claims = (ROOT / "docs" / "prediction" / "results.md").read_text(encoding="utf-8")
    words = "{:.1f} % below the ten where all are tuned, one split, a tuned `neumf` {:.1f} %"
    assert words.format(*gains) in claims


def test_the_network_began_its_tuning_with_fewer_steps_than_it_has_by_default():
    study = tomllib.loads((STUDIES / "tuning-three.toml").read_text(encoding="utf-8"))
    (begun,) = (method["steps"] for method in study["method"] if method["id"] == "sharp_qos")
    text = " ".join(page().split())
    assert f"`sharp_qos` began with the {begun} steps of that file; by default" in text
    assert f"it has {SharpQos().steps:,}:" in text


def test_the_page_says_how_long_twenty_trainings_of_a_network_take():
    """CPU minutes with the parameters they have by default, a tenth of the whole table."""
    table = pl.read_parquet(STUDIES / "results" / "densities.parquet").filter(pl.col("density") == 0.1)
    medians = table.group_by("method").agg(pl.col("cpu_s").median())
    spent = {method: round(20 * cpu_s / 60) for method, cpu_s in medians.iter_rows()}
    others = [spent[method] for method in ("ldcf", "lightgcn", "mmoe", "shared_bottom")]
    words = f"`neumf` as it is by default take {spent['neumf']} (of the other networks {min(others)} to {max(others)})"
    assert words in " ".join(page().split())


def test_the_page_says_what_tuning_gains_and_what_trainings_cost_then(before, after):
    text = " ".join(page().split())
    networks = [
        round(100 * (1 - after[one]["nmae"] / before[one]["nmae"]))
        for one in ("neumf", "lightgcn", "shared_bottom", "mmoe")
    ]
    assert f"the rival networks {min(networks)} to {max(networks)} %" in text
    gained = {one: 100 * (1 - after[one]["nmae"] / before[one]["nmae"]) for one in after}
    assert round(gained["surprise_svd"] / 20) == 1
    assert f"but LDCF {gained['ldcf']:.0f} %" in text
    words = "NIMF {nimf:.0f} %, Surprise's neighbours {surprise_knn:.0f} %, and `sharp_qos` {sharp_qos:.0f} %"
    assert words.format(**gained) in text
    assert f"`boosted_factors` gains {gained['boosted_factors']:.0f} %" in text
    assert all(gained[one] < 0 for one in ("pmf", "nmf", "amf", "robust_factorisation"))

    def median(name, method):
        found = splits(name).filter(pl.col("method") == method)["cpu_s"]
        return found.median()

    costs = [median(name, "sharp_qos") for name in ("tuned-ten-percent", "densities")]
    assert "takes {:.0f} CPU s then, {:.0f} before (medians)".format(*costs) in text
    trees = median("tuned-ten-percent", "boosted_factors")
    assert f"for {trees:.0f} CPU s a training, of a version that asked trees more slowly" in text
    order = (
        sorted(PUBLISHED, key=lambda one: before[one]["nmae"]),
        sorted(PUBLISHED, key=lambda one: after[one]["nmae"]),
    )
    assert [one[:2] for one in order] == [["neumf", "nimf"]] * 2
    passed = {"mmoe", "lightgcn", "shared_bottom"}
    assert set(order[1][2:5]) == passed


def test_both_pages_repeat_the_gains_of_all_four_comparisons(before, after):
    """Of errors as means of both parameters, `sharp_qos` and the ten as they were, as tuned."""

    def gains(ours, theirs):
        found = [100 * (1 - ours[key] / (sum(theirs[one][key] for one in PUBLISHED) / 10)) for key in METRICS]
        return sum(found[:2]) / 2, sum(found[2:]) / 2

    alike, none = gains(after["sharp_qos"], after), gains(before["sharp_qos"], before)
    ahead, trees = gains(after["sharp_qos"], before), gains(after["boosted_factors"], after)
    text = " ".join(page().split())
    assert f"`sharp_qos` gains {alike[0]:.1f} % of MAE in the mean" in text
    assert f"and {alike[1]:.1f} % of RMSE, below" in text
    assert "none was tuned ({:.1f} and {:.1f} %)".format(*none) in text
    assert f"it gains {none[0] - alike[0]:.1f} points more of MAE" in text
    assert (
        "it gains {:.1f} and {:.1f} %; `boosted_factors`, tuned alike, {:.1f} and {:.1f} %".format(
            *ahead, *trees
        )
        in text
    )
    other = (ROOT / "docs" / "prediction" / "results.md").read_text(encoding="utf-8")
    assert (
        f"at 10 %, {ahead[1]:.1f} % over rivals as they were and {alike[1]:.1f} % over rivals tuned alike"
        in other
    )
