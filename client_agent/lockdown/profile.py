"""What the orders of the station ask of the lockdown, with what only this PC knows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, FrozenSet, Mapping, Tuple
from urllib.parse import urlsplit

from client_agent.errors import AgentError, problem
from client_agent.machine import Browser

# inside: emptied at lock and unlock, usable between the test and allowed programs; off: emptied whenever filled.
CLIPBOARD = ("open", "inside", "off")
ACCESSIBILITY = ("sticky_keys", "magnifier", "large_type", "high_contrast", "screen_reader", "on_screen_keyboard")

LOCK_ORDER_WRONG = problem(
    "lock_order_wrong",
    "服务器下发的锁定要求有误（{field}），本机不锁定。请联系系统管理员。",
    "The station's lock order is wrong ({field}); this PC is not locked. Tell the administrator.",
)


@dataclass(frozen=True)
class LockProfile:
    """How this PC shall be locked. Names of programs are lower case.

    `work_folder` and `programs_allowed` are there for practical work only. `accessibility` may hold names that
    this version does not know (`unknown_accessibility`).
    """

    station_url: str
    local_port: int
    browser: Browser
    work_folder: Path | None = None
    programs_allowed: Tuple[str, ...] = ()
    programs_forbidden: Tuple[str, ...] = ()
    clipboard: str = "inside"
    screens: int = 1
    removable_drives: bool = False
    firewall: bool = True
    accessibility: FrozenSet[str] = frozenset()
    pictures: bool = False
    # Where the browsers that the agent opened keep their profiles.
    browser_folder: Path | None = None

    @classmethod
    def from_orders(
        cls,
        lock: Mapping[str, Any],
        *,
        station_url: str,
        local_port: int,
        browser: Browser,
        work_folder: Path | None = None,
        browser_folder: Path | None = None,
    ) -> LockProfile:
        """Read `orders.lock`. What is absent gets the stricter value; a wrong kind of value is refused.

        An unknown clipboard rule of a later station is taken for `off`.
        """
        clipboard = _member(lock, "clipboard", str, "inside")
        screens = _member(lock, "screens", int, 1)
        if screens < 1:
            raise AgentError(LOCK_ORDER_WRONG, field="screens")
        return cls(
            station_url=station_url,
            local_port=local_port,
            browser=browser,
            work_folder=work_folder,
            browser_folder=browser_folder,
            programs_allowed=tuple(name.lower() for name in _names(lock, "programs_allowed")),
            programs_forbidden=tuple(name.lower() for name in _names(lock, "programs_forbidden")),
            clipboard=clipboard if clipboard in CLIPBOARD else "off",
            screens=screens,
            removable_drives=_member(lock, "removable_drives", bool, False),
            firewall=_member(lock, "firewall", bool, True),
            accessibility=frozenset(_names(lock, "accessibility")),
            pictures=_member(lock, "pictures", bool, False),
        )

    @property
    def origins(self) -> Tuple[str, ...]:
        """The only places a browser may go: the station, and this agent's own pages."""
        parts = urlsplit(self.station_url)
        return (f"{parts.scheme}://{parts.netloc}", f"http://127.0.0.1:{self.local_port}")

    @property
    def station_host(self) -> str:
        return urlsplit(self.station_url).hostname or ""

    @property
    def station_port(self) -> int:
        parts = urlsplit(self.station_url)
        return parts.port or (443 if parts.scheme == "https" else 80)

    @property
    def unknown_accessibility(self) -> Tuple[str, ...]:
        return tuple(sorted(self.accessibility.difference(ACCESSIBILITY)))

    @property
    def digest(self) -> str:
        """Name this profile in heartbeats; equal profiles have equal digests."""
        values = {**asdict(self), "accessibility": sorted(self.accessibility)}
        return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _member(lock: Mapping[str, Any], name: str, kind: type, absent: Any) -> Any:
    value = lock.get(name, absent)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise AgentError(LOCK_ORDER_WRONG, field=name)
    return value


def _names(lock: Mapping[str, Any], name: str) -> Tuple[str, ...]:
    value = lock.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise AgentError(LOCK_ORDER_WRONG, field=name)
    return tuple(value)
