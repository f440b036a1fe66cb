"""What a technician does at the PC by commands: pair it, ask how it is, restore it, unlock it by a code."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, replace
from typing import Any, Callable, Mapping

from client_agent import __version__, clock
from client_agent.browser import ALREADY_RUNNING, holder_of
from client_agent.discovery import find_station
from client_agent.errors import AgentError, problem
from client_agent.lockdown.sequence import Lockdown
from client_agent.lockdown.unlock_codes import UnlockCodes, parse_codes
from client_agent.machine import Machine
from client_agent.orders import Orders
from client_agent.pairing import register, say_hello, take_seat
from client_agent.station_link import Link, Trust, refusal_code, station_origin
from client_agent.store import Freed, Pairing, Store, of_this_pc
from client_agent.trust import fingerprint_of

NOT_FREED_YET = problem(
    "not_freed_yet",
    "运行中的 exam-agent（进程 {pid}）在 {within_s} 秒内没有解除锁定。请先停止该服务，再运行 exam-agent restore。",
    "The running exam-agent (process {pid}) did not unlock within {within_s} s. Stop its service, then restore again.",
)
PC_IS_LOCKED = problem(
    "pc_is_locked",
    "本机正锁定考试，不能安装、更新或卸载程序。请在考试结束、监考台解锁后再试。",
    "This PC is locked for a test: nothing is installed or removed now. Try again once it is unlocked.",
)

Say = Callable[[str, str], None]
FREED_WITHIN_S = 15.0
SILENT_WITHIN_S = 8.0


@dataclass(frozen=True)
class Wish:
    """What the technician wants of a pairing. `station` empty: look for it on the network."""

    station: str = ""
    seat_number: str = ""
    room: str = ""
    fingerprint: str = ""
    is_later: bool = False


def pair(machine: Machine, store: Store, wish: Wish, say: Say) -> None:
    """Find the station, register this PC and take its seat; `is_later` only keeps the address for the first run.

    Raises why it cannot be: nothing of an earlier pairing is lost then.
    """
    store.make_folder()
    identity = machine.identity()
    known = of_this_pc(store.pairing(), identity)
    if wish.is_later:
        address = station_origin(wish.station)
        kept = known if known is not None and known.address == address else Pairing(address, "")
        store.keep_pairing(replace(kept, fingerprint=wish.fingerprint or kept.fingerprint))
        say(f"已记下考站地址 {address}，程序启动后自动登记。", f"Kept: {address}. The agent registers when it runs.")
        return
    key = known.public_key if known is not None else ""
    address = wish.station or find_station(fingerprint=wish.fingerprint, public_key=key).url
    with contextlib.closing(Link(address)) as link:
        hello = say_hello(link, public_key=key, fingerprint=wish.fingerprint)
        say(
            f"考站：{hello.site}（{link.origin}，编号 {hello.fingerprint}）",
            f"Station: {hello.site} ({link.origin}, fingerprint {hello.fingerprint})",
        )
        if hello.is_agent_old:
            say(
                f"本程序版本 {__version__}，考站要求 {hello.wanted_version}，请更新。",
                f"This is version {__version__}; the station wants {hello.wanted_version}: update it.",
            )
        pairing = _join(link, store, machine, hello, known, wish)
    seat = pairing.seat
    if seat is None:
        say("已登记，尚无考位：请在监考台或本机屏幕上指定。", "Registered, without a seat yet: give it at the console.")
        return
    room, number = seat.get("room", ""), seat.get("number", "")
    say(f"已登记：{room} 考位 {number}", f"Registered: {room}, seat {number}")


def status(machine: Machine, store: Store, lockdown: Lockdown) -> Mapping[str, Any]:
    """Say what this PC is, whether its agent runs, and whether anything is still to be put back."""
    identity = machine.identity()
    pairing = of_this_pc(store.pairing(), identity)
    facts: dict[str, Any] = {
        "version": __version__,
        "pc": identity.name,
        "machine_id": store.machine_id(identity),
        "station": pairing.address if pairing is not None else "",
        "fingerprint": _number_of(pairing),
        "registered": pairing is not None and bool(pairing.token),
        "seat": dict(pairing.seat) if pairing is not None and pairing.seat else None,
        "agent_process": holder_of(store.folder),
        "freed_by": freed.by if (freed := store.freed()) is not None else "",
        "station_reached": False,
    }
    try:
        facts["changed"] = lockdown.has_something_to_restore()
    except AgentError as refusal:
        facts["changed"] = True
        facts["undo_problem"] = refusal.sentence()
    if pairing is not None:
        with contextlib.suppress(AgentError), contextlib.closing(Link(pairing.address)) as link:
            hello = say_hello(link, public_key=pairing.public_key)
            facts.update(station_reached=True, site=hello.site, wanted_version=hello.wanted_version)
    return facts


def _number_of(pairing: Pairing | None) -> str:
    """Give the station's fingerprint; what the technician gave of it while the station was not met yet."""
    if pairing is None:
        return ""
    return fingerprint_of(pairing.public_key) if pairing.public_key else pairing.fingerprint


def restore(store: Store, lockdown: Lockdown, say: Say, *, unless_locked: bool = False) -> bool:
    """Make this PC as it was before; True when nothing is left to be put back.

    A running agent is told to let go and to stay so until the station's orders no longer lock this PC. With
    `unless_locked` it is told nothing, and refused (`pc_is_locked`) while it holds this PC.
    """
    is_running = holder_of(store.folder) is not None
    if is_running and unless_locked:
        if lockdown.has_something_to_restore():
            raise AgentError(PC_IS_LOCKED)
        say("本机没有锁定。", "This PC is not locked.")
        return True
    if is_running:
        store.keep_freed(Freed("restore"))
        _wait_until_freed(store, lockdown)
        say("运行中的程序已解除锁定并恢复本机。", "The running agent has unlocked and restored this PC.")
        return True
    back = lockdown.restore()
    for zh, en in back.put_back:
        say(f"已恢复：{zh}", f"Put back: {en}")
    for left in back.left:
        say(left.zh, left.en)
    if not back.put_back and not back.left:
        say("没有需要恢复的更改。", "Nothing had to be put back.")
    return back.is_complete


def unlock(store: Store, lockdown: Lockdown, code: str, say: Say) -> bool:
    """Free this PC by an invigilator's code; raises why it is not taken."""
    document = store.orders().get("orders")
    orders = Orders.parse(document) if isinstance(document, dict) else None
    codes = parse_codes(orders.unlock_codes if orders is not None else ())
    used = UnlockCodes(store.path("unlock_codes.json")).use(code, codes)
    store.keep_freed(Freed("code", used))
    if holder_of(store.folder) is not None:
        _wait_until_freed(store, lockdown)
        say("已解锁。", "Unlocked.")
        return True
    return restore(store, lockdown, say)


def forget(store: Store, say: Say) -> None:
    """Forget the station; refused while an agent runs here."""
    holder = holder_of(store.folder)
    if holder is not None:
        raise AgentError(ALREADY_RUNNING, pid=holder)
    store.forget()
    say("已忘记原考站。", "The station is forgotten.")


def as_text(facts: Mapping[str, Any], language: str) -> str:
    """Write the status for people, or as JSON for 'json'."""
    if language == "json":
        return json.dumps(facts, ensure_ascii=False)
    words = WORDS_EN if language == "en" else WORDS_ZH
    return "\n".join(f"{words[name]}：{_plain(value, language)}" for name, value in facts.items() if name in words)


WORDS_ZH = {
    "version": "程序版本", "wanted_version": "考站要求的版本", "pc": "本机", "station": "考站", "site": "考点",
    "fingerprint": "考站编号", "registered": "已登记", "seat": "考位", "station_reached": "能连接考站",
    "agent_process": "运行中的程序（进程号）", "changed": "有尚未恢复的更改（锁定中或上次未恢复）",
    "undo_problem": "还原文件问题", "freed_by": "已被解锁，方式",
}  # fmt: skip
WORDS_EN = {
    "version": "Version", "wanted_version": "Version the station wants", "pc": "This PC", "station": "Station",
    "site": "Site", "fingerprint": "Station's fingerprint", "registered": "Registered", "seat": "Seat",
    "station_reached": "Station reached", "agent_process": "Agent that runs (process)",
    "changed": "Changes not put back (locked, or left over)", "undo_problem": "Undo file", "freed_by": "Freed by",
}  # fmt: skip


def _join(link: Link, store: Store, machine: Machine, hello: Any, known: Pairing | None, wish: Wish) -> Pairing:
    """Register, or only take the seat when this PC is registered and the station still knows it."""
    if known is not None and known.token and known.public_key == hello.public_key:
        link.trust(Trust(known.public_key, known.token))
        store.keep_pairing(replace(known, address=link.origin))
        if not wish.seat_number and known.seat is not None:
            return known
        try:
            return take_seat(
                link, store, replace(known, address=link.origin), seat_number=wish.seat_number, room=wish.room
            )
        except AgentError as refusal:
            if refusal_code(refusal) != "device_unknown":
                raise
            link.trust(None)
    return _register(link, store, machine, hello, wish)


def _register(link: Link, store: Store, machine: Machine, hello: Any, wish: Wish) -> Pairing:
    """Register; an agent that ran here a moment ago still counts as heard, which passes by itself."""
    ends = clock.monotonic() + SILENT_WITHIN_S
    while True:
        try:
            return register(link, store, machine.identity(), hello, seat_number=wish.seat_number, room=wish.room)
        except AgentError as refusal:
            if refusal_code(refusal) != "device_is_beating" or clock.monotonic() > ends:
                raise
            time.sleep(1.0)


def _wait_until_freed(store: Store, lockdown: Lockdown) -> None:
    ends = clock.monotonic() + FREED_WITHIN_S
    while lockdown.has_something_to_restore():
        if clock.monotonic() > ends:
            raise AgentError(NOT_FREED_YET, pid=holder_of(store.folder), within_s=int(FREED_WITHIN_S))
        time.sleep(0.1)


def _plain(value: object, language: str) -> str:
    if isinstance(value, bool):
        return ("yes" if value else "no") if language == "en" else ("是" if value else "否")
    if isinstance(value, dict):
        return f"{value.get('room', '')} {value.get('number', '')}".strip()
    return "-" if value is None or value == "" else str(value)
