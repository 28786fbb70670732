"""The ASGI app: API, pages and middleware."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp

from facetell import __version__
from facetell.serve import api, pages
from facetell.serve.access import Access, Authenticator
from facetell.serve.faults import Refused
from facetell.serve.guard import Finish
from facetell.serve.service import Service

DESCRIPTION = """Upload a video, follow its job, get its result and report.

Every error response is JSON with `error`, a machine-readable code, and `message`, one sentence.
"""


def create_app(service: Service) -> ASGIApp:
    """The ASGI app of a service; the caller starts and stops the service."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.hub.open()
        yield

    app = FastAPI(
        title="facetell",
        description=DESCRIPTION,
        version=__version__,
        docs_url=None,  # loads its scripts from another server
        redoc_url=None,
        redirect_slashes=False,  # such a redirect leaves the root path out
        lifespan=lifespan,
    )
    authenticator = Authenticator(service.settings.token)
    app.state.service, app.state.authenticator = service, authenticator
    # `Access` checks the token; this only describes it in the OpenAPI document.
    bearer = [Depends(HTTPBearer(scheme_name="token", auto_error=False))] if authenticator.required else []
    app.include_router(api.router, dependencies=bearer)
    app.include_router(api.monitor)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=pages.HERE / "static", packages=[("facetell.report", "static")]))
    for kind in (Refused, RequestValidationError, HTTPException, ClientDisconnect, Exception):
        app.add_exception_handler(kind, _error)
    app.add_middleware(Access, authenticator=authenticator, hosts=service.settings.hosts)
    return Finish(app, service.metrics, service.settings.root_path)


async def _error(request: Request, error: Exception) -> Response:
    match error:
        case Refused():
            return error.response()
        case RequestValidationError():
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"][1:])
            return Refused(422, "bad_value", f"{place}: {first['msg']}").response()
        case HTTPException():
            known = {404: "there is nothing at this address", 405: "this address does not support that method"}
            status = error.status_code
            answer = Refused(status, f"http_{status}", known.get(status, error.detail)).response()
            answer.headers.update(error.headers or {})
            return answer
        case ClientDisconnect():
            return Response(status_code=400)  # which nobody receives
    message = "internal error of the server: report it to its operator, who finds it in the log"
    return Refused(500, "fault", message).response()
