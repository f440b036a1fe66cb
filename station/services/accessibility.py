"""What a PC allows a candidate who needs it: it belongs to the entry, so it follows to another seat."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from station.domain.incident import check_text
from station.domain.lockdown import AIDS
from station.errors import Invalid, problem
from station.services import journal
from station.store.models import Candidate, Entry

AID_UNKNOWN = problem("aid_unknown", "没有这项无障碍设置：{named}。", "There is no such aid: {named}.")


def set_aids(db: Session, entry: Entry, aids: Sequence[str], *, reason: str, by: int, at: datetime) -> None:
    """Set what the PC allows this candidate, all of it; an empty list takes everything back."""
    check_text(reason)
    for aid in aids:
        if aid not in AIDS:
            raise Invalid(AID_UNKNOWN, named=aid[:40])
    chosen = [aid for aid in AIDS if aid in aids]
    entry.accessibility = json.dumps(chosen)
    names = [AIDS[aid] for aid in chosen] or [("无", "none")]
    journal.append(
        db,
        "accessibility_set",
        at=at,
        by=by,
        sitting_id=entry.sitting_id,
        entry_id=entry.id,
        name=db.get_one(Candidate, entry.candidate_id).name,
        aids_zh="、".join(zh for zh, _ in names),
        aids_en=", ".join(en for _, en in names),
        reason=reason,
    )
