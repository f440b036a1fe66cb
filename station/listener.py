"""A listener: one waitress server in a thread of its own, with a line of its own for saves.

With a thread for each request most of the time went into handing over: from the loop to a worker, from the worker
to the writer and back, each time past the interpreter's lock, and with all workers waiting for the disk, waitress
looks through all its connections again and again. So requests that save do not go to the workers: one thread takes
all that have come, runs them up to the point where they save, writes them in one commit and answers them all
(`SaveQueue.run_together`). While it waits for the disk the loop reads what comes next: the slower the disk, the
larger the group.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from flask import Flask
from waitress.server import create_server
from waitress.task import ThreadedTaskDispatcher

from station.errors import Unsound, problem

PORT_TAKEN = problem(
    "port_taken",
    "地址 {address} 无法监听：{reason}。可能考站已在运行，或端口被其他程序占用。",
    "Cannot listen on {address}: {reason}. The station may be running already, or another program has the port.",
)
# waitress writes a body to disk before any guard sees it; the largest deliverable has 500 MiB.
LARGEST_REQUEST = 512 * 2**20
# Of requests with many saves, as after an outage, so many bytes go into one group: single saves wait for no more.
LARGE_FROM = 8_000
LARGE_TOGETHER = 100_000
Works = Iterable[Callable[[], object]]
log = logging.getLogger(__name__)


class Listener:
    """One waitress server. With `run_together`, POSTs to the path `saves_at` are handled by one thread in groups."""

    def __init__(
        self,
        app: Flask,
        host: str,
        port: int,
        *,
        threads: int,
        connection_limit: int,
        behind_front: bool = False,
        saves_at: str = "",
        run_together: Callable[[Works], None] | None = None,
    ) -> None:
        listening = _bound(host, port)
        # Behind a TLS front every request comes from this server; only the front's word says from which PC.
        front: dict[str, Any] = (
            {"trusted_proxy": "127.0.0.1", "trusted_proxy_headers": {"x-forwarded-for"}} if behind_front else {}
        )
        self.port = int(listening.getsockname()[1])
        self._line = _SaveLine(saves_at, run_together) if run_together is not None else None
        dispatcher = _Dispatcher(self._line)
        dispatcher.set_thread_count(threads)
        self._server: Any = create_server(
            app,
            _dispatcher=dispatcher,
            sockets=[listening],
            connection_limit=connection_limit,
            backlog=1024,
            channel_timeout=120,
            ident="",
            max_request_body_size=LARGEST_REQUEST,
            clear_untrusted_proxy_headers=True,
            **front,
        )
        if self._line is not None:
            self._line.serve(self._server)
        self._thread = threading.Thread(target=self._server.run, name=f"listener-{self.port}", daemon=True)

    def start(self) -> None:
        if self._line is not None:
            self._line.start()
        self._thread.start()

    def give_up(self) -> None:
        """Close a listener that was never started."""
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=1)
        self._server.close()

    def stop(self) -> None:
        """Finish the requests in work, then close every socket and end the thread.

        Closing is done in the listener's own thread: only there may its sockets be touched.
        """
        if self._line is not None:
            self._line.stop()
        self._server.task_dispatcher.shutdown(cancel_pending=True, timeout=5)

        def close_all() -> None:
            for channel in list(self._server.active_channels.values()):
                channel.handle_close()
            self._server.close()

        # The loop may run this, and close the trigger with all else, before the wake-up is written.
        with suppress(OSError):
            self._server.trigger.pull_trigger(close_all)
        self._thread.join(timeout=5)


class _Dispatcher(ThreadedTaskDispatcher):
    """Gives requests to waitress' worker threads, and those that save to their line."""

    def __init__(self, line: _SaveLine | None) -> None:
        super().__init__()
        self._line = line

    def add_task(self, task: Any) -> None:
        if self._line is None or not self._line.takes(task):
            super().add_task(task)


class _SaveLine:
    """One thread for all requests that save. A waiting request is a waitress channel; `service` answers it."""

    def __init__(self, path: str, run_together: Callable[[Works], None]) -> None:
        self._path, self._run_together = path, run_together
        self._small: deque[Any] = deque()
        self._large: deque[Any] = deque()
        self._has_come = threading.Event()
        self._is_stopping = False
        self._is_answering = False
        self._server: Any = None
        self._thread = threading.Thread(target=self._run, name="save-line", daemon=True)

    def serve(self, server: Any) -> None:
        """Take over a server's wake-ups: after a group its loop is woken once, not once a request."""
        self._server = server
        server.pull_trigger = self._wake

    def takes(self, channel: Any) -> bool:
        """Take a request that saves into the line; False for any other."""
        request = channel.requests[0]
        if request.error or request.path != self._path or self._is_stopping:
            return False
        (self._large if request.content_length > LARGE_FROM else self._small).append(channel)
        self._has_come.set()
        return True

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Answer what has come, then end; what comes later goes to the workers."""
        self._is_stopping = True
        self._has_come.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            self._has_come.wait()
            self._has_come.clear()
            while group := self._group():
                try:
                    self._run_together(channel.service for channel in group)
                except Exception:
                    log.exception("unexpected error while answering saves")
                self._server.trigger.pull_trigger()
            if self._is_stopping:
                return

    def _group(self) -> list[Any]:
        """Take all single saves that wait, and of larger requests, in turn, what may go with them."""
        group = [self._small.popleft() for _ in range(len(self._small))]
        room = LARGE_TOGETHER
        while self._large and room > 0:
            channel = self._large.popleft()
            room -= channel.requests[0].content_length
            group.append(channel)
        return group

    def _wake(self) -> None:
        if threading.get_ident() != self._thread.ident:
            self._server.trigger.pull_trigger()


def _bound(host: str, port: int) -> socket.socket:
    """Take an address, or say by name why it cannot be had."""
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":  # there, SO_REUSEADDR would let two stations share one port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise Unsound(PORT_TAKEN, address=f"{host}:{port}", reason=error.strerror or error) from error
    return listening
