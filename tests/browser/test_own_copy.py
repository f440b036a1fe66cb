"""No answer only in one place: the PC's own copy is made whole whenever the page opens (design §13.4)."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import select

from station.services import answering
from station.store.models import Attempt, CurrentAnswer, Place, Revision
from tests.browser.pages import CandidatePc, answers, wait_for_answer, wait_until
from tests.web.seating import SeatedRoom

pytestmark = pytest.mark.browser

ON_DISK = """(change) => new Promise((resolve, reject) => {
    const opened = indexedDB.open("exam-station-queue");
    opened.onerror = () => reject(opened.error);
    opened.onsuccess = () => {
        const transaction = opened.result.transaction("saves", "readwrite");
        const table = transaction.objectStore("saves");
        const all = table.getAll();
        if (change.drop) change.drop.forEach((key) => table.delete(key));
        if (change.clear) table.clear();
        if (change.put) change.put.forEach((row) => table.put(row));
        transaction.oncomplete = () => { opened.result.close(); resolve(all.result); };
    };
})"""


def choice(letter: str) -> dict[str, object]:
    return {"base": {"identifier": letter}}


def text(words: str) -> dict[str, object]:
    return {"base": {"string": words}}


def rows_on(pc: CandidatePc, **change: object) -> list[dict[str, Any]]:
    """What lies on this PC's disk, and what is then done to it: `drop` keys, `clear`, `put` rows."""
    found = pc.page.evaluate(ON_DISK, change)
    return sorted(found, key=lambda row: (row["place"], row["sequence"]))


def write(pc: CandidatePc, item: str, words: str) -> None:
    area = pc.item(item).locator("textarea")
    area.fill(words)
    area.blur()


def come_back(room: SeatedRoom, pc: CandidatePc) -> None:
    """Log in again at a PC after another one was this seat for a while."""
    pc.page.goto(room.url + room.seat_path(room.seat_id(1)))
    pc.page.goto(room.url)
    pc.log_in(room.tickets[0])


def wait_for_copy(pc: CandidatePc, wanted: dict[str, object]) -> list[dict[str, Any]]:
    """Wait until the newest rows on the PC's disk, all acknowledged, are these answers."""

    def is_there() -> bool:
        rows = rows_on(pc)
        return {row["item_id"]: row["response"] for row in rows} == wanted and all(row["acknowledged"] for row in rows)

    wait_until(is_there, page=pc.page, why="not on this PC's disk")
    return rows_on(pc)


def wait_for_rows(pc: CandidatePc, *items: str) -> None:
    """Wait until a save of each of these items lies on the PC's disk."""
    wait_until(lambda: set(items) <= {row["item_id"] for row in rows_on(pc)}, page=pc.page)


def responses(room: SeatedRoom) -> list[str]:
    """All that was ever saved, in its order, late or not."""
    with room.store.reading() as db:
        return list(db.scalars(select(Revision.response).order_by(Revision.number)))


def forget_after(room: SeatedRoom, number: int) -> None:
    """Take away what came after a revision, and the places issued since, as a restore does; numbers of places go on."""
    room.hang_up()
    with room.store.transaction() as db:
        for answer in db.scalars(select(CurrentAnswer).where(CurrentAnswer.revision_number > number)):
            db.delete(answer)
        db.flush()
        for revision in db.scalars(select(Revision).where(Revision.number > number)):
            db.delete(revision)
        db.flush()
        kept = db.scalars(select(Revision).order_by(Revision.number)).all()
        for place in db.scalars(select(Place).where(Place.id > max((one.place for one in kept), default=0))):
            db.delete(place)
        attempt = db.get_one(Attempt, 1)
        attempt.revision_count, attempt.head_hash = len(kept), kept[-1].hash if kept else "0" * 64
        attempt.place = kept[-1].place if kept else 0
    room.listen()


@pytest.mark.chrome109
def test_answers_that_the_pc_has_lost_lie_on_it_again_after_a_reload_and_survive_the_server(
    room: SeatedRoom, pc: CandidatePc
) -> None:
    pc.item("c1").get_by_text("选项B").click()
    write(pc, "w1", "第一稿")
    wait_for_answer(room, "w1", text("第一稿"))
    write(pc, "w1", "第二稿")
    wait_for_answer(room, "w1", text("第二稿"))
    pc.wait_saved()
    wanted: dict[str, object] = {"c1": choice("B"), "w1": text("第二稿")}
    made = {(row["place"], row["sequence"]) for row in rows_on(pc, clear=True)}
    pc.page.reload()
    pc.page.wait_for_selector(".item")
    kept = wait_for_copy(pc, wanted)
    assert {(row["place"], row["sequence"]) for row in kept} == made - {(1, 2)}, "under the names that the station has"
    assert all(row["owner"] for row in kept)
    forget_after(room, 0)
    wait_for_answer(room, "w1", text("第二稿"))
    wait_for_answer(room, "c1", choice("B"))
    with room.store.reading() as db:
        assert answering.check_chain(db, 1) is None


def test_r_day_7_a_spare_pc_keeps_what_was_answered_at_the_dead_one(
    room: SeatedRoom, pc: CandidatePc, chromium: Browser
) -> None:
    pc.item("c1").get_by_text("选项B").click()
    write(pc, "w1", "旧机器上写的")
    wait_for_answer(room, "w1", text("旧机器上写的"))
    room.move(4)
    pc.page.close()
    spare_pc = CandidatePc(chromium, room, 4)
    spare_pc.log_in(room.tickets[0])
    spare_pc.page.wait_for_selector(".item")
    wait_for_copy(spare_pc, {"c1": choice("B"), "w1": text("旧机器上写的")})
    forget_after(room, 0)
    wait_for_answer(room, "c1", choice("B"))
    wait_for_answer(room, "w1", text("旧机器上写的"))
    assert spare_pc.errors == []
    spare_pc.context.close()


def test_a_gap_in_the_pcs_copy_hides_nothing_that_the_station_lacks(room: SeatedRoom, pc: CandidatePc) -> None:
    """As many saves here as there, but not the same ones: the newest name decides."""
    for words in ("第一稿", "第二稿"):
        write(pc, "w1", words)
        wait_for_answer(room, "w1", text(words))
    pc.item("c1").get_by_text("选项C").click()
    wait_for_answer(room, "c1", choice("C"))
    pc.wait_saved()
    assert [row["sequence"] for row in rows_on(pc, drop=[[1, 1, 1]])] == [1, 2, 3]
    pc.page.goto("about:blank")
    forget_after(room, 2)
    assert answers(room) == {"w1": text("第二稿")}
    pc.page.goto(room.url)
    pc.page.wait_for_selector(".item")
    expect(pc.item("c1").get_by_role("radio").nth(2)).to_be_checked()
    wait_for_answer(room, "c1", choice("C"))


def test_what_another_pc_answered_after_the_restore_is_not_undone_by_older_rows(
    room: SeatedRoom, pc: CandidatePc, chromium: Browser
) -> None:
    pc.item("c1").get_by_text("选项B").click()
    write(pc, "w1", "只在这台机器上")
    wait_for_answer(room, "w1", text("只在这台机器上"))
    pc.wait_saved()
    pc.page.goto("about:blank")
    forget_after(room, 0)
    other = CandidatePc(chromium, room, 1)
    other.log_in(room.tickets[0])
    other.page.wait_for_selector(".item")
    other.item("c1").get_by_text("选项D").click()
    wait_for_answer(room, "c1", choice("D"))
    other.context.close()
    come_back(room, pc)
    pc.page.wait_for_selector(".item")
    wait_for_answer(room, "w1", text("只在这台机器上"))
    expect(pc.item("c1").get_by_role("radio").nth(3)).to_be_checked()
    pc.wait_saved()
    assert answers(room) == {"c1": choice("D"), "w1": text("只在这台机器上")}
    with room.store.reading() as db:
        chosen = db.scalars(select(Revision.response).where(Revision.item_id == "c1").order_by(Revision.number)).all()
    assert [one[-4] for one in chosen] == ["D", "B", "D"], "what was written before is kept as a version"


def test_an_unsent_answer_that_is_newer_than_the_stations_is_shown(
    room: SeatedRoom, pc: CandidatePc, chromium: Browser
) -> None:
    """Though another PC has saved something else since: each item goes by its own newest save."""
    pc.item("c1").get_by_text("选项A").click()
    wait_for_answer(room, "c1", choice("A"))
    room.hang_up()
    pc.item("c1").get_by_text("选项B").click()
    expect(pc.page.locator(".saved")).to_contain_text("1 项待发送")
    pc.page.goto("about:blank")
    room.listen()
    pc.context.route("**/api/saves", lambda route: route.abort())
    other = CandidatePc(chromium, room, 1)
    other.log_in(room.tickets[0])
    other.page.wait_for_selector(".item")
    write(other, "w1", "另一台机器上")
    wait_for_answer(room, "w1", text("另一台机器上"))
    other.context.close()
    come_back(room, pc)
    pc.page.wait_for_selector(".item")
    expect(pc.item("c1").get_by_role("radio").nth(1)).to_be_checked()
    expect(pc.item("w1").locator("textarea")).to_have_value("另一台机器上")
    pc.context.unroute("**/api/saves")
    wait_for_answer(room, "c1", choice("B"))


def test_a_station_whose_clock_is_days_ahead_makes_no_pc_forget_its_answers(room: SeatedRoom, pc: CandidatePc) -> None:
    """After a power cut the clock may be wrong until staff set it, and a restored station needs what lies here."""
    pc.item("c1").get_by_text("选项B").click()
    wait_for_answer(room, "c1", choice("B"))
    pc.wait_saved()
    pc.page.goto("about:blank")
    room.clock.move(days=400)
    forget_after(room, 0)
    pc.page.goto(room.url)
    pc.page.wait_for_selector(".item")
    wait_until(lambda: responses(room), page=pc.page)
    assert responses(room) == ['{"base":{"identifier":"B"}}']


def test_rows_of_earlier_days_go_once_somebody_else_is_here(room: SeatedRoom, pc: CandidatePc) -> None:
    pc.item("c1").get_by_text("选项B").click()
    wait_for_answer(room, "c1", choice("B"))
    pc.wait_saved()
    [mine] = rows_on(pc)
    days = 24 * 3600 * 1000
    others = [
        {**mine, "attempt_id": 70, "owner": "someone of last week", "made_at": mine["made_at"] - 8 * days},
        {**mine, "attempt_id": 71, "owner": "someone of today", "made_at": mine["made_at"] - days // 4},
    ]
    rows_on(pc, put=others)
    pc.page.reload()
    pc.page.wait_for_selector(".item")
    wait_until(lambda: {row["attempt_id"] for row in rows_on(pc)} == {1, 71}, page=pc.page)


def test_unsent_answers_of_a_station_of_before_are_no_answers_of_the_candidate_here(
    room: SeatedRoom, pc: CandidatePc
) -> None:
    """A station that was made anew gives out the same numbers; what yesterday's left on the PC must not become ours."""
    pc.item("c1").get_by_text("选项B").click()
    wait_for_answer(room, "c1", choice("B"))
    pc.wait_saved()
    [mine] = rows_on(pc)
    stranger = {**mine, "owner": "0" * 20, "sequence": 2, "acknowledged": False, "response": choice("D")}
    rows_on(pc, put=[stranger])
    with pc.page.expect_response(lambda reply: stranger["owner"] in (reply.request.post_data or "")) as refused:
        pc.page.reload()
    assert refused.value.status == 404
    pc.page.wait_for_selector(".item")
    write(pc, "w1", "我的答案")
    wait_for_answer(room, "w1", text("我的答案"))
    pc.wait_saved()
    assert answers(room) == {"c1": choice("B"), "w1": text("我的答案")}
    with room.store.reading() as db:
        assert db.scalars(select(Revision.place).order_by(Revision.number)).all() == [1, 2]
