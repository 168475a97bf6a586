"""The first Ctrl-C lets work end, whoever raises for it; the second one stops."""

import signal
import threading

import pytest

from qoslab.study.interrupt import Interrupt, finished


class Work:
    """Raises as often as it is told to, as polars does amid a file, and then ends."""

    def __init__(self, *pressed: int) -> None:
        self.pressed = list(pressed)

    def __call__(self) -> str:
        if self.pressed:
            for _ in range(self.pressed.pop(0)):
                signal.raise_signal(signal.SIGINT)
            raise KeyboardInterrupt
        return "done"


def test_work_is_done_again_after_the_first_press():
    work = Work(1)
    with Interrupt() as interrupt:
        assert finished(work) == "done"
        assert interrupt.stopping


def test_the_second_press_ends_it():
    with Interrupt(), pytest.raises(KeyboardInterrupt, match="twice"):
        finished(Work(1, 1))
    with Interrupt(), pytest.raises(KeyboardInterrupt, match="twice"):
        finished(Work(2))


def test_without_anybody_who_takes_the_signal_it_is_as_ever():
    def work() -> None:
        raise KeyboardInterrupt

    # In what a shell runs in the background Ctrl-C is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            finished(work)
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_errors_pass():
    with Interrupt(), pytest.raises(ZeroDivisionError):
        finished(lambda: 1 // 0)


def test_in_another_thread_it_only_holds_the_flag():
    found = []

    def look() -> None:
        with Interrupt() as interrupt:
            interrupt.stop("enough")
            found.append(interrupt.reason)

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == ["enough"]
