"""Programs that were opened are known to the agent that follows one that was killed."""

import json
import os
import shutil

import pytest

from client_agent.kiosk import start_process
from client_agent.opened import OpenedFile
from client_agent.programs import Programs
from client_agent.station_link import Link
from client_agent.work_folder.folder import WorkFolder
from tests.agent.desk import until
from tests.agent.paired_station import LOCK
from tests.agent.test_agent_run import leave_as_a_kill_would
from tests.agent.test_programs import PROGRAM, WORK, WorkStandIn, a_wish, orders

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="stand-in programs are files of Linux")]


@pytest.fixture
def work(tmp_path):
    (tmp_path / "work").mkdir()
    return WorkStandIn(tmp_path / "work")


@pytest.fixture
def poster(desk):
    program = desk.folder / PROGRAM
    shutil.copy("/bin/sleep", str(program))
    desk.programs[PROGRAM] = program
    return program


def programs(desk, boot="boot-1"):
    start = lambda command: start_process([command[0], "1000"])  # noqa: E731
    return Programs(desk, start, kept=OpenedFile(desk.store, boot), shows_within_s=0.0)


def end(process):
    """Leave no program of this name to the next test."""
    process.kill()
    process.wait(20)


def test_the_agent_that_follows_a_killed_one_shows_and_ends_what_is_open(desk, work, poster):
    first = programs(desk)
    first.open(a_wish(), orders(), work)
    (process,) = first._opened.started
    second = programs(desk)
    desk.notes.forward.clear()
    second.show()
    assert desk.notes.forward == [process.pid], "Ctrl+Alt+2 leads to it"
    second.open(a_wish(), orders(), work)
    assert [one.pid for one in second._opened.started] == [process.pid], "it is not opened a second time"
    second.end_if_over(WORK, work.has_last_state)
    assert process.is_running()
    over = {**WORK, "state": "handed_in"}
    second.end_if_over(over, work.has_last_state)
    assert process.is_running(), "the last state comes first"
    work.is_taken = True
    second.end_if_over(over, work.has_last_state)
    until(lambda: not process.is_running())
    assert desk.store.programs() == {}


def test_who_sits_down_next_finds_nothing_of_the_one_before(desk, work, poster):
    first = programs(desk)
    first.open(a_wish(), orders(), work)
    (process,) = first._opened.started
    second = programs(desk)
    work.is_taken = True
    second.end_if_over({**WORK, "attempt_id": 18}, work.has_last_state)
    until(lambda: not process.is_running())
    second.open(a_wish(), orders(), work)
    (process,) = second._opened.started
    again = {**WORK, "attempt_id": 18}
    second.open(a_wish(attempt_id=18), orders(work=again), work)
    until(lambda: not process.is_running())
    (other,) = second._opened.started
    second.end_if_over(again, work.has_last_state)
    assert other.is_running()
    second.end_if_over(None, work.has_last_state)
    end(other)


def test_a_clock_that_was_set_does_not_hide_it_and_another_process_of_its_number_is_not_it(desk, work, poster):
    first = programs(desk)
    first.open(a_wish(), orders(), work)
    (process,) = first._opened.started
    kept = desk.store.programs()
    moved = dict(kept, started=[[process.pid, process.create_time() - 5000]], booted_at=kept["booted_at"] - 5000)
    desk.store.keep_programs(moved)
    adopted = programs(desk)._opened
    assert [one.pid for one in adopted.started] == [process.pid]
    assert adopted.names[PROGRAM] == pytest.approx(kept["names"][PROGRAM] + 5000, rel=0, abs=5)
    desk.store.keep_programs(dict(kept, started=[[process.pid, process.create_time() - 5000]]))
    assert programs(desk)._opened.started == []
    desk.store.keep_programs(kept)
    assert programs(desk, "boot-2")._opened.names == {}, "the PC was started anew since"
    end(process)


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"boot_id": "boot-1"}', b'{"boot_id": "boot-1", "names": 3}'])
def test_a_damaged_list_is_as_none(desk, damage):
    desk.store.make_folder()
    desk.store.path("programs.json").write_bytes(damage)
    assert programs(desk)._opened.names == {}


def test_a_whole_agent_that_was_killed_is_followed_by_one_that_ends_the_program(paired, desk, work, poster):
    wrapper = desk.folder / "wrapper"
    wrapper.mkdir()
    shutil.move(str(poster), str(wrapper / PROGRAM))
    script = desk.folder / "opens"
    script.write_text(f"#!/bin/sh\nexec {wrapper}/{PROGRAM} 1000\n")
    script.chmod(0o755)
    desk.programs[PROGRAM] = script
    paired.lock = {**LOCK, "programs_allowed": [PROGRAM]}
    paired.more = {"work": WORK}
    first = desk.agent(paired.address, work=lambda _link, _boot: work)
    until(lambda: desk.is_locked)
    paired.commands = [{"id": 1, "kind": "open", "arguments": a_wish()}]
    until(lambda: paired.done.get(1))
    assert paired.done[1]["ok"] is True
    (process,) = first.programs._opened.started
    leave_as_a_kill_would(desk)
    kept = json.loads(desk.store.path("programs.json").read_text())
    assert [pid for pid, _at in kept["started"]] == [process.pid]
    work.is_taken = True
    agent = desk.agent(paired.address, work=lambda _link, _boot: work)
    until(lambda: desk.is_locked and agent.heartbeat.orders and agent.orders.work == WORK)
    seen = len(paired.beats)
    until(lambda: len(paired.beats) > seen + 1)
    assert process.is_running()
    paired.more = {"work": {**WORK, "state": "collected"}}
    until(lambda: not process.is_running())


def test_a_file_is_opened_once_the_folder_is_taken_up_again(desk, work, poster):
    class TakenUp(WorkStandIn):
        """A folder that is there at the third look, as after a restart of the agent."""

        looks = 0

        def find(self, path):
            self.looks += 1
            self.is_there = self.looks > 2
            return super().find(path) if self.is_there else None

    (work.folder / "海报.psd").write_bytes(b"8BPS")
    later = TakenUp(work.folder)
    later.is_there = False
    some = programs(desk)
    assert some.open(a_wish(file="海报.psd"), orders(), later) == ""
    assert later.looks == 3
    (process,) = some._opened.started
    end(process)


def test_no_last_state_is_taken_for_taken_before_anything_is_known_of_it(tmp_path):
    link = Link("http://127.0.0.1:9")
    folder = WorkFolder(link, tmp_path, drives=list, boot_id="b", offset_s=lambda: 0.0)
    assert not folder.has_last_state(17)
    folder.start()
    until(lambda: folder.has_last_state(17), what="nothing of it lies here")
    folder.stop()
    link.close()
