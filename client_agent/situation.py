"""What this PC's screen shall show now: a pure function of what the agent knows."""

from __future__ import annotations

from dataclasses import dataclass

from client_agent.orders import Orders


@dataclass(frozen=True)
class Facts:
    """What counts for the screen. `orders` are the last of this boot.

    `is_left`: the person at a free PC closed or left the page. `is_expected`: a test was going on here not long ago,
    or the PC is not set up yet, so that somebody waits before the screen. `is_starting`: it was
    asked for and has not answered yet, and may in a moment.
    """

    orders: Orders | None = None
    is_registered: bool = False
    has_seat: bool = False
    is_heard: bool = False
    is_page_open: bool = False
    is_starting: bool = False
    is_freed: bool = False
    is_left: bool = False
    is_expected: bool = False
    is_asked_for: bool = False
    message: str = ""


@dataclass(frozen=True)
class Shown:
    """`main`: `page` (the station's), `local` or empty. `over`: a local window before it, which says `local`."""

    main: str = ""
    over: bool = False
    local: str = "status"


def decide(facts: Facts) -> Shown:
    """Choose the screen.

    1. A page that is open stays open while the station is lost: it keeps the answers and says so itself.
    2. The locked screen, a message and the status (hot key) come before whatever is shown.
    3. A PC that is free, and that nobody waits for, belongs to its desk: nothing is shown.
    """
    main, local = _main(facts)
    if facts.is_asked_for:
        return Shown(main, main != "local", "status")
    if facts.orders is not None and facts.orders.screen == "locked" and not facts.is_freed:
        return Shown(main, main != "local", "locked")
    if facts.message:
        return Shown(main, main != "local", "message")
    return Shown(main, False, local)


def _main(facts: Facts) -> tuple[str, str]:
    is_locked = facts.orders is not None and facts.orders.lock is not None and not facts.is_freed
    if facts.is_freed or (facts.is_left and not is_locked):
        return "", "status"
    if facts.is_registered and facts.has_seat and facts.orders is not None:
        if facts.orders.screen == "none" and not is_locked:
            return "", "status"
        if facts.is_page_open or facts.is_heard:
            return "page", "waiting"
        return ("local", "waiting") if is_locked or facts.is_expected else ("", "status")
    if facts.is_heard and facts.is_registered and not facts.has_seat:
        return "local", "seat"
    if is_locked or (not facts.is_starting and (facts.is_expected or not facts.is_registered)):
        return "local", "waiting"
    return "", "status"
