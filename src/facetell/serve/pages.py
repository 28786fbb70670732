"""The HTML pages: rendered on the server, kept up to date by a script, and usable without it."""

from __future__ import annotations

import asyncio
import functools
import re
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from starlette.responses import Response

from facetell.engine import model_path
from facetell.engine.card import Card, read_card
from facetell.report import page as report_page
from facetell.report import words as report_words
from facetell.report.table import clock
from facetell.report.words import percent, plain_text
from facetell.serve.access import COOKIE, COOKIE_SECONDS, Authenticator, client_address
from facetell.serve.api import LARGEST, Serving
from facetell.serve.faults import Refused
from facetell.serve.service import Service
from facetell.serve.uploads import receive_job
from facetell.verdict import even_odds

SHOWN = 50  # jobs per page
FORM_BYTES = 4096  # of the login form
FORM_SECONDS = 10.0  # in which it must arrive
HERE = Path(__file__).parent
OWN_PAGES = re.compile(r"/|/jobs/[0-9a-f]{32}")

router = APIRouter(include_in_schema=False)


LOADERS = (FileSystemLoader(HERE / "templates"), PrefixLoader({"report": FileSystemLoader(report_page.TEMPLATES)}))
ENVIRONMENT = Environment(loader=ChoiceLoader(LOADERS), autoescape=True, undefined=StrictUndefined)
ENVIRONMENT.filters |= {"percent": percent, "even": even_odds, "clock": clock, "text": plain_text}
ENVIRONMENT.globals["t"] = report_words


def render(name: str, service: Service, status: int = 200, **values: Any) -> HTMLResponse:
    """A page from a template."""
    settings, pool = service.settings, service.pool
    html = ENVIRONMENT.get_template(name).render(
        root=settings.root_path,
        locked=settings.token is not None,
        limits=settings.limits,
        keep_days=None if settings.keep_seconds is None else f"{settings.keep_seconds / 86400:.3g}",
        threshold=pool.threshold,
        model=pool.model,
        card=_card(settings.model),
        **values,
    )
    return HTMLResponse(plain_text(html), status)


@functools.cache
def _card(model: Path | str | None) -> Card:
    return read_card(model_path(model))


@router.get("/")
def home(service: Serving, before: Annotated[int | None, Query(ge=1, le=LARGEST)] = None) -> Response:
    """The upload form and the list of videos."""
    jobs = [service.view(job) for job in service.store.newest(SHOWN + 1, before)]
    older = jobs[SHOWN - 1].number if len(jobs) > SHOWN else None
    return render("home.html", service, jobs=jobs[:SHOWN], first=before is None, older=older)


@router.post("/jobs")
async def upload(request: Request, service: Serving) -> Response:
    """The upload form, submitted without the script."""
    try:
        job, _ = await receive_job(service, request)
    except Refused as refused:
        return await asyncio.to_thread(_fault, service, refused)
    return RedirectResponse(f"{service.settings.root_path}/jobs/{job.id}", 303)


@router.get("/jobs/{job_id}")
def job_page(job_id: str, service: Serving) -> Response:
    """One video."""
    try:
        job = service.find(job_id)
    except Refused as refused:
        return _fault(service, refused, "There is nothing here")
    return render("job.html", service, job=service.view(job))


@router.post("/jobs/{job_id}/delete")
def delete(job_id: str, service: Serving) -> Response:
    """The delete button, pressed without the script."""
    service.delete(job_id)
    return RedirectResponse(f"{service.settings.root_path}/", 303)


@router.get("/login")
def login_page(service: Serving, next: str = "/") -> Response:
    """The login form."""
    return render("login.html", service, next=_own_page(next), wrong=False)


@router.post("/login", max_body_size=FORM_BYTES)
async def login(request: Request, service: Serving) -> Response:
    """Check the token and set the cookie."""
    authenticator: Authenticator = request.app.state.authenticator
    try:
        async with asyncio.timeout(FORM_SECONDS):
            form = await request.form(max_files=0, max_fields=2)
    except TimeoutError:
        raise Refused(408, "too_slow", "the form did not arrive in time: try again") from None
    target = _own_page(str(form.get("next", "/")))
    try:
        right = authenticator.is_token(client_address(request.scope), str(form.get("token", "")).strip())
    except Refused as refused:
        return await asyncio.to_thread(_fault, service, refused)
    if not right:
        return await asyncio.to_thread(render, "login.html", service, 401, next=target, wrong=True)
    answer = RedirectResponse(f"{service.settings.root_path}{target}", 303)
    answer.set_cookie(
        COOKIE,
        authenticator.cookie(),
        max_age=COOKIE_SECONDS,
        path=service.settings.root_path or "/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout")
def logout(service: Serving) -> Response:
    """Delete the cookie."""
    root = service.settings.root_path
    answer = RedirectResponse(f"{root}/login", 303)
    answer.delete_cookie(COOKIE, path=root or "/", httponly=True, samesite="strict")
    return answer


def _fault(service: Service, refused: Refused, title: str = "That did not work") -> Response:
    """The page for an error."""
    page = render("fault.html", service, refused.status, title=title, message=refused.message)
    page.headers.update(refused.headers)
    return page


def _own_page(target: str) -> str:
    """The page to show after the login; never an address outside the server."""
    return target if OWN_PAGES.fullmatch(target) else "/"
