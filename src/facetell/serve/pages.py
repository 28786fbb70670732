"""The HTML pages: rendered on the server, kept up to date by a script."""

from __future__ import annotations

import asyncio
import functools
import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from facetell.engine import model_path
from facetell.engine.card import read_card
from facetell.report.page import environment
from facetell.report.words import plain_text
from facetell.serve.access import COOKIE, COOKIE_SECONDS, client_address
from facetell.serve.api import Before, Serving, Spoken
from facetell.serve.models import Refused
from facetell.serve.service import Service

SHOWN = 50  # jobs per page
FORM_BYTES = 4096  # of the login form
FORM_SECONDS = 10.0  # in which it must arrive
HERE = Path(__file__).parent
OWN_PAGES = re.compile(r"/|/jobs/[0-9a-f]{32}")

router = APIRouter(include_in_schema=False)
card_of = functools.cache(read_card)


def render(name: str, service: Service, language: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page from a template."""
    settings = service.settings
    model = model_path(settings.model)
    template = environment(language, HERE / "templates").get_template(name)
    html = template.render(
        root=settings.root_path,
        locked=settings.token is not None,
        limits=settings.limits,
        keep_days=None if settings.keep_seconds is None else f"{settings.keep_seconds / 86400:g}",
        model=model.name.removesuffix(".onnx"),
        card=card_of(model),
        **values,
    )
    return HTMLResponse(plain_text(html), status)


@router.get("/")
def home(service: Serving, language: Spoken, before: Before = None) -> Response:
    """The upload form and the list of videos."""
    jobs, older = service.newest(SHOWN, before)
    return render("home.html", service, language, jobs=jobs, first=before is None, older=older)


@router.get("/jobs/{job_id}")
def job_page(job_id: str, service: Serving, language: Spoken) -> Response:
    """One video."""
    try:
        return render("job.html", service, language, job=service.find(job_id))
    except Refused as refused:
        return render("fault.html", service, language, refused.status, message=refused.message)


@router.get("/docs")
def api_page(request: Request, service: Serving) -> Response:
    """The reference of the API, in English."""
    return render("api.html", service, "en", api=request.app.openapi())


@router.get("/login")
def login_page(service: Serving, language: Spoken, next: str = "/") -> Response:
    """The login form."""
    return render("login.html", service, language, next=_own_page(next), problem="")


@router.post("/login", max_body_size=FORM_BYTES)
async def login(request: Request, service: Serving, language: Spoken) -> Response:
    """Check the token and set the cookie."""
    try:
        async with asyncio.timeout(FORM_SECONDS):
            form = await request.form(max_files=0, max_fields=2)
    except TimeoutError:
        raise Refused(408, "too_slow", "the form did not arrive in time: try again") from None
    target, root = _own_page(str(form.get("next", "/"))), service.settings.root_path
    try:
        if not service.authenticator.is_token(client_address(request.scope), str(form.get("token", "")).strip()):
            raise Refused(401, "no_token", "That is not the token of this server: check it and try again")
    except Refused as refused:
        values = {"next": target, "problem": refused.message}
        page = await asyncio.to_thread(render, "login.html", service, language, refused.status, **values)
        page.headers.update(refused.headers)
        return page
    answer = RedirectResponse(f"{root}{target}", 303)
    value, secure, path = service.authenticator.cookie(), request.url.scheme == "https", root or "/"
    answer.set_cookie(COOKIE, value, COOKIE_SECONDS, path=path, secure=secure, httponly=True, samesite="strict")
    return answer


@router.post("/logout")
def logout(service: Serving) -> Response:
    """Delete the cookie."""
    root = service.settings.root_path
    answer = RedirectResponse(f"{root}/login", 303)
    answer.delete_cookie(COOKIE, path=root or "/", httponly=True, samesite="strict")
    return answer


def _own_page(target: str) -> str:
    """The page to show after the login; never an address outside the server."""
    return target if OWN_PAGES.fullmatch(target) else "/"
