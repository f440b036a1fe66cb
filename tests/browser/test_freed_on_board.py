"""PCs that codes freed, in the staff's browser: one click locks one again, one look locks many."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.agent_pc import AgentPc
from tests.browser.pages import keep_picture, staff_page
from tests.building import BuiltRoom, build_room
from tests.console.serving import served_candidate_app, served_staff_app

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[BuiltRoom]:
    built = build_room(tmp_path, seats=8)
    built.keep_heard()
    yield built
    built.close()


@pytest.fixture
def pcs(room: BuiltRoom) -> Iterator[list[AgentPc]]:
    """Five PCs with an agent, at each of which somebody answers."""
    with served_candidate_app(room) as address, ExitStack() as stack:
        made = [stack.enter_context(AgentPc(room, address, f"machine-000{n}")) for n in range(1, 6)]
        for number, pc in enumerate(made, start=1):
            pc.register(str(number), name=f"PC-0{number}")
        room.start()
        for ticket in room.tickets[:5]:
            room.enter(ticket)
        yield made


@pytest.fixture
def console(room: BuiltRoom, chromium: Browser) -> Iterator[Page]:
    with served_staff_app(room) as address, staff_page(chromium, address, "invigilator") as page:
        yield page


def free(pc: AgentPc, code: str = "k2") -> None:
    state = {"unlocked_by_code": True, "unlock_code": code, "unlocked_s": 75.0}
    pc.beat(orders=pc.orders()["version"], state=state)


def locked(pc: AgentPc) -> None:
    pc.beat(orders=pc.orders()["version"], state={"locked": True})


def test_a_pc_that_a_code_freed_is_noted_or_locked_again_in_one_click(
    room: BuiltRoom, pcs: list[AgentPc], console: Page
) -> None:
    for number, pc in enumerate(pcs, start=1):
        room.edge.presence.mark(number, room.clock.now())
        locked(pc)
    free(pcs[2])
    console.goto(f"/board/{room.theory}")
    line = console.locator("#trouble .line").filter(has_text="已用解锁码 k2 解锁")
    expect(line).to_contain_text("3 ")
    expect(line).to_have_class(re.compile("alarm"))
    keep_picture(console, "freed-alarm")
    line.get_by_role("button", name="知悉").click()
    expect(line).to_have_class(re.compile("note"))
    expect(line).to_contain_text("已知悉")
    expect(line.get_by_role("button", name="知悉")).to_be_hidden()
    keep_picture(console, "freed-noted")
    assert pcs[2].orders()["lock"] is None
    line.get_by_role("button", name="重新锁定").click()
    expect(line).to_have_count(0)
    assert pcs[2].orders()["lock_again"] == ["k2"]
    assert pcs[2].orders()["lock"] is not None


def test_many_that_codes_freed_while_the_station_was_away_are_locked_again_after_one_look(
    room: BuiltRoom, pcs: list[AgentPc], console: Page
) -> None:
    for pc in pcs:
        free(pc, "k1")
    console.goto(f"/board/{room.theory}")
    line = console.locator("#trouble .line").filter(has_text="考试机已用解锁码解锁")
    expect(line).to_contain_text("5 人")
    line.get_by_role("button", name="重新锁定").click()
    dialog = console.locator("dialog")
    expect(dialog).to_contain_text("考位 1、2、3、4、5（5 台）")
    keep_picture(console, "freed-many")
    dialog.get_by_role("button", name="重新锁定").click()
    expect(line).to_have_count(0)
    assert all(pc.orders()["lock"] is not None for pc in pcs)


def test_the_page_of_pcs_says_code_and_time_and_takes_the_same_acts(
    room: BuiltRoom, pcs: list[AgentPc], console: Page
) -> None:
    for pc in pcs[:3]:
        locked(pc)
    free(pcs[2])
    console.goto("/workstations")
    row = console.locator("#pc-rows tr").nth(2)
    expect(row.locator(".state")).to_have_text(re.compile(r"已用解锁码 k2 解锁（\d\d:\d\d）"))
    row.locator("input").check()
    console.get_by_role("button", name="知悉").click()
    console.locator("dialog").get_by_role("button", name="知悉").click()
    expect(row.locator(".state")).to_contain_text("，已知悉")
    keep_picture(console, "freed-pcs")
    console.get_by_role("button", name="重新锁定").click()
    console.locator("dialog").get_by_role("button", name="重新锁定").click()
    expect(row.locator(".state")).not_to_contain_text("解锁码")
    # One that is away is told for when it is back.
    row = console.locator("#pc-rows tr").nth(4)
    expect(row.locator(".state")).to_have_text("未连接")
    row.locator("input").check()
    console.locator("#pc-rows tr").nth(2).locator("input").uncheck()
    console.get_by_role("button", name="重新锁定").click()
    expect(console.locator("dialog")).to_contain_text("1 台断线：恢复连接后锁定；此前用过的解锁码不再有效。")
    console.locator("dialog").get_by_role("button", name="重新锁定").click()
    expect(console.locator(".toast")).to_contain_text("1 台断线，恢复连接后锁定")
    free(pcs[4], "k3")
    assert pcs[4].orders()["lock"] is not None
