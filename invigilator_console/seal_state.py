"""The room's seal as the board shows it: a line at the foot, and an alarm for what changed since (R-ROOM-7)."""

from __future__ import annotations

from typing import Any

from station.services.room_sealing import changes_of, machine_title
from station.store.room_reading import SealReading
from station.web.edge import Edge
from station.web.guards import say

# More changes than these are counted, not told: the sealing page has them all.
TOLD = 2


def seal_lines(reading: SealReading | None, edge: Edge) -> list[dict[str, Any]]:
    """Say whether the room is sealed, and whether the body has confirmed it."""
    if reading is None:
        return [_line(("未封场", "Not sealed"), "warn")]
    sealed_at = reading.seal.sealed_at.astimezone(edge.zone).strftime("%m-%d %H:%M")
    if reading.open_breaks:
        return [_line((f"{sealed_at} 封场，其后有变化", f"Sealed {sealed_at}, changed since"), "alarm")]
    if reading.seal.confirmed_at is None:
        return [_line((f"{sealed_at} 封场，待机构确认", f"Sealed {sealed_at}, to be confirmed by the body"), "warn")]
    return [_line((f"{sealed_at} 封场，机构已确认", f"Sealed {sealed_at}, confirmed by the body"), "ok")]


def seal_alarms(reading: SealReading | None) -> list[dict[str, Any]]:
    """Say what changed after the sealing and nobody has seen to."""
    if reading is None or not reading.open_breaks:
        return []
    told = []
    for one in reading.open_breaks[:TOLD]:
        title, changes = machine_title(one.machine, one.seat), changes_of(one)
        zh = f"{title[0]} {'、'.join(change.text[0] for change in changes)}"
        told.append((zh, f"{title[1]} {', '.join(change.text[1] for change in changes)}"))
    more = len(reading.open_breaks) - TOLD
    zh = f"封场后有变化：{'；'.join(zh for zh, _ in told)}" + (f"，另有 {more} 处" if more > 0 else "")
    en = f"Changed after the sealing: {'; '.join(en for _, en in told)}" + (f", and {more} more" if more > 0 else "")
    return [{"code": "seal_broken", "text": say(zh, en), "level": "alarm"}]


def _line(text: tuple[str, str], level: str) -> dict[str, Any]:
    return {"code": "seal", "text": say(*text), "level": level}
