"""HTTP error responses: status, machine-readable code, message."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse

from facetell.types import FacetellError

Responses = dict[int | str, dict[str, Any]]  # as FastAPI takes them


class Fault(BaseModel):
    """The body of an error response."""

    error: str = Field(description="machine-readable code, such as `too_large`, which does not change between versions")
    message: str = Field(description="what is wrong, and what to do")


class Refused(FacetellError):
    """A request that is answered with an error; ``retry_after`` is in seconds."""

    def __init__(self, status: int, code: str, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}

    def response(self) -> JSONResponse:
        """The HTTP response."""
        return JSONResponse({"error": self.code, "message": self.message}, self.status, self.headers)


# The error responses of every operation, for OpenAPI. docs/serving.md has a table of them by status. A reference, not
# a model, which FastAPI would describe under the media type of a successful response.
_SCHEMA = {"$ref": f"#/components/schemas/{Fault.__name__}"}
RESPONSES: Responses = {"default": {"description": "An error", "content": {"application/json": {"schema": _SCHEMA}}}}
