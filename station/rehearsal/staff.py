"""Simulated staff: each logs in at the console, and together they run every sitting of the day over HTTP."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from station.rehearsal import script as play
from station.rehearsal.line import Line
from station.rehearsal.pace import RoomClock
from station.rehearsal.script import CastMember, Part

ADMISSION_MIN = 30
RULES_MIN = 15
Board = dict[str, Any]
Say = Callable[[str, str], None]


class StaffMember:
    """Somebody with an account, at a line of their own. The first password is changed at the first log-in."""

    def __init__(self, host: str, port: int, username: str, first_password: str) -> None:
        self.username = username
        self.line = Line(host, port)
        self.password = secrets.token_urlsafe(9)
        me = self.line.post("/api/login", {"username": username, "password": first_password})
        self.name = me["name"]
        self.line.csrf_token = me["csrf_token"]
        self.do("/api/password", old=first_password, new=self.password)

    def do(self, path: str, **body: object) -> Any:
        return self.line.post(path, body)


@dataclass
class Team:
    """Who acts: the roles that a day needs. `parts`: candidates with something special to them, by seat."""

    chief: StaffMember
    invigilator: StaffMember
    inspector: StaffMember
    parts: Mapping[str, CastMember] = field(default_factory=dict)


def log_staff_in(host: str, port: int, passwords: Mapping[str, str]) -> dict[str, StaffMember]:
    """Log everybody in for the first time; `passwords` are the first ones, by user name."""
    return {name: StaffMember(host, port, name, password) for name, password in passwords.items()}


def run_day(team: Team, clock: RoomClock, say: Say, *, check: Callable[[], None]) -> None:
    """Run every sitting until all are closed. `check` is called at every round and may raise to end the day."""
    sittings = team.invigilator.line.get("/api/sittings")
    keepers = [SittingKeeper(one["id"], one["subject"], team, clock, say) for one in sittings]
    keepers[0].plays_parts = True
    while not all(keeper.is_closed for keeper in keepers):
        check()
        for keeper in keepers:
            keeper.look()
        time.sleep(clock.short_s(45, least=0.2, most=1.0))


class SittingKeeper:
    """Looks at one sitting's board again and again and does what is due there."""

    def __init__(self, sitting_id: int, subject: str, team: Team, clock: RoomClock, say: Say) -> None:
        self.is_closed = False
        self.plays_parts = False
        self._id, self._subject, self._team, self._clock, self._say = sitting_id, subject, team, clock, say
        self._done: set[str] = set()

    def look(self) -> None:
        """Do what is due at this moment."""
        if self.is_closed:
            return
        board = self._team.invigilator.line.get(f"/api/board/{self._id}")
        state = board["sitting"]["state"]
        if state in {"closed", "delivered"}:
            self.is_closed = True
        elif state == "planned":
            self._open_admission(board)
        elif state == "admitting":
            self._release(board)
            self._read_rules(board)
            self._start(board)
        elif state == "running":
            self._run(board)

    def _open_admission(self, board: Board) -> None:
        opens_at = _moment(board["sitting"]["can_start_at"]) - timedelta(minutes=ADMISSION_MIN)
        if self._clock.now() >= opens_at:
            self._team.invigilator.do(f"/api/sittings/{self._id}/open_admission")
            self._tell("开放登录", "log-in open")

    def _read_rules(self, board: Board) -> None:
        at = _moment(board["sitting"]["can_start_at"]) - timedelta(minutes=RULES_MIN)
        if self._clock.now() >= at and self._first_time("rules"):
            text = "请阅读屏幕上的考生守则和违纪处理规定。"
            self._team.invigilator.do("/api/messages", sitting_id=self._id, entry_ids=None, text=text)

    def _start(self, board: Board) -> None:
        starts_at = _moment(board["sitting"]["can_start_at"])
        if self._clock.real_s(starts_at) > 1.0:
            return
        self._clock.wait(starts_at + timedelta(milliseconds=1))
        if board["disk_to_confirm"] is not None:
            self._team.chief.do(f"/api/sittings/{self._id}/accept_tight_disk")
        self._team.invigilator.do(f"/api/sittings/{self._id}/start")
        counts = board["counts"]
        self._tell(f"开考，已登录 {counts['logged_in']}", f"started, {counts['logged_in']} logged in")

    def _run(self, board: Board) -> None:
        self._release(board)
        self._answer_hands(board)
        since = self._clock.now() - _moment(board["sitting"]["started_at"])
        if self.plays_parts:
            self._extend(board, since)
        if since > timedelta(minutes=board["sitting"]["entry_cutoff_min"], seconds=30):
            self._mark_absent(board)
        early = timedelta(minutes=board["sitting"]["duration_min"] - board["sitting"]["early_leave_min"])
        if since >= early and self._first_time("early leave"):
            self._team.chief.do("/api/early_leave", sitting_id=self._id, all=True)
            self._tell("主考同意提前交卷", "chief examiner allows early leave")
        self._close(board)

    def _release(self, board: Board) -> None:
        """Let in who waits: one whose PC died is moved to the spare seat, anybody else released where they are."""
        for seat in board["seats"]:
            waiting = seat["waiting_login"]
            if waiting is None:
                continue
            spare = next((one for one in board["seats"] if one["seat"] == waiting["seat"] and one["is_spare"]), None)
            if seat["attempt_id"] is not None and spare is not None and spare["entry_id"] is None:
                self._move(seat, spare)
            else:
                self._team.invigilator.do(f"/api/logins/{waiting['login_id']}/release")
                self._tell(f"放行 {seat['name']}（考位 {waiting['seat']}）", f"released at seat {waiting['seat']}")

    def _move(self, seat: Board, spare: Board) -> None:
        reason = "考生机无法启动，更换备用机"
        self._team.invigilator.do("/api/seat_moves", entry_id=seat["entry_id"], seat_id=spare["seat_id"], reason=reason)
        self._team.invigilator.do(
            "/api/incidents",
            sitting_id=self._id,
            entry_id=seat["entry_id"],
            kind="equipment",
            measure="",
            text=f"考位 {seat['seat']} 电脑损坏，{seat['name']} 换到备用机 {spare['seat']}",
        )
        self._tell(f"换机 {seat['seat']} → {spare['seat']}", f"seat move {seat['seat']} to {spare['seat']}")

    def _answer_hands(self, board: Board) -> None:
        for seat in board["seats"]:
            if any(problem["code"] == "help" for problem in seat["problems"]):
                self._team.invigilator.do("/api/help/answer", entry_id=seat["entry_id"])
                self._tell(f"考位 {seat['seat']} 举手，已应答", f"hand at seat {seat['seat']} answered")

    def _extend(self, board: Board, since: timedelta) -> None:
        """Suspend one candidate while the PC restarts; then two people decide an extension (R-DAY-8)."""
        seat = next((one for one in board["seats"] if self._part_at(one) == Part.EXTENDED), None)
        if seat is None or seat["attempt_id"] is None:
            return
        chosen: dict[str, object] = {"entry_ids": [seat["entry_id"]]}
        if since >= timedelta(minutes=play.SUSPENDED_FROM_MIN) and self._first_time("suspend"):
            self._team.invigilator.do("/api/attempts/suspend", reason="考生机重启", **chosen)
            self._tell(f"暂停考位 {seat['seat']}", f"seat {seat['seat']} suspended")
        if since >= timedelta(minutes=play.SUSPENDED_UNTIL_MIN) and self._first_time("resume"):
            self._team.invigilator.do("/api/attempts/resume", **chosen)
            proposed = self._team.chief.do(
                "/api/extensions",
                sitting_id=self._id,
                minutes=play.EXTENSION_MIN,
                reason_kind="pc_fault",
                reason="考生机反复故障",
                asked_by_candidate=True,
                **chosen,
            )
            inspector = {"username": self._team.inspector.username, "password": self._team.inspector.password}
            self._team.chief.do(
                "/api/extensions/decide", extension_ids=proposed["extension_ids"], granted=True, second=inspector
            )
            self._tell(
                f"考位 {seat['seat']} 延时 {play.EXTENSION_MIN} 分钟，主考与巡考员决定",
                f"seat {seat['seat']} extended by chief examiner and inspector",
            )

    def _mark_absent(self, board: Board) -> None:
        missing = [seat["entry_id"] for seat in board["seats"] if seat["state"] == "expected"]
        if missing and self._first_time("absent"):
            self._team.invigilator.do("/api/entries/absent", entry_ids=missing)
            self._tell(f"登记缺考 {len(missing)} 人", f"{len(missing)} recorded as absent")

    def _close(self, board: Board) -> None:
        open_ones = sum(board["counts"][state] for state in ("answering", "suspended", "waiting", "elsewhere"))
        if open_ones or board["counts"]["handed_in"] + board["counts"]["collected"] == 0:
            return
        if not self._team.chief.line.get(f"/api/sittings/{self._id}/closing_list")["may_close"]:
            return
        self._team.chief.do(f"/api/sittings/{self._id}/close")
        counts = board["counts"]
        self._tell(
            f"结束场次：交卷 {counts['handed_in']}，收卷 {counts['collected']}，缺考 {counts['absent']}",
            f"closed: {counts['handed_in']} handed in, {counts['collected']} collected, {counts['absent']} absent",
        )
        self.is_closed = True

    def _part_at(self, seat: Board) -> Part | None:
        member = self._team.parts.get(seat["seat"])
        return member.part if member is not None and seat["entry_id"] is not None else None

    def _first_time(self, what: str) -> bool:
        if what in self._done:
            return False
        self._done.add(what)
        return True

    def _tell(self, zh: str, en: str) -> None:
        self._say(f"{self._subject}：{zh}", en)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
