"""Which keys reach the candidate's page and programs while the PC is locked: a pure table.

Typing, moving and the input methods' own switches (Ctrl+Space, Shift, Ctrl+Shift, Ctrl+full stop, Alt+Shift) always
pass: a candidate who cannot type Chinese cannot take the test. What leaves the test does not. With practical work
the programs' own keys pass as well, for a tool without its keys is another test than was announced.
"""

from __future__ import annotations

from client_agent.lockdown.profile import LockProfile
from client_agent.windows.api import KeyPress

BACK, TAB, RETURN, ESCAPE, SPACE, DELETE, INSERT = 0x08, 0x09, 0x0D, 0x1B, 0x20, 0x2E, 0x2D
PRINT_SCREEN, SLEEP = 0x2C, 0x5F
LEFT_WINDOWS, RIGHT_WINDOWS, MENU = 0x5B, 0x5C, 0x5D
HELP_KEY = 0x2F
F1, F4, F24 = 0x70, 0x73, 0x87
SHIFT_KEYS = (0x10, 0xA0, 0xA1)
CTRL_KEYS = (0x11, 0xA2, 0xA3)
ALT_KEYS = (0x12, 0xA4, 0xA5)
WINDOWS_KEYS = (LEFT_WINDOWS, RIGHT_WINDOWS)
BROWSER_KEYS = range(0xA6, 0xAD)  # back, forward, reload, stop, search, favourites, home
LAUNCH_KEYS = range(0xB4, 0xB8)  # mail, media player, two programs
# Plus and minus of the letters and of the numbers: Windows' magnifier.
MAGNIFIER_KEYS = (0xBB, 0xBD, 0x6B, 0x6D, ESCAPE)
UNLOCK_KEY = ord("U")  # with Ctrl, Alt and Shift: the agent's own page for the code
# Ctrl and these would open, close, print or save the test page, or show what it is made of.
PAGE_KEYS = frozenset(map(ord, "DEFGHIJKLNOPRSTUW")) | {F4}
CLIPBOARD_KEYS = frozenset(map(ord, "CVX")) | {INSERT}


def passes(key: KeyPress, profile: LockProfile) -> bool:
    """Say whether a key goes on to page and programs. Keys sent by programs are judged like pressed ones."""
    with_programs = bool(profile.programs_allowed)
    if key.code in WINDOWS_KEYS or key.windows:
        # The Windows key alone never passes; the hook sends it itself where the pair is one of these.
        return passes_with_windows_key(key, profile)
    if key.code in (*SHIFT_KEYS, *CTRL_KEYS, *ALT_KEYS):
        return True
    if is_agents_own(key):
        return True
    if key.code == PRINT_SCREEN:
        return "high_contrast" in profile.accessibility and key.alt and key.shift
    if key.code in (SLEEP, HELP_KEY) or key.code in BROWSER_KEYS or key.code in LAUNCH_KEYS:
        return False
    if key.alt and not key.ctrl:
        return _passes_with_alt(key, with_programs)
    if key.ctrl:
        return _passes_with_ctrl(key, profile, with_programs)
    if F1 <= key.code <= F24 or key.code == MENU:
        return with_programs
    return True


def passes_with_windows_key(key: KeyPress, profile: LockProfile) -> bool:
    """Say whether a key together with the Windows key passes: the next input method, and the magnifier if allowed."""
    if key.code == SPACE and not key.alt:
        return True
    return "magnifier" in profile.accessibility and key.code in MAGNIFIER_KEYS and not key.alt


def is_agents_own(key: KeyPress) -> bool:
    """Tell the keys that the agent listens to: F1 raises the hand, Ctrl+Alt+Shift+U asks for the code."""
    if key.code == F1:
        return not (key.ctrl or key.alt or key.shift)
    return key.code == UNLOCK_KEY and key.ctrl and key.alt and key.shift


def _passes_with_alt(key: KeyPress, with_programs: bool) -> bool:
    if key.code == TAB:
        return with_programs
    # F4 closes, Space opens the window's menu, Escape goes to the next window, the arrows go back in the history.
    if key.code in (F4, SPACE, ESCAPE):
        return False
    return with_programs or not (key.code in (0x24, 0x25, 0x27, RETURN) or F1 <= key.code <= F24)


def _passes_with_ctrl(key: KeyPress, profile: LockProfile, with_programs: bool) -> bool:
    if key.code == ESCAPE or (key.alt and key.code in (TAB, DELETE)):
        return False
    if profile.clipboard == "off" and key.code in CLIPBOARD_KEYS:
        return False
    if with_programs:
        return True
    if F1 <= key.code <= F24 or key.code in (TAB, 0x21, 0x22):  # another tab, function keys
        return False
    return key.alt or key.code not in PAGE_KEYS
