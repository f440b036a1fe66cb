"""Whether the PC's disk takes files fast enough, and keeps them over a restart."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Dict

from client_agent import clock
from client_agent.checks.check import Bounded, Pc, Yes
from client_agent.checks.finding import OK, UNKNOWN, Finding, Item
from client_agent.checks.hardware import work_place
from client_agent.checks.known import known
from client_agent.checks.probes import Unreadable
from client_agent.checks.software import folded
from client_agent.durable import write_durably

PIECE = 2**20
MOST_PIECES = 48
LONGEST_S = 2.5
MEGABYTE = 10**6
MARK = "restore-mark.json"
MOST_BOOTS = 20


class WriteSpeed(Bounded):
    id = "write_mb_s"
    title = ("磁盘写入速度", "Disk write speed")
    to_do = (
        "关闭占用磁盘的程序；仍慢的，换用其他考试机。",
        "Close what uses the disk; if it stays slow use another PC.",
    )
    unit = " MB/s"

    def measure(self, pc: Pc) -> float:
        return write_speed(_writable(pc)) / MEGABYTE


class RestoreCard(Yes):
    """Whether the disk is put back at each start, by a card or a program, as many schools' PCs do.

    A mark is written now and looked for after the next start. One that is gone cannot be missed here: the station,
    which knows what was reported before the start, says so.
    """

    id = "restore_card"
    title = ("硬盘还原", "Disk reset")
    wanted = ("重启后保留", "kept over a restart")

    def run(self, item: Item, pc: Pc) -> Finding:
        boot, place = pc.machine.boot_id(), pc.machine.state_folder() / MARK
        boots = _read_boots(place)
        survived = any(one != boot for one in boots)
        _write_boots(place, [*[one for one in boots if one != boot], boot][-MOST_BOOTS:])
        value: Dict[str, Any] = {"boot_id": boot, "survived": survived}
        programs = {folded(name) for name in known("restore_programs")}
        running = sorted({name for name in pc.probes.running() if folded(name) in programs})
        if survived:
            measured = ("上次写入的标记仍在", "the mark of an earlier start is there")
            return Finding(self.id, OK, self.title, measured, self.wanted, ("", ""), value)
        if running:
            names = ", ".join(running)
            measured = (f"装有还原软件：{names}", f"a restore program runs: {names}")
            to_do = (
                f"在还原软件中放行 {place.parent} 和作答文件夹所在的盘。",
                f"Exempt {place.parent} and the work folder's drive from the reset.",
            )
            return self.found(item, measured, is_so=False, to_do=to_do, value=value)
        measured = ("标记已写入，重启后才能判断", "a mark was written; known after the next start")
        to_do = ("重启本机后再检查一次。", "Restart this PC and check again.")
        return Finding(self.id, UNKNOWN, self.title, measured, self.wanted, to_do, value)


def write_speed(folder: Path, *, most_pieces: int = MOST_PIECES, longest_s: float = LONGEST_S) -> float:
    """Write and flush a file of its own for at most some seconds; gives bytes a second and leaves nothing behind."""
    piece = os.urandom(PIECE)
    try:
        handle, name = tempfile.mkstemp(prefix=".exam-agent-", dir=str(folder))
    except OSError as failure:
        raise Unreadable(f"{folder} 不能写入：{failure}", f"{folder} cannot be written: {failure}") from None
    try:
        with os.fdopen(handle, "wb", buffering=0) as stream:
            started = clock.monotonic()
            written = 0
            for _number in range(most_pieces):
                written += stream.write(piece) or 0
                os.fsync(stream.fileno())
                if clock.monotonic() - started > longest_s:
                    break
            took_s = max(clock.monotonic() - started, 1e-6)
    except OSError as failure:
        raise Unreadable(f"{folder} 不能写入：{failure}", f"{folder} cannot be written: {failure}") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)
    return written / took_s


def _read_boots(place: Path) -> list[str]:
    try:
        return [str(one) for one in json.loads(place.read_text(encoding="utf-8"))["boots"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _write_boots(place: Path, boots: list[str]) -> None:
    """Flush the mark: one that a power cut takes would look like a disk that is reset."""
    place.parent.mkdir(parents=True, exist_ok=True)
    write_durably(place, json.dumps({"boots": boots}).encode("utf-8"))


def _writable(pc: Pc) -> Path:
    """Choose where to write: the work folder's drive, and on it a place that lets this account write."""
    place = work_place(pc)
    for folder in (place, pc.machine.state_folder(), Path(tempfile.gettempdir())):
        if os.access(str(folder), os.W_OK) and place.exists() and folder.stat().st_dev == place.stat().st_dev:
            return folder
    return place
