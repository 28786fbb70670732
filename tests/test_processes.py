"""Work in processes that may hang."""

import os
import re
import signal
import time

import pytest

from facetell.processes import ProcessEnded, ended_if_silent, unordered
from facetell.runtime import on_stop


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
