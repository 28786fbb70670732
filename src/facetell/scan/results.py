"""The results of a scan, put together from its journal: one video after the other, in the order of the corpus."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from facetell.datasets.manifest import Entry, fingerprint
from facetell.detector import Settings
from facetell.engine import ModelInfo
from facetell.evaluate.scoring_jobs import CLEAN, Job, ScoringSettings, failed, rows_of
from facetell.report.corpus import Page
from facetell.report.result import to_result
from facetell.report.words import plain_text
from facetell.scan.journal import Journal
from facetell.scan.record import from_record, unreadable
from facetell.scan.source import Item
from facetell.scan.tables import SCORES, TRACKS, VIDEOS, Table, score_cells, track_cells, video_cells
from facetell.types import NOT_READ, Status, VideoVerdict

ERRORS, VERDICTS, SUMMARY, ABOUT = "errors.csv", "results.jsonl", "summary.html", "about.json"
FILES = ("videos.parquet", "tracks.parquet", "scores.parquet", VERDICTS, ERRORS, SUMMARY, ABOUT)
MISSED = "it was not scored: run the same command again"


@dataclass(frozen=True, slots=True)
class Corpus:
    """What results are made from.

    Attributes:
        items: gives the videos in their order, as often as it is called.
        journal: what was said of their contents.
        faults: by name, why nothing was said, for a reason that does not lie in the content.
        jobs: by name, the rows of the manifest; empty where there is none.
        about: ``provenance`` and ``calibration``.
        info: of the model.
        shard: which part of the corpus it is, "1/1" for all.
    """

    items: Callable[[], Iterator[Item]]
    journal: Journal
    faults: Mapping[str, str]
    jobs: Mapping[str, Job]
    about: Mapping[str, Any]
    info: ModelInfo
    shard: str

    def job(self, item: Item) -> Job:
        """The rows of the manifest that speak of a video; without a manifest one, which knows nothing of it."""
        return self.jobs.get(item.name) or Job(0, item.name, (Entry(plain_text(item.name), None, "test"),))

    def results(self) -> Iterator[tuple[Item, VideoVerdict, str]]:
        """Each video with its verdict and the video that was scored in its stead, of the same content ("" mostly)."""
        first: dict[str, Item] = {}
        provenance = self.about["provenance"]
        for item in self.items():
            content = None if item.name in self.faults else self.journal.content(item)
            head = first.setdefault(content, item) if content is not None else item
            record = self.journal.verdict((content, head.suffix)) if content is not None else None
            if record is None:
                message = self.faults.get(item.name, f"{item.name}: {MISSED}")
                yield item, unreadable(item.name, message, provenance), ""
            else:
                yield item, from_record(record, item.name, provenance), "" if head is item else head.name


@dataclass(slots=True)
class Counts:
    """How many videos came out how; ``searches`` are folders that could not be searched.

    ``left_out`` says which other files the folder holds, see :class:`facetell.video.find.LeftOut`.
    """

    statuses: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    duplicates: int = 0
    searches: int = 0
    left_out: str = ""

    @property
    def videos(self) -> int:
        """All videos."""
        return self.statuses.total()

    @property
    def errors(self) -> int:
        """Lines of the error ledger."""
        return self.statuses[Status.UNREADABLE.value] + self.searches

    def summary(self) -> dict[str, Any]:
        """As plain numbers."""
        return {
            "videos": self.videos,
            "statuses": dict(sorted(self.statuses.items())),
            "verdicts": dict(sorted(self.verdicts.items())),
            "duplicates": self.duplicates,
            "errors": self.errors,
        }


def write_results(corpus: Corpus, out: Path, threshold: float) -> Counts:
    """Write all result files; each appears whole, in place of an earlier one, when the last of them is written.

    Raises:
        OSError: the folder cannot be written.
    """
    counts = Counts()
    temporary = {name: out / f".{name}.tmp" for name in FILES}
    try:
        with ExitStack() as stack:
            _write(corpus, temporary, threshold, counts, stack)
        for name, path in temporary.items():
            path.replace(out / name)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    return counts


def _write(corpus: Corpus, paths: Mapping[str, Path], threshold: float, counts: Counts, stack: ExitStack) -> None:
    about = _about(corpus)
    videos, tracks, scores = (
        stack.enter_context(Table(paths[f"{name}.parquet"], columns, about))
        for name, columns in (("videos", VIDEOS), ("tracks", TRACKS), ("scores", SCORES))
    )
    lines = _text(stack, paths[VERDICTS])
    errors = csv.writer(_text(stack, paths[ERRORS]), lineterminator="\n", quoting=csv.QUOTE_ALL)  # or "\r" breaks lines
    errors.writerow(("path", "reason"))
    page = Page(about, threshold)
    for item, verdict, same in corpus.results():
        if verdict.status is Status.UNREADABLE:
            # As it is, be it a formula to a spreadsheet: by its path a file is found again.
            errors.writerow((plain_text(item.name), plain_text(verdict.message)))
            page.add_error(item.name, verdict.message)
        if item.is_search:
            counts.searches += 1
            continue
        counts.statuses[verdict.status.value] += 1
        counts.verdicts[verdict.verdict.value] += 1
        counts.duplicates += bool(same)
        lines.write(json.dumps(to_result([verdict])["videos"][0], ensure_ascii=False) + "\n")
        videos.add(video_cells(verdict, same))
        for track in verdict.tracks:
            tracks.add(track_cells(verdict, track))
        job = corpus.job(item)
        if verdict.status in NOT_READ:
            rows = failed(job, CLEAN, verdict.status)
        else:
            rows = rows_of(job, verdict.tracks, CLEAN, corpus.info, verdict.duration)
        for row in rows:
            scores.add(score_cells(job, row))
        page.add(verdict, same)
    _text(stack, paths[SUMMARY]).write(page.html(counts.summary()))
    _text(stack, paths[ABOUT]).write(json.dumps(about | {"counts": counts.summary()}, indent=1) + "\n")


def _text(stack: ExitStack, path: Path) -> TextIO:
    return stack.enter_context(path.open("w", encoding="utf-8", newline="\n"))


def _about(corpus: Corpus) -> dict[str, Any]:
    """What made the results, as score files tell it."""
    provenance = corpus.about["provenance"]
    rows = (entry for item in corpus.items() if not item.is_search for entry in corpus.job(item).entries)
    of_detector = {
        name: provenance["settings"][name] for name in ("clips_per_second", "max_clips", "max_faces", "image_rate")
    }
    about = {
        "model": provenance["model"],
        "calibration": corpus.about["calibration"],
        "min_face_width": corpus.info.min_face_width,
        "facetell": provenance["facetell"],
        "engine": provenance["engine"],
        "settings": ScoringSettings(Settings(**of_detector)).about(),
        "manifest": fingerprint(rows),
    }
    return about if corpus.shard == "1/1" else about | {"shard": corpus.shard}
