"""The open day: everything in real time, with seats and the console left to persons, until Ctrl+C."""

from __future__ import annotations

import threading
import webbrowser
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from station.clock import system_time
from station.domain.staff import ROLE_NAMES
from station.rehearsal import premises as places
from station.rehearsal.line import Line
from station.rehearsal.pace import RoomClock
from station.rehearsal.premises import Premises
from station.rehearsal.script import open_parts
from station.rehearsal.staff import Team, log_staff_in, run_day
from station.rehearsal.stage import Stage, set_stage, with_port
from sync.reference_platform.vault import open_vault

LEAD = timedelta(minutes=3)
ACTING = ("zhukao", "jiankao1", "xunkao")


class OpenDay:
    """One open day in a folder. `tell` prints a line."""

    def __init__(self, premises: Premises, *, candidates: int, database: str, tell: Callable[[str], None]) -> None:
        self.premises, self.candidates, self.database, self._tell = premises, candidates, database, tell

    def hold(self, *, auto_staff: bool, open_browser: bool) -> None:
        """Start everything, say where it is, and keep it running until Ctrl+C (KeyboardInterrupt)."""
        now = system_time()
        starts_at = (now + LEAD).replace(second=0, microsecond=0) + timedelta(minutes=1)
        stage = set_stage(
            self.premises,
            theory_start_at=starts_at,
            candidates=self.candidates,
            parts=open_parts(self.candidates - 1),
            database=self.database,
            ports=(places.free_port(8080), places.free_port(8081), places.free_port(8090)),
            say=lambda zh, en: self._tell(f"{zh}  {en}"),
        )
        candidate_port, staff_port = self.premises.start_station(
            stage.config, scale=1.0, starts_at=system_time().astimezone(UTC)
        )
        path = self.premises.folder / "logs" / "script.json"
        with_port(stage.script, candidate_port, 1.0).save(path)
        record = self.premises.folder / "logs" / "candidates.jsonl"
        self.premises.start("candidates", ["station.rehearsal.candidates", str(path), str(record)])
        candidate_url, staff_url = (f"http://{places.HOST}:{port}" for port in (candidate_port, staff_port))
        self._show(stage, candidate_url, staff_url, auto_staff=auto_staff)
        if open_browser:
            for address in (staff_url, candidate_url + stage.seat_paths[stage.day.candidates[-1].seat]):
                webbrowser.open(address)
        if auto_staff:
            self._let_staff_act(stage, candidate_port, staff_port)
        self._keep_running()

    def _show(self, stage: Stage, candidate_url: str, staff_url: str, *, auto_staff: bool) -> None:
        free = stage.day.candidates[-1]
        local = stage.config.zone
        taken = {member.spare_path for member in stage.script.cast}
        spares = [seat for seat in stage.day.spare_seats if stage.seat_paths[seat] not in taken]
        lines = [
            "",
            f"计划开考 planned start:  理论 {stage.day.theory_start_at.astimezone(local):%H:%M}，"
            f"实操 {stage.day.practical_start_at.astimezone(local):%H:%M}",
            "",
            f"您的考位 your seat: {free.seat} 号 {free.name}",
            f"  1. 打开考位链接 open the seat link: {candidate_url}{stage.seat_paths[free.seat]}",
            f"  2. 准考证号 ticket number: {free.ticket_number}    口令 password: {free.ticket_number[-6:]}",
            "备用机 spare seats:",
            *(f"  {seat} 号: {candidate_url}{stage.seat_paths[seat]}" for seat in spares),
            "",
            f"监考台 staff app: {staff_url}/    （首次登录须改口令 / change the password at first log-in）",
            *(
                f"  {username:<10} {password}   {' '.join(ROLE_NAMES[role])}"
                for username, role, password in stage.made.passwords
                if not (auto_staff and username in ACTING)
            ),
            "",
            f"上级平台值班页 duty desk: {stage.platform_url}/desk   "
            f"值班码 code: {open_vault(self.premises.platform_folder).desk_code}",
            "",
            *_suggestions(auto_staff=auto_staff),
            "",
            f"{self.candidates - 1} 名模拟考生已就位；Ctrl+C 结束。Candidates are there; Ctrl+C ends it.",
        ]
        for line in lines:
            self._tell(line)

    def _let_staff_act(self, stage: Stage, candidate_port: int, staff_port: int) -> None:
        staff = log_staff_in(places.HOST, staff_port, {name: stage.passwords[name] for name in ACTING})
        line = Line(places.HOST, candidate_port)
        clock = RoomClock(datetime.fromisoformat(line.get("/api/clock")["now"]), 1.0)
        line.drop()
        team = Team(staff["zhukao"], staff["jiankao1"], staff["xunkao"])

        def say(zh: str, en: str) -> None:
            self._tell(f"[{clock.now().astimezone(stage.config.zone):%H:%M:%S}] {zh}  {en}")

        run_day(team, clock, say, check=self.premises.check_programs)

    def _keep_running(self) -> None:
        never = threading.Event()
        while not never.wait(1.0):
            self.premises.check_programs()


def _suggestions(*, auto_staff: bool) -> list[str]:
    if auto_staff:
        return ["模拟工作人员自动开考、放行、收场。Simulated staff open, start, release and close by themselves."]
    return [
        "可以试试 what to try:",
        "  · 用 jiankao1 登录监考台，“开放登录”，到点“开考” / log in as jiankao1, open the log-in, start",
        "  · 考位 12 的考生坐到了备用机，等待“放行” / the candidate of seat 12 sits at a spare: release",
        "  · 考位 6 会举手；考位 9 会断线十多分钟 / seat 6 raises a hand; seat 9 loses its line for a while",
        "  · 延时：zhukao 提出，xunkao 在同一屏确认 / an extension: zhukao proposes, xunkao confirms",
        "  · 换机：把自己移到备用机，再打开备用机链接登录 / move yourself to a spare seat and go on there",
        "  · 结束场次后看成果包上传和回执 / close the sitting, then watch the upload and its receipt",
    ]
