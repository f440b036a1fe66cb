"""The programs of a practical item: opened from the page on a real locked screen, and nothing else is."""

import os
import shutil
import threading

import pytest

from client_agent.errors import AgentError
from client_agent.hot_keys import PAGE_KEY, PROGRAM_KEY
from client_agent.kiosk import start_process
from client_agent.linux.desktop import LinuxDesktop
from client_agent.linux.lock_keyboard import Keyboard
from client_agent.linux.lock_programs import Programs as ProgramsLocked
from client_agent.linux.machine import LinuxMachine
from client_agent.linux.x11 import NO_SCREEN
from client_agent.lockdown.sequence import Lockdown
from client_agent.lockdown.undo import UndoFile
from client_agent.machine import Browser
from client_agent.orders import Orders
from client_agent.programs import Programs
from client_agent.windows.desktop import WindowsDesktop
from client_agent.windows.lock_kiosk import KIOSK_DESKTOP, desktop_for_programs
from client_agent.windows.lock_programs import Programs as WindowsPrograms
from client_agent.windows.machine import APP_PATHS, WindowsMachine
from tests.agent.desk import until
from tests.agent.lock_laws import a_profile
from tests.agent.paired_station import LOCK
from tests.agent.test_desktop import WindowsCalls
from tests.agent.windows_fake import FakeWindows
from tests.agent.x_ground import XScreen, skip_unless_installed

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="stand-in programs are files of Linux")]
WORK = {"attempt_id": 17, "state": "answering", "refresh": 0}
POSTER = "01_海报/海报.psd"
# Programs are found by their name all over the PC: the same tests may run beside these.
PROGRAM = f"poster{os.getpid()}"


class WorkStandIn:
    """A work folder as far as programs ask for it."""

    def __init__(self, folder):
        self.folder = folder
        self.is_taken = False
        self.is_there = True

    def find(self, path):
        found = self.folder / path
        return found if found.is_file() else None

    def programs_of(self, item_id):
        return [PROGRAM.title()] if item_id == "p1" else []

    def has_last_state(self, _attempt_id):
        return self.is_taken

    def start(self):
        pass

    def follow(self, _work):
        pass

    def state(self):
        return None

    def problems(self):
        return []

    path = None

    def stop(self):
        pass


def orders(lock=None, work=WORK):
    return Orders(version="1", raw={}, lock=lock, work=work)


def a_wish(program=PROGRAM, file="", **more):
    return {"attempt_id": 17, "item_id": "p1", "program": program, "file": file, **more}


@pytest.fixture
def work(tmp_path):
    (tmp_path / "work" / "01_海报").mkdir(parents=True)
    (tmp_path / "work" / POSTER).write_bytes(b"8BPS")
    return WorkStandIn(tmp_path / "work")


def code_of(act):
    with pytest.raises(AgentError) as refusal:
        act()
    return refusal.value.code


def test_only_what_the_item_names_is_opened_and_only_while_its_candidate_answers(desk, work):
    started = []

    def start(command):
        started.append(command)
        raise OSError("it is broken")

    programs = Programs(desk, start)
    locked = orders({**LOCK, "programs_allowed": [PROGRAM]})
    for wish, here in (
        (a_wish("sh"), locked),
        (a_wish("/bin/sh"), locked),
        (a_wish(""), locked),
        (a_wish(attempt_id=18), locked),
        (a_wish(), None),
        (a_wish(), orders({**LOCK, "programs_allowed": [PROGRAM]}, None)),
        (a_wish(), orders({**LOCK, "programs_allowed": [PROGRAM]}, {**WORK, "state": "handed_in"})),
        (a_wish(), orders({**LOCK, "programs_allowed": [PROGRAM]}, {**WORK, "state": "suspended"})),
        (a_wish(item_id="p2"), orders()),
    ):
        assert code_of(lambda wish=wish, here=here: programs.open(wish, here, work)) == "program_not_allowed"
    assert code_of(lambda: programs.open(a_wish(file="../secret.txt"), locked, work)) == "file_not_in_folder"
    assert code_of(lambda: programs.open(a_wish(), locked, work)) == "program_not_found"
    desk.programs[PROGRAM] = desk.folder / PROGRAM
    assert code_of(lambda: programs.open(a_wish(PROGRAM.title()), orders(), work)) == "program_not_started"
    assert started == [[str(desk.folder / PROGRAM)]], "on a free PC the item's own list counts"


def test_a_program_that_ends_at_once_is_told(desk, work):
    broken = desk.folder / PROGRAM
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    desk.programs[PROGRAM] = broken
    desk.notes.shows = False
    programs = Programs(desk, start_process)
    assert code_of(lambda: programs.open(a_wish(), orders(), work)) == "program_not_started"


def test_what_is_not_installed_is_told_by_name(paired, desk, work):
    paired.lock = {**LOCK, "programs_allowed": [PROGRAM]}
    paired.more = {"work": WORK}
    desk.agent(paired.address, work=lambda _link, _boot: work)
    until(lambda: desk.is_locked)
    paired.commands = [{"id": 1, "kind": "open", "arguments": a_wish()}]
    until(lambda: paired.done.get(1))
    assert paired.done[1]["ok"] is False
    assert f"没有安装“{PROGRAM}”" in paired.done[1]["text"]


def test_the_keys_between_page_and_programs_are_there_where_programs_are(paired, desk, work):
    paired.lock = LOCK
    agent = desk.agent(paired.address, work=lambda _link, _boot: work)
    until(lambda: desk.is_locked and "F1" in desk.notes.keys)
    assert PAGE_KEY not in desk.notes.keys
    paired.lock = {**LOCK, "programs_allowed": [PROGRAM]}
    until(lambda: PAGE_KEY in desk.notes.keys and PROGRAM_KEY in desk.notes.keys and agent.screen.is_page_open)
    desk.notes.keys[PAGE_KEY]()
    assert desk.notes.forward == [agent.screen._main.pid]
    desk.notes.keys[PROGRAM_KEY]()
    assert len(desk.notes.forward) == 1, "nothing is open yet"

    def no_screen(_pid):
        raise AgentError(NO_SCREEN, reason="DISPLAY")

    desk.notes.bring_forward = no_screen
    desk.notes.keys[PAGE_KEY]()  # nothing comes of it, and the keys go on being watched


# On a real screen


class Room:
    """A real screen with a real lock on it, a real browser full screen, and two programs with a window."""

    def __init__(self, folder, desk, monkeypatch):
        self.screen = XScreen(folder)
        monkeypatch.setenv("DISPLAY", self.screen.name)
        monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
        self.desk, self.folder = desk, folder
        for name in (PROGRAM, "games"):
            shutil.copy(shutil.which("xmessage"), str(folder / name))
        browser = folder / "kiosk"
        browser.write_text(
            "#!/bin/sh\nexec /usr/bin/chromium --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage "
            '--disable-background-networking "$@"\n'
        )
        browser.chmod(0o755)
        desk.browsers = [Browser("Chromium", browser, "109.0")]
        desk.programs[PROGRAM] = folder / PROGRAM
        desk.desktop = LinuxDesktop
        desk.lockdown = self.lockdown
        self.is_over = threading.Event()
        self.marking = threading.Thread(target=self._mark)
        self.marking.start()

    def lockdown(self):
        return Lockdown([ProgramsLocked(), Keyboard()], UndoFile(self.desk.store.folder / "undo.json"))

    def _mark(self):
        """Say whose each window is, as programs of today do; xmessage is too old for that."""
        while not self.is_over.wait(0.2):
            for name in (PROGRAM, "games"):
                windows = self.screen.says("xdotool", "search", "--onlyvisible", "--classname", f"^{name}$").split()
                for window, pid in ((window, pid) for window in windows for pid in self.pids(name)):
                    self.screen.says("xprop", "-id", window, "-f", "_NET_WM_PID", "32c", "-set", "_NET_WM_PID", pid)

    def pids(self, name=PROGRAM):
        found = []
        for entry in os.listdir("/proc"):
            try:
                if os.readlink(f"/proc/{entry}/exe") == str(self.folder / name):
                    found.append(entry)
            except OSError:
                continue
        return found

    def in_front(self):
        """Name the window that has the keyboard: poster, chromium …"""
        window = self.screen.says("xdotool", "getactivewindow").strip()
        return self.screen.says("xprop", "-id", window, "WM_CLASS").lower() if window else ""

    def close(self):
        self.desk.end()
        self.is_over.set()
        self.marking.join()
        self.screen.close()


@pytest.fixture
def room(tmp_path, desk, monkeypatch):
    skip_unless_installed("chromium", "xmessage")
    made = Room(tmp_path, desk, monkeypatch)
    yield made
    made.close()


@pytest.mark.timeout(240)
def test_a_locked_pc_opens_the_program_of_the_item_with_its_file_and_ends_it_after_the_last_state(
    room, paired, desk, work
):
    paired.lock = {**LOCK, "programs_allowed": [PROGRAM]}
    paired.more = {"work": WORK}
    agent = desk.agent(paired.address, work=lambda _link, _boot: work)
    until(lambda: agent.is_locked and "chromium" in room.in_front(), within_s=60, what="the page is full screen")
    paired.commands = [{"id": 1, "kind": "open", "arguments": a_wish(file=POSTER)}]
    until(lambda: paired.done.get(1), within_s=40)
    assert paired.done[1] == {"command_id": 1, "ok": True, "text": ""}
    until(lambda: "poster" in room.in_front(), what="its window is before the page")
    (pid,) = room.pids()
    with open(f"/proc/{pid}/cmdline", "rb") as words:
        assert words.read().split(b"\0")[1].decode() == str(work.folder / POSTER)
    # There and back, by the keys alone.
    room.screen.press("ctrl+alt+1")
    until(lambda: "chromium" in room.in_front(), what="Ctrl+Alt+1 shows the page")
    room.screen.press("ctrl+alt+2")
    until(lambda: "poster" in room.in_front(), what="Ctrl+Alt+2 shows the program")
    # Asked again it is brought forward, and not opened twice.
    room.screen.press("ctrl+alt+1")
    until(lambda: "chromium" in room.in_front())
    paired.commands = [{"id": 2, "kind": "open", "arguments": a_wish()}]
    until(lambda: paired.done.get(2))
    until(lambda: "poster" in room.in_front())
    assert room.pids() == [pid]
    # What the item does not name is refused, and ended if it comes by another way.
    paired.commands = [{"id": 3, "kind": "open", "arguments": a_wish("games")}]
    until(lambda: paired.done.get(3))
    assert paired.done[3]["ok"] is False
    game = room.screen.start(str(room.folder / "games"), "a game")
    assert until(lambda: game.poll() is not None, within_s=40), "another program's window stays"
    assert room.pids() == [pid]
    # After the hand-in the last state of the folder is taken first.
    paired.more = {"work": {**WORK, "state": "handed_in"}}
    until(lambda: agent.orders.work["state"] == "handed_in")
    seen = len(paired.beats)
    until(lambda: len(paired.beats) > seen + 2)
    assert room.pids() == [pid], "it goes on while the last state is taken"
    work.is_taken = True
    until(lambda: not room.pids(), what="then it is ended")
    until(lambda: "chromium" in room.in_front())


@pytest.mark.timeout(120)
def test_without_a_last_state_programs_are_ended_after_a_while(desk, work, monkeypatch):
    monkeypatch.setattr("client_agent.programs.LAST_STATE_HAS_S", 0.2)
    program = desk.folder / PROGRAM
    shutil.copy("/bin/sleep", str(program))
    desk.programs[PROGRAM] = program
    (work.folder / "1000").write_bytes(b"")
    programs = Programs(desk, lambda command: start_process([command[0], "1000"]), shows_within_s=0.0)
    assert programs.open(a_wish(file="1000"), orders(), work) == ""
    (process,) = programs._opened.started
    for state in ("answering", "suspended"):
        programs.end_if_over({**WORK, "state": state}, work.has_last_state)
        assert process.is_running()

    def is_ended():
        programs.end_if_over({**WORK, "state": "collected"}, work.has_last_state)
        return not programs._opened.started

    until(is_ended)
    assert not process.is_running()


def test_linux_finds_programs_by_name_only(tmp_path, monkeypatch):
    machine = LinuxMachine(tmp_path)
    assert machine.find_program("sh").name == "sh"
    assert machine.find_program("/bin/sh") is None
    assert machine.find_program("../bin/sh") is None
    assert machine.find_program("") is None
    assert machine.find_program("no-such-program") is None


# Over the model of Windows


def test_windows_finds_programs_where_the_machine_and_not_the_person_registered_them(tmp_path):
    photoshop = tmp_path / "Photoshop.exe"
    photoshop.write_bytes(b"MZ")
    values = {(f"{APP_PATHS}\\photoshop.exe", ""): f'"{photoshop}"'}
    machine = WindowsMachine(
        registry=lambda _key: str(tmp_path / "planted.exe"),
        values=lambda key, name: values.get((key, name), ""),
        calls=WindowsCalls,
    )
    assert machine.find_program("photoshop.exe") == photoshop
    assert machine.find_program("planted.exe") is None
    assert machine.find_program("..\\photoshop.exe") is None
    photoshop.unlink()
    assert machine.find_program("photoshop.exe") is None


def test_windows_starts_programs_as_the_person_on_the_test_desktop_and_the_lock_lets_them_be(tmp_path):
    windows = FakeWindows(tmp_path / "pc.json", version=(6, 1, 7601))
    windows.create_desktop(KIOSK_DESKTOP)
    windows.show_desktop(KIOSK_DESKTOP)
    profile = a_profile(programs_allowed=("photoshop.exe",))
    locked = WindowsPrograms(windows)
    locked.perform(profile)
    program = r"C:\Program Files\Adobe\Photoshop.exe"
    started = windows.start_as_person([program, r"D:\exam-work\实操_12_张三\海报.psd"], desktop_for_programs(windows))
    assert started.pid in windows.processes_on(KIOSK_DESKTOP)
    locked.perform(profile)
    assert locked.holds(profile) is None
    assert started.poll() is None


def test_windows_looks_for_windows_on_the_desktop_that_is_shown():
    calls = WindowsCalls()
    assert WindowsDesktop(calls).bring_forward(42) is True
    assert calls.done == ["enter", ("foreground", 42)]
