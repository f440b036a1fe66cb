"""The listener outlives what PCs do to it: many sockets, silent ones, and replies that nobody reads."""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from flask import Flask

from station.listener import Listener

HOST = "127.0.0.1"
LARGE = 24 * 2**20  # more than waitress and the kernel's buffers take together


@contextmanager
def listener(**settings: Any) -> Iterator[Any]:
    app = Flask(__name__)
    app.add_url_rule("/", "small", lambda: "ok")
    app.add_url_rule("/large", "large", lambda: b"x" * LARGE)
    made = Listener(app, HOST, 0, **{"threads": 2, "connection_limit": 50, **settings})
    made.start()
    try:
        yield made
    finally:
        made.stop()


def ask(port: int, path: str = "/") -> socket.socket:
    connection = socket.create_connection((HOST, port), timeout=20)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.fixture
def many_files() -> Iterator[None]:
    """Take every low file number, as hundreds of connections and database files do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1_600:
        pytest.skip("not possible here: this account may open too few files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1_600), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]
    yield
    for one in held:
        os.close(one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_a_station_with_more_than_a_thousand_open_files_goes_on_listening() -> None:
    with listener() as listening:
        for _ in range(3):
            with ask(listening.port) as connection:
                assert connection.fileno() > 1_024
                assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_silent_connections_and_replies_that_nobody_reads_are_let_go_and_their_threads_with_them() -> None:
    with listener() as listening, ExitStack() as held:
        server = listening._server
        server.adj.cleanup_interval, server.next_channel_cleanup = 1, 0
        for _ in range(4):  # more than there are threads
            held.enter_context(ask(listening.port, "/large"))
        held.enter_context(ask(listening.port))
        half = held.enter_context(socket.create_connection((HOST, listening.port)))
        half.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        wait_until(lambda: len(server.active_channels) == 6)
        server.adj.channel_timeout = 2
        wait_until(lambda: not server.active_channels)
        with ask(listening.port) as again:
            assert again.recv(100).startswith(b"HTTP/1.1 200")
