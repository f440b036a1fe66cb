"""Accounts, passwords and addresses of the staff."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from station.domain.incident import Decisions, check_decisions
from station.errors import StationError
from station.services import staffing
from station.store.models import Staff
from tests.building import PASSWORD, BuiltRoom


def refused(room: BuiltRoom, act: Callable[..., object]) -> str:
    with pytest.raises(StationError) as raised, room.changing() as db:
        act(db)
    return raised.value.code


def test_a_wrong_password_and_an_unknown_name_are_the_same_refusal(room: BuiltRoom):
    at = room.clock.now()
    for username, password in (("invigilator", "wrong"), ("nobody", PASSWORD)):
        code = refused(room, lambda db, u=username, p=password: staffing.log_in_staff(db, u, p, address="x", at=at))
        assert code == "staff_login_wrong"


def test_a_log_in_lasts_a_day_of_work_and_ends_at_once_when_the_password_is_reset(room: BuiltRoom):
    at = room.clock.now()
    with room.changing() as db:
        token, _ = staffing.log_in_staff(db, "invigilator", PASSWORD, address="127.0.0.1", at=at)
    with room.store.reading() as db:
        assert staffing.staff_of(db, token, at=at)[0].username == "invigilator"
    assert refused(room, lambda db: staffing.staff_of(db, token, at=at + timedelta(hours=15))) == "staff_not_logged_in"
    with room.changing() as db:
        password = staffing.reset_password(db, "invigilator", at=at)
    assert refused(room, lambda db: staffing.staff_of(db, token, at=at)) == "staff_not_logged_in"
    with room.changing() as db:
        staffing.log_in_staff(db, "invigilator", password, address="127.0.0.1", at=at)
    assert refused(room, lambda db: staffing.reset_password(db, "nobody", at=at)) == "staff_unknown"


def test_a_new_password_has_eight_characters_and_needs_the_old_one(room: BuiltRoom):
    at, who = room.clock.now(), room.staff["technician"]

    def change(old: str, new: str) -> Callable[..., None]:
        return lambda db: staffing.change_password(db, db.get_one(Staff, who), old=old, new=new, at=at)

    assert refused(room, change(PASSWORD, "short")) == "password_too_short"
    assert refused(room, change("wrong", "long enough")) == "staff_login_wrong"
    with room.changing() as db:
        change(PASSWORD, "long enough")(db)


@pytest.mark.parametrize(
    ("username", "name", "role", "code"),
    [
        ("技术", "某人", "technician", "staff_field_wrong"),
        ("new", " ", "technician", "staff_field_wrong"),
        ("new", "某人", "king", "staff_field_wrong"),
        ("technician", "某人", "technician", "username_taken"),
    ],
)
def test_accounts_without_sense_are_refused(room: BuiltRoom, username: str, name: str, role: str, code: str):
    def add(db):
        staffing.add_staff(db, username=username, name=name, role=role, password="x" * 8, at=room.clock.now())

    assert refused(room, add) == code


def test_only_the_server_itself_and_let_in_addresses_may_open_the_staff_app(room: BuiltRoom):
    with room.changing() as db:
        assert staffing.is_address_allowed(db, "127.0.0.1")
        assert staffing.is_address_allowed(db, "::1")
        assert not staffing.is_address_allowed(db, "192.168.1.10")
        assert not staffing.is_address_allowed(db, "no address")
        staffing.allow_address(db, " 192.168.1.10 ", at=room.clock.now())
        assert staffing.is_address_allowed(db, "192.168.1.10")
    code = refused(room, lambda db: staffing.allow_address(db, "192.168.1", at=room.clock.now()))
    assert code == "address_wrong"


def test_r_day_8_one_person_cannot_decide_both_sides():
    with pytest.raises(StationError) as raised:
        check_decisions(Decisions(7, 7, ""), body_needed=False, total_s=60, limit_min=15)
    assert raised.value.code == "same_person_twice"
