"""The tables of prediction's pages, worked out from committed results.

    python studies/prediction/page_tables.py

writes them into the pages again after results have changed; `tests/studies/test_pages_of_prediction.py` says whether
that is due.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.special import stdtrit

from qoslab.domains.prediction.by_user import user_differences
from qoslab.domains.prediction.theory import BAR

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "prediction"
RESULTS = ROOT / "studies" / "prediction" / "results"
RT_TP = ("rt", "tp")
THREE = ("rt", "tp", "reliability")

TEN = ("pmf", "nmf", "biased_mf", "nimf", "amf", "neumf", "ldcf", "lightgcn", "shared_bottom", "mmoe")
"""The published methods that learn: gains are over their mean."""

MORE = (*TEN, "gradient_boosting", "robust_factorisation", "factor_analysis")
OURS = ("sharp_qos", "boosted_factors")
Rows = Iterable[Sequence[str]]


@cache
def table(study: str) -> pl.DataFrame:
    """The rows of a study, in the order of its scenarios and methods."""
    return pl.read_parquet(RESULTS / f"{study}.parquet")


@cache
def by_user(study: str, against: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Of each scenario and method, by how much it errs more than another, paired by user over the splits of both."""
    found = user_differences(pl.read_parquet(RESULTS / "by-user" / f"{study}.parquet"), against)
    return {(row["scenario"], row["method"]): row for row in found.to_dicts()}


@cache
def printed(name: str) -> tuple[dict[str, Any], ...]:
    """The rows that commands printed."""
    return tuple(map(json.loads, (RESULTS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()))


def distinct(study: str, column: str) -> list[str]:
    """A column's values, each once, in order; scenarios of one number by that."""
    found = table(study)[column].unique(maintain_order=True).to_list()
    last = [value.rpartition("=")[2] for value in found]
    numbers = all(word.replace(".", "", 1).isdigit() for word in last)
    return sorted(found, key=lambda value: float(value.rpartition("=")[2])) if numbers else found


def values(study: str, scenario: str, method: str, metric: str) -> np.ndarray:
    """A method's figures by split; empty where it has none."""
    rows = table(study).filter((pl.col("scenario") == scenario) & (pl.col("method") == method))
    return rows.sort("replication")[metric].to_numpy()


def splits(study: str, scenario: str, method: str) -> tuple[int, ...]:
    """Which splits a method has."""
    return tuple(values(study, scenario, method, "replication").tolist())


def mean(study: str, scenario: str, method: str, metric: str) -> float:
    """Their mean.

    Raises:
        ValueError: There are none.
    """
    found = values(study, scenario, method, metric)
    if not len(found):
        message = f"{study} has no rows of {method} at {scenario}"
        raise ValueError(message)
    return float(found.mean())


def lines(rows: Rows) -> str:
    """Rows of a table as Markdown has them."""
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def short(value: float, digits: int = 3) -> str:
    """A number without the zero before its point."""
    return f"{value:.{digits}f}".removeprefix("0")


def unit(parameter: str, value: float) -> str:
    """A mean absolute error with its digits: three of seconds below one and of reliability, else two."""
    return (
        f"{value:.3f}" if parameter == "reliability" or (parameter == "rt" and value < 1) else f"{value:.2f}"
    )


def percent(share: float, sign: str = "+") -> str:
    """A share in whole per cent; nothing has no sign."""
    found = f"{100 * share:{sign}.0f}"
    return "0" if found in {"+0", "-0"} else found


def ordered(study: str, scenarios: Sequence[str]) -> list[str]:
    """Methods by mean NMAE over scenarios."""
    return sorted(
        distinct(study, "method"),
        key=lambda method: float(np.mean([mean(study, one, method, "nmae") for one in scenarios])),
    )


def errors(study: str, parameters: Sequence[str], order: Sequence[int]) -> str:
    """NMAE and mean absolute errors of every method in every scenario, by NMAE in some of these."""
    scenarios = distinct(study, "scenario")

    def cell(method: str, scenario: str) -> str:
        parts = (unit(name, mean(study, scenario, method, f"mae[{name}]")) for name in parameters)
        return f"{mean(study, scenario, method, 'nmae'):.3f} ({' / '.join(parts)})"

    methods = ordered(study, [scenarios[place] for place in order])
    return lines([method, *(cell(method, scenario) for scenario in scenarios)] for method in methods)


def figures(study: str, metric: str, digits: int) -> str:
    """One metric of every method in every scenario, by its mean over these."""
    scenarios = distinct(study, "scenario")
    found = {m: [mean(study, s, m, metric) for s in scenarios] for m in distinct(study, "method")}
    methods = sorted(found, key=lambda method: float(np.mean(found[method])))
    return lines([method, *(f"{value:.{digits}f}" for value in found[method])] for method in methods)


def gain(study: str, scenario: str, method: str, rivals: Sequence[str], metric: str) -> float:
    """One less an error over the mean error of rivals, which have the same splits.

    Raises:
        ValueError: One has other splits.
    """
    if len({splits(study, scenario, each) for each in (method, *rivals)}) != 1:
        message = f"{method} and its rivals have different splits of {scenario}"
        raise ValueError(message)
    rival = np.mean([mean(study, scenario, each, metric) for each in rivals])
    return float(1 - mean(study, scenario, method, metric) / rival)


def gains(study: str, scenario: str, method: str, rivals: Sequence[str], metric: str) -> str:
    """Of response time and throughput."""
    both = (100 * gain(study, scenario, method, rivals, f"{metric}[{name}]") for name in RT_TP)
    return "{:.1f} and {:.1f} %".format(*both)


def over_rivals(study: str, rivals: Sequence[str], more: Sequence[str] = ()) -> str:
    """What ours gain over published methods, and over more if there are any."""
    rows = []
    for scenario in distinct(study, "scenario"):
        for method in OURS:
            cells = [gains(study, scenario, method, rivals, metric) for metric in ("mae", "rmse")]
            if more:
                cells.append("; ".join(gains(study, scenario, method, more, m) for m in ("mae", "rmse")))
            rows.append([f"{100 * float(scenario.split('=')[1]):.0f} %", method, *cells])
    return lines(rows)


def interval(row: dict[str, Any]) -> str:
    """A difference with the ends of its interval."""
    centre, low, high = (percent(row[key], "") for key in ("difference", "low", "high"))
    return f"{centre} % ({low} to {high})"


def paired(study: str, against: str, methods: Sequence[str]) -> str:
    """By how much methods err more than one, by user."""
    found, scenarios = by_user(study, against), distinct(study, "scenario")
    return lines([m, *(interval(found[s, m]) if (s, m) in found else "" for s in scenarios)] for m in methods)


def tenth() -> str:
    """Every method at a tenth of WS-DREAM #2, with all metrics."""
    study, scenario = "densities", "density=0.1"
    digits = {"nmae": 3, "mae[rt]": 3, "mae[tp]": 2, "rmse[rt]": 2, "rmse[tp]": 1, "precision_10": 2}

    def row(method: str) -> Iterator[str]:
        yield method
        yield str(len(values(study, scenario, method, "nmae")))
        for metric, places in digits.items():
            yield short(mean(study, scenario, method, metric), places)
        yield f"{np.median(values(study, scenario, method, 'cpu_s')):.0f}"

    return lines(list(row(method)) for method in ordered(study, [scenario]))


def scaling() -> str:
    """NMAE by the number of parameters."""
    methods = (
        "pmf",
        "factor_analysis",
        "robust_factorisation",
        "boosted_factors",
        "sharp_qos",
        "shared_bottom",
        "mmoe",
    )
    return lines(
        [str(count), *(short(mean("scaling", f"data.parameters={count}", m, "nmae")) for m in methods)]
        for count in counts_of_parameters()
    )


def scaling_costs() -> str:
    """CPU seconds of a training by the number of parameters, medians over splits."""
    methods = ("factor_analysis", "robust_factorisation", "boosted_factors", "sharp_qos", "shared_bottom")

    def spent(count: int, method: str) -> str:
        median = float(np.median(values("scaling", f"data.parameters={count}", method, "cpu_s")))
        return f"{median:.1f}" if median < 10 else f"{median:,.0f}"

    return lines([str(count), *(spent(count, m) for m in methods)] for count in counts_of_parameters())


def counts_of_parameters() -> list[int]:
    """How many parameters tables of the study of more parameters have."""
    return table("scaling")["data.parameters"].unique().sort().to_list()


def beside_the_bar() -> str:
    """The best predictor beside the outside figures, means over splits."""
    digits = {"mae[rt]": 3, "mae[tp]": 2, "rmse[rt]": 2, "rmse[tp]": 1}
    rows = []
    for density, bar in BAR.items():
        ours = {
            metric: mean("densities", f"density={density}", "boosted_factors", metric) for metric in digits
        }
        cells = [
            f"{short(ours[metric], places)}, {short(bar[metric], places)}"
            for metric, places in digits.items()
        ]
        rows.append([f"{100 * density:.0f} %", *cells])
    return lines(rows)


def averaged() -> str:
    """The average of network and trees beside both, on the splits that it has."""
    metrics = {"mae[rt]": 3, "mae[tp]": 2, "rmse[rt]": 2, "rmse[tp]": 1}
    rows = []
    for scenario in distinct("sharp-boosted", "scenario"):
        shared = splits("sharp-boosted", scenario, "sharp_boosted")

        def figures_of(
            method: str, scenario: str = scenario, shared: tuple[int, ...] = shared
        ) -> pl.DataFrame:
            study = "sharp-boosted" if method == "sharp_boosted" else "densities"
            found = table(study).filter(pl.col("scenario") == scenario, pl.col("method") == method)
            return found.filter(pl.col("replication").is_in(shared))

        rivals = {metric: np.mean([figures_of(one)[metric].mean() for one in TEN]) for metric in metrics}
        for method in ("sharp_boosted", *reversed(OURS)):
            ours = {metric: float(figures_of(method)[metric].to_numpy().mean()) for metric in metrics}
            gained = [100 * (1 - ours[metric] / rivals[metric]) for metric in metrics]
            rows.append(
                [
                    f"{100 * float(scenario.split('=')[1]):.0f} %, {len(shared)}",
                    method,
                    *(short(ours[metric], digits) for metric, digits in metrics.items()),
                    *("{:.1f} and {:.1f} %".format(*gained[at : at + 2]) for at in (0, 2)),
                    f"{figures_of(method)['cpu_s'].median():.0f}",
                ]
            )
    return lines(rows)


def change(study: str, method: str, metric: str, whole: str = "whole") -> tuple[float, ...]:
    """By how much an error changes, as a share of the whole's, with Student's 95 % interval of three splits or more."""
    scenario = distinct(study, "scenario")[0]
    assert splits(study, scenario, method) == splits(study, scenario, whole)
    with_it, without = (values(study, scenario, name, metric) for name in (whole, method))
    found = (without - with_it) / with_it.mean()
    if len(found) < 3:
        return (float(found.mean()),)
    half = float(stdtrit(len(found) - 1, 0.975) * found.std(ddof=1) / len(found) ** 0.5)
    return float(found.mean()), float(found.mean()) - half, float(found.mean()) + half


def ends(found: tuple[float, ...]) -> str:
    """A change with its interval, if it has one, in per cent with signs."""
    centre, *around = map(percent, found)
    return f"{centre} ({around[0]} to {around[1]})" if around else centre


PAPER = {
    "gcn, without both": "the worst of all",
    "gcn": "HHGCN 3.0 % (rt) and 7.9 % (tp) better",
    "merged graph": "two graphs better",
    "without Cross-SNR": "2.7 % (rt) and 12.3 % (tp) lost",
    "DWA": "EMA 6.6 % better",
    "equal weights": "EMA 6.6 % better",
    "HUW": "EMA 6.8 % better",
}
"""What the paper states of a part on its two-parameter data."""


def parts(study: str, parameters: Sequence[str]) -> str:
    """By how much errors change where a part is left out or replaced, the most harmful first."""
    users = by_user(study, "whole")
    scenario = distinct(study, "scenario")[0]

    def row(method: str) -> list[str]:
        of_user = tuple(users[scenario, method][key] for key in ("difference", "low", "high"))
        single = (percent(change(study, method, f"mae[{name}]")[0]) for name in parameters)
        return [method, ends(change(study, method, "nmae")), *single, ends(of_user), PAPER.get(method, "")]

    others = [method for method in distinct(study, "method") if method != "whole"]
    return lines(row(m) for m in sorted(others, key=lambda m: -change(study, m, "nmae")[0]))


def sweep(study: str, whole: str = "whole", only: str = "") -> str:
    """NMAE of each setting whose name begins so, and by how much it changes from that of the whole."""
    users = by_user(study, whole)
    scenario = distinct(study, "scenario")[0]

    def row(method: str) -> list[str]:
        of_user = tuple(users[scenario, method][key] for key in ("difference", "low", "high"))
        nmae = f"{mean(study, scenario, method, 'nmae'):.3f}"
        return [method, nmae, ends(change(study, method, "nmae", whole)), ends(of_user)]

    return lines(row(one) for one in distinct(study, "method") if one != whole and one.startswith(only))


def small_sweeps() -> str:
    """Those of three parameters, each beside the default or, of the gates' price, none: with it gates move faster."""
    wholes = {"memory": "whole", "price": "price(l0=0.0)", "curvature": "whole"}
    return "\n".join(sweep("sharp-three-sweeps", whole, only) for only, whole in wholes.items())


def sweeps() -> str:
    """Those of 750 services, each beside the setting that its parameter has by default or, of the gates' price, 0."""
    wholes = {
        "beta": "sharp_qos(beta=0.99)",
        "curvature": "sharp_qos(curvature=1.0)",
        "l0": "sharp_qos(l0=0.0)",
    }
    return "\n".join(sweep(f"sharp-{name}", whole) for name, whole in wholes.items())


def by_error(name: str) -> list[dict[str, Any]]:
    """What tuning printed, by error in the asked cells after it."""
    return sorted(printed(name), key=lambda row: row["nmae_tuned"])


def tuned(name: str) -> str:
    """What twenty trials gained."""
    keys = ("hidden_nmae", "hidden_nmae_tuned", "nmae", "nmae_tuned")
    return lines(
        [row["method"], *(short(row[key]) for key in keys), str(row["trials"]), f"{row['cpu_s']:.0f}"]
        for row in by_error(name)
    )


def chosen(name: str) -> str:
    """Which parameters they chose."""
    return lines([row["method"], row["chosen"]] for row in by_error(name))


def stream(seeds: int) -> str:
    """Who followed the stream how well, and by how much more than the best of them they err, paired by seed."""
    told = [row for row in printed("streaming") if f"--seeds {seeds} " in row["command"]]

    def cells(row: dict[str, Any]) -> Iterator[str]:
        yield row["method"]
        yield from (f"{row[f'{key}mae_s']:.3f}" for key in ("", "other_slots_", "forecast_", "newcomers_"))
        yield f"{row['cpu_s_per_slot']:.2f}"
        more, low, high = (f"{100 * row[key]:.1f}" for key in ("more", "low", "high"))
        yield f"{more} ({low} to {high})" if row["more"] else ""

    return lines(map(list, map(cells, sorted(told, key=lambda row: row["mae_s"]))))


TENTH = ("densities", "density=0.1")
"""Study and scenario of methods before their tuning; that of tuned-ten-percent."""


@cache
def tuned_errors(method: str, *, after: bool) -> dict[str, float]:
    """Mean errors over splits before tuning, or after it: those before where tuning changed nothing.

    Raises:
        ValueError: It was not trained as tuned on the splits that it has before.
    """
    study, scenario = TENTH
    metrics = ("nmae", *(f"{kind}[{name}]" for kind in ("mae", "rmse") for name in RT_TP))
    label = f"{method}, tuned"
    if after and label in distinct("tuned-ten-percent", "method"):
        if splits("tuned-ten-percent", scenario, label) != splits(study, scenario, method):
            message = f"{method} has other splits before its tuning than after it"
            raise ValueError(message)
        study, method = "tuned-ten-percent", label
    return {metric: mean(study, scenario, method, metric) for metric in metrics}


def tuned_methods() -> list[str]:
    """Methods that were trained as tuned on the whole table, by their error."""
    names = [name.removesuffix(", tuned") for name in distinct("tuned-ten-percent", "method")]
    return sorted(names, key=lambda name: tuned_errors(name, after=True)["nmae"])


def before_and_after() -> str:
    """Errors on the whole table with the parameters that methods had, and with those chosen on a part of it."""

    def cell(row: dict[str, float]) -> str:
        return f"{short(row['nmae'])} ({short(row['mae[rt]'])} / {row['mae[tp]']:.2f})"

    return lines(
        [name, *(cell(tuned_errors(name, after=after)) for after in (False, True))]
        for name in tuned_methods()
    )


def gains_over_tuned() -> str:
    """What ours gain over the ten as they were, as tuned, and the better of both figure by figure."""
    metrics = [f"{kind}[{name}]" for kind in ("mae", "rmse") for name in RT_TP]
    rivals = {
        word: {
            metric: float(
                np.mean([min(tuned_errors(one, after=after)[metric] for after in either) for one in TEN])
            )
            for metric in metrics
        }
        for word, either in (
            ("as they were", [False]),
            ("as tuned", [True]),
            ("the better of both", [False, True]),
        )
    }

    def cells(ours: dict[str, float], theirs: dict[str, float]) -> Iterator[str]:
        found = [100 * (1 - ours[metric] / theirs[metric]) for metric in metrics]
        for one, other in (found[:2], found[2:]):
            yield f"{one:.1f} and {other:.1f} % (mean {(one + other) / 2:.1f} %)"

    both = [(name, after) for name in OURS for after in (False, True) if not after or name in tuned_methods()]
    return lines(
        [f"{name}, tuned" if after else name, word, *cells(tuned_errors(name, after=after), theirs)]
        for name, after in both
        for word, theirs in rivals.items()
    )


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Attributes:
        page: Name of the page.
        header: How the table's first line begins, once on the page behind the section's title.
        made: Gives the lines below the header.
        section: Title of the section, where several tables of the page begin alike.
    """

    page: str
    header: str
    made: Callable[[], str]
    section: str = ""

    def split(self, text: str) -> tuple[str, str, str]:
        """The page up to the table's body, the body, and the rest.

        Raises:
            ValueError: The section has no such table.
        """
        start = text.index(f"\n## {self.section}\n") if self.section else 0
        begin = text.index("\n", text.index("\n", text.index(self.header, start)) + 1) + 1
        end = text.index("\n\n", begin)
        return text[:begin], text[begin:end], text[end:]


NEAR = (
    "robust_factorisation",
    "sharp_qos",
    "factor_analysis",
    "gradient_boosting",
    "neumf",
    "nimf",
    "nmf",
    "pmf",
)
FAR = ("biased_mf", "mmoe", "shared_bottom", "lightgcn", "amf", "ldcf", "item_median")
BESIDE = ("boosted_factors", "robust_factorisation", "factor_analysis", "neumf", "nimf", "gradient_boosting")
DENSITIES = "| method | 5 % | 10 % | 15 % | 20 % |"

TABLES = [
    Table("index", "| method | splits | NMAE |", tenth),
    Table("index", "| parameters | pmf, each alone |", scaling),
    Table("index", "| parameters, CPU s |", scaling_costs),
    Table("results", DENSITIES, partial(errors, "densities", RT_TP, (1,)), "How many measurements"),
    Table(
        "results", "| known | method | MAE | RMSE | with three", partial(over_rivals, "densities", TEN, MORE)
    ),
    Table(
        "results",
        "| above `boosted_factors` | 5 % |",
        partial(paired, "densities", "boosted_factors", (*NEAR, *FAR)),
    ),
    Table(
        "results",
        "| above `sharp_qos` |",
        partial(paired, "densities", "sharp_qos", BESIDE),
        "Paired by user",
    ),
    Table("boosted_factors", "| known | MAE rt (s), outside |", beside_the_bar),
    Table("sharp_boosted", "| known, splits | method |", averaged),
    Table("results", "| method | 1 % |", partial(errors, "wsdream-1", RT_TP, (3,))),
    Table(
        "results",
        "| above `boosted_factors` | 1 % |",
        partial(paired, "wsdream-1", "boosted_factors", (*NEAR, *FAR)),
    ),
    Table("results", "| 339 users, 4700 services |", partial(over_rivals, "wsdream-1", TEN)),
    Table(
        "results", DENSITIES, partial(errors, "three-parameters", THREE, (1,)), "Three parameters, few users"
    ),
    Table("results", "| method | new users |", partial(figures, "cold-start", "nmae", 3)),
    Table("results", "| method, real data |", partial(figures, "cold-start-three", "nmae", 3)),
    Table("results", "| method, 750 services of #1 |", partial(figures, "cold-start-1", "nmae", 3)),
    Table("results", "| method | 0 % |", partial(figures, "outliers", "nmae", 3)),
    Table("results", "| RMSE of throughput |", partial(figures, "outliers", "rmse[tp]", 1)),
    Table("results", "| of 750 services | 0 % |", partial(figures, "outliers-part", "nmae", 3)),
    Table(
        "results", "| RMSE of throughput, 750 services |", partial(figures, "outliers-part", "rmse[tp]", 1)
    ),
    Table("results", "| three parameters |", partial(parts, "sharp-three", THREE)),
    Table("results", "| setting |", small_sweeps),
    Table("results", "| WS-DREAM #2, no context |", partial(parts, "sharp-parts", RT_TP)),
    Table("results", "| WS-DREAM #1, places |", partial(parts, "sharp-context", RT_TP)),
    Table("results", "| of 750 services | NMAE |", sweeps),
    Table("results", "| setting, #1 |", partial(sweep, "sharp-context-sweeps")),
    Table("streaming", "| | after the slot's cells |", partial(stream, 5)),
    Table("streaming", "| two seeds |", partial(stream, 2)),
    Table(
        "tuning", "| method | hidden", partial(tuned, "tuning-three"), "A tenth of the three-parameter set"
    ),
    Table("tuning", "| method | hidden", partial(tuned, "tuning-part"), "A tenth of WS-DREAM #2"),
    Table(
        "tuning", "| method | chosen", partial(chosen, "tuning-three"), "A tenth of the three-parameter set"
    ),
    Table("tuning", "| method | chosen", partial(chosen, "tuning-part"), "A tenth of WS-DREAM #2"),
    Table("tuning", "| method | before | after |", before_and_after),
    Table("tuning", "| method | the ten | MAE | RMSE |", gains_over_tuned),
]


def main() -> None:
    """Write all tables into their pages, once every one of them is made."""
    ArgumentParser(description=__doc__).parse_args()
    pages = {
        page: (PAGES / f"{page}.md").read_text(encoding="utf-8") for page in {one.page for one in TABLES}
    }
    for one in TABLES:
        before, _, after = one.split(pages[one.page])
        pages[one.page] = before + one.made() + after
    for page, text in pages.items():
        (PAGES / f"{page}.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
