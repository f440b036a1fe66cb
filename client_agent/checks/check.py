"""One check: what it measures, how that is held against what is wanted, and what to do about it."""

from __future__ import annotations

import threading
from typing import Any, Protocol

from client_agent.checks.finding import ADVICE, OK, UNKNOWN, Finding, Item, both
from client_agent.checks.probes import Probes, Text
from client_agent.errors import AgentError
from client_agent.machine import Machine
from client_agent.station_link import ClockReading, read_clock

UNDO_NAME = "undo.json"


class Pc:
    """This PC as the checks see it. `station` is the station's address, None where none is given."""

    def __init__(self, machine: Machine, probes: Probes, station: str | None) -> None:
        self.machine = machine
        self.probes = probes
        self.station = station
        self._guard = threading.Lock()
        self._reading: ClockReading | AgentError | None = None

    @property
    def is_locked(self) -> bool:
        """Say whether the agent's own lock holds this PC: then the firewall is the lock's and no one else's."""
        return (self.machine.state_folder() / UNDO_NAME).exists()

    def station_clock(self) -> ClockReading:
        """Read the station's clock once for all checks; raises the same AgentError for all."""
        with self._guard:
            if self._reading is None:
                try:
                    self._reading = read_clock(self.station or "")
                except AgentError as failure:
                    self._reading = failure
        if isinstance(self._reading, AgentError):
            raise self._reading
        return self._reading


class Check(Protocol):
    """One check of the room check."""

    id: str
    title: Text

    def run(self, item: Item, pc: Pc) -> Finding:
        """Measure and judge. Raises `Unreadable` where nothing can be measured."""
        ...


class Bounded:
    """A number with a recommended and a minimum value."""

    id: str
    title: Text
    to_do: Text
    unit = ""
    at_most = False

    def measure(self, pc: Pc) -> float:
        """Give the number that counts; raises `Unreadable`."""
        raise NotImplementedError

    def run(self, item: Item, pc: Pc) -> Finding:
        value = self.measure(pc)
        state = bounded_state(self.counted(value), item, at_most=self.at_most)
        to_do = both("") if state == OK else self.advice(pc)
        return Finding(self.id, state, self.title, self.shown(value), self.wanted(item), to_do, round(value, 3))

    def counted(self, value: float) -> float:
        """Give what is held against the bounds."""
        return value

    def shown(self, value: float) -> Text:
        return both(f"{value:.1f}".rstrip("0").rstrip(".") + self.unit)

    def advice(self, pc: Pc) -> Text:
        return self.to_do

    def wanted(self, item: Item) -> Text:
        return bounds_text(item, self.unit, at_most=self.at_most)


class Yes:
    """Something that is so or not."""

    id: str
    title: Text
    wanted: Text = ("—", "—")

    def found(
        self, item: Item, measured: Text, *, is_so: bool, to_do: Text, value: Any = None, wanted: Text | None = None
    ) -> Finding:
        state = OK if is_so else item.short
        if is_so:
            to_do = both("")
        return Finding(self.id, state, self.title, measured, wanted or self.wanted, to_do, value)


def bounded_state(value: float, item: Item, *, at_most: bool) -> str:
    """Judge a number: short of the minimum, short of the recommended, or neither."""
    if item.minimum is None:
        return OK
    sign = -1 if at_most else 1
    if sign * value < sign * float(item.minimum):
        return item.short
    return OK if sign * value >= sign * float(item.recommended) else ADVICE


def bounds_text(item: Item, unit: str, *, at_most: bool = False) -> Text:
    """Say what is wanted of a number or version."""
    if item.minimum is None:
        return both("—")
    sign = "≤" if at_most else "≥"
    recommended, minimum = (f"{bound:g}" if isinstance(bound, float) else str(bound) for bound in (
        item.recommended, item.minimum,
    ))  # fmt: skip
    if recommended == minimum:
        return both(f"{sign} {minimum}{unit}")
    return (
        f"{sign} {recommended}{unit}（最低要求 {minimum}{unit}）",
        f"{sign} {recommended}{unit} (required: {minimum}{unit})",
    )


def wanted_text(item: Item, check: Check) -> Text:
    """Say what is wanted where nothing could be measured."""
    if item.minimum is not None:
        return bounds_text(item, getattr(check, "unit", ""), at_most=getattr(check, "at_most", False))
    told: Text = getattr(check, "wanted", both("—"))
    return told if isinstance(told, tuple) else both("—")


def unknown(check: str, title: Text, reason: Text, wanted: Text = ("—", "—")) -> Finding:
    """Say that something could not be measured, and why."""
    return Finding(check, UNKNOWN, title, ("无法检测", "not measurable"), wanted, reason)
