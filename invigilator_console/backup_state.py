"""The station's backups as staff see them: a line at the foot of the board, and a warning while none can be made."""

from __future__ import annotations

from typing import Any

from station.store.models import StationLife
from station.web.edge import Edge
from station.web.guards import say


def backup_lines(life: StationLife | None, edge: Edge) -> list[dict[str, Any]]:
    """Say when the last backup was made, and whether that would survive the server's disk."""
    made_at = life.backed_up_at if life is not None else None
    if made_at is None:
        text = ("尚未备份", "No backup yet") if edge.has_backups else ("未设置自动备份", "No automatic backups")
        return [_line(text, "warn")]
    assert life is not None
    clock = made_at.astimezone(edge.zone).strftime("%H:%M")
    if life.backup_on_same_disk:
        text = (f"备份 {clock}，但与数据在同一磁盘上", f"Backup {clock}, on the same disk as the station")
        return [_line(text, "warn")]
    if life.backup_trouble:
        return [_line((f"上次备份 {clock}，现在不能备份", f"Last backup {clock}; none can be made now"), "warn")]
    if not edge.has_backups:
        return [_line((f"备份 {clock}，未设置自动备份", f"Backup {clock}; no automatic ones"), "warn")]
    return [_line((f"备份 {clock}，已校验", f"Backup {clock}, checked"), "ok")]


def backup_alarms(life: StationLife | None) -> list[dict[str, Any]]:
    """Say why no backup can be made; the sitting goes on."""
    if life is None or not life.backup_trouble:
        return []
    text = say(f"备份未成功，考试照常进行：{life.backup_trouble}", f"No backup can be made: {life.backup_trouble}")
    return [{"code": "backup_failed", "text": text, "level": "warn"}]


def _line(text: tuple[str, str], level: str) -> dict[str, Any]:
    return {"code": "backup", "text": say(*text), "level": level}
