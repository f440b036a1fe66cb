"""What the console says of a PC with an agent: one state, and what is wrong, from memory alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from station.store.device_queries import KnownDevice
from station.web.device_presence import Heard
from station.web.edge import Edge
from station.web.guards import say

# Files that wait so long are told: by rule they are at the station 30 s after they rest.
WORK_LATE_S = 30.0
MOST_TROUBLES = 2

STATES = {
    "unheard": ("未连接", "not connected"),
    "lost": ("断线", "lost"),
    "code": ("已用解锁码解锁", "unlocked by code"),
    "freed": ("已解除锁定", "unlocked by staff"),
    "screen": ("已锁屏", "screen locked"),
    "locked": ("已锁定", "locked"),
    "unlocked": ("未锁定", "not locked"),
    "ready": ("就绪", "ready"),
}
# What a state is worth attention for; others are calm.
LEVELS = {"lost": "warn", "unheard": "note", "code": "alarm", "freed": "warn", "unlocked": "warn"}


@dataclass(frozen=True)
class DeviceReading:
    """One PC with an agent. `is_held`: its orders lock it, or would if nobody had freed it."""

    device: KnownDevice
    heard: Heard | None
    state: str
    since: datetime | None
    is_held: bool

    @property
    def is_silent(self) -> bool:
        return self.state in {"lost", "unheard"}

    @property
    def level(self) -> str:
        """Say how much attention the PC's state wants; a code that somebody has taken note of calls nobody."""
        is_noted = self.state == "code" and self.device.is_freed_seen
        return "note" if is_noted else LEVELS.get(self.state, "none")


def read_devices(edge: Edge) -> dict[int, DeviceReading]:
    """Read every PC that has a seat, by seat."""
    return {one.device.seat_id: one for one in read_all(edge) if one.device.seat_id is not None}


def read_all(edge: Edge) -> list[DeviceReading]:
    """Read every registered PC."""
    return [_reading(edge, device) for device in edge.roll.devices()]


def device_problems(reading: DeviceReading) -> list[tuple[str, str, str, datetime | None]]:
    """List what is wrong of a PC while a sitting is held: code, text, level, since; nothing of one that is silent."""
    if reading.heard is None or reading.is_silent or not reading.is_held:
        return []
    found: list[tuple[str, str, str, datetime | None]] = []
    if reading.state in {"code", "freed", "unlocked"}:
        since = reading.device.freed_at if reading.state != "unlocked" else None
        found.append((f"device_{reading.state}", _unlocked_text(reading), reading.level, since))
    if reading.state == "screen":
        found.append(("device_screen", say("已锁屏", "screen locked"), "note", reading.device.screen_since))
    for trouble in reading.heard.beat.troubles[:MOST_TROUBLES]:
        found.append(("device_trouble", say(trouble.zh, trouble.en), "warn", None))
    work = reading.heard.beat.work
    if work is not None and work.waiting and work.oldest_s > WORK_LATE_S:
        text = say(f"{work.waiting} 个作品文件待上传", f"{work.waiting} work files wait to be sent")
        found.append(("work_waits", text, "warn", None))
    return found


def _unlocked_text(reading: DeviceReading) -> str:
    """Say how a PC comes to be unlocked; of a code which, and whether somebody knows."""
    device = reading.device
    zh, en = STATES[reading.state]
    if reading.state != "code":
        return say(f"考试机{zh}", f"PC {en}")
    known_zh, known_en = ("（已知悉）", ", noted") if device.is_freed_seen else ("", "")
    code = device.freed_code or "—"
    return say(f"考试机已用解锁码 {code} 解锁{known_zh}", f"PC unlocked by code {code}{known_en}")


def _reading(edge: Edge, device: KnownDevice) -> DeviceReading:
    heard = edge.devices.last(device.id)
    orders = edge.roll.orders(device.id) or {}
    is_freed = edge.roll.situation().is_freed(device)
    is_held = orders.get("lock") is not None or is_freed
    since = edge.devices.lost_since(device.id)
    return DeviceReading(device, heard, _state(edge, device, heard, orders, is_freed=is_freed), since, is_held)


def _state(
    edge: Edge, device: KnownDevice, heard: Heard | None, orders: Mapping[str, object], *, is_freed: bool
) -> str:
    if heard is None:
        return "unheard"
    if edge.devices.is_lost(device.id):
        return "lost"
    if is_freed:
        return "code" if device.is_freed_by_code else "freed"
    if device.screen_since is not None:
        return "screen"
    if orders.get("lock") is None:
        return "ready"
    if heard.beat.is_locked:
        return "locked"
    # An agent that does not hold these orders yet is about to lock.
    return "unlocked" if heard.beat.orders == orders.get("version") else "ready"
