"""Scan a corpus: ``facetell scan``.

The corpus is listed in a fixed order. Files of the same size are hashed, to see which are the same. Each content is
scored once, and its verdict goes into the journal. When nothing is left, the results are written in the order of the
list. Their bytes do not depend on how often the run was stopped, or on which processes or machines did the work.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from facetell.batch.journal import Journal
from facetell.batch.local import local_engine
from facetell.batch.run import Engine, Progress, Show, Work, check_same, claimed, complete
from facetell.batch.scan_corpus import Corpus, key_of
from facetell.batch.scan_results import Counts, write_results
from facetell.batch.scan_source import Shard, Source
from facetell.batch.scan_work import is_unreadable, lost, make_reader, make_scorer
from facetell.detector import Detector
from facetell.types import FacetellError

WORK, RECORD, JOURNAL, LISTING, RUNS = "work", "run.json", "journal.jsonl", "listing.jsonl", "runs.jsonl"


def scan(
    source: Source,
    out: Path,
    detector: Detector,
    *,
    engine: Engine | None = None,
    shard: Shard | None = None,
    merge: Sequence[Path] = (),
    retry: bool = False,
    progress: Show = lambda state: None,
) -> Counts:
    """Score every video of a corpus once; resumes an earlier scan into the same folder.

    Args:
        source: of the videos.
        out: folder for the results; verdicts of an earlier scan into it are used.
        detector: of :func:`facetell.batch.scan_work.make_detector`; each process makes one like it.
        engine: does the work; by default one process of this machine.
        shard: only this part of the videos.
        merge: folders of other scans (of other parts, by other machines), whose verdicts are used.
        retry: score again what could not be read.
        progress: called now and then, and after each video.

    Raises:
        FacetellError: there is no video, or ``out`` or one of ``merge`` was begun with another model or other
            settings, is in use, or cannot be written.
    """
    # A verdict on any file has the provenance of all: versions, hashes, settings.
    provenance: dict[str, Any] = json.loads(json.dumps(detector(Path(os.devnull)).provenance))
    about = _about(detector, provenance)
    engine = engine or local_engine(1)
    started, scored, size = time.time(), 0, 0
    with claimed(out, out / WORK / RECORD, about, "scan"), contextlib.ExitStack() as stack:
        journal = Journal(out / WORK / JOURNAL, key_of, lambda line: retry and is_unreadable(line))
        stack.callback(journal.close)
        corpus = Corpus(source, shard or Shard(), out / WORK / LISTING, journal)
        for other in merge:
            if not (other / WORK / RECORD).is_file():
                raise FacetellError(
                    f"there is no scan in {other}, or one of another version of facetell; name a folder that this "
                    "version wrote to"
                )
            check_same(other / WORK / RECORD, about, other)
            corpus.merge(other / WORK / JOURNAL, retry)
        corpus.list(progress)
        unread = [*corpus.unread()]
        start = Progress("comparing", total=len(unread), size=sum(job.size for job in unread))
        for outcome in complete(Work(make_reader), unread, engine, journal, start, progress, sync=False):
            if outcome.fault:
                corpus.faults[outcome.job.name] = outcome.fault
        journal.add()
        work = Work(make_scorer, (detector.engine.path, detector.settings, provenance), lost)
        while sizes := [job.size for job in corpus.unscored()]:  # again if a video vanished that has a copy
            start = Progress("scoring", total=len(sizes), size=sum(sizes))
            for outcome in complete(work, corpus.unscored(), engine, journal, start, progress):
                size += outcome.job.size
                scored += bool(outcome.lines)
                if not outcome.lines:
                    corpus.faults[outcome.job.name] = outcome.fault
        progress(Progress("writing"))
        counts = write_results(corpus, out, detector, provenance)
        run = {
            "source": os.path.abspath(source.word) if source.word != "-" else "-",  # noqa: PTH100
            "shard": str(corpus.shard),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            "seconds": round(time.time() - started, 1),
            "scored": scored,
            "bytes": size,
            "left_out": counts.left_out,
        }
        with (out / RUNS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(run | counts.summary()) + "\n")
    return counts


def _about(detector: Detector, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What the verdicts depend on; of the version of Python, not the third number."""
    python = str(provenance["python"]).rpartition(".")[0]
    calibration = json.loads(json.dumps(asdict(detector.engine.info.calibration)))
    return {**provenance, "python": python, "calibration": calibration}
