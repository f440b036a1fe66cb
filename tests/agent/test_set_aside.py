"""A technician who has put a PC back by hand makes it fit to be locked again, and the damaged undo file is kept."""

from __future__ import annotations

import pytest

from client_agent import __main__ as command_line
from client_agent.browser import claimed
from client_agent.lockdown.sequence import Lockdown
from client_agent.lockdown.undo import Entry, UndoFile
from client_agent.store import Store
from client_agent.technician import PC_IS_LOCKED


class Here:
    def __init__(self, folder):
        self.folder = folder

    def state_folder(self):
        return self.folder


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The agent's folder of a PC on which nothing is locked: no operation of the system that runs the tests."""
    monkeypatch.setattr(command_line, "this_machine", lambda: Here(tmp_path))
    monkeypatch.setattr(command_line, "this_lockdown", lambda at: Lockdown([], UndoFile(at / "undo.json")))
    return tmp_path


def test_a_damaged_undo_file_is_refused_until_it_is_set_aside(folder, capsys):
    undo = folder / "undo.json"
    undo.write_text("{ damaged", encoding="utf-8")
    assert command_line.main(["restore"]) == 1
    assert "--set-aside" in capsys.readouterr().err
    assert undo.read_text(encoding="utf-8") == "{ damaged"
    assert command_line.main(["restore", "--set-aside"]) == 0
    assert "本机可以再次锁定" in capsys.readouterr().out
    assert not undo.exists()
    (kept,) = [path for path in folder.iterdir() if "unreadable" in path.name]
    assert kept.read_text(encoding="utf-8") == "{ damaged"


def test_with_nothing_to_set_aside_it_is_an_ordinary_restore(folder, capsys):
    assert command_line.main(["restore", "--set-aside"]) == 0
    assert "没有需要恢复的更改" in capsys.readouterr().out


def test_a_set_up_program_is_refused_while_a_running_agent_holds_the_pc_locked(folder, capsys):
    undo = UndoFile(folder / "undo.json")
    assert command_line.main(["restore", "--unless-locked"]) == 0
    with claimed(folder):
        assert command_line.main(["restore", "--unless-locked"]) == 0
        assert Store(folder).freed() is None, "asking must not free the PC for the test that begins next"
    undo.push(Entry("something", {}))
    with claimed(folder):
        assert command_line.main(["restore", "--unless-locked"]) == 1
    assert "考试结束" in capsys.readouterr().err, PC_IS_LOCKED
    assert undo.entries(), "the lock itself is not touched"
