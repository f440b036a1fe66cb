"""Talking to the station: the address, and the clock that PROTOCOL.md describes."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime
from typing import Callable
from urllib.parse import urlsplit

from client_agent import clock
from client_agent.errors import AgentError, problem

BAD_ADDRESS = problem(
    "bad_address",
    "“{address}”不是考试站地址。请写成 http://服务器地址:8080 的形式。",
    "'{address}' is not a station's address. Write it like http://SERVER:8080.",
)
STATION_UNREACHABLE = problem(
    "station_unreachable",
    "连接不上 {address}：{reason}。请检查网线、服务器地址，以及服务器上的考试站是否已启动。",
    "{address} cannot be reached: {reason}. Check the cable, the address, and that the station runs.",
)
NOT_A_STATION = problem(
    "not_a_station",
    "{address} 有应答，但不是考试站（{reason}）。请检查地址和端口。",
    "{address} answers but is not an exam station ({reason}). Check address and port.",
)

SAMPLES = 5
TIMEOUT_S = 5.0
RETRY_S = 3.0
LONGEST_ANSWER = 64 * 1024


@dataclass(frozen=True)
class ClockReading:
    """The station's clock as seen from here.

    `offset_s` is what this PC's clock is ahead of the station's; it is known to half a round trip.
    """

    round_trip_s: float
    offset_s: float


def station_origin(address: str) -> str:
    """Cut an address down to scheme, host and port; refuse what is not http or https to a host."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise AgentError(BAD_ADDRESS, address=address) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise AgentError(BAD_ADDRESS, address=address)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def read_clock(
    address: str,
    *,
    now: Callable[[], datetime] = clock.now,
    monotonic: Callable[[], float] = clock.monotonic,
    samples: int = SAMPLES,
) -> ClockReading:
    """Compare clocks by the quickest of several requests: it has the least delay to mislead.

    Raises station_unreachable or not_a_station.
    """
    url = station_origin(address) + "/api/clock"
    readings = []
    for _ in range(samples):
        started = monotonic()
        station_now = _station_now(url)
        round_trip_s = monotonic() - started
        ahead_s = (now() - station_now).total_seconds() - round_trip_s / 2
        readings.append(ClockReading(round_trip_s, ahead_s))
    return min(readings, key=lambda reading: reading.round_trip_s)


def wait_for_station(address: str, say: Callable[[str, str], None], ending: threading.Event) -> None:
    """Return once the station answers or `ending` is set; say so if it has to be waited for.

    PCs may be on before the server. Raises bad_address or not_a_station: waiting would not mend those.
    """
    was_told = False
    while not ending.is_set():
        try:
            read_clock(address, samples=1)
            return
        except AgentError as failure:
            if failure.problem is not STATION_UNREACHABLE:
                raise
            if not was_told:
                say(f"正在等待考试站：{failure.sentence('zh')}", f"Waiting for the station: {failure.sentence('en')}")
                was_told = True
        ending.wait(RETRY_S)


def _station_now(url: str) -> datetime:
    # Proxies are left out: the station is on the room's own network, a proxy only ever stands in the way.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            body = answer.read(LONGEST_ANSWER)
    except urllib.error.HTTPError as failure:
        failure.close()
        raise AgentError(NOT_A_STATION, address=url, reason=f"HTTP {failure.code}") from None
    except urllib.error.URLError as failure:
        raise AgentError(STATION_UNREACHABLE, address=url, reason=failure.reason) from None
    except (OSError, http.client.HTTPException) as failure:
        raise AgentError(STATION_UNREACHABLE, address=url, reason=failure) from None
    return _parse_clock(body, url)


def _parse_clock(body: bytes, url: str) -> datetime:
    try:
        # fromisoformat reads "Z" only from Python 3.11 on.
        text = str(json.loads(body.decode("utf-8"))["now"])
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    except (ValueError, KeyError, TypeError):
        raise AgentError(NOT_A_STATION, address=url, reason="no JSON clock") from None
    if moment.tzinfo is None:
        raise AgentError(NOT_A_STATION, address=url, reason="clock without time zone")
    return moment


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A station answers itself: a redirect is a captive portal or another server."""

    def redirect_request(self, *_arguments: object, **_named: object) -> None:
        return None
