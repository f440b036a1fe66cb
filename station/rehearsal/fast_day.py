"""The fast day: a whole exam day on a clock that runs fast, with no hands, and the proof at its end."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from station import setup
from station.clock import system_time
from station.errors import Unsound, problem
from station.rehearsal import premises as places
from station.rehearsal.line import Line
from station.rehearsal.pace import RoomClock
from station.rehearsal.premises import Child, Premises
from station.rehearsal.proof import Record, SittingProof, prove_sitting
from station.rehearsal.script import fast_parts
from station.rehearsal.staff import StaffMember, Team, log_staff_in, run_day
from station.rehearsal.stage import Stage, set_stage, with_port
from station.sample.day import CHINA
from sync.container import open_container
from sync.errors import SyncError
from sync.keys import fingerprint, verify_key_from_text
from sync.receipts import check_receipt
from sync.reference_platform.vault import open_vault

TOO_SLOW = problem(
    "rehearsal_too_slow",
    "演练没有在 {limit_s} 秒内完成（停在：{where}）。电脑可能过于繁忙；各程序日志在 {logs}",
    "The rehearsal did not finish within {limit_s} s (at: {where}). The machine may be too busy; logs: {logs}",
)

# Station seconds in a real second: theory, gap and practical (225 min) take 75 s.
SCALE = 180.0
BEFORE_START = timedelta(minutes=24)
START_HOUR = 14
LIMIT_S = 200.0
DESK_NAME = "演练值班员"


@dataclass
class Outcome:
    """What the fast day has shown. `wrong` says in words what does not hold."""

    candidates: int
    proofs: list[SittingProof] = field(default_factory=list)
    packages: int = 0
    receipts_verified: int = 0
    confirmed: int = 0
    save_ms: list[float] = field(default_factory=list)
    seconds: float = 0.0
    restored: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Say whether nothing is lost, all scores are equal and both receipts verify."""
        return not self.wrong and len(self.proofs) == 2 == self.receipts_verified and self._total("answers_lost") == 0

    def document(self) -> dict[str, object]:
        """Give the outcome as the one JSON object of `demo --fast --json`."""
        equal, expected = self._total("scores_equal"), self._total("scores_expected")
        summed = {
            name: self._total(name)
            for name in ("late_saves", "handed_in", "collected", "late", "slow", "extended", "moved")
        }
        return {
            "candidates": self.candidates,
            "sittings": len(self.proofs),
            "saves_acked": self._total("saves_acked"),
            "saves_found_in_package": self._total("saves_found"),
            "answers_lost": self._total("answers_lost"),
            "scores_expected_equal": bool(self.proofs) and equal == expected,
            "scores_equal": equal,
            "scores_expected": expected,
            "uploaded": self.packages == 2,
            "packages": self.packages,
            "receipt_verified": self.receipts_verified == 2,
            "confirmed_by_desk": self.confirmed,
            "save_p50_ms": _percentile(self.save_ms, 0.50),
            "save_p99_ms": _percentile(self.save_ms, 0.99),
            "seconds": round(self.seconds, 1),
            "absent": max((proof.absent for proof in self.proofs), default=0),
            "uploads_found": self._total("uploads_found"),
            "answers_restored": self.restored,
            **summed,
            "wrong": self.wrong[:20],
            "good": self.is_good,
        }

    def _total(self, name: str) -> int:
        return sum(int(getattr(proof, name)) for proof in self.proofs)


class FastDay:
    """One fast day in a folder. `say` tells a person how far it has come."""

    def __init__(
        self,
        premises: Premises,
        *,
        candidates: int,
        database: str,
        tell: Callable[[str], None],
        limit_s: float = LIMIT_S,
    ) -> None:
        self.premises, self.candidates, self.database, self._tell = premises, candidates, database, tell
        self._limit_s = limit_s
        self.outcome = Outcome(candidates)
        self._began = time.monotonic()
        self._clock: RoomClock | None = None
        self._staff: list[StaffMember] = []
        self._where = ""

    @property
    def record_path(self) -> Path:
        return self.premises.folder / "logs" / "candidates.jsonl"

    def hold(self) -> Outcome:
        """Hold the day and prove it; what goes wrong by itself is raised, what does not agree is in the outcome."""
        today = system_time().astimezone(CHINA)
        start_at = today.replace(hour=START_HOUR, minute=0, second=0, microsecond=0)
        stage = set_stage(
            self.premises,
            theory_start_at=start_at,
            candidates=self.candidates,
            parts=fast_parts(self.candidates),
            database=self.database,
            say=self.say,
        )
        try:
            chief = self._run(stage)
            self._await_receipts(stage, chief)
        finally:
            for person in self._staff:
                person.line.drop()
        self.say("停止考站，开始核对", "station stopped, proving begins")
        for child in reversed(self.premises.children):
            child.stop()
        self._prove(stage)
        self.outcome.seconds = time.monotonic() - self._began
        return self.outcome

    def say(self, zh: str, en: str) -> None:
        """Tell how far it has come, with the station's time once there is one."""
        at = f"{self._clock.now().astimezone(CHINA):%H:%M}" if self._clock else "--:--"
        self._where = zh
        self._tell(f"[{time.monotonic() - self._began:5.1f} s · {at}] {zh}  {en}")

    def _run(self, stage: Stage) -> StaffMember:
        """Run station, candidates and staff until every sitting is closed and every candidate has gone."""
        starts_at = (stage.day.theory_start_at - BEFORE_START).astimezone(UTC)
        candidate_port, staff_port = self.premises.start_station(stage.config, scale=SCALE, starts_at=starts_at)
        line = Line(places.HOST, candidate_port)
        self._clock = RoomClock(datetime.fromisoformat(line.get("/api/clock")["now"]), SCALE)
        line.drop()
        self.say(f"考站已启动，时钟 {SCALE:g} 倍速", f"station runs, its clock {SCALE:g} times as fast")
        candidates = self._start_candidates(stage, candidate_port)
        acting = {name: stage.passwords[name] for name in ("zhukao", "jiankao1", "xunkao")}
        staff = log_staff_in(places.HOST, staff_port, acting)
        self._staff = list(staff.values())
        parts = {member.seat: member for member in stage.script.cast}
        team = Team(staff["zhukao"], staff["jiankao1"], staff["xunkao"], parts)
        run_day(team, self._clock, self.say, check=self._check)
        candidates.check_ended_well(timeout_s=30)
        return team.chief

    def _start_candidates(self, stage: Stage, port: int) -> Child:
        path = self.premises.folder / "logs" / "script.json"
        with_port(stage.script, port, SCALE).save(path)
        return self.premises.start("candidates", ["station.rehearsal.candidates", str(path), str(self.record_path)])

    def _await_receipts(self, stage: Stage, chief: StaffMember) -> None:
        """Wait for marking, packing, sending and receipts; then let the platform's duty desk confirm (R-END-1)."""
        self.say("等待判分、打包、上传、回执", "waiting for marks, packages, upload and receipts")
        self._until(lambda: sum(bool(one["receipt_code"]) for one in _packages(chief)) == 2)
        self.say("两个成果包均已送达", "both packages have arrived")
        vault = open_vault(self.premises.platform_folder)
        with requests.Session() as desk:
            desk.post(f"{stage.platform_url}/desk", data={"code": vault.desk_code}, timeout=30).raise_for_status()
            for folder in _kept_packages(self.premises):
                address = f"{stage.platform_url}/packages/{folder.name}/confirm"
                desk.post(address, data={"by": DESK_NAME}, timeout=30).raise_for_status()
        self._until(lambda: sum(bool(one["confirmed_at"]) for one in _packages(chief)) == 2)
        self.outcome.confirmed = 2
        self.say("上级平台值班员已确认收到", "the platform's duty desk has confirmed")

    def _prove(self, stage: Stage) -> None:
        """Open both packages as the platform's owner can, and hold them against the candidates' record."""
        record = Record.read(self.record_path)
        self.outcome.save_ms = [row["ms"] for row in record.saves if row["ms"] is not None]
        self.outcome.wrong += [f"考生 {row['ticket'][-6:]}：{row['text']}" for row in record.faults]
        self.outcome.restored = sum(row["answers"] for row in record.restored)
        self.outcome.wrong += [f"换机后缺答案 {row['missing']}" for row in record.restored if row["missing"]]
        for opened in self._open_packages(stage):
            subject = json.loads((opened / "result.json").read_text("utf-8"))["sitting"]["subject_code"]
            proof = prove_sitting(
                opened,
                record=record.of(subject),
                paper=stage.papers[subject],
                keys=stage.keys[subject],
                cast=stage.script.cast,
                plays_parts=subject == stage.script.sittings[0].subject,
            )
            self.outcome.proofs.append(proof)
            self.outcome.wrong += [f"{subject}：{text}" for text in proof.wrong]
        if sum(proof.saves_acked for proof in self.outcome.proofs) != len(record.saves):
            self.outcome.wrong.append("有科目没有成果包 a subject has no package")
        findings = setup.examine(stage.config)
        self.outcome.wrong += [f"doctor：{name} {text}" for name, is_sound, text in findings if not is_sound]

    def _open_packages(self, stage: Stage) -> list[Path]:
        vault = open_vault(self.premises.platform_folder)
        station_key = verify_key_from_text(stage.made.verify_key)
        platform_key = vault.signing_key.public_key()
        receipts = places.kept_receipts(stage.config)
        opened = []
        for folder in _kept_packages(self.premises):
            package, into = folder / "package.exam", self.premises.folder / "opened" / folder.name
            into.parent.mkdir(exist_ok=True)
            try:
                open_container(
                    package, verify_keys={fingerprint(station_key): station_key}, identity=vault.identity, into=into
                )
                opened.append(into)
                self.outcome.packages += 1
                sha256 = hashlib.sha256(package.read_bytes()).hexdigest()
                check_receipt(
                    receipts.get(folder.name, ""),
                    platform_keys={fingerprint(platform_key): platform_key},
                    package_sha256=sha256,
                    package_id=folder.name,
                )
                self.outcome.receipts_verified += 1
            except SyncError as refusal:
                self.outcome.wrong.append(f"{folder.name}：{refusal.sentence()}")
        return opened

    def _until(self, is_done: Callable[[], bool]) -> None:
        while not is_done():
            self._check()
            time.sleep(0.2)

    def _check(self) -> None:
        """Give up when a program has died or the day takes far too long."""
        self.premises.check_programs()
        if time.monotonic() - self._began > self._limit_s:
            logs = self.premises.folder / "logs"
            raise Unsound(TOO_SLOW, limit_s=round(self._limit_s), where=self._where, logs=logs)


def _packages(chief: StaffMember) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = chief.line.get("/api/packages")
    return found


def _kept_packages(premises: Premises) -> list[Path]:
    return sorted(path.parent for path in (premises.platform_folder / "packages").glob("*/package.exam"))


def _percentile(values: list[float], share: float) -> float | None:
    """Give the smallest value that so large a share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None
