"""Work in processes that may hang."""

import re
import time

import pytest

from facetell.processes import ProcessEnded, ended_if_silent, unordered


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
