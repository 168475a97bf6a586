from __future__ import annotations

from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from toylab.studies import toy

from qoslab.study.plan import Plan, Trial, plan
from qoslab.study.schedule import Job, Schedule

NOWHERE = Path("/nonexistent-results")


def planned(seeds: int, methods: list | None = None) -> Plan:
    return plan(
        toy(methods or ["plain", "slow"], seeds=seeds, scenario={"load": {"grid": [0.1, 0.2]}}), NOWHERE
    )


def schedule(made: Plan, *, workers: int = 2, first: bool = False, untrained: bool = False) -> Schedule:
    return Schedule(
        made.todo,
        workers=workers,
        keeps_series=lambda trial: first and trial.replication == 0,
        untrained=lambda _pair: untrained,
    )


def test_pairs_take_turns_and_begin_with_one_trial() -> None:
    jobs = [schedule_.next() for schedule_ in [schedule(planned(4))] for _ in range(4)]
    assert [len(job.trials) for job in jobs] == [1, 1, 1, 1]
    assert len({job.queue.pair.fingerprint for job in jobs}) == 4


def test_batches_grow_with_what_was_learned_and_never_past_their_time() -> None:
    made = planned(1000, ["plain"])
    for seconds, most in ((1e-5, 64), (0.05, 5), (10.0, 1)):
        waiting = schedule(made)
        job = waiting.next()
        job.queue.learn(seconds)
        waiting.next()
        assert len(waiting.next().trials) == most


def test_series_are_kept_in_calls_of_their_own() -> None:
    waiting = schedule(planned(9, ["plain"]), first=True)
    jobs = []
    while (job := waiting.next()) is not None:
        job.queue.learn(1e-6)
        jobs.append(job)
    assert all(job.keep_series == (job.trials[0].replication == 0) for job in jobs)
    assert all(len({trial.replication == 0 for trial in job.trials}) == 1 for job in jobs)


def test_nothing_of_a_pair_starts_before_its_training_ended() -> None:
    waiting = schedule(planned(3, ["learned"]), untrained=True)
    trainings = [waiting.next(), waiting.next()]
    assert all(job.training for job in trainings)
    assert waiting.next() is None
    waiting.trained(trainings[0])
    assert not waiting.next().training
    assert [trial.replication for trial in waiting.give_up(trainings[1])] == [0, 1, 2]
    left = 0
    while (job := waiting.next()) is not None:
        left += len(job.trials)
    assert left == 2


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_trial_ends_once_whatever_fails(data: st.DataObject) -> None:
    made = planned(data.draw(st.integers(1, 30)))
    waiting = schedule(made, workers=data.draw(st.integers(1, 4)))
    ended: Counter[str] = Counter()
    running: list[Job] = []

    def end(trial: Trial) -> None:
        ended[trial.fingerprint] += 1

    while waiting.waiting or running:
        job = waiting.next() if len(running) < 4 else None
        if job is not None:
            running.append(job)
            continue
        job = running.pop(data.draw(st.integers(0, len(running) - 1)))
        good = data.draw(st.integers(0, len(job.trials)))
        for trial in job.trials[:good]:
            end(trial)
            job.queue.learn(0.001)
        job.finished = good
        if job.rest and len(job.trials) > 1:
            waiting.again(job)
        elif job.rest:
            end(job.rest[0])
    assert ended == Counter(trial.fingerprint for trial in made.trials)
