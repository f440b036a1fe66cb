"""R-END-4, design §13.22: the site sees no scores unless the plan says so."""

from __future__ import annotations

from station.services import admission, closing, due_work, marking
from tests.building import BuiltRoom, SetClock


def test_r_end_4_after_marking_no_answer_of_the_staff_app_holds_points(console, room: BuiltRoom):
    assert isinstance(room.clock, SetClock)
    room.start()
    attempt, place = room.enter(room.tickets[0])
    room.save(attempt.id, place, 1, "q1", '{"base":{"identifier":"A"}}')
    at = room.clock.pass_time(minutes=60)
    due_work.tick(room.store, at, sign=lambda text: "")
    with room.changing() as db:
        absent = [room.entry_id(ticket) for ticket in room.tickets[1:]]
        admission.mark_absent(db, absent, by=room.staff["invigilator"], at=at)
        closing.close_sitting(db, room.theory, by=room.staff["technician"], at=at)
    with room.store.reading() as db:
        job = marking.sitting_to_mark(db)
    assert job is not None
    marks = marking.mark(job)
    assert str(marks[attempt.id].objective_points) == "2.00"
    with room.changing() as db:
        marking.record_marks(db, job, marks, at=at)
    chief = console("chief_examiner")
    for path in (
        f"/api/board/{room.theory}",
        f"/api/entries/{attempt.entry_id}",
        f"/api/sittings/{room.theory}/packages",
        f"/api/sittings/{room.theory}/closing_list",
        "/api/sittings",
        "/api/packages",
    ):
        text = chief.get(path).text
        assert "points" not in text.replace('"points":[]', "")
        assert "2.00" not in text
