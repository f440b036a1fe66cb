"""Give candidates more time: propose, decide by two people, take effect at once (R-DAY-8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.attempt import ENDED
from station.domain.incident import (
    ALREADY_DECIDED,
    EXTENSION_MINIMUM_S,
    EXTENSION_REASONS,
    Decisions,
    ExtensionState,
    check_decisions,
    check_extension,
    needs_body,
    side_of,
)
from station.domain.staff import Role, not_allowed
from station.domain.working_time import length_names
from station.errors import Invalid, Missing, Refused, problem
from station.services import journal
from station.store.locking import lock_attempts, to_change
from station.store.models import Attempt, Candidate, Entry, Extension, Sitting, Staff, Subject
from station.store.times import move_deadline

EXTENSION_UNKNOWN = problem("extension_unknown", "没有该延时申请。", "There is no such request.")
NOBODY_TO_EXTEND = problem(
    "nobody_to_extend", "所选考生均未开卷或已交卷，不能延时。", "None of those chosen is answering; nobody to extend."
)
ENDED_MEANWHILE = problem(
    "ended_meanwhile", "{name} 已交卷或收卷，延时不再生效。", "{name} has ended meanwhile; the extension has no effect."
)


def propose_extension(
    db: Session,
    attempts: Sequence[Attempt],
    *,
    seconds: int,
    reason_kind: str,
    reason: str,
    by: Staff,
    at: datetime,
    asked_by_candidate: bool = False,
    is_measured: bool = False,
) -> list[Extension]:
    """Propose the same extension for one, several or all; the proposer's own side counts as decided.

    Attempts that have ended are left out; refused when none is left. `is_measured`: the length is what the station
    has found to be lost, and may be below a minute.
    """
    check_extension(
        seconds=seconds,
        reason_kind=reason_kind,
        reason=reason,
        minimum_s=1 if is_measured else EXTENSION_MINIMUM_S,
    )
    open_ones = [attempt for attempt in lock_attempts(db, attempts) if attempt.state not in ENDED]
    if not open_ones:
        raise Invalid(NOBODY_TO_EXTEND)
    text = reason.strip() or EXTENSION_REASONS[reason_kind][0]
    proposals = [
        Extension(
            attempt_id=attempt.id,
            seconds=seconds,
            reason_kind=reason_kind,
            reason=text,
            asked_by_candidate=asked_by_candidate,
            state=ExtensionState.PROPOSED,
            proposed_by=by.id,
            proposed_at=at,
        )
        for attempt in open_ones
    ]
    db.add_all(proposals)
    db.flush()
    entry = db.get_one(Entry, open_ones[0].entry_id)
    length_zh, length_en = length_names(seconds)
    journal.append(
        db,
        "extension_proposed",
        at=at,
        by=by.id,
        sitting_id=entry.sitting_id,
        length_zh=length_zh,
        length_en=length_en,
        count=len(proposals),
        reason=text,
        extensions=[one.id for one in proposals],
    )
    if side_of(Role(by.role)):
        decide_extensions(db, [one.id for one in proposals], granted=True, by=by, at=at)
    return proposals


def decide_extensions(
    db: Session,
    extension_ids: Sequence[int],
    *,
    granted: bool,
    by: Staff,
    at: datetime,
    body_reference: str = "",
) -> int:
    """Say yes or no for the decider's side (site: chief examiner; body: inspector or technical support).

    An extension takes effect when both sides have said yes; above the site's limit the body's reference is
    needed too. One no ends it. Returns how many took effect now; nothing changes when one is refused by rule.
    """
    side = side_of(Role(by.role))
    if not side:
        raise not_allowed(Role(by.role), "decide_extension")
    chosen = select(Extension).where(Extension.id.in_(extension_ids)).order_by(Extension.id)
    # The attempts first: whoever changes one waits here, and finds the request decided.
    lock_attempts(
        db,
        db.scalars(
            select(Attempt).where(Attempt.id.in_(chosen.with_only_columns(Extension.attempt_id).order_by(None)))
        ),
    )
    found = list(db.scalars(to_change(chosen, Extension)))
    if not found or len(found) != len(set(extension_ids)):
        raise Missing(EXTENSION_UNKNOWN)
    return sum(
        _decide_one(db, one, side, granted=granted, by=by, at=at, body_reference=body_reference) for one in found
    )


def _decide_one(
    db: Session, one: Extension, side: str, *, granted: bool, by: Staff, at: datetime, body_reference: str
) -> bool:
    if one.state != ExtensionState.PROPOSED:
        raise Refused(ALREADY_DECIDED)
    attempt = db.get_one(Attempt, one.attempt_id)
    entry = db.get_one(Entry, attempt.entry_id)
    name = db.get_one(Candidate, entry.candidate_id).name
    length_zh, length_en = length_names(one.seconds)
    note = {"at": at, "by": by.id, "sitting_id": entry.sitting_id, "entry_id": entry.id, "name": name}
    if not granted:
        one.state, one.decided_at = ExtensionState.REFUSED, at
        journal.append(db, "extension_refused", length_zh=length_zh, length_en=length_en, **note)  # type: ignore[arg-type]
        return False
    if attempt.state in ENDED:
        raise Refused(ENDED_MEANWHILE, name=name)
    subject = db.scalars(
        select(Subject).join(Sitting, Sitting.subject_id == Subject.id).where(Sitting.id == entry.sitting_id)
    ).one()
    before = [
        other.seconds
        for other in db.scalars(
            select(Extension).where(Extension.attempt_id == attempt.id, Extension.state == ExtensionState.GRANTED)
        )
    ]
    decisions = Decisions(
        site_by=by.id if side == "site" else one.site_by,
        body_by=by.id if side == "body" else one.body_by,
        body_reference=body_reference or one.body_reference,
    )
    complete = check_decisions(
        decisions,
        body_needed=needs_body(
            one.seconds, before, limit_min=subject.extension_limit_min, scope=subject.extension_scope
        ),
        total_s=one.seconds + sum(before),
        limit_min=subject.extension_limit_min,
    )
    one.site_by, one.body_by, one.body_reference = decisions.site_by, decisions.body_by, decisions.body_reference
    if not complete:
        journal.append(
            db,
            "extension_confirmed",
            by_name=by.name,
            length_zh=length_zh,
            length_en=length_en,
            **note,  # type: ignore[arg-type]
        )
        return False
    one.state, one.decided_at = ExtensionState.GRANTED, at
    move_deadline(db, attempt)
    journal.append(
        db,
        "extension_granted",
        length_zh=length_zh,
        length_en=length_en,
        seconds=one.seconds,
        deadline_at=attempt.deadline_at.isoformat(),
        **note,  # type: ignore[arg-type]
    )
    return True
