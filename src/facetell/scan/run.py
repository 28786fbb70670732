"""Scan a corpus: ``facetell scan``.

First the corpus is listed, in a fixed order. Files whose size another one has, too, are read to see which are the
same. Then each content is scored once, and what is said of it goes into the journal. When nothing is left, the results
are put together in the order of the list. So a run may end at any moment and go on later, and the results are the same
to the last byte whatever ended it in between, and whichever processes or machines did the work.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from facetell.datasets.ledger import append_line
from facetell.detector import Detector, Settings
from facetell.files import write_text
from facetell.scan.journal import Journal
from facetell.scan.local import Local
from facetell.scan.results import Corpus, Counts, write_results
from facetell.scan.source import Item, Shard, Source
from facetell.scan.work import Engine, Outcome, is_unreadable
from facetell.types import FacetellError
from facetell.video.find import LeftOut

WORK, ABOUT, JOURNAL, LISTING, RUNS = "work", "about.json", "journal.jsonl", "listing.jsonl", "runs.jsonl"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, since it began: ``done`` of ``total`` videos, ``read`` of ``size`` bytes, ``failed`` videos.

    ``step`` says what is being done; ``last`` is the video that was done last.
    """

    step: str
    done: int = 0
    total: int = 0
    read: int = 0
    size: int = 0
    failed: int = 0
    last: str = ""


Show = Callable[[Progress], None]
MakeEngine = Callable[[Path, Settings, Mapping[str, object]], Engine]


def local_engine(workers: int) -> MakeEngine:
    """Makes the engine that works with so many processes of this machine."""
    return lambda model, settings, provenance: Local(model, settings, workers)


def scan(
    source: Source,
    out: Path,
    detector: Detector,
    *,
    make_engine: MakeEngine | None = None,
    shard: Shard | None = None,
    merge: Sequence[Path] = (),
    retry: bool = False,
    progress: Show = lambda state: None,
) -> Counts:
    """Score every video of a corpus once; goes on where an earlier scan into the same folder stopped.

    Args:
        source: of the videos.
        out: folder of the results; it may hold those of an earlier scan, whose verdicts are used.
        detector: of :func:`facetell.scan.work.make_detector`; each process makes itself one like it.
        make_engine: what does the work, one process of this machine by default.
        shard: only this part of the videos.
        merge: folders of other scans (of other parts, by other machines), whose verdicts are used.
        retry: score anew what could not be read.
        progress: called now and then, and after each video.

    Returns:
        How many videos came out how.

    Raises:
        FacetellError: the source names no video, ``out`` or one of ``merge`` is of another model or other settings,
            is at work in another run, or cannot be written.
    """
    # The verdict on no video tells what every verdict does: versions, hashes, settings.
    about = _about(detector, detector(Path(os.devnull)).provenance)
    started = time.time()
    with _unwritable(out), _claimed(out, about), contextlib.ExitStack() as stack:
        journal = Journal(out / WORK / JOURNAL, retry=retry)
        stack.callback(journal.close)
        for other in merge:
            _compare(other / WORK / ABOUT, about, other)
            journal.take_over(other / WORK / JOURNAL)
        run = _Run(source, out, shard or Shard(), journal, progress)
        run.list()
        engine = (make_engine or local_engine(1))(detector.engine.path, detector.settings, about["provenance"])
        run.read_same_sizes(engine)
        while run.score(engine):  # where a video vanished, another of the same content takes its place
            pass
        progress(Progress("writing"))
        corpus = Corpus(run.items, journal, run.faults, source.jobs(), about, detector.engine.info, str(run.shard))
        counts = write_results(corpus, out, detector.threshold)
        counts.left_out = str(run.left_out)
        line = {
            "source": os.path.abspath(source.word) if source.word != "-" else "-",  # noqa: PTH100
            "shard": str(run.shard),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            "seconds": round(time.time() - started, 1),
            "scored": run.scored,
            "bytes": run.read,
            "left_out": counts.left_out,
        }
        append_line(out / RUNS, line | counts.summary())
    return counts


class _Run:
    """The steps of a scan."""

    def __init__(self, source: Source, out: Path, shard: Shard, journal: Journal, progress: Show) -> None:
        self.source, self.shard, self.journal = source, shard, journal
        self.faults: dict[str, str] = {}
        self.scored = self.read = 0
        self.left_out = LeftOut()
        self._listing = out / WORK / LISTING
        self._show = progress
        self._sizes: Counter[int] = Counter()

    def list(self) -> None:
        """Write down what there is, once: the corpus may change while it is scanned."""
        count = 0
        with self._listing.open("w", encoding="utf-8") as stream:
            for item in self.source.items(self.shard, self.left_out):
                stream.write(item.to_json() + "\n")
                self._sizes[item.size] += 1
                if item.fault:
                    self.faults[item.name] = item.fault
                count += 1
                if count % 1000 == 0:
                    self._show(Progress("listing", count))
        if not count and self.shard.count == 1:
            instead = f"no video, but {self.left_out}" if self.left_out else "no video"
            raise FacetellError(f"{self.source.word} holds {instead}; name another {self.source.kind}")

    def items(self) -> Iterator[Item]:
        """What there is, in order."""
        with self._listing.open(encoding="utf-8") as stream:
            yield from map(Item.from_json, stream)

    def read_same_sizes(self, engine: Engine) -> None:
        """Find out what is in files that may be the same as another: those of one size, and folders of pictures."""
        unknown = [item for item in self.items() if self._may_be_same(item)]
        size = sum(max(item.size, 0) for item in unknown)
        read = 0
        for done, outcome in enumerate(engine.contents(unknown), 1):
            if outcome.content is None:
                self.faults[outcome.item.name] = outcome.fault
            else:
                self.journal.add_content(outcome.item, outcome.content)
            read += max(outcome.item.size, 0)
            self._show(Progress("comparing", done, len(unknown), read, size, last=outcome.item.name))
        self.journal.flush()

    def _may_be_same(self, item: Item) -> bool:
        if item.name in self.faults or self.journal.content(item) is not None:
            return False
        return item.size < 0 or self._sizes[item.size] > 1 or self.journal.may_be_known(item)

    def _missing(self) -> Iterator[Item]:
        """The first video of each content on which nothing has been said."""
        seen: set[str] = set()
        for item in self.items():
            if item.name in self.faults:
                continue
            content = self.journal.content(item)
            if content is None:
                yield item
            elif content not in seen:
                seen.add(content)
                if (content, item.suffix) not in self.journal:
                    yield item

    def score(self, engine: Engine) -> int:
        """Score what is missing; the number of videos that this was tried on."""
        total = size = 0
        for item in self._missing():
            total, size = total + 1, size + max(item.size, 0)
        done = read = failed = 0
        self._show(Progress("scoring", 0, total, 0, size))
        for outcome in engine.verdicts(self._missing()) if total else ():
            failed += not self._put_down(outcome)
            done, read = done + 1, read + max(outcome.item.size, 0)
            self._show(Progress("scoring", done, total, read, size, failed, outcome.item.name))
        self.read += read
        return total

    def _put_down(self, outcome: Outcome) -> bool:
        """Whether it could be read."""
        item = outcome.item
        if outcome.content is None or outcome.record is None:
            self.faults[item.name] = outcome.fault
            return False
        self.journal.add_verdict(item, outcome.content, outcome.record)
        self.scored += 1
        return not is_unreadable(outcome.record)


def _about(detector: Detector, provenance: Mapping[str, object]) -> dict[str, Any]:
    """What makes the results what they are, as they are: nothing of when, where or by how many processes."""
    about = {"provenance": provenance, "calibration": asdict(detector.engine.info.calibration)}
    plain: dict[str, Any] = json.loads(json.dumps(about))
    return plain


@contextlib.contextmanager
def _unwritable(out: Path) -> Iterator[None]:
    """Tell a folder that fails in a sentence."""
    try:
        yield
    except OSError as error:
        raise FacetellError(
            f"{out} cannot be written ({error.strerror or error}); mend that, and run the same command again to go on"
        ) from None


@contextlib.contextmanager
def _claimed(out: Path, about: Mapping[str, Any]) -> Iterator[None]:
    """Make the folder of a scan, or make sure that the one that is there is of the same kind and nobody is at it."""
    if out.exists() and not out.is_dir():
        raise FacetellError(f"{out} is a file; name a folder for the results")
    if out.is_dir() and not (out / WORK).exists() and any(out.iterdir()):
        raise FacetellError(f"{out} holds something else already; name a new folder")
    (out / WORK).mkdir(parents=True, exist_ok=True)
    handle = os.open(out, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # goes with the process, however that ends
        except BlockingIOError:
            raise FacetellError(f"another `facetell scan` is at work in {out}; wait for its end") from None
        for left in (*out.glob(".*.tmp"), *(out / WORK).glob(".*.tmp")):  # of a run that was ended while it wrote
            left.unlink()
        path = out / WORK / ABOUT
        if path.exists():
            _compare(path, about, out)
        else:
            write_text(path, json.dumps(about, indent=1) + "\n")
        yield
    finally:
        os.close(handle)


def _compare(path: Path, about: Mapping[str, Any], out: Path) -> None:
    """Make sure that what another run said, this one would have said.

    Raises:
        FacetellError: it was of another model, version or other settings, or is no scan.
    """
    try:
        begun = json.loads(path.read_text(encoding="utf-8"))
        old, new = _that_counts(begun), _that_counts(about)
    except FileNotFoundError:
        raise FacetellError(f"there is no scan in {out}; name a folder that `facetell scan` wrote to") from None
    except (ValueError, KeyError, TypeError):
        raise FacetellError(f"{path} is not what `facetell scan` wrote; name a new folder") from None
    words = {
        "model": "another model",
        "calibration": "another calibration of the model",
        "engine": "another engine or precision",
        "settings": "other settings",
        "libraries": "other versions of libraries",
    }
    if "libraries" not in old:  # as it was written before they were noted
        new.pop("libraries", None)
    differs = next((key for key in new if old.get(key) != new[key]), None)
    if differs is not None:
        raise FacetellError(
            f"{out} was begun with {words.get(differs, 'another version of software')} (see {WORK}/{ABOUT} there); "
            "go on as it was begun, or name a new folder"
        )


def _that_counts(about: Mapping[str, Any]) -> dict[str, Any]:
    """What makes the results what they are, by name; of Python the third number does not."""
    provenance = about["provenance"]
    python = str(provenance["python"]).split(".")[:2]
    return {**provenance, "python": python, "calibration": about["calibration"]}
