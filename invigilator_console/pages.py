"""The pages of the staff app: each is a frame that its script fills from the JSON routes."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, g, render_template, send_file
from sqlalchemy.orm import Session

from invigilator_console.guards import staff_only
from station.domain.incident import EXTENSION_REASONS, INCIDENT_KINDS, MEASURES
from station.domain.sitting import NOT_A_REAL_SITTING, SITTING_UNKNOWN, SittingKind
from station.domain.staff import MAY, ROLE_NAMES, Role, may
from station.errors import Missing, Refused
from station.services import invigilation
from station.store.files import path_of
from station.store.models import Asset, Staff
from station.web.edge import Edge
from station.web.guards import NO_SUCH_PAGE, say


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""

    @routes.get("/")
    @staff_only(edge, "see_board")
    def home(db: Session, person: Staff, at: datetime) -> str:
        return render_template("home.html", **page_frame(edge))

    @routes.get("/board/<int:sitting_id>")
    @staff_only(edge, "see_board")
    def board(db: Session, person: Staff, at: datetime, sitting_id: int) -> str:
        kind = invigilation.sitting_of(db, sitting_id).kind
        if kind == SittingKind.REHEARSAL:
            raise Missing(SITTING_UNKNOWN)
        words = choice_words()
        return render_template("board.html", sitting_id=sitting_id, kind=kind, words=words, **page_frame(edge))

    @routes.get("/closing/<int:sitting_id>")
    @staff_only(edge, "see_board")
    def closing(db: Session, person: Staff, at: datetime, sitting_id: int) -> str:
        if invigilation.sitting_of(db, sitting_id).kind != SittingKind.REAL:
            raise Refused(NOT_A_REAL_SITTING)
        return render_template("closing.html", sitting_id=sitting_id, **page_frame(edge))

    @routes.get("/packages")
    @staff_only(edge, "see_board")
    def packages(db: Session, person: Staff, at: datetime) -> str:
        return render_template("packages.html", **page_frame(edge))

    @routes.get("/photos/<sha256>")
    @staff_only(edge, "see_board")
    def photo(db: Session, person: Staff, at: datetime, sha256: str) -> Response:
        asset = db.get(Asset, sha256)
        if asset is None or not asset.media_type.startswith("image/"):
            raise Missing(NO_SUCH_PAGE)
        answer = send_file(path_of(edge.assets, asset.sha256), mimetype=asset.media_type)
        answer.headers["Cache-Control"] = "private, max-age=3600"
        return answer


def page_frame(edge: Edge) -> dict[str, object]:
    """Give what every page behind the log-in shows around its content."""
    role = Role(g.person.role)
    return {
        "role_name": say(*ROLE_NAMES[role]),
        "acts": [act for act in MAY if may(role, act)],
        "zone": edge.zone.key,
    }


def choice_words() -> dict[str, dict[str, str]]:
    """Give the words of the lists that dialogs offer, in the language of the screen."""
    return {
        "reasons": {key: say(*names) for key, names in EXTENSION_REASONS.items()},
        "incidents": {key: say(*names) for key, names in INCIDENT_KINDS.items()},
        "measures": {key: say(*names) for key, names in MEASURES.items()},
    }
