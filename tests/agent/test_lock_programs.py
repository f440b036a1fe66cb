"""Programs and drives while locked: real processes with real windows, real files, a real mount."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from client_agent.errors import AgentError
from client_agent.linux.lock_drives import MODPROBE, UDEV, RemovableDrives, SystemKeys
from client_agent.linux.lock_programs import NAMES, NEVER_ENDED, Programs, aids_of
from client_agent.linux.processes import Watched, matches, name_of, read_process
from client_agent.lockdown.operation import describe_failure
from tests.agent import lock_laws
from tests.agent.lock_laws import Pc, a_profile
from tests.agent.x_ground import XScreen, skip_unless_installed, until

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="Linux"), pytest.mark.timeout(120)]

# Programs are ended by their name all over the PC: the same tests may run beside these.
QQ, TEAMVIEWER = f"pretend-qq{os.getpid()}", f"pretend-teamviewer{os.getpid()}"


@pytest.fixture
def started():
    processes = []

    def start(*command, **named):
        processes.append(subprocess.Popen(command, **named))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def program(folder, name):
    """A program of that name: a real file that runs."""
    path = folder / name
    shutil.copy("/bin/sleep", str(path))
    return str(path)


def ended(process):
    return until(lambda: process.poll() is not None)


def test_what_the_orders_forbid_is_ended_wherever_it_runs_and_told_by_name(tmp_path, started, monkeypatch):
    monkeypatch.setenv("DISPLAY", "")
    forbidden = started(program(tmp_path, QQ.title()), "1000")
    script = tmp_path / TEAMVIEWER
    script.write_text("#!/bin/sh\nwhile :; do sleep 1000; done\n")
    script.chmod(0o755)
    as_a_script = started(str(script))
    innocent = started(program(tmp_path, "notes"), "1000")
    programs, profile = Programs(), a_profile(programs_forbidden=(QQ, TEAMVIEWER))
    assert until(lambda: QQ in (programs.holds(profile) or describe_failure(programs, "")).zh)
    programs.perform(profile)
    assert ended(forbidden)
    assert ended(as_a_script)
    assert until(lambda: programs.holds(profile) is None)
    assert innocent.poll() is None
    programs.revert(programs.read())


def test_a_program_that_does_not_listen_is_made_to_end(tmp_path, started, monkeypatch):
    monkeypatch.setenv("DISPLAY", "")
    monkeypatch.setattr("client_agent.linux.lock_programs.PATIENCE_S", 0.2)
    deaf = tmp_path / QQ
    deaf.write_text(f"#!{sys.executable}\nimport signal, time\nsignal.signal(15, signal.SIG_IGN)\n"
                    "print('deaf', flush=True)\ntime.sleep(1000)\n")  # fmt: skip
    deaf.chmod(0o755)
    process = started(str(deaf), stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"deaf\n"
    programs, profile = Programs(), a_profile(programs_forbidden=(QQ,))
    programs.perform(profile)
    assert process.poll() is None
    assert until(lambda: programs.perform(profile) is None and process.poll() is not None)
    assert process.returncode == -9
    process.stdout.close()


def test_the_system_the_agent_and_its_browser_are_never_ended(tmp_path, started, monkeypatch):
    monkeypatch.setenv("DISPLAY", "")
    of_the_desktop = started(program(tmp_path, "openbox"), "1000")
    browser = started(program(tmp_path, "chrome"), "1000")
    me = read_process(os.getpid())
    everything = (me.program, "openbox", "chrome", "systemd*", *me.names)
    # Only asked and not performed: other processes of these names are none of this test's business.
    pids = {one.pid for one in Programs()._find(a_profile(programs_forbidden=everything))}
    assert not pids & {1, os.getpid(), os.getppid(), of_the_desktop.pid, browser.pid}
    told = {one.pid for one in Programs()._find(a_profile(programs_forbidden=("chrome",), programs_allowed=("sleep",)))}
    assert browser.pid not in told, "the agent started it"


def test_the_page_that_an_agent_left_open_when_it_was_killed_is_no_other_program(tmp_path, monkeypatch):
    screen = XScreen(tmp_path)
    try:
        monkeypatch.setenv("DISPLAY", screen.name)
        browser = tmp_path / "chromium"
        shutil.copy(shutil.which("xev"), str(browser))
        # Started by somebody who has ended, as a killed agent has; xev has the switch for its own name.
        left = f"exec -a --user-data-dir={tmp_path}/profiles/profile {browser} > {tmp_path}/xev.txt & echo $!"
        told = screen.says("bash", "-c", left)
        assert until(lambda: "Event Tester" in screen.titles())
        number = screen.says("xdotool", "search", "--name", "Event Tester").split()[0]
        screen.says("xprop", "-id", number, "-f", "_NET_WM_PID", "32c", "-set", "_NET_WM_PID", told.strip())
        programs = Programs()
        assert until(lambda: "chromium" in (programs.holds(a_profile()) or describe_failure(programs, "")).zh)
        elsewhere = a_profile(browser_folder=tmp_path / "others")
        assert "chromium" in programs.holds(elsewhere).zh, "a browser that somebody started for themselves"
        assert programs.holds(a_profile(browser_folder=tmp_path / "profiles")) is None
    finally:
        screen.close()


def test_windows_of_other_programs_are_closed_but_for_those_that_the_work_or_the_candidate_needs(
    tmp_path, started, monkeypatch
):
    screen = XScreen(tmp_path)
    try:
        monkeypatch.setenv("DISPLAY", screen.name)
        games = tmp_path / "games"
        shutil.copy(shutil.which("xev"), str(games))
        window = screen.start(str(games))
        assert until(lambda: "Event Tester" in screen.titles())
        number = screen.says("xdotool", "search", "--name", "Event Tester").split()[0]
        screen.says("xprop", "-id", number, "-f", "_NET_WM_PID", "32c", "-set", "_NET_WM_PID", str(window.pid))
        programs = Programs()
        assert until(lambda: programs.holds(a_profile()) is not None)
        for allowing in (
            {"programs_allowed": ("games",)},
            {"programs_allowed": ("gam*",)},
        ):
            assert programs.holds(a_profile(**allowing)) is None
        told = programs.holds(a_profile())
        assert told.code == "forbidden_program"
        assert "games" in told.zh
        programs.perform(a_profile())
        assert ended(window)
        assert until(lambda: programs.holds(a_profile()) is None)
        assert screen.server.poll() is None
    finally:
        screen.close()


def test_accessibility_profiles_allow_their_aids():
    assert aids_of(a_profile()) == []
    aids = aids_of(a_profile(accessibility=frozenset({"screen_reader", "magnifier", "unheard_of"})))
    assert matches("orca", aids)
    assert matches("kmag", aids)
    assert not matches("onboard", aids)
    assert a_profile(accessibility=frozenset({"unheard_of"})).unknown_accessibility == ("unheard_of",)
    assert {name for names in NAMES["accessibility"].values() for name in names}.isdisjoint(NEVER_ENDED)
    assert all(name == name.lower() for name in NEVER_ENDED)


def test_names_of_programs_of_linux_and_wine():
    assert name_of("/usr/bin/GIMP-2.10") == "gimp-2.10"
    assert name_of(r"C:\Program Files\Adobe\Photoshop.exe") == "photoshop.exe"
    assert matches("gimp-2.10", ("gimp*",))
    assert not matches("notgimp", ("gimp*", "gim"))


def test_processes_are_read_anew_when_they_call_themselves_otherwise(tmp_path):
    def process(pid, comm, *words):
        folder = tmp_path / str(pid)
        folder.mkdir(exist_ok=True)
        (folder / "comm").write_text(comm + "\n")
        (folder / "stat").write_text(f"{pid} ({comm}) S 1 1 1")
        (folder / "cmdline").write_bytes(b"\0".join(word.encode() for word in words) + b"\0")

    process(7, "sh ) (x", "sh")
    process(8, "wine64-preload", r"C:\games\Game.EXE", "/x")
    process(9, "kthreadd")
    (tmp_path / "self").mkdir()
    watched = Watched(tmp_path)
    found = {one.pid: one for one in watched.look()}
    assert set(found) == {7, 8}
    assert found[7].parent == 1
    assert "game.exe" in found[8].names
    process(7, "qq", "/opt/qq")
    assert {"qq"} <= {one.pid: one for one in watched.look()}[7].names
    # The same name, another program: seen at the latest some looks later.
    process(7, "qq", "/opt/other")
    seen = [{one.pid: one for one in watched.look()}[7].program for _ in range(Watched.WHOLE_EVERY)]
    assert "other" in seen
    shutil.rmtree(str(tmp_path / "7"))
    assert {one.pid for one in watched.look()} == {8}


class Drives:
    """System files in a folder: one fixed drive with this system, one stick with two parts, one card, one disc."""

    def __init__(self, folder):
        self.root = folder / "system"
        self.mounts = folder / "mounts"
        (self.root / "sys" / "class" / "block").mkdir(parents=True)
        self.drive("sda", "pci0/ata1/block", parts=("sda1",))
        self.drive("sdb", "pci0/usb1/1-1/block", parts=("sdb1", "sdb2"))
        self.drive("mmcblk0", "pci0/mmc/block", kind="SD", parts=("mmcblk0p1",))
        self.drive("sr0", "pci0/ata2/block", removable="1")
        self.mounted("/dev/sda1 / ext4 rw 0 0")

    def drive(self, name, place, *, removable="0", kind="", parts=()):
        folder = self.root / "sys" / "devices" / place / name
        (folder / "device").mkdir(parents=True)
        (folder / "removable").write_text(removable + "\n")
        if kind:
            (folder / "device" / "type").write_text(kind + "\n")
        for part in parts:
            (folder / part).mkdir()
            (folder / part / "partition").write_text("1\n")
        for one, target in [(name, folder), *((part, folder / part) for part in parts)]:
            (self.root / "sys" / "class" / "block" / one).symlink_to(target)

    def mounted(self, *lines):
        self.mounts.write_text("".join(f"{line}\n" for line in lines))

    def operation(self):
        return RemovableDrives(self.root, mounts=self.mounts)


@pytest.mark.parametrize("law", lock_laws.ALL, ids=lambda law: law.__name__)
def test_law_for_the_files_of_the_drives(law, tmp_path):
    drives = Drives(tmp_path)

    def snapshot():
        return {str(path): path.read_bytes() if path.is_file() else None for path in drives.root.rglob("*")}

    law(Pc(lambda: [drives.operation()], snapshot, a_profile(), tmp_path / "undo.json"))


def test_what_can_be_taken_out_is_known_by_bus_slot_or_flag_and_the_system_is_left_alone(tmp_path):
    drives = Drives(tmp_path)
    drives.mounted(
        "/dev/sda1 / ext4 rw 0 0", "/dev/sdb1 /media/学生/U\\040盘 vfat rw,nosuid 0 0",
        "/dev/mmcblk0p1 /media/card vfat rw 0 0", "/dev/sr0 /media/disc iso9660 ro 0 0",
        "tmpfs /tmp tmpfs rw 0 0", "/dev/sdz1 /x ext4 rw 0 0",
    )  # fmt: skip
    found = drives.operation().read()["mounted"]
    assert [(one["device"], one["at"]) for one in found] == [
        ("/dev/sdb1", "/media/学生/U 盘"),
        ("/dev/mmcblk0p1", "/media/card"),
        ("/dev/sr0", "/media/disc"),
    ]
    told = drives.operation().holds(a_profile())
    assert "U 盘" in told.zh
    # A PC that runs from a stick keeps that stick.
    drives.mounted("overlay / overlay rw 0 0", "/dev/sdb1 /run/live/medium vfat ro 0 0", "/dev/sdb2 /home vfat rw 0 0")
    assert drives.operation().read()["mounted"] == []
    assert not drives.operation().wanted(a_profile(removable_drives=True))


def test_drivers_of_sticks_and_telephones_are_kept_away_by_files_that_are_read_back(tmp_path):
    drives = Drives(tmp_path)
    operation, profile = drives.operation(), a_profile()
    assert operation.holds(profile) is not None
    operation.perform(profile)
    assert operation.holds(profile) is None
    assert "install usb-storage /bin/false" in (drives.root / MODPROBE).read_text()
    assert 'bInterfaceClass}=="08"' in (drives.root / UDEV).read_text()
    (drives.root / UDEV).unlink()
    assert UDEV in operation.holds(profile).en


def test_a_real_drive_is_unmounted_and_mounted_again_and_one_in_use_is_told(tmp_path, monkeypatch):
    skip_unless_installed("mkfs.ext4", "losetup", "mount")
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    image, at = tmp_path / "stick.img", tmp_path / "U 盘"
    image.write_bytes(bytes(4 << 20))
    at.mkdir()
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    made = subprocess.run(["losetup", "--find", "--show", str(image)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if made.returncode != 0:
        pytest.skip(f"no loop device here: {made.stderr.decode().strip()}")
    device = made.stdout.decode().strip()
    try:
        subprocess.run(["mount", "-o", "nosuid", device, str(at)], check=True)
        (at / "作品.txt").write_text("学生的文件")
        drives = Drives(tmp_path)
        drives.drive(Path(device).name, "pci0/usb9/block")
        operation = RemovableDrives(drives.root)
        before = operation.read()
        assert [one["at"] for one in before["mounted"]] == [str(at)]
        with open(str(at / "作品.txt")):
            with pytest.raises(AgentError) as refusal:
                operation.perform(a_profile())
            assert "umount" in refusal.value.sentence("zh")
            assert "U 盘" in operation.holds(a_profile()).zh
        operation.perform(a_profile())
        assert operation.holds(a_profile()) is None
        assert list(at.iterdir()) == []
        for _ in range(2):
            RemovableDrives(drives.root).revert(before)
            assert (at / "作品.txt").read_text() == "学生的文件"
        (again,) = RemovableDrives(drives.root).read()["mounted"]
        assert "nosuid" in again["options"]
        gone = {**before, "mounted": [{**before["mounted"][0], "device": "/dev/gone", "at": str(tmp_path / "other")}]}
        operation.revert(gone)
        assert not (tmp_path / "other").exists()
    finally:
        subprocess.run(["umount", str(at)], check=False)
        subprocess.run(["losetup", "-d", device], check=False)


def test_sysrq_is_off_while_locked(tmp_path):
    switch = tmp_path / "proc" / "sys" / "kernel" / "sysrq"
    assert not SystemKeys(tmp_path).wanted(a_profile())
    switch.parent.mkdir(parents=True)
    switch.write_text("438\n")
    for law in lock_laws.ALL:
        law(Pc(lambda: [SystemKeys(tmp_path)], switch.read_text, a_profile(), tmp_path / "undo.json"))
    assert switch.read_text() == "438\n"
