"""Accounts of the staff: list, add, reset a password. First passwords are shown once and kept nowhere."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, render_template
from sqlalchemy.orm import Session

from invigilator_console.guards import staff_body, staff_only
from invigilator_console.pages import page_frame
from station.domain.staff import ROLE_NAMES, Role
from station.services import staffing
from station.store import queries
from station.store.models import Staff
from station.web.edge import Edge
from station.web.guards import json_response, say, text_field


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""

    @routes.get("/staff")
    @staff_only(edge, "manage_staff")
    def page(db: Session, person: Staff, at: datetime) -> str:
        roles = {role.value: say(*names) for role, names in ROLE_NAMES.items()}
        return render_template("staff.html", roles=roles, **page_frame(edge))

    @routes.get("/api/staff")
    @staff_only(edge, "manage_staff")
    def accounts(db: Session, person: Staff, at: datetime) -> Response:
        return json_response(
            [
                {
                    "username": one.username,
                    "name": one.name,
                    "role": one.role,
                    "role_name": say(*ROLE_NAMES[Role(one.role)]),
                    "active": one.active,
                    "must_change_password": one.must_change_password,
                }
                for one in queries.list_staff(db)
            ]
        )

    @routes.post("/api/staff")
    @staff_only(edge, "manage_staff", writes=True)
    def add(db: Session, person: Staff, at: datetime) -> Response:
        password = staffing.first_password()
        added = staffing.add_staff(
            db,
            username=text_field(staff_body(), "username", longest=64).strip(),
            name=text_field(staff_body(), "name", longest=100),
            role=text_field(staff_body(), "role", longest=32),
            password=password,
            at=at,
            by=person.id,
        )
        return json_response({"username": added.username, "name": added.name, "password": password})

    @routes.post("/api/staff/<username>/reset")
    @staff_only(edge, "manage_staff", writes=True)
    def reset(db: Session, person: Staff, at: datetime, username: str) -> Response:
        password = staffing.reset_password(db, username, at=at, by=person.id)
        return json_response({"username": username, "password": password})
