"""Ctrl+Alt+F1 … to the text terminals, and ending the X server by keys: X's own, taken out of the keyboard map."""

from __future__ import annotations

from ctypes import POINTER, byref, c_int, c_ubyte, c_ulong, string_at
from typing import List

from client_agent.linux.lock_files import run
from client_agent.linux.lock_screen import display_name, open_display_of, this_server
from client_agent.linux.x11 import Screen
from client_agent.lockdown.operation import Before, NotHeld, describe_failure
from client_agent.lockdown.profile import LockProfile

NONE = "srvrkeys:none"
OURS = ("srvrkeys:", "terminate:")
FIELDS = ("-rules", "-model", "-layout", "-variant")


class Terminals:
    """Loads the present layouts again without the X server's own keys. The whole map is kept for the way back."""

    name, needed = "terminals", False
    title = ("切换到文字终端的按键", "Keys to the text terminals")

    def wanted(self, _profile: LockProfile) -> bool:
        return True

    def read(self) -> Before:
        with Screen() as screen:
            names = _rules_names(screen)
        return {**this_server(), "names": names, "map": run("xkbcomp", "-w0", display_name(), "-")}

    def perform(self, profile: LockProfile) -> None:
        if self.holds(profile) is None:
            return
        with Screen() as screen:
            names = _rules_names(screen)
        kept = [one for one in names[4].split(",") if one and not one.startswith(OURS)]
        _set_map(display_name(), names[:4], [*kept, NONE])

    def revert(self, before: Before) -> None:
        """Bring the names back and then the map itself, which somebody may have changed key by key."""
        screen = open_display_of(before)
        if screen is None:
            return
        screen.close()
        names, display = before["names"], before["display"]
        _set_map(display, names[:4], [one for one in names[4].split(",") if one])
        if run("xkbcomp", "-w0", display, "-") != before["map"]:
            run("xkbcomp", "-w0", "-", display, given=before["map"])

    def holds(self, _profile: LockProfile) -> NotHeld | None:
        with Screen() as screen:
            options = _rules_names(screen)[4].split(",")
        if NONE in options and not any(one.startswith("terminate:") for one in options):
            return None
        return describe_failure(self, f"键盘选项 {','.join(options)}", f"keyboard options {','.join(options)}")


def _set_map(display: str, names: List[str], options: List[str]) -> None:
    words = ["setxkbmap", "-display", display]
    for field, value in zip(FIELDS, names):
        if value:
            words += [field, value]
    # An empty option first: otherwise they would be added to what is there.
    words += ["-option", ""]
    for option in options:
        words += ["-option", option]
    run(*words)


def _rules_names(screen: Screen) -> List[str]:
    """Read rules, model, layout, variant and options, which is where setxkbmap leaves them."""
    kind, size, count, after = c_ulong(), c_int(), c_ulong(), c_ulong()
    content = POINTER(c_ubyte)()
    atom = screen.x.XInternAtom(screen.display, b"_XKB_RULES_NAMES", 0)
    screen.x.XGetWindowProperty(
        screen.display, screen.root, atom, 0, 1024, 0, 0, byref(kind), byref(size), byref(count), byref(after),
        byref(content),
    )  # fmt: skip
    if not content:
        return ["", "", "", "", ""]
    try:
        text = string_at(content, count.value).decode("utf-8", "replace")
    finally:
        screen.x.XFree(content)
    return [*text.split("\0"), "", "", "", "", ""][:5]
