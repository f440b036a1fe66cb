"""The undo file: damaged, foreign, full disk, no permission. Without a way back on disk nothing is changed."""

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from client_agent.errors import AgentError
from client_agent.lockdown.keeping import Keeping, Steady
from client_agent.lockdown.operation import NotHeld
from client_agent.lockdown.sequence import Lockdown
from client_agent.lockdown.undo import Entry, UndoFile
from tests.agent.lock_ground import Ground
from tests.agent.lock_laws import Tampered, a_profile

posix_only = pytest.mark.skipif(os.name != "posix", reason="uses permissions and mounts of Linux")

# As format 1 was first written. Later versions must read it: never edit it.
FORMAT_1 = (
    '{"format": 1, "checksum": "%s", "body": {"entries": [{"operation": "keys", "before": '
    '{"DisableTaskMgr": {"value": 0}, "NoLogoff": null, "Wallpaper": {"value": "学校.jpg"}}}]}}'
)
CHECKSUM_1 = "120d8e5567a4b7c35836fac8bf49b8d9bd8e2bcef16cb150c57f8e35adcf271d"


@pytest.fixture
def ground(tmp_path):
    return Ground.build(tmp_path / "pc")


@pytest.fixture
def undo(tmp_path):
    return UndoFile(tmp_path / "agent" / "undo.json")


def test_entries_come_back_as_they_were_pushed(undo):
    assert undo.entries() == ()
    first, second = Entry("keys", {"a": None, "名": [1, 2.5]}), Entry("drives", {"Start": {"value": 3}})
    undo.push(first)
    undo.push(second)
    assert UndoFile(undo.path).entries() == (first, second)
    undo.keep_only([second])
    assert undo.entries() == (second,)
    undo.keep_only([])
    assert not undo.path.exists()
    undo.keep_only([])


def test_the_first_format_is_read_for_ever(ground, undo):
    undo.path.parent.mkdir()
    undo.path.write_text(FORMAT_1 % CHECKSUM_1, encoding="utf-8")
    before = ground.values()
    ground.operations()[-1].perform(a_profile())
    assert ground.values() != before
    assert Lockdown(ground.operations(), undo).restore().is_complete
    assert ground.values() == before


def damaged(whole: bytes):
    """Every way in which a disk or a person may spoil the file; none may be taken for an empty or a good one."""
    yield "empty", b""
    yield "zeros", bytes(len(whole))
    yield "cut", whole[: len(whole) // 2]
    yield "last byte gone", whole[:-1]
    yield "one letter", whole.replace(b"DisableTaskMgr", b"DisableTaskMgs", 1)
    yield "foreign", b'{"hello": "world"}'
    yield "a list", b"[]"
    yield "not text", b"\xff\xfe\x00"
    yield "a later format", whole.replace(b'"format": 1', b'"format": 2')
    yield "no entries", b'{"format": 1, "checksum": "", "body": {}}'


def test_an_unreadable_file_refuses_to_lock_says_so_and_stays_as_it_is(ground, undo):
    Lockdown(ground.operations(), undo).lock(a_profile())
    whole = undo.path.read_bytes()
    for what, content in damaged(whole):
        undo.path.write_bytes(content)
        as_is = ground.snapshot()
        for act in (lambda: Lockdown(ground.operations(), undo).lock(a_profile()), undo.entries,
                    lambda: undo.push(Entry("x", {})), Lockdown(ground.operations(), undo).restore,
                    Lockdown(ground.operations(), undo).has_something_to_restore):  # fmt: skip
            with pytest.raises(AgentError) as refusal:
                act()
            assert refusal.value.code == "undo_unreadable", what
            assert str(undo.path) in refusal.value.sentence("zh")
        assert undo.path.read_bytes() == content, what
        assert ground.snapshot() == as_is, what
    undo.path.write_bytes(whole)
    assert Lockdown(ground.operations(), undo).restore().is_complete


def test_the_technician_sets_an_unreadable_file_aside_and_it_is_kept(undo):
    undo.path.parent.mkdir()
    for number in (1, 2):
        undo.path.write_bytes(b"spoilt %d" % number)
        aside = undo.set_aside()
        assert aside is not None
        assert aside.read_bytes() == b"spoilt %d" % number
        assert undo.entries() == ()
    assert len(list(undo.path.parent.iterdir())) == 2
    assert undo.set_aside() is None
    undo.push(Entry("keys", {}))
    assert undo.set_aside() is None, "a readable file is restored, not set aside"
    assert undo.entries()


@posix_only
def test_a_folder_in_the_files_place_refuses_to_lock(ground, undo):
    undo.path.mkdir(parents=True)
    before = ground.snapshot()
    with pytest.raises(AgentError) as refusal:
        Lockdown(ground.operations(), undo).lock(a_profile())
    assert refusal.value.code == "undo_unreadable"
    assert ground.snapshot() == before


@posix_only
def test_where_the_way_back_cannot_be_written_nothing_is_changed(ground):
    before = ground.snapshot()
    # /proc takes no folders, whoever asks; /dev/full takes no byte.
    with pytest.raises(AgentError) as refusal:
        Lockdown(ground.operations(), UndoFile(Path("/proc/exam-agent/undo.json"))).lock(a_profile())
    assert refusal.value.code == "undo_not_written"
    assert "/proc/exam-agent" in refusal.value.sentence("zh")
    assert ground.snapshot() == before


@posix_only
def test_a_full_disk_refuses_to_lock(ground, undo):
    undo.path.parent.mkdir()
    undo.path.with_name("undo.json.new").symlink_to("/dev/full")
    before = ground.snapshot()
    with pytest.raises(AgentError) as refusal:
        Lockdown(ground.operations(), undo).lock(a_profile())
    assert refusal.value.code == "undo_not_written"
    assert os.strerror(errno.ENOSPC) in refusal.value.sentence("en")
    assert ground.snapshot() == before


@posix_only
def test_a_disk_that_fills_up_halfway_through_reverts_what_was_locked(ground, undo):
    before = ground.snapshot()
    fills_up_at = ground.operations()[2]
    filling = Filling(fills_up_at, lambda: undo.path.with_name("undo.json.new").symlink_to("/dev/full"))
    operations = [filling if one.name == fills_up_at.name else one for one in ground.operations()]
    with pytest.raises(AgentError) as refusal:
        Lockdown(operations, undo).lock(a_profile())
    assert refusal.value.code == "undo_not_written"
    assert ground.values() == json.loads(before["registry.json"])
    assert not undo.path.exists(), "removing the file needs no space"


@posix_only
def test_a_disk_that_fills_up_while_locked_does_not_keep_the_pc_locked(ground, undo):
    values = ground.values()
    lockdown = Lockdown(ground.operations(), undo)
    lockdown.lock(a_profile())
    undo.path.with_name("undo.json.new").symlink_to("/dev/full")
    assert lockdown.unlock().is_complete
    assert ground.values() == values
    assert not undo.path.exists()


@posix_only
def test_what_cannot_be_struck_out_on_a_full_disk_is_reverted_once_more_later(ground, undo):
    values = ground.values()
    operations = ground.operations()
    operations[1] = Tampered(operations[1], "revert", "before", OSError(5, "Input/output error"))
    lockdown = Lockdown(operations, undo)
    lockdown.lock(a_profile())
    undo.path.with_name("undo.json.new").symlink_to("/dev/full")
    back = lockdown.unlock()
    assert {one.code for one in back.left} == {"not_put_back", "undo_not_written"}
    assert len(undo.entries()) == 5
    assert ground.values() == values
    assert not (ground.programs / "qq").exists()
    undo.path.with_name("undo.json.new").unlink()
    assert Lockdown(ground.operations(), undo).restore().is_complete
    assert ground.values() == values
    assert (ground.programs / "qq").exists()


@posix_only
def test_the_file_is_the_agents_alone(undo):
    undo.push(Entry("keys", {}))
    assert undo.path.stat().st_mode & 0o777 == 0o600


def test_an_entry_is_on_disk_before_anything_is_changed(ground, undo):
    seen = []
    operations = [Filling(one, lambda one=one: seen.append(_names(undo, one))) for one in ground.operations()]
    Lockdown(operations, undo).lock(a_profile())
    assert seen == [True] * 5


def test_keeping_mends_and_reports_and_restores_what_would_not_go_back(ground, undo, monkeypatch):
    monkeypatch.setattr("client_agent.lockdown.keeping.LOOK_S", 0.01)
    monkeypatch.setattr("client_agent.lockdown.keeping.TRY_AGAIN_S", 0.02)
    before = ground.values()
    operations = ground.operations()
    operations[-1] = Tampered(operations[-1], "revert", "before", OSError(5, "Input/output error"), times=3)
    lockdown = Lockdown(operations, undo)
    reports, told = [], threading.Event()

    def report(problems):
        reports.append(problems)
        told.set()

    lockdown.lock(a_profile())
    keeping = Keeping(lockdown, report)
    keeping.start()
    try:
        (ground.programs / "qq").write_text("again")
        assert told.wait(20)
        assert [one.mended for one in reports[0]] == [True]
        assert [one.mended for one in keeping.problems] == [True]
        assert [one.code for one in lockdown.unlock().left] == ["not_put_back"]
        for _ in range(2000):
            if not undo.path.exists() and keeping.problems == []:
                break
            threading.Event().wait(0.01)
    finally:
        keeping.stop()
    assert ground.values() == before
    assert not undo.path.exists()
    assert ["not_put_back"] in [[one.code for one in report] for report in reports]
    assert reports[-1] == []


def test_keeping_says_that_the_undo_file_became_unreadable(ground, undo, monkeypatch):
    monkeypatch.setattr("client_agent.lockdown.keeping.LOOK_S", 0.01)
    monkeypatch.setattr("client_agent.lockdown.keeping.TRY_AGAIN_S", 0.02)
    undo.path.parent.mkdir()
    undo.path.write_bytes(b"spoilt")
    told = threading.Event()
    keeping = Keeping(Lockdown(ground.operations(), undo), lambda _problems: told.set())
    keeping.start()
    assert told.wait(20)
    keeping.stop()
    assert [one.code for one in keeping.problems] == ["undo_unreadable"]
    assert undo.path.read_bytes() == b"spoilt"


def test_problems_are_shown_without_flapping():
    steady = Steady(shown_s=6.0)
    broken, other = NotHeld("lock_not_held", "甲", "a"), NotHeld("lock_not_held", "乙", "b")
    assert steady.take([broken], 0.0) == [broken]
    assert steady.take([], 1.0) == [broken], "a second without it is not yet good"
    assert steady.take([broken.as_mended()], 2.0) == [broken], "broken and mended in turn is broken"
    assert steady.take([other.as_mended()], 3.0) == [broken, other.as_mended()]
    assert steady.take([], 8.5) == [other.as_mended()]
    assert steady.take([other], 9.0) == [other], "what was mended and no longer is, is told at once"
    assert steady.take([], 15.1) == []


class Filling:
    """A real operation that does something just before it is performed."""

    def __init__(self, real, act):
        self.real, self.act = real, act
        self.name, self.title, self.needed = real.name, real.title, real.needed
        self.wanted, self.read, self.revert, self.holds = real.wanted, real.read, real.revert, real.holds

    def perform(self, profile):
        self.act()
        self.real.perform(profile)


def _names(undo, operation):
    return undo.entries()[-1].operation == operation.name
