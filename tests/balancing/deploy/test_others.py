"""What becomes of weights that other people set while a backend is steered: no server is left on another scale."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.balancing.deploy.played import Played, pass_time

from qoslab.domains.balancing.deploy.exposition import exposition
from qoslab.domains.balancing.deploy.keepsake import Keepsake
from qoslab.domains.balancing.deploy.scales import carried_over
from qoslab.domains.balancing.deploy.steering import Steering


@pytest.fixture
def begin(tmp_path):
    def start(proxy, **options):
        return Steering(proxy, "work", Keepsake(tmp_path / "s", "work", tmp_path), **options)

    return start


def spread(weights):
    return max(weights.values()) / min(weights.values())


@pytest.mark.parametrize("ticks", [0, 3])
def test_a_weight_that_is_set_before_our_first_change_is_the_original_one(begin, ticks):
    proxy = Played(a=1, b=1, c=1)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, ticks, heard=False)
    proxy.weights["a"] = 2
    pass_time(steering, proxy, ticks, ticks + 60)
    assert spread(proxy.weights) <= 16.0
    assert proxy.weights["b"] / proxy.weights["a"] == pytest.approx(4.0, rel=0.2)
    assert any("of a: it counts as the original one" in note for note in steering.notes)
    assert steering.restore()
    assert proxy.weights == {"a": 2, "b": 1, "c": 1}


@pytest.mark.parametrize("theirs", [2, 100])
def test_a_weight_that_is_set_while_ours_are_in_force_stays_until_a_reload(begin, theirs):
    proxy = Played(a=1, b=1, c=1)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 60)
    proxy.weights["a"] = theirs
    pass_time(steering, proxy, 60, 70)
    assert proxy.weights["a"] == theirs
    assert steering.hands_off == {"a"}
    assert max(proxy.weights["b"], proxy.weights["c"]) <= 16.0 * min(proxy.weights["b"], proxy.weights["c"])
    proxy.reload()
    pass_time(steering, proxy, 70, 130)
    assert not steering.hands_off
    assert spread(proxy.weights) <= 16.0
    assert proxy.weights["b"] / proxy.weights["a"] == pytest.approx(4.0, rel=0.2)
    assert steering.restore()
    assert proxy.weights == {"a": 1, "b": 1, "c": 1}


def test_a_weight_that_a_state_file_carried_over_is_left_alone_in_the_new_process_too(begin):
    proxy = Played(a=1, b=1, c=1)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 60)
    proxy.weights["a"] = 100
    pass_time(steering, proxy, 60, 62)
    held = dict(proxy.weights)
    proxy.reload()
    proxy.weights = held
    pass_time(steering, proxy, 62, 90)
    assert steering.hands_off == {"a"}
    assert proxy.weights["a"] == 100


@pytest.mark.parametrize("theirs", [5, 100, 250])
@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("again", [False, True])
def test_what_a_person_wants_is_carried_over_to_the_original_scale(begin, theirs, killed, again):
    proxy = Played(a=20, b=20, c=20)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 60)
    if again:
        proxy.weights["a"] = 33
        pass_time(steering, proxy, 60, 62)
    proxy.weights["a"] = theirs
    ratio = theirs / (proxy.weights["b"] + proxy.weights["c"])
    pass_time(steering, proxy, 62, 70)
    told = " ".join(steering.notes)
    if killed:
        begin(proxy)
    else:
        assert steering.restore()
        assert f"a from {theirs} to {proxy.weights['a']}" in steering.notes[-1]
    assert (proxy.weights["b"], proxy.weights["c"]) == (20, 20)
    assert proxy.weights["a"] / 40.0 == pytest.approx(ratio, abs=0.5 / 40.0)
    assert f"is to be {proxy.weights['a']} once" in told


def test_a_server_that_is_drained_stays_so_and_its_configured_weight_hands_it_back(begin):
    proxy = Played(a=1, b=1, c=1)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 60)
    proxy.weights["a"] = 0
    pass_time(steering, proxy, 60, 90)
    assert proxy.weights["a"] == 0
    proxy.weights["a"] = 1
    pass_time(steering, proxy, 90, 91)
    assert not steering.hands_off
    assert spread(proxy.weights) <= 16.0
    pass_time(steering, proxy, 91, 120)
    assert proxy.weights["b"] / proxy.weights["a"] == pytest.approx(4.0, rel=0.2)
    assert steering.restore()
    assert proxy.weights == {"a": 1, "b": 1, "c": 1}


@pytest.mark.parametrize("killed", [False, True])
def test_a_server_that_is_drained_stays_so_to_the_end(begin, killed):
    proxy = Played()
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 40)
    proxy.weights["a"] = 0
    pass_time(steering, proxy, 40, 42)
    if killed:
        steering = begin(proxy)
        pass_time(steering, proxy, 0, 40)
    assert steering.restore()
    assert proxy.weights == {"a": 0, "b": 3}


def test_where_a_person_has_set_every_weight_nothing_is_put_back(begin, tmp_path):
    proxy = Played(a=1, b=1, c=1)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 60)
    proxy.weights |= {"a": 10, "b": 20, "c": 30}
    pass_time(steering, proxy, 60, 70)
    assert steering.restore()
    assert proxy.weights == {"a": 10, "b": 20, "c": 30}
    assert not list(tmp_path.glob("*.json"))


def test_a_weight_that_is_set_between_the_last_look_and_the_end_is_seen(begin):
    proxy = Played(a=20, b=20, c=20)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 60)
    proxy.weights["a"] = 250
    assert steering.restore()
    assert proxy.weights["a"] > 40
    assert (proxy.weights["b"], proxy.weights["c"]) == (20, 20)


@given(st.integers(1, 256), st.lists(st.tuples(st.integers(0, 256), st.integers(0, 256)), max_size=8))
def test_a_weight_that_is_carried_over_is_a_weight_and_keeps_its_ratio_where_it_can(weight, pairs):
    original = {str(k): pair[0] for k, pair in enumerate(pairs)}
    in_force = {str(k): pair[1] for k, pair in enumerate(pairs)}
    got = carried_over(weight, original, in_force, original)
    assert 1 <= got <= 256
    both = [pair for pair in pairs if min(pair) > 0]
    if both and 1 < got < 256:
        scale = sum(pair[0] for pair in both) / sum(pair[1] for pair in both)
        assert got == pytest.approx(weight * scale, abs=0.5 + 1e-9)
    if original == in_force:
        assert got == weight


@pytest.mark.parametrize(
    ("theirs", "then"),
    [
        ({"a": 10}, {"a": 10, "b": 10, "c": 10}),  # the original weight
        ({"a": 12}, {"a": 12, "b": 10, "c": 10}),  # nearer to that than to ours of about 33
        ({"a": 12, "b": 8}, {"a": 12, "b": 8, "c": 10}),
        ({"a": 50}, {"a": 5, "b": 10, "c": 10}),  # nearer to ours: 50 beside 127 and 61 is 5 beside 10 and 10
        ({"a": 0}, {"a": 0, "b": 10, "c": 10}),
        ({"a": 90, "b": 50, "c": 70}, {"a": 90, "b": 50, "c": 70}),  # nothing of ours is in force
    ],
)
def test_a_weight_that_is_set_after_a_crash_is_not_overwritten(begin, theirs, then):
    proxy = Played(a=10, b=10, c=10)
    pass_time(begin(proxy), proxy, 0, 60)  # and then it is killed
    assert 25 < proxy.weights["a"] < 40
    proxy.weights |= theirs
    steering = begin(proxy)
    assert proxy.weights == then
    told = [note for note in steering.notes if "since an earlier run ended" in note]
    assert len(told) == len(theirs)
    assert steering.original == then


def test_a_crash_between_the_record_and_the_proxys_answer_leaves_nothing_of_ours(begin):
    """The record is written first, so that either weight may be in force."""
    proxy = Played(a=10, b=10, c=10)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 6)
    held, set_weights = dict(proxy.weights), proxy.set_weights

    def killed(backend, weights):
        set_weights(backend, {"a": weights["a"]})
        raise KeyboardInterrupt

    proxy.set_weights = killed
    with pytest.raises(KeyboardInterrupt):
        pass_time(steering, proxy, 6, 20)
    assert proxy.weights != held
    proxy.set_weights = set_weights
    assert not any("somebody else" in note for note in begin(proxy).notes)
    assert proxy.weights == {"a": 10, "b": 10, "c": 10}


def test_a_record_of_an_earlier_form_is_put_back_whole(begin, tmp_path):
    proxy = Played(a=10, b=10, c=10)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 60)
    path = steering._keepsake.path
    beside = path.with_suffix(".in_force")
    assert json.loads(beside.read_text().splitlines()[-1])["in_force"]["b"][-1] == proxy.weights["b"]
    beside.unlink()
    record = json.loads(path.read_text())
    record.pop("in_force")
    path.write_text(json.dumps(record))
    proxy.weights["a"] = 50
    begin(proxy)
    assert proxy.weights == {"a": 10, "b": 10, "c": 10}


@pytest.mark.parametrize("damage", ["", "{", '{"socket":"s","backend":"work","weights":{},"process":"0"}'])
def test_what_a_power_loss_may_take_is_not_what_is_put_back(begin, damage):
    """The original weights lie in a file of their own, which is not written again while they stay the same."""
    proxy = Played(a=10, b=10, c=10)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 6)
    path = steering._keepsake.path
    first = path.stat()
    pass_time(steering, proxy, 6, 60)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    path.with_suffix(".in_force").write_text(damage)
    begin(proxy)
    assert proxy.weights == {"a": 10, "b": 10, "c": 10}


@pytest.mark.parametrize("lost", [[1], [3], [0, 2], [3, 3], [2, 1, 0]])
@pytest.mark.parametrize("theirs", [{}, {"a": 100}, {"a": 100, "b": 50}])
def test_lost_answers_do_not_change_what_is_put_back(begin, lost, theirs):
    """A retry finds weights that an attempt before it has set, and they are nobody else's."""
    found = []
    for answers in ([], lost):
        proxy = Played(a=20, b=20, c=20)
        proxy.configuration = {"a": 1, "b": 1, "c": 1}
        steering = begin(proxy)
        pass_time(steering, proxy, 0, 60)
        proxy.weights |= theirs
        pass_time(steering, proxy, 60, 62)
        proxy.loses_answers = list(answers)
        for _ in answers:
            steering.restore()
        assert steering.restore()
        found.append(dict(proxy.weights))
    assert found[0] == found[1]
    assert found[0]["c"] == 20


@pytest.mark.parametrize("applied", [0, 1, 3])
def test_a_weight_that_is_set_while_an_answer_is_lost_is_a_persons(begin, applied):
    proxy = Played(a=10, b=10, c=10)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 6)
    proxy.loses_answers = [applied]
    while proxy.loses_answers:
        pass_time(steering, proxy, 6, 7)
    proxy.weights["a"] = 200
    pass_time(steering, proxy, 8, 40)
    assert steering.hands_off == {"a"}
    assert proxy.weights["a"] == 200


def test_other_servers_leave_what_is_in_force_and_what_a_person_has_set(begin):
    proxy = Played(a=1, b=1, c=1)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 60)
    held = dict(proxy.weights)
    del proxy.weights["c"]
    proxy.weights["a"] = 200
    pass_time(steering, proxy, 60, 61)
    assert proxy.weights["a"] == 200
    assert steering.hands_off == {"a"}
    assert abs(proxy.weights["b"] - held["b"]) <= 0.25 * held["b"] + 1
    proxy.weights["d"] = proxy.configuration["d"] = 1
    pass_time(steering, proxy, 61, 64)
    assert proxy.weights["d"] >= 30, "a new server is brought to the scale in force"


def test_a_first_touch_is_left_alone_even_where_it_is_the_configured_weight(begin):
    """Somebody who throttles a server types small numbers, which may be the configured one."""
    proxy = Played(a=10, b=10, c=10)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 60)
    proxy.weights["b"] = 10
    pass_time(steering, proxy, 60, 80)
    assert proxy.weights["b"] == 10
    assert steering.hands_off == {"b"}


def test_weights_set_together_are_carried_over_by_one_scale(begin):
    proxy = Played(a=20, b=20, c=20)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 60)
    proxy.weights |= {"a": 100, "b": 100, "c": 100}
    pass_time(steering, proxy, 60, 62)
    assert len(set(steering.original.values())) == 1
    assert steering.restore()
    assert proxy.weights == {"a": 100, "b": 100, "c": 100}, "a person has set them all"


def test_a_drained_server_is_not_one_whose_weight_a_person_chose(begin):
    proxy = Played(a=20, b=20, c=20)
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 60)
    proxy.weights["a"] = 100
    pass_time(steering, proxy, 60, 62)
    promised = steering.original["a"]
    proxy.weights |= {"b": 0, "c": 0}
    pass_time(steering, proxy, 62, 64)
    assert steering.restore()
    assert proxy.weights == {"a": promised, "b": 0, "c": 0}


def test_where_the_record_cannot_be_written_nothing_is_set(begin, tmp_path, monkeypatch):
    proxy = Played(a=10, b=10, c=10)
    steering = begin(proxy)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(steering._keepsake, "write", full)
        pass_time(steering, proxy, 0, 20)
        assert proxy.weights == {"a": 10, "b": 10, "c": 10}
        assert "cannot be written, nothing is set: No space left" in steering.notes[-1]
    pass_time(steering, proxy, 20, 60)
    held = dict(proxy.weights)
    assert held["b"] > 100
    monkeypatch.setattr(steering._keepsake, "write", full)
    proxy.weights["c"] = 90
    pass_time(steering, proxy, 60, 62)
    assert steering.restore()
    assert (proxy.weights["a"], proxy.weights["b"]) == (10, 10)


def gauge(steering, name):
    found = re.findall(
        rf'^qoslab_steer_{name}{{backend="work"}} (\d+)$', exposition(steering, "work"), re.MULTILINE
    )
    return [int(value) for value in found]


def test_what_an_operator_is_to_be_woken_for_is_a_metric(begin):
    proxy = Played(a=10, b=10, c=10)
    steering = begin(proxy)
    names = ("log_gap", "agent_checks", "left_alone", "refused")

    def state():
        return {name: gauge(steering, name) for name in names}

    pass_time(steering, proxy, 0, 20)
    usual = {name: [0] for name in names}
    assert state() == usual
    pass_time(steering, proxy, 20, 24, heard=False)
    assert state() == usual | {"log_gap": [1]}
    pass_time(steering, proxy, 24, 30)
    assert state() == usual
    proxy.weights["a"] = 90
    pass_time(steering, proxy, 30, 31)
    assert state() == usual | {"left_alone": [1]}
    proxy.refuses = "Permission denied"
    steering.controller.weights = steering.controller.weights[::-1]
    pass_time(steering, proxy, 31, 34)
    assert state() == usual | {"left_alone": [1], "refused": [1]}
    proxy.agent = "b"
    pass_time(steering, proxy, 34, 35)
    assert state() == {"log_gap": [0], "agent_checks": [1], "left_alone": [1], "refused": [1]}


def test_a_log_that_never_came_is_a_gap(begin):
    proxy = Played()
    steering = begin(proxy)
    pass_time(steering, proxy, 0, 10, heard=False)
    assert gauge(steering, "log_gap") == [1]


def test_what_an_agent_has_set_since_a_crash_stays(begin):
    proxy = Played(a=10, b=10, c=10)
    pass_time(begin(proxy), proxy, 0, 60)  # and then it is killed
    proxy.agent, proxy.weights["a"] = "a", 30
    steering = begin(proxy)
    assert proxy.weights == {"a": 30, "b": 10, "c": 10}
    assert not any("somebody else" in note for note in steering.notes)
