"""A server of a test that can be gone and come back at its address."""

from __future__ import annotations

import random
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Type

# The system gives these to no outgoing connection: one found free here is still free after a pause.
PORTS = range(20_000, 30_000)


def serve(answers: Type[BaseHTTPRequestHandler], port: int = 0) -> ThreadingHTTPServer:
    """Listen at a port, 0: at one of those at which nobody listens."""
    for one in [port] if port else random.sample(PORTS, 100):
        try:
            return ThreadingHTTPServer(("127.0.0.1", one), answers)
        except OSError:
            if port:
                raise
    raise OSError("no free port")
