"""Hold an opened result package against the candidates' own record of the day.

Nothing of the station's code is used: chains, current answers and scores are worked out once more from what
the package says, and compared with what the candidates were told and what their answers should earn.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from station.rehearsal.expected import ZERO, Document, expected_points, items_of
from station.rehearsal.script import LATE_BY_MIN, CastMember, Part

Row = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_HASH = "0" * 64


@dataclass
class Record:
    """What the candidates wrote down: saves and uploads that were acknowledged, ends, faults, restored answers."""

    saves: list[Row] = field(default_factory=list)
    uploads: list[Row] = field(default_factory=list)
    ended: list[Row] = field(default_factory=list)
    faults: list[Row] = field(default_factory=list)
    restored: list[Row] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Record:
        record = cls()
        kept = {
            "save": record.saves,
            "upload": record.uploads,
            "ended": record.ended,
            "fault": record.faults,
            "restored": record.restored,
        }
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            kept[row["kind"]].append(row)
        return record

    def of(self, subject: str) -> Record:
        """Give the part that belongs to one subject."""
        saves, uploads, ended = (
            [row for row in rows if row["subject"] == subject] for rows in (self.saves, self.uploads, self.ended)
        )
        return Record(saves, uploads, ended)

    def answers_of(self, ticket_number: str) -> dict[str, Document]:
        """Give the last response of each item that was acknowledged in time."""
        own = [row for row in self.saves if row["ticket"] == ticket_number and not row["is_late"]]
        return {row["item_id"]: row["response"] for row in sorted(own, key=_order)}


@dataclass
class SittingProof:
    """What a package proves. `wrong` says in words what does not agree; empty means that all does."""

    subject: str
    saves_acked: int = 0
    saves_found: int = 0
    scores_equal: int = 0
    scores_expected: int = 0
    uploads_found: int = 0
    absent: int = 0
    late: int = 0
    slow: int = 0
    extended: int = 0
    moved: int = 0
    handed_in: int = 0
    collected: int = 0
    late_saves: int = 0
    wrong: list[str] = field(default_factory=list)

    @property
    def answers_lost(self) -> int:
        return self.saves_acked - self.saves_found


def prove_sitting(
    opened: Path, *, record: Record, paper: Document, keys: Document, cast: Sequence[CastMember], plays_parts: bool
) -> SittingProof:
    """Compare one opened package with the record of its subject.

    1. Every acknowledged save is there with the same response under the same number.
    2. The chain of every attempt holds from its first revision to the head that result.json names.
    3. What counts at the end is what the candidate last saved in time.
    4. Every item's points and every sum are what the answers should earn.
    5. Uploaded files are there, byte for byte; who was absent, late, extended or moved stands in result.json.
    """
    result = json.loads((opened / "result.json").read_text("utf-8"))
    marks = json.loads((opened / "marks.json").read_text("utf-8"))
    lines = (opened / "revisions.jsonl").read_text("utf-8").splitlines()
    revisions = [json.loads(line) for line in lines]
    proof = SittingProof(result["sitting"]["subject_code"])
    attempts = {row["id"]: row for row in result["attempts"]}
    _compare_saves(proof, record, revisions)
    _follow_chains(proof, attempts, revisions)
    _compare_current(proof, record, attempts, revisions)
    _compare_scores(proof, record, attempts, marks, paper, keys)
    _compare_files(proof, record, opened)
    _compare_ends(proof, record, attempts)
    _compare_decisions(proof, result, cast, plays_parts=plays_parts)
    return proof


def _compare_saves(proof: SittingProof, record: Record, revisions: Iterable[Row]) -> None:
    found = {(row["attempt_id"], row["place"], row["sequence"]): row for row in revisions}
    proof.saves_acked = len(record.saves)
    proof.late_saves = sum(bool(row["is_late"]) for row in record.saves)
    for save in record.saves:
        kept = found.get((save["attempt_id"], save["place"], save["sequence"]))
        told = (save["item_id"], save["response"], save["number"], save["is_late"])
        if kept is not None and (kept["item_id"], kept["response"], kept["number"], kept["is_late"]) == told:
            proof.saves_found += 1
        else:
            proof.wrong.append(f"{_whose(save)}：已确认的保存不在包中或不同 acknowledged save missing or different")


def _follow_chains(proof: SittingProof, attempts: Mapping[int, Row], revisions: Iterable[Row]) -> None:
    heads = dict.fromkeys(attempts, (0, _FIRST_HASH))
    for row in revisions:
        number, head = heads.get(row["attempt_id"], (0, ""))
        fields = [
            row["attempt_id"],
            row["number"],
            row["place"],
            row["sequence"],
            row["item_id"],
            json.dumps(row["response"], ensure_ascii=False, sort_keys=True, separators=(",", ":")),
            (datetime.fromisoformat(row["saved_at"]) - _EPOCH) // timedelta(milliseconds=1),
            row["workstation_id"],
            row["is_late"],
        ]
        text = f"{head}\n{json.dumps(fields, ensure_ascii=False, separators=(',', ':'))}"
        own = hashlib.sha256(text.encode()).hexdigest()
        if (row["number"], row["previous_hash"], row["hash"]) != (number + 1, head, own):
            proof.wrong.append(f"作答 {row['attempt_id']} 的校验链断于 {row['number']} chain broken")
        heads[row["attempt_id"]] = (row["number"], row["hash"])
    for attempt_id, head_row in attempts.items():
        if heads[attempt_id] != (head_row["revision_count"], head_row["head_hash"]):
            proof.wrong.append(f"作答 {attempt_id} 的校验链不完整 chain does not end at its head")


def _compare_current(
    proof: SittingProof, record: Record, attempts: Mapping[int, Row], revisions: Sequence[Row]
) -> None:
    counting: dict[int, dict[str, Document]] = {attempt_id: {} for attempt_id in attempts}
    for row in sorted(revisions, key=_order):
        if not row["is_late"] or row["accepted_by"] is not None:
            counting[row["attempt_id"]][row["item_id"]] = row["response"]
    for attempt_id, attempt in attempts.items():
        if counting[attempt_id] != record.answers_of(attempt["ticket_number"]):
            proof.wrong.append(f"考位 {attempt['seat_number']}：最终答案不一致 final answers differ")


def _compare_scores(
    proof: SittingProof,
    record: Record,
    attempts: Mapping[int, Row],
    marks: Document,
    paper: Document,
    keys: Document,
) -> None:
    marked = {row["attempt_id"]: row for row in marks["attempts"]}
    proof.scores_expected = len(attempts)
    for attempt_id, attempt in attempts.items():
        answers = record.answers_of(attempt["ticket_number"])
        expected = {
            item["id"]: expected_points(item, keys["keys"][item["id"]], answers.get(item["id"]))
            for item in items_of(paper)
        }
        score = sum((points for points in expected.values() if points is not None), ZERO)
        given = {row["item"]: row["points"] for row in marked.get(attempt_id, {"marks": []})["marks"]}
        named = {item_id: None if points is None else str(points) for item_id, points in expected.items()}
        if given == named and attempt["points"] is not None and Decimal(attempt["points"]) == score:
            proof.scores_equal += 1
        else:
            differing = sorted(name for name in named if given.get(name, "—") != named[name])
            proof.wrong.append(
                f"考位 {attempt['seat_number']}：得分 {attempt['points']}，应为 {score}；{differing} score differs"
            )


def _compare_files(proof: SittingProof, record: Record, opened: Path) -> None:
    for upload in record.uploads:
        path = opened / "files" / upload["sha256"]
        content = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() == upload["sha256"] and len(content) == upload["size"]:
            proof.uploads_found += 1
        else:
            proof.wrong.append(f"{_whose(upload)}：上传的文件不在包中 uploaded file missing")


def _compare_ends(proof: SittingProof, record: Record, attempts: Mapping[int, Row]) -> None:
    proof.handed_in = sum(row["state"] == "handed_in" for row in attempts.values())
    proof.collected = sum(row["state"] == "collected" for row in attempts.values())
    told = {row["attempt_id"]: (row["how"], row["receipt_code"]) for row in record.ended}
    for attempt_id, attempt in attempts.items():
        if told.get(attempt_id) != (attempt["state"], attempt["receipt_code"]):
            proof.wrong.append(f"考位 {attempt['seat_number']}：考生看到的结束状态不一致 end was told otherwise")


def _compare_decisions(proof: SittingProof, result: Row, cast: Sequence[CastMember], *, plays_parts: bool) -> None:
    by_ticket = {row["ticket_number"]: row for row in result["attempts"]}
    ids = {member.part: by_ticket.get(member.ticket_number, {}) for member in cast}
    absent = {member.ticket_number for member in cast if member.part == Part.ABSENT}
    granted = [row for row in result["extensions"] if row["state"] == "granted"]
    moves = {row["entry_id"] for row in result["seat_moves"]}
    late = {row["ticket_number"] for row in result["attempts"] if row["attendance"] == "late"}
    # On a fast clock two minutes pass while a busy machine opens a paper: that is slowness, not coming late.
    proof.absent = len(result["absent"])
    proof.late = sum(row["attendance"] == "late" and row["late_min"] * 2 > LATE_BY_MIN for row in by_ticket.values())
    proof.slow = len(late) - proof.late
    proof.extended, proof.moved = len(granted), len(moves)
    if {row["ticket_number"] for row in result["absent"]} != absent:
        proof.wrong.append("缺考名单不一致 absent list differs")
    if not plays_parts:
        _compare_shift(proof, ids)
        return
    if ids.get(Part.LATE, {}).get("ticket_number") not in late:
        proof.wrong.append("迟到考生未记为迟到 the late one is not recorded as late")
    deciders = [{row["site_by"], row["body_by"]} - {None} for row in granted]
    extended = [row["attempt_id"] for row in granted]
    if extended != [ids.get(Part.EXTENDED, {}).get("id")] or any(len(one) != 2 for one in deciders):
        proof.wrong.append("延时记录不一致，或不是两人决定 extension differs, or was not decided by two people")
    if moves != {ids.get(Part.MOVED, {}).get("entry_id")}:
        proof.wrong.append("换机记录不一致 seat move differs")


def _compare_shift(proof: SittingProof, attempts: Mapping[Part, Row]) -> None:
    """R-DAY-14: whose subject before ran late starts this one later, and nobody else does."""
    if not attempts.get(Part.EXTENDED, {}).get("shift_s"):
        proof.wrong.append("上一科目延时的考生，本科目起止时间没有顺延 late end of the subject before did not shift")


def _order(row: Row) -> tuple[int, int]:
    return row["place"], row["sequence"]


def _whose(row: Row) -> str:
    return f"{row['ticket'][-6:]} {row['item_id']}"
