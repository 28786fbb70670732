"""``facetell serve``: the page and the API."""

from __future__ import annotations

import argparse
import ipaddress
import os
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from facetell.cli.arguments import add_detection, count, detection_settings
from facetell.types import FacetellError

if TYPE_CHECKING:
    from facetell.serve.settings import ServeSettings

# With one of these as --root-path, a path that the proxy has shortened could not be told from one that it has not.
OWN_PATHS = {"healthz", "jobs", "login", "logout", "metrics", "openapi.json", "parts", "static", "v1"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's arguments."""
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8000, metavar="N", help="to listen on, 0 for any (default: 8000)")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("facetell-data"),
        metavar="DIR",
        help="keeps jobs, videos and reports (default: facetell-data)",
    )
    parser.add_argument("--token", metavar="TOKEN", help="ask for it; better given as FACETELL_TOKEN")
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name under which browsers reach the server"
    )
    parser.add_argument(
        "--root-path",
        type=_root_path,
        default="",
        metavar="PATH",
        help="path under which a reverse proxy publishes the server, such as /facetell (default: the root)",
    )
    parser.add_argument("--workers", type=count, default=1, metavar="N", help="processes that score (default: 1)")
    parser.add_argument(
        "--keep-days", type=_days, default=7.0, metavar="N", help="keep results so long, 0 for ever (default: 7)"
    )
    limits = parser.add_argument_group("limits")
    limits.add_argument("--max-mb", type=count, default=2048, metavar="N", help="MiB a video (default: 2048)")
    limits.add_argument("--max-minutes", type=_amount, default=60.0, metavar="N", help="of a video (default: 60)")
    limits.add_argument(
        "--max-megapixels",
        type=_amount,
        default=35.4,
        metavar="N",
        help="a picture (default: 35.4, that is 8192 x 4320)",
    )
    limits.add_argument("--max-uploads", type=count, default=8, metavar="N", help="at the same time (default: 8)")
    limits.add_argument("--max-queue", type=count, default=100, metavar="N", help="videos that wait (default: 100)")
    limits.add_argument(
        "--min-free-mb", type=count, default=512, metavar="N", help="MiB of disk that are left alone (default: 512)"
    )
    scoring = parser.add_argument_group("scoring, as in `facetell detect`")
    add_detection(scoring)
    scoring.add_argument("--threads", type=count, metavar="N", help="CPU threads a worker (default: cores / workers)")


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop; 0 then."""
    from facetell.serve.app import create_app
    from facetell.serve.server import serve
    from facetell.serve.service import Service

    settings = settings_of(args)
    listening = listen(args.host, args.port)
    service = Service(settings)
    try:
        service.start()
        address, port = listening.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        url = f"http://{shown}:{port}{settings.root_path}"
        print(f"facetell serves {url}, data in {service.files.root}; stop it with Ctrl-C", flush=True)
        if settings.token is None and not _is_local(args.host):
            print(
                "facetell serve: anybody who reaches this address may upload, read and delete: set FACETELL_TOKEN",
                file=sys.stderr,
            )
        serve(create_app(service), service, listening)
    finally:
        service.stop()
        listening.close()
    return 0


def settings_of(args: argparse.Namespace) -> ServeSettings:
    """The server's settings from the command line and the environment.

    Raises:
        FacetellError: the token is unfit.
    """
    from facetell.serve.auth import check_token
    from facetell.serve.settings import MIB, Limits, ServeSettings

    token = args.token or os.environ.get("FACETELL_TOKEN") or None
    threads = args.threads or max(1, (os.cpu_count() or 1) // args.workers)
    return ServeSettings(
        data=args.data,
        limits=Limits(
            upload_bytes=args.max_mb * MIB,
            duration=60 * args.max_minutes,
            pixels=round(1e6 * args.max_megapixels),
            uploads=args.max_uploads,
            queue=args.max_queue,
            free_bytes=args.min_free_mb * MIB,
        ),
        workers=args.workers,
        keep_seconds=86400 * args.keep_days if args.keep_days else None,
        token=check_token(token) if token else None,
        hosts=(args.host, *args.allow_host),
        root_path=args.root_path,
        model=args.model,
        detector=detection_settings(args, threshold=args.threshold, threads=threads),
    )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        FacetellError: the address is not ours, or in use.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(1024)
        except OSError:
            listening.close()
            raise
    except OSError as error:
        raise FacetellError(
            f"cannot listen on {host}, port {port} ({error.strerror}): choose another --host or --port"
        ) from None
    return listening


def _is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _root_path(text: str) -> str:
    path = text.rstrip("/")
    first = path[1:].partition("/")[0]
    if path and (not re.fullmatch(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+", path) or first in OWN_PATHS):
        raise argparse.ArgumentTypeError(
            f"'{text}' is not a path such as /facetell: it begins with '/', has letters, digits and any of ._~-, and "
            f"does not begin with a path of the server itself ({', '.join(sorted(OWN_PATHS))})"
        )
    return path


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port between 0 and 65535")
    return int(text)


def _amount(text: str) -> float:
    value = _number(text)
    if not 0 < value <= 1e6:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0")
    return value


def _days(text: str) -> float:
    value = _number(text)
    if not 0 <= value <= 36500:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of days from 0 to 36500")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
