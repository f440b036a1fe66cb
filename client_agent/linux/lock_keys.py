"""Which keys are taken away while this PC is locked, by X names. Typing, editing, input methods and zoom are never."""

from __future__ import annotations

from typing import Dict, Iterable, List, Set, Tuple

from client_agent.lockdown.profile import LockProfile

SHIFT, CTRL, ALT, SUPER = 1, 4, 8, 64
ANY = 1 << 31
# Caps Lock and Num Lock make no difference.
LOCKS = (0, 2, 16, 18)
NAMES = {"Shift": SHIFT, "Ctrl": CTRL, "Alt": ALT, "Super": SUPER}
F_KEYS = tuple(f"F{number}" for number in range(1, 13))
ARROWS = ("Left", "Right", "Up", "Down")

# Whatever is held with them: while such a key is down, the next ones do not reach the desktop either.
SUPER_KEYS = ("Super_L", "Super_R")
ALWAYS_TAKEN = (
    "Print", "Sys_Req", "XF86WWW", "XF86HomePage", "XF86Mail", "XF86Search", "XF86Explorer", "XF86MyComputer",
    "XF86Calculator", "XF86Tools", "XF86Launch1", "XF86LaunchA", "XF86LaunchB", "XF86TaskPane", "XF86Messenger",
    "XF86Sleep", "XF86Suspend", "XF86Hibernate", "XF86LogOff", "XF86ScreenSaver", "XF86Terminal", "XF86Display",
)  # fmt: skip
# Ways to the desktop: window menu, run dialogue, task manager, terminal, work spaces, ending the X server.
DESKTOP = (
    "Alt+Escape", "Alt+Shift+Escape", "Alt+space", "Ctrl+Escape", "Ctrl+Shift+Escape", "Ctrl+Alt+Delete",
    "Ctrl+Alt+BackSpace", "Ctrl+Alt+Escape", "Ctrl+Alt+Tab", "Ctrl+Alt+End", "Ctrl+Alt+t", "Ctrl+Alt+l", "Ctrl+Alt+d",
    "Ctrl+Alt+a", "Ctrl+Alt+x",
    *(f"Alt+{key}" for key in F_KEYS), *(f"Alt+Shift+{key}" for key in F_KEYS), *(f"Ctrl+Alt+{key}" for key in F_KEYS),
    *(f"Ctrl+Alt+{key}" for key in ARROWS), *(f"Ctrl+Alt+Shift+{key}" for key in ARROWS),
)  # fmt: skip
# From one program to the next: needed where the work uses several.
SWITCHING = ("Alt+Tab", "Alt+Shift+Tab", "Alt+grave", "Ctrl+Tab", "Ctrl+Shift+Tab")
# The browser's own commands; programs of practical work use the same keys for theirs.
BROWSER = (
    *(f"Ctrl+{key}" for key in "ntwospujhdeklq"), *(f"Ctrl+Shift+{key}" for key in "ntwopijcmbqad"),
    "Ctrl+Shift+Delete", "Ctrl+F4", "Alt+f", "Alt+e", "Alt+d", "Alt+Home", "Alt+Left", "Alt+Right",
    "F3", "F6", "F7", "F10", "F11", "F12", "Shift+F12", "Ctrl+F12",
)  # fmt: skip

# What aids need: desktops zoom with Super and + or -, and start their reader with Super+Alt+S.
FREED: Dict[str, Tuple[str, ...]] = {
    "magnifier": SUPER_KEYS,
    "screen_reader": (*SUPER_KEYS, "F7"),
    "on_screen_keyboard": SUPER_KEYS,
    "high_contrast": ("Alt+Shift+Print", "Print"),
}


def keys_taken(profile: LockProfile) -> List[str]:
    """List the keys for a profile, as `Ctrl+Alt+Delete`; a name without `+` of the first groups counts always."""
    taken: List[str] = [*SUPER_KEYS, *ALWAYS_TAKEN, *DESKTOP]
    if not profile.programs_allowed:
        taken += [*SWITCHING, *BROWSER]
    freed = {key for aid in profile.accessibility for key in FREED.get(aid, ())}
    return [key for key in dict.fromkeys(taken) if key not in freed]


def modifiers_of(key: str) -> Tuple[str, List[int]]:
    """Split a key into its X name and the sets of modifiers with which it is taken."""
    *words, name = key.split("+")
    if not words and (name in SUPER_KEYS or name in ALWAYS_TAKEN):
        return name, [ANY]
    mask = 0
    for word in words:
        mask |= NAMES[word]
    return name, [mask | lock for lock in LOCKS]


def by_code(keys: Iterable[str], code_of: Dict[str, int]) -> Dict[int, Set[int]]:
    """Gather the sets of modifiers of each key code; a key that this keyboard lacks is passed over."""
    gathered: Dict[int, Set[int]] = {}
    for key in keys:
        name, masks = modifiers_of(key)
        if code_of.get(name):
            gathered.setdefault(code_of[name], set()).update(masks)
    return {code: ({ANY} if ANY in masks else masks) for code, masks in gathered.items()}
