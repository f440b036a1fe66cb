"""A heartbeat: read it, remember it, and write only what it brings that is new (design §13.14)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from station.errors import Invalid
from station.services import agent_commands, pairing, unlocking
from station.store.device_queries import KnownDevice
from station.web.device_presence import Beat, Trouble, Work
from station.web.edge import Edge
from station.web.guards import FIELD_WRONG, text_field

MOST_TROUBLES = 12
MOST_DONE = 50
LARGEST_NUMBER = 2**53
# A PC whose clock jumped must not say that a code was used before the year began.
LONGEST_UNLOCKED_S = 24 * 3600.0


@dataclass(frozen=True)
class SentBeat:
    """A beat with what it says once: results of commands, and the agent's version where it is told."""

    beat: Beat
    done: tuple[tuple[int, bool, str], ...]
    version: str


def read_beat(body: Mapping[str, Any]) -> SentBeat:
    """Read a beat; a member of the wrong kind is refused with `field_wrong`, an unknown one passed over."""
    fields = dict(body)
    state = _object(fields, "state")
    beat = Beat(
        boot_id=text_field(fields, "boot_id", longest=64),
        run_id=text_field(fields, "run_id", longest=64),
        orders=text_field(fields, "orders", longest=64, default=""),
        is_locked=state.get("locked") is True,
        browser=text_field(state, "browser", longest=16, default="none"),
        is_unlocked_by_code=state.get("unlocked_by_code") is True,
        unlock_code=text_field(state, "unlock_code", longest=16, default=""),
        unlocked_s=_seconds(state, "unlocked_s"),
        troubles=tuple(_trouble(one) for one in _objects(state, "problems", MOST_TROUBLES)),
        work=_work(fields.get("work")),
    )
    done = tuple(
        (_number(one, "command_id"), one.get("ok") is True, text_field(one, "text", longest=500, default=""))
        for one in _objects(fields, "done", MOST_DONE)
    )
    return SentBeat(beat, done, text_field(fields, "agent_version", longest=32, default=""))


def take_beat(edge: Edge, device: KnownDevice, sent: SentBeat, at: datetime) -> None:
    """Remember a beat; a transaction is opened only for what the store does not know yet."""
    beat = sent.beat
    before = edge.devices.hear(device.id, beat, at)
    waiting = {command.id for command in edge.roll.commands(device.id)}
    done = [one for one in sent.done if one[0] in waiting]
    if done:
        with edge.store.transaction() as db:
            agent_commands.note_done(db, device.id, done, at=at)
        edge.roll.look_again()
    if sent.version and sent.version != device.version:
        with edge.store.transaction() as db:
            pairing.note_version(db, device.id, version=sent.version, at=at)
    if beat.is_unlocked_by_code and _is_news(beat, before):
        _note_unlocked(edge, device, beat, at)
    _tell_troubles(edge, device, beat, at)


def _is_news(beat: Beat, before: Beat | None) -> bool:
    """Say whether the PC may have been unlocked since its beat before; after a start of the station it is asked."""
    return before is None or not before.is_unlocked_by_code or before.unlock_code != beat.unlock_code


def _note_unlocked(edge: Edge, device: KnownDevice, beat: Beat, at: datetime) -> None:
    held = edge.roll.situation().held_sittings(device)
    used_at = at - timedelta(seconds=min(beat.unlocked_s, LONGEST_UNLOCKED_S))
    sitting_id = held[0] if held else None
    with edge.store.transaction() as db:
        unlocking.note_unlocked(db, device.id, code_id=beat.unlock_code, sitting_id=sitting_id, used_at=used_at, at=at)
    edge.roll.look_again()


def _tell_troubles(edge: Edge, device: KnownDevice, beat: Beat, at: datetime) -> None:
    """Put what a PC complains of into the journal, each complaint once while it lasts, in a sitting only."""
    new = edge.devices.new_troubles(device.id, beat.troubles)
    held = edge.roll.situation().held_sittings(device) if new else []
    if new and held:
        with edge.store.transaction() as db:
            for one in new:
                agent_commands.note_trouble(db, held[0], seat=device.seat_number, zh=one.zh, en=one.en, at=at)


def _trouble(one: dict[str, Any]) -> Trouble:
    zh = text_field(one, "zh", longest=500, default="")
    return Trouble(text_field(one, "code", longest=64), zh, text_field(one, "en", longest=500, default="") or zh)


def _work(value: object) -> Work | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise Invalid(FIELD_WRONG, field="work")
    return Work(
        _number(value, "attempt_id"),
        _number(value, "waiting"),
        _number(value, "waiting_bytes"),
        _seconds(value, "oldest_s"),
        text_field(value, "folder", longest=500, default=""),
    )


def _seconds(body: Mapping[str, Any], name: str) -> float:
    value = body.get(name, 0)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < LARGEST_NUMBER:
        raise Invalid(FIELD_WRONG, field=name)
    return float(value)


def _object(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name)
    if not isinstance(value, dict):
        raise Invalid(FIELD_WRONG, field=name)
    return value


def _objects(body: Mapping[str, Any], name: str, most: int) -> list[dict[str, Any]]:
    value = body.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise Invalid(FIELD_WRONG, field=name)
    return value[:most]


def _number(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST_NUMBER:
        raise Invalid(FIELD_WRONG, field=name)
    return value
