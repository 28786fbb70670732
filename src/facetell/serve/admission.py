"""Admission of uploads: how many are received at the same time, how many of one address, and how fast they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Iterable, Iterator

from facetell.serve.faults import TOO_MANY_UPLOADS, TOO_SLOW
from facetell.serve.settings import Limits


class Slot:
    """One upload that is being received from ``address``."""

    def __init__(self, address: str, limits: Limits) -> None:
        self.address, self._limits = address, limits
        self._received, self._waited = 0, 0.0  # bytes, and seconds of waiting for them, in the current period
        self._end = time.monotonic() + limits.upload_seconds
        self._timeout: asyncio.Timeout | None = None  # while it waits for the client
        self._began = 0.0  # when it began to wait

    @property
    def rate(self) -> float:
        """Bytes per second in the current period; infinite while it does not wait, or has not waited for long."""
        waited = self._waited + time.monotonic() - self._began
        if self._timeout is None or waited < self._limits.settle_seconds:
            return math.inf
        return self._received / waited

    def cancel(self) -> None:
        """End the upload, which waits for the client."""
        if self._timeout is not None and not self._timeout.expired():
            self._timeout.reschedule(0.0)  # in the past

    async def receive(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The body of the request. Raises Refused if it arrives too slowly; the time for writing it does not count."""
        limits = self._limits
        while True:
            self._began = time.monotonic()
            left = min(limits.rate_seconds - self._waited, self._end - self._began)
            try:
                async with asyncio.timeout(left) as self._timeout:
                    data = await anext(body, None)
            except TimeoutError:
                raise TOO_SLOW.error(rate=limits.upload_rate / 1000, minutes=limits.upload_seconds / 60) from None
            finally:
                self._timeout = None
            if data is None:
                return
            self._waited += time.monotonic() - self._began
            self._received += len(data)
            if self._received >= limits.upload_rate * limits.rate_seconds:
                self._received, self._waited = 0, 0.0
            yield data


class Admission:
    """The uploads that are being received: at most ``limits.uploads``, and at most half of them from one address.

    Where there is no slot, the slowest upload gives way to a new one if it is below ``limits.upload_rate``: clients
    that send almost nothing block nobody.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._slots: set[Slot] = set()

    def __len__(self) -> int:
        return len(self._slots)

    @contextlib.contextmanager
    def slot(self, address: str) -> Iterator[Slot]:
        """A slot for an upload. Raises Refused if there is none."""
        own = [slot for slot in self._slots if slot.address == address]
        if len(own) >= max(1, self._limits.uploads // 2):
            self._displace(own)
        elif len(self._slots) >= self._limits.uploads:
            self._displace(self._slots)
        slot = Slot(address, self._limits)
        self._slots.add(slot)
        try:
            yield slot
        finally:
            self._slots.discard(slot)

    def _displace(self, slots: Iterable[Slot]) -> None:
        """End the slowest of some uploads. Raises Refused if none is below the minimum rate."""
        slowest = min(slots, key=lambda slot: slot.rate)
        if slowest.rate >= self._limits.upload_rate:
            raise TOO_MANY_UPLOADS.error()
        slowest.cancel()
        self._slots.discard(slowest)
