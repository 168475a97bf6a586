"""The published figures of the datasets, from the files themselves."""

import numpy as np
import pytest

from qoslab.domains.balancing.traces.drift import read_drift
from qoslab.domains.balancing.traces.rates import read_rates
from qoslab.domains.balancing.traces.sizes import read_sizes
from qoslab.domains.balancing.traces.workload import read_trace

pytestmark = pytest.mark.data


@pytest.mark.parametrize(
    ("name", "count", "span", "cv", "tokens", "tokens_cv"),
    [("code", 8819, 3436, 13.2, 27.9, 2.15), ("conv", 19366, 3502, 1.09, 211, 0.77)],
)
def test_azure_llm(workloads, name, count, span, cv, tokens, tokens_cv):
    path = workloads / f"azure_llm/AzureLLMInferenceTrace_{name}.csv"
    trace = read_trace(path, time="TIMESTAMP", size={"GeneratedTokens": 1.0})
    gaps = np.diff(trace.arrival_s)
    assert len(trace) == count
    assert trace.duration_s == pytest.approx(span, abs=0.5)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.005)
    assert trace.size.mean() == pytest.approx(tokens, rel=0.005)
    assert trace.size.std() / trace.size.mean() == pytest.approx(tokens_cv, rel=0.005)


def test_llm_service_times_are_linear_in_tokens(workloads):
    path = workloads / "azure_llm/AzureLLMInferenceTrace_code.csv"

    def sizes(**factors: float):
        return read_trace(path, time="TIMESTAMP", size=factors).size

    np.testing.assert_allclose(
        sizes(ContextTokens=2e-4, GeneratedTokens=0.05),
        2e-4 * sizes(ContextTokens=1.0) + 0.05 * sizes(GeneratedTokens=1.0),
    )


@pytest.mark.parametrize(
    ("name", "count", "mean", "most", "peak"),
    [("nasa", 5_059_950, 0.684, 20, 6.06), ("twitter", 1_899_061, 63.6, 388, 2.77)],
)
def test_request_rates(workloads, name, count, mean, most, peak):
    rates = read_rates(workloads / f"rates/{name}_workload.tbz2")
    hours = rates[: len(rates) // 3600 * 3600].reshape(-1, 3600).mean(axis=1)
    assert (len(rates), rates.max()) == (count, most)
    assert rates.mean() == pytest.approx(mean, rel=0.001)
    assert hours.max() / hours.mean() == pytest.approx(peak, rel=0.002)
    np.testing.assert_array_equal(
        read_rates(workloads / f"rates/{name}_workload.tbz2", start=70_000, count=9), rates[70_000:70_009]
    )


def test_both_forms_of_size_tables_agree(workloads):
    percent = read_sizes(workloads / "flow_cdf/WebSearch_distribution.txt")
    fraction = read_sizes(workloads / "flow_cdf/hkust_DCTCP_CDF.txt")
    np.testing.assert_allclose(percent.shares, fraction.shares)
    assert percent.mean == pytest.approx(1_711_250)
    for path in (workloads / "flow_cdf").iterdir():
        table = read_sizes(path)
        drawn = table.quantile((np.arange(1_000_000) + 0.5) / 1_000_000)
        # The midpoint rule over 10^6 strata; the widest stratum of any table adds under 0.2 %.
        assert drawn.mean() == pytest.approx(table.mean, rel=2e-3), path.name


@pytest.mark.parametrize(
    ("name", "cv"),
    [("redis_get_50conn_long_eastus_D8s_v5", 0.041), ("redis_get_50conn_long_eastus_B8ms", 0.023),
     ("stressng_cpu_long_eastus_D8s_v5", 0.010), ("stressng_cpu_long_eastus_B8ms", 0.004)],
)  # fmt: skip
def test_drift_of_equal_machines(workloads, name, cv):
    series = read_drift(workloads / f"azure_vm_noise/{name}.csv", time_scale=1 / 86_400)
    spread = np.sqrt(np.mean([np.var(one.speed / one.speed.mean()) for one in series]))
    assert spread == pytest.approx(cv, abs=0.0045)  # the published figure pools all machines
    for one in series:
        assert np.median(one.speed) == pytest.approx(1.0)
        assert (np.diff(one.time_s) >= 0).all()
        assert one.time_s[-1] < 484  # days
    worst = min(float(one.speed.min() / one.speed.mean()) for one in series)
    assert name != "redis_get_50conn_long_eastus_B8ms" or worst == pytest.approx(0.41, abs=0.005)
