"""Answer agents that ask the room's network for their station: UDP, signed (client_agent/PROTOCOL.md)."""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import time
from collections import Counter
from contextlib import suppress

from station.web.identity import StationIdentity

LONGEST_QUESTION = 512
# An agent asks five times, one second apart. Whoever asks more than that gets no answer for it: each answer costs a
# signature, and is longer than its question.
MOST_ANSWERS_OF_ONE = 5
MOST_ANSWERS = 100
COUNTED_FOR_S = 2.0
_NONCE = re.compile(r"[0-9a-f]{32}", re.ASCII)
log = logging.getLogger(__name__)


class Share:
    """How many answers an asker, and all together, get within two seconds. For one thread."""

    def __init__(self) -> None:
        self._until = 0.0
        self._given: Counter[str] = Counter()

    def take(self, asker: str) -> bool:
        """Say whether this asker gets another answer now, and count it."""
        now = time.monotonic()
        if now >= self._until:
            self._until = now + COUNTED_FOR_S
            self._given.clear()
        if self._given[asker] >= MOST_ANSWERS_OF_ONE or self._given.total() >= MOST_ANSWERS:
            return False
        self._given[asker] += 1
        return True


class Announcer:
    """One socket and one thread. What is no question is passed over, and who asks too often for a moment.

    `url` is what agents are told; where it is empty, the address by which the asker reaches this server, so that
    several network cards do no harm. A port that another program has is no reason not to start: agents may be given
    the address instead.
    """

    def __init__(self, identity: StationIdentity, *, site_name: str, host: str, port: int, url: str = "") -> None:
        self._identity = identity
        self._site_name = site_name
        # Bound to one address, Linux would hear no question that goes to all.
        self._host = host if host.startswith("127.") else "0.0.0.0"
        self._port = port
        self._listener_host, self._url = host, url
        self.listener_port = 0
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port in use; 0 while nobody can be answered."""
        return 0 if self._socket is None else int(self._socket.getsockname()[1])

    def start(self, listener_port: int) -> None:
        """Begin to answer; `listener_port` is that of the candidate listener."""
        self.listener_port = listener_port
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            listening.bind((self._host, self._port))
        except OSError as error:
            listening.close()
            log.warning("agents cannot find this station by themselves: UDP port %s: %s", self._port, error)
            return
        self._socket = listening
        self._thread = threading.Thread(target=self._answer_all, args=(listening,), name="announcer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        listening, self._socket = self._socket, None
        if listening is None:
            return
        with suppress(OSError):  # wakes the thread on every system, as closing alone does not
            port = int(listening.getsockname()[1])
            listening.sendto(b"", ("127.0.0.1" if self._host == "0.0.0.0" else self._host, port))
        if self._thread is not None:
            self._thread.join(timeout=2)
        listening.close()

    def answer_to(self, question: bytes, asker: str) -> bytes | None:
        """Compose the answer to a datagram; None where it asks nothing."""
        try:
            asked = json.loads(question)
        except (ValueError, RecursionError):
            return None
        if not isinstance(asked, dict) or asked.get("exam_station") != 1 or asked.get("ask") != "station":
            return None
        nonce = asked.get("nonce")
        if not isinstance(nonce, str) or not _NONCE.fullmatch(nonce):
            return None
        host = own_address_towards(asker) if self._listener_host == "0.0.0.0" else self._listener_host
        url = self._url or f"http://{host}:{self.listener_port}"
        answer = {
            "exam_station": 1,
            "url": url,
            "site": self._site_name,
            "fingerprint": self._identity.fingerprint,
            "public_key": self._identity.public_key,
            "nonce": nonce,
            "signature": self._identity.sign(f"exam-station find\n{nonce}\n{url}"),
        }
        return json.dumps(answer, ensure_ascii=False).encode()

    def _answer_all(self, listening: socket.socket) -> None:
        share = Share()
        while self._socket is not None:
            try:
                question, asker = listening.recvfrom(LONGEST_QUESTION)
                answer = self.answer_to(question, asker[0]) if question and share.take(asker[0]) else None
                if answer is not None:
                    listening.sendto(answer, asker)
            except OSError as error:  # Windows tells so of an earlier answer that nobody took
                log.debug("a question could not be answered: %s", error)
                if self._socket is None or listening.fileno() < 0:
                    return


def own_address_towards(address: str) -> str:
    """Say by which address of this server another PC reaches it; nothing is sent to find out."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((address, 9))
        return str(probe.getsockname()[0])
