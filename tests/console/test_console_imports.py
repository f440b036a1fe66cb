"""Files come in through the console: checked first, every fault named, taken in only when confirmed."""

from __future__ import annotations

import io
import json
import time

import pytest
from openpyxl import load_workbook
from sqlalchemy import func, select

from invigilator_console.import_desk import ImportDesk
from station.importers.templates import paper_template, roster_template
from station.store.models import Entry, Paper, Seat, Sitting
from tests.building import PLAN
from tests.console.serving import refusal

READ_WITHIN_S = 20


def send(one, kind, name, content, **query):
    return one.request("POST", "/api/imports", params={"kind": kind, "name": name, **query}, data=content)


def read(one, kind, name, content, **query):
    """Send a file and wait until it has been checked."""
    answer = send(one, kind, name, content, **query)
    assert answer.status_code == 200, answer.text
    until = time.monotonic() + READ_WITHIN_S
    while time.monotonic() < until:
        job = one.get(f"/api/imports/{answer.json()['id']}").json()
        if job["state"] != "reading":
            return job
        time.sleep(0.02)
    raise AssertionError("the file was not read in time")


def counted(room, table):
    with room.store.reading() as db:
        return db.scalar(select(func.count()).select_from(table))


def roster_with_a_number_as_ticket():
    book = load_workbook(io.BytesIO(roster_template()))
    sheet = book.active
    for row in sheet.iter_rows():
        for cell in row:
            if str(cell.value).startswith("2026112100000000000000000"):
                cell.value = 20261121000000000000000001
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_r_rost_1_a_roster_is_checked_changes_nothing_and_comes_in_when_confirmed(console, room):
    one = console("technician")
    before = counted(room, Entry)
    job = read(one, "roster", "名单.xlsx", roster_template(), spares="98-99")
    assert (job["state"], len(job["lines"]), job["error"]) == ("ready", 1, None)
    assert counted(room, Entry) == before
    done = one.act(f"/api/imports/{job['id']}/confirm").json()
    assert (done["state"], done["summaries"][0]["count"]) == ("done", 2)
    # The template's head names the room's planned theory, whose list of 5 it replaces.
    assert counted(room, Entry) == before - 5 + 2
    with room.store.reading() as db:
        assert db.scalars(select(Seat.number).where(Seat.number.in_(["98", "99"]))).all() == ["98", "99"]
    assert refusal(one.act(f"/api/imports/{job['id']}/confirm")) == (409, "import_not_ready")


def test_r_rost_2_a_ticket_number_in_a_numeric_cell_is_named_with_sheet_row_and_column(console, room):
    before = counted(room, Entry)
    job = read(console("technician"), "roster", "名单.xlsx", roster_with_a_number_as_ticket())
    assert job["state"] == "refused"
    assert {(one["row"] > 0, one["column"] != "") for one in job["rejections"]} == {(True, True)}
    assert counted(room, Entry) == before


def test_a_refused_file_cannot_be_confirmed(console):
    one = console("technician")
    job = read(one, "photos", "照片.zip", b"this is no zip")
    assert job["state"] == "refused"
    assert job["error"]["sentence"]
    assert refusal(one.act(f"/api/imports/{job['id']}/confirm")) == (409, "import_not_ready")


def test_a_paper_from_excel_comes_in_for_the_chosen_subject(console, room):
    one = console("exam_officer")
    before = counted(room, Paper)
    job = read(one, "paper", "试卷.xlsx", paper_template(), subject="网店运营推广|初级|theory", code="NEW-1")
    assert (job["state"], job["error"]) == ("ready", None)
    one.act(f"/api/imports/{job['id']}/confirm")
    assert counted(room, Paper) == before + 1


def test_a_paper_from_excel_without_a_subject_says_what_is_wanted(console):
    job = read(console("technician"), "paper", "试卷.xlsx", paper_template())
    assert job["error"]["code"] == "paper_needs_names"


def test_the_same_plan_again_is_told_as_such(console):
    job = read(console("technician"), "plan", "plan.json", json.dumps(PLAN).encode())
    assert job["state"] == "ready"
    assert job["summaries"][0]["notes"] == ["已导入过，内容相同"]


def test_what_an_export_of_registrations_lacks_is_given_in_the_rooms_time(console, room):
    one = console("technician")
    refused = send(one, "roster", "名单.xlsx", roster_template(), start="tomorrow")
    assert refusal(refused) == (400, "start_wrong")
    book = load_workbook(io.BytesIO(roster_template()))
    for row in book.active.iter_rows():
        for cell in row:
            if str(cell.value).startswith(("考试时间", "考场名称")) or cell.column_letter == "G":
                cell.value = None
    out = io.BytesIO()
    book.save(out)
    job = read(
        one, "roster", "名单.xlsx", out.getvalue(), start="2026-12-01T14:00", room="第二机房", assign_seats="yes"
    )
    assert job["state"] == "ready", job["error"]
    one.act(f"/api/imports/{job['id']}/confirm")
    with room.store.reading() as db:
        starts = [f"{at:%m-%d %H:%M}" for at in db.scalars(select(Sitting.planned_start_at))]
    assert "12-01 06:00" in starts


@pytest.mark.parametrize("query", [{"kind": "shell"}, {"name": ""}, {"name": "x" * 256}])
def test_an_unknown_kind_or_a_file_without_a_name_is_refused(console, query):
    one = console("technician")
    answer = one.request("POST", "/api/imports", params={"kind": "roster", "name": "a.xlsx", **query}, data=b"x")
    assert refusal(answer) == (400, "field_wrong")


@pytest.mark.parametrize("name", ["../../名单.\x00", "名单.xlsx:stream", "<img src=x onerror=alert(1)>.json"])
def test_a_files_name_is_never_a_path_and_comes_back_as_text(console, room, name):
    job = read(console("technician"), "plan", name, b"{")
    assert (job["state"], job["name"], job["error"]["code"]) == ("refused", name, "plan_unreadable")


def test_only_roles_that_import_may_send_see_and_confirm(console, stranger):
    one = console("technician")
    job = read(one, "roster", "名单.xlsx", roster_template())
    invigilator = console("invigilator")
    assert refusal(send(invigilator, "roster", "a.xlsx", b"x")) == (403, "not_allowed")
    assert refusal(invigilator.get(f"/api/imports/{job['id']}")) == (403, "not_allowed")
    assert refusal(invigilator.act(f"/api/imports/{job['id']}/confirm")) == (403, "not_allowed")
    assert refusal(send(stranger, "roster", "a.xlsx", b"x")) == (401, "staff_not_logged_in")
    del one.headers["X-CSRF-Token"]
    assert refusal(send(one, "roster", "a.xlsx", b"x")) == (403, "not_from_our_page")


def test_an_unknown_import_is_missing(console):
    assert refusal(console("technician").get("/api/imports/none")) == (404, "import_unknown")


def test_a_fault_of_our_own_while_reading_is_told_and_imports_nothing(room):
    desk = ImportDesk(room.store, room.clock.now, room.edge.disk.disk)
    job = desk.take("roster", "名单.xlsx", io.BytesIO(roster_template()), None)
    until = time.monotonic() + READ_WITHIN_S
    while job.state == "reading" and time.monotonic() < until:
        time.sleep(0.02)
    assert (job.state, job.refusal.code) == ("refused", "import_fault")


def test_nothing_of_a_file_stays_on_the_desk_after_reading(console, room):
    read(console("technician"), "roster", "名单.xlsx", roster_template())
    until = time.monotonic() + READ_WITHIN_S
    while list((room.store.folder / "imports").iterdir()) and time.monotonic() < until:
        time.sleep(0.02)
    assert list((room.store.folder / "imports").iterdir()) == []


def test_templates_are_downloaded_as_workbooks(console):
    one = console("technician")
    for kind in ("roster", "paper"):
        answer = one.get(f"/templates/{kind}.xlsx")
        assert load_workbook(io.BytesIO(answer.content)).sheetnames
    assert one.get("/templates/other.xlsx").status_code == 404
