"""Screen and keyboard: on a real X server here, and over stand-in calls for Windows."""

import os
import shutil
import struct
import subprocess
import tempfile
import threading
import zlib
from pathlib import Path

import pytest

from client_agent.errors import AgentError
from client_agent.kiosk import Kiosk
from client_agent.linux.desktop import LinuxDesktop
from client_agent.linux.machine import LinuxMachine
from client_agent.linux.person import preparer_for, starter_for
from client_agent.machine import Browser
from client_agent.png import write_png
from client_agent.windows.api import system_program
from client_agent.windows.desktop import WindowsDesktop, hot_key_code, system_calls
from client_agent.windows.machine import BIOS, MACHINE_GUID, WindowsMachine, read_machine_value
from tests.agent.desk import until

posix_only = pytest.mark.skipif(os.name != "posix", reason="X11 and shell scripts")


@pytest.fixture
def display(monkeypatch):
    """A screen of an X server of its own."""
    if not shutil.which("Xvfb") or not shutil.which("xdotool"):
        message = "Xvfb and xdotool (Debian packages xvfb, xdotool)"
        if os.environ.get("CI") == "true":
            pytest.fail(f"not installed, but must be when CI=true: {message}")
        pytest.skip(f"not installed: {message}")
    told, tell = os.pipe()
    # Without `-noreset` the server begins anew when its last client leaves, and refuses whoever comes meanwhile.
    command = ["Xvfb", "-displayfd", str(tell), "-screen", "0", "1366x768x24", "-noreset", "-nolisten", "tcp"]
    with subprocess.Popen(command, pass_fds=[tell], stderr=subprocess.DEVNULL) as server:
        os.close(tell)
        with os.fdopen(told) as number:
            monkeypatch.setenv("DISPLAY", f":{number.readline().strip()}")
        yield
        server.terminate()


@posix_only
def test_hot_keys_work_on_a_real_screen_also_with_num_lock_and_end_when_told(display):
    pressed = []
    keys = {"F1": lambda: pressed.append("help"), "Ctrl+Alt+Shift+U": lambda: pressed.append("status")}
    end = LinuxDesktop().watch_hot_keys(keys)
    for key in ("F1", "u", "ctrl+alt+shift+u"):
        subprocess.run(["xdotool", "key", key], check=True)
    until(lambda: pressed == ["help", "status"])
    subprocess.run(["xdotool", "key", "Num_Lock", "F1"], check=True)
    until(lambda: pressed == ["help", "status", "help"])
    end()
    subprocess.run(["xdotool", "key", "F1"], check=True)
    again = LinuxDesktop().watch_hot_keys({"F1": lambda: pressed.append("again")})
    subprocess.run(["xdotool", "key", "F1"], check=True)
    until(lambda: pressed[-1] == "again")
    assert pressed == ["help", "status", "help", "again"]
    again()


@posix_only
def test_the_picture_of_a_real_screen_is_a_png_of_its_size(display):
    picture = LinuxDesktop().picture()
    assert size_of(picture) == (1366, 768)


@posix_only
def test_the_screen_is_kept_awake_and_let_go_and_windows_are_looked_for(display):
    desktop = LinuxDesktop()
    desktop.keep_awake(True)
    desktop.keep_awake(True)
    desktop.keep_awake(False)
    desktop.bring_forward(os.getpid())


@posix_only
def test_without_a_screen_every_act_says_so(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("XDG_SESSION_ID", raising=False)
    desktop = LinuxDesktop()
    for act in (desktop.picture, lambda: desktop.watch_hot_keys({}), lambda: desktop.keep_awake(True), desktop.log_out):
        with pytest.raises(AgentError) as refusal:
            act()
        assert refusal.value.code == "no_screen"


def size_of(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", png[16:24])


def pixels_of(png):
    length = struct.unpack(">I", png[33:37])[0]
    return zlib.decompress(png[41 : 41 + length])


def test_a_png_has_the_colours_in_their_order_and_is_halved_until_it_fits():
    blue, red = b"\xff\0\0\0", b"\0\0\xff\0"
    png = write_png(2, 1, blue + red, line_bytes=8, largest=1000)
    assert pixels_of(png) == b"\0" + b"\0\0\xff" + b"\xff\0\0"
    noise = os.urandom(64 * 64 * 4)
    small = write_png(64, 64, noise, line_bytes=256, largest=2000)
    assert len(small) <= 2000
    assert size_of(small) == (16, 16)


class WindowsCalls:
    """Stands in for the calls of Windows; keys arrive as a test presses them."""

    def __init__(self):
        self.done = []
        self.taken = {}
        self.fails = False
        self.pressed = threading.Semaphore(0)
        self.queue = []

    def enter_input_desktop(self):
        self.done.append("enter")

    def register_hot_key(self, number, modifiers, key):
        self.taken[number] = (modifiers, key)
        return True

    def unregister_hot_key(self, number):
        del self.taken[number]

    def wait_for_hot_key(self):
        self.pressed.acquire()
        return self.queue.pop(0)

    def press(self, number):
        self.queue.append(number)
        self.pressed.release()

    def thread_number(self):
        return 7

    def wake(self, thread):
        assert thread == 7
        self.press(None)

    def screen_pixels(self):
        if self.fails:
            raise OSError("access is denied")
        return 2, 2, bytes(16)

    def set_execution_state(self, flags):
        self.done.append(flags)
        return True

    def foreground(self, pid):
        self.done.append(("foreground", pid))
        return True

    def run(self, *command):
        self.done.append(command)
        if self.fails == "gone":
            raise OSError("not found")
        return 5 if self.fails else 0

    def volatile_id(self):
        return "since-this-start"


def test_windows_hot_keys_are_registered_without_repeat_and_given_back():
    calls, pressed = WindowsCalls(), []
    end = WindowsDesktop(calls).watch_hot_keys({"F1": lambda: pressed.append(1), "Ctrl+Alt+Shift+U": pressed.clear})
    assert calls.taken == {0: (0x4000, 0x70), 1: (0x4007, ord("U"))}
    calls.press(0)
    until(lambda: pressed == [1])
    end()
    assert calls.taken == {}
    assert hot_key_code("Ctrl+Alt+H") == (3, ord("H"))
    assert hot_key_code("F12") == (0, 0x7B)


def test_windows_pictures_are_of_the_desktop_that_is_shown():
    calls = WindowsCalls()
    assert size_of(WindowsDesktop(calls).picture()) == (2, 2)
    assert calls.done == ["enter"]
    calls.fails = True
    with pytest.raises(AgentError) as refusal:
        WindowsDesktop(calls).picture()
    assert refusal.value.code == "desktop_refused"


def test_windows_stays_awake_until_it_is_told_otherwise():
    calls = WindowsCalls()
    desktop = WindowsDesktop(calls)
    desktop.keep_awake(True)
    desktop.keep_awake(True)
    until(lambda: calls.done == [0x80000003])
    desktop.keep_awake(False)
    until(lambda: calls.done == [0x80000003, 0x80000000])


def test_windows_is_shut_down_and_logged_out_by_its_own_program_and_a_refusal_is_told():
    calls = WindowsCalls()
    desktop = WindowsDesktop(calls)
    desktop.shut_down()
    desktop.log_out()
    desktop.bring_forward(42)
    assert calls.done[0] == (system_program("shutdown.exe"), "/s", "/f", "/t", "0")
    assert calls.done[1][:2] == (system_program("shutdown.exe"), "/l")
    for calls.fails in (True, "gone"):
        with pytest.raises(AgentError) as refusal:
            desktop.shut_down()
        assert refusal.value.code == "desktop_refused"


@posix_only
def test_there_are_no_calls_of_windows_elsewhere():
    with pytest.raises(AgentError):
        system_calls()
    assert read_machine_value(*MACHINE_GUID) == ""


def test_windows_tells_which_pc_it_is_by_registry_and_network_card():
    values = {MACHINE_GUID: "guid", (BIOS, "SystemManufacturer"): "LENOVO", (BIOS, "SystemProductName"): "M710t"}
    machine = WindowsMachine(values=lambda key, name: values.get((key, name), ""), calls=WindowsCalls)
    one = machine.identity()
    assert (one.maker, one.model) == ("LENOVO", "M710t")
    assert len(one.machine_id) == 32
    assert one == machine.identity()
    values[MACHINE_GUID] = "another"
    assert machine.identity().machine_id != one.machine_id
    assert machine.boot_id() == "since-this-start"
    assert all(drive.exists() for drive in machine.work_drives())


def test_windows_starts_its_installer_apart_from_the_service(tmp_path):
    calls = WindowsCalls()
    WindowsMachine(calls=lambda: calls).install(tmp_path / "exam-agent-0.2.0.exe")
    assert calls.done == [(system_program("cmd.exe"), "/c", "start", "", str(tmp_path / "exam-agent-0.2.0.exe"), "/S")]
    for calls.fails in (True, "gone"):
        with pytest.raises(AgentError) as refusal:
            WindowsMachine(calls=lambda: calls).install(tmp_path / "x.exe")
        assert refusal.value.code == "installer_not_started"


@posix_only
def test_linux_tells_which_pc_it_is_by_firmware_and_built_in_card(tmp_path):
    for name, text in {
        "etc/machine-id": "abc", "etc/os-release": 'NAME=x\nPRETTY_NAME="Debian 12"\n',
        "proc/cpuinfo": "model name : i5\n", "sys/class/dmi/id/product_uuid": "1234",
        "sys/class/dmi/id/sys_vendor": "HP", "sys/class/dmi/id/product_name": "400",
        "sys/class/net/eth0/address": "00:1b:21:aa:bb:cc", "sys/class/net/usb0/address": "00:00:00:00:00:01",
        "devices/pci/x": "", "devices/usb1/x": "", "sys/class/net/lo/address": "00:00:00:00:00:00",
        "proc/sys/kernel/random/boot_id": "boot\n",
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "sys/class/net/eth0/device").symlink_to(tmp_path / "devices/pci")
    (tmp_path / "sys/class/net/usb0/device").symlink_to(tmp_path / "devices/usb1")
    machine = LinuxMachine(tmp_path)
    one = machine.identity()
    assert list(one.macs) == ["00:1b:21:aa:bb:cc", "00:00:00:00:00:01"]
    assert (one.maker, one.model, one.cpu, one.system) == ("HP", "400", "i5", "Debian 12")
    assert machine.boot_id() == "boot"
    (tmp_path / "sys/class/dmi/id/product_uuid").write_text("5678")
    assert machine.identity().machine_id != one.machine_id, "a copy of the disk in another PC"
    assert all(os.access(str(drive), os.W_OK) for drive in LinuxMachine().work_drives())


@posix_only
def test_linux_unpacks_its_installer_and_starts_it_silent(tmp_path, monkeypatch):
    monkeypatch.setattr("client_agent.linux.machine.APART", ("setsid",))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "install.sh").write_text(f'echo "$@" > {tmp_path}/ran\n')
    archive = tmp_path / "exam-agent-0.2.0.tar.gz"
    subprocess.run(["tar", "-czf", str(archive), "-C", str(tmp_path), "made"], check=True)
    LinuxMachine().install(archive)
    until((tmp_path / "ran").exists)
    until(lambda: (tmp_path / "ran").read_text() == "--silent\n")
    archive.write_bytes(b"no archive")
    unpacked = set(tmp_path.glob("exam-agent-update-*"))
    with pytest.raises(AgentError) as refusal:
        LinuxMachine().install(archive)
    assert refusal.value.code == "installer_not_started"
    assert set(tmp_path.glob("exam-agent-update-*")) == unpacked, "a broken one leaves no folder behind"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root starts programs as somebody else")
def test_the_browser_runs_as_the_person_and_not_as_the_service():
    with tempfile.TemporaryDirectory() as folder:  # tmp_path lies in a folder that only root may enter
        os.chmod(folder, 0o755)
        profiles = Path(folder, "browsers")
        start = starter_for("nobody", profiles)
        preparer_for("nobody")(profiles / "profile")
        settings = profiles / "profile" / "Default" / "Preferences"
        assert {settings.owner(), settings.parent.owner(), settings.parent.parent.owner()} == {"nobody"}
        start(["sh", "-c", f"echo $(id -un) $HOME > {profiles}/profile/who"])
        until(lambda: (profiles / "profile" / "who").exists())
        until(lambda: (profiles / "profile" / "who").read_text() == f"nobody {os.path.expanduser('~nobody')}\n")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root starts programs as somebody else")
def test_a_link_laid_in_place_of_the_profile_gives_the_person_nothing_of_the_system(tmp_path):
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        system = Path(folder, "system")
        system.mkdir()
        profiles = Path(folder, "browsers")
        start = starter_for("nobody", profiles)
        for laid in (profiles / "profile", profiles / "profile-over"):
            laid.symlink_to(system)
        kiosk = Kiosk(
            Browser("Chromium", Path("/bin/true"), ""), profiles / "profile",
            start=start, prepare=preparer_for("nobody"),
        )  # fmt: skip
        with pytest.raises(AgentError) as refusal:
            kiosk.open("page", "http://127.0.0.1:1/")
        assert refusal.value.code == "browser_not_started"
        assert system.owner() == "root"
        assert list(system.iterdir()) == []
        kiosk.clear()
        assert system.is_dir()


@posix_only
def test_a_browser_that_cannot_be_started_is_told_and_given_a_pause(tmp_path):
    kiosk = Kiosk(Browser("Chromium", tmp_path / "missing", ""), tmp_path / "profile")
    with pytest.raises(AgentError) as refusal:
        kiosk.open("page", "http://127.0.0.1:1/")
    assert refusal.value.code == "browser_not_started"
    assert not kiosk.may_open()
