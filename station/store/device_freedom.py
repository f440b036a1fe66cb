"""Whether a PC is unlocked against its lockdown, and by whom: what its columns say together."""

from __future__ import annotations

from datetime import datetime

from station.store.models import Device


def set_freed(
    device: Device, sitting_id: int | None = None, *, by: int | None = None, code: str = "", at: datetime | None = None
) -> None:
    """Note that a PC is unlocked for a sitting since `at`: by staff (`by`), else by a code.

    Without a sitting: no more.
    """
    device.freed_sitting_id, device.freed_by, device.freed_at = sitting_id, by, at
    device.freed_code, device.freed_seen_by = code, None


def is_freed_by_code(device: Device) -> bool:
    """Say whether a PC is unlocked by a code, not by staff."""
    return device.freed_sitting_id is not None and device.freed_by is None
