"""The network side: uvicorn over a socket that is already open, ended in good order."""

from __future__ import annotations

import signal
import socket
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from facetell.serve.service import Service

GRACE = 5  # seconds that requests have to end


class Server(uvicorn.Server):
    """Uvicorn that ends the event streams when it is told to stop: they would never end by themselves."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal has come: end in good order, at the second Ctrl-C at once.

        Uvicorn's own would send the signal again once the last request is answered, and the workers would be cut off.
        """
        self._service.hub.close()
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def serve(app: ASGIApp, service: Service, listening: socket.socket) -> None:
    """Answer requests until a signal comes."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
    )
    Server(config, service).run(sockets=[listening])
