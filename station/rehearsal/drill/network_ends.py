"""Ends that hang: PCs that vanish with their connections open, requests that never come whole, replies not read."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

from station.rehearsal.drill.network_stage import CANDIDATES, GHOSTS, SEATS, Stage

GHOST_CONNECTIONS = 6
# What waitress waits for a silent connection, and how often it looks.
_FORGOTTEN_WITHIN_S = 120 + 30 + 30
_STALLED_EACH_SEAT = 8
_LOOK_S = 2.0
_CROWD, _CROWDING_SEAT = 700, 1


def leave_half_open(on: Stage, *, waits_for_the_end: bool) -> None:
    """Let as many connections as a whole room has hang, more than the station has threads: the others go on saving.

    1. 45 PCs with 6 connections each: silent after a request, in the middle of a request, or with the whole paper
       asked for again and again and not read. Then their cable is gone: nothing they do is ever heard of again.
    2. From every seat further connections with half a request that does not go on (a slow sender).
    3. All other pages save meanwhile. In the long form: until the station has let go of all that hangs.
    """
    with ExitStack() as held:
        ghosts = _ghosts(on, held)
        stalled = [held.enter_context(_half_a_request(on, seat)) for seat in _everywhere()]
        time.sleep(0.3)
        if on.network:
            on.network.remove_seat(GHOSTS)
        loads = [on.start_load("beside", seat, mode="open", every_s=0.5, seconds=4.0) for seat in range(1, SEATS + 1)]
        reports = [load.finish() for load in loads]
        for report in reports:
            on.check_unharmed("半开连接", "half-open connections", report)
        sockets = _sockets(on)
        on.check(sockets >= len(stalled), "半开连接没有建立。", "There were no half-open connections.")
        worst = max(report.p99_ms for report in reports)
        on.note(
            f"{ghosts} 个消失的连接和 {len(stalled)} 个只发一半的请求：其他考位 p99 {worst:.0f} 毫秒",
            f"{ghosts} connections vanished and {len(stalled)} requests half sent: p99 of the others {worst:.0f} ms",
        )
        if waits_for_the_end:
            _wait_until_forgotten(on)


def crowd_from_one_address(on: Stage) -> None:
    """Let one PC open more connections than the station takes in all: everybody still gets in (design §13.17)."""
    with ExitStack() as held:
        for _ in range(_CROWD):
            held.enter_context(on.connect(_CROWDING_SEAT))
        loads = [on.start_load("crowded", seat, mode="open", every_s=0.5, seconds=4.0) for seat in range(1, SEATS + 1)]
        for load in loads:
            on.check_unharmed("一台机器占用大量连接", "a crowd of connections from one address", load.finish())
        left = on.network.connections_at(on.port) if on.network else 0
        on.check(left < _CROWD, "一台机器可以占用全部连接。", "One address may hold every connection.")
        on.note(
            f"一台机器开 {_CROWD} 个连接：保留 {left} 个，其他考位不受影响",
            f"{_CROWD} connections from one PC: {left} kept, the other seats not affected",
        )


def _ghosts(on: Stage, held: ExitStack) -> int:
    """Open the connections of PCs that are about to vanish; needs a network that they can vanish from."""
    if on.network is None:
        return 0
    hosts = [f"10.77.2.{number}" for number in range(1, CANDIDATES + 1)]
    on.network.add_addresses(GHOSTS, hosts)
    for host in hosts:
        for number in range(GHOST_CONNECTIONS):
            ghost = held.enter_context(on.connect(GHOSTS, source=host))
            ghost.sendall((_asking_once, _half, _asking_and_not_reading)[number % 3](on))
    return len(hosts) * GHOST_CONNECTIONS


def _half_a_request(on: Stage, seat: int) -> socket.socket:
    connection = on.connect(seat)
    connection.sendall(_half(on))
    return connection


def _asking_once(on: Stage) -> bytes:
    return f"GET /api/clock HTTP/1.1\r\nHost: {on.host}\r\n\r\n".encode()


def _half(on: Stage) -> bytes:
    head = (
        f"POST /api/saves HTTP/1.1\r\nHost: {on.host}\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n"
    )
    return head.encode() + b'{"attempt_id":'


def _asking_and_not_reading(on: Stage) -> bytes:
    one = on.apart
    request = (
        f"GET /api/papers/{one.attempt_id} HTTP/1.1\r\nHost: {on.host}\r\nCookie: station_candidate={one.token}\r\n\r\n"
    )
    return request.encode() * 5


def _everywhere() -> list[int]:
    return [seat for seat in range(1, SEATS + 1) for _ in range(_STALLED_EACH_SEAT)]


def _sockets(on: Stage) -> int:
    return on.network.connections_at(on.port) if on.network else on.process.num_fds()


def _wait_until_forgotten(on: Stage) -> None:
    """Wait until the station has closed every connection of which nothing more is heard."""
    began = time.monotonic()
    while on.network and on.network.connections_at(on.port):
        if time.monotonic() - began > _FORGOTTEN_WITHIN_S:
            left = on.network.connections_at(on.port)
            on.check(False, f"{left} 个半开连接没有被释放。", f"{left} half-open connections were never let go.")
            return
        time.sleep(_LOOK_S)
    if on.network:
        took_s = time.monotonic() - began
        on.note(f"{took_s:.0f} 秒后全部释放", f"all let go after {took_s:.0f} s")
