"""Admission of uploads: how many are received at the same time, how many of one address, and how fast they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

from facetell.serve.models import Limits, Refused
from facetell.types import N_

PROVEN = 64 * 1024  # bytes
PROBATION_SECONDS = 1.0  # an upload that has not sent so much by then does not count
LATE_SECONDS = 5.0  # behind the minimum rate, after which an upload is slow
OPEN = 200  # uploads, slow ones and those that have just begun included


class Upload:
    """One upload that is being received from ``address``. Only the time of waiting for the client counts."""

    def __init__(self, address: str, limits: Limits) -> None:
        self.address, self._limits = address, limits
        self._received, self._behind = 0, 0.0  # bytes, and seconds behind the minimum rate
        self._start = self._began = time.monotonic()  # `_began` when it began to wait for the client
        self._timeout: asyncio.Timeout | None = None  # while it waits

    @property
    def behind(self) -> float:
        """Seconds by which it is behind the minimum rate."""
        return self._behind + (time.monotonic() - self._began if self._timeout is not None else 0.0)

    @property
    def counts(self) -> bool:
        """Whether it makes progress, or has just begun. Others cost little and soon end."""
        begins = time.monotonic() - self._start < PROBATION_SECONDS
        return (begins or self._received >= PROVEN) and self.behind < LATE_SECONDS

    @property
    def waits(self) -> bool:
        """Whether it waits for the client, and can be cancelled."""
        return self._timeout is not None and not self._timeout.expired()

    def cancel(self) -> None:
        """End the upload, if it waits for the client."""
        if self._timeout is not None and self.waits:
            self._timeout.reschedule(0.0)  # in the past

    async def receive(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The body of the request. Raises Refused if it arrives too slowly."""
        rate = self._limits.upload_rate
        while True:
            self._began = time.monotonic()
            try:
                async with asyncio.timeout(self._limits.rate_seconds - self._behind) as self._timeout:
                    data = await anext(body, None)
            except TimeoutError:
                least = f"{rate / 1000:g}"
                message = N_(f"the upload was too slow and was cancelled: send {least} kB/s at least")
                raise Refused(408, "too_slow", message) from None
            finally:
                self._behind, self._timeout = self.behind, None
            if data is None:
                return
            self._received += len(data)
            self._behind = max(0.0, self._behind - len(data) / rate)
            yield data


class Admission:
    """The uploads that are being received: at most ``limits.uploads`` that make progress, half of one address."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._uploads: set[Upload] = set()

    def __len__(self) -> int:
        return len(self._uploads)

    @property
    def counting(self) -> list[Upload]:
        """The uploads that make progress."""
        return [upload for upload in self._uploads if upload.counts]

    @contextlib.contextmanager
    def admitted(self, address: str) -> Iterator[Upload]:
        """Admit an upload. Raises Refused if there are too many."""
        addresses, most = [upload.address for upload in self.counting], self._limits.uploads
        if len(addresses) >= most or addresses.count(address) >= max(1, most // 2):
            raise Refused(429, "too_many_uploads", "the server receives as many videos as it can: try again soon", 2)
        if len(self._uploads) >= OPEN:
            max(self._uploads, key=lambda upload: (upload.waits, upload.behind)).cancel()
        upload = Upload(address, self._limits)
        self._uploads.add(upload)
        try:
            yield upload
        finally:
            self._uploads.discard(upload)
