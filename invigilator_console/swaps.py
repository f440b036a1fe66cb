"""Dead PCs on the board: the stopwatch while a candidate has no PC, and the time lost as an extension in one click."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from invigilator_console.guards import staff_body, staff_only
from station.domain.attempt import OPEN
from station.domain.working_time import Loss, length_names
from station.errors import Invalid
from station.services import extension, seat_swap
from station.services.seat_swap import Swap
from station.store.board_reading import SeatReading
from station.store.models import Attempt, Staff
from station.store.swap_queries import MoveReading, moves_in
from station.web.edge import Edge
from station.web.guards import FIELD_WRONG, json_response, moment_text, say, text_field


@dataclass(frozen=True)
class SwapsReading:
    """What a board knows of dead PCs: the newest move of an entry, and the returns nobody has proposed time for."""

    moves: Mapping[int, MoveReading]
    unsettled: Mapping[int, Sequence[Swap]]


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""

    @routes.post("/api/swaps/<int:place_id>/propose")
    @staff_only(edge, "propose_extension", writes=True)
    def propose(db: Session, person: Staff, at: datetime, place_id: int) -> Response:
        since = text_field(staff_body(), "since", longest=8, default="act")
        if since not in {"act", "heard"}:
            raise Invalid(FIELD_WRONG, field="since")
        swap = seat_swap.swap_of(db, place_id)
        lost = seat_swap.time_to_give_back(swap, since_heard=since == "heard")
        (proposed,) = extension.propose_extension(
            db,
            [db.get_one(Attempt, swap.reading.attempt_id)],
            seconds=lost.seconds,
            reason_kind="pc_fault",
            reason=seat_swap.reason_of(swap, lost, zone=edge.zone),
            by=person,
            at=at,
            is_measured=True,
        )
        seat_swap.note_proposed(db, swap, extension_id=proposed.id, lost=lost)
        return json_response({"extension_ids": [proposed.id], "seconds": lost.seconds, "reason": proposed.reason})


def read_swaps(db: Session, sitting_id: int) -> SwapsReading:
    """Read what the board shows of dead PCs: two queries, and one more once a PC has died."""
    moves = moves_in(db, sitting_id)
    unsettled: dict[int, list[Swap]] = {}
    for swap in seat_swap.swaps_in(db, sitting_id, moves=moves):
        if swap.reading.extension_id is None and swap.from_act.seconds:
            unsettled.setdefault(swap.reading.entry_id, []).append(swap)
    return SwapsReading({one.entry_id: one for one in moves}, unsettled)


def stopwatch_document(
    seat: SeatReading, swaps: SwapsReading, *, is_lost: bool, last_seen_at: datetime | None
) -> dict[str, object] | None:
    """Describe a swap that is on: who answers and has no PC, or was moved and has not come to the new one yet."""
    if seat.entry_id is None or seat.attempt_state not in OPEN or seat.place_opened_at is None:
        return None
    move = swaps.moves.get(seat.entry_id)
    moving = move if move is not None and move.moved_at > seat.place_opened_at else None
    if moving is None and not is_lost:
        return None
    last_act_at = max(seat.place_opened_at, seat.last_saved_at or seat.place_opened_at)
    if moving is not None:
        last_act_at = min(last_act_at, moving.moved_at)
        last_seen_at = min(last_seen_at, moving.moved_at) if last_seen_at is not None else None
    return {
        "since": moment_text(last_act_at),
        "heard_at": moment_text(last_seen_at) if last_seen_at is not None else None,
        "from_seat": moving.old_seat if moving is not None else None,
    }


def returns_document(swaps: Sequence[Swap]) -> list[dict[str, object]]:
    """Describe the returns of one candidate for which time can be proposed."""
    return [
        {
            "place_id": one.reading.place_id,
            "act": _loss_document(one.from_act),
            "heard": _loss_document(one.from_heard) if one.from_heard and seat_swap.is_reader(one) else None,
        }
        for one in swaps
    ]


def _loss_document(lost: Loss) -> dict[str, object]:
    return {
        "began_at": moment_text(lost.began_at),
        "ended_at": moment_text(lost.ended_at),
        "seconds": lost.seconds,
        "length": say(*length_names(lost.seconds)),
    }
