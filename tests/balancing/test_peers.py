"""Agreement with SimPy and Ciw on the same model: two simulators that share no line with ours.

Each test compares the mean response times of independent replications with Welch's interval at 99.9 %. With three
comparisons run by default a right simulator fails with probability 0.3 % over all choices of seeds; seeds are fixed.
"""

import random
import statistics

import pytest

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.methods.jsq import Jsq
from qoslab.domains.balancing.methods.random import Random
from qoslab.domains.balancing.model import run
from qoslab.domains.balancing.scenario import BalancingScenario

LEVEL = 0.999
RHO = 0.8
WARMUP = 0.1


def simpy_mean(queues, cores, choices, customers, seed):
    """Mean response time after the warm-up; `choices` queues drawn without replacement, the shorter one joined."""
    peer = pytest.importorskip("simpy", reason="SimPy is in the extra 'bench'")
    environment, draw = peer.Environment(), random.Random(seed)
    servers = [peer.Resource(environment, cores) for _ in range(queues)]
    responses = [0.0] * customers

    def customer(number):
        arrived = environment.now
        server = min(draw.sample(servers, choices), key=lambda one: one.count + len(one.queue))
        with server.request() as place:
            yield place
            yield environment.timeout(draw.expovariate(1.0))
        responses[number] = environment.now - arrived

    def source():
        for number in range(customers):
            yield environment.timeout(draw.expovariate(RHO * queues * cores))
            environment.process(customer(number))

    environment.process(source())
    environment.run()
    return statistics.fmean(responses[int(WARMUP * customers) :])


def ciw_mean(cores, customers, seed):
    """Mean response time of one station, in order of arrival and after the warm-up."""
    peer = pytest.importorskip("ciw", reason="Ciw is in the extra 'bench'")
    network = peer.create_network(
        arrival_distributions=[peer.dists.Exponential(RHO * cores)],
        service_distributions=[peer.dists.Exponential(1.0)],
        number_of_servers=[cores],
    )
    peer.seed(seed)
    simulation = peer.Simulation(network)
    simulation.simulate_until_max_time(customers / (RHO * cores))
    records = sorted(simulation.get_all_records(), key=lambda record: record.arrival_date)
    return statistics.fmean(r.exit_date - r.arrival_date for r in records[int(WARMUP * len(records)) :])


def our_means(queues, cores, method, customers, count):
    scenario = BalancingScenario.model_validate(
        {
            "servers": {"count": queues, "cores": [cores]},
            "load": RHO,
            "requests": customers,
            "warmup": {"fraction": WARMUP},
            "metrics": "mean",
        }
    )
    seeds = [Seed(0, "peers", "", k) for k in range(count)]
    return [o.metrics["response_time_mean_s"] for o in run(scenario, method, seeds, Context())]


def welch(ours, theirs):
    """The interval of the difference of means, ours less theirs."""
    from scipy.stats import ttest_ind

    return ttest_ind(ours, theirs, equal_var=False).confidence_interval(LEVEL)


def assert_agree(ours, theirs, most_relative_half):
    interval = welch(ours, theirs)
    half = (interval.high - interval.low) / 2
    assert interval.low <= 0.0 <= interval.high, (statistics.fmean(ours), statistics.fmean(theirs), interval)
    assert half < most_relative_half * statistics.fmean(ours), "the interval is too wide to say anything"
    return interval


SIZES = [
    pytest.param(6_000, 12, 0.12, id="small"),
    pytest.param(60_000, 40, 0.015, id="large", marks=pytest.mark.full),
]


@pytest.mark.parametrize(("customers", "count", "half"), SIZES)
def test_eight_cores_agree_with_simpy(customers, count, half):
    ours = our_means(1, 8, Random(), customers, 20 * count)
    assert_agree(ours, [simpy_mean(1, 8, 1, customers, seed) for seed in range(count)], half)


@pytest.mark.parametrize(("customers", "count", "half"), SIZES)
def test_eight_cores_agree_with_ciw(customers, count, half):
    ours = our_means(1, 8, Random(), customers, 20 * count)
    assert_agree(ours, [ciw_mean(8, customers, seed) for seed in range(count)], half)


@pytest.mark.parametrize(("customers", "count", "half"), SIZES)
def test_two_choices_agree_with_simpy(customers, count, half):
    ours = our_means(8, 1, Jsq(d=2), customers, 20 * count)
    theirs = [simpy_mean(8, 1, 2, customers, seed) for seed in range(count)]
    assert_agree(ours, theirs, half)
    random_choice = our_means(8, 1, Random(), customers, count)
    assert not welch(random_choice, theirs).low <= 0.0, "another policy must not agree"
