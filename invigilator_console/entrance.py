"""Log in to the console, change the first password, log out, say who is here."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, g, render_template
from sqlalchemy.orm import Session

from invigilator_console.guards import (
    STAFF_COOKIE,
    allowed_pc,
    check_origin,
    logged_in_only,
    remote_address,
    slowed_down,
    staff_body,
)
from station.domain.staff import MAY, ROLE_NAMES, Role, may
from station.services import staffing
from station.store.models import Staff, StaffLogin
from station.web.edge import Edge
from station.web.guards import json_response, say, text_field


def register(routes: Blueprint, edge: Edge) -> None:
    """Add the routes of this module."""

    @routes.post("/api/login")
    @allowed_pc(edge)
    def log_in(at: datetime) -> Response:
        check_origin()
        username = text_field(staff_body(), "username", longest=64).strip()
        password = text_field(staff_body(), "password", longest=200)

        def enter() -> tuple[str, StaffLogin, Staff]:
            # Guesses are answered from a reading session, so that no candidate's save waits for their hashing.
            with edge.store.reading() as db:
                staffing.check_second_person(db, username, password)
            with edge.store.transaction() as db:
                token, login = staffing.log_in_staff(db, username, password, address=remote_address(), at=at)
                return token, login, db.get_one(Staff, login.staff_id)

        token, login, person = slowed_down(edge, username, at, enter)
        response = json_response(person_document(person, login))
        response.set_cookie(STAFF_COOKIE, token, httponly=True, samesite="Strict", secure=edge.is_encrypted, path="/")
        return response

    @routes.post("/api/logout")
    @logged_in_only(edge, writes=True)
    def log_out(db: Session, login: StaffLogin, at: datetime) -> Response:
        staffing.log_out_staff(db, login, at=at)
        response = json_response({"done": True})
        response.delete_cookie(STAFF_COOKIE, path="/", samesite="Strict", httponly=True)
        return response

    @routes.post("/api/password")
    @logged_in_only(edge, writes=True)
    def change_password(db: Session, login: StaffLogin, at: datetime) -> Response:
        old, new = (text_field(staff_body(), name, longest=200) for name in ("old", "new"))
        staffing.change_password(db, db.get_one(Staff, login.staff_id), old=old, new=new, at=at)
        return json_response({"done": True})

    @routes.get("/api/me")
    @logged_in_only(edge)
    def me(db: Session, login: StaffLogin, at: datetime) -> Response:
        return json_response(person_document(db.get_one(Staff, login.staff_id), login))

    @routes.get("/login")
    @allowed_pc(edge)
    def login_page(at: datetime) -> str:
        return render_template("login.html")

    @routes.get("/password")
    @logged_in_only(edge)
    def password_page(db: Session, login: StaffLogin, at: datetime) -> str:
        return render_template("password.html", must_change=g.person.must_change_password)


def person_document(person: Staff, login: StaffLogin) -> dict[str, object]:
    """Describe who is logged in, what the role may do, and the token that writing requests carry."""
    role = Role(person.role)
    return {
        "name": person.name,
        "username": person.username,
        "role": person.role,
        "role_name": say(*ROLE_NAMES[role]),
        "may": [act for act in MAY if may(role, act)],
        "csrf_token": login.csrf_token,
        "must_change_password": person.must_change_password,
    }
