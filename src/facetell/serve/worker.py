"""The process that scores: it turns each video into a result and a report."""

from __future__ import annotations

import sys
import time
import traceback
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

from facetell.detector import Detector, Settings
from facetell.files import sync
from facetell.report.page import Report, content_policy
from facetell.report.result import write_result
from facetell.serve.inspect import too_long
from facetell.serve.models import Summary
from facetell.serve.process import Done, Order, Progress, Rejected, Started, send
from facetell.types import FacetellError, Status, VideoVerdict

BEAT = 0.2  # seconds between two messages about progress


def work(connection: Connection, model: Path | str | None, settings: Settings) -> None:
    """Load the model, then score one video after the other; an error over one of them does not end the process."""
    try:
        detector = Detector(model, settings)
        scorer = Scorer(detector, connection)
    except FacetellError as error:
        send(connection, Rejected(message=str(error)))
        return
    send(connection, Started(model=detector.engine.info.name, threshold=detector.threshold))
    while True:
        send(connection, scorer(connection.recv()))


class Scorer:
    """Executes orders with one detector."""

    def __init__(self, detector: Detector, connection: Connection) -> None:
        self._detector, self._connection, self._sent = detector, connection, 0.0

    def __call__(self, order: Order) -> Done | Rejected:
        """Score one video and write its result and report; both are on disk when this returns."""
        try:
            verdict = self._score(order)
            shown = replace(
                verdict,
                path=order.name,
                message=_without_path(verdict.message, order),
                warnings=tuple(_without_path(warning, order) for warning in verdict.warnings),
            )
            report = Report(self._detector)
            report.add(verdict, shown, lambda seconds, duration: self._report(1.0))
            done = Done(summary=_summary(shown, report.thumbnail), policy=content_policy())
        except FacetellError as error:
            return Rejected(message=_without_path(str(error), order))
        except Exception as error:  # whatever it is, the jobs after it must be scored
            traceback.print_exc(file=sys.stderr)
            return Rejected(message=f"scoring it failed ({type(error).__name__}): report it to the server's operator")
        try:
            write_result([shown], order.result)
            report.write(order.report)
            for path in (order.result, order.report, order.result.parent):
                sync(path)
        except (FacetellError, OSError):
            return Rejected(
                message="its result could not be stored (is the server's disk full?): "
                "report it to the server's operator, then upload it again"
            )
        return done

    def _score(self, order: Order) -> VideoVerdict:
        def progress(seconds: float, duration: float | None) -> None:
            if seconds > order.duration:  # longer than its header states
                raise too_long(seconds, order.duration)
            self._report(min(1.0, seconds / duration) if duration else None)

        return self._detector(str(order.video), progress)

    def _report(self, share: float | None) -> None:
        """Send the progress, unless the last message is recent."""
        if time.monotonic() - self._sent > BEAT:
            self._sent = time.monotonic()
            send(self._connection, Progress(share=share))


def _summary(verdict: VideoVerdict, thumbnail: str | None) -> Summary:
    return Summary(
        status=verdict.status,
        verdict=verdict.verdict,
        probability=verdict.probability,
        interval=verdict.interval,
        threshold=verdict.threshold,
        message=verdict.message,
        warnings=list(verdict.warnings),
        faces=sum(track.status is Status.SCORED for track in verdict.tracks),
        sha256=verdict.sha256,
        thumbnail=thumbnail,
    )


def _without_path(text: str, order: Order) -> str:
    """A message for the client, which must not learn where the server stores the file."""
    return text.replace(str(order.video), "the file")
