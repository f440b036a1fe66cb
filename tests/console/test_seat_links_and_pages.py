"""Seat links for the technician, and pages that open for those whom they concern."""

from __future__ import annotations

import pytest

from station.store.files import keep_file
from station.store.models import Asset, Candidate
from tests.console.serving import refusal


def test_seat_links_are_those_that_open_the_seats_and_say_which_are_open(console, room):
    room.start()
    room.log_in(room.tickets[0])
    seats = console("technician").get("/api/seats").json()
    assert (seats[0]["seat"], seats[0]["path"]) == ("1", room.seat_path("1"))
    assert [one["seat"] for one in seats if one["address"]] == ["1"]


def test_seat_links_are_not_for_invigilators(console):
    assert refusal(console("invigilator").get("/api/seats")) == (403, "not_allowed")


@pytest.mark.parametrize(
    "path", ["/", "/board/{sitting}", "/closing/{sitting}", "/packages", "/imports", "/seats", "/staff"]
)
def test_every_page_opens_for_the_chief_examiner_and_carries_the_token(console, room, path):
    one = console("chief_examiner")
    page = one.get(path.format(sitting=room.theory))
    assert page.status_code == 200
    assert one.headers["X-CSRF-Token"] in page.text


@pytest.mark.parametrize("path", ["/imports", "/seats", "/staff"])
def test_pages_of_the_technician_are_refused_to_an_invigilator_by_a_page(console, path):
    page = console("invigilator").get(path)
    assert page.status_code == 403
    assert "不能打开此页面" in page.text


def test_a_page_of_no_sitting_is_a_page_that_says_so(console):
    page = console("invigilator").get("/board/99")
    assert page.status_code == 404
    assert "没有该场次" in page.text


def test_a_photo_is_shown_to_staff_only(console, stranger, room):
    sha256 = keep_file(room.edge.assets, b"a small picture")
    with room.changing() as db:
        db.add(Asset(sha256=sha256, media_type="image/jpeg", size=15))
        db.flush()
        db.get_one(Candidate, 1).photo_sha256 = sha256
    one = console("invigilator")
    assert one.get(one.seat(room.theory, "1")["photo"]).content == b"a small picture"
    assert one.get("/photos/unknown").status_code == 404
    assert stranger.get(f"/photos/{sha256}", allow_redirects=False).status_code == 302
