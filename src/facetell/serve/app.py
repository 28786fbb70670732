"""Puts page, API and guards together."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp

from facetell import __version__
from facetell.serve import api, pages
from facetell.serve.auth import Door
from facetell.serve.faults import Refused
from facetell.serve.guard import Ending, Guard, Head, Root, refusal
from facetell.serve.service import Service

LOG = logging.getLogger("facetell.serve")
DESCRIPTION = """Upload a video, follow its job, read its result and report.

Every answer that is not a success is JSON with `error`, a code for programs, and `message`, one sentence for people.
"""


def create_app(service: Service) -> ASGIApp:
    """The ASGI app over a service; the caller starts and stops the service."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.hub.open()
        yield

    # The usual documentation pages load their scripts from elsewhere: only the document itself is served.
    app = FastAPI(
        title="facetell",
        description=DESCRIPTION,
        version=__version__,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # such a redirect has no root path
        lifespan=lifespan,
    )
    door = Door(service.settings.token)
    app.state.service, app.state.door = service, door
    app.include_router(api.router)
    app.include_router(api.monitor)
    app.include_router(pages.router)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _bad_value)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    app.add_exception_handler(Exception, _fault)
    if door.locked:
        _describe_token(app)
    return Root(Ending(Guard(Head(app), door, service.settings.hosts), service.metrics), service.settings.root_path)


def _describe_token(app: FastAPI) -> None:
    """Tell in the OpenAPI document that a token is asked for."""
    document = app.openapi()
    document.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, methods in document["paths"].items():
        for method in methods.values():
            method["security"] = [] if path == "/healthz" else [{"token": []}]


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return refusal(error)


async def _bad_value(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"][1:])
    return refusal(Refused(422, "bad_value", f"{place}: {first['msg']}"))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = {404: "there is nothing under this address", 405: "this address does not know that method"}
    answer = refusal(
        Refused(error.status_code, f"http_{error.status_code}", words.get(error.status_code, error.detail))
    )
    answer.headers.update(error.headers or {})
    return answer


async def _gone(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it: the client has gone


async def _fault(request: Request, error: Exception) -> Response:
    return refusal(
        Refused(500, "fault", "the server met a fault of its own: tell its operator, who finds it in the log")
    )
