"""Jobs at which processes end: each is tried twice, and lost only if the processes are not at fault."""

import os

import pytest

from facetell.batch.run import Job, Outcome, Work, local_engine
from facetell.processes import ProcessEnded
from facetell.types import FacetellError


def make(fault=""):
    if fault:
        raise FacetellError(fault)
    return do


def do(job):
    if job.task == "deadly":
        os._exit(1)
    return Outcome(job)


def lost(job):
    return Outcome(job, fault="lost")


def jobs(*tasks):
    return [Job(f"{number}", task) for number, task in enumerate(tasks)]


def test_if_processes_end_at_every_job_no_job_is_lost():
    done = []
    with pytest.raises(ProcessEnded, match=r"at 4 videos in a row, the last of them \d; .* run the same command again"):
        for outcome in local_engine(1)(Work(make, (), lost), jobs(*["deadly"] * 6)):
            done.append(outcome)
    assert done == []


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_that_keeps_a_process_from_working_is_raised(workers):
    with pytest.raises(FacetellError, match="no model"):
        list(local_engine(workers)(Work(make, ("no model",), lost), jobs("a")))
    assert list(local_engine(workers)(Work(make, ("no model",), lost), [])) == []
