"""Let candidates in: log-in, release, confirmation, absent and late."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, bindparam, select, update
from sqlalchemy.orm import Session

from station.domain.agent_orders import HOLDING
from station.domain.attempt import ENDED
from station.domain.roster import initial_password
from station.domain.sitting import SITTING_STATE_WRONG, STATE_NAMES, SittingState
from station.domain.tokens import new_token, token_hash
from station.errors import Missing, Refused, Unauthenticated, problem
from station.services import journal
from station.store.locking import lock_entries, lock_row, to_change
from station.store.models import (
    Attempt,
    Attendance,
    Candidate,
    CandidateLogin,
    Entry,
    Room,
    Seat,
    SeatMove,
    Sitting,
    Workstation,
    WorkstationState,
)

# What stands for the seat of a PC that was given none.
UNLINKED = "未登记/unlinked"

WRONG_LOGIN = problem(
    "wrong_login",
    "准考证号或口令不正确。口令为准考证号后 6 位，请核对后重新输入。",
    "Ticket number or password is wrong. The password is the last 6 digits of the ticket number.",
)
NOT_LOGGED_IN = problem("not_logged_in", "请先登录。", "Please log in first.")
LOGGED_IN_ELSEWHERE = problem(
    "logged_in_elsewhere",
    "该准考证号已在另一台考生机登录，本机已停止作答。答案均已保留，如非本人操作请举手报告。",
    "This ticket number has logged in on another PC; answering stopped here. Raise your hand if that was not you.",
)
MOVED_TO_SEAT = problem(
    "moved_to_seat",
    "本机考生已换到 {seat} 号考位，请到该考位继续考试。答案均已保留，有问题请举手。",
    "The candidate of this PC was moved to seat {seat}: go on there. All answers are kept; raise your hand for help.",
)
WAITING_FOR_RELEASE = problem(
    "waiting_for_release",
    "您的考位是 {own_seat}，当前为 {seat}。请到自己的考位，或等待监考员放行。",
    "Your seat is {own_seat}, this is {seat}. Go to your seat or wait for the invigilator's release.",
)
NO_SITTING_NOW = problem(
    "no_sitting_now",
    "当前没有向您开放的场次。{next_zh}",
    "There is no sitting open for you now. {next_en}",
)
RECORDED_ABSENT = problem(
    "recorded_absent",
    "您已被记为缺考，请向监考员报告。",
    "You have been recorded as absent. Tell the invigilator.",
)
ENTRY_UNKNOWN = problem("entry_unknown", "未找到该排考记录。", "There is no such entry.")
PRESENT_NOT_ABSENT = problem(
    "present_not_absent", "{name} 已开始作答，不能记为缺考。", "{name} has opened the paper and cannot be absent."
)


@dataclass(frozen=True)
class LoggedIn:
    """A new log-in: the token goes into the candidate's cookie and is nowhere else."""

    token: str
    login_id: int
    candidate_id: int
    waits_for_release: bool


# Run at every start by everybody: building them anew takes longer than running them.
_BY_TICKET = select(Candidate).where(Candidate.ticket_number == bindparam("ticket_number"))
# Of two log-ins at once the second replaces the first.
_TO_LOG_IN = to_change(_BY_TICKET, Candidate)
_BY_TOKEN = select(CandidateLogin).where(CandidateLogin.token_hash == bindparam("token_hash"))
_LIVE_LOGINS = select(CandidateLogin).where(
    CandidateLogin.candidate_id == bindparam("candidate_id"), CandidateLogin.ended_at.is_(None)
)
_ENTRIES_OF = (
    select(Entry, Sitting, Seat, Attempt.state)
    .join(Sitting, Sitting.id == Entry.sitting_id)
    .join(Seat, Seat.id == Entry.seat_id)
    .outerjoin(Attempt, Attempt.entry_id == Entry.id)
    .where(Entry.candidate_id == bindparam("candidate_id"))
    .order_by(Sitting.planned_start_at, Sitting.id)
)


def log_in(
    db: Session,
    ticket_number: str,
    password: str,
    *,
    workstation: Workstation | None,
    address: str,
    at: datetime,
    admit_unlinked: bool = False,
) -> LoggedIn:
    """Log a candidate in at a PC with ticket number and its last 6 digits (R-DAY-2).

    1. Wrong number and wrong password are one refusal.
    2. The entry that counts is the candidate's open one, else the next; none open: `no_sitting_now`.
    3. At another seat than the entry's the log-in waits for an invigilator (R-ROST-2), and so it does on a PC
       that was given no seat, unless `admit_unlinked`.
    4. Earlier log-ins end; if one was on another PC, the board and the other page are told. One that waits ends
       nobody's before its release: else any neighbour could stop a candidate by guessing the password.
    """
    candidate = _candidate_of(db, _TO_LOG_IN, ticket_number, password)
    entry, seat = _entry_to_sit(db, candidate)
    here = db.get(Seat, workstation.seat_id) if workstation is not None else None
    waits = not admit_unlinked if here is None else here.id != seat.id
    if workstation is not None and not waits:
        workstation.state = WorkstationState.IN_USE
    _end_other_logins(db, candidate, entry, workstation=workstation, here=here, at=at, only_waiting=waits)
    token = new_token()
    login = CandidateLogin(
        token_hash=token_hash(token),
        candidate_id=candidate.id,
        workstation_id=workstation.id if workstation else None,
        seat_id=here.id if here else None,
        address=address,
        created_at=at,
        released_at=None if waits else at,
    )
    db.add(login)
    db.flush()
    where = {"sitting_id": entry.sitting_id, "entry_id": entry.id, "name": candidate.name}
    if waits:
        here_number = here.number if here else UNLINKED
        journal.append(db, "login_waits", at=at, seat=here_number, own_seat=seat.number, **where)  # type: ignore[arg-type]
    else:
        journal.append(db, "candidate_logged_in", at=at, seat=seat.number, **where)  # type: ignore[arg-type]
    return LoggedIn(token, login.id, candidate.id, waits)


def check_password(db: Session, ticket_number: str, password: str) -> Candidate:
    """Find the candidate whose password this is, or refuse; changes nothing."""
    return _candidate_of(db, _BY_TICKET, ticket_number, password)


def is_ticket_known(db: Session, ticket_number: str) -> bool:
    """Say whether a ticket number is a candidate's."""
    return db.scalars(select(Candidate.id).where(Candidate.ticket_number == ticket_number)).one_or_none() is not None


def record_failed_login(db: Session, ticket_number: str, *, address: str, at: datetime) -> None:
    """Put a wrong password for a known ticket number into the journal."""
    if is_ticket_known(db, ticket_number):
        journal.append(db, "candidate_login_failed", at=at, ticket=ticket_number, address=address)


def login_of(db: Session, token: str) -> CandidateLogin:
    """Find the live log-in behind a cookie.

    Raises `not_logged_in` for a stranger, `logged_in_elsewhere` when a newer log-in took its place and
    `moved_to_seat` when staff gave the candidate another seat for what goes on.
    """
    login = None
    if token:
        login = db.scalars(_BY_TOKEN, {"token_hash": token_hash(token)}).one_or_none()
    if login is None:
        raise Unauthenticated(NOT_LOGGED_IN)
    if login.ended_at is not None:
        raise _why_ended(db, login)
    return login


def _why_ended(db: Session, login: CandidateLogin) -> Unauthenticated:
    if login.ended_reason == "replaced":
        return Unauthenticated(LOGGED_IN_ELSEWHERE)
    seat = _seat_moved_to(db, login) if login.ended_reason == "moved" else None
    if seat is None or seat.id == login.seat_id:
        return Unauthenticated(NOT_LOGGED_IN)
    return Unauthenticated(MOVED_TO_SEAT, seat=seat.number)


def _seat_moved_to(db: Session, login: CandidateLogin) -> Seat | None:
    """Find the seat that a log-in's candidate was given since, in a sitting that still holds its PCs."""
    return db.scalars(
        select(Seat)
        .join(SeatMove, SeatMove.new_seat_id == Seat.id)
        .join(Entry, Entry.id == SeatMove.entry_id)
        .join(Sitting, Sitting.id == Entry.sitting_id)
        .where(
            Entry.candidate_id == login.candidate_id,
            Sitting.state.in_(HOLDING),
            SeatMove.moved_at >= login.ended_at,
        )
        .order_by(SeatMove.id.desc())
        .limit(1)
    ).first()


def waits_for_release(login: CandidateLogin, entry: Entry) -> bool:
    """Say whether a log-in must be released before it may be used for an entry.

    A log-in that nobody released stands for the seat where it was made, not for another subject's (R-ROST-2).
    """
    if login.released_at is None:
        return True
    return login.released_by is None and login.seat_id is not None and login.seat_id != entry.seat_id


def check_released(db: Session, login: CandidateLogin, entry: Entry) -> None:
    """Refuse with `waiting_for_release` while the log-in sits at a wrong seat and nobody has released it."""
    if waits_for_release(login, entry):
        own = db.get_one(Seat, entry.seat_id)
        raise Refused(WAITING_FOR_RELEASE, own_seat=own.number, seat=_seat_number(db, login))


def check_may_sit(db: Session, login: CandidateLogin, entry: Entry) -> None:
    """Refuse who waits for release, and who has been recorded as absent since the log-in (R-DAY-3)."""
    check_released(db, login, entry)
    if entry.attendance == Attendance.ABSENT:
        raise Refused(RECORDED_ABSENT)


def entry_of(db: Session, entry_id: int, candidate_id: int) -> Entry:
    """Find an entry of this candidate; another's is as unknown as none."""
    entry = db.get(Entry, entry_id)
    if entry is None or entry.candidate_id != candidate_id:
        raise Missing(ENTRY_UNKNOWN)
    return entry


def release_login(db: Session, login_id: int, *, by: int, at: datetime) -> None:
    """Let a candidate work at the seat where they logged in, and nowhere else; releasing twice changes nothing."""
    login = lock_row(db, CandidateLogin, login_id)
    if login is None or login.ended_at is not None:
        raise Missing(ENTRY_UNKNOWN)
    if login.released_at is not None:
        return
    login.released_at, login.released_by = at, by
    db.execute(
        update(CandidateLogin)
        .where(
            CandidateLogin.candidate_id == login.candidate_id,
            CandidateLogin.id != login.id,
            CandidateLogin.ended_at.is_(None),
        )
        .values(ended_at=at, ended_reason="replaced")
    )
    candidate = db.get_one(Candidate, login.candidate_id)
    journal.append(db, "login_released", at=at, by=by, name=candidate.name, seat=_seat_number(db, login))


def log_out(db: Session, login: CandidateLogin, *, at: datetime) -> None:
    """End a log-in, so that the next candidate finds a clean PC."""
    login.ended_at, login.ended_reason = at, "logged_out"
    if login.workstation_id is not None:
        db.get_one(Workstation, login.workstation_id).state = WorkstationState.READY


def confirm_identity(db: Session, entry: Entry, *, at: datetime) -> None:
    """Record that the candidate found own name, number and photo right."""
    if entry.confirmed_at is None:
        entry.confirmed_at = at
        if entry.attendance == Attendance.EXPECTED:
            entry.attendance = Attendance.PRESENT
        name = db.get_one(Candidate, entry.candidate_id).name
        journal.append(db, "identity_confirmed", at=at, sitting_id=entry.sitting_id, entry_id=entry.id, name=name)


def dispute_identity(db: Session, entry: Entry, *, at: datetime) -> None:
    """Tell the board that the candidate says the identity shown is wrong; they are not confirmed."""
    entry.confirmed_at = None
    name = db.get_one(Candidate, entry.candidate_id).name
    journal.append(db, "identity_disputed", at=at, sitting_id=entry.sitting_id, entry_id=entry.id, name=name)


def mark_absent(db: Session, entry_ids: Sequence[int], *, by: int, at: datetime) -> None:
    """Record candidates as absent (R-DAY-3); refused for one who has opened the paper, and then for all."""
    for entry in _entries(db, entry_ids):
        name = db.get_one(Candidate, entry.candidate_id).name
        if db.scalars(select(Attempt.id).where(Attempt.entry_id == entry.id)).one_or_none() is not None:
            raise Refused(PRESENT_NOT_ABSENT, name=name)
        if entry.attendance != Attendance.ABSENT:
            entry.attendance = Attendance.ABSENT
            journal.append(db, "marked_absent", at=at, by=by, sitting_id=entry.sitting_id, entry_id=entry.id, name=name)


def withdraw_absence(db: Session, entry_ids: Sequence[int], *, by: int, at: datetime) -> None:
    """Take back a record of absence made by mistake."""
    for entry in _entries(db, entry_ids):
        if entry.attendance == Attendance.ABSENT:
            entry.attendance = Attendance.EXPECTED
            name = db.get_one(Candidate, entry.candidate_id).name
            journal.append(
                db, "absence_withdrawn", at=at, by=by, sitting_id=entry.sitting_id, entry_id=entry.id, name=name
            )


def _candidate_of(db: Session, by_ticket: Select[Candidate], ticket_number: str, password: str) -> Candidate:
    candidate = db.scalars(by_ticket, {"ticket_number": ticket_number}).one_or_none()
    expected = initial_password(ticket_number)
    if candidate is None or not hmac.compare_digest(expected.encode(), password.encode()):
        raise Unauthenticated(WRONG_LOGIN)
    return candidate


def _seat_number(db: Session, login: CandidateLogin) -> str:
    return UNLINKED if login.seat_id is None else db.get_one(Seat, login.seat_id).number


def _entries(db: Session, entry_ids: Sequence[int]) -> list[Entry]:
    """Lock the entries whose attendance is to change; refused once a sitting is closed and its package on the way."""
    sitting_ids = sorted(set(db.scalars(select(Entry.sitting_id).where(Entry.id.in_(entry_ids)))))
    for sitting in (lock_row(db, Sitting, one) for one in sitting_ids):
        if sitting is not None and sitting.state in {SittingState.CLOSED, SittingState.DELIVERED}:
            state_zh, state = STATE_NAMES[SittingState(sitting.state)]
            raise Refused(SITTING_STATE_WRONG, state_zh=state_zh, state=state, act_zh="更改出缺勤", act="changed")
    found = lock_entries(db, entry_ids)
    if len(found) != len(set(entry_ids)):
        raise Missing(ENTRY_UNKNOWN)
    return found


def _entry_to_sit(db: Session, candidate: Candidate) -> tuple[Entry, Seat]:
    """Choose the entry that a log-in now is for: the first that is open to log in and not yet ended.

    Who was absent from one subject may sit the next, also while the first still runs.
    """
    upcoming: Sitting | None = None
    is_absent = False
    for entry, sitting, seat, attempt_state in db.execute(_ENTRIES_OF, {"candidate_id": candidate.id}):
        if sitting.state == SittingState.PLANNED:
            upcoming = upcoming or sitting
        elif sitting.state in {SittingState.ADMITTING, SittingState.RUNNING, SittingState.SUSPENDED}:
            if attempt_state in ENDED:
                continue
            if entry.attendance == Attendance.ABSENT:
                is_absent = True
                continue
            return entry, seat
    if is_absent:
        raise Refused(RECORDED_ABSENT)
    next_zh = next_en = ""
    if upcoming is not None:
        room = db.get_one(Room, upcoming.room_id).name
        next_zh = f"您的下一场在{room}，尚未开放登录，请稍候。"
        next_en = f"Your next sitting in {room} is not open for log-in yet."
    raise Refused(NO_SITTING_NOW, next_zh=next_zh, next_en=next_en)


def _end_other_logins(
    db: Session,
    candidate: Candidate,
    entry: Entry,
    *,
    workstation: Workstation | None,
    here: Seat | None,
    at: datetime,
    only_waiting: bool,
) -> None:
    live = db.scalars(_LIVE_LOGINS, {"candidate_id": candidate.id}).all()
    elsewhere = False
    for login in live:
        if only_waiting and login.released_at is not None:
            continue
        login.ended_at, login.ended_reason = at, "replaced"
        elsewhere = elsewhere or login.workstation_id != (workstation.id if workstation else None)
    if elsewhere:
        journal.append(
            db,
            "second_login",
            at=at,
            sitting_id=entry.sitting_id,
            entry_id=entry.id,
            name=candidate.name,
            seat=here.number if here else "—",
        )
