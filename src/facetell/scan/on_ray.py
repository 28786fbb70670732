"""A scan by a Ray cluster, with Ray Data: the same work in the same way, so the same results.

The driver lists the corpus, keeps the journal and writes the results; the cluster reads and scores. Each video is a
block of its own: what is lost with a worker or a machine is the videos that it was at, and Ray hands these to others.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import ray
import ray.data

from facetell.detector import Settings
from facetell.scan.run import MakeEngine
from facetell.scan.source import Item
from facetell.scan.work import Outcome, lost, make_detector, read_item, score
from facetell.types import FacetellError

TRIES = 3
"""Workers that may end over one video: machines of a cluster come and go for reasons of their own."""
AHEAD = 2
"""Videos that a worker is given at once, so that it need not wait for the next."""
PER_WAVE = 200
"""Videos a worker in one run of Ray Data, which holds them all: enough to forget its start, whatever the corpus."""


def ray_engine(workers: int | None = None, address: str | None = None) -> MakeEngine:
    """Makes the engine that works on a Ray cluster; where there is none, on one that is started here for the time.

    Args:
        workers: how many, one CPU each; all CPUs of the cluster by default.
        address: of the cluster; by default RAY_ADDRESS, or the one that runs on this machine.

    Raises:
        FacetellError: the cluster cannot be reached (when the engine is made).
    """
    return lambda model, settings, provenance: OnRay(model, settings, provenance, workers, address)


class OnRay:
    """A Ray cluster, each worker with a model of its own.

    Args:
        model: ONNX file; it lies at the same place on every machine.
        settings: of the detectors.
        provenance: what the verdicts of every worker must say of themselves, or results would be mixed.
        workers: see :func:`ray_engine`.
        address: see :func:`ray_engine`.
    """

    def __init__(
        self,
        model: Path,
        settings: Settings,
        provenance: Mapping[str, object],
        workers: int | None = None,
        address: str | None = None,
    ) -> None:
        _begin(address)
        self._scorer = (model, settings, dict(provenance))
        self._workers = workers or int(ray.cluster_resources().get("CPU", 1))

    def contents(self, items: Iterable[Item]) -> Iterator[Outcome]:
        """What each of these holds."""
        return self._run(items, _read, {"num_cpus": 1})

    def verdicts(self, items: Iterable[Item]) -> Iterator[Outcome]:
        """The verdict on each of these.

        Raises:
            FacetellError: a worker has another model or other software than the driver.
        """
        tries = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(_Tries).remote()
        pool = ray.data.ActorPoolStrategy(size=self._workers, max_tasks_in_flight_per_actor=AHEAD)
        how = {"num_cpus": 1, "compute": pool, "fn_constructor_args": (*self._scorer, tries)}
        return self._run(items, _Scorer, how)

    def _run(self, items: Iterable[Item], work: Callable[..., Any], how: dict[str, Any]) -> Iterator[Outcome]:
        """Do something with each item, a block and so a task each; results as they come."""
        waiting = iter(items)
        while rows := [{"item": item.to_json()} for item in islice(waiting, PER_WAVE * self._workers)]:
            blocks = ray.data.from_items(rows, override_num_blocks=len(rows)).map(work, **how)
            yield from _outcomes(blocks)


def _outcomes(blocks: Any) -> Iterator[Outcome]:
    """What comes out of Ray Data, as it comes."""
    try:
        for batch in blocks.iter_batches(batch_size=None, prefetch_batches=0):
            for text in batch["outcome"]:
                yield Outcome.from_json(str(text))
    except ray.exceptions.RayError as error:
        lines = str(error).strip().splitlines()
        # What a worker said itself comes last, behind the places where it was said.
        ours = [line.partition("FacetellError: ")[2] for line in lines if "FacetellError: " in line]
        if ours:
            raise FacetellError(ours[-1]) from None
        raise FacetellError(f"the Ray cluster gave up ({lines[0]}); run the same command again to go on") from None


def _begin(address: str | None) -> None:
    """Join the cluster, or start one in this machine; a process has one, for all its scans."""
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_consecutive_actor_init_deaths = TRIES - 1
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told of this
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what matters is said in a sentence
    how: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    try:
        ray.init(address=address, **how)
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = f" at {address}" if address else ""
        sentence = str(error).strip().splitlines()[0]
        raise FacetellError(f"there is no Ray cluster{where} ({sentence}); start one with `ray start --head`") from None


class _Tries:
    """Counts how often a video was begun and not finished."""

    def __init__(self) -> None:
        self._begun: dict[str, int] = {}

    def begin(self, name: str) -> int:
        """How often it has been begun, with this time."""
        self._begun[name] = self._begun.get(name, 0) + 1
        return self._begun[name]

    def end(self, name: str) -> None:
        """It is done."""
        self._begun.pop(name, None)


class _Scorer:
    """Scores videos in a worker of the cluster."""

    def __init__(self, model: Path, settings: Settings, provenance: Mapping[str, object], tries: Any) -> None:
        self._detector, self._tries = make_detector(model, settings), tries
        here = self._detector(Path(os.devnull)).provenance
        differs = [name for name in provenance if here.get(name) != provenance[name]]
        if differs:
            raise FacetellError(
                f"the machine {ray.util.get_node_ip_address()} has another {differs[0]} than the one that started the "
                f"scan ({here.get(differs[0])}, not {provenance[differs[0]]}); set it up alike"
            )

    def __call__(self, row: dict[str, Any]) -> dict[str, str]:
        """A row with an item; a row with what became of it."""
        item = Item.from_json(str(row["item"]))
        begun = ray.get(self._tries.begin.remote(item.name))
        outcome = lost(item) if begun > TRIES else score(self._detector, item)
        self._tries.end.remote(item.name)
        return {"outcome": outcome.to_json()}


def _read(row: dict[str, Any]) -> dict[str, str]:
    """A row with an item; a row with what it holds."""
    return {"outcome": read_item(Item.from_json(str(row["item"]))).to_json()}
