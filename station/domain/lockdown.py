"""What a certificate body wants of a candidate PC while it is locked (plan.json, `policy.lockdown`)."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from station.domain.document import Node

# `inside`: copied within the test and its programs, emptied before and after; `off`: kept empty.
CLIPBOARDS = ("inside", "off", "open")
# Whether a candidate whose PC died is let back without a password.
RELOGINS = ("resumed", "never")
MOST_SCREENS = 8
# What a PC may allow one candidate who needs it, and what staff call it.
AIDS: dict[str, tuple[str, str]] = {
    "large_type": ("大字", "large type"),
    "magnifier": ("放大镜", "magnifier"),
    "high_contrast": ("高对比度", "high contrast"),
    "sticky_keys": ("粘滞键", "sticky keys"),
    "on_screen_keyboard": ("屏幕键盘", "on-screen keyboard"),
    "screen_reader": ("读屏", "screen reader"),
}


@dataclass(frozen=True)
class LockPolicy:
    """How PCs are locked. `pictures`: staff may look at a candidate's screen, and candidates are told so."""

    required: bool = True
    programs_allowed: tuple[str, ...] = ()
    programs_forbidden: tuple[str, ...] = ()
    clipboard: str = "inside"
    screens: int = 1
    removable_drives: bool = False
    pictures: bool = False
    relogin: str = "resumed"

    def as_document(self) -> dict[str, object]:
        """Write the policy so that `parse_lockdown` reads the same."""
        return asdict(self)


def parse_lockdown(node: Node) -> LockPolicy:
    """Read a policy; what it does not say is as the defaults say."""
    plain = LockPolicy()
    return LockPolicy(
        required=node.flag("required", plain.required),
        programs_allowed=program_names(node, "programs_allowed"),
        programs_forbidden=program_names(node, "programs_forbidden"),
        clipboard=node.one_of("clipboard", CLIPBOARDS, plain.clipboard),
        screens=node.integer("screens", plain.screens, minimum=1, maximum=MOST_SCREENS),
        removable_drives=node.flag("removable_drives", plain.removable_drives),
        pictures=node.flag("pictures", plain.pictures),
        relogin=node.one_of("relogin", RELOGINS, plain.relogin),
    )


def program_names(node: Node, name: str) -> tuple[str, ...]:
    """Read names of program files (photoshop.exe); they are compared without regard to case."""
    return tuple(dict.fromkeys(one.strip().lower() for one in node.texts(name, optional=True)))
