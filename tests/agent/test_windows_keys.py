"""Which keys a candidate has while the PC is locked."""

from __future__ import annotations

import pytest

from client_agent.windows.api import KeyPress
from client_agent.windows.keyboard import HeldKeys
from client_agent.windows.keys import LEFT_WINDOWS, passes
from tests.agent.lock_laws import a_profile

LETTERS = {chr(code): code for code in range(ord("A"), ord("Z") + 1)}
NAMED = {
    "Backspace": 0x08, "Tab": 0x09, "Enter": 0x0D, "Esc": 0x1B, "Space": 0x20, "PageUp": 0x21, "Left": 0x25,
    "Insert": 0x2D, "PrtScn": 0x2C, "Delete": 0x2E, "Sleep": 0x5F, "Menu": 0x5D, "F1": 0x70, "F4": 0x73, "F5": 0x74,
    "F11": 0x7A, "F12": 0x7B, "Home page": 0xAC, "Mail": 0xB4, "Louder": 0xAF, ".": 0xBE, "=": 0xBB, "Shift": 0xA0,
    "Ctrl": 0xA2, "Alt": 0xA4, "1": 0x31, "Win": 0x5B, "NumLock": 0x90, "IME": 0xE5, "Kanji": 0x19, "CapsLock": 0x14,
    **LETTERS,
}  # fmt: skip


def press(written):
    *held, key = written.split("+")
    return KeyPress(
        NAMED[key], ctrl="Ctrl" in held, alt="Alt" in held, shift="Shift" in held, windows="Win" in held
    )  # fmt: skip


ALWAYS = [
    "A", "Shift+A", "1", "Space", "Enter", "Backspace", "Delete", "Left", "Tab", "Shift+Tab", "Esc", "PageUp", "Louder",
    "NumLock", "CapsLock", "IME", "Kanji", "Shift", "Ctrl", "Alt", "Ctrl+A", "Ctrl+Z", "Ctrl+Left", "F1",
    # the input methods' own
    "Ctrl+Space", "Shift+Space", "Ctrl+Shift", "Alt+Shift", "Ctrl+.", "Win+Space",
    # the agent's own: its page for the code, raising the hand where programs have F1
    "Ctrl+Alt+Shift+U", "Ctrl+Alt+H",
]  # fmt: skip
NEVER = [
    "Win", "Win+R", "Win+L", "Win+D", "Win+Tab", "Win+=", "Win+Shift+S", "Ctrl+Esc", "Ctrl+Shift+Esc", "Alt+Esc",
    "Alt+F4", "Alt+Space", "PrtScn", "Alt+PrtScn", "Sleep", "Home page", "Mail", "Ctrl+Alt+Tab",
]  # fmt: skip
WITH_PROGRAMS_ONLY = [
    "Alt+Tab", "F4", "F5", "F11", "F12", "Menu", "Ctrl+N", "Ctrl+T", "Ctrl+W", "Ctrl+P", "Ctrl+S", "Ctrl+O", "Ctrl+U",
    "Ctrl+Shift+I", "Ctrl+Shift+J", "Ctrl+Tab", "Ctrl+F4", "Alt+Left",
]  # fmt: skip


@pytest.mark.parametrize("written", ALWAYS)
def test_typing_and_chinese_input_always_pass(written):
    assert passes(press(written), a_profile())
    assert passes(press(written), a_profile(programs_allowed=("photoshop.exe",)))


@pytest.mark.parametrize("written", NEVER)
def test_what_leaves_the_test_never_passes(written):
    assert not passes(press(written), a_profile())
    assert not passes(press(written), a_profile(programs_allowed=("photoshop.exe",)))


@pytest.mark.parametrize("written", WITH_PROGRAMS_ONLY)
def test_the_keys_of_programs_pass_with_practical_work_only(written):
    assert not passes(press(written), a_profile())
    assert passes(press(written), a_profile(programs_allowed=("photoshop.exe",)))


def test_copying_keys_pass_unless_the_clipboard_is_off():
    for written in ("Ctrl+C", "Ctrl+V", "Ctrl+X", "Ctrl+Insert"):
        assert passes(press(written), a_profile())
        assert not passes(press(written), a_profile(clipboard="off"))
        assert not passes(press(written), a_profile(clipboard="off", programs_allowed=("photoshop.exe",)))


def test_an_accessibility_profile_lets_its_keys_through():
    assert passes(press("Win+="), a_profile(accessibility=frozenset({"magnifier"})))
    assert passes(press("Alt+Shift+PrtScn"), a_profile(accessibility=frozenset({"high_contrast"})))
    assert not passes(press("Win+R"), a_profile(accessibility=frozenset({"magnifier", "high_contrast"})))


class Typing:
    """A keyboard in front of the hook: what goes on, and what the hook sends itself."""

    def __init__(self, **profile):
        self.down, self.sent, self.now = set(), [], 0.0
        locked = a_profile(**profile)
        self.keys = HeldKeys(
            lambda key: passes(key, locked),
            lambda code, is_down: self.sent.append((code, is_down)),
            lambda codes: bool(self.down.intersection(codes)),
            lambda: self.now,
        )

    def press(self, name):
        goes_on = self.keys.take(NAMED[name], True, False)
        self.down.add(NAMED[name])
        return goes_on

    def let_go(self, name):
        self.down.discard(NAMED[name])
        return self.keys.take(NAMED[name], False, False)


def test_win_and_space_changes_the_input_method_and_opens_no_start_menu():
    typing = Typing()
    assert not typing.press("Win")
    assert typing.sent == []
    assert typing.press("Space")
    assert typing.sent == [(LEFT_WINDOWS, True)], "sent before the space, so that Windows sees the pair"
    typing.let_go("Space")
    assert typing.press("Space"), "again, for the next input method"
    assert not typing.let_go("Win")
    assert typing.sent == [(LEFT_WINDOWS, True), (LEFT_WINDOWS, False)]


def test_the_windows_key_alone_or_with_another_key_is_never_sent():
    typing = Typing()
    typing.press("Win")
    assert not typing.press("R")
    typing.let_go("R")
    typing.let_go("Win")
    assert typing.sent == []
    assert typing.press("R"), "and typing goes on"


def test_a_key_let_go_is_always_told():
    typing = Typing()
    typing.press("Alt")
    assert not typing.press("F4")
    assert typing.let_go("F4")
    assert typing.let_go("Alt")


def test_what_is_let_go_behind_ctrl_alt_del_does_not_stay_held():
    """On Windows' own screen the hook sees nothing: a Windows key let go there is forgotten, Ctrl is asked for anew."""
    typing = Typing()
    typing.press("Ctrl")
    typing.press("Win")
    assert not typing.press("W")
    typing.down.clear()
    typing.now = 6.0
    assert typing.press("W")
