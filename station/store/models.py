"""Tables. Moments are whole milliseconds since 1970 UTC in the store and aware datetimes in Python.

Only portable types and constraints are used (SQLite, PostgreSQL, SQL Server 2008 R2): JSON is text,
a UNIQUE never stands on a nullable column, states are short strings under a CHECK.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from station.domain.attempt import AttemptState
from station.domain.incident import ExtensionState
from station.domain.rehearsal import RehearsalState, Way
from station.domain.sitting import SittingKind, SittingState
from station.domain.staff import Role

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(TypeDecorator[datetime]):
    """An aware datetime kept as milliseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else milliseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_milliseconds(value)


def milliseconds(at: datetime) -> int:
    """Turn an aware moment into milliseconds since 1970 UTC, cut down."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def from_milliseconds(value: int) -> datetime:
    """Turn milliseconds since 1970 UTC into an aware moment."""
    return _EPOCH + timedelta(milliseconds=value)


# SQLite gives out row numbers only for its own INTEGER type.
Key = BigInteger().with_variant(Integer, "sqlite")
# For rows whose numbers leave the server: none is ever given out twice, and a restored station goes on far beyond.
NEVER_AGAIN = {"sqlite_autoincrement": True}


class PackageState(StrEnum):
    """Where an outgoing package is (design §4)."""

    WAITING = "waiting"
    SENDING = "sending"
    ARRIVED = "arrived"
    CONFIRMED = "confirmed"
    NEEDS_ATTENTION = "needs_attention"


class WorkstationState(StrEnum):
    """What a candidate PC is doing. `lost` is computed from last-seen and never stored (design §13.14)."""

    UNSEEN = "unseen"
    READY = "ready"
    IN_USE = "in_use"
    RELEASED = "released"
    LOCKED = "locked"


class Attendance(StrEnum):
    """Whether a candidate came (R-DAY-3)."""

    EXPECTED = "expected"
    PRESENT = "present"
    LATE = "late"
    ABSENT = "absent"


class Base(DeclarativeBase):
    """Root of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _one_of(column: str, values: Iterable[str]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class Staff(Base):
    """One account of the staff app."""

    __tablename__ = "staff"
    __table_args__ = (_one_of("role", Role),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    username: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    role: Mapped[str] = mapped_column(String(32))
    password_hash: Mapped[str] = mapped_column(String(300))
    must_change_password: Mapped[bool] = mapped_column(Boolean, default=True)
    active: Mapped[bool] = mapped_column(Boolean, default=True)


class StaffLogin(Base):
    """One log-in to the staff app; the cookie's token is kept only as its SHA-256."""

    __tablename__ = "staff_login"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    csrf_token: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)


class AllowedAddress(Base):
    """A PC that may open the staff app, besides the server itself."""

    __tablename__ = "allowed_address"

    address: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Moment)


class Room(Base):
    """A computer room. Until `pairing_until` its PCs may register their agents.

    `is_rehearsal`: no real room but the seats of one room's rehearsals, which no list of rooms or seats shows.
    """

    __tablename__ = "room"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    site_name: Mapped[str] = mapped_column(String(200))
    pairing_until: Mapped[datetime | None] = mapped_column(Moment)
    is_rehearsal: Mapped[bool] = mapped_column(Boolean, default=False)


class Seat(Base):
    """A place for one candidate; numbers need not be dense (R-ROST-2)."""

    __tablename__ = "seat"
    __table_args__ = (UniqueConstraint("room_id", "number"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey("room.id"))
    number: Mapped[str] = mapped_column(String(16))
    is_spare: Mapped[bool] = mapped_column(Boolean, default=False)


class Device(Base):
    """A candidate PC with an agent, known by its token; at most one living device holds a seat.

    `macs`, `capabilities` and `hardware` are JSON as the agent sent them. `freed_sitting_id`: unlocked since `freed_at`
    for as long as this sitting lasts, by `freed_by`, or by the offline code `freed_code`, which `freed_seen_by` has
    taken note of. `held_at`, `held_by`: who wanted it locked again last. `screen_text`: its screen is locked.
    `doubt`: how the PC that registered anew differs from the one before, until the technician has confirmed it.
    """

    __tablename__ = "device"
    __table_args__ = (Index(None, "seat_id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    machine_id: Mapped[str] = mapped_column(String(128), unique=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    macs: Mapped[str] = mapped_column(Text)
    system: Mapped[str] = mapped_column(String(16))
    version: Mapped[str] = mapped_column(String(32))
    capabilities: Mapped[str] = mapped_column(Text)
    hardware: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(String(64))
    seat_id: Mapped[int | None] = mapped_column(ForeignKey("seat.id"))
    registered_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    screen_text: Mapped[str] = mapped_column(String(500), default="")
    screen_since: Mapped[datetime | None] = mapped_column(Moment)
    freed_sitting_id: Mapped[int | None] = mapped_column(ForeignKey("sitting.id"))
    freed_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    freed_at: Mapped[datetime | None] = mapped_column(Moment)
    freed_code: Mapped[str] = mapped_column(String(16), default="")
    freed_seen_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    held_at: Mapped[datetime | None] = mapped_column(Moment)
    held_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    doubt: Mapped[str] = mapped_column(String(500), default="")


class DeviceCommand(Base):
    """Something staff told one PC to do; sent with each beat until the agent says that it is done."""

    __tablename__ = "device_command"
    __table_args__ = (Index(None, "device_id", "done_at"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id"))
    kind: Mapped[str] = mapped_column(String(32))
    arguments: Mapped[str] = mapped_column(Text, default="{}")
    given_at: Mapped[datetime] = mapped_column(Moment)
    given_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    done_at: Mapped[datetime | None] = mapped_column(Moment)
    is_ok: Mapped[bool] = mapped_column(Boolean, default=False)
    text: Mapped[str] = mapped_column(String(500), default="")


class ScreenPicture(Base):
    """A picture of a PC's screen that staff asked for; its bytes lie in the folder `pictures` under `sha256`."""

    __tablename__ = "screen_picture"

    command_id: Mapped[int] = mapped_column(ForeignKey("device_command.id"), primary_key=True, autoincrement=False)
    seat_id: Mapped[int | None] = mapped_column(ForeignKey("seat.id"))
    sha256: Mapped[str] = mapped_column(String(64))
    media_type: Mapped[str] = mapped_column(String(16))
    size: Mapped[int] = mapped_column(Integer)
    taken_at: Mapped[datetime] = mapped_column(Moment)


class UnlockCode(Base):
    """A code that unlocks one PC once without the station; the code itself is derived anew, never kept.

    `for_sheet`: stands on the printed sheet for a dead station; the others are shown one at a time.
    """

    __tablename__ = "unlock_code"
    __table_args__ = (UniqueConstraint("device_id", "number"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    device_id: Mapped[int] = mapped_column(ForeignKey("device.id"))
    number: Mapped[int] = mapped_column(Integer)
    salt: Mapped[str] = mapped_column(String(64))
    iterations: Mapped[int] = mapped_column(Integer)
    digest: Mapped[str] = mapped_column(String(64))
    for_sheet: Mapped[bool] = mapped_column(Boolean, default=False)
    made_at: Mapped[datetime] = mapped_column(Moment)
    shown_at: Mapped[datetime | None] = mapped_column(Moment)
    shown_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    used_at: Mapped[datetime | None] = mapped_column(Moment)


class Workstation(Base):
    """A candidate PC, known by the cookie of its seat link or of its agent; one a seat at a time.

    `device_id`, `boot_id`: the agent that opened its page last, and in which boot.
    """

    __tablename__ = "workstation"
    __table_args__ = (_one_of("state", WorkstationState), Index(None, "seat_id"))

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    seat_id: Mapped[int] = mapped_column(ForeignKey("seat.id"))
    address: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16), default=WorkstationState.READY)
    opened_at: Mapped[datetime] = mapped_column(Moment)
    replaced_at: Mapped[datetime | None] = mapped_column(Moment)
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id"))
    boot_id: Mapped[str] = mapped_column(String(64), default="")


class Plan(Base):
    """An exam plan as imported: the document, word for word. `is_practice`: of trials and rehearsals, no document."""

    __tablename__ = "plan"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    code: Mapped[str] = mapped_column(String(64), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    document: Mapped[str] = mapped_column(Text)
    imported_at: Mapped[datetime] = mapped_column(Moment)
    is_practice: Mapped[bool] = mapped_column(Boolean, default=False)


class Subject(Base):
    """One scored test of a certificate, with the rules that bind the day."""

    __tablename__ = "subject"
    __table_args__ = (UniqueConstraint("plan_id", "certificate_code", "level", "code"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    plan_id: Mapped[int] = mapped_column(ForeignKey("plan.id"))
    certificate_code: Mapped[str] = mapped_column(String(64))
    certificate_name: Mapped[str] = mapped_column(String(100))
    level: Mapped[str] = mapped_column(String(16))
    code: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(100))
    word: Mapped[str] = mapped_column(String(16))
    duration_min: Mapped[int] = mapped_column(Integer)
    entry_cutoff_min: Mapped[int] = mapped_column(Integer)
    early_leave_min: Mapped[int] = mapped_column(Integer)
    remind_min: Mapped[int] = mapped_column(Integer)
    extension_limit_min: Mapped[int] = mapped_column(Integer)
    extension_scope: Mapped[str] = mapped_column(String(16))
    outage_limit_s: Mapped[int] = mapped_column(Integer)
    outage_ask_min: Mapped[int] = mapped_column(Integer)
    scores_shown_on_site: Mapped[bool] = mapped_column(Boolean, default=False)
    rules: Mapped[str] = mapped_column(Text)
    misconduct_rules: Mapped[str] = mapped_column(Text)
    pass_rule: Mapped[str] = mapped_column(Text)
    lockdown: Mapped[str] = mapped_column(Text, default="{}")


class Paper(Base):
    """A paper and its answer keys, as canonical JSON text. `keys` is '' when the centre marks."""

    __tablename__ = "paper"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    subject_id: Mapped[int] = mapped_column(ForeignKey("subject.id"))
    code: Mapped[str] = mapped_column(String(64), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    sha256: Mapped[str] = mapped_column(String(64))
    document: Mapped[str] = mapped_column(Text)
    keys: Mapped[str] = mapped_column(Text, default="")
    item_count: Mapped[int] = mapped_column(Integer)
    is_backup: Mapped[bool] = mapped_column(Boolean, default=False)
    imported_at: Mapped[datetime] = mapped_column(Moment)


class Asset(Base):
    """A file that belongs to papers (picture, material) or a candidate's photo; bytes lie in the asset folder."""

    __tablename__ = "asset"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    media_type: Mapped[str] = mapped_column(String(100))
    size: Mapped[int] = mapped_column(BigInteger)


class PaperAsset(Base):
    """Which asset a paper means by a name."""

    __tablename__ = "paper_asset"

    paper_id: Mapped[int] = mapped_column(ForeignKey("paper.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    sha256: Mapped[str] = mapped_column(ForeignKey("asset.sha256"))


class Sitting(Base):
    """One subject held in one room at one planned time.

    `kind`: only a real one counts anywhere; `wiped_at`: the answers of a trial or rehearsal were removed.
    """

    __tablename__ = "sitting"
    __table_args__ = (
        UniqueConstraint("room_id", "subject_id", "planned_start_at"),
        _one_of("state", SittingState),
        _one_of("kind", SittingKind),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey("room.id"))
    subject_id: Mapped[int] = mapped_column(ForeignKey("subject.id"))
    paper_id: Mapped[int | None] = mapped_column(ForeignKey("paper.id"))
    planned_start_at: Mapped[datetime] = mapped_column(Moment)
    postponement_s: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[str] = mapped_column(String(16), default=SittingState.PLANNED)
    started_at: Mapped[datetime | None] = mapped_column(Moment)
    suspended_at: Mapped[datetime | None] = mapped_column(Moment)
    suspended_reason: Mapped[str] = mapped_column(String(500), default="")
    closed_at: Mapped[datetime | None] = mapped_column(Moment)
    delivered_at: Mapped[datetime | None] = mapped_column(Moment)
    head: Mapped[str] = mapped_column(Text, default="{}")
    kind: Mapped[str] = mapped_column(String(16), default=SittingKind.REAL)
    wiped_at: Mapped[datetime | None] = mapped_column(Moment)


class Candidate(Base):
    """A person who sits; one row for all subjects (R-ROST-2). `id_number` may be masked.

    `is_practice`: nobody, but a ticket for a seat in trials or rehearsals; its number is none that a roster could have.
    """

    __tablename__ = "candidate"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    ticket_number: Mapped[str] = mapped_column(String(32), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    pinyin: Mapped[str] = mapped_column(String(100), default="")
    id_number: Mapped[str] = mapped_column(String(32), default="")
    institution: Mapped[str] = mapped_column(String(200), default="")
    photo_sha256: Mapped[str] = mapped_column(String(64), default="")
    is_practice: Mapped[bool] = mapped_column(Boolean, default=False)


class Entry(Base):
    """One candidate placed in one sitting at one seat. `seat_id` follows a seat move.

    `accessibility`: what the PC allows this candidate (JSON list of `domain.agent_orders.AIDS`).
    """

    __tablename__ = "entry"
    __table_args__ = (
        UniqueConstraint("sitting_id", "candidate_id"),
        UniqueConstraint("sitting_id", "seat_id"),
        _one_of("attendance", Attendance),
        Index(None, "candidate_id"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    candidate_id: Mapped[int] = mapped_column(ForeignKey("candidate.id"))
    seat_id: Mapped[int] = mapped_column(ForeignKey("seat.id"))
    attendance: Mapped[str] = mapped_column(String(16), default=Attendance.EXPECTED)
    late_min: Mapped[int] = mapped_column(Integer, default=0)
    confirmed_at: Mapped[datetime | None] = mapped_column(Moment)
    early_leave_allowed_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    leave_began_at: Mapped[datetime | None] = mapped_column(Moment)
    help_asked_at: Mapped[datetime | None] = mapped_column(Moment)
    accessibility: Mapped[str] = mapped_column(String(200), default="[]")


class CandidateLogin(Base):
    """One log-in of a candidate. `released_at` None: waits for an invigilator (another seat than the roster's)."""

    __tablename__ = "candidate_login"
    __table_args__ = (Index(None, "candidate_id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    candidate_id: Mapped[int] = mapped_column(ForeignKey("candidate.id"))
    workstation_id: Mapped[int | None] = mapped_column(ForeignKey("workstation.id"))
    seat_id: Mapped[int | None] = mapped_column(ForeignKey("seat.id"))
    address: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Moment)
    released_at: Mapped[datetime | None] = mapped_column(Moment)
    released_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    ended_reason: Mapped[str] = mapped_column(String(32), default="")


class Attempt(Base):
    """What a candidate does in an entry. `deadline_at` is computed (domain.sitting.deadline) and kept for the tick.

    `revision_count` and `head_hash` are the end of the hash chain; `view` is where the candidate was on the
    page (JSON: position, flags, font size), kept as a comfort and not part of the chain.
    """

    __tablename__ = "attempt"
    __table_args__ = (_one_of("state", AttemptState), Index(None, "state", "deadline_at"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"), unique=True)
    paper_id: Mapped[int] = mapped_column(ForeignKey("paper.id"))
    state: Mapped[str] = mapped_column(String(16))
    opened_at: Mapped[datetime] = mapped_column(Moment)
    shift_s: Mapped[int] = mapped_column(Integer, default=0)
    deadline_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    receipt_code: Mapped[str] = mapped_column(String(16), default="")
    place: Mapped[int] = mapped_column(BigInteger, default=0)
    revision_count: Mapped[int] = mapped_column(Integer, default=0)
    answered_count: Mapped[int] = mapped_column(Integer, default=0)
    late_count: Mapped[int] = mapped_column(Integer, default=0)
    head_hash: Mapped[str] = mapped_column(String(64))
    last_saved_at: Mapped[datetime | None] = mapped_column(Moment)
    view: Mapped[str] = mapped_column(Text, default="{}")


class Place(Base):
    """Where an attempt is answered from: issued at every load of the paper page (design §13.1).

    `last_act_at` stands where the page came back after its PC had died, here or on another PC: the last act that
    the store holds from before; `heard_at`: when the page was last heard, None when unknown. The time lost counts
    from `lost_from_at`, one of the two, to `opened_at`; `extension_id` is what was proposed for it.
    """

    __tablename__ = "place"
    __table_args__ = (Index(None, "attempt_id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    login_id: Mapped[int] = mapped_column(ForeignKey("candidate_login.id"))
    workstation_id: Mapped[int | None] = mapped_column(ForeignKey("workstation.id"))
    opened_at: Mapped[datetime] = mapped_column(Moment)
    last_act_at: Mapped[datetime | None] = mapped_column(Moment)
    heard_at: Mapped[datetime | None] = mapped_column(Moment)
    lost_from_at: Mapped[datetime | None] = mapped_column(Moment)
    extension_id: Mapped[int | None] = mapped_column(ForeignKey("extension.id"))


class Revision(Base):
    """One saved version of an answer; insert-only, chained by hash within its attempt."""

    __tablename__ = "revision"
    __table_args__ = (
        UniqueConstraint("attempt_id", "place", "sequence"),
        UniqueConstraint("attempt_id", "number"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    number: Mapped[int] = mapped_column(Integer)
    place: Mapped[int] = mapped_column(BigInteger)
    sequence: Mapped[int] = mapped_column(Integer)
    item_id: Mapped[str] = mapped_column(String(32))
    response: Mapped[str] = mapped_column(Text)
    saved_at: Mapped[datetime] = mapped_column(Moment)
    workstation_id: Mapped[int | None] = mapped_column(ForeignKey("workstation.id"))
    is_late: Mapped[bool] = mapped_column(Boolean, default=False)
    is_answered: Mapped[bool] = mapped_column(Boolean, default=True)
    accepted_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class CurrentAnswer(Base):
    """Which revision of an item counts now (design §13.2): a fast answer to what follows from the revisions."""

    __tablename__ = "current_answer"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    item_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    place: Mapped[int] = mapped_column(BigInteger)
    sequence: Mapped[int] = mapped_column(Integer)
    revision_number: Mapped[int] = mapped_column(Integer)
    is_answered: Mapped[bool] = mapped_column(Boolean)


class SaveConflict(Base):
    """A save whose identity came a second time with another body: kept for a person to see (design §13.1)."""

    __tablename__ = "save_conflict"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    place: Mapped[int] = mapped_column(BigInteger)
    sequence: Mapped[int] = mapped_column(Integer)
    item_id: Mapped[str] = mapped_column(String(32))
    response: Mapped[str] = mapped_column(Text)
    came_at: Mapped[datetime] = mapped_column(Moment)


class Upload(Base):
    """A file that a candidate sent for a file item; bytes lie in the upload folder under their SHA-256."""

    __tablename__ = "upload"
    __table_args__ = (UniqueConstraint("attempt_id", "sha256", "item_id", "part"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    item_id: Mapped[str] = mapped_column(String(32))
    part: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    media_type: Mapped[str] = mapped_column(String(100))
    uploaded_at: Mapped[datetime] = mapped_column(Moment)


class WorkFolder(Base):
    """The work folder of an attempt: the end of its versions' chain, and whether the last state has come (§9).

    `device_id`: the PC that asked for it last. `refresh`: number of the newest version that was taken back.
    `settled_at`: since when the station has all that lay there at the end; `missing`: paths that were not there yet.
    """

    __tablename__ = "work_folder"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True, autoincrement=False)
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id"))
    opened_at: Mapped[datetime] = mapped_column(Moment)
    version_count: Mapped[int] = mapped_column(Integer, default=0)
    head_hash: Mapped[str] = mapped_column(String(64))
    refresh: Mapped[int] = mapped_column(Integer, default=0)
    late_count: Mapped[int] = mapped_column(Integer, default=0)
    last_saved_at: Mapped[datetime | None] = mapped_column(Moment)
    told_at: Mapped[datetime | None] = mapped_column(Moment)
    settled_at: Mapped[datetime | None] = mapped_column(Moment)
    missing: Mapped[str] = mapped_column(Text, default="[]")


class WorkContent(Base):
    """A content of a work folder, told before it is sent; bytes lie in the upload folder once it is complete."""

    __tablename__ = "work_content"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True, autoincrement=False)
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    began_at: Mapped[datetime] = mapped_column(Moment)
    completed_at: Mapped[datetime | None] = mapped_column(Moment)


class WorkVersion(Base):
    """One version of a file of a work folder; insert-only, chained by hash within its attempt.

    `number` counts in the attempt, `version` within the path (`path_key`: its SHA-256, as paths are too long for an
    index). `sha256` None: removed. `device_id` None: the candidate took `from_version` back on the page.
    """

    __tablename__ = "work_version"
    __table_args__ = (
        UniqueConstraint("attempt_id", "number"),
        UniqueConstraint("attempt_id", "path_key", "version"),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    number: Mapped[int] = mapped_column(Integer)
    path: Mapped[str] = mapped_column(String(500))
    path_key: Mapped[str] = mapped_column(String(64))
    version: Mapped[int] = mapped_column(Integer)
    sha256: Mapped[str | None] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    modified_at: Mapped[datetime] = mapped_column(Moment)
    received_at: Mapped[datetime] = mapped_column(Moment)
    cause: Mapped[str] = mapped_column(String(16))
    from_version: Mapped[int | None] = mapped_column(Integer)
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id"))
    boot_id: Mapped[str] = mapped_column(String(64), default="")
    sequence: Mapped[int] = mapped_column(BigInteger, default=0)
    is_late: Mapped[bool] = mapped_column(Boolean, default=False)
    accepted_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class Extension(Base):
    """Time given to one attempt; counts once granted by both sides (R-DAY-8)."""

    __tablename__ = "extension"
    __table_args__ = (_one_of("state", ExtensionState), Index(None, "attempt_id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"))
    seconds: Mapped[int] = mapped_column(Integer)
    reason_kind: Mapped[str] = mapped_column(String(32))
    reason: Mapped[str] = mapped_column(String(500), default="")
    asked_by_candidate: Mapped[bool] = mapped_column(Boolean, default=False)
    state: Mapped[str] = mapped_column(String(16), default=ExtensionState.PROPOSED)
    proposed_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    proposed_at: Mapped[datetime] = mapped_column(Moment)
    site_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    body_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    body_reference: Mapped[str] = mapped_column(String(200), default="")
    decided_at: Mapped[datetime | None] = mapped_column(Moment)


class Interruption(Base):
    """A stretch in which answering was not possible: an outage or a suspension; open while `ended_at` is None.

    `attempt_id` None means the whole sitting, also for those who enter later.
    """

    __tablename__ = "interruption"
    __table_args__ = (_one_of("kind", ("outage", "suspension")), Index(None, "sitting_id"))

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    attempt_id: Mapped[int | None] = mapped_column(ForeignKey("attempt.id"))
    kind: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(String(500), default="")
    began_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    began_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))


class SeatMove(Base):
    """A candidate's move to another seat (R-DAY-7)."""

    __tablename__ = "seat_move"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"))
    old_seat_id: Mapped[int] = mapped_column(ForeignKey("seat.id"))
    new_seat_id: Mapped[int] = mapped_column(ForeignKey("seat.id"))
    reason: Mapped[str] = mapped_column(String(500))
    moved_at: Mapped[datetime] = mapped_column(Moment)
    moved_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))


class Incident(Base):
    """An entry of the room record 考场情况记录表. `entry_id` None: the room; `recorded_by` None: the station."""

    __tablename__ = "incident"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entry.id"))
    kind: Mapped[str] = mapped_column(String(32))
    measure: Mapped[str] = mapped_column(String(32), default="")
    text: Mapped[str] = mapped_column(Text)
    happened_at: Mapped[datetime] = mapped_column(Moment)
    recorded_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))


class Message(Base):
    """A message of the staff to one entry, or to the whole sitting (`entry_id` None)."""

    __tablename__ = "message"
    __table_args__ = (Index(None, "sitting_id"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entry.id"))
    text: Mapped[str] = mapped_column(String(500))
    sent_at: Mapped[datetime] = mapped_column(Moment)
    sent_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))


class Mark(Base):
    """Points of one item of one attempt; `points` None awaits a person. Points are decimal text, two places."""

    __tablename__ = "mark"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    item_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    policy: Mapped[str] = mapped_column(String(32))
    points: Mapped[str | None] = mapped_column(String(16))
    max_points: Mapped[str] = mapped_column(String(16))
    explanation: Mapped[str] = mapped_column(Text)


class Score(Base):
    """Sum of the computer-marked points of one attempt, and what still awaits a person."""

    __tablename__ = "score"

    attempt_id: Mapped[int] = mapped_column(ForeignKey("attempt.id"), primary_key=True)
    objective_points: Mapped[str] = mapped_column(String(16))
    objective_max: Mapped[str] = mapped_column(String(16))
    manual_max: Mapped[str] = mapped_column(String(16))
    paper_sha256: Mapped[str] = mapped_column(String(64))
    keys_sha256: Mapped[str] = mapped_column(String(64))
    marked_at: Mapped[datetime] = mapped_column(Moment)


class ResultPackage(Base):
    """An outgoing package; `number` above 1 is a supplement. It holds so many `revisions` and `work_versions`.

    `files`: the SHA-256 of those in it (JSON); `files_left`: how many are in no package yet: a container has a limit.
    """

    __tablename__ = "result_package"
    __table_args__ = (UniqueConstraint("sitting_id", "number"), _one_of("state", PackageState))

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), unique=True)
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    number: Mapped[int] = mapped_column(Integer)
    file_name: Mapped[str] = mapped_column(String(255))
    sha256: Mapped[str] = mapped_column(String(64))
    size: Mapped[int] = mapped_column(BigInteger)
    revisions: Mapped[int] = mapped_column(Integer, default=0)
    work_versions: Mapped[int] = mapped_column(Integer, default=0)
    files: Mapped[str] = mapped_column(Text, default="[]")
    files_left: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[str] = mapped_column(String(16), default=PackageState.WAITING)
    built_at: Mapped[datetime] = mapped_column(Moment)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    next_try_at: Mapped[datetime | None] = mapped_column(Moment)
    upload_url: Mapped[str] = mapped_column(String(500), default="")
    last_error: Mapped[str] = mapped_column(String(500), default="")
    receipt: Mapped[str] = mapped_column(Text, default="")
    receipt_code: Mapped[str] = mapped_column(String(32), default="")
    confirmed_at: Mapped[datetime | None] = mapped_column(Moment)


class JournalEntry(Base):
    """One event of the tamper-evident journal; the chain runs over the whole store."""

    __tablename__ = "journal"
    __table_args__ = (Index(None, "sitting_id", "number"),)

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Moment)
    event: Mapped[str] = mapped_column(String(40))
    sitting_id: Mapped[int | None] = mapped_column(ForeignKey("sitting.id"))
    entry_id: Mapped[int | None] = mapped_column(ForeignKey("entry.id"))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    details: Mapped[str] = mapped_column(Text)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class JournalHead(Base):
    """One row: the end of the journal's chain; locked by whoever appends."""

    __tablename__ = "journal_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str] = mapped_column(String(64))


class SignedHeads(Base):
    """Heads of all chains at a moment, signed with the station's key (design §13.9)."""

    __tablename__ = "signed_heads"

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment)
    heads: Mapped[str] = mapped_column(Text)
    signature: Mapped[str] = mapped_column(Text)


class StationLife(Base):
    """One row: when the station was last known alive, whether it was stopped on purpose, and its backups.

    `backed_up_at`: what was stored before is in a checked backup. `backup_claimed_at`: when an automatic one was last
    begun, by whichever process. `restored_from`, `restored_to`: of a store that came from a backup, the stretch of
    which it knows nothing (from the backup to the last sign of life of the server that died).
    """

    __tablename__ = "station_life"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    alive_at: Mapped[datetime] = mapped_column(Moment)
    started_at: Mapped[datetime] = mapped_column(Moment)
    stopped_cleanly: Mapped[bool] = mapped_column(Boolean, default=False)
    clock_in_doubt: Mapped[bool] = mapped_column(Boolean, default=False)
    backed_up_at: Mapped[datetime | None] = mapped_column(Moment)
    backup_claimed_at: Mapped[datetime | None] = mapped_column(Moment)
    backup_trouble: Mapped[str] = mapped_column(String(500), default="")
    backup_on_same_disk: Mapped[bool] = mapped_column(Boolean, default=False)
    restored_from: Mapped[datetime | None] = mapped_column(Moment)
    restored_to: Mapped[datetime | None] = mapped_column(Moment)


class ReadinessReport(Base):
    """The last room check of one machine, as it came (R-ROOM-3).

    `machine`: `pc:17` (device 17), `server`, or `console:192.168.1.3` (an invigilator PC by its address).
    `took_ms`: how long the check took; `requirements`: digest of what it was held against. `faults`, `fingerprint`:
    what follows from the document, kept so that the room is read at a glance. JSON.
    """

    __tablename__ = "readiness_report"
    __table_args__ = (
        _one_of("role", ("candidate_pc", "server", "invigilator_pc")),
        _one_of("state", ("ready", "warning", "not_ready")),
    )

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    machine: Mapped[str] = mapped_column(String(80), unique=True)
    role: Mapped[str] = mapped_column(String(16))
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id"))
    requirements: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    document: Mapped[str] = mapped_column(Text)
    faults: Mapped[str] = mapped_column(Text)
    fingerprint: Mapped[str] = mapped_column(Text)
    took_ms: Mapped[int] = mapped_column(Integer, default=0)
    reported_at: Mapped[datetime] = mapped_column(Moment)


class RoomSeal(Base):
    """A sealing 封场 of one room (R-ROOM-7); one that has not ended is in force.

    `points`, `ticks`, `sheets`: what held at that moment, as it stands on the form; `frozen`: per machine of the room
    its seat and the fingerprint of its check, against which later checks are held. All JSON. `forced_by`: technical
    support sealed although points were open. `confirmed_by` None with a `confirmed_at`: told over the telephone.
    """

    __tablename__ = "room_seal"
    __table_args__ = (Index(None, "room_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey("room.id"))
    sealed_at: Mapped[datetime] = mapped_column(Moment)
    sealed_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    technician: Mapped[str] = mapped_column(String(100))
    exam_officer: Mapped[str] = mapped_column(String(100))
    points: Mapped[str] = mapped_column(Text)
    ticks: Mapped[str] = mapped_column(Text)
    sheets: Mapped[str] = mapped_column(Text)
    frozen: Mapped[str] = mapped_column(Text)
    forced_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    force_reason: Mapped[str] = mapped_column(String(500), default="")
    confirmed_at: Mapped[datetime | None] = mapped_column(Moment)
    confirmed_name: Mapped[str] = mapped_column(String(100), default="")
    confirmed_way: Mapped[str] = mapped_column(String(200), default="")
    confirmed_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    ended_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ended_reason: Mapped[str] = mapped_column(String(500), default="")


class SealBreak(Base):
    """What changed on one machine after its room was sealed; `differences` is JSON (code, zh, en)."""

    __tablename__ = "seal_break"
    __table_args__ = (Index(None, "seal_id"),)

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    seal_id: Mapped[int] = mapped_column(ForeignKey("room_seal.id"))
    machine: Mapped[str] = mapped_column(String(80))
    seat: Mapped[str] = mapped_column(String(16), default="")
    differences: Mapped[str] = mapped_column(Text)
    found_at: Mapped[datetime] = mapped_column(Moment)
    accepted_at: Mapped[datetime | None] = mapped_column(Moment)
    accepted_by: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    accepted_reason: Mapped[str] = mapped_column(String(500), default="")


class Rehearsal(Base):
    """A rehearsal 压力演练 of one room: candidates played against this station for some minutes.

    `way`: by the server itself, or by the PCs' agents; `ends_by`: nothing is heard of it any more after this moment.
    `result`: the figures with their limits, as JSON.
    """

    __tablename__ = "rehearsal"
    __table_args__ = (_one_of("way", Way), _one_of("state", RehearsalState), Index(None, "room_id"))

    id: Mapped[int] = mapped_column(Key, primary_key=True)
    room_id: Mapped[int] = mapped_column(ForeignKey("room.id"))
    sitting_id: Mapped[int] = mapped_column(ForeignKey("sitting.id"))
    way: Mapped[str] = mapped_column(String(16))
    minutes: Mapped[int] = mapped_column(Integer)
    players: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(16), default=RehearsalState.RUNNING)
    started_at: Mapped[datetime] = mapped_column(Moment)
    started_by: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    ends_by: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment)
    result: Mapped[str] = mapped_column(Text, default="{}")


class RehearsalPlayer(Base):
    """What was measured at one seat of a rehearsal; `report` is '' until it came."""

    __tablename__ = "rehearsal_player"

    rehearsal_id: Mapped[int] = mapped_column(ForeignKey("rehearsal.id"), primary_key=True, autoincrement=False)
    seat: Mapped[str] = mapped_column(String(16), primary_key=True)
    entry_id: Mapped[int] = mapped_column(ForeignKey("entry.id"))
    device_id: Mapped[int | None] = mapped_column(ForeignKey("device.id"))
    report: Mapped[str] = mapped_column(Text, default="")
    reported_at: Mapped[datetime | None] = mapped_column(Moment)
