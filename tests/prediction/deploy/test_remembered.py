"""What is remembered: as much as was said, the one asked for longest ago goes first, and nobody waits for others."""

from threading import Barrier, Thread

from qoslab.domains.prediction.deploy.remembered import Remembered


def test_values_are_computed_once_and_the_oldest_is_forgotten():
    kept, computed = Remembered(3), []

    def of(key):
        return kept.of(key, lambda: computed.append(key) or 10 * key)

    assert [of(key) for key in (1, 2, 3, 1, 4, 1, 2)] == [10, 20, 30, 10, 40, 10, 20]
    assert computed == [1, 2, 3, 4, 2]
    assert len(kept) == 3


def test_ever_new_keys_take_no_more_room():
    kept = Remembered(64)
    for key in range(10_000):
        assert kept.of(key, lambda key=key: -key) == -key
    assert len(kept) == 64


def test_others_are_computed_meanwhile():
    """Each of eight threads computes a value that is done only when all have begun: with a lock none would be."""
    kept, together, found = Remembered(4), Barrier(8, timeout=60), {}

    def ask(key):
        found[key] = kept.of(key, lambda: together.wait() >= 0 and key)

    threads = [Thread(target=ask, args=(key,)) for key in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {key: key for key in range(1, 9)}
    assert len(kept) == 4
