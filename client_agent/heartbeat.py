"""The conversation with the station: find it, have it prove its key, register, and beat; whatever fails is tried again.

A lost station changes nothing on this PC by itself. One thread runs `Heartbeat.run`; others read its facts.
"""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from typing import Any, Callable, Mapping

from client_agent import __version__, clock
from client_agent.commands import Commands
from client_agent.discovery import find_station
from client_agent.errors import AgentError
from client_agent.machine import Identity
from client_agent.orders import Orders
from client_agent.pairing import register, say_hello, take_seat
from client_agent.station_link import NOT_A_STATION, Link, Trust, refusal_code
from client_agent.store import Pairing, Store, of_this_pc
from client_agent.trust import Hello

BEAT_S = 1.5
AGAIN_S = 2.0
UNPAIRED_S = 4.0
HEARD_FOR_S = 5.0
LOOK_ELSEWHERE_AFTER_S = 30.0
TOKEN_REFUSED = ("device_unknown",)

State = Callable[[], Mapping[str, Any]]


class Heartbeat:
    """What is known of the station, renewed with every beat."""

    def __init__(
        self,
        store: Store,
        identity: Identity,
        *,
        boot_id: str,
        run_id: str,
        commands: Commands,
        state: State,
        work: Callable[[], Mapping[str, Any] | None] = lambda: None,
        address: str = "",
        fingerprint: str = "",
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`state` and `work` give those members of the next beat; `changed` is called when any fact has changed.

        `link` is None until a station was looked for, and the same object from then on.
        """
        self.link: Link | None = None
        self.hello: Hello | None = None
        self.orders: Orders | None = None
        self.trouble: AgentError | None = None
        self.unwritten: AgentError | None = None
        self.pairing = of_this_pc(store.pairing(), identity)
        self._store, self._identity = store, identity
        self._boot_id, self._run_id = boot_id, run_id
        self._commands, self._state, self._work = commands, state, work
        self._address, self._fingerprint = address, fingerprint
        self._changed = changed
        self._sequence = 0
        self._must_find = True
        self._last_heard: float | None = None
        self._lost_at = clock.monotonic()
        self._hurry = threading.Event()
        self._ending = threading.Event()
        # Registering and taking a seat come from the local page's thread, too.
        self._talking = threading.RLock()

    @property
    def is_heard(self) -> bool:
        """Say whether the station answered within the last seconds."""
        return self._last_heard is not None and clock.monotonic() - self._last_heard < HEARD_FOR_S

    @property
    def address(self) -> str:
        """Name where the station is or was last; empty if that was never known."""
        if self.link is not None:
            return self.link.origin
        return self._address or (self.pairing.address if self.pairing is not None else "")

    @property
    def is_registered(self) -> bool:
        return self.pairing is not None and bool(self.pairing.token)

    @property
    def seat(self) -> Mapping[str, Any] | None:
        return self.pairing.seat if self.pairing is not None else None

    def hurry(self) -> None:
        """Beat at once instead of at the next turn: something changed that the board should show."""
        self._hurry.set()

    def end(self) -> None:
        self._ending.set()
        self._hurry.set()

    def run(self) -> None:
        """Talk until `end`."""
        while not self._ending.is_set():
            pause_s = self.step()
            self._hurry.wait(pause_s * random.uniform(0.9, 1.1))
            self._hurry.clear()
        if self.link is not None:
            self.link.close()

    def step(self) -> float:
        """Do what is next, and say how many seconds to wait for the one after."""
        try:
            with self._talking:
                pause_s = self._go_on()
        except AgentError as failure:
            self._failed(failure)
            return AGAIN_S
        except Exception as failure:
            # An answer nobody thought of must not end the conversation.
            reason = f"{type(failure).__name__}: {failure}"[:200]
            self._failed(AgentError(NOT_A_STATION, address=self._address, reason=reason))
            return AGAIN_S
        return pause_s

    def register(self, seat_number: str, room: str) -> None:
        """Register with the seat that was typed, or take it when registered; raises what stands against it."""
        with self._talking:
            link, hello = self._greeted()
            if self.pairing is not None and self.pairing.token:
                self.pairing = take_seat(link, self._store, self.pairing, seat_number=seat_number, room=room)
            else:
                self.pairing = register(link, self._store, self._identity, hello, seat_number=seat_number, room=room)
        self._changed()
        self.hurry()

    def fresh_hello(self) -> Hello:
        """Greet the station anew: which installer it serves now."""
        with self._talking:
            self.hello = None
            return self._greeted()[1]

    def _go_on(self) -> float:
        link, hello = self._greeted()
        if not self.is_registered:
            self.hello = None  # whether registration is open is asked anew each time
            self.pairing = register(link, self._store, self._identity, hello)
            self._changed()
        self._beat(link)
        return BEAT_S

    def _greeted(self) -> tuple[Link, Hello]:
        if self._must_find:
            address = self._where()
            if self.link is None:
                self.link = Link(address)
            else:
                self.link.move_to(address)
            self._must_find = False
        assert self.link is not None
        if self.hello is None:
            known = self.pairing or Pairing(self.link.origin, "")
            fingerprint = self._fingerprint or ("" if known.public_key else known.fingerprint)
            self.hello = say_hello(self.link, public_key=known.public_key, fingerprint=fingerprint)
            met = replace(known, address=self.link.origin, public_key=self.hello.public_key)
            if met != self.pairing:
                self.pairing = met
                self._store.keep_pairing(met)
            if met.token:
                self.link.trust(Trust(met.public_key, met.token))
            self._heard()
        return self.link, self.hello

    def _where(self) -> str:
        """Give the configured address, else the one known, else ask the network.

        One that has not answered for long may have moved: the network is asked where the same key is now.
        """
        if self._address:
            return self._address
        known = self.pairing
        if known is not None and clock.monotonic() - self._lost_at < LOOK_ELSEWHERE_AFTER_S:
            return known.address
        try:
            return find_station(
                fingerprint=self._fingerprint or (known.fingerprint if known is not None else ""),
                public_key=known.public_key if known is not None else "",
                wait=self._ending.wait,
            ).url
        except AgentError:
            if known is not None:
                return known.address
            raise

    def _beat(self, link: Link) -> None:
        self._sequence += 1
        work = self._work()
        answer = link.post("/api/agent/beat", {
            "boot_id": self._boot_id,
            "run_id": self._run_id,
            "sequence": self._sequence,
            "agent_version": __version__,
            "orders": self.orders.version if self.orders is not None else "",
            "state": dict(self._state()),
            "work": dict(work) if work is not None else None,
            "done": self._commands.report(),
        })  # fmt: skip
        self._heard()
        listed = answer.get("commands")
        self._commands.take(listed if isinstance(listed, list) else [])
        version = answer.get("orders")
        if isinstance(version, str) and version and (self.orders is None or version != self.orders.version):
            self._take_orders(Orders.parse(link.get("/api/agent/orders")))

    def _take_orders(self, orders: Orders) -> None:
        self.orders = orders
        if self.pairing is not None and orders.seat != self.pairing.seat:
            self.pairing = replace(self.pairing, seat=orders.seat)
        self._changed()
        # On a full disk the orders hold all the same; only a restart would not know them.
        try:
            self._store.keep_orders(orders.raw, boot_id=self._boot_id, kept_at=clock.now().isoformat())
            if self.pairing is not None:
                self._store.keep_pairing(self.pairing)
            self.unwritten = None
        except AgentError as failure:
            self.unwritten = failure

    def _heard(self) -> None:
        was_heard = self.is_heard and self.trouble is None
        self._last_heard = clock.monotonic()
        self.trouble = None
        if not was_heard:
            self._changed()

    def _failed(self, failure: AgentError) -> None:
        if failure.code == "station_unreachable":
            if self.trouble is None or self.trouble.code != failure.code:
                self._lost_at = clock.monotonic()
            elif clock.monotonic() - self._lost_at >= LOOK_ELSEWHERE_AFTER_S and not self._address:
                self._let_go()
        elif refusal_code(failure) in TOKEN_REFUSED and self.pairing is not None:
            # Taken away at the console, or registered anew: register again when that is open.
            self.pairing = replace(self.pairing, token="")
            self._let_go()
        elif failure.code in ("not_a_station", "other_station", "not_proven"):
            self._let_go()
        self.trouble = failure
        self._changed()

    def _let_go(self) -> None:
        if self.link is not None:
            self.link.trust(None)
        self.hello = None
        self._must_find = True
