"""A seat's PC dies: notice the return, here or on a spare, and count what it cost to the second (R-DAY-7, R-DAY-8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import NamedTuple

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from station.domain.working_time import Loss, Pause, length_names, loss
from station.errors import Invalid, Missing, Refused, problem
from station.services import journal
from station.store.models import (
    Attempt,
    Candidate,
    CandidateLogin,
    Entry,
    Incident,
    Place,
    Revision,
    StationLife,
)
from station.store.swap_queries import (
    MoveReading,
    ReturnReading,
    moves_in,
    pauses_in,
    returns_to_attempt,
    returns_to_sitting,
)

SWAP_UNKNOWN = problem("swap_unknown", "没有这次故障记录。", "There is no such loss of a PC.")
SWAP_SETTLED = problem(
    "swap_settled", "这次故障已申请过补时，不能重复申请。", "The time for this loss has been proposed already."
)
NOTHING_LOST = problem(
    "nothing_lost",
    "这次故障的时间已由暂停或中断补回，无需再补。",
    "A suspension or outage has given this time back already.",
)

# What is filled in where nobody has written a reason.
CAUSE = "计算机故障"
# Last act and last sign of life this far apart are both shown: the candidate was reading.
APART_S = 10
CAUSE_LONGEST = 200


class Silence(NamedTuple):
    """A stretch in which a candidate's page was not heard; `began_at` None: not since the station started."""

    began_at: datetime | None
    ended_at: datetime


@dataclass(frozen=True)
class Swap:
    """A PC that died and the return: from which act or sign of life it counts, and what it cost."""

    reading: ReturnReading
    cause: str
    from_act: Loss
    from_heard: Loss | None

    @property
    def is_moved(self) -> bool:
        return self.reading.old_seat != self.reading.new_seat

    @property
    def counted(self) -> Loss:
        """The loss as it was proposed, or as it would be: from the last act."""
        if self.from_heard is not None and self.reading.lost_from_at == self.reading.heard_at:
            return self.from_heard
        return self.from_act


def note_return(
    db: Session,
    attempt: Attempt,
    place: Place,
    login: CandidateLogin,
    *,
    silence: Silence | None,
    zone: tzinfo,
    at: datetime,
) -> Swap | None:
    """Look whether a new place ends the loss of a PC, and keep and tell what it cost; None for a mere reload.

    1. It does where the place is on another seat's PC, or where the page came back out of a silence.
    2. The last act before is the last acknowledged save or place. What a page that came back sends of its own
       queue before it asks for a place is no act of before.
    3. Silent since the station started says nothing of a candidate who has done something since.
    """
    before = db.scalars(
        select(Place).where(Place.attempt_id == attempt.id, Place.id < place.id).order_by(Place.id.desc()).limit(1)
    ).one_or_none()
    if before is None:
        return None
    if silence is not None and silence.ended_at <= before.opened_at:
        silence = None
    old_seat_id = db.get_one(CandidateLogin, before.login_id).seat_id
    last_act_at = _last_act(db, before, until=silence.ended_at if silence else login.created_at)
    if old_seat_id == login.seat_id and (silence is None or not _is_believed(db, silence, last_act_at)):
        return None
    heard_at = silence.began_at if silence is not None else None
    place.last_act_at = place.lost_from_at = last_act_at
    place.heard_at = None if heard_at is None else max(heard_at, last_act_at)
    db.flush()
    swap = swap_of(db, place.id)
    _record(db, swap, zone=zone, at=at)
    return swap


def swaps_in(db: Session, sitting_id: int, *, moves: Sequence[MoveReading] | None = None) -> list[Swap]:
    """List what PCs that died have cost in a sitting, in the order of the returns."""
    readings = returns_to_sitting(db, sitting_id)
    if not readings:
        return []
    pauses = pauses_in(db, sitting_id)
    return _composed(readings, moves_in(db, sitting_id) if moves is None else moves, pauses)


def swap_of(db: Session, place_id: int) -> Swap:
    """Find one by the place that ended it."""
    place = db.get(Place, place_id)
    if place is None or place.last_act_at is None:
        raise Missing(SWAP_UNKNOWN)
    readings = [one for one in returns_to_attempt(db, place.attempt_id) if one.place_id == place_id]
    sitting_id = readings[0].sitting_id
    return _composed(readings, moves_in(db, sitting_id), pauses_in(db, sitting_id))[0]


def time_to_give_back(swap: Swap, *, since_heard: bool) -> Loss:
    """Give the loss that an extension is to make up for; refused when settled before, or when nothing is left."""
    if swap.reading.extension_id is not None:
        raise Refused(SWAP_SETTLED)
    lost = swap.from_heard if since_heard and swap.from_heard is not None else swap.from_act
    if not lost.seconds:
        raise Invalid(NOTHING_LOST)
    return lost


def note_proposed(db: Session, swap: Swap, *, extension_id: int, lost: Loss) -> None:
    """Keep which extension stands for a loss and from when it counts; of two at once the second is refused."""
    reading = swap.reading
    since = reading.last_act_at if lost == swap.from_act else reading.heard_at
    changed = db.execute(
        update(Place)
        .where(Place.id == reading.place_id, Place.extension_id.is_(None))
        .values(extension_id=extension_id, lost_from_at=since)
    )
    if changed.rowcount != 1:  # type: ignore[attr-defined]
        raise Refused(SWAP_SETTLED)


def reason_of(swap: Swap, lost: Loss, *, zone: tzinfo) -> str:
    """Write what happened as it stands in extension and room record, with the times of the room's clock."""
    reading = swap.reading
    parts = [f"考位 {reading.old_seat or '未登记'} {swap.cause}"]
    if swap.is_moved:
        parts.append(f"换至 {reading.new_seat or '未登记'} 号{'备用机' if reading.new_is_spare else '考位'}")
    else:
        parts.append("重启后在原机继续")
    whole = length_names(lost.seconds + lost.paused_s)[0]
    parts.append(f"{_clock(lost.began_at, zone)}–{_clock(lost.ended_at, zone)} 共 {whole}")
    if lost.paused_s:
        parts.append(f"其中暂停或中断已补 {length_names(lost.paused_s)[0]}，应补 {length_names(lost.seconds)[0]}")
    text = "，".join(parts)
    if swap.from_heard is None or not is_reader(swap):
        return text
    if lost == swap.from_act:
        return f"{text}（自最后操作起；本机最后联系 {_clock(swap.from_heard.began_at, zone)}）"
    return f"{text}（自最后联系起；最后操作 {_clock(swap.from_act.began_at, zone)}）"


def is_reader(swap: Swap) -> bool:
    """Say whether last act and last sign of life lie so far apart that a person should choose between them."""
    return swap.from_heard is not None and swap.from_act.seconds - swap.from_heard.seconds >= APART_S


def _last_act(db: Session, before: Place, *, until: datetime) -> datetime:
    saved_at = db.scalar(
        select(func.max(Revision.saved_at)).where(
            Revision.attempt_id == before.attempt_id, Revision.saved_at < until, Revision.saved_at >= before.opened_at
        )
    )
    return max(before.opened_at, saved_at) if saved_at is not None else before.opened_at


def _is_believed(db: Session, silence: Silence, last_act_at: datetime) -> bool:
    if silence.began_at is not None:
        return True
    life = db.get(StationLife, 1)
    return life is not None and last_act_at < life.started_at


def _composed(
    readings: Sequence[ReturnReading], moves: Sequence[MoveReading], pauses: Mapping[int | None, Sequence[Pause]]
) -> list[Swap]:
    found = []
    for one in readings:
        stood_still = [*pauses.get(None, ()), *pauses.get(one.attempt_id, ())]
        reasons = [
            move.reason
            for move in moves
            if move.entry_id == one.entry_id and one.last_act_at <= move.moved_at <= one.opened_at
        ]
        heard_at = one.heard_at
        found.append(
            Swap(
                reading=one,
                cause=reasons[-1][:CAUSE_LONGEST] if reasons else CAUSE,
                from_act=loss(one.last_act_at, one.opened_at, stood_still),
                from_heard=None if heard_at is None else loss(heard_at, one.opened_at, stood_still),
            )
        )
    return found


def _record(db: Session, swap: Swap, *, zone: tzinfo, at: datetime) -> None:
    """Put the swap into journal and room record; recorded by who moved the candidate, else by the station."""
    reading = swap.reading
    entry = db.get_one(Entry, reading.entry_id)
    name = db.get_one(Candidate, entry.candidate_id).name
    movers = [one.moved_by for one in moves_in(db, entry.sitting_id) if one.entry_id == entry.id]
    db.add(
        Incident(
            sitting_id=entry.sitting_id,
            entry_id=entry.id,
            kind="equipment",
            text=reason_of(swap, swap.from_act, zone=zone),
            happened_at=swap.from_act.began_at,
            recorded_by=movers[-1] if swap.is_moved and movers else None,
        )
    )
    length_zh, length_en = length_names(swap.from_act.seconds + swap.from_act.paused_s)
    journal.append(
        db,
        "pc_came_back",
        at=at,
        sitting_id=entry.sitting_id,
        entry_id=entry.id,
        name=name,
        seat=reading.new_seat or "—",
        length_zh=length_zh,
        length_en=length_en,
        last_act_at=reading.last_act_at.isoformat(),
        heard_at=reading.heard_at.isoformat() if reading.heard_at else None,
        opened_at=reading.opened_at.isoformat(),
    )


def _clock(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%H:%M:%S")
