import os
import re
import signal
import time

import pytest

from facetell.processes import ProcessEnded, ended_if_silent, unordered
from facetell.runtime import STOP_SIGNALS, on_stop


def nothing():
    pass


def stuck(task):
    with ended_if_silent(1.0):
        re.fullmatch(r"(a+)+b", "a" * 60)  # never ends, and holds the interpreter lock


def slow(task):
    with ended_if_silent(4.0) as alive:  # far longer than a busy machine takes between two calls
        for _ in range(10):
            time.sleep(0.5)
            alive()
    time.sleep(4.5)  # after the block there is no limit
    return task


def test_a_process_is_ended_if_it_is_stuck_and_not_if_it_is_slow():
    with pytest.raises(ProcessEnded) as caught:
        list(unordered(stuck, ["a"], 1, nothing, ()))
    assert caught.value.tasks == ("a",)
    assert list(unordered(slow, ["a"], 1, nothing, ())) == ["a"]


class MaskOnArrival:
    """Unpickled as the set of signals that are blocked at that time."""

    def __reduce__(self):
        return signal.pthread_sigmask, (signal.SIG_BLOCK, ())


def remember(blocked):
    global _blocked
    _blocked = blocked


def blocked_then_and_now(task):
    return _blocked, signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_process_receives_signals_only_once_it_can_end_without_a_traceback():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    ((at_first, later),) = unordered(blocked_then_and_now, ["a"], 1, remember, (MaskOnArrival(),))
    assert at_first >= set(STOP_SIGNALS) and not later & set(STOP_SIGNALS)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def endless(task):
    while task != "short":
        time.sleep(60)
    return task


def test_a_signal_to_the_main_process_ends_the_others_in_the_middle_of_a_task():
    """Otherwise this test does not end."""
    with pytest.raises(KeyboardInterrupt), on_stop():
        for _ in unordered(endless, ["endless", "short"], 2, nothing, ()):
            os.kill(os.getpid(), signal.SIGHUP)
