"""Finding the station on the room's network by a UDP question; every answer must prove its key (PROTOCOL.md)."""

from __future__ import annotations

import json
import secrets
import socket
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence

import psutil

from client_agent import clock
from client_agent.errors import AgentError, problem
from client_agent.station_link import station_origin
from client_agent.trust import check_signature, fingerprint_of, is_same_fingerprint

NO_STATION_FOUND = problem(
    "no_station_found",
    "局域网内没有找到考站。请检查网线和服务器，或直接填写服务器地址。",
    "No exam station was found on this network. Check the cable and the server, or give its address.",
)
SEVERAL_STATIONS = problem(
    "several_stations",
    "局域网内有多个考站：{names}。请用 --fingerprint 指明是哪一台，或直接填写服务器地址。",
    "Several exam stations answer on this network: {names}. Name one with --fingerprint, or give its address.",
)

PORT = 8079
ASKS = 5
ASK_EVERY_S = 1.0
ANSWERS_WITHIN_S = 2.0
LONGEST_DATAGRAM = 4096


@dataclass(frozen=True)
class Found:
    """A station that answered and proved its key."""

    url: str
    site: str
    public_key: str

    @property
    def name(self) -> str:
        return f"{self.site} {self.url} ({fingerprint_of(self.public_key)})"


def find_station(
    *,
    fingerprint: str = "",
    public_key: str = "",
    targets: Sequence[tuple[str, int]] | None = None,
    asks: int = ASKS,
    wait: Callable[[float], bool] = lambda _seconds: False,
) -> Found:
    """Ask until someone answers, then take the answers of 2 s and choose.

    With `fingerprint` or `public_key` only that station counts; else the only one that answers. `wait` is asked
    for each pause and ends the search by True. Raises no_station_found and several_stations.
    """
    nonce = secrets.token_hex(16)
    question = json.dumps({"exam_station": 1, "ask": "station", "nonce": nonce}).encode("ascii")
    found: dict[str, Found] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        asking.bind(("", 0))
        for _ in range(asks):
            for target in targets or broadcast_addresses():
                _send(asking, question, target)
            _collect(asking, nonce, found, ASK_EVERY_S)
            if found:
                _collect(asking, nonce, found, ANSWERS_WITHIN_S)
                break
            if wait(0.0):
                break
    return _choose(list(found.values()), fingerprint, public_key)


def broadcast_addresses() -> list[tuple[str, int]]:
    """List where to ask: each card's own broadcast address, since the general one leaves by one card only."""
    own = [
        address.broadcast
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and address.broadcast
    ]
    return [(address, PORT) for address in dict.fromkeys([*own, "255.255.255.255"])]


def _choose(found: Sequence[Found], fingerprint: str, public_key: str) -> Found:
    if public_key:
        found = [one for one in found if one.public_key == public_key]
    elif fingerprint:
        found = [one for one in found if is_same_fingerprint(fingerprint, one.public_key)]
    if not found:
        raise AgentError(NO_STATION_FOUND)
    if len({one.public_key for one in found}) > 1:
        raise AgentError(SEVERAL_STATIONS, names="; ".join(sorted(one.name for one in found)))
    return found[0]


def _send(asking: socket.socket, question: bytes, target: tuple[str, int]) -> None:
    try:
        asking.sendto(question, target)
    except OSError:
        # A card without a way out: the others are asked all the same.
        return


def _collect(asking: socket.socket, nonce: str, found: dict[str, Found], for_s: float) -> None:
    ends = clock.monotonic() + for_s
    while True:
        left_s = ends - clock.monotonic()
        if left_s <= 0:
            return
        asking.settimeout(left_s)
        try:
            datagram, _sender = asking.recvfrom(LONGEST_DATAGRAM)
        except socket.timeout:
            return
        except OSError:
            # Windows tells a port that nobody listens on as an error of the next read.
            continue
        answer = _read(datagram, nonce)
        if answer is not None:
            found[answer.url + answer.public_key] = answer


def _read(datagram: bytes, nonce: str) -> Found | None:
    """Read an answer to our own question whose signature is right; everything else counts for nothing."""
    try:
        answer: Mapping[str, Any] = json.loads(datagram.decode("utf-8"))
        if answer.get("exam_station") != 1 or answer["nonce"] != nonce:
            return None
        url, key = str(answer["url"]), str(answer["public_key"])
        check_signature(key, f"exam-station find\n{nonce}\n{url}", str(answer["signature"]), address=url)
        return Found(station_origin(url), str(answer.get("site", "")), key)
    except (ValueError, KeyError, TypeError, AttributeError, AgentError):
        return None
