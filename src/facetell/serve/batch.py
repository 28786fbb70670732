"""One report and one table (CSV) of several jobs."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse
from markupsafe import Markup

from facetell.batch.scan_work import COLUMNS, cells, from_record
from facetell.report.page import CSS, JS, Row, content_policy, environment
from facetell.report.words import plain_text
from facetell.serve.api import HTML, RESPONSES, Responses, Serving, Spoken, find_done, report_headers
from facetell.serve.models import Job, Refused, State
from facetell.serve.pages import HERE
from facetell.serve.service import Service
from facetell.serve.store import RESULT
from facetell.types import Box, Crop, VideoVerdict

MOST = 100  # jobs
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with one of these a cell begins that a spreadsheet computes
Ids = Annotated[list[str] | None, Query(alias="job", max_length=MOST, description="ids; none: the newest")]
CSV: Responses = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}

router = APIRouter(prefix="/v1", responses=RESPONSES)


def _verdicts(service: Service, ids: list[str] | None) -> Iterator[tuple[Job, VideoVerdict]]:
    """The jobs, the highest probability first, with their verdicts, read one by one. Raises Refused if one lacks it."""
    jobs = [find_done(service, one) for one in dict.fromkeys(ids or ())] or service.newest(MOST, state=State.DONE)[0]
    jobs = [job for job in jobs if (service.files.folder(job.id) / RESULT).exists()]
    for job in sorted(jobs, key=lambda job: -((job.summary and job.summary.probability) or -1.0)):
        with contextlib.suppress(FileNotFoundError):  # just deleted
            (video,) = json.loads((service.files.folder(job.id) / RESULT).read_bytes())["videos"]
            for clip in [clip for track in video["tracks"] for clip in track["clips"]]:
                clip["crop"] = Crop.of_square(Box(*clip["square"]))  # not rotated, which nothing here shows
            yield job, from_record(video, job.name, video["provenance"])
    if not jobs:
        raise Refused(409, "not_done", "no job is done: wait until one is")


@router.get("/report", response_class=Response, summary="Get one report of several jobs", responses=HTML)
def get_batch_report(service: Serving, language: Spoken, ids: Ids = None) -> Response:
    """One self-contained page: a table of the jobs, then what the report of each shows of its video."""
    rows, articles, policy = [], [], content_policy()
    for number, (job, verdict) in enumerate(_verdicts(service, ids), start=1):
        face = job.summary and job.summary.thumbnail
        icon: Any = {"uri": face, "width": 112, "height": 112} if face else None
        rows.append(Row.of(verdict, job.name, f"#v{number}", icon))
        articles.append((partial(_article, service.files.report(job.id, language), number), verdict.provenance))
    template = environment(language, HERE / "templates").get_template("batch.html")
    parts = template.generate(rows=rows, articles=articles, css=CSS, js=JS, policy=policy)
    return StreamingResponse(map(plain_text, parts), media_type="text/html", headers=report_headers(policy))


def _article(report: Path, number: int) -> Markup:
    """What a report shows of its only video, which gets a number; empty if the report is missing."""
    with contextlib.suppress(FileNotFoundError):
        if article := re.search("<article.*</article>", report.read_text(encoding="utf-8"), re.DOTALL):
            return Markup(re.sub(r'((?:id|labelledby)="v)1', rf"\g<1>{number}", article[0]))
    return Markup()


@router.get("/report.csv", response_class=Response, summary="Get a table of several jobs", responses=CSV)
def get_table(service: Serving, ids: Ids = None) -> Response:
    """The columns of `videos.parquet` of `facetell scan`, after the id of the job, `job`."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ("job", *COLUMNS))
    writer.writeheader()
    for job, verdict in _verdicts(service, ids):
        row = {"job": job.id, **cells(verdict, "")}
        texts = {name: f"'{cell}" for name, cell in row.items() if isinstance(cell, str) and cell.startswith(FORMULA)}
        writer.writerow(row | texts)
    return Response(text.getvalue(), media_type="text/csv", headers={"Content-Disposition": "attachment"})
