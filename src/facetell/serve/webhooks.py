"""Webhooks: a job that has ended is posted to the address that its client gave, signed; a failure is tried again."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import socket
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel

from facetell.serve.models import LOG, Job, Refused, ServeSettings
from facetell.serve.store import Store
from facetell.types import N_

SIGNATURE = "Facetell-Signature"  # header: "sha256=", and the HMAC of the body in hexadecimal digits
SECONDS = 5.0  # for one attempt, and for all of a host before the others have theirs
DELAYS = (10.0, 60.0, 600.0, 3600.0, 6 * 3600.0)  # seconds before each further attempt


class Webhook(BaseModel):
    """An address that an ended job is posted to, how often that was tried, and from which POSIX time on it is due."""

    url: str
    attempts: int = 0
    due: float = 0.0


def check_target(settings: ServeSettings, url: str) -> str:
    """The webhook for an address, as JSON. Raises Refused unless it is http(s) at an allowed host."""
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.netloc.lower() in settings.webhook_hosts:
            return Webhook(url=url).model_dump_json()
    message = N_("this server sends no webhook to that address: its operator can add the host with --webhook-host")
    raise Refused(422, "webhook_refused", message)


def send_due(settings: ServeSettings, store: Store, view: Callable[[Job], Job], stop: threading.Event) -> None:
    """Send the webhooks that are due; a host that is slow or does not answer holds up the others once only."""
    spent: dict[str, float] = {}  # seconds by host
    for job_id, url in store.due_webhooks():
        host, began = urlsplit(url).netloc.lower(), time.monotonic()
        if spent.get(host, 0.0) < SECONDS and not stop.is_set() and (job := store.get(job_id)):
            store.set_webhook(job_id, _send(settings, view(job)))
            spent[host] = spent.get(host, 0.0) + time.monotonic() - began


def _send(settings: ServeSettings, job: Job) -> str | None:
    """Post a job to its webhook; returns the webhook for the next attempt, None where there is none."""
    hook, until = Webhook.model_validate_json(job.webhook or ""), time.monotonic() + SECONDS
    try:
        check_target(settings, hook.url)  # the list may be another one since the upload
        status = _post(hook.url, job.model_dump_json().encode(), settings.webhook_secret or "", until)
        if 200 <= status < 300:
            return None
        fault = f"status {status}"
    except (OSError, HTTPException, ValueError, Refused) as error:
        fault = str(error) if time.monotonic() < until else f"no response within {SECONDS:g} s"
    last = hook.attempts == len(DELAYS)
    LOG.warning("job %s: its webhook failed (%s); %s", job.id, fault, "it is given up" if last else "trying again")
    if last:
        return None
    return Webhook(url=hook.url, attempts=hook.attempts + 1, due=time.time() + DELAYS[hook.attempts]).model_dump_json()


def _post(url: str, body: bytes, secret: str, until: float) -> int:
    """Send one request, following no redirect; returns the status. ``until`` is the end of its time, monotonic."""
    parts = urlsplit(url)
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"Content-Type": "application/json", "User-Agent": "facetell", SIGNATURE: f"sha256={signature}"}
    make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    with contextlib.closing(make(parts.netloc, timeout=SECONDS)) as connection:
        connection.connect()
        # The timeout of the connection is for each read: a target may send single bytes for hours.
        late = threading.Timer(until - time.monotonic(), _end, (connection.sock,))
        late.start()
        try:
            connection.request("POST", urlunsplit(("", "", parts.path or "/", parts.query, "")), body, headers)
            return connection.getresponse().status
        finally:
            late.cancel()


def _end(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed meanwhile
        socket.socket.shutdown(connected, socket.SHUT_RDWR)  # also below TLS
