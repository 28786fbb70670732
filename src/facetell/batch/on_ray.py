"""Run jobs on a Ray cluster with Ray Data. The driver keeps the list of jobs and the journal; the workers do the jobs.

Each job is a block of its own: if a worker or a machine is lost, Ray gives the jobs that it was doing to others.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import ray
import ray.data

from facetell.batch.run import Engine, Job, Outcome, Work
from facetell.types import FacetellError

TRIES = 3  # workers that may end at one job: machines of a cluster come and go for reasons of their own
AHEAD = 2  # jobs that a worker is given at once, so that it is never idle
PER_WAVE = 200  # jobs per worker in one Ray Data pipeline, which holds them all in memory; its start is slow


def ray_engine(workers: int | None = None, address: str | None = None) -> Engine:
    """The engine that works on a Ray cluster: at ``address``, at RAY_ADDRESS, on this machine, or one started here.

    Each of ``workers`` uses one CPU; None: as many as the cluster has. FacetellError: the cluster cannot be reached.
    """
    if not ray.is_initialized():  # a process has one cluster for all its runs
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # errors are reported as one message
        try:
            ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            where, why = f" at {address}" if address else "", str(error).strip().splitlines()[0]
            raise FacetellError(f"there is no Ray cluster{where} ({why}); start one with `ray start --head`") from None
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_consecutive_actor_init_deaths = TRIES - 1
    size = workers or int(ray.cluster_resources().get("CPU", 1))

    def run(work: Work, jobs: Iterable[Job]) -> Iterator[Outcome]:
        tries = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Tries).remote()
        pool = ray.data.ActorPoolStrategy(size=size, max_tasks_in_flight_per_actor=AHEAD)
        options = {"num_cpus": 1, "compute": pool, "fn_constructor_args": (work.make, work.arguments, tries)}
        waiting = iter(jobs)
        while rows := [{"job": pickle.dumps(job)} for job in islice(waiting, PER_WAVE * size)]:
            blocks = ray.data.from_items(rows, override_num_blocks=len(rows)).map(_Worker, **options)
            for outcome in _outcomes(blocks):
                yield work.lost(outcome) if isinstance(outcome, Job) else outcome

    return run


def _outcomes(blocks: Any) -> Iterator[Any]:
    """The results of a Ray Data pipeline, as they come."""
    try:
        for batch in blocks.iter_batches(batch_size=None, prefetch_batches=0):
            for text in batch["outcome"]:
                yield pickle.loads(text)
    except ray.exceptions.RayError as error:
        lines = str(error).strip().splitlines()
        # The message of a worker comes last, after the stack traces.
        if ours := [line.partition("FacetellError: ")[2] for line in lines if "FacetellError: " in line]:
            raise FacetellError(ours[-1]) from None
        raise FacetellError(f"the Ray cluster failed ({lines[0]}); run the same command again to resume") from None


class _Tries:
    """Counts how often a job was begun and not finished."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()

    def begin(self, name: str) -> int:
        """How often it has been begun, including this time."""
        self._begun[name] += 1
        return self._begun[name]

    def end(self, name: str) -> None:
        """Forget a finished job."""
        del self._begun[name]


class _Worker:
    """Does jobs in an actor of the cluster."""

    def __init__(self, make: Callable[..., Callable[[Job], Outcome]], arguments: tuple[Any, ...], tries: Any) -> None:
        self._do, self._tries = make(*arguments), tries

    def __call__(self, row: dict[str, Any]) -> dict[str, bytes]:
        """The outcome of a job, or the job itself if too many workers ended at it."""
        job = pickle.loads(row["job"])
        outcome = job if ray.get(self._tries.begin.remote(job.name)) > TRIES else self._do(job)
        self._tries.end.remote(job.name)
        return {"outcome": pickle.dumps(outcome)}
