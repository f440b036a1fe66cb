"""The windows this agent puts on the screen: one with the candidate's page, and one of our own before it.

The second is a browser of its own, so that a message or a locked screen never closes the page behind it, in which
somebody may be in the middle of a sentence.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from client_agent import clock
from client_agent.errors import AgentError
from client_agent.kiosk import Kiosk, Prepare, Remove, Start, start_process
from client_agent.machine import Browser, Desktop
from client_agent.situation import Shown

FORWARD_S = 2.0
ASK_AGAIN_S = 2.0


class Screen:
    """Used by one thread, but for what it tells (`state`, `trouble`, `is_page_open`)."""

    def __init__(
        self,
        browser: Browser | AgentError,
        folder: Path,
        local_url: str,
        desktop: Callable[[], Desktop],
        *,
        start: Start = start_process,
        prepare: Prepare | None = None,
        remove: Remove | None = None,
    ) -> None:
        """`browser` may be the reason why there is none: then nothing is shown, and `trouble` says it."""
        self.trouble: AgentError | None = browser if isinstance(browser, AgentError) else None
        self.is_page_open = False
        self.had_page = False
        self._local_url = local_url
        self._make_desktop = desktop
        self._desktop: Desktop | None = None
        self._main: Kiosk | None = None
        self._over: Kiosk | None = None
        if not isinstance(browser, AgentError):
            main, over = folder / "profile", folder / "profile-over"
            self._main = Kiosk(browser, main, start=start, prepare=prepare, remove=remove)
            self._over = Kiosk(browser, over, start=start, prepare=prepare, remove=remove)
        self._wants_restart = False
        self._ask_again_at = 0.0
        self._forward_at = 0.0

    @property
    def state(self) -> str:
        """Give `browser` of the heartbeat."""
        if self._main is None or not self._main.shown:
            return "none"
        return "running" if self._main.pid is not None else "starting"

    def desktop(self) -> Desktop:
        if self._desktop is None:
            self._desktop = self._make_desktop()
        return self._desktop

    def take_over(self, origin: str) -> None:
        """Take over the page that an earlier run of this agent left open; end whatever else it left."""
        if self._main is None or self._over is None:
            return
        self._main.take_over("page", f"{origin}/" if origin else "")
        self._over.take_over("", "")
        self.is_page_open = self.had_page = self._main.shown == "page"

    def bring_page_forward(self) -> None:
        """Put the page before the programs of the work (hot key); from any thread."""
        pid = self._main.pid if self._main is not None else None
        if pid is not None:
            self._make_desktop().bring_forward(pid)

    def restart_page(self) -> None:
        """Have the page closed and opened anew with the next `show`; may be called from any thread."""
        self._wants_restart = True

    def close_page(self) -> None:
        if self._main is not None:
            self._main.end()
        self.is_page_open = False

    def show(self, shown: Shown, page: Callable[[], str], *, reopen: bool) -> bool:
        """Make the screen so; `page` fetches the address of the candidate's page, once for each opening.

        Without `reopen` a page that was closed by the person before it stays closed, and True is given.
        """
        main, over = self._main, self._over
        if main is None or over is None:
            return False
        if self._was_closed(main) and not reopen:
            self.close_page()
            return True
        if self._wants_restart:
            self._wants_restart = False
            self.close_page()
        try:
            if shown.main == "page":
                self._show_page(main, page)
            elif shown.main == "local":
                self._show_local(main)
            elif main.shown:
                main.end()
            if shown.over:
                self._show_local(over)
                self._keep_in_front(over)
            elif over.shown:
                over.end()
                over.clear()
        except AgentError as failure:
            self.trouble = failure
        self.is_page_open = main.shown == "page" and main.pid is not None
        self.had_page = self.had_page or self.is_page_open
        return False

    def end(self) -> None:
        """Close all and remove the profiles: nothing of a candidate stays on the PC after an orderly end."""
        for kiosk in (self._main, self._over):
            if kiosk is not None:
                kiosk.end()
                kiosk.clear()
        self.is_page_open = False

    def _was_closed(self, main: Kiosk) -> bool:
        """Say whether the page ended that had lived a while: somebody closed it, or it crashed; none can tell."""
        return main.shown == "page" and main.pid is not None and not main.is_open() and not main.died_young

    def _show_page(self, main: Kiosk, page: Callable[[], str]) -> None:
        if main.shown == "page" and main.is_open():
            return
        if not main.may_open() or clock.monotonic() < self._ask_again_at:
            return
        try:
            address = page()
        except AgentError as failure:
            self.trouble = failure
            self._ask_again_at = clock.monotonic() + ASK_AGAIN_S
            self._show_local(main)
            return
        main.open("page", address)
        self.trouble = None

    def _show_local(self, kiosk: Kiosk) -> None:
        if (kiosk.shown != "local" or not kiosk.is_open()) and kiosk.may_open():
            kiosk.open("local", self._local_url)

    def _keep_in_front(self, kiosk: Kiosk) -> None:
        if kiosk.pid is not None and clock.monotonic() >= self._forward_at:
            self._forward_at = clock.monotonic() + FORWARD_S
            self.desktop().bring_forward(kiosk.pid)
