"""Make a PC with an agent the workstation of its seat, and let back who answered there when it died (R-DAY-7)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from station.domain.agent_orders import HOLDING
from station.domain.attempt import OPEN
from station.domain.tokens import new_token, token_hash
from station.errors import Refused, problem
from station.services import journal
from station.store.device_queries import KnownDevice
from station.store.locking import lock_row
from station.store.models import (
    Attempt,
    Candidate,
    CandidateLogin,
    Entry,
    Seat,
    Sitting,
    Subject,
    Workstation,
    WorkstationState,
)
from station.store.orders_reading import lock_policy

DEVICE_HAS_NO_SEAT = problem(
    "device_has_no_seat",
    "本机还没有考位。请在本机输入考位号，或在监考台“考试机”页指定。",
    "This PC has no seat yet: type its number, or give it at the console, page PCs.",
)


def check_seated(device: KnownDevice) -> None:
    """Refuse a PC that stands at no seat yet."""
    if device.seat_id is None:
        raise Refused(DEVICE_HAS_NO_SEAT)


def open_page(db: Session, device: KnownDevice, *, boot_id: str, address: str, at: datetime) -> tuple[str, Workstation]:
    """Make the device's browser the workstation of its seat; gives the token for its cookie.

    The same PC again keeps its workstation and gets a new token; another one's is replaced.
    """
    check_seated(device)
    token = new_token()
    known = db.scalars(
        select(Workstation).where(Workstation.seat_id == device.seat_id, Workstation.replaced_at.is_(None))
    ).all()
    mine = next((one for one in known if one.device_id == device.id), None)
    if mine is not None:
        mine.token_hash, mine.address, mine.boot_id = token_hash(token), address, boot_id
        return token, mine
    db.execute(
        update(Workstation)
        .where(Workstation.seat_id == device.seat_id, Workstation.replaced_at.is_(None))
        .values(replaced_at=at, state=WorkstationState.RELEASED)
    )
    mine = Workstation(
        token_hash=token_hash(token),
        seat_id=device.seat_id,
        address=address,
        state=WorkstationState.READY,
        opened_at=at,
        device_id=device.id,
        boot_id=boot_id,
    )
    db.add(mine)
    db.flush()
    journal.append(db, "seat_opened", at=at, seat=device.seat_number, address=address)
    return token, mine


def workstation_at(db: Session, device: KnownDevice) -> Workstation | None:
    """Give the workstation that the device is now."""
    return db.scalars(
        select(Workstation).where(
            Workstation.seat_id == device.seat_id,
            Workstation.device_id == device.id,
            Workstation.replaced_at.is_(None),
        )
    ).first()


def login_here(db: Session, device: KnownDevice) -> CandidateLogin | None:
    """Find the live log-in that was made at this device at its present seat."""
    return db.scalars(
        select(CandidateLogin)
        .join(Workstation, Workstation.id == CandidateLogin.workstation_id)
        .where(
            Workstation.device_id == device.id,
            CandidateLogin.seat_id == device.seat_id,
            CandidateLogin.ended_at.is_(None),
            CandidateLogin.released_at.is_not(None),
        )
        .order_by(CandidateLogin.id.desc())
    ).first()


def returning(db: Session, device: KnownDevice) -> tuple[CandidateLogin, Entry] | None:
    """Say whom to let back without a password: who is answering at this very PC, where the plan allows it.

    The log-in was made at this device, at the seat that both it and the candidate still have, and nobody has ended
    it; the attempt is open in a sitting that is held.
    """
    login = login_here(db, device)
    if login is None:
        return None
    row = db.execute(
        select(Entry, Subject.lockdown)
        .join(Attempt, Attempt.entry_id == Entry.id)
        .join(Sitting, Sitting.id == Entry.sitting_id)
        .join(Subject, Subject.id == Sitting.subject_id)
        .where(
            Entry.candidate_id == login.candidate_id,
            Entry.seat_id == device.seat_id,
            Attempt.state.in_(OPEN),
            Sitting.state.in_(HOLDING),
        )
    ).first()
    if row is None or lock_policy(row.lockdown).relogin != "resumed":
        return None
    return login, row[0]


def let_back(
    db: Session, login: CandidateLogin, entry: Entry, workstation: Workstation, *, address: str, at: datetime
) -> str:
    """Log the candidate in again in place of a log-in whose PC died; gives the token for the cookie."""
    lock_row(db, Candidate, login.candidate_id)
    login.ended_at, login.ended_reason = at, "replaced"
    token = new_token()
    db.add(
        CandidateLogin(
            token_hash=token_hash(token),
            candidate_id=login.candidate_id,
            workstation_id=workstation.id,
            seat_id=login.seat_id,
            address=address,
            created_at=at,
            released_at=at,
            released_by=login.released_by,
        )
    )
    workstation.state = WorkstationState.IN_USE
    db.flush()
    name = db.get_one(Candidate, login.candidate_id).name
    seat = db.get_one(Seat, entry.seat_id).number
    journal.append(
        db, "candidate_let_back", at=at, sitting_id=entry.sitting_id, entry_id=entry.id, seat=seat, name=name
    )
    return token
