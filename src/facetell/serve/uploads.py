"""Stream the video of a multipart request to disk. Memory use does not depend on its size."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartState, parse_options_header
from starlette.requests import Request

from facetell.serve.access import client_address
from facetell.serve.models import DISK_FULL, LOG, MIB, Checked, Job, Limits, Refused
from facetell.serve.service import Service
from facetell.serve.store import VIDEO
from facetell.serve.webhooks import check_target
from facetell.types import N_

BESIDE = 64 * 1024  # bytes of a request besides the video
BAD_FORM = N_("the form is cut off, malformed, or over 64 KiB besides the file: send it again")


def shown_name(name: str) -> str:
    """A client's file name for display: without folders and control characters, of at most 200 characters."""
    clean = "".join(character for character in re.split(r"[/\\]", name)[-1] if character.isprintable()).strip()
    return clean[:200].strip() or "video"


async def receive_job(service: Service, request: Request, key: str | None, webhook: str | None) -> tuple[Job, bool]:
    """Receive one video, the file in the field ``file`` of a form, and queue it. Returns it, and whether it is new.

    Raises Refused or, if the client has closed the connection, ClientDisconnect; nothing of the upload is kept then.
    """
    try:
        return await _receive(service, request, key, webhook)
    except (sqlite3.OperationalError, OSError) as error:
        LOG.error("an upload could not be stored: %s", error)
        refused = Refused(507, "disk_full", DISK_FULL, 300)
    except Refused as error:
        refused = error
    service.metrics.refused.labels(refused.code).inc()
    raise refused


async def _receive(service: Service, request: Request, key: str | None, address: str | None) -> tuple[Job, bool]:
    limits, headers = service.settings.limits, request.headers
    webhook = None if address is None else check_target(service.settings, address)
    kind, options = parse_options_header(headers.get("content-type", "").encode("latin-1"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= 200:
        raise Refused(415, "not_a_form", "send the video as multipart/form-data with one file in the field 'file'")
    length = headers.get("content-length", "")
    size = int(length) if length.isdecimal() else 0
    if size > limits.upload_bytes + BESIDE:
        raise _too_large(limits)
    job_id = secrets.token_hex(16)
    with service.admission.admitted(client_address(request.scope)) as upload:
        await asyncio.to_thread(service.check_queue, len(service.admission.counting) - 1)  # without this one
        await asyncio.to_thread(service.check_space, size)
        async with contextlib.aclosing(request.stream()) as stream:
            form, video = await _store(service, upload.receive(stream), boundary, service.files.folder(job_id))
        # Shielded: a client that disconnects now must not leave a job without files, or files without a job.
        columns = {"key": key, "name": shown_name(form.name), "size": form.size, "sha256": form.digest.hexdigest()}
        columns |= {**video.model_dump(exclude={"kind"}), "webhook": webhook}
        job = await asyncio.shield(asyncio.to_thread(service.accept, job_id, **columns))
    if job.sha256 != form.digest.hexdigest():
        raise Refused(422, "key_reused", "this Idempotency-Key was sent with another video before: choose a new one")
    return job, job.id == job_id


async def _store(service: Service, body: AsyncIterator[bytes], boundary: bytes, folder: Path) -> tuple[_Form, Checked]:
    """Write the file of the form to the folder of a job, and check it. All that takes time is done in other threads."""
    try:
        await asyncio.to_thread(folder.mkdir, mode=0o700)
        with await asyncio.to_thread((folder / VIDEO).open, "wb", 0) as stream:
            form, pending = _Form(boundary, stream, service), bytearray()
            async for data in body:
                pending += data
                if len(pending) >= MIB:  # pieces that are worth a thread
                    await asyncio.to_thread(form.feed, bytes(pending))
                    pending.clear()
            await asyncio.to_thread(form.feed, bytes(pending))
            await asyncio.to_thread(form.finish)
        async with service.inspecting:
            return form, await asyncio.to_thread(service.inspector, folder / VIDEO)
    except BaseException:
        await asyncio.to_thread(service.files.remove, folder.name)
        raise


class _Form:
    """Parses a form and writes the file of its field ``file`` to ``stream``; every other part is skipped."""

    def __init__(self, boundary: bytes, stream: IO[bytes], service: Service) -> None:
        self.name, self.size, self.digest = "", 0, hashlib.sha256()
        self._stream, self._service = stream, service
        self._read, self._found, self._in_file = 0, False, False
        self._header, self._value, self._disposition = bytearray(), bytearray(), b""
        self._parser = MultipartParser(
            boundary,
            {
                "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_data,
                "on_part_data": self._add_data,
            },
        )

    def feed(self, data: bytes) -> None:
        """Parse the next bytes of the request. Raises Refused if they are no form or too large."""
        self._service.check_space(len(data))
        try:
            self._parser.write(data)
        except FormParserError:
            raise Refused(400, "bad_form", BAD_FORM) from None
        self._read += len(data)
        if self._read - self.size > BESIDE:  # also counts what follows the last boundary
            raise Refused(400, "bad_form", BAD_FORM)

    def finish(self) -> None:
        """Wait until the file is on disk. Raises Refused if the form is incomplete or holds no file."""
        if self._parser.state != MultipartState.END:
            raise Refused(400, "bad_form", BAD_FORM)
        if not self._found:
            raise Refused(422, "no_file", "the form holds no file in the field 'file': send the video in it")
        os.fsync(self._stream.fileno())

    def _end_header(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _begin_data(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._in_file, self._disposition = options.get(b"name") == b"file" and b"filename" in options, b""
        if self._in_file:
            if self._found:
                raise Refused(422, "several_files", "the form holds several videos: send one request for each")
            self._found = True
            self.name = options[b"filename"].decode("utf-8", "replace")

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if not self._in_file:
            return
        view = memoryview(data)[start:end]
        self.size += len(view)
        if self.size > self._service.settings.limits.upload_bytes:
            raise _too_large(self._service.settings.limits)
        self.digest.update(view)
        while view:
            view = view[self._stream.write(view) :]


def _too_large(limits: Limits) -> Refused:
    most = f"{limits.upload_bytes / MIB:g} MiB"
    return Refused(413, "too_large", f"the video is larger than {most}: upload a shorter segment")
