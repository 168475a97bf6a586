from hypothesis import given
from hypothesis import strategies as st

from qoslab.engine.eventlog import EVENT, event_log, events, forget, record
from qoslab.engine.kernel import compiled


@given(st.integers(0, 7), st.integers(0, 25))
def test_the_last_events_are_kept_oldest_first(room, number):
    log = event_log(room)
    for n in range(number):
        record(log, n / 2, n % 3, n, -n)
    kept = events(log)
    assert kept.dtype == EVENT
    assert kept.tolist() == [(n / 2, n % 3, n, -n) for n in range(number)][max(0, number - room) :]
    assert log.seen[0] == number


def test_compiled():
    log = compiled(event_log)(2)
    for n in range(5):
        compiled(record)(log, float(n), 1, n, 0)
    assert events(log)["a"].tolist() == [3, 4]
    compiled(forget)(log)
    assert len(events(log)) == 0
