"""What is done with one video of a corpus, in whichever process or on whichever machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import cv2

from facetell.detector import Detector, Settings
from facetell.engine import DEFAULT_MODEL
from facetell.processes import ended_if_silent
from facetell.scan.record import HERE, to_record, unreadable
from facetell.scan.source import Item, look
from facetell.types import Status
from facetell.video.source import content_sha256

CHANGED = "it changed while it was being scanned: run the same command again once it is complete"
LOST = (
    "every process that read it was ended from outside or stood still for minutes; there may be too little memory for "
    "it, or it breaks a decoder"
)
SILENT = 600.0  # seconds without a picture, after which a process is taken to hang
SLOWEST = 10e6  # bytes a second: a file is read to its end without a picture for its hash, which may take longer


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a video.

    Attributes:
        item: the video.
        content: SHA-256 of what is in it; None where that was not found out.
        record: of the verdict, see :mod:`facetell.scan.record`; None where it was not scored.
        fault: why neither could be had, for a reason that does not lie in the content; "" where there is none.
    """

    item: Item
    content: str | None = None
    record: dict[str, Any] | None = None
    fault: str = ""

    def to_json(self) -> str:
        """One line of text; floats keep every bit."""
        return json.dumps(asdict(self) | {"item": self.item.to_json()})

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """Undo :meth:`to_json`."""
        fields = json.loads(text)
        return cls(**fields | {"item": Item.from_json(fields["item"])})


class Engine(Protocol):
    """What carries out the work: processes of this machine, or a cluster. Outcomes come in any order."""

    def contents(self, items: Iterable[Item]) -> Iterator[Outcome]:
        """What each of these holds."""

    def verdicts(self, items: Iterable[Item]) -> Iterator[Outcome]:
        """The verdict on each of these, which are drawn as they are needed."""


def make_detector(model: Path | str = DEFAULT_MODEL, settings: Settings | None = None) -> Detector:
    """The detector of one process; processes share the cores, so it takes one thread, whatever the settings say."""
    cv2.setNumThreads(1)
    return Detector(model, replace(settings or Settings(), threads=1))


def score(detector: Detector, item: Item, silent: float = SILENT) -> Outcome:
    """Score a video; whatever is wrong with it is said in what comes out, never an exception.

    Where for ``silent`` seconds no picture comes of it, this process ends; of large files it has longer.
    """
    if _stamp(item) != item.stamp:
        return Outcome(item, fault=_why_gone(item))
    try:
        with ended_if_silent(silent + max(item.size, 0) / SLOWEST) as alive:
            verdict = detector(item.path, lambda seconds, duration: alive())
    except Exception as error:  # whatever it is: days of other videos must not end with this one
        text = (str(error).strip().splitlines() or [""])[0]
        verdict = unreadable(item.path, f"{item.path} broke the reader ({type(error).__name__}: {text})", {})
    content = verdict.sha256 or content_sha256(item.path)
    if content is None or _stamp(item) != item.stamp:
        return Outcome(item, fault=_named(verdict.message, item) if content is None else _why_gone(item))
    return Outcome(item, content, to_record(verdict))


def read_item(item: Item) -> Outcome:
    """Find out what a video holds, without looking at it."""
    content = content_sha256(item.path)
    if content is None or _stamp(item) != item.stamp:
        return Outcome(item, fault=_why_gone(item))
    return Outcome(item, content)


def lost(item: Item) -> Outcome:
    """What is said of a video over which processes died."""
    content = content_sha256(item.path)
    if content is None:
        return Outcome(item, fault=_why_gone(item))
    return Outcome(item, content, to_record(unreadable(HERE, f"{HERE}: {LOST}", {})))


def _stamp(item: Item) -> str | None:
    """As it is now; None where it is gone."""
    try:
        return look(item.path)[1]
    except (OSError, ValueError):
        return None


def _why_gone(item: Item) -> str:
    """Why a file is not what was listed."""
    try:
        if look(item.path)[1] != item.stamp:
            return f"{item.name}: {CHANGED}"
        if not os.access(item.path, os.R_OK):
            return f"{item.name} may not be read: change its permissions"
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        return f"{item.name} was there and is gone ({reason}): mend that, and run the same command again"
    return f"{item.name} cannot be read: check the disk or the network, and run the same command again"


def _named(message: str, item: Item) -> str:
    return message.replace(item.path, item.name)


def is_unreadable(record: dict[str, Any]) -> bool:
    """Whether a record says that there is nothing to be had from the video."""
    return bool(record["status"] == Status.UNREADABLE)
