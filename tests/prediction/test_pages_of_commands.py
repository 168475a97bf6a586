"""Figures of pages against the committed tables of what commands printed (studies/prediction/command_tables.py)."""

import json
from pathlib import Path

import polars as pl
import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "studies" / "prediction" / "results"


def rows(name, *words):
    """The rows of a table in whose commands all words stand."""
    text = (RESULTS / f"{name}.jsonl").read_text(encoding="utf-8")
    found = [json.loads(line) for line in text.splitlines()]
    return [row for row in found if all(word in f"{row['after']} / {row['command']}" for word in words)]


def page(name, title):
    """A section of a page of this domain."""
    text = (ROOT / "docs" / "prediction" / f"{name}.md").read_text(encoding="utf-8")
    return text.split(f"## {title}\n")[1].split("\n## ")[0] if title else text


def short(value, digits):
    """A number as pages have it: without the zero before the point."""
    return f"{value:.{digits}f}".removeprefix("0")


@pytest.mark.parametrize(
    ("limits", "column"), [("--at-most rt=0.5 --at-least tp=20", 1), ("--at-most rt=1 --at-least tp=5", 2)]
)
def test_the_page_says_how_often_promises_were_kept(limits, column):
    """Rows of the page are ranges of what was said; the last has what was said for both limits, too."""
    found = {
        row["services"].replace("%", "").replace(" to ", " to ").strip(): row
        for row in rows("serving", "/serve.toml", "--method factor_analysis", "--split 0", limits)
    }
    lines = [line for line in page("serving", "Selection").splitlines() if line.startswith("| ")][1:]
    assert len(lines) == 6
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        key = cells[0].split(" %")[0] if "%" in cells[0] else cells[0].split(" (")[0]
        row = found[key]
        assert cells[column] == short(row["met"], 2), line
        if "first" in key:
            assert (
                cells[0].split("(")[1].strip(".)").split("; ")[column - 1].strip(".")
                == f"{100 * row['said']:.0f}"
            )
        elif column == 1:
            assert short(row["said"], 2) in cells[0], line
    shares = page("serving", "Selection").split("Of all cells ")[1].split(" meet")[0]
    assert f"{100 * found['all']['met']:.2g} %" in shares


def test_the_page_says_what_the_default_method_promised_first():
    text = " ".join(page("serving", "Selection").split())
    first = [row for row in rows("serving", "--method boosted_factors") if "first" in row.get("services", "")]
    said, met = (" and ".join(short(row[key], 2) for row in first) for key in ("said", "met"))
    assert f"were promised {said}, and {met} of them meet" in text


def coverages(*words):
    """Mean coverage of each parameter over splits, per cent."""
    return coverages_of("serving", *words)


def coverages_of(name, *words):
    table = pl.DataFrame(rows(name, "/ evaluate model", *words), infer_schema_length=None)
    table = table.filter(pl.col("command") == "evaluate model")
    means = table.group_by("parameter", maintain_order=True).agg(pl.col("coverage").mean())
    return [100 * value for value in means["coverage"]]


def test_the_page_says_how_many_values_of_newcomers_lie_inside():
    text = " ".join(page("serving", "Answers").split())
    users, services = (coverages(f"serve-new-{side}.toml") for side in ("users", "services"))
    assert (
        f"hold {users[0]:.0f} % of a new user's response times and {users[1]:.0f} % of the throughputs"
        in text
    )
    assert f"{services[0]:.0f} % and {services[1]:.0f} % (`" in text


def test_the_page_says_how_a_model_errs_and_what_its_intervals_hold():
    text = " ".join(page("serving", None).split())
    for method in ("factor_analysis", "boosted_factors"):
        found = rows("serving", "/serve.toml", f"--method {method}")
        one, other = (row for row in found if row["command"] == "evaluate model")
        assert f"{short(one['mae'], 3)} s and {other['mae']:.2f} kbps" in text
        assert f"hold {100 * one['coverage']:.1f} % and {100 * other['coverage']:.1f} %" in text
    assert f"hold {short(one['coverage'], 3)} and {short(other['coverage'], 3)} on" in page("conformal", None)


def off(found, key):
    """How far what was said, or counted, lies from what was met, over classes from 10 % up, weighted by cells."""
    classes = [row for row in found if "% to" in row["services"] and row["said"] >= 0.1]
    return sum(abs(row[key] - row["met"]) * row["cells"] for row in classes) / sum(
        row["cells"] for row in classes
    )


def test_the_page_says_how_far_off_promises_are_where_few_cells_are_hidden():
    """Both pairs of limits: distance of met from said, mean over splits weighted by cells; then the first ten."""
    section = page("serving", "Promises where few cells are hidden")
    lines = [line for line in section.splitlines() if line.startswith("| ")][1:]
    limits = ("--at-most rt=0.5", "--at-most rt=1")
    assert len(lines) == len({row["after"].split("--method ")[1].split()[0] for row in rows("promises")})
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        method = cells[0].strip("`")
        here = [rows("promises", f"--method {method} ", words) for words in limits]
        first = [[row for row in found if "first" in row["services"]] for found in here]
        pairs = [
            "; ".join(short(sum(row[key] for row in found) / len(found), 2) for found in first)
            for key in ("said", "met")
        ]
        splits = str(len({row["after"] for row in here[0]}))
        distances = [f"{short(off(found, 'said'), 3)} ({short(off(found, 'counted'), 3)})" for found in here]
        assert cells[1:] == [splits, *distances, *pairs], line


def test_the_page_says_what_the_correction_of_promises_gains_and_costs():
    """Distances of met from said beside those of what was counted: the seldom-met pair of limits, then the other."""
    text = " ".join(page("serving", "Promises where few cells are hidden").split())
    methods, limits = ("factor_analysis", "amf", "gradient_boosting"), ("--at-most rt=0.5", "--at-most rt=1")
    change = {}
    for method in methods:
        for words in limits:
            found = rows("promises", f"--method {method} ", words)
            change[method, words] = 100 * (off(found, "said") / off(found, "counted") - 1)
    factors, amf, trees = ([change[method, words] for words in limits] for method in methods)
    assert f"takes {-factors[0]:.0f} % off the distance" in text
    assert f"seldom met, and {-factors[1]:.0f} % for the others" in text
    assert f"`amf` gets {amf[0]:.0f} % and `gradient_boosting` {trees[0]:.0f} % worse" in text
    assert f"for the others {-amf[1]:.0f} and {-trees[1]:.0f} % better" in text


def test_the_page_of_amf_says_how_far_it_is_behind_on_the_stream():
    """Slots that had no say in the choice of parameters, beside online factors."""
    found = {
        row["method"]: row["other_slots_mae_s"] for row in rows("streaming") if "--seeds 5 " in row["command"]
    }
    given, tuned = (
        100 * (found[f"AMF, cells replayed{word}"] / found["online factors"] - 1) for word in ("", ", tuned")
    )
    words = f"it errs {given:.0f} % more than online factors as it is given, and {tuned:.0f} % more tuned"
    assert words in " ".join(page("amf", None).split())


def test_the_page_says_what_intervals_hold_on_the_small_set():
    """Means over five splits, and the binomial intervals that the first of them printed."""
    text = " ".join(page("conformal", None).split())
    means = [short(value / 100, 3) for value in coverages_of("few")]
    assert (
        f"they hold {means[0]} of response times, {means[1]} of throughputs and {means[2]} of reliabilities"
        in text
    )
    shares = [row["coverage"] for row in rows("few")]
    assert f"single ones from {short(min(shares), 2)} to {short(max(shares), 2)}" in text
    first = [row["coverage_95"] for row in rows("few", "--split 0")]
    ends = [" to ".join(short(float(end), 3) for end in interval.split(" to ")) for interval in first]
    assert f"({ends[0]}, {ends[1]} and {ends[2]} in the first)" in text


def test_the_page_says_what_graphs_cost_and_lose():
    lines = [line for line in page("edge", None).splitlines() if line.startswith("| ")][1:]
    found = rows("serving", "/ export model")
    assert len(lines) == len(found)
    for line, row in zip(lines, found, strict=True):
        method = row["after"].split("--method ")[1].split()[0]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name = f"kept model, {method}" if row["graph"] == "model" else f"{row['graph']}, rank 32"
        times = [row["one_cpu_us"], row["of_1000_cpu_us"]]
        expected = [
            name,
            short(row["mbytes"], 2),
            *("" if us is None else f"{us:.0f}" for us in times),
            short(row["mae[rt]"], 3),
            f"{row['mae[tp]']:.2f}",
            short(row["coverage"], 3),
        ]
        assert cells == expected


def test_the_page_has_the_coverage_and_widths_of_the_committed_table():
    """Four densities: coverage of both ways to hide cells, and the widths of the first."""
    table = pl.read_parquet(RESULTS / "intervals.parquet")
    means = table.group_by("density", "method").agg(
        pl.col("coverage", "interval_width[rt]", "interval_width[tp]").mean()
    )
    section = page("conformal", None)
    for density in (0.05, 0.1, 0.15, 0.2):
        cross, one = (
            means.filter(pl.col("density") == density, pl.col("method") == method).row(0, named=True)
            for method in ("cross-conformal", "split conformal")
        )
        widths = [f"{cross[f'interval_width[{p}]']:.2f}".removeprefix("0") for p in ("rt", "tp")]
        cells = [short(cross["coverage"], 3), short(one["coverage"], 3), *widths]
        assert f"| {100 * density:.0f} % | " + " | ".join(cells) + " |" in section


def test_the_page_says_who_followed_the_stream_best():
    """The table is generated; here is what the text says of it."""
    text = page("streaming", "Against training again")
    found = {row["method"]: row for row in rows("streaming") if "--seeds 5 " in row["command"]}
    best = found.pop("online factors")
    assert found.pop("online factors, tuned")["mae_s"] == best["mae_s"]
    for row in found.values():
        assert min(row["low"], *(row[key] - best[key] for key in best if key.endswith("mae_s"))) > 0
    for name, words in (
        ("AMF, cells replayed, tuned", "it errs {} % more ({} to {})"),
        ("AMF, cells replayed", "in place of {} % ({} to {})"),
        ("trained on the last 8 slots", "errs {} % more ({} to {}) than online factors"),
    ):
        assert words.format(*(f"{100 * found[name][key]:.1f}" for key in ("more", "low", "high"))) in text
    trained = {name: row["mae_s"] for name, row in found.items() if name.startswith("trained")}
    assert min(trained, key=trained.get) == "trained on the last 8 slots"


def test_the_page_says_who_errs_less_than_online_factors():
    """Robust training on the last slots: by how much, at what cost; over two seeds."""
    found = {row["method"]: row for row in rows("streaming") if "--seeds 2 " in row["command"]}
    text = " ".join(page("streaming", "Against training again").split())
    online, robust = found["online factors"], found["trained robustly on the last 8 slots"]
    assert robust["more"] == 0
    words = (f"{100 * online[key]:.1f}" for key in ("more", "low", "high"))
    assert (
        "Online factors err {} % more ({} to {}, Student's t over two seeds) than that".format(*words) in text
    )
    assert 90 < robust["cpu_s_per_slot"] / online["cpu_s_per_slot"] < 150
    assert f"errs {100 * (1 - 1 / (1 + online['more'])):.0f} % less at a hundred times" in page("index", None)
