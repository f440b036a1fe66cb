"""Doing what the station's staff ask of this PC: each command once, also after a crash or a restart."""

from __future__ import annotations

import threading
from typing import Any, Callable, Mapping, Sequence

from client_agent.errors import AgentError
from client_agent.store import Store

# What may as well be done twice is done though it cannot be noted: a full disk must keep no PC locked.
HARMLESS_TWICE = frozenset({"show_message", "restart_browser", "unlock", "picture", "check", "open"})
# These take the PC away before they could be reported as done.
ENDS_THE_RUN = frozenset({"shut_down", "log_out"})
UNKNOWN = "unknown"
INTERRUPTED = "interrupted"

# Takes the command's id and arguments, gives a text for the staff; a refusal is raised.
Act = Callable[[int, Mapping[str, Any]], str]


class Commands:
    """What was asked and what became of it. Each command runs in a thread of its own: a long one holds up none."""

    def __init__(self, store: Store, acts: Mapping[str, Act], *, finished: Callable[[], None] = lambda: None) -> None:
        """`finished` is called whenever there is something new to report."""
        self._store = store
        self._acts = acts
        self._finished = finished
        self._guard = threading.Lock()
        self._done = dict(store.commands())
        self._running: set[int] = set()
        self._unreported: set[int] = set()
        self._sent: set[int] = set()

    def take(self, listed: Sequence[object]) -> None:
        """Take the commands of a beat's answer: begin new ones, report again those that the station still asks."""
        asked = {_id_of(command): command for command in listed if isinstance(command, dict) and _id_of(command)}
        with self._guard:
            self._unreported -= self._sent - asked.keys()
            for number, command in asked.items():
                if number in self._running:
                    continue
                if number in self._done:
                    self._unreported.add(number)
                    continue
                self._running.add(number)
                name = f"command {number}"
                threading.Thread(target=self._do, args=(number, command), name=name, daemon=True).start()

    def report(self) -> list[dict[str, Any]]:
        """List what to say as `done` in the next beat; it is said until the station no longer asks."""
        with self._guard:
            self._sent = set(self._unreported)
            return [{"command_id": number, **self._done[number]} for number in sorted(self._sent)]

    def _do(self, number: int, command: Mapping[str, Any]) -> None:
        kind = str(command.get("kind", ""))
        act = self._acts.get(kind)
        if act is None:
            self._note(number, ok=False, text=UNKNOWN)
            return
        # Noted before it is begun: after a crash in the middle it is not done a second time.
        is_last = kind in ENDS_THE_RUN
        refusal = self._keep(number, ok=is_last, text="" if is_last else INTERRUPTED)
        if refusal is not None and kind not in HARMLESS_TWICE:
            self._note(number, ok=False, text=refusal.sentence())
            return
        if is_last:
            self._tell(number)
        arguments = command.get("arguments")
        try:
            text = act(number, arguments if isinstance(arguments, dict) else {})
            self._note(number, ok=True, text=text)
        except AgentError as failure:
            self._note(number, ok=False, text=failure.sentence())
        except Exception as failure:
            self._note(number, ok=False, text=f"{type(failure).__name__}: {failure}"[:300])

    def _note(self, number: int, *, ok: bool, text: str) -> None:
        self._keep(number, ok=ok, text=text)
        self._tell(number)
        with self._guard:
            self._running.discard(number)

    def _tell(self, number: int) -> None:
        with self._guard:
            self._unreported.add(number)
        self._finished()

    def _keep(self, number: int, *, ok: bool, text: str) -> AgentError | None:
        with self._guard:
            self._done[number] = {"ok": ok, "text": text}
            try:
                self._store.keep_commands(self._done)
            except AgentError as refusal:
                return refusal
            return None


def _id_of(command: Mapping[str, Any]) -> int:
    number = command.get("id")
    return number if isinstance(number, int) and not isinstance(number, bool) else 0
