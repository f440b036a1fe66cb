"""Run the platform over HTTP with waitress, in a thread of its own."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

from waitress.server import create_server

from sync.reference_platform.app import create_app
from sync.reference_platform.platform import DEFAULT_MAX_BYTES, Platform
from sync.reference_platform.station_api import MAX_CHUNK_BYTES


class RunningPlatform:
    """A platform that answers at `url` until `close`."""

    def __init__(self, platform: Platform, host: str, port: int) -> None:
        self.platform = platform
        self._listener = socket.create_server((host, port))
        self.url = "http://{}:{}".format(*self._listener.getsockname()[:2])
        self._sockets: dict[int, Any] = {}
        self._server: Any = create_server(
            create_app(platform),
            map=self._sockets,
            sockets=[self._listener],
            threads=8,
            ident="exam-platform",
            max_request_body_size=MAX_CHUNK_BYTES,
            clear_untrusted_proxy_headers=True,
        )
        self._thread = threading.Thread(target=self._server.run, name="platform", daemon=True)

    def start(self) -> None:
        self.platform.intake.start()
        self._thread.start()

    def wait(self) -> None:
        """Block until the server ends."""
        self._thread.join()

    def close(self) -> None:
        """Stop answering; a package that is being checked is finished first."""
        left = list(self._sockets.values())
        self._server.trigger.pull_trigger(self._sockets.clear)  # waitress' loop ends when it has no sockets
        self._thread.join()
        self._server.task_dispatcher.shutdown()
        for dispatcher in left:
            dispatcher.close()
        self.platform.intake.stop()


def start_platform(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    name: str = "上级平台",
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> RunningPlatform:
    """Start the platform of a folder; port 0 takes any free one. The first start makes its keys."""
    running = RunningPlatform(Platform(folder, name=name, max_bytes=max_bytes), host, port)
    running.start()
    return running
