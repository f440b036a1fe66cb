"""End a sitting: what is not in order, the closing, and where its packages are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, send_file
from sqlalchemy.orm import Session

from invigilator_console.guards import staff_only
from invigilator_console.seat_state import moment
from station.services import closing, packages
from station.store import queries
from station.store.models import PackageState, ResultPackage, Staff
from station.web.edge import Edge
from station.web.guards import json_response, say

PACKAGE_STATE_NAMES: dict[PackageState, tuple[str, str]] = {
    PackageState.WAITING: ("等待上传", "waiting"),
    PackageState.SENDING: ("上传中", "sending"),
    PackageState.ARRIVED: ("已送达，待回执", "arrived, receipt awaited"),
    PackageState.CONFIRMED: ("已收到回执", "receipt checked"),
    PackageState.NEEDS_ATTENTION: ("需要处理", "needs attention"),
}


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""

    @routes.get("/api/sittings/<int:sitting_id>/closing_list")
    @staff_only(edge, "see_board")
    def closing_list(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        points = closing.closing_list(db, sitting_id, at=at)
        return json_response(
            {
                "may_close": not any(point.blocking for point in points),
                "points": [
                    {
                        "code": point.code,
                        "text": say(point.zh, point.en),
                        "blocking": point.blocking,
                        "entry_id": point.entry_id,
                    }
                    for point in points
                ],
            }
        )

    @routes.post("/api/sittings/<int:sitting_id>/close")
    @staff_only(edge, "close_sitting", writes=True)
    def close(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        closing.close_sitting(db, sitting_id, by=person.id, at=at)
        return json_response({"done": True})

    _register_packages(routes, edge)


def _register_packages(routes: Blueprint, edge: Edge) -> None:
    @routes.get("/api/sittings/<int:sitting_id>/packages")
    @staff_only(edge, "see_board")
    def packages_of(db: Session, person: Staff, at: datetime, sitting_id: int) -> Response:
        return json_response([package_document(one) for one in queries.list_packages(db, sitting_id)])

    @routes.get("/api/packages")
    @staff_only(edge, "see_board")
    def all_packages(db: Session, person: Staff, at: datetime) -> Response:
        titles = {
            one.sitting.id: f"{one.subject.certificate_name} {one.subject.name} {one.room.name}"
            for one in queries.list_sittings(db)
        }
        return json_response(
            [package_document(one) | {"sitting": titles[one.sitting_id]} for one in queries.list_packages(db)]
        )

    @routes.post("/api/packages/<int:package_id>/retry")
    @staff_only(edge, "deliver_results", writes=True)
    def retry(db: Session, person: Staff, at: datetime, package_id: int) -> Response:
        packages.try_again(db, package_id, at=at, by=person.id)
        return json_response({"done": True})

    @routes.post("/api/packages/<int:package_id>/export")
    @staff_only(edge, "deliver_results", writes=True)
    def export(db: Session, person: Staff, at: datetime, package_id: int) -> Response:
        package = packages.package_of(db, package_id)
        packages.note_export(db, package_id, name=package.file_name, by=person.id, at=at)
        return json_response({"url": f"/packages/{package_id}/file", "sha256": package.sha256})

    @routes.get("/packages/<int:package_id>/file")
    @staff_only(edge, "deliver_results")
    def package_file(db: Session, person: Staff, at: datetime, package_id: int) -> Response:
        package = packages.package_of(db, package_id)
        path = edge.store.folder / "outbox" / package.file_name
        return send_file(path, as_attachment=True, download_name=package.file_name)


def package_document(package: ResultPackage) -> dict[str, Any]:
    """Describe an outgoing package and how far it has come."""
    return {
        "id": package.id,
        "sitting_id": package.sitting_id,
        "number": package.number,
        "file_name": package.file_name,
        "size": package.size,
        "sha256": package.sha256,
        "state": package.state,
        "state_name": say(*PACKAGE_STATE_NAMES[PackageState(package.state)]),
        "built_at": moment(package.built_at),
        "tries": package.tries,
        "next_try_at": moment(package.next_try_at),
        "last_error": package.last_error,
        "receipt_code": package.receipt_code,
        "confirmed_at": moment(package.confirmed_at),
    }
