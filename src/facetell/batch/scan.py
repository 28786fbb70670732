"""Scan a corpus: ``facetell scan``.

docs/scanning.md describes the steps. The journal has two kinds of lines: ``file`` has the content (SHA-256) that a file
had at a stamp; ``verdict`` is the result of a content. So a file that is renamed or copied is not scored again.
"""

from __future__ import annotations

import contextlib
import json
import os
from array import array
from bisect import bisect_left
from collections.abc import Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from facetell.batch.journal import Journal, Line
from facetell.batch.run import Engine, Job, Progress, Show, Work, claimed, complete, local_engine
from facetell.batch.scan_results import Counts, write_results
from facetell.batch.scan_source import Item, Shard, Source
from facetell.batch.scan_work import hash_content, is_unreadable, lost, make_scorer
from facetell.detector import Detector
from facetell.types import FacetellError
from facetell.video.find import LeftOut

WORK, RECORD, JOURNAL, LISTING = "work", "run.json", "journal.jsonl", "listing.jsonl"


class Corpus:
    """The videos of a part of a source, listed in a file, and the journal of their scan."""

    def __init__(self, source: Source, shard: Shard, work: Path, retry: bool) -> None:
        self.source, self.shard = source, shard
        self.faults: dict[str, str] = {}  # by name, why a video has no result, for a reason not in its content
        self.left_out = LeftOut()  # files that are not videos
        self._listing = work / LISTING
        self._sizes, self._known = array("q"), array("q")  # of the videos, and of the contents that have a verdict
        self.journal = Journal(work / JOURNAL, self._key_of, is_unreadable, retry=retry)

    def _key_of(self, line: Line) -> Hashable:
        """The key of a line: the name of a file, or a content with the suffix under which it was read and its size."""
        if "file" in line:
            _ = line["stamp"], line["content"]
            return str(line["file"])
        _ = line["verdict"]["status"]
        self._known.append(line["size"])
        return line["content"], line["suffix"], line["size"]

    def __iter__(self) -> Iterator[Item]:
        with self._listing.open(encoding="utf-8") as stream:
            for line in stream:
                yield Item(*json.loads(line))

    def list(self, show: Show) -> None:
        """Write the list of the videos, once: the source may change meanwhile. FacetellError: there is no video."""
        with self._listing.open("w", encoding="utf-8") as stream:
            for item in self.source.items(self.shard, self.left_out):
                stream.write(json.dumps(item) + "\n")
                self._sizes.append(item.size)
                if item.fault:
                    self.faults[item.name] = item.fault
                if len(self._sizes) % 1000 == 0:
                    show(Progress("listing", len(self._sizes)))
        sizes, counts = np.unique(self._sizes, return_counts=True)
        self._shared = array("q", sizes[counts > 1])
        if not self._sizes and self.shard.count == 1:
            instead = f"no video, but {self.left_out}" if self.left_out else "no video"
            raise FacetellError(f"{self.source.word} holds {instead}; name another folder")

    def content(self, item: Item) -> str | None:
        """The content of a file that has not changed since it was read; None if it is not known."""
        line = self.journal.get(item.name)
        return str(line["content"]) if line is not None and line["stamp"] == item.stamp else None

    def unread(self) -> Iterator[Job]:
        """Files that may have the content of another one: those of the same size, and folders of images."""
        known = array("q", np.unique(self._known))
        for item in self:
            may_be_same = item.size < 0 or self._is_shared(item) or _has(known, item.size)
            if may_be_same and item.name not in self.faults and self.content(item) is None:
                yield _job(item)

    def unscored(self) -> Iterator[Job]:
        """The first video of each content without a verdict."""
        seen: set[str] = set()
        for item in self:
            if item.name in self.faults:
                continue
            content = self.content(item)
            if content is None:
                yield _job(item)
            elif content not in seen:
                if self._is_shared(item):
                    seen.add(content)
                if (content, item.suffix, item.size) not in self.journal:
                    yield _job(item)

    def verdicts(self) -> Iterator[tuple[Item, dict[str, Any] | None, str]]:
        """Each video, the record of its verdict, and the earlier video of the same content ("" if there is none)."""
        first: dict[str, Item] = {}
        for item in self:
            content = None if item.name in self.faults else self.content(item)
            if content is None:
                yield item, None, ""
                continue
            head = first.setdefault(content, item) if self._is_shared(item) else item
            line = self.journal.get((content, head.suffix, head.size))
            yield item, line and line["verdict"], "" if line is None or head is item else head.name

    def _is_shared(self, item: Item) -> bool:
        """Whether another video has the same size, so that it may have the same content."""
        return _has(self._shared, item.size)


def _has(numbers: array[int], number: int) -> bool:
    """Whether a number is in a sorted array: a set of a million numbers takes ten times the memory."""
    place = bisect_left(numbers, number)
    return place < len(numbers) and numbers[place] == number


def _job(item: Item) -> Job:
    return Job(item.name, item, max(item.size, 0))


def scan(
    source: Source,
    out: Path,
    detector: Detector,
    *,
    engine: Engine | None = None,
    shard: Shard | None = None,
    retry: bool = False,
    language: str = "en",
    progress: Show = lambda state: None,
) -> Counts:
    """Score every video of a corpus once; resumes an earlier scan into the same folder.

    ``detector`` is of :func:`facetell.batch.scan_work.make_detector`; each process of ``engine`` (by default one of
    this machine) makes one like it. With ``retry``, what could not be read is scored again. ``language`` is that of the
    summary. ``progress`` is called now and then, and after each video.

    FacetellError: there is no video, or ``out`` has another model or other settings, is in use, or cannot be written.
    """
    # A verdict on any file has the provenance of all: versions, hashes, settings.
    provenance: dict[str, Any] = json.loads(json.dumps(detector(Path(os.devnull)).provenance))
    # What the verdicts depend on; of the version of Python, not the third number.
    about = provenance | {
        "python": str(provenance["python"]).rpartition(".")[0],
        "calibration": json.loads(json.dumps(asdict(detector.engine.info.calibration))),
    }
    engine = engine or local_engine(1)
    with claimed(out, out / WORK / RECORD, about, "scan"), contextlib.ExitStack() as stack:
        corpus = Corpus(source, shard or Shard(), out / WORK, retry)
        stack.callback(corpus.journal.close)
        corpus.list(progress)
        _hash_candidates(corpus, progress)
        work = Work(make_scorer, (detector.engine.path, detector.settings, provenance), lost)
        while sizes := [job.size for job in corpus.unscored()]:  # again if a video vanished that has a copy
            start = Progress("scoring", total=len(sizes), size=sum(sizes))
            for outcome in complete(work, corpus.unscored(), engine, corpus.journal, start, progress):
                if not outcome.lines:
                    corpus.faults[outcome.job.name] = outcome.fault
        progress(Progress("writing"))
        return write_results(corpus, out, detector, provenance, language)


def _hash_candidates(corpus: Corpus, show: Show) -> None:
    """Hash the files that may have the content of another one, in threads of this process."""
    sizes = [job.size for job in corpus.unread()]
    state = Progress("comparing", total=len(sizes), size=sum(sizes))
    show(state)
    jobs = corpus.unread()
    with ThreadPoolExecutor() as pool:
        while some := list(islice(jobs, 100)):
            for outcome in pool.map(hash_content, some):
                corpus.journal.add(*outcome.lines, sync=False)
                if outcome.fault:
                    corpus.faults[outcome.job.name] = outcome.fault
            read = state.read + sum(job.size for job in some)
            state = replace(state, done=state.done + len(some), read=read, last=some[-1].name)
            show(state)
    corpus.journal.add()
