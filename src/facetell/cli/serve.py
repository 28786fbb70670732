"""``facetell serve``: a page and an API that score uploaded videos."""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from facetell.cli.arguments import add_detection, count, detection_settings, number
from facetell.cli.progress import Bar
from facetell.types import FacetellError

if TYPE_CHECKING:
    from facetell.serve.models import ServeSettings

amount = partial(number, most=1e6)
days = partial(number, most=36500, least=0)
OWN_PATHS = "docs|healthz|jobs|login|logout|metrics|openapi.json|static|v1"  # first parts of the server's addresses


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--host", default="127.0.0.1", metavar="ADDRESS", help="to listen on (default: 127.0.0.1)")
    add("--port", type=partial(count, least=0), default=8000, metavar="N", help="0: any free one (default: 8000)")
    add("--data", type=Path, default=Path("facetell-data"), metavar="DIR", help="data folder (default: facetell-data)")
    add("--token", metavar="TOKEN", help="required of every client; better set as FACETELL_TOKEN")
    add("--insecure-no-token", action="store_true", help="serve other machines without a token")
    add("--allow-host", type=_host, action="append", default=[], metavar="NAME", help="by which clients reach it")
    text = "HOST or HOST:PORT to which jobs may ask for a webhook; needs FACETELL_WEBHOOK_SECRET"
    add("--webhook-host", type=_host, action="append", default=[], metavar="HOST", help=text)
    add("--root-path", type=_root_path, default="", metavar="PATH", help="path in a reverse proxy, such as /facetell")
    add("--workers", type=count, default=1, metavar="N", help="processes that score (default: 1)")
    add("--keep-days", type=days, default=7.0, metavar="N", help="until results are deleted; 0: never (default: 7)")
    add = parser.add_argument_group("limits").add_argument
    add("--max-mb", type=count, default=2048, metavar="N", help="MiB per video (default: 2048)")
    add("--max-minutes", type=amount, default=60.0, metavar="N", help="minutes per video (default: 60)")
    add("--max-megapixels", type=amount, default=35.4, metavar="N", help="per frame (default: 35.4, or 8192 x 4320)")
    add("--max-uploads", type=count, default=8, metavar="N", help="at a time, half of one address (default: 8)")
    add("--min-rate", type=amount, default=64.0, metavar="N", help="kB/s of an upload, over 30 s (default: 64)")
    add("--max-queue", type=count, default=100, metavar="N", help="videos in the queue (default: 100)")
    add("--min-free-mb", type=count, default=512, metavar="N", help="MiB of disk space to leave free (default: 512)")
    add_detection(scoring := parser.add_argument_group("scoring, as in `facetell detect`"))
    scoring.add_argument("--threads", type=count, metavar="N", help="CPU threads per worker (default: cores / workers)")


def run(args: argparse.Namespace) -> int:
    """Serve until a signal arrives; returns 0 then."""
    with Bar("loading the model"):
        from facetell.serve.server import create_app, serve
        from facetell.serve.service import Service

    settings = settings_of(args)
    listening = listen(args.host, args.port, only_loopback=settings.token is None and not args.insecure_no_token)
    service = Service(settings)
    try:
        with Bar("loading the model"):
            service.start()
        address, port = listening.getsockname()[:2]
        url = f"http://{f'[{address}]' if ':' in address else address}:{port}{settings.root_path}"
        print(f"facetell serves {url}, data in {service.files.root}; stop it with Ctrl-C", flush=True)
        if settings.token is None and not ipaddress.ip_address(address).is_loopback:
            print("facetell serve: anybody can upload, read and delete here: set FACETELL_TOKEN", file=sys.stderr)
        serve(create_app(service), service, listening)
    finally:
        service.stop()
        listening.close()
    return 0


def settings_of(args: argparse.Namespace) -> ServeSettings:
    """The settings from the command line and the environment. Raises FacetellError if the token is unfit."""
    from facetell.serve.access import check_token
    from facetell.serve.models import MIB, Limits, ServeSettings

    token = args.token or os.environ.get("FACETELL_TOKEN")
    secret = os.environ.get("FACETELL_WEBHOOK_SECRET", "")
    threads = args.threads or max(1, (os.cpu_count() or 1) // args.workers)
    return ServeSettings(
        data=args.data,
        limits=Limits(
            upload_bytes=args.max_mb * MIB,
            duration=60 * args.max_minutes,
            pixels=round(1e6 * args.max_megapixels),
            uploads=args.max_uploads,
            upload_rate=1000 * args.min_rate,
            queue=args.max_queue,
            free_bytes=args.min_free_mb * MIB,
        ),
        workers=args.workers,
        keep_seconds=86400 * args.keep_days if args.keep_days else None,
        token=check_token(token) if token else None,
        hosts=(args.host, *(name.partition(":")[0] for name in args.allow_host)),
        webhook_hosts=tuple(args.webhook_host),
        webhook_secret=check_token(secret, "FACETELL_WEBHOOK_SECRET") if args.webhook_host else None,
        root_path=args.root_path,
        model=args.model,
        detector=detection_settings(args, threshold=args.threshold, threads=threads),
    )


def listen(host: str, port: int, *, only_loopback: bool = False) -> socket.socket:
    """A listening socket. Raises FacetellError if the address is not available, or is not to be listened on."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if only_loopback and not ipaddress.ip_address(address[0]).is_loopback:
            raise FacetellError(
                f"without a token, anybody who reaches {host} could upload, read and delete: set FACETELL_TOKEN, "
                "listen on 127.0.0.1, or accept that with --insecure-no-token"
            )
        return socket.create_server((address[0], port), family=family, dualstack_ipv6=family == socket.AF_INET6)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = str(getattr(error, "strerror", error)).partition(" (")[0]
        message = f"cannot listen on {host}, port {port} ({reason}): choose another --host or --port"
        raise FacetellError(message) from None


def _root_path(text: str) -> str:
    path = text.rstrip("/")
    if path and not re.fullmatch(rf"(?!/({OWN_PATHS})(/|$))(/[\w~-][\w.~-]*)+", path, re.ASCII):
        message = f"'{text}' is not a path such as /facetell: it begins with '/', has letters, digits and any of ._~-"
        raise argparse.ArgumentTypeError(f"{message}, and is not below /{OWN_PATHS.replace('|', ', /')}")
    return path


def _host(text: str) -> str:
    found = re.fullmatch(r"(?:\[[\da-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?", text.lower(), re.ASCII)
    if found is None or not 0 < int(found[1] or 80) < 65536:
        raise argparse.ArgumentTypeError(f"'{text}' is not HOST or HOST:PORT: leave out 'https://' and the path")
    return found[0]
