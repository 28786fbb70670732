"""What a worker process does: one video after the other becomes a result and a report."""

from __future__ import annotations

import sys
import time
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markupsafe import Markup

from facetell.detector import Detector
from facetell.report.page import TEMPLATES, References, Report, content_policy
from facetell.report.result import write_result
from facetell.serve.files import sync
from facetell.serve.inspect import too_long
from facetell.serve.process import Link, Message
from facetell.types import FacetellError, Status, VideoVerdict

BEAT = 0.2  # seconds between two words on progress


@dataclass(frozen=True, slots=True)
class Order:
    """What a worker needs to know of a job; crosses to it as JSON.

    Attributes:
        video: its file.
        result: where the JSON goes.
        report: where the page goes.
        name: shown in place of the file's.
        duration: seconds beyond which it is not read, whatever its header said.
    """

    video: str
    result: str
    report: str
    name: str
    duration: float


class _TooLong(Exception):
    """A video runs longer than its header told and than is allowed."""


def work(link: Link, model: Path | str | None, settings: Any) -> None:
    """Load the model, then score what is ordered; a fault over one job is told and the next is taken."""
    try:
        scorer = Scorer(Detector(model, settings), link)
    except FacetellError as error:
        link.send({"kind": "fault", "message": str(error)})
        return
    link.send({"kind": "ready", "threshold": scorer.threshold, "model": scorer.model})
    while (message := link.receive()) is not None:
        link.send(scorer(Order(**message)))


class Scorer:
    """Turns an order into files and an answer."""

    def __init__(self, detector: Detector, link: Link) -> None:
        self._detector, self._link, self._told = detector, link, 0.0
        self._references = References(detector)
        self._policy = content_policy(*(Markup((TEMPLATES / f"report.{k}").read_text("utf-8")) for k in ("css", "js")))

    @property
    def threshold(self) -> float:
        """Probability from which on a face is called forged."""
        return self._detector.threshold

    @property
    def model(self) -> str:
        """Name of the model."""
        return self._detector.engine.info.name

    def __call__(self, order: Order) -> Message:
        """Score one video and write its result and report; both are on disk when this returns."""
        try:
            verdict = self._score(order)
            fault = self._store(order, verdict)
        except _TooLong as error:
            return {"kind": "failed", "message": str(error)}
        except FacetellError as error:
            return {"kind": "failed", "message": _without_path(str(error), order)}
        except Exception as error:  # whatever it is: it must not take the other jobs along
            traceback.print_exc(file=sys.stderr)
            return {"kind": "failed", "message": f"scoring it failed ({type(error).__name__}): tell the operator"}
        if fault:
            return {"kind": "failed", "message": fault}
        return {"kind": "done", "summary": summary_of(verdict, order), "policy": self._policy}

    def _score(self, order: Order) -> VideoVerdict:
        def progress(seconds: float, duration: float | None) -> None:
            if seconds > order.duration:
                raise _TooLong(too_long(seconds, order.duration))
            self._tell({"kind": "progress", "seconds": seconds, "duration": duration})

        return self._detector(order.video, progress)

    def _tell(self, message: Message) -> None:
        """Say how far it is, so that nobody takes it to hang; no more often than anybody needs."""
        if time.monotonic() - self._told > BEAT:
            self._told = time.monotonic()
            self._link.send(message)

    def _store(self, order: Order, verdict: VideoVerdict) -> str:
        """Write result and report; returns why that could not be done, else nothing."""
        shown = replace(
            verdict,
            path=order.name,
            message=_without_path(verdict.message, order),
            warnings=tuple(_without_path(warning, order) for warning in verdict.warnings),
        )
        page = Report(self._detector, references=self._references)
        page.add(verdict, shown, lambda seconds, duration: self._tell({"kind": "report"}))
        result, report = Path(order.result), Path(order.report)
        try:
            write_result([shown], result)
            page.write(report)
            for path in (result, report, result.parent):
                sync(path)
        except (FacetellError, OSError):
            return (
                "its result could not be stored (is the server's disk full?): tell the operator, then upload it again"
            )
        return ""


def summary_of(verdict: VideoVerdict, order: Order) -> dict[str, Any]:
    """What lists and pages show of a verdict."""
    return {
        "status": verdict.status.value,
        "verdict": verdict.verdict.value,
        "probability": verdict.probability,
        "interval": list(verdict.interval) if verdict.interval else None,
        "threshold": verdict.threshold,
        "message": _without_path(verdict.message, order),
        "warnings": [_without_path(warning, order) for warning in verdict.warnings],
        "faces": sum(track.status is Status.SCORED for track in verdict.tracks),
        "sha256": verdict.sha256,
    }


def _without_path(text: str, order: Order) -> str:
    """A sentence for the client: where the server keeps the file is none of its business."""
    return text.replace(order.video, "the file")
