"""Signals: the first one is handled, repeats do not interrupt what it started, ignored ones stay ignored."""

import os
import signal

import pytest

from facetell.cli.progress import Bar
from facetell.runtime import STOP_SIGNALS, on_stop
from facetell.train.run import Stop


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_the_first_signal_is_named_and_later_ones_have_no_effect_but_ctrl_c(number):
    before = {each: signal.getsignal(each) for each in STOP_SIGNALS}
    seen = []
    with on_stop(seen.append, again=lambda name: seen.append("again")):
        send(number)
        send(signal.SIGHUP)
        send(signal.SIGTERM)
        assert seen == [STOP_SIGNALS[number]]
        send(signal.SIGINT)
        assert seen == [STOP_SIGNALS[number], "again"]
    assert {each: signal.getsignal(each) for each in STOP_SIGNALS} == before


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_by_default_each_signal_interrupts(number):
    with on_stop():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                send(number)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_progress_interrupts_where_the_exception_of_a_signal_was_dropped():
    class Closed:
        def __del__(self):  # what is raised here is dropped, as in PyAV's generators
            send(signal.SIGHUP)

    with on_stop(), Bar("scoring") as bar:
        bar.update(1, 2)
        Closed()
        with pytest.raises(KeyboardInterrupt):
            bar.update(2, 2)


def test_the_innermost_block_reacts_and_the_outer_one_is_not_interrupted_afterwards():
    with on_stop():
        with Stop() as stop:
            assert not stop.asked()
            send(signal.SIGHUP)
            assert stop.asked() and stop.reason
        send(signal.SIGHUP)  # a closed terminal sends it twice
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_a_signal_that_is_ignored_at_the_start_stays_ignored():
    """As SIGHUP is under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    seen = []
    try:
        with on_stop(seen.append):
            send(signal.SIGHUP)
        assert seen == [] and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)
