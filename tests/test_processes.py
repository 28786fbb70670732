"""Work in processes that may hang."""

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
        re.fullmatch(r"(a+)+b", "a" * 60)  # takes for ever, and keeps the interpreter to itself


def slow(task):
    with ended_if_silent(4.0) as alive:  # far longer than a busy machine keeps it from its calls
        for _ in range(10):
            time.sleep(0.5)
            alive()
    time.sleep(4.5)  # after the block the limit no longer applies
    return task


def test_one_that_is_stuck_is_ended():
    with pytest.raises(ProcessEnded) as told:
        list(unordered(stuck, ["a"], 1, nothing, ()))
    assert told.value.tasks == ("a",)


def test_one_that_is_slow_is_not():
    assert list(unordered(slow, ["a"], 1, nothing, ())) == ["a"]


class MaskOnArrival:
    """Becomes, where it is unpickled, the signals that are blocked there."""

    def __reduce__(self):
        return signal.pthread_sigmask, (signal.SIG_BLOCK, ())


def remember(blocked):
    global _blocked
    _blocked = blocked


def blocked_then_and_now(task):
    return _blocked, signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_a_process_receives_signals_only_when_it_is_ready_to_end_without_a_traceback():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    ((at_first, later),) = unordered(blocked_then_and_now, ["a"], 1, remember, (MaskOnArrival(),))
    assert at_first >= set(STOP_SIGNALS) and not later & set(STOP_SIGNALS)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def endless(task):
    if task == "short":
        return task
    while True:
        time.sleep(60)


def test_a_signal_to_the_main_process_ends_the_others_in_the_middle_of_a_task():
    """Without that, this test does not end: one of them never does."""
    with pytest.raises(KeyboardInterrupt), on_stop():
        for _ in unordered(endless, ["endless", "short"], 2, nothing, ()):
            os.kill(os.getpid(), signal.SIGHUP)
