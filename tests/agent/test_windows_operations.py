"""What each operation for Windows does, read back from a model of the PC."""

from __future__ import annotations

from pathlib import Path

import pytest

from client_agent.errors import AgentError
from client_agent.lockdown import addresses
from client_agent.lockdown.sequence import Lockdown
from client_agent.lockdown.undo import UndoFile
from client_agent.machine import Browser
from client_agent.windows.api import RegistryValue, dword
from client_agent.windows.lock import operations
from client_agent.windows.lock_firewall import Firewall, parse_rule
from client_agent.windows.lock_kiosk import KIOSK_DESKTOP, desktop_for_programs
from client_agent.windows.lock_registry import BrowserPolicies
from tests.agent.lock_laws import a_profile
from tests.agent.windows_fake import FakeWindows, InMemory
from tests.agent.windows_pc import FIRST_PID, POLICY, RULES, WINLOGON

WINDOWS_7, WINDOWS_10 = (6, 1, 7601), (10, 0, 19045)
CHROME = r"HKLM\SOFTWARE\Policies\Google\Chrome"
PHOTOSHOP = {"programs_allowed": ("photoshop.exe",), "work_folder": Path("D:/考试/实操_12")}


@pytest.fixture
def windows():
    return FakeWindows(InMemory(), WINDOWS_10)


@pytest.fixture
def lockdown(windows, tmp_path):
    return lockdown_of(windows, tmp_path)


def lockdown_of(windows, folder):
    return Lockdown(operations(windows, folder / "state"), UndoFile(folder / "undo.json"))


def operation(windows, name, folder=Path("/nowhere")):
    return next(one for one in operations(windows, folder) if one.name == f"windows.{name}")


def test_browsers_get_the_station_and_the_agents_page_and_nothing_else(windows, lockdown):
    lockdown.lock(a_profile())
    policies = windows.values(CHROME)
    assert policies["DeveloperToolsAvailability"] == dword(2)
    assert policies["PrintingEnabled"] == dword(0)
    assert policies["HomepageLocation"].content == "http://学校.example/", "what the lock does not name stays"
    blocked = windows.values(f"{CHROME}\\URLBlocklist")
    assert blocked["1"] == RegistryValue("REG_SZ", "*")
    assert "games.example" not in {one.content for one in blocked.values()}
    assert [one.content for one in windows.values(f"{CHROME}\\URLAllowlist").values()] == list(a_profile().origins)
    assert windows.values(r"HKLM\SOFTWARE\Policies\Microsoft\Edge")["IncognitoModeAvailability"] == dword(1)


def test_no_profile_has_a_policy_whose_old_value_is_not_kept(windows):
    policies = BrowserPolicies(windows)
    for profile in (a_profile(), a_profile(**PHOTOSHOP), a_profile(accessibility=frozenset({"large_type"}))):
        for key, values in policies.settings(profile).items():
            assert key in policies.whole_keys or set(values) <= set(policies.touched()[key]), key


def test_a_policy_changed_while_locked_is_put_right(windows, lockdown):
    lockdown.lock(a_profile())
    windows.set_value(f"{CHROME}\\URLAllowlist", "7", RegistryValue("REG_SZ", "answers.example"))
    assert [one.mended for one in lockdown.reapply()] == [True]
    assert "7" not in windows.values(f"{CHROME}\\URLAllowlist")


def test_the_firewall_lets_the_station_through_and_nothing_else(windows, lockdown):
    lockdown.lock(a_profile())
    rules = [parse_rule(value.content) for value in windows.values(RULES).values()]
    assert {rule["Name"] for rule in rules} >= {"ExamAgent station 192.168.1.2", "ExamAgent DHCP"}
    assert all(rule["Name"].startswith("ExamAgent") for rule in rules)
    for profile in ("DomainProfile", "StandardProfile", "PublicProfile"):
        assert windows.values(f"{POLICY}\\{profile}")["DefaultOutboundAction"] == dword(1)
        assert windows.values(f"{POLICY}\\{profile}")["EnableFirewall"] == dword(1)


def test_a_netsh_that_does_nothing_and_says_all_is_well_is_found_out(windows, lockdown):
    """As Wine's does: the file it should have written is missed, and nothing is locked."""
    before = windows.snapshot()
    windows.netsh_is_a_stub = True
    with pytest.raises(AgentError) as refusal:
        lockdown.lock(a_profile())
    assert refusal.value.code == "lock_refused"
    assert "无法保存原来的防火墙设置" in refusal.value.sentence()
    assert windows.snapshot() == before


@pytest.mark.parametrize("what", ["rule", "profile", "service", "off"])
def test_a_firewall_opened_while_locked_is_told(windows, tmp_path, what):
    firewall = Firewall(windows, tmp_path)
    firewall.read()
    firewall.perform(a_profile())
    assert firewall.holds(a_profile()) is None
    public = f"{POLICY}\\PublicProfile"
    if what == "rule":
        line = "v2.10|Action=Allow|Active=TRUE|Dir=Out|Name=Game|"
        windows.set_value(RULES, "{X}", RegistryValue("REG_SZ", line))
    elif what == "profile":
        windows.set_value(public, "DefaultOutboundAction", dword(0))
    elif what == "service":
        windows.pc["services"] = []
    else:
        windows.set_value(public, "EnableFirewall", dword(0))
    assert firewall.holds(a_profile()).code == "lock_not_held"


def test_a_firewall_that_does_not_let_the_station_through_does_not_hold(windows, tmp_path):
    firewall = Firewall(windows, tmp_path)
    firewall.read()
    firewall.perform(a_profile())
    assert "192.168.1.9" in firewall.holds(a_profile(station_url="http://192.168.1.9:8080")).en


def test_a_station_without_an_address_is_refused_by_name(monkeypatch):
    def nobody_knows(*_arguments, **_named):
        raise OSError("Name or service not known")

    monkeypatch.setattr(addresses.socket, "getaddrinfo", nobody_knows)
    with pytest.raises(AgentError) as refusal:
        addresses.addresses_of("station.room")
    assert refusal.value.code == "station_unresolved"


def test_a_firewall_whose_saved_settings_are_gone_is_told_and_left_closed(windows, tmp_path, lockdown):
    lockdown.lock(a_profile())
    for path in (tmp_path / "state").glob("*.wfw"):
        path.write_text("damaged")
    back = lockdown.unlock()
    assert len(back.left) == 1
    assert "丢失或已损坏" in back.left[0].zh
    assert _code_of(windows, tmp_path) == "firewall_backup_gone"


def _code_of(windows, folder):
    entry = next(one for one in UndoFile(folder / "undo.json").entries() if one.operation == "windows.firewall")
    with pytest.raises(AgentError) as refusal:
        operation(windows, "firewall", folder).revert(entry.before)
    return refusal.value.code


def test_an_export_without_a_file_or_with_an_empty_one_is_refused_by_name(windows, tmp_path, monkeypatch):
    windows.netsh_is_a_stub = True
    with pytest.raises(AgentError) as refusal:
        Firewall(windows, tmp_path).read()
    assert refusal.value.code == "firewall_not_saved"
    monkeypatch.setattr(windows, "run", lambda command: Path(command[-1]).write_text("") or 0)
    with pytest.raises(AgentError) as empty:
        Firewall(windows, tmp_path).read()
    assert empty.value.code == "firewall_not_saved"


def test_an_import_that_changes_nothing_is_not_taken_for_a_way_back(windows, tmp_path):
    firewall = Firewall(windows, tmp_path)
    before = firewall.read()
    firewall.perform(a_profile())
    windows.netsh_is_a_stub = True
    with pytest.raises(AgentError) as refusal:
        firewall.revert(before)
    assert refusal.value.code == "firewall_not_restored"


def test_on_windows_10_the_shell_goes_and_comes_back_so_that_input_methods_stay(windows, lockdown):
    lockdown.lock(a_profile())
    assert windows.shown_desktop() == "Default", "the input methods of Windows 10 appear on no other desktop"
    assert "explorer.exe" not in windows.running()
    assert "ctfmon.exe" in windows.running()
    lockdown.unlock()
    assert windows.running().count("explorer.exe") == 1


def test_a_shell_that_does_not_listen_is_ended_and_not_started_again_by_windows(windows, lockdown, monkeypatch):
    monkeypatch.setattr("client_agent.windows.lock_kiosk.SHELL_WAIT_S", 0.1)
    windows.pc["shell_is_deaf"] = True
    assert lockdown.lock(a_profile()) == []
    assert windows.values(WINLOGON)["AutoRestartShell"] == dword(0)
    assert "explorer.exe" not in windows.running()


def test_on_windows_7_a_desktop_of_its_own_is_shown_with_the_input_methods_on_it(tmp_path):
    windows = FakeWindows(InMemory(), WINDOWS_7)
    lockdown = lockdown_of(windows, tmp_path)
    assert lockdown.lock(a_profile()) == []
    assert windows.shown_desktop() == KIOSK_DESKTOP
    assert desktop_for_programs(windows) == KIOSK_DESKTOP
    assert "explorer.exe" in windows.running()
    on_it = [one["name"] for one in windows.pc["processes"] if one["desktop"] == KIOSK_DESKTOP]
    assert on_it == ["ctfmon.exe"]
    windows.start("photoshop.exe", desktop=KIOSK_DESKTOP)
    assert lockdown.unlock().is_complete
    assert windows.shown_desktop() == "Default"
    assert "photoshop.exe" not in windows.running(), "nothing stays behind on a desktop that nobody sees"


def test_behind_ctrl_alt_del_programs_start_on_the_desktop_of_the_test(tmp_path):
    windows = FakeWindows(InMemory(), WINDOWS_7)
    lockdown_of(windows, tmp_path).lock(a_profile())
    windows.pc["shown"] = "Winlogon"
    assert desktop_for_programs(windows) == KIOSK_DESKTOP
    assert desktop_for_programs(locked_out(FakeWindows(InMemory(), WINDOWS_10))) == "Default"


def locked_out(windows):
    windows.pc["shown"] = "Winlogon"
    return windows


def test_ctrl_alt_del_is_no_breach_and_another_desktop_is(tmp_path):
    windows = FakeWindows(InMemory(), WINDOWS_7)
    lockdown = lockdown_of(windows, tmp_path)
    lockdown.lock(a_profile())
    windows.pc["shown"] = "Winlogon"
    assert lockdown.reapply() == []
    windows.pc["shown"] = "Default"
    found = lockdown.reapply()
    assert found
    assert all(one.mended for one in found)
    assert windows.shown_desktop() == KIOSK_DESKTOP
    assert windows.keys_are_hooked(), "on the desktop that is shown again"


def test_nobody_logged_in_is_a_reason_not_to_lock(windows, lockdown):
    windows.pc["loaded"] = False
    with pytest.raises(AgentError) as refusal:
        lockdown.lock(a_profile())
    assert refusal.value.code == "lock_refused"
    assert "还没有人登录" in refusal.value.sentence()
    with pytest.raises(AgentError) as nobody:
        operation(windows, "ctrl_alt_del").read()
    assert nobody.value.code == "nobody_logged_in"


def test_a_living_session_of_another_is_named(windows):
    aids = operation(windows, "key_aids")
    before = aids.read()
    windows.session = 0
    with pytest.raises(AgentError) as refusal:
        aids.revert(before)
    assert refusal.value.code == "other_session"


def test_usb_sticks_go_and_the_drives_of_windows_and_work_stay(windows, lockdown):
    windows.pc["drives"] += [["E", True], ["D", True], ["C", True]]
    windows.pc["drives"] = [one for one in windows.pc["drives"] if one[1] or one[0] not in "CD"]
    assert lockdown.lock(a_profile(**PHOTOSHOP)) == []
    assert [one.letter for one in windows.drives()] == ["D", "C"]
    assert windows.values(r"HKLM\SYSTEM\CurrentControlSet\Services\USBSTOR")["Start"] == dword(4)
    assert windows.values(r"HKLM\SYSTEM\CurrentControlSet\Services\UASPStor") is None, "not made where it is not"
    lockdown.lock(a_profile(removable_drives=True))
    assert windows.values(r"HKLM\SYSTEM\CurrentControlSet\Services\USBSTOR")["Start"] == dword(3)


def test_a_stick_that_is_in_use_is_named_and_does_not_hinder_the_lock(windows, lockdown):
    windows.pc["drives"].append(["E", True])
    windows.pc["stuck_drives"] = ["E"]
    found = lockdown.lock(a_profile())
    assert [one.code for one in found] == ["lock_not_held"]
    assert operation(windows, "drives").holds(a_profile()).code == "removable_drive_left"


def test_a_second_screen_is_switched_off_and_one_that_cannot_be_is_told(windows, lockdown):
    windows.pc["plugged_screens"], windows.pc["topology"] = 2, 2
    assert lockdown.lock(a_profile()) == []
    assert windows.screens() == 1
    windows.pc["topology"] = 4
    assert operation(windows, "screens").holds(a_profile()).code == "too_many_screens"
    assert operation(windows, "screens").holds(a_profile(screens=2)) is None
    lockdown.unlock()
    assert windows.topology() == 2


def test_the_clipboard_is_emptied_and_with_off_emptied_again(windows, lockdown):
    lockdown.lock(a_profile(clipboard="off"))
    assert windows.pc["clipboard"]["content"] == ""
    windows.pc["clipboard"] = {"content": "copied", "number": 99}
    assert [one.mended for one in lockdown.reapply()] == [True]
    assert windows.pc["clipboard"]["content"] == ""


def test_sticky_keys_stay_for_who_needs_them(windows, lockdown):
    lockdown.lock(a_profile(accessibility=frozenset({"sticky_keys"})))
    assert windows.accessibility_flags("sticky") == 0x1FE
    assert not windows.accessibility_flags("toggle") & 0x4


def test_remote_desktop_is_told(windows):
    windows.pc["remote"] = True
    assert operation(windows, "remote_session").holds(a_profile()).code == "remote_session"


def test_without_rights_it_is_refused_by_name(windows):
    windows.is_admin = False
    with pytest.raises(AgentError) as refusal:
        operation(windows, "rights").read()
    assert refusal.value.code == "not_administrator"


class TestPrograms:
    """What runs on besides the test."""

    def left(self, windows, lockdown, **profile):
        lockdown.lock(a_profile(browser=Browser("Chrome", Path("C:/Chrome/chrome.exe"), "109"), **profile))
        return windows.running()

    def test_forbidden_ones_are_ended_also_under_another_name(self, windows, lockdown):
        windows.start("qq.exe")
        windows.start("homework.exe", original="wechat.exe")
        assert not {"qq.exe", "homework.exe"} & set(
            self.left(windows, lockdown, programs_forbidden=("qq.exe", "wechat.exe"))
        )

    def test_whatever_shows_a_window_that_the_test_does_not_need_is_ended(self, windows, lockdown):
        windows.start("winword.exe", window=True)
        windows.start("notepad.exe", path="C:\\Windows\\notepad.exe", window=True)
        windows.start("ZhuDongFangYu.exe")
        left = self.left(windows, lockdown)
        assert not {"winword.exe", "notepad.exe"} & set(left)
        assert {"ZhuDongFangYu.exe", "HipsTray.exe", "dwm.exe", "ctfmon.exe"} <= set(left)

    def test_allowed_ones_stay_with_what_they_start(self, windows, lockdown):
        left = self.left(windows, lockdown, **PHOTOSHOP)
        photoshop = windows.start("Photoshop.exe", window=True)
        windows.start("CEPHtmlEngine.exe", parent=photoshop, window=True)
        chrome = windows.start("chrome.exe", window=True)
        windows.start("cmd.exe", parent=photoshop, window=True)
        windows.start("chrome_child.exe", parent=chrome)
        windows.start("game.exe")
        found = lockdown.reapply()
        assert [one.code for one in found] == ["forbidden_program"]
        assert "cmd.exe, game.exe" in found[0].en
        assert found[0].mended
        left = windows.running()
        assert {"Photoshop.exe", "CEPHtmlEngine.exe", "chrome.exe", "chrome_child.exe"} <= set(left)
        assert not {"cmd.exe", "game.exe"} & set(left)

    def test_windows_itself_and_other_sessions_are_never_touched(self, windows, lockdown):
        windows.start("qq.exe", session=2)
        names = ("csrss.exe", "dwm.exe", "services.exe", "qq.exe")
        left = self.left(windows, lockdown, programs_forbidden=names)
        assert {"services.exe", "dwm.exe", "qq.exe"} <= set(left)

    def test_a_program_with_a_dead_parents_number_does_not_inherit_from_it(self, windows, lockdown):
        self.left(windows, lockdown, **PHOTOSHOP)
        old = windows.start("old.exe", parent=FIRST_PID + 999)
        windows.pc["processes"][-1]["started"] = 1
        windows.start("Photoshop.exe")
        windows.pc["processes"][-1]["pid"] = FIRST_PID + 999
        assert old
        lockdown.reapply()
        assert "old.exe" not in windows.running()

    def test_a_magnifier_stays_for_who_needs_it(self, windows, lockdown):
        windows.start("Magnify.exe", path="C:\\Windows\\System32\\Magnify.exe", window=True)
        left = self.left(windows, lockdown, accessibility=frozenset({"magnifier"}))
        assert "Magnify.exe" in left
        lockdown.lock(a_profile())
        assert "Magnify.exe" not in windows.running()

    def test_one_that_cannot_be_ended_is_told_and_the_pc_is_locked_all_the_same(self, windows, lockdown):
        windows.start("360tray.exe", window=True)
        windows.pc["immortal"] = ["360tray.exe"]
        (found,) = lockdown.lock(a_profile())
        assert "360tray.exe" in found.zh
        assert lockdown.profile is not None
