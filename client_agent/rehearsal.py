"""A rehearsal: this PC plays one candidate against the station for some minutes and tells what it measured.

Nothing on the PC changes and no window opens: requests alone, over a line of its own with cookies of its own, so that
the seat's page is not touched. What is asked stands in PROTOCOL.md, `rehearse`.
"""

import http.client
import json
import os
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple
from urllib.parse import quote, urlencode, urlsplit

from client_agent import clock
from client_agent.errors import AgentError, problem

REHEARSAL_WRONG = problem(
    "rehearsal_wrong",
    "演练命令不完整：{what}。请更新考站或本程序。",
    "The command to rehearse lacks something: {what}. Update the station or this program.",
)

REHEARSE_WHILE_LOCKED = problem(
    "rehearse_while_locked",
    "本机已锁定，正在考试，不参加演练。",
    "This PC is locked for a test and takes no part in a rehearsal.",
)

SAVE_EVERY_S = 4.0
LOOK_EVERY_S = 2.0
FILE_EVERY_S = 45.0
MOST_FILES = 4
FILE_BYTES = 512 * 1024
LONGEST_MINUTES = 30
TIMEOUT_S = 30.0
TRIES = 4
RETRY_S = 0.5
LARGEST_ANSWER = 4 * 1024 * 1024
LOST = (OSError, http.client.HTTPException)


class Refused(Exception):
    """The station said no."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status


class Browser:
    """As much of a browser as a candidate's page needs: one kept connection, cookies, JSON. For one thread."""

    def __init__(self, origin: str) -> None:
        parts = urlsplit(origin)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._http = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
        self._cookies: Dict[str, str] = {}

    def fetch(self, path: str) -> bytes:
        return self._ask("GET", path, None, {})

    def get(self, path: str) -> Any:
        return json.loads(self.fetch(path).decode("utf-8"))

    def post(self, path: str, body: Mapping[str, object]) -> Any:
        content = json.dumps(body).encode("ascii")
        return json.loads(self._ask("POST", path, content, {"Content-Type": "application/json"}).decode("utf-8"))

    def send_file(self, path: str, content: bytes, query: Mapping[str, object]) -> Any:
        address = f"{path}?{urlencode(query, quote_via=quote)}"
        answer = self._ask("POST", address, content, {"Content-Type": "application/octet-stream"})
        return json.loads(answer.decode("utf-8"))

    def close(self) -> None:
        self._http.close()

    def _ask(self, method: str, path: str, body: Optional[bytes], headers: Mapping[str, str]) -> bytes:
        sent = dict(headers)
        if self._cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        try:
            self._http.request(method, path, body, sent)
            answer = self._http.getresponse()
            content = answer.read(LARGEST_ANSWER)
        except LOST:
            self._http.close()
            raise
        for cookie in answer.headers.get_all("Set-Cookie", []):
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name.strip()] = value
        if answer.status >= 400:
            raise Refused(answer.status, content[:200].decode("utf-8", "replace"))
        return content


class Player:
    """One candidate from the seat's link to the hand-in; `measured` is the report of PROTOCOL.md.

    `pause` waits so many seconds and says whether the agent is ending.
    """

    def __init__(self, origin: str, arguments: Mapping[str, Any], pause: Callable[[float], bool]) -> None:
        self._browser = Browser(origin)
        self._pause = pause
        self._ticket, self._path = _text(arguments, "ticket_number"), _text(arguments, "seat_path")
        self._item, self._part = _text(arguments, "file_item"), _text(arguments, "file_part")
        self._seconds = 60.0 * min(float(_number(arguments, "minutes")), LONGEST_MINUTES)
        self._attempt_id = self._place = self._sequence = 0
        self._answers: Dict[str, Any] = {}
        self._items: List[Mapping[str, Any]] = []
        self._saves_ms: List[float] = []
        self._faults: List[str] = []
        self.measured: Dict[str, Any] = {
            "log_in_ms": None, "paper_ms": None, "saves_ms": self._saves_ms, "saves": 0, "lost": 0, "disconnects": 0,
            "file_bytes": 0, "file_s": 0.0, "faults": self._faults,
        }  # fmt: skip

    def play(self) -> Dict[str, Any]:
        """Play to the end; what goes wrong stands among the faults and is not raised."""
        try:
            ends_at = clock.monotonic() + self._seconds
            self._log_in()
            self._work(ends_at)
            self._look_back()
            self._again(lambda: self._browser.post("/api/hand_in", {"attempt_id": self._attempt_id}))
        except (Refused, KeyError, TypeError, ValueError) as failure:
            self._faults.append(f"{type(failure).__name__}: {failure}"[:200])
        except LOST as failure:
            self._faults.append(f"{type(failure).__name__}: {failure}"[:200])
        finally:
            self._browser.close()
        return self.measured

    def _log_in(self) -> None:
        browser = self._browser
        self._again(lambda: browser.fetch(self._path))
        began = clock.monotonic()
        self._again(lambda: browser.post("/api/login", {"ticket_number": self._ticket, "password": self._ticket[-6:]}))
        me = self._again(lambda: browser.get("/api/me"))
        self.measured["log_in_ms"] = _since(began)
        entry_id = me["entry"]["id"]
        if me["view"] == "confirm":
            self._again(lambda: browser.post("/api/confirm", {"entry_id": entry_id, "right": True}))
        began = clock.monotonic()
        self._attempt_id = self._again(lambda: browser.post("/api/enter", {"entry_id": entry_id}))["attempt_id"]
        self._place = self._open()["place"]
        paper = self._again(lambda: browser.get(f"/api/papers/{self._attempt_id}"))
        self._items = [item for section in paper["sections"] for item in section["items"] if item["kind"] == "single"]
        self.measured["paper_ms"] = _since(began)

    def _open(self) -> Any:
        return self._again(lambda: self._browser.post("/api/places", {"attempt_id": self._attempt_id}))

    def _work(self, ends_at: float) -> None:
        """Save, look and carry files at the pace of a page until the time is up; at least once each."""
        next_save = next_look = next_file = clock.monotonic()
        files = 0
        while True:
            now = clock.monotonic()
            if now >= next_save:
                next_save += SAVE_EVERY_S
                self._save(*self._answer())
            if now >= next_look:
                next_look += LOOK_EVERY_S
                self._again(lambda: self._browser.get("/api/me"))
            if now >= next_file and files < MOST_FILES:
                next_file += FILE_EVERY_S
                files += 1
                self._carry_file(files)
            now = clock.monotonic()
            if now >= ends_at or self._pause(max(0.01, min(next_save, next_look, ends_at) - now)):
                return

    def _answer(self) -> Tuple[str, Any]:
        turn = self._sequence + 1
        item = self._items[turn % len(self._items)]
        options = item["interaction"]["options"]
        return item["id"], {"base": {"identifier": options[turn // len(self._items) % len(options)]["id"]}}

    def _save(self, item: str, response: Any) -> None:
        self._sequence += 1
        body = {
            "attempt_id": self._attempt_id,
            "place": self._place,
            "saves": [{"sequence": self._sequence, "item_id": item, "response": response}],
            "view": {"item": item, "flags": [], "font": 1},
        }
        began = clock.monotonic()
        reply = self._again(lambda: self._browser.post("/api/saves", body))
        self._saves_ms.append(_since(began))
        if [one["sequence"] for one in reply["acknowledged"]] != [self._sequence]:
            self._faults.append(f"a save was not acknowledged: {reply.get('refused')}"[:200])
            return
        self.measured["saves"] += 1
        self._answers[item] = response

    def _carry_file(self, number: int) -> None:
        """Send a file that nobody else has, name it in an answer, and read it back."""
        content = os.urandom(FILE_BYTES // 2).hex().encode("ascii")
        query = {
            "attempt_id": self._attempt_id, "item_id": self._item, "part": self._part, "name": f"rehearsal-{number}.txt"
        }  # fmt: skip
        began = clock.monotonic()
        file = self._again(lambda: self._browser.send_file("/api/files", content, query))["file"]
        back = self._again(lambda: self._browser.fetch(f"/api/files/{self._attempt_id}/{file['sha256']}"))
        self.measured["file_s"] += clock.monotonic() - began
        self.measured["file_bytes"] += len(content) + len(back)
        if back != content:
            self._faults.append("a file came back otherwise than it was sent")
        named = {name: value for name, value in file.items() if name != "uploaded_at"}
        self._save(self._item, {"record": [{"name": self._part, "base": {"file": named}}]})

    def _look_back(self) -> None:
        """Open the page anew and count the answers that are not those which were acknowledged."""
        held = self._open()["answers"]
        self.measured["lost"] = sum(held.get(item) != response for item, response in self._answers.items())

    def _again(self, ask: Callable[[], Any]) -> Any:
        """Ask again after a broken connection or a busy station, some times, as pages do."""
        for _ in range(TRIES - 1):
            try:
                return ask()
            except LOST:
                self.measured["disconnects"] += 1
            except Refused as refusal:
                if refusal.status != 503:
                    raise
            self._pause(RETRY_S)
        return ask()


def check_arguments(arguments: Mapping[str, Any]) -> int:
    """Refuse a command that lacks what a player needs; gives the number of the rehearsal."""
    for name in ("ticket_number", "seat_path", "file_item", "file_part"):
        _text(arguments, name)
    _number(arguments, "minutes")
    return int(_number(arguments, "rehearsal_id"))


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value or (name == "seat_path" and not value.startswith("/")):
        raise AgentError(REHEARSAL_WRONG, what=name)
    return value


def _number(arguments: Mapping[str, Any], name: str) -> float:
    value = arguments.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value <= 0:
        raise AgentError(REHEARSAL_WRONG, what=name)
    return value


def _since(began: float) -> float:
    return round((clock.monotonic() - began) * 1000, 2)
