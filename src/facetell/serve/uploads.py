"""From a multipart request to a file on disk, a piece at a time: the whole video is never in memory."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from facetell.serve.faults import Refused, disk_full
from facetell.serve.files import FULL, new_id, shown_name
from facetell.serve.jobs import Job, NewJob
from facetell.serve.service import Service
from facetell.serve.settings import MIB, Limits
from facetell.video.container import NO_NETWORK, address_in

FIELD = "file"
BESIDE = 64 * 1024  # bytes of a request that may be something else than the video
PIECE = MIB  # bytes that are gathered before they are written
KEY = re.compile(r"[\x21-\x7e]{1,100}")


async def receive_job(service: Service, request: Request) -> tuple[Job, bool]:
    """Receive one video and queue it.

    Args:
        service: queues it.
        request: multipart/form-data with one file in the field ``file``.

    Returns:
        The job, and whether it is new (False: its Idempotency-Key was used before).

    Raises:
        Refused: it is not taken; nothing of it is kept.
        ClientDisconnect: the client went away; nothing of it is kept.
    """
    try:
        return await _receive(service, request)
    except Refused as refused:
        service.metrics.refused.labels(refused.code).inc()
        raise


async def _receive(service: Service, request: Request) -> tuple[Job, bool]:
    limits = service.settings.limits
    boundary = _boundary(request)
    key = request.headers.get("idempotency-key")
    if key is not None and not KEY.fullmatch(key):
        raise Refused(400, "bad_key", "an Idempotency-Key has 1 to 100 visible ASCII characters: choose another")
    announced = _length(request)
    if announced is not None and announced > limits.upload_bytes + BESIDE:
        raise _too_large(limits)
    with service.admitted(announced):
        job_id = new_id()
        path = service.files.incoming(job_id)
        try:
            form = await _store(service, request, boundary, path)
            async with service.looking:
                seen = await asyncio.to_thread(service.inspector, path)
            name, sha256 = shown_name(form.name), form.digest.hexdigest()
            new = NewJob(job_id, key, name, form.size, seen.duration, seen.width, seen.height, sha256)
            # Shielded: once it is queued it must not be half undone by a client that goes away.
            job = await asyncio.shield(asyncio.to_thread(service.accept, new))
        except sqlite3.OperationalError:
            raise disk_full() from None
        except OSError as error:
            if error.errno in FULL:
                raise disk_full() from None
            raise
        finally:
            path.unlink(missing_ok=True)
    if (job.size, job.sha256 or sha256) != (form.size, sha256):
        raise Refused(422, "key_reused", "this Idempotency-Key came with another video before: choose a new one")
    return job, job.id == job_id


class Form:
    """What has been read of the request: takes the callbacks of the parser, keeps what is still to be written.

    Args:
        boundary: between the parts.
        limits: how large the file may be.
    """

    def __init__(self, boundary: bytes, limits: Limits) -> None:
        self.name, self.size, self.found, self.whole = "", 0, False, False
        self.pending, self.digest = bytearray(), hashlib.sha256()
        self._limits = limits
        self._in_file, self._in_text, self._astray, self._read = False, False, False, 0
        self.text = bytearray()  # of the field, where a client sent text in place of a file
        self._header, self._value = bytearray(), bytearray()
        self._disposition = b""
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: self._header.extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._value.extend(data[start:end]),
                "on_header_end": self._header_ended,
                "on_headers_finished": self._headers_ended,
                "on_part_data": self._data,
                "on_part_end": self._part_ended,
                "on_end": self._ended,
            },
        )

    def feed(self, piece: bytes) -> None:
        """Take the next bytes of the request.

        Raises:
            Refused: they are no form, or the file is too large.
        """
        try:
            self._parser.write(piece)
        except FormParserError:
            raise _bad_form() from None
        self._read += len(piece)
        # Whatever is not the file is small, also what follows the last boundary, of which the parser says nothing.
        if self._read - self.size > BESIDE:
            raise _no_file() if self._astray and not self.found else _bad_form()

    def _begin(self) -> None:
        self._disposition = b""

    def _header_ended(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header.clear()
        self._value.clear()

    def _headers_ended(self) -> None:
        _, options = parse_options_header(self._disposition)
        named, is_file = options.get(b"name") == FIELD.encode(), b"filename" in options
        self._in_file, self._in_text = named and is_file, named and not is_file
        self._astray |= named != is_file  # a video in another field, or in this one as text
        if self._in_file:
            if self.found:
                raise Refused(422, "several_files", "the form holds several videos: send one request for each")
            self.found = True
            self.name = options[b"filename"].decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_text:
            self.text += memoryview(data)[start:end]
        if not self._in_file:
            return
        self.size += end - start
        if self.size > self._limits.upload_bytes:
            raise _too_large(self._limits)
        self.pending += memoryview(data)[start:end]

    def _part_ended(self) -> None:
        self._in_file = False

    def _ended(self) -> None:
        self.whole = True


async def _store(service: Service, request: Request, boundary: bytes, path: Path) -> Form:
    """Write the file of the form to ``path``."""
    form = Form(boundary, service.settings.limits)
    with await asyncio.to_thread(path.open, "wb", 0) as stream:

        def flush() -> None:
            service.check_room(len(form.pending))
            form.digest.update(form.pending)
            view = memoryview(form.pending)
            while view:
                view = view[stream.write(view) :]
            del view
            form.pending = bytearray()

        async for piece in _pieces(request, service.settings.limits):
            form.feed(piece)
            if len(form.pending) >= PIECE:
                await asyncio.to_thread(flush)
        await asyncio.to_thread(flush)
        if not form.whole:
            raise _bad_form()
        if not form.found:
            raise _no_file(form.text.decode("utf-8", "replace"))
        await asyncio.to_thread(os.fsync, stream.fileno())
    return form


async def _pieces(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    """The body of a request, given up when too little comes for too long or it takes too long in all."""
    until = time.monotonic() + limits.upload_seconds
    patience, came = limits.idle_seconds, 0
    async with contextlib.aclosing(request.stream()) as stream:
        while True:
            begun = time.monotonic()
            try:
                async with asyncio.timeout(min(patience, until - begun)):
                    piece = await anext(stream, None)
            except TimeoutError:
                raise Refused(408, "too_slow", "the upload came too slowly and was given up: try again") from None
            if piece is None:
                return
            patience -= time.monotonic() - begun  # not what writing takes: a slow disk is not the client's fault
            came += len(piece)
            if came >= limits.idle_bytes:
                patience, came = limits.idle_seconds, 0
            yield piece


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", "").encode("latin-1"))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= 200:
        raise Refused(415, "not_a_form", f"send the video as multipart/form-data with one file in the field '{FIELD}'")
    return boundary


def _length(request: Request) -> int | None:
    text = request.headers.get("content-length", "")
    return int(text) if text.isdecimal() else None


def _too_large(limits: Limits) -> Refused:
    return Refused(
        413,
        "too_large",
        f"the video is larger than {limits.upload_bytes / MIB:g} MiB: cut out the part that matters",
    )


def _no_file(text: str = "") -> Refused:
    if address_in(text):
        return Refused(
            422,
            "no_file",
            f"the field '{FIELD}' holds a network address, and {NO_NETWORK}: download the video and send it",
        )
    return Refused(422, "no_file", f"the form holds no file in the field '{FIELD}': send the video in it")


def _bad_form() -> Refused:
    return Refused(400, "bad_form", "the form is cut off or not multipart/form-data: send it again")
