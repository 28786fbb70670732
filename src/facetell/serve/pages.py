"""The pages: rendered here, kept fresh by a little script, and usable without it."""

from __future__ import annotations

import asyncio
import functools
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from starlette.responses import Response

from facetell.engine import model_path
from facetell.engine.card import Card, read_card
from facetell.report import page as report_page
from facetell.report import strings as report_strings
from facetell.report.table import clock
from facetell.report.words import moment, percent, plain_text
from facetell.serve import strings
from facetell.serve.api import NUMBERS, Serving, find
from facetell.serve.auth import COOKIE, COOKIE_SECONDS, Door
from facetell.serve.faults import Refused
from facetell.serve.models import JobView
from facetell.serve.service import Service
from facetell.serve.settings import MIB
from facetell.serve.uploads import receive_job
from facetell.verdict import even_odds

SHOWN = 50  # jobs on a page
FORM_BYTES = 4096  # of the login form
FORM_SECONDS = 10.0  # for it to come
HERE = Path(__file__).parent
STATIC = {"page.css": "text/css", "page.js": "text/javascript", "mark.svg": "image/svg+xml"}
OURS = re.compile(r"/|/jobs/[0-9a-f]{32}")

router = APIRouter(include_in_schema=False)


def _environment() -> Environment:
    loader = ChoiceLoader(
        [
            FileSystemLoader(HERE / "templates"),
            PrefixLoader({"report": FileSystemLoader(report_page.TEMPLATES)}),
        ]
    )
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    environment.filters |= {
        "percent": percent,
        "even": even_odds,
        "clock": clock,
        "moment": moment,
        "text": plain_text,
        "size": size,
        "when": when,
    }
    environment.globals |= {"t": report_strings, "s": strings}
    return environment


def size(count: int) -> str:
    """Bytes in words.

    >>> size(1048576), size(300), size(2147483648)
    ('1.0 MiB', '300 bytes', '2.0 GiB')
    """
    if count >= 1024 * MIB:
        return f"{count / MIB / 1024:.1f} GiB"
    if count >= MIB:
        return f"{count / MIB:.1f} MiB"
    return f"{count / 1024:.1f} KiB" if count >= 1024 else f"{count} bytes"


def counted(count: str, one: str, several: str) -> str:
    """A figure with its noun.

    >>> counted("1", "1 day", "{count} days"), counted("0.5", "1 day", "{count} days")
    ('1 day', '0.5 days')
    """
    return one if count == "1" else several.format(count=count)


def when(moment: datetime) -> str:
    """A time in words, for readers without the script, which puts it into their own time zone.

    >>> when(datetime(2026, 1, 31, 10, 0, tzinfo=UTC))
    '2026-01-31 10:00 UTC'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


ENVIRONMENT = _environment()


def render(name: str, service: Service, status: int = 200, **values: Any) -> HTMLResponse:
    """A page or a part of one."""
    limits, keep = service.settings.limits, service.settings.keep_seconds
    after = (
        strings.KEPT_EVER
        if keep is None
        else strings.KEPT_DAYS.format(days=counted(f"{keep / 86400:.3g}", strings.DAY_ONE, strings.DAYS))
    )
    html = ENVIRONMENT.get_template(name).render(
        root=service.settings.root_path,
        locked=service.settings.token is not None,
        limits=strings.LIMITS.format(
            size=size(limits.upload_bytes),
            minutes=counted(f"{limits.duration / 60:g}", strings.MINUTE_ONE, strings.MINUTES),
            pixels=f"{limits.pixels / 1e6:.0f}",
        ),
        most=limits.upload_bytes,
        most_words=size(limits.upload_bytes),
        kept=strings.KEPT.format(after=after),
        threshold=service.pool.threshold,
        model=service.pool.model,
        card=_card(service.settings.model),
        **values,
    )
    return HTMLResponse(plain_text(html), status)


@functools.cache
def _card(model: Path | str | None) -> Card:
    return read_card(model_path(model))


@router.get("/")
def home(service: Serving, before: Annotated[int | None, Query(ge=1, le=NUMBERS)] = None) -> Response:
    """Upload, and what was uploaded."""
    jobs = service.store.newest(SHOWN + 1, before)
    views = [JobView.of(job, service) for job in jobs[:SHOWN]]
    older = views[-1].number if len(jobs) > SHOWN else None
    return render("home.html", service, jobs=views, first=before is None, older=older)


@router.post("/jobs")
async def upload(request: Request, service: Serving) -> Response:
    """The form of the page, sent without the script."""
    try:
        job, _ = await receive_job(service, request)
    except Refused as refused:
        page = render("fault.html", service, refused.status, title=strings.REFUSED_TITLE, message=refused.message)
        page.headers.update(refused.headers)
        return page
    return RedirectResponse(f"{service.settings.root_path}/jobs/{job.id}", 303)


@router.get("/jobs/{job_id}")
def job_page(job_id: str, service: Serving) -> Response:
    """One video."""
    try:
        job = find(service, job_id)
    except Refused:
        return render("fault.html", service, 404, title=strings.GONE_TITLE, message=strings.GONE)
    return render("job.html", service, job=JobView.of(job, service))


@router.post("/jobs/{job_id}/delete")
def delete(job_id: str, service: Serving) -> Response:
    """The button of the page, pressed without the script."""
    service.delete(job_id)
    return RedirectResponse(f"{service.settings.root_path}/", 303)


@router.get("/parts/jobs")
def part_list(service: Serving) -> Response:
    """The list of the first page anew."""
    views = [JobView.of(job, service) for job in service.store.newest(SHOWN)]
    return render("list.html", service, jobs=views)


@router.get("/parts/jobs/{job_id}")
def part_row(job_id: str, service: Serving) -> Response:
    """One row of the list anew."""
    return render("row.html", service, job=JobView.of(find(service, job_id), service))


@router.get("/parts/jobs/{job_id}/detail")
def part_detail(job_id: str, service: Serving) -> Response:
    """The middle of a video's page anew."""
    return render("detail.html", service, job=JobView.of(find(service, job_id), service))


@router.get("/login")
def login_page(service: Serving, next: str = "/") -> Response:
    """Asks for the token."""
    return render("login.html", service, next=_ours(next), wrong=False)


@router.post("/login")
async def login(request: Request, service: Serving) -> Response:
    """Takes the token and gives a cookie for it."""
    door: Door = request.app.state.door
    form = parse_qs((await _short_body(request)).decode("utf-8", "replace"))
    target = _ours(form.get("next", ["/"])[0])
    if not door.knows(form.get("token", [""])[0].strip()):
        await asyncio.sleep(0.5)
        return render("login.html", service, 401, next=target, wrong=True)
    answer = RedirectResponse(f"{service.settings.root_path}{target}", 303)
    answer.set_cookie(
        COOKIE,
        door.cookie(),
        max_age=COOKIE_SECONDS,
        path=service.settings.root_path or "/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout")
def logout(service: Serving) -> Response:
    """Takes the cookie back."""
    root = service.settings.root_path
    answer = RedirectResponse(f"{root}/login", 303)
    answer.delete_cookie(COOKIE, path=root or "/", httponly=True, samesite="strict")
    return answer


@router.get("/static/{name}")
def static(name: str) -> Response:
    """Style, script and mark: three files by name, no folder is looked into."""
    if name not in STATIC:
        raise Refused(404, "http_404", "there is nothing under this address")
    return FileResponse(HERE / "static" / name, media_type=STATIC[name], headers={"Cache-Control": "no-cache"})


async def _short_body(request: Request) -> bytes:
    body = b""
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for piece in request.stream():
                body += piece
                if len(body) > FORM_BYTES:
                    raise Refused(413, "too_large", "the form is too large: send the token alone")
    except TimeoutError:
        raise Refused(408, "too_slow", "the form came too slowly and was given up: try again") from None
    return body


def _ours(target: str) -> str:
    """A page of ours to go on to, whatever was asked for."""
    return target if OURS.fullmatch(target) else "/"
