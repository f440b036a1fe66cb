"""What one candidate PC shall be now: locked or free, which screen, whose needs, which work folder. Pure functions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from station.domain.attempt import ENDED, OPEN, AttemptState
from station.domain.lockdown import AIDS, LockPolicy
from station.domain.sitting import SittingState

# From the opening of the log-in until it is closed, a sitting holds the PCs of its room.
HOLDING = frozenset({SittingState.ADMITTING, SittingState.RUNNING, SittingState.SUSPENDED})
_UNDER_WAY = frozenset({SittingState.RUNNING, SittingState.SUSPENDED})


@dataclass(frozen=True)
class HeldSitting:
    """A sitting that is held in the room now. `programs`: what the items of its paper name."""

    id: int
    state: SittingState
    policy: LockPolicy
    programs: tuple[str, ...] = ()


@dataclass(frozen=True)
class SeatedEntry:
    """A candidate's entry on the seat, in a sitting that is held. `aids`: what the PC allows this candidate."""

    sitting_id: int
    candidate_id: int
    attempt_id: int | None = None
    attempt_state: AttemptState | None = None
    aids: tuple[str, ...] = ()
    paper_id: int | None = None


@dataclass(frozen=True)
class Decided:
    """What staff have decided for this PC. `freed_sitting_id`: unlocked for as long as that sitting is held."""

    screen_text: str = ""
    screen_since: datetime | None = None
    freed_sitting_id: int | None = None


def entry_here(sittings: Sequence[HeldSitting], entries: Sequence[SeatedEntry]) -> SeatedEntry | None:
    """Say whom the PC serves now: who answers there; else the first who has not ended; else the last.

    `sittings` stand in planned order.
    """
    order = {sitting.id: place for place, sitting in enumerate(sittings)}
    here = sorted((entry for entry in entries if entry.sitting_id in order), key=lambda one: order[one.sitting_id])
    for entry in here:
        if entry.attempt_state in OPEN:
            return entry
    for entry in here:
        if entry.attempt_state not in ENDED:
            return entry
    return here[-1] if here else None


def orders_for(
    seat: Mapping[str, object] | None,
    sittings: Sequence[HeldSitting],
    entries: Sequence[SeatedEntry],
    decided: Decided,
    *,
    work: Mapping[str, object] | None = None,
    unlock_codes: Sequence[Mapping[str, object]] = (),
    used_codes: Sequence[str] = (),
    requirements: str = "",
) -> dict[str, object]:
    """Compose a PC's orders as PROTOCOL.md writes them, with their version.

    1. While the room holds any sitting, all its seats are locked, spares too; a PC without a seat never is.
    2. The policy is that of the entry's sitting, on a free seat that of the room's first.
    3. Programs that items name are allowed while the entry's sitting is under way.
    4. Staff may free a PC for a sitting, and lock its screen at any time. It is free while the PC serves that sitting.
    5. A code that was used frees the PC only as long as rule 4 says: `lock_again` names it.
    """
    entry = entry_here(sittings, entries)
    sitting = next((one for one in sittings if entry is not None and one.id == entry.sitting_id), None)
    ruling = sitting or (sittings[0] if sittings else None)
    aids = entry.aids if entry is not None else ()
    is_freed = ruling is not None and ruling.id == decided.freed_sitting_id
    is_locked = seat is not None and ruling is not None and ruling.policy.required and not is_freed
    orders: dict[str, object] = {
        "seat": None if seat is None else dict(seat),
        "lock": _lock(ruling, aids, with_programs=sitting is not None) if is_locked and ruling is not None else None,
        "screen": {
            "kind": "page" if decided.screen_since is None else "locked",
            "text": decided.screen_text,
            "since": None if decided.screen_since is None else decided.screen_since.isoformat(timespec="milliseconds"),
        },
        "accessibility": dict.fromkeys(aids, True),
        "work": None if work is None else dict(work),
        "unlock_codes": [dict(code) for code in unlock_codes],
        "lock_again": list(used_codes),
        "check": {"requirements": requirements},
    }
    return {"version": version_of(orders), **orders}


def version_of(orders: Mapping[str, object]) -> str:
    """Name orders by their content: equal orders have equal versions."""
    return hashlib.sha256(json.dumps(orders, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:16]


def programs_of(paper: Mapping[str, object]) -> tuple[str, ...]:
    """Collect what the items of a paper's document name as programs, lower case, each once."""
    sections = paper.get("sections")
    items = (
        [item for section in sections if isinstance(section, dict) for item in section.get("items", ())]
        if (isinstance(sections, list))
        else []
    )
    named = [one for item in items for one in (item.get("programs") or ())]
    return tuple(dict.fromkeys(str(one).strip().lower() for one in named))


def known_aids(names: object) -> tuple[str, ...]:
    """Take those names that this station knows, in their order."""
    return tuple(name for name in AIDS if isinstance(names, list | tuple) and name in names)


def _lock(sitting: HeldSitting, aids: Sequence[str], *, with_programs: bool) -> dict[str, object]:
    policy = sitting.policy
    allowed = dict.fromkeys(policy.programs_allowed)
    if with_programs and sitting.state in _UNDER_WAY:
        allowed |= dict.fromkeys(sitting.programs)
    return {
        "programs_allowed": sorted(allowed),
        "programs_forbidden": sorted(set(policy.programs_forbidden) - allowed.keys()),
        "clipboard": policy.clipboard,
        "screens": policy.screens,
        "removable_drives": policy.removable_drives,
        "firewall": True,
        "accessibility": sorted(aids),
        "pictures": policy.pictures,
    }
