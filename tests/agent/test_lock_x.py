"""Keys, terminals, clipboard, screens and screen saver on a real X screen: held while locked, as before afterwards."""

import ctypes
import os
import subprocess

import pytest

from client_agent.errors import AgentError
from client_agent.linux.lock import operations
from client_agent.linux.lock_keyboard import Keyboard
from client_agent.linux.lock_keys import BROWSER, SWITCHING, by_code, keys_taken, modifiers_of
from client_agent.linux.lock_monitors import Monitors, SecondScreens
from client_agent.linux.lock_screen import Clipboard, ScreenSaver
from client_agent.linux.lock_terminals import Terminals
from client_agent.linux.x11 import NO_SCREEN, Screen
from tests.agent import lock_laws
from tests.agent.lock_laws import Pc, a_profile
from tests.agent.x_ground import XScreen, pressed_in_xev, until

pytestmark = [pytest.mark.skipif(os.name != "posix", reason="X11"), pytest.mark.timeout(200)]


@pytest.fixture
def screen(tmp_path, monkeypatch):
    running = XScreen(tmp_path)
    monkeypatch.setenv("DISPLAY", running.name)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    yield running
    running.close()


@pytest.fixture
def keyboard(screen):
    """Ends before the X server does: Xlib takes the whole process along when its server goes."""
    holding = Keyboard()
    yield holding
    holding.revert({})


class Typing:
    """A window that writes down every key that reaches a program."""

    def __init__(self, screen, folder):
        self.screen, self.file = screen, folder / "xev.txt"
        with open(self.file, "w") as writing:
            self.process = subprocess.Popen(
                ["stdbuf", "-oL", "xev", "-event", "keyboard"], env=screen.environment, stdout=writing
            )
        screen.others.append(self.process)
        assert until(lambda: "Event Tester" in screen.titles())
        window = screen.says("xdotool", "search", "--name", "Event Tester").split()[0]
        screen.says("xdotool", "windowactivate", "--sync", window)
        screen.press("x")
        assert until(lambda: self.seen().get("x"))

    def seen(self):
        return pressed_in_xev(self.file.read_text())

    def reached_by(self, *keys):
        """Press keys and then q; gives what reached the window but q."""
        before = self.seen()
        self.screen.press(*keys, "q")
        assert until(lambda: self.seen().get("q", 0) > before.get("q", 0)), "typing no longer works"
        now = self.seen()
        return {name for name in now if now[name] > before.get(name, 0)} - {"q"}


def test_keys_of_the_desktop_do_nothing_while_locked_and_work_again_afterwards(screen, keyboard, tmp_path):
    typing = Typing(screen, tmp_path)
    keyboard.perform(a_profile())
    assert keyboard.holds(a_profile()) is None
    taken = ["alt+F4", "super", "Print", "alt+Print", "alt+Tab", "ctrl+alt+t", "F11", "F12", "ctrl+w", "ctrl+shift+i"]
    assert typing.reached_by(*taken) <= {"Alt_L", "Control_L", "Shift_L"}
    assert typing.process.poll() is None, "Alt+F4 closed the window"
    # Modifiers are not left hanging, and what the test needs goes through.
    assert typing.reached_by("a", "F5", "F1", "Return") == {"a", "F5", "F1", "Return"}
    assert typing.reached_by("ctrl+c", "ctrl+space", "ctrl+plus") >= {"c", "space"}
    assert typing.reached_by("super+d", "b") == {"b"}, "Super and a letter type nothing"
    for _ in range(len(keys_taken(a_profile()))):
        assert keyboard.holds(a_profile()) is None
    keyboard.revert({})
    assert keyboard.holds(a_profile()) is not None
    assert typing.reached_by("F11") == {"F11"}
    screen.press("alt+F4")
    assert until(lambda: typing.process.poll() is not None), "Alt+F4 closes a window again"


def test_keys_stay_taken_when_the_window_manager_takes_its_own_anew(screen, keyboard, tmp_path):
    typing = Typing(screen, tmp_path)
    keyboard.perform(a_profile())
    screen.says("openbox", "--reconfigure")
    screen.says("setxkbmap", "us")
    assert until(lambda: keyboard.holds(a_profile()) is None)
    assert typing.reached_by("alt+F4", "a") == {"Alt_L", "a"}
    assert typing.process.poll() is None
    keyboard.revert({})


def test_super_and_space_still_changes_the_input_method(screen, keyboard, tmp_path):
    keyboard.perform(a_profile())
    with Screen() as method:
        code = method.x.XKeysymToKeycode(method.display, method.x.XStringToKeysym(b"space"))
        method.x.XGrabKey(method.display, code, 64, method.root, 1, 1, 1)
        method.x.XSync(method.display, 0)
        for _ in range(2):
            screen.press("super+space")
            assert until(lambda: (code, 0) in method.pressed()), "the input method is not told"
    typing = Typing(screen, tmp_path)
    assert typing.reached_by("super", "c") == {"c"}, "Super is taken as before"
    keyboard.revert({})


def test_keys_that_another_program_holds_are_told(keyboard):
    first, second = Keyboard(), keyboard
    first.perform(a_profile())
    second.perform(a_profile())
    told = second.holds(a_profile())
    assert told is not None
    assert "Super_L" in told.zh
    second.revert({})
    first.revert({})
    second.perform(a_profile())
    assert second.holds(a_profile()) is None
    second.revert({})


def test_under_wayland_the_keys_are_told_as_not_held(keyboard, monkeypatch):
    keyboard.perform(a_profile())
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert "Xorg" in keyboard.holds(a_profile()).zh
    keyboard.revert({})


def test_without_a_screen_the_keyboard_says_so(monkeypatch):
    monkeypatch.setenv("DISPLAY", ":4242")
    with pytest.raises(AgentError) as refusal:
        Keyboard().perform(a_profile())
    assert refusal.value.code == "no_screen"


def test_which_keys_are_taken_follows_the_work_and_the_candidate():
    theory = keys_taken(a_profile())
    practical = keys_taken(a_profile(programs_allowed=("gimp",)))
    assert set(BROWSER) | set(SWITCHING) < set(theory)
    assert not set(practical) & (set(BROWSER) | set(SWITCHING)), "Ctrl+S and Alt+Tab belong to the work"
    assert {"Super_L", "Print", "Ctrl+Alt+Delete", "Alt+F4"} <= set(practical)
    assert "Super_L" not in keys_taken(a_profile(accessibility=frozenset({"magnifier"})))
    assert set(theory) - set(keys_taken(a_profile(accessibility=frozenset({"sticky_keys", "large_type"})))) == set()
    never = {
        "F1",
        "F5",
        "Ctrl+c",
        "Ctrl+v",
        "Ctrl+x",
        "Ctrl+z",
        "Ctrl+space",
        "Ctrl+plus",
        "Ctrl+minus",
        "Ctrl+0",
        "Tab",
    }
    assert not never & set(theory)
    assert modifiers_of("Ctrl+Alt+Delete")[1] == [12, 14, 28, 30]
    assert by_code(["Super_L", "Alt+Super_L"], {"Super_L": 133}) == {133: {1 << 31}}
    assert by_code(["Print"], {"Print": 0}) == {}


def test_sticky_keys_stay_on_while_locked(screen, keyboard):
    with Screen() as seen:
        seen.x.XkbChangeEnabledControls.argtypes = [ctypes.c_void_p, *[ctypes.c_uint] * 3]
        seen.x.XkbChangeEnabledControls(seen.display, 0x100, STICKY_KEYS, STICKY_KEYS)
        seen.x.XSync(seen.display, 0)
    assert sticky()
    terminals = Terminals()
    was = terminals.read()
    profile = a_profile(accessibility=frozenset({"sticky_keys"}))
    terminals.perform(profile)
    keyboard.perform(profile)
    assert sticky(), "the candidate's sticky keys went off"
    keyboard.revert({})
    terminals.revert(was)
    assert sticky()


def test_the_keys_to_the_text_terminals_are_taken_from_the_map_and_come_back(screen):
    screen.says("setxkbmap", "-layout", "us,de", "-option", "terminate:ctrl_alt_bksp,grp:alt_shift_toggle")
    # Somebody gave a key another meaning, which setxkbmap does not know of.
    own = key_map(screen).replace("Scroll_Lock", "F13")
    subprocess.run(["xkbcomp", "-w0", "-", screen.name], input=own.encode(), env=screen.environment, check=True)
    before, names = key_map(screen), screen.says("setxkbmap", "-query")
    assert "Terminate_Server" in symbols_of(before)
    terminals, profile = Terminals(), a_profile()
    was = terminals.read()
    assert terminals.holds(profile) is not None
    terminals.perform(profile)
    assert terminals.holds(profile) is None
    locked = key_map(screen)
    assert "Terminate_Server" not in symbols_of(locked)
    assert f1_of(before) != f1_of(locked)
    assert "XF86Switch_VT_1" in f1_of(before)
    assert "XF86Switch_VT_1" not in f1_of(locked)
    assert "grp:alt_shift_toggle" in screen.says("setxkbmap", "-query"), "changing layouts goes on"
    # An input method that loads its layout takes the option away: it is set again.
    screen.says("setxkbmap", "-layout", "us", "-option", "")
    assert terminals.holds(profile) is not None
    terminals.perform(profile)
    assert terminals.holds(profile) is None
    for _ in range(2):
        terminals.revert(was)
        assert screen.says("setxkbmap", "-query") == names
        assert f1_of(key_map(screen)) == f1_of(before)
        assert symbols_of(key_map(screen)) == symbols_of(before)


def test_the_clipboard_is_emptied_at_lock_and_unlock_and_always_where_it_is_off(screen):
    clipboard = Clipboard()
    was = clipboard.read()
    with Screen() as somebody:
        copy_something(somebody)
        clipboard.perform(a_profile())
        assert clipboard.holds(a_profile(clipboard="off")) is None
        copy_something(somebody)
        assert clipboard.holds(a_profile()) is None, "copying within the test is allowed"
        assert clipboard.holds(a_profile(clipboard="off")) is not None
        clipboard.perform(a_profile(clipboard="off"))
        assert clipboard.holds(a_profile(clipboard="off")) is None
        copy_something(somebody)
        clipboard.revert(was)
        assert clipboard.holds(a_profile(clipboard="off")) is None
    assert not clipboard.wanted(a_profile(clipboard="open"))


def test_the_clipboard_is_emptied_when_another_program_comes_to_the_front(screen, tmp_path):
    clipboard = Clipboard()
    with Screen() as somebody:
        clipboard.perform(a_profile())
        copy_something(somebody)
        window = Typing(screen, tmp_path)
        set_pid(screen, window.process.pid)
        assert until(lambda: clipboard.holds(a_profile()) is not None)
        assert clipboard.holds(a_profile(programs_allowed=("gimp",))) is None, "work with several programs copies"
        clipboard.perform(a_profile())
        assert clipboard.holds(a_profile()) is None


def test_screens_beyond_the_allowed_number_go_off_and_come_back_with_mode_and_place(screen):
    screens = SecondScreens()
    was = screens.read()
    assert len(was["lit"]) == 1
    assert screens.holds(a_profile(screens=1)) is None
    # This X server has one screen: none allowed turns it off by the same calls as a second one.
    none = a_profile(screens=0)
    assert was["lit"][0]["name"] in screens.holds(none).zh
    screens.perform(none)
    assert screens.holds(none) is None
    with Screen() as seen, Monitors(seen) as monitors:
        assert monitors.lit() == []
    for _ in range(2):
        SecondScreens().revert(was)
        assert screens.read() == was


def test_a_screen_that_was_taken_away_is_no_failure_of_the_way_back(screen):
    screens = SecondScreens()
    was = screens.read()
    gone = {**was["lit"][0], "name": "HDMI-9"}
    other_mode = {**was["lit"][0], "mode": [123, 45, 6, 7]}
    screens.revert({**was, "lit": [gone, other_mode]})
    assert screens.read() == was


def test_the_screen_saver_is_off_while_locked_and_as_before_afterwards(screen):
    with Screen() as seen:
        seen.x.XSetScreenSaver.argtypes = [ctypes.c_void_p, *[ctypes.c_int] * 4]
        seen.x.XSetScreenSaver(seen.display, 300, 30, 1, 1)
        seen.x.XSync(seen.display, 0)
    saver = ScreenSaver()
    was = saver.read()
    assert was["saver"] == [300, 30, 1, 1]
    assert saver.holds(a_profile()) is not None
    saver.perform(a_profile())
    assert saver.read()["saver"][0] == 0
    for _ in range(2):
        ScreenSaver().revert(was)
        assert saver.read() == was
    saver.revert(was)


def test_a_server_that_is_gone_took_its_state_along(screen):
    kept = [(one, one.read()) for one in (ScreenSaver(), Clipboard(), SecondScreens(), Terminals())]
    # Gone for good, without a screen at all, and started anew under the same name after a restart of the PC: then a
    # service that has no permission on that screen must not go on failing.
    for gone in ({"display": ":4242"}, {"display": ""}, {"server": "another boot 12 34"}):
        for operation, was in kept:
            operation.revert({**was, **gone})


def test_a_server_that_is_there_but_cannot_be_reached_is_tried_again_later(screen, monkeypatch):
    saver = ScreenSaver()
    was = saver.read()
    monkeypatch.setattr(Screen, "__init__", _no_permission)
    with pytest.raises(AgentError) as refusal:
        saver.revert(was)
    assert refusal.value.code == "no_screen"


def _no_permission(_screen, name=""):
    raise AgentError(NO_SCREEN, reason=name)


@pytest.mark.parametrize("law", lock_laws.ALL, ids=lambda law: law.__name__)
def test_law_for_the_operations_of_the_screen(law, screen, tmp_path):
    """Whatever fails or dies: saver, screens, keyboard map and keys are as before on a real X screen."""

    def of_the_screen():
        kept = (SecondScreens, ScreenSaver, Terminals, Clipboard)
        return [one for one in operations(tmp_path) if isinstance(one, kept)]

    def snapshot():
        with Screen() as seen, Monitors(seen) as monitors:
            lit = monitors.lit()
        return lit, ScreenSaver().read()["saver"], screen.says("setxkbmap", "-query"), f1_of(key_map(screen))

    law(Pc(of_the_screen, snapshot, a_profile(screens=0), tmp_path / "undo.json"))


def copy_something(screen):
    """Own the clipboard, as a program does in which Ctrl+C was pressed."""
    x, number = screen.x, ctypes.c_ulong
    x.XCreateSimpleWindow.restype = number
    x.XCreateSimpleWindow.argtypes = [
        ctypes.c_void_p,
        number,
        *[ctypes.c_int] * 2,
        *[ctypes.c_uint] * 3,
        number,
        number,
    ]
    window = x.XCreateSimpleWindow(screen.display, screen.root, 0, 0, 1, 1, 0, 0, 0)
    x.XSetSelectionOwner.argtypes = [ctypes.c_void_p, *[number] * 3]
    x.XSetSelectionOwner(screen.display, x.XInternAtom(screen.display, b"CLIPBOARD", 0), window, 0)
    x.XSync(screen.display, 0)


def set_pid(screen, pid):
    """xev does not say whose its window is; every larger program does."""
    window = screen.says("xdotool", "search", "--name", "Event Tester").split()[0]
    screen.says("xprop", "-id", window, "-f", "_NET_WM_PID", "32c", "-set", "_NET_WM_PID", str(pid))


def key_map(screen):
    return screen.says("xkbcomp", "-w0", screen.name, "-")


def symbols_of(text):
    """Give the part of a map that says what keys mean, without its own name."""
    return text[text.index("xkb_symbols") :].split("\n", 1)[1]


def f1_of(text):
    """Give what the key F1 does on every level."""
    symbols = symbols_of(text)
    start = symbols.index("key <FK01>")
    return symbols[start : symbols.index("};", start)]


STICKY_KEYS = 8


def sticky():
    """Ask the X server whether sticky keys are on."""
    with Screen() as seen:
        x = seen.x
        x.XkbGetMap.restype, x.XkbGetMap.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint]
        x.XkbGetControls.argtypes = [ctypes.c_void_p, ctypes.c_ulong, ctypes.c_void_p]
        described = x.XkbGetMap(seen.display, 0, 0x100)
        assert x.XkbGetControls(seen.display, 0xFFFFFFFF, described) == 0
        # XKBstr.h: the display, two shorts and two key codes stand before XkbDescRec.ctrls, 12 bytes before
        # XkbControlsRec.enabled_ctrls.
        controls = ctypes.cast(described + 16, ctypes.POINTER(ctypes.c_void_p))[0]
        return bool(ctypes.cast(controls + 12, ctypes.POINTER(ctypes.c_uint))[0] & STICKY_KEYS)
