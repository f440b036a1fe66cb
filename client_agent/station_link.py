"""Talking to the station as PROTOCOL.md describes: the address, the clock, and the `Link` for all else."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Callable, Iterator, Mapping
from urllib.parse import urlsplit

from client_agent import clock
from client_agent.errors import AgentError, problem
from client_agent.trust import HELLO, say_hello

BAD_ADDRESS = problem(
    "bad_address",
    "“{address}”不是考站地址。请写成 http://服务器地址:8080 的形式。",
    "'{address}' is not a station's address. Write it like http://SERVER:8080.",
)
STATION_UNREACHABLE = problem(
    "station_unreachable",
    "连接不上 {address}：{reason}。请检查网线、服务器地址，以及服务器上的考站是否已启动。",
    "{address} cannot be reached: {reason}. Check the cable, the address, and that the station runs.",
)
NOT_A_STATION = problem(
    "not_a_station",
    "{address} 有应答，但不是考站（{reason}）。请检查地址和端口。",
    "{address} answers but is not an exam station ({reason}). Check address and port.",
)
STATION_BUSY = problem(
    "station_busy",
    "考站正忙或正在启动，稍后自动重试。",
    "The station is busy or starting; this is tried again by itself.",
)
REFUSED_BY_STATION = problem("refused_by_station", "{sentence}", "{sentence}")

SAMPLES = 5
TIMEOUT_S = 5.0
RETRY_S = 3.0
PIECE_TIMEOUT_S = 60.0
LONGEST_ANSWER = 1024 * 1024
READ_AT_ONCE = 256 * 1024
# How a connection fails that the station closed while it lay idle.
WENT_STALE = (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ConnectionAbortedError)


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
                say(f"正在等待考站：{failure.sentence('zh')}", f"Waiting for the station: {failure.sentence('en')}")
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


@dataclass(frozen=True)
class Trust:
    """What this PC and its station know each other by."""

    public_key: str
    token: str = field(repr=False)


class Link:
    """The way to one station over connections that are kept open; any thread may use it.

    The device token goes only over a connection on which the station has first proven its key: another device
    that took over the address during an outage does not get it. No proxy is used and no redirect followed.

    Every method raises station_unreachable and station_busy (both pass), not_a_station, and refused_by_station
    with the details `code`, `sentence` and `details` as the station gave them.
    """

    def __init__(self, address: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self.origin = station_origin(address)
        self._timeout_s = timeout_s
        self._trust: Trust | None = None
        self._guard = threading.Lock()
        self._idle: list[_Line] = []

    def trust(self, trust: Trust | None) -> None:
        """Send this token from now on, to who holds this key; None sends none."""
        self._trust = trust
        self.close()

    def move_to(self, address: str) -> None:
        """Go to another address from now on, without a token until `trust` gives one again."""
        self.origin = station_origin(address)
        self.trust(None)

    def get(self, path: str) -> dict[str, Any]:
        return self._json("GET", path, None, {})

    def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        return self._json("POST", path, json.dumps(body).encode("ascii"), {"Content-Type": "application/json"})

    def put_bytes(self, path: str, content: bytes) -> dict[str, Any]:
        """Send a piece of a file."""
        headers = {"Content-Type": "application/octet-stream"}
        return self._json("PUT", path, content, headers, timeout_s=PIECE_TIMEOUT_S)

    def post_bytes(self, path: str, content: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        """Send a whole file with headers that say what it is."""
        return self._json("POST", path, content, headers, timeout_s=PIECE_TIMEOUT_S)

    def get_bytes(self, path: str, offset: int = 0) -> Iterator[bytes]:
        """Read a file from `offset` on, in pieces; a file that ends early raises station_unreachable."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        line, answer = self._ask("GET", path, None, headers, PIECE_TIMEOUT_S)
        is_read_out = False
        try:
            if answer.status == 416:  # nothing lies behind the offset
                return
            if answer.status not in (200, 206):
                self._refuse(answer, _read(answer, self.origin))
            left_out = offset if answer.status == 200 else 0
            while True:
                piece = answer.read(READ_AT_ONCE)
                if not piece:
                    break
                left_out, piece = max(0, left_out - len(piece)), piece[left_out:]
                if piece:
                    yield piece
            if answer.length:
                raise AgentError(STATION_UNREACHABLE, address=self.origin, reason="the file was cut off")
            is_read_out = True
        except (OSError, http.client.HTTPException) as failure:
            raise AgentError(STATION_UNREACHABLE, address=self.origin, reason=failure) from None
        finally:
            if is_read_out:
                self._give_back(line)
            else:
                line.close()

    def close(self) -> None:
        """Close what lies idle; the link can be used again."""
        with self._guard:
            lines, self._idle = self._idle, []
        for line in lines:
            line.close()

    def _json(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        *,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        line, answer = self._ask(method, path, body, headers, timeout_s or self._timeout_s)
        try:
            content = _read(answer, self.origin)
        except BaseException:
            line.close()
            raise
        self._give_back(line)
        if answer.status != 200:
            self._refuse(answer, content)
        return _as_object(content, self.origin)

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
    ) -> tuple[_Line, http.client.HTTPResponse]:
        while True:
            line = self._take()
            was_kept = line.was_used
            try:
                if line.trust is not None and not was_kept:
                    self._prove(line, line.trust)
                return line, line.ask(method, path, body, headers, timeout_s)
            except WENT_STALE as failure:
                line.close()
                if not was_kept:
                    raise AgentError(STATION_UNREACHABLE, address=self.origin, reason=failure) from None
            except (OSError, http.client.HTTPException) as failure:
                line.close()
                raise AgentError(STATION_UNREACHABLE, address=self.origin, reason=failure) from None
            except BaseException:
                line.close()
                raise

    def _prove(self, line: _Line, trust: Trust) -> None:
        def ask(body: Mapping[str, Any]) -> Mapping[str, Any]:
            headers = {"Content-Type": "application/json"}
            answer = line.ask("POST", HELLO, json.dumps(body).encode("ascii"), headers, self._timeout_s, is_proof=True)
            content = _read(answer, self.origin)
            if answer.status != 200:
                self._refuse(answer, content)
            return _as_object(content, self.origin)

        say_hello(ask, address=self.origin, public_key=trust.public_key)

    def _take(self) -> _Line:
        with self._guard:
            trust = self._trust
            while self._idle:
                line = self._idle.pop()
                if line.trust is trust and line.origin == self.origin:
                    return line
                line.close()
            return _Line(self.origin, trust)

    def _give_back(self, line: _Line) -> None:
        with self._guard:
            if line.is_open and line.trust is self._trust:
                self._idle.append(line)
                return
        line.close()

    def _refuse(self, answer: http.client.HTTPResponse, content: bytes) -> None:
        """Raise what an answer other than 200 means."""
        try:
            told = json.loads(content.decode("utf-8"))["error"]
            code, sentence, details = str(told["code"]), told["sentence"], told.get("details", {})
        except (ValueError, KeyError, TypeError, AttributeError):
            if answer.status == 503:
                raise AgentError(STATION_BUSY, address=self.origin) from None
            raise AgentError(NOT_A_STATION, address=self.origin, reason=f"HTTP {answer.status}") from None
        kind = STATION_BUSY if answer.status == 503 else REFUSED_BY_STATION
        raise AgentError(kind, address=self.origin, code=code, sentence=str(sentence), details=details)


def refusal_code(failure: AgentError) -> str:
    """Give the station's own code of a refusal, empty for every other failure."""
    return str(failure.details.get("code", "")) if failure.problem is REFUSED_BY_STATION else ""


class _Line:
    """One connection. It carries the token it was made for."""

    def __init__(self, origin: str, trust: Trust | None) -> None:
        parts = urlsplit(origin)
        make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = make(parts.hostname or "", parts.port)
        self.origin = origin
        self.trust = trust
        self.was_used = False

    @property
    def is_open(self) -> bool:
        return self._connection.sock is not None

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        timeout_s: float,
        *,
        is_proof: bool = False,
    ) -> http.client.HTTPResponse:
        self._connection.timeout = timeout_s
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout_s)
        sent = {"Accept": "application/json", "Accept-Language": "zh", **headers}
        if self.trust is not None and not is_proof:
            sent["Authorization"] = f"Bearer {self.trust.token}"
        self._connection.request(method, path, body, sent)
        answer = self._connection.getresponse()
        self.was_used = True
        return answer

    def close(self) -> None:
        self._connection.close()


def _read(answer: http.client.HTTPResponse, address: str) -> bytes:
    try:
        content = answer.read(LONGEST_ANSWER + 1)
    except (OSError, http.client.HTTPException) as failure:
        raise AgentError(STATION_UNREACHABLE, address=address, reason=failure) from None
    if len(content) > LONGEST_ANSWER:
        raise AgentError(NOT_A_STATION, address=address, reason="the answer is too long")
    if answer.length:
        raise AgentError(STATION_UNREACHABLE, address=address, reason="the answer was cut off")
    return content


def _as_object(content: bytes, address: str) -> dict[str, Any]:
    try:
        document = json.loads(content.decode("utf-8"))
    except ValueError:
        raise AgentError(NOT_A_STATION, address=address, reason="no JSON") from None
    if not isinstance(document, dict):
        raise AgentError(NOT_A_STATION, address=address, reason="no JSON object")
    return document
