"""A listener: one waitress server in a thread of its own, with a line of its own for saves.

Requests that save do not go to waitress' workers but to one thread (`store.save_line`). Workers that all wait for the
disk would let requests queue, and while one does, waitress looks through all its connections again and again.
"""

from __future__ import annotations

import logging
import select
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask import Flask
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ThreadedTaskDispatcher

from station.errors import Unsound, problem
from station.store.save_line import SaveLine
from station.store.save_queue import SaveQueue

PORT_TAKEN = problem(
    "port_taken",
    "地址 {address} 无法监听：{reason}。可能考站已在运行，或端口被其他程序占用。",
    "Cannot listen on {address}: {reason}. The station may be running already, or another program has the port.",
)
# waitress writes a body to disk before any guard sees it; the largest deliverable has 500 MiB.
LARGEST_REQUEST = 512 * 2**20
# A browser keeps 6, an agent some; a PC that lost its power leaves its own behind until they time out.
CONNECTIONS_PER_ADDRESS = 64
# On Windows Python's select takes 512 sockets and fails at one more; elsewhere poll takes any number.
MOST_CONNECTIONS = 500 if sys.platform == "win32" else 100_000
ROUND_S = 1.0
ROUND_WAITS_S = 0.005
# About four times what it takes to look at a connection.
REST_PER_CONNECTION_S = 8e-6
FEW_CONNECTIONS = 20
FILE_THREADS = 8
SENT_AT_ONCE = 128 * 1024
# select() knows no descriptor above 1023, or on Windows no more than 512 sockets.
_look_through: Callable[[float, Any], None] = wasyncore.poll2 if hasattr(select, "poll") else wasyncore.poll
log = logging.getLogger(__name__)


class Listener:
    """One waitress server. POSTs to the path `saves_at` are answered in groups, one commit each.

    Requests below the paths `files_at` have worker threads of their own.
    """

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
        saves: SaveQueue[Any, Any] | None = None,
        files_at: tuple[str, ...] = (),
    ) -> None:
        listening = _bound(host, port)
        # Behind a TLS front every request comes from this server; only the front's word says from which PC.
        front: dict[str, Any] = (
            {"trusted_proxy": "127.0.0.1", "trusted_proxy_headers": {"x-forwarded-for"}} if behind_front else {}
        )
        self.port = int(listening.getsockname()[1])
        self._line = SaveLine(saves, on_answered=self._wake) if saves is not None else None
        dispatcher = _Dispatcher(saves_at, self._line, files_at)
        dispatcher.set_thread_count(threads)
        self._server: Any = create_server(
            app,
            _dispatcher=dispatcher,
            sockets=[listening],
            connection_limit=min(connection_limit, MOST_CONNECTIONS),
            backlog=1024,
            channel_timeout=120,
            ident="",
            max_request_body_size=LARGEST_REQUEST,
            clear_untrusted_proxy_headers=True,
            **front,
        )
        self._is_capped = not behind_front
        self._thread = threading.Thread(target=self._run, name=f"listener-{self.port}", daemon=True)

    def start(self) -> None:
        self._server.maintenance = self._look_for_silent
        if self._is_capped:
            self._server.channel_class = _admit
        self._accept_one, self._server.handle_accept = self._server.handle_accept, self._accept_all
        if self._line is not None:
            # After a group of saves the loop is woken once, not once a request.
            self._server.pull_trigger = self._wake_unless_in_line
            self._line.start()
        self._thread.start()

    def _run(self) -> None:
        """Read and write what the sockets have, round after round.

        Each round looks through all connections; one round an answer would cost more than the answers. So a round
        waits until the line has answered its group, though never long, and lets the workers have most of the time.
        """
        connections = self._server._map
        # A lock that nobody gives back: time.sleep fails under libfaketime once so short a time is over already.
        rest = threading.Lock()
        rest.acquire()
        while connections:
            if self._line is not None:
                self._line.wait_until_free(ROUND_WAITS_S)
            if len(connections) > FEW_CONNECTIONS:
                rest.acquire(timeout=min(ROUND_WAITS_S, len(connections) * REST_PER_CONNECTION_S))
            try:
                _look_through(ROUND_S, connections)
            except Exception:  # a room without its listener is lost; one with a strange socket is not
                log.exception("unexpected error of a listener")
                rest.acquire(timeout=ROUND_WAITS_S)

    def _accept_all(self) -> None:
        """Accept all that knock: one a round would let a room of PCs wait for many rounds."""
        connections, limit = self._server._map, self._server.adj.connection_limit
        before = -1
        while before != len(connections) < limit:
            before = len(connections)
            self._accept_one()

    def _look_for_silent(self, now: float) -> None:
        # Called while the round collects its sockets: closing must wait until it works them off.
        with suppress(OSError):
            self._server.trigger.pull_trigger(lambda: _let_go(self._server, now))

    def _wake(self) -> None:
        self._server.trigger.pull_trigger()

    def _wake_unless_in_line(self) -> None:
        if self._line is None or not self._line.is_here:
            self._wake()

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
    """Gives requests to waitress' worker threads; saves to their line, and files to workers of their own.

    Few threads do most work: Python runs one at a time, and more of them only wrest the interpreter from each other.
    But a few that receive or send large files must not keep everybody else waiting.
    """

    def __init__(self, saves_at: str, line: SaveLine | None, files_at: tuple[str, ...]) -> None:
        super().__init__()
        self._saves_at, self._line, self._files_at = saves_at, line, files_at
        self._files = ThreadedTaskDispatcher() if files_at else None
        if self._files is not None:
            self._files.set_thread_count(FILE_THREADS)

    def add_task(self, task: Any) -> None:
        request = task.requests[0]
        if not request.error:
            line = self._line if request.path == self._saves_at else None
            if line is not None and line.put(task.service, size=request.content_length):
                return
            if self._files is not None and request.path.startswith(self._files_at):
                self._files.add_task(task)
                return
        super().add_task(task)

    def shutdown(self, cancel_pending: bool = True, timeout: int = 5) -> bool:
        """Finish the requests in work."""
        if self._files is not None:
            self._files.shutdown(cancel_pending, timeout)
        return super().shutdown(cancel_pending, timeout)


def _admit(server: Any, connection: socket.socket, source: Any, adjustments: Any, **named: Any) -> HTTPChannel | None:
    """Take in a connection, at most so many from one address (design §13.17).

    For a further one the longest silent of that address makes room, so that a PC which died again and again gets in
    all the same; where none is silent, the new one is closed. Programs on the server itself may have any number.
    """
    if not source[0].startswith("127.") and source[0] != "::1":
        held = [one for one in server.active_channels.values() if one.addr[0] == source[0] and not one.will_close]
        if len(held) >= CONNECTIONS_PER_ADDRESS:
            silent = [channel for channel in held if not channel.requests and not channel.total_outbufs_len]
            if not silent:
                connection.close()
                return None
            # Closed in the next round: its number may stand among those that this round has still to look at.
            min(silent, key=lambda channel: float(channel.last_activity)).will_close = True
    channel = HTTPChannel(server, connection, source, adjustments, **named)
    # waitress would read as much of a file as the system's whole buffer holds (megabytes) for each bit that has room.
    channel.sendbuf_len = min(channel.sendbuf_len, SENT_AT_ONCE)
    return channel


def _let_go(server: Any, now: float) -> None:
    """Close connections of which nothing was heard for long, also those that do not take what is sent to them.

    waitress asks all to close once they can be written to, which a PC that has vanished never can.
    """
    for channel in list(server.active_channels.values()):
        if channel.last_activity < now - server.adj.channel_timeout:
            if channel.total_outbufs_len:
                channel.handle_close()
            elif not channel.requests:
                channel.will_close = True


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
