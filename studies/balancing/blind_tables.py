"""The tables of `docs/balancing/blind_sed.md`, worked out from committed results.

    python studies/balancing/blind_tables.py

writes them into the page again after the results have changed; `tests/studies/test_page_of_blind_sed.py` says whether
that is due.
"""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator, Sequence
from functools import cache, partial
from pathlib import Path

import polars as pl

from qoslab.core.registry import registry
from qoslab.report.stats import Interval, ratio_of_means

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "balancing" / "blind_sed.md"
RESULTS = ROOT / "studies" / "balancing" / "results"
METRICS = {"mean": "response_time_mean_s", "p99": "response_time_p99_s"}
OURS = "blind_sed"


@cache
def table(study: str) -> pl.DataFrame:
    """The rows of a study, in the order of its scenarios and seeds."""
    return pl.read_parquet(RESULTS / f"{study}.parquet")


def scenarios(study: str) -> list[str]:
    """Its scenarios, in order."""
    return table(study)["scenario"].unique(maintain_order=True).to_list()


def values(study: str, scenario: str, method: str, metric: str) -> list[float]:
    """A method's figures by seed."""
    rows = table(study).filter((pl.col("scenario") == scenario) & (pl.col("method") == method))
    return rows.sort("replication")[METRICS[metric]].to_list()


def interval(study: str, scenario: str, of: str, over: str, metric: str) -> Interval:
    """Ratio of means with its 95 % interval."""
    one, other = (values(study, scenario, name, metric) for name in (of, over))
    return ratio_of_means(one, other)


def ratio(study: str, scenario: str, of: str, over: str, metric: str) -> str:
    """Ratio of means and the upper end of its 95 % interval."""
    found = interval(study, scenario, of, over, metric)
    return f"{found.estimate:.3f} ({found.high:.3f})"


def lines(rows: Sequence[Sequence[str]]) -> str:
    """Rows of a table as Markdown has them."""
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def over_rivals(study: str, rivals: Sequence[str], labels: Sequence[str]) -> Iterator[list[str]]:
    """A line for each scenario and metric: `blind_sed` over each rival."""
    for label, scenario in zip(labels, scenarios(study), strict=True):
        for metric in METRICS:
            yield [label, metric, *(ratio(study, scenario, OURS, rival, metric) for rival in rivals)]


def close() -> str:
    """How close it comes to known capacities."""
    sites = ("blind-1x8", "blind-2x64", "blind-4x128")

    def cells(method: str, metric: str) -> list[str]:
        return [ratio(site, "", method, "sed_oracle", metric) for site in sites]

    rows = [
        [f"`{method}`, {metric}", *cells(method, metric)]
        for method in (OURS, "little", "lsq")
        for metric in METRICS
    ]
    return lines([*rows, ["`gsed` (true queues), mean", *cells("gsed", "mean")]])


def trouble() -> str:
    """Wrong weights, a step and heavy tails."""
    rivals = ("lsq", "sed", "hlb", "little", "prequal", "sed_oracle")
    return lines(list(over_rivals("blind-trouble", rivals, ("exponential", "lognormal, SCV 10"))))


def sizes() -> str:
    """From 4 to 256 servers."""
    return lines(
        [
            [
                "the mark" if rival == "sed_oracle" else f"`{rival}`",
                metric,
                *(ratio("blind-sizes", case, OURS, rival, metric) for case in scenarios("blind-sizes")),
            ]
            for rival in ("lsq", "little", "sed_oracle")
            for metric in METRICS
        ]
    )


def cold() -> str:
    """The first two minutes."""
    rows = []
    for servers, count in (('"count":2', 2), ('"count":8', 8)):
        for law, what in (("deterministic", "0.1 s each"), ("exponential", "exponential, 0.5 s")):
            cases = [case for case in scenarios("blind-cold") if servers in case and law in case]
            for metric in METRICS:
                label = f"{count}, {what}" if metric == "mean" else ""
                rows.append(
                    [label, metric, *(ratio("blind-cold", case, OURS, "lsq", metric) for case in cases)]
                )
    return lines(rows).replace("|  |", "| |")


def trainings() -> str:
    """What other trainings give."""
    rows = []
    for metric in METRICS:
        for name, label in ((OURS, "0, which ships"), ("training 1", "1"), ("training 2", "2")):
            cells = [
                ratio(f"blind-trainings-{site}", "", name, "sed_oracle", metric) for site in ("1x8", "2x64")
            ]
            rows.append([label, metric, *cells])
    return lines(rows)


def choice(number: str) -> str:
    """What other values of a number that nothing gives would do."""
    made = runpy.run_path(str(Path(__file__).with_name("blind_choice.py")))
    found = list(map(json.loads, (RESULTS / "blind-choice.jsonl").read_text().splitlines()))
    intervals = {metric: made["over_default"](found, metric) for metric in METRICS}
    named = [name for name in intervals["mean"] if name.startswith(number)]
    return lines(
        [
            [name.split()[1], *(made["percent"](intervals[metric][name]) for metric in METRICS)]
            for name in named
        ]
    )


BLIND = ("lsq", "little", "hlb", "aquarius", "inverse_ewma", "peak_ewma")


STEPS = ("before it", "0 to 30 s", "30 to 60 s", "60 to 90 s", "120 to 150 s", "240 to 270 s")


def steps() -> str:
    """After a step."""
    return lines(list(over_rivals("blind-step", (*BLIND, "sed_oracle"), STEPS)))


def drift() -> str:
    """Recorded drift."""
    return lines(list(over_rivals("blind-drift", (*BLIND, "prequal", "sed_oracle"), ("D8s v5", "B8ms"))))


def language_models() -> str:
    """Recorded requests to language models."""
    rivals = (*BLIND, "prequal", "sed_oracle")
    code = over_rivals("blind-llm-code", rivals, ("code, 4", "code, 8"))
    talks = over_rivals("blind-llm-conv", rivals, ("conversations, 32", "conversations, 48"))
    return lines([*code, *talks])


def unknown() -> str:
    """Sites that it was not trained on."""
    rows = []
    for servers, label in (("[1.0]", "alike"), ("[1.0,2.0]", "1 to 2"), ("[1.0,20.0]", "1 to 20")):
        cases = [case for case in scenarios("blind-unknown") if f'"speeds":{servers}' in case]
        for metric in METRICS:
            cells = [ratio("blind-unknown", case, OURS, "lsq", metric) for case in cases]
            rows.append([label, metric, *cells])
    return lines(rows)


EXPONENTS = (OURS, "exponent 1.65", "exponent 1.2", "exponent 1")


def exponents() -> str:
    """The exponent derived, and fixed."""
    case = scenarios("blind-exponent-step")
    rows = []
    for method in EXPONENTS:
        rows.append(
            [
                "derived" if method == OURS else method.removeprefix("exponent "),
                *(ratio("blind-exponent-step", case[k], method, "hlb_ada", "mean") for k in (3, 4, 5)),
                ratio("blind-exponent-step", case[5], method, "hlb_ada", "p99"),
                ratio("blind-exponent-1x8", "", method, "sed_oracle", "mean"),
                ratio("blind-exponent-1x8", "", method, "sed_oracle", "p99"),
            ]
        )
    return lines(rows)


LABELS = {
    "trouble": ("wrong weights and a step, exponential sizes", "wrong weights and a step, heavy tails"),
    "step": ("a step: before it", *(f"{label} after it" for label in STEPS[1:])),
    "drift": ("drift, D8s v5", "drift, B8ms"),
    "llm-code": ("code, 4 servers", "code, 8 servers"),
    "llm-conv": ("conversations, 32 servers", "conversations, 48 servers"),
}
"""Of each study of trouble its scenarios, in order."""


def verdicts(prefix: str) -> Iterator[tuple[str, str, str, Interval]]:
    """Where, which rival that neither asks servers nor knows capacities, which metric, and the ratio to it."""
    for kind, labels in LABELS.items():
        study = f"{prefix}-{kind}"
        methods = table(study)["method"].unique(maintain_order=True).to_list()
        rivals = [
            name
            for name in methods
            if name != OURS and registry.method("balancing", name).information == "blind"
        ]
        for label, scenario in zip(labels, scenarios(study), strict=True):
            for rival in rivals:
                for metric in METRICS:
                    yield label, rival, metric, interval(study, scenario, OURS, rival, metric)


def not_won(prefix: str) -> str:
    """Where it is not proven better; in bold where a rival is."""
    rows = []
    for label, rival, metric, found in verdicts(prefix):
        if found.high >= 1.0:
            text = f"{found.estimate:.3f} ({found.low:.3f} to {found.high:.3f})"
            rows.append([label, f"`{rival}`", metric, f"**{text}**" if found.low > 1.0 else text])
    return lines(rows)


def counts(prefix: str) -> dict[str, int]:
    """In how many comparisons it is better, behind, or neither is proven."""
    found = [each for *_, each in verdicts(prefix)]
    better, behind = sum(each.high < 1.0 for each in found), sum(each.low > 1.0 for each in found)
    return {"all": len(found), "better": better, "behind": behind, "open": len(found) - better - behind}


TABLES = {
    "| | 1 balancer, 8 servers, load 0.8 |": close,
    "| training seed | |": trainings,
    "| $\\delta$ | mean | p99 |": partial(choice, "delta"),
    "| $c$ | mean | p99 |": partial(choice, "apart"),
    "| sizes | | `lsq` |": trouble,
    "| over | | 4 servers, 1 balancer |": sizes,
    "| servers, sizes | | load 0.6 |": cold,
    "| after the step | | `lsq` |": steps,
    "| machines | | `lsq` |": drift,
    "| requests, servers | | `lsq` |": language_models,
    "| servers' speeds | | all the same |": unknown,
    "| exponent | mean over `hlb_ada`, 60 s after |": exponents,
    "| where | rival | | `blind_sed` over it |": partial(not_won, "blind"),
    "| where | other rival | | `blind_sed` over it |": partial(not_won, "blind-rivals"),
}
"""How a table's header begins, and what stands below it."""


def split(page: str, header: str) -> tuple[str, str, str]:
    """The page up to a table's body, the body, and the rest.

    Raises:
        ValueError: The page has no such table, or several.
    """
    if page.count(header) != 1:
        message = f"{page.count(header)} tables begin with {header!r}"
        raise ValueError(message)
    begin = page.index("\n", page.index("\n", page.index(header)) + 1) + 1
    end = page.index("\n\n", begin)
    return page[:begin], page[begin:end], page[end:]


def main() -> None:
    """Write all tables into the page."""
    page = PAGE.read_text()
    for header, made in TABLES.items():
        before, _, after = split(page, header)
        page = before + made() + after
    PAGE.write_text(page)
    for prefix in ("blind", "blind-rivals"):
        print(prefix, counts(prefix))


if __name__ == "__main__":
    main()
