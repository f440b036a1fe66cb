import hashlib

import pytest

from client_agent.commands import Commands
from client_agent.errors import AgentError
from client_agent.station_link import Link
from client_agent.store import Store
from client_agent.update import fetch_installer
from tests.agent.desk import until
from tests.agent.paired_station import LOCK

INSTALLER = bytes(range(256)) * 4000


def command(number, kind="show_message", **arguments):
    return {"id": number, "kind": kind, "arguments": arguments}


class Acts:
    def __init__(self):
        self.done = []

    def by_kind(self):
        return {"show_message": self.act, "update": self.act, "shut_down": self.act, "check": self.fail}

    def act(self, number, arguments):
        self.done.append((number, dict(arguments)))
        return "text"

    def fail(self, number, _arguments):
        self.done.append((number, {}))
        raise RuntimeError("a check fell over")


@pytest.fixture
def acts():
    return Acts()


@pytest.fixture
def link(paired):
    way = Link(paired.address)
    yield way
    way.close()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_a_command_is_done_once_however_often_it_is_asked_and_reported_until_heard(acts, store):
    commands = Commands(store, acts.by_kind())
    for _ in range(3):
        commands.take([command(31, text="hello")])
    until(commands.report)
    assert acts.done == [(31, {"text": "hello"})]
    assert commands.report() == [{"command_id": 31, "ok": True, "text": "text"}]
    commands.take([command(31)])
    assert commands.report(), "the station still asks: it did not hear"
    commands.take([])
    assert commands.report() == []
    assert len(acts.done) == 1


def test_a_restarted_agent_does_nothing_a_second_time_but_reports_it(acts, store):
    first = Commands(store, acts.by_kind())
    first.take([command(31)])
    until(first.report)
    again = Commands(store, acts.by_kind())
    again.take([command(31)])
    assert again.report() == [{"command_id": 31, "ok": True, "text": "text"}]
    assert len(acts.done) == 1


def test_a_command_that_a_crash_interrupted_is_not_begun_again(acts, store):
    store.keep_commands({7: {"ok": False, "text": "interrupted"}})
    commands = Commands(store, acts.by_kind())
    commands.take([command(7, "update")])
    assert commands.report() == [{"command_id": 7, "ok": False, "text": "interrupted"}]
    assert acts.done == []


def test_an_unknown_kind_is_answered_by_name_and_a_broken_one_told(acts, store):
    commands = Commands(store, acts.by_kind())
    commands.take([command(1, "dance"), command(2, "check"), "nonsense", {"id": "3"}, {"kind": "update"}])
    until(lambda: len(commands.report()) == 2)
    assert commands.report() == [
        {"command_id": 1, "ok": False, "text": "unknown"},
        {"command_id": 2, "ok": False, "text": "RuntimeError: a check fell over"},
    ]


def test_a_full_disk_stops_what_must_not_be_done_twice_and_nothing_else(acts, store, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("client_agent.store.write_durably", full)
    commands = Commands(store, acts.by_kind())
    commands.take([command(1), command(2, "update"), command(3, "shut_down")])
    until(lambda: len(commands.report()) == 3)
    told = {one["command_id"]: one for one in commands.report()}
    assert told[1]["ok"] is True
    assert told[2]["ok"] is told[3]["ok"] is False
    assert "No space left" in told[2]["text"]
    assert [number for number, _arguments in acts.done] == [1]


def test_shutting_down_is_reported_before_it_is_done(acts, store):
    commands = Commands(store, {"shut_down": lambda number, _arguments: acts.act(number, commands.report()[0])})
    commands.take([command(4, "shut_down")])
    until(lambda: acts.done)
    assert acts.done == [(4, {"command_id": 4, "ok": True, "text": ""})]
    assert store.commands()[4]["ok"] is True


def test_each_kind_does_what_it_says(paired, desk, monkeypatch):
    monkeypatch.setattr("client_agent.duties.SAY_GOODBYE_S", 0.05)
    paired.lock = {**LOCK, "pictures": True}
    checked = []
    agent = desk.agent(paired.address, check=checked.append)
    until(lambda: agent.screen.is_page_open and desk.is_locked)
    paired.commands = [
        command(1, "show_message", text="推迟十分钟"), command(2, "restart_browser"), command(3, "picture"),
        command(4, "check"), command(5, "update"), command(6, "shut_down"), command(7, "log_out"),
        command(8, "rehearse", minutes=3),
    ]  # fmt: skip
    until(lambda: len(paired.done) == 8)
    assert {number: one["ok"] for number, one in paired.done.items()} == {
        1: True, 2: True, 3: True, 4: True, 5: False, 6: True, 7: True, 8: False,
    }  # fmt: skip
    assert agent.page_state()["text"] == "推迟十分钟"
    until(lambda: desk.pages().count(f"{paired.address}/agent/open/once") == 2)
    assert paired.pictures == {3: b"\x89PNG picture"}
    assert checked == [agent.heartbeat.link]
    assert "已锁定" in paired.done[5]["text"], "update_while_locked"
    until(lambda: sorted(desk.notes.ended) == ["log_out", "shut_down"])


def test_a_picture_is_taken_only_where_the_orders_allow_it(paired, desk):
    paired.lock = LOCK
    desk.agent(paired.address)
    until(lambda: desk.is_locked)
    paired.commands = [command(3, "picture"), command(4, "check")]
    until(lambda: len(paired.done) == 2)
    assert "不允许" in paired.done[3]["text"], "picture_not_allowed"
    assert "check" in paired.done[4]["text"], "not_able"
    assert paired.pictures == {}


def described(**other):
    digest = hashlib.sha256(INSTALLER).hexdigest()
    return {"name": "exam-agent-0.2.0.exe", "size": len(INSTALLER), "sha256": digest, **other}


def test_a_free_pc_fetches_the_station_s_installer_and_starts_it(paired, desk):
    paired.installer, paired.hello = INSTALLER, {"installer": described()}
    desk.agent(paired.address)
    until(lambda: paired.beats)
    paired.commands = [command(5, "update")]
    until(lambda: paired.done)
    assert paired.done[5] == {"command_id": 5, "ok": True, "text": "exam-agent-0.2.0.exe"}
    assert desk.installed == [INSTALLER]


@pytest.mark.parametrize("changed", [{"sha256": "0" * 64}, {"name": "exam-agent-9.0.0.exe"}, {"size": 1}])
def test_an_installer_that_the_network_changed_on_its_way_is_not_run(paired, desk, changed):
    """It would run as the system, on every PC of the room."""
    honest = paired.signed
    paired.signed = lambda _installer, nonce: honest(described(), nonce)
    paired.installer, paired.hello = INSTALLER, {"installer": None}
    desk.agent(paired.address)
    until(lambda: paired.beats)
    paired.hello = {"installer": described(**changed)}
    paired.commands = [command(5, "update")]
    until(lambda: paired.done)
    assert not paired.done[5]["ok"]
    assert "没有考站的签名" in paired.done[5]["text"], "installer_unsigned"
    assert desk.installed == []


def test_an_installer_signed_for_another_greeting_or_not_at_all_is_not_run(paired, desk):
    desk.agent(paired.address)
    until(lambda: paired.beats)
    old = paired.signed(described(), "0" * 32)
    for number, signature in enumerate([old, {"signature": ""}], 5):
        paired.hello = {"installer": {**described(), **signature}}
        paired.commands = [command(number, "update")]
        until(lambda: number in paired.done)  # noqa: B023
        assert not paired.done[number]["ok"]
    assert desk.installed == []


def test_an_installer_is_gone_on_with_where_it_was_cut_off_and_checked_whole(paired, link, tmp_path):
    paired.installer = INSTALLER
    part = tmp_path / f"exam-agent-0.2.0.exe.{described()['sha256'][:12]}.part"
    part.write_bytes(INSTALLER[:5000])
    assert fetch_installer(link, described(), tmp_path).read_bytes() == INSTALLER
    assert paired.asked[-1]["headers"]["Range"] == "bytes=5000-"
    assert fetch_installer(link, described(), tmp_path).read_bytes() == INSTALLER
    assert len(paired.asked) == 1, "what is there and right is not fetched again"


def test_another_installer_than_was_announced_is_not_kept(paired, link, tmp_path):
    paired.installer = b"x" * len(INSTALLER)
    with pytest.raises(AgentError) as refusal:
        fetch_installer(link, described(), tmp_path)
    assert refusal.value.code == "installer_damaged"
    assert list(tmp_path.iterdir()) == []


def test_an_installer_that_stops_early_is_tried_again_later(paired, link, tmp_path):
    paired.installer = INSTALLER[:1000]
    with pytest.raises(AgentError) as refusal:
        fetch_installer(link, described(), tmp_path)
    assert refusal.value.code == "station_unreachable"
    paired.installer = INSTALLER
    assert fetch_installer(link, described(), tmp_path).read_bytes() == INSTALLER


@pytest.mark.parametrize("wrong", [
    None, described(name="../../evil.exe"), described(name="exam-agent-1/../x.exe"), described(name="other.exe"),
    described(sha256="zz"), described(size="big"),
])  # fmt: skip
def test_what_is_no_installer_of_ours_is_refused_by_name(paired, link, tmp_path, wrong):
    with pytest.raises(AgentError) as refusal:
        fetch_installer(link, wrong, tmp_path)
    assert refusal.value.code == "no_installer"
