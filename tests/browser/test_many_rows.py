"""Console screens with many rows: all of them are there, in the order of the seats, and each row has its way on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from station.services import invigilation, packages
from station.store.models import Entry, PackageState, ResultPackage, Seat
from tests.browser.pages import staff_page
from tests.building import BuiltRoom, build_room

pytestmark = pytest.mark.browser

SEATS = 20


@pytest.fixture
def room(tmp_path) -> Iterator[BuiltRoom]:
    built = build_room(tmp_path, seats=SEATS, spares=2)
    yield built
    built.close()


def test_who_answered_late_is_listed_to_the_last_in_the_order_of_the_seats(room, address, chromium: Browser):
    room.start()
    for ticket in room.tickets:
        room.enter(ticket)
    with room.changing() as db:
        entry = db.get_one(Entry, room.entry_id(room.tickets[2]))
        spare = db.scalars(select(Seat).where(Seat.number == str(SEATS + 1))).one()
        invigilation.move_to_spare(db, entry, spare, reason="死机", by=room.staff["invigilator"], at=room.clock.now())
    room.clock.pass_time(minutes=61, seconds=23)
    for ticket in room.tickets:
        attempt = room.attempt(ticket)
        room.save(attempt.id, attempt.place, 1, "q1", '{"base":{"identifier":"A"}}')
    with staff_page(chromium, address, "chief_examiner") as page:
        page.goto(f"/board/{room.theory}")
        page.locator("#trouble .line").filter(has_text="截止后到达").get_by_role("button", name="裁定").click()
        rows = page.locator("dialog tbody tr")
        expect(rows).to_have_count(SEATS)
        seats = [str(number) for number in range(1, SEATS + 2) if number != 3]
        assert rows.locator("td:first-child").all_inner_texts() == seats
        expect(rows.first).to_contain_text("00:01:23")
        buttons = page.locator("dialog .acts")
        expect(buttons.get_by_role("button", name="采纳迟到答案")).to_be_in_viewport()
        page.set_viewport_size({"width": 1366, "height": 600})
        buttons.get_by_role("button", name="采纳迟到答案").click()
        expect(page.locator("dialog")).to_have_count(0)
        expect(page.locator("#trouble .line").filter(has_text="截止后到达")).to_have_count(0)


def test_a_package_that_could_not_be_built_says_so_first_and_is_tried_again_from_there(
    room, address, chromium: Browser
):
    """The disk was full, say: only another try brings the results out."""
    _keep_package(room, number=1, sha256="a" * 64, size=4_400_000_000, state=PackageState.CONFIRMED)
    _keep_package(room, number=2, sha256="", size=0, state=PackageState.NEEDS_ATTENTION, last_error="磁盘已满")
    with staff_page(chromium, address, "technician") as page:
        page.goto("/packages")
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("未能生成：磁盘已满")
        expect(rows.last).to_contain_text("4.1 GB")
        expect(rows.last.get_by_role("button")).to_have_text(["导出文件"])
        rows.first.get_by_role("button", name="立即重试").click()
        expect(rows.last).to_contain_text("正在生成")
    with room.changing() as db:
        job = packages.claim_package(db, at=room.clock.now(), can_send=False)
        assert job is not None
        assert (job.kind, job.number) == ("build", 2)


def _keep_package(room: BuiltRoom, *, number: int, **columns: object) -> None:
    at = room.clock.now()
    named = {"sitting_id": room.theory, "number": number, "uuid": f"package-{number}", "file_name": f"{number}.exampkg"}
    with room.changing() as db:
        db.add(ResultPackage(**named, built_at=at, confirmed_at=at, **columns))
