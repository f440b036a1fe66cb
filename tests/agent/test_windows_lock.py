"""The laws of the lockdown over the operations for Windows, on a model of a Windows PC."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from client_agent.errors import AgentError
from client_agent.lockdown.sequence import Lockdown
from client_agent.lockdown.undo import UndoFile
from client_agent.windows.lock import operations
from tests.agent import lock_laws
from tests.agent.lock_laws import Pc, a_profile
from tests.agent.windows_fake import Ended, FakeWindows, InMemory

WINDOWS_7 = (6, 1, 7601)
WINDOWS_10 = (10, 0, 19045)


class ModelPc:
    """The parts that make a `Pc` of the laws: a new process after each death."""

    def __init__(self, folder, version, path=None):
        self.folder = folder
        self.windows = FakeWindows(path or InMemory(), version)
        self.windows.pc["plugged_screens"], self.windows.pc["topology"] = 2, 4
        self.windows.save()

    def operations(self):
        return operations(self.windows, self.folder / "state")

    def snapshot(self):
        return self.windows.snapshot()

    def died(self):
        self.windows = self.windows.another_process()

    def lockdown(self):
        return Lockdown(self.operations(), UndoFile(self.folder / "undo.json"))


@pytest.fixture
def folder(tmp_path):
    """A folder in memory where there is one: thousands of undo files are flushed here, and no power is cut."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or not os.access(str(memory), os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=str(memory)) as made:
        yield Path(made)


@pytest.fixture(params=[WINDOWS_7, WINDOWS_10], ids=["Windows 7", "Windows 10"])
def model(request, folder):
    return ModelPc(folder, request.param)


@pytest.mark.parametrize("law", lock_laws.ALL, ids=lambda law: law.__name__)
def test_law(law, model):
    law(Pc(model.operations, model.snapshot, a_profile(), model.folder / "undo.json", model.died))


def lock_and_unlock(lockdown):
    """Lock and unlock; a refusal is one of those that have gone back."""
    try:
        lockdown.lock(a_profile())
        lockdown.unlock()
    except AgentError as refusal:
        if refusal.code not in ("lock_refused", "lock_half_reverted"):
            raise


def steps_of(folder, version):
    """Number the changing calls of one lock and one unlock; of many alike in a row the first, the last and each 9th."""
    folder.mkdir()
    model = ModelPc(folder, version)
    lockdown = model.lockdown()
    assert lockdown.lock(a_profile()) == []
    assert lockdown.unlock().is_complete
    calls = ["", *model.windows.calls, ""]
    steps = range(1, len(calls) - 1)
    assert len(steps) > 300, "the browsers' policies alone are more than that"
    return [n for n in steps if n % 9 == 0 or calls[n] != calls[n - 1] or calls[n] != calls[n + 1]]


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("version", [WINDOWS_7, WINDOWS_10], ids=["Windows 7", "Windows 10"])
def test_any_call_to_windows_may_fail_and_the_pc_is_as_before(folder, version, moment):
    model = ModelPc(folder, version)
    before = model.snapshot()
    for step in steps_of(folder / "count", version):
        model.windows.step, model.windows.fail_at = 0, (step, moment)
        lock_and_unlock(model.lockdown())
        model.windows.fail_at = None
        assert model.lockdown().restore().is_complete, step
        assert model.snapshot() == before, step


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("version", [WINDOWS_7, WINDOWS_10], ids=["Windows 7", "Windows 10"])
def test_death_at_any_call_to_windows_is_put_right_by_the_next_start(folder, version, moment):
    """In this process, but nothing of the dead one runs on: its exception is caught by no operation."""
    model = ModelPc(folder, version)
    before = model.snapshot()

    def die(_status):
        raise Ended

    for step in steps_of(folder / "count", version):
        model.windows.step, model.windows.die_at, model.windows.die = 0, (step, moment), die
        with pytest.raises(Ended):
            lock_and_unlock(model.lockdown())
        model.died()
        assert model.lockdown().restore().is_complete, step
        assert model.snapshot() == before, step


@pytest.mark.skipif(not lock_laws.can_fork, reason="a real process is ended")
@pytest.mark.parametrize("version", [WINDOWS_7, WINDOWS_10], ids=["Windows 7", "Windows 10"])
def test_a_process_that_really_ends_and_a_power_cut_leave_a_pc_that_restores(folder, version):
    model = ModelPc(folder, version, folder / "pc.json")
    before = model.snapshot()
    for number, step in enumerate(steps_of(folder / "count", version)[::3]):
        pid = os.fork()
        if pid == 0:
            model.windows.step, model.windows.die_at = 0, (step, "after")
            lock_and_unlock(model.lockdown())
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 9 << 8
        model.windows = FakeWindows(model.folder / "pc.json")
        model.died()
        if number % 2:
            model.windows.reboot()
        assert model.lockdown().restore().is_complete, step
        assert model.snapshot() == before, step


@pytest.mark.parametrize(
    "call",
    ["values", "set_value", "processes", "end_process", "run", "show_desktop", "create_desktop", "hook_keys",
     "ask_shell_to_quit", "set_topology", "set_screen_saver", "set_power_value", "set_accessibility_flags",
     "shown_desktop", "empty_clipboard", "start_as_person"],
)  # fmt: skip
def test_a_pc_on_which_a_call_never_works_is_as_before_once_it_works_again(model, call):
    before = model.snapshot()
    model.windows.broken = {call}
    lock_and_unlock(model.lockdown())
    model.windows.broken = set()
    assert model.lockdown().restore().is_complete
    assert model.snapshot() == before


def test_nothing_of_the_lock_stays_in_the_agents_folder(model):
    lockdown = model.lockdown()
    lockdown.lock(a_profile())
    assert [path.suffix for path in (model.folder / "state").iterdir()] == [".wfw"]
    lockdown.unlock()
    assert list((model.folder / "state").iterdir()) == []


def test_after_a_power_cut_the_registry_of_a_person_who_is_not_logged_in_waits_for_them(model):
    """The rest is put back at the start of the PC, theirs as soon as they are there."""
    before = model.snapshot()
    model.lockdown().lock(a_profile())
    model.died()
    model.windows.reboot()
    model.windows.pc["loaded"] = False
    back = model.lockdown().restore()
    assert {one.code for one in back.left} == {"not_put_back"}
    assert [one.operation for one in UndoFile(model.folder / "undo.json").entries()] == [
        "windows.ctrl_alt_del", "windows.quiet",
    ]  # fmt: skip
    model.windows.pc["loaded"] = True
    assert model.lockdown().restore().is_complete
    assert model.snapshot() == before


def test_a_desktop_of_a_living_session_is_put_back_from_inside_it_only(model):
    before = model.snapshot()
    model.lockdown().lock(a_profile())
    model.died()
    model.windows.session = 0
    back = model.lockdown().restore()
    assert not back.is_complete
    assert any("登录会话（1）" in one.zh for one in back.left)
    model.windows.session = 1
    assert model.lockdown().restore().is_complete
    assert model.snapshot() == before


def test_without_administrators_rights_nothing_is_changed(model):
    before = model.snapshot()
    model.windows.is_admin = False
    with pytest.raises(AgentError) as refusal:
        model.lockdown().lock(a_profile())
    assert refusal.value.code == "lock_refused"
    assert "not_administrator" in refusal.value.sentence("en") or "管理员" in refusal.value.sentence()
    assert model.windows.calls == []
    assert model.snapshot() == before
