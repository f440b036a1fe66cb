"""Load on a station from a process of its own: kept connections, requests written beforehand, one thread.

    python -m station.rehearsal.load TASK REPORT

TASK and REPORT are JSON files (`Task`, `Report`). With `acks` set, a line is written there for each save that the
station acknowledged, before the next one of that connection goes out: the load's own record, for a later proof.
"""

from __future__ import annotations

import errno
import json
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TextIO

# What Chrome 109 sends along; the floor gets the same.
_HEADERS = (
    "Connection: keep-alive\r\nContent-Type: application/json\r\nAccept: */*\r\n"
    "User-Agent: Mozilla/5.0 (Windows NT 6.1; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/109.0.0.0 Safari/537.36\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: zh-CN,zh;q=0.9\r\n"
)
_SIGNS = "ABCD"
_RETRY_S = 0.2
_SILENCE_S = 20.0


@dataclass(frozen=True)
class Sender:
    """One candidate's page. `from_sequence` is the first sequence that it uses."""

    token: str
    attempt_id: int
    place: int
    from_sequence: int = 1


@dataclass(frozen=True)
class Task:
    """What to do.

    `mode`: "closed" (the next request follows the reply), "open" (one every `every_s`, by the clock), "queue"
    (`queued` saves each, in batches of `batch`, all at once, until all are acknowledged). `path` other than
    /api/saves is a floor: any reply with status 200 counts. `persists`: go on when the station is away.
    `patience_s`: give a request up after so long, and its connection with it, as pages do (0: never).
    """

    host: str
    port: int
    mode: str
    senders: tuple[Sender, ...]
    items: tuple[str, ...]
    path: str = "/api/saves"
    seconds: float = 3.0
    every_s: float = 5.0
    queued: int = 0
    batch: int = 1
    persists: bool = False
    patience_s: float = 0.0
    acks: str = ""
    stop_file: str = ""

    @classmethod
    def read(cls, path: Path) -> Task:
        document = json.loads(path.read_text("utf-8"))
        senders = tuple(Sender(**one) for one in document.pop("senders"))
        return cls(senders=senders, items=tuple(document.pop("items")), **document)


@dataclass
class Report:
    """What came of it. Times in milliseconds; `cpu_s` is the load's own."""

    requests: int = 0
    saves: int = 0
    refused: int = 0
    broken: int = 0
    seconds: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    cpu_s: float = 0.0
    unordered: int = 0
    unsent: int = 0
    refusals: dict[str, int] = field(default_factory=dict)
    last_sequences: list[int] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0

    @classmethod
    def read(cls, path: Path) -> Report:
        return cls(**json.loads(path.read_text("utf-8")))


def response_of(sequence: int) -> str:
    """Give the option that a load's save of this sequence chooses: neighbours differ, so that no write is idle."""
    return _SIGNS[sequence % 4]


def item_of(items: Sequence[str], sequence: int) -> str:
    """Give the item that a load's save of this sequence answers."""
    return items[(sequence // 3) % len(items)]


class _Page:
    """One connection: what it sends next, what it waits for."""

    def __init__(self, sender: Sender, task: Task) -> None:
        self.sender, self._task = sender, task
        self.next_sequence = sender.from_sequence
        self.sent: range = range(0)
        self.due_at = 0.0
        self.began_at = 0.0
        self.asked_at: float | None = None
        self.socket: socket.socket | None = None
        self.out = b""
        self.incoming = b""
        self.highest = 0
        self._head = (
            f"POST {task.path} HTTP/1.1\r\nHost: {task.host}:{task.port}\r\n{_HEADERS}"
            f"Cookie: station_candidate={sender.token}\r\nContent-Length: "
        )
        self._start = f'{{"attempt_id":{sender.attempt_id},"place":{sender.place},"saves":['

    @property
    def left(self) -> int:
        return self._task.queued - (self.next_sequence - self.sender.from_sequence)

    def request(self) -> bytes:
        """Write the next request; the same once more when the last one was not answered."""
        if not self.sent:
            size = min(self._task.batch, self.left) if self._task.mode == "queue" else 1
            self.sent = range(self.next_sequence, self.next_sequence + size)
        items = self._task.items
        saves = ",".join(
            f'{{"sequence":{one},"item_id":"{item_of(items, one)}",'
            f'"response":{{"base":{{"identifier":"{response_of(one)}"}}}}}}'
            for one in self.sent
        )
        view = f'],"view":{{"item":"{item_of(items, self.sent[0])}","flags":[],"font":1}}}}'
        body = f"{self._start}{saves}{view}"
        return f"{self._head}{len(body)}\r\n\r\n{body}".encode()


class _Load:
    def __init__(self, task: Task, acks: TextIO | None) -> None:
        self.task, self.report = task, Report()
        self._acks = acks
        self._chosen = selectors.DefaultSelector()
        self._pages = [_Page(sender, task) for sender in task.senders]
        self._waits: deque[_Page] = deque()
        self._took: list[float] = []
        self._open = len(self._pages)
        self._ends_at = 0.0

    def run(self) -> Report:
        began, cpu = time.perf_counter(), time.process_time()
        self._ends_at = began + self.task.seconds
        for number, page in enumerate(self._pages):
            spread = self.task.every_s * number / len(self._pages) if self.task.mode == "open" else 0.0
            page.due_at = began + spread
            self._waits.append(page)
        looked_at = began
        while self._open:
            now = time.perf_counter()
            if self.task.stop_file and now - looked_at > 0.1:
                looked_at = now
                if Path(self.task.stop_file).exists():
                    self._ends_at = min(self._ends_at, now)
            self._start_due(now)
            for key, events in self._chosen.select(self._patience(now)):
                self._move(key.data, events)
            self._give_up_silent(time.perf_counter())
            if self.task.patience_s:
                self._give_up_waiting(time.perf_counter())
        report = self.report
        report.seconds = time.perf_counter() - began
        report.cpu_s = time.process_time() - cpu
        report.last_sequences = [page.next_sequence - 1 for page in self._pages]
        took = sorted(self._took)
        if took:
            report.p50_ms, report.p95_ms, report.p99_ms = (
                took[min(len(took) - 1, int(len(took) * part))] * 1000 for part in (0.5, 0.95, 0.99)
            )
            report.max_ms = took[-1] * 1000
        return report

    def _patience(self, now: float) -> float:
        due = min((page.due_at for page in self._waits), default=now + 0.1)
        return min(0.1, max(0.0, due - now))

    def _start_due(self, now: float) -> None:
        for _ in range(len(self._waits)):
            page = self._waits.popleft()
            if page.due_at > now and page.due_at < self._ends_at + _SILENCE_S:
                if now >= self._ends_at and self.task.mode != "queue":
                    self._end(page)
                else:
                    self._waits.append(page)
                continue
            if self.task.mode != "queue" and now >= self._ends_at:
                self._end(page)
            else:
                self._begin(page, now)

    def _begin(self, page: _Page, now: float) -> None:
        if not page.sent:
            page.began_at = page.due_at if self.task.mode == "open" else now
        page.out, page.incoming = page.request(), b""
        page.asked_at = now
        try:
            if page.socket is None:
                page.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                page.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                page.socket.setblocking(False)
                page.socket.connect_ex((self.task.host, self.task.port))
                self._chosen.register(page.socket, selectors.EVENT_WRITE, page)
            else:
                self._write(page)
        except OSError:
            self._break(page)

    def _move(self, page: _Page, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._write(page)
            if events & selectors.EVENT_READ:
                self._read(page)
        except OSError:
            self._break(page)

    def _write(self, page: _Page) -> None:
        assert page.socket is not None
        try:
            done = page.socket.send(page.out)
        except BlockingIOError:
            done = 0
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
            done = 0
        page.out = page.out[done:]
        wanted = selectors.EVENT_WRITE if page.out else selectors.EVENT_READ
        if self._chosen.get_key(page.socket).events != wanted:
            self._chosen.modify(page.socket, wanted, page)

    def _read(self, page: _Page) -> None:
        assert page.socket is not None
        content = page.socket.recv(1 << 16)
        if not content:
            raise ConnectionResetError
        page.incoming += content
        head, found, body = page.incoming.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            self._answered(page, head, body)

    def _answered(self, page: _Page, head: bytes, body: bytes) -> None:
        now = time.perf_counter()
        page.asked_at = None
        self.report.requests += 1
        if head[9:12] == b"200" and (self.task.path != "/api/saves" or self._acknowledged(page, body)):
            self._took.append(now - page.began_at)
            self.report.saves += len(page.sent)
            page.next_sequence = page.sent[-1] + 1
            page.sent = range(0)
        else:
            self.report.refused += 1
            name = head[9:12].decode() + " " + body[:120].decode(errors="replace")
            self.report.refusals[name] = self.report.refusals.get(name, 0) + 1
            if not self.task.persists:
                page.sent = range(0)
                page.next_sequence += 1
        if b"connection: close" in head.lower():
            self._close(page)
        self._next(page, now, again=bool(page.sent))

    def _acknowledged(self, page: _Page, body: bytes) -> bool:
        """Take in what was acknowledged; False when it is not what was sent, in order."""
        reply = json.loads(body) if len(page.sent) > 1 or self._acks else None
        if reply is None:
            return body.startswith(b'{"acknowledged":[{"sequence":%d,' % page.sent[0])
        acknowledged = reply["acknowledged"]
        if [one["sequence"] for one in acknowledged] != list(page.sent):
            return False
        for one in acknowledged:
            self.report.unordered += one["number"] <= page.highest
            page.highest = max(page.highest, one["number"])
            if self._acks:
                sender = page.sender
                self._acks.write(f"{sender.attempt_id} {sender.place} {one['sequence']} {one['number']}\n")
        if self._acks:
            self._acks.flush()
        return True

    def _next(self, page: _Page, now: float, *, again: bool = False) -> None:
        if self.task.mode == "queue" and page.left == 0 and not again:
            self._end(page)
            return
        if again:
            page.due_at = now + _RETRY_S
        elif self.task.mode == "open":
            page.due_at += self.task.every_s
        else:
            page.due_at = now
        if page.due_at <= now and (self.task.mode == "queue" or now < self._ends_at):
            self._begin(page, now)
        else:
            self._waits.append(page)

    def _break(self, page: _Page) -> None:
        """The connection is gone: what was sent on it may or may not have arrived."""
        self._close(page)
        page.asked_at = None
        self.report.broken += 1
        if self.task.persists:
            page.due_at = time.perf_counter() + _RETRY_S
            self._waits.append(page)
        else:
            self._end(page)

    def _give_up_silent(self, now: float) -> None:
        if self.task.mode == "queue" and not self.task.persists and now > self._ends_at + _SILENCE_S:
            for page in self._pages:
                self._close(page)
            self._open = 0

    def _give_up_waiting(self, now: float) -> None:
        for page in self._pages:
            if page.asked_at is not None and now - page.asked_at > self.task.patience_s:
                self._break(page)

    def _end(self, page: _Page) -> None:
        self.report.unsent += len(page.sent)
        self._close(page)
        self._open -= 1

    def _close(self, page: _Page) -> None:
        if page.socket is not None:
            self._chosen.unregister(page.socket)
            page.socket.close()
            page.socket = None


def run(task: Task) -> Report:
    """Do a task in this process."""
    if not task.acks:
        return _Load(task, None).run()
    with open(task.acks, "a", encoding="utf-8") as acks:
        return _Load(task, acks).run()


def main() -> None:
    task_path, report_path = map(Path, sys.argv[1:3])
    report = run(Task.read(task_path))
    report_path.write_text(json.dumps(asdict(report)), encoding="utf-8")


if __name__ == "__main__":
    main()
