"""The server's disk as staff see it: a line on the board, what is wrong with it, and the start on a tight disk."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response
from sqlalchemy.orm import Session

from invigilator_console.guards import staff_only
from station.domain.disk_budget import Space, budget_text
from station.domain.sitting import SittingState
from station.services import disk_space
from station.store.models import Sitting, Staff
from station.web.edge import Edge
from station.web.guards import json_response, say

_BEFORE_START = frozenset({SittingState.PLANNED, SittingState.ADMITTING})


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the route of this module."""

    @routes.post("/api/sittings/<int:sitting_id>/accept_tight_disk")
    @staff_only(edge, "accept_tight_disk", writes=True, second=True)
    def accept(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        disk_space.accept_tight_disk(db, sitting_id, disk=edge.disk.disk(), by=person.id, at=at)
        return json_response({"done": True})


def status_lines(edge: Edge) -> list[dict[str, Any]]:
    """Say how the server stands, for the foot of the board: what is well, too."""
    text, level = edge.disk.status()
    return [{"code": "disk", "text": say(*text), "level": level}]


def disk_alarms(edge: Edge, sitting: Sitting) -> list[dict[str, Any]]:
    """List what is wrong with the disk. That space is tight is said before the start; then it has been decided."""
    return [
        {"code": code, "text": say(*text), "level": level}
        for code, text, level in edge.disk.alarms()
        if code != "disk_budget" or level == "alarm" or sitting.state in _BEFORE_START
    ]


def to_confirm(db: Session, edge: Edge, sitting: Sitting) -> str | None:
    """Say what the chief examiner has to confirm before this sitting starts; None where nothing is to be."""
    watch = edge.disk
    if sitting.state not in _BEFORE_START or watch.space is not Space.TIGHT:
        return None
    return None if disk_space.is_accepted(db, sitting.id) else say(*budget_text(watch.budget, watch.free))
