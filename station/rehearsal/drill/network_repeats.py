"""Requests that come twice, late or changed, and two pages of one candidate: once, in order, and told."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import func, select

from station.rehearsal.drill.network_stage import Stage
from station.rehearsal.drill.repeater import Habits, Repeated, Repeater
from station.rehearsal.ground import Seated
from station.rehearsal.line import AnswerRefused, Line
from station.rehearsal.load import item_of, response_of
from station.store.models import JournalEntry, SaveConflict

HABITS = Habits(doubled=1.0, old=0.2, lost=0.1)
_SEAT, _OTHER_SEAT = 2, 3
_QUEUED = 40
_FILE = {"item_id": "f1", "part": "plan", "name": "方案.txt"}


def repeat_requests(on: Stage, *, times: int) -> None:
    """Let the pages of a seat save over a line that doubles every request, repeats old ones and loses replies."""
    pages = on.at_seat(_SEAT)
    whole = Repeated()
    for seed in range(times):
        with on.line_from(_SEAT, HABITS, seed=seed) as line:
            task: dict[str, Any] = {"mode": "queue", "queued": _QUEUED, "batch": 2, "persists": True, "seconds": 60.0}
            load = on.pages.start("repeated", pages, through=line.address, **task)
            report = load.finish()
        on.check_all_sent("请求重复", "requests repeated", report)
        on.check(load.acked() == _QUEUED * len(pages), "重复线路上没有存完。", "Not all was saved over the line.")
        whole += line.repeated
    on.check(min(whole.doubled, whole.old, whole.lost) > 0, "线路没有重复任何请求。", "The line repeated nothing.")
    on.check(
        whole.differing == 0,
        f"同一请求的确认有 {whole.differing} 次不同。",
        "The same request was acknowledged in different ways.",
    )
    on.note(
        f"{whole.requests} 个请求：重复送达 {whole.doubled}，旧请求重放 {whole.old}，回复丢失后重发 {whole.lost}",
        f"{whole.requests} requests: {whole.doubled} came twice, {whole.old} old ones again, {whole.lost} replies lost",
    )


def replay_and_contradict(on: Stage) -> None:
    """Send an old save again as it was, then under the same identity with another answer (design §13.1)."""
    with on.line_from(_SEAT) as way, ExitStack() as held:
        page = _Page.at(on, _line(held, way))
        first = page.save(1, 2, 3)
        again = page.send(page.written(1))
        on.check(
            (again["acknowledged"], again["conflicts"]) == (first["acknowledged"][:1], []),
            "旧保存重放后的确认与当初不同。",
            "A replayed save was not acknowledged as it had been.",
        )
        changed = page.send({**page.written(1), "response": {"base": {"identifier": response_of(2)}}})
        on.check(
            (changed["acknowledged"], changed["conflicts"]) == (first["acknowledged"][:1], [1]),
            "同号不同内容的保存没有被当作冲突。",
            "Another answer under an old identity was not taken for a conflict.",
        )
    kept, alarms = _conflicts(on)
    on.check((kept, alarms) == (1, 1), "冲突没有保留或没有报警。", "The conflict was not kept or raised no alarm.")
    on.note(
        "旧保存重放：确认不变；同一序号内容不同：原答案不变，另存并报警",
        "an old save replayed: the same reply; contradicted: the answer stays, the other is kept, with an alarm",
    )


def open_two_pages(on: Stage) -> None:
    """Let one candidate answer on two pages of a PC, then on a second PC: the older page is told, nothing is lost."""
    with on.line_from(_SEAT) as way, on.line_from(_OTHER_SEAT) as other_way, ExitStack() as held:
        line = _line(held, way)
        older = _Page.at(on, line)
        older.save(1, 2)
        newer = older.once_more()
        newer.save(1, 2)
        on.check(
            older.save(3, 4, 5)["place"] == newer.place,
            "旧页面没有得知已在另一页面继续。",
            "The older page was not told of the newer one.",
        )
        elsewhere = _Page.at(on, _line(held, other_way))
        elsewhere.save(1)
        on.check(
            _refusal_of(line) == "logged_in_elsewhere",
            "旧机没有得知考生已在另一台机登录。",
            "The older PC was not told that its candidate is elsewhere.",
        )
        on.check(
            newer.save(3, 4)["place"] == elsewhere.place,
            "旧机的队列没有收下，或没有得知新的位置。",
            "The older PC's queue was not taken, or not told of the newer place.",
        )
        elsewhere.save(2)
    on.note(
        "同一考生两个页面、两台机器：旧页面得到提示，其队列照收，以较新页面的答案为准",
        "two pages and two PCs of a candidate: the older is told, its queue is taken, the newer one's answers count",
    )


def repeat_uploads(on: Stage) -> None:
    """Break an upload off in the middle, send the file whole, and send it once more: it lies there once."""
    folder = on.ground.config.folder / "uploads"
    content = ("方案" * 40_000).encode()
    with on.line_from(_SEAT) as way, ExitStack() as held:
        page = _Page.at(on, _line(held, way))
        query = {"attempt_id": page.one.attempt_id, **_FILE}
        with on.connect(_SEAT) as broken:
            broken.sendall(page.upload_head(query, len(content)) + content[: len(content) // 2])
        on.check(not _files(folder), "中断的上传留下了文件。", "An upload that broke off left something behind.")
        first, second = (page.line.send_file("/api/files", content, **query)["file"] for _ in range(2))
    on.check(
        first["sha256"] == second["sha256"] and _files(folder) == [first["sha256"]],
        "重复上传的文件没有只存一份。",
        "A file uploaded twice does not lie there once.",
    )
    on.note("上传中断后重传、再重复上传：文件只有一份", "upload broken off, repeated, sent twice: one file")


class _Page:
    """A page of the candidate who takes no part in the loads; it saves what the record's readers expect."""

    def __init__(self, on: Stage, line: Line) -> None:
        self.on, self.line = on, line
        place = line.post("/api/places", {"attempt_id": on.apart.attempt_id})["place"]
        self.one: Seated = replace(on.apart, place=place)

    @classmethod
    def at(cls, on: Stage, line: Line) -> _Page:
        """Log in over a line and open the paper."""
        ticket = on.apart.ticket_number
        line.post("/api/login", {"ticket_number": ticket, "password": ticket[-6:]})
        return cls(on, line)

    def once_more(self) -> _Page:
        """Open another tab of this browser."""
        return _Page(self.on, self.line)

    @property
    def place(self) -> int:
        return self.one.place

    def written(self, sequence: int) -> dict[str, Any]:
        item_id = item_of(self.on.ground.items, sequence)
        return {"sequence": sequence, "item_id": item_id, "response": {"base": {"identifier": response_of(sequence)}}}

    def save(self, *sequences: int) -> Any:
        """Save and put what is acknowledged on record."""
        reply = self.send(*map(self.written, sequences))
        self.on.pages.note(self.one, [(one["sequence"], one["number"]) for one in reply["acknowledged"]])
        return reply

    def send(self, *saves: dict[str, Any]) -> Any:
        return self.line.post("/api/saves", {"attempt_id": self.one.attempt_id, "place": self.place, "saves": saves})

    def upload_head(self, query: dict[str, object], length: int) -> bytes:
        return (
            f"POST /api/files?{urlencode(query)} HTTP/1.1\r\nHost: {self.on.host}\r\n"
            f"Cookie: {self.line.cookies}\r\n"
            f"Content-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
        ).encode()


def _line(held: ExitStack, way: Repeater) -> Line:
    line = Line(*way.address)
    held.callback(line.drop)
    return line


def _refusal_of(line: Line) -> str:
    try:
        line.get("/api/me")
    except AnswerRefused as refusal:
        return refusal.code
    return ""


def _conflicts(on: Stage) -> tuple[int | None, int | None]:
    store = on.ground.open_store()
    try:
        with store.reading() as db:
            kept = db.scalar(select(func.count()).select_from(SaveConflict))
            alarmed = select(func.count()).select_from(JournalEntry).where(JournalEntry.event == "save_conflict")
            return kept, db.scalar(alarmed)
    finally:
        store.close()


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())
