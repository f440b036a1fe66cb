"""Power cuts: what was not flushed may be gone, torn or half there; what was confirmed must be.

A real station runs under strace while candidates save, send files and hand in. From the record of its writes and
flushes come the disks that a cut at any moment could have left, hundreds of them; each is opened and held against
what had been confirmed by then. One of them the station starts on again, and the next record begins there.
"""

from __future__ import annotations

import multiprocessing
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom

from station.rehearsal.drill.cut_check import Found, Promise, check_cut, put_down
from station.rehearsal.drill.cut_room import Room, make_ground, post_save, record
from station.rehearsal.drill.disk_model import EVERYTHING, NOTHING_MORE, Disk, Fate, any_fate
from station.rehearsal.drill.disk_replay import Replay
from station.rehearsal.drill.disk_trace import FLUSHES, NEVER, Call, may_trace, read_calls
from station.rehearsal.drill.replies import FileTold, HandInTold, SaveTold, Told, told_by
from station.rehearsal.drill.result import FaultResult
from station.rehearsal.load import Task
from station.rehearsal.load import run as run_load
from station.rehearsal.premises import HOST

KIND = "power_cut"
DATABASE = "station.db"
NO_STRACE = "本机没有可用的 strace，不能记录写盘过程。This system has no strace that works."

_NAMES = frozenset({"mkdir", "mkdirat", "rename", "renameat", "unlink", "unlinkat", "ftruncate"})
# In every second record flushes fail now and then, and the power goes afterwards. (strace counts thread by thread.)
FAILING = "fdatasync:error=EIO:when=20+17"
DISKS_SHORT, DISKS_LONG = 50, 600


@dataclass
class _Sums:
    """What all records and disks came to."""

    disks: int = 0
    records: int = 0
    saves: int = 0
    files: int = 0
    hand_ins: int = 0
    flushes: int = 0
    failed: int = 0
    carried: int = 0
    lost: int = 0
    broken: int = 0
    recovery_s: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def add_record(self, calls: Sequence[Call], told: Sequence[Told]) -> None:
        self.records += 1
        self.saves += sum(isinstance(one, SaveTold) for one in told)
        self.files += sum(isinstance(one, FileTold) for one in told)
        self.hand_ins += sum(isinstance(one, HandInTold) for one in told)
        flushed = [call.handle[1] for call in calls if call.name in FLUSHES]
        self.flushes += len(flushed)
        self.failed += sum(call.name in FLUSHES and call.result < 0 and call.ended != NEVER for call in calls)
        self.carried += sum(path.endswith(DATABASE) for path in flushed)

    def add(self, found: Found, where: str) -> None:
        self.disks += 1
        self.lost += found.lost
        self.broken += found.chain_broken
        if len(self.wrong) < 10:
            self.wrong += (f"{where}: {one}" for one in found.wrong)


def run(folder: Path, *, rounds: int, is_long: bool) -> FaultResult:
    """Record `rounds` times, and try hundreds of disks after each."""
    if not may_trace():
        return FaultResult(KIND, not_run=NO_STRACE)
    seed = SystemRandom().randrange(10**6)
    ground = make_ground(folder, records=rounds)
    room, sums = Room(ground, Random(seed)), _Sums()
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(2, mp_context=context) as checkers:
            for number in range(rounds):
                disks = DISKS_LONG if is_long else DISKS_SHORT
                _one_record(room, number, checkers, sums, disks=disks, failing=FAILING if number % 2 else "")
    finally:
        ground.close()
    return _result(sums, seed)


def _one_record(
    room: Room, number: int, checkers: ProcessPoolExecutor, sums: _Sums, *, disks: int, failing: str
) -> None:
    before = Disk(room.home)
    trace = room.folder / f"trace-{number}"
    record(room, number, trace, failing=failing)
    calls = read_calls(trace)
    trace.unlink()
    told = told_by(calls)
    replay = Replay(before, calls)
    cuts = sorted(choose_cuts(calls, told, disks // 2, random=room.random))
    goes_on = room.random.choice(cuts[len(cuts) // 2 :])
    left: dict[str, bytes] = {}
    waiting: list[tuple[str, Future[Found]]] = []
    for cut in cuts:
        replay.advance(cut)
        promised = [*room.promised, *(one for one in told if one.line <= cut)]
        promise = Promise.of(promised, room.folder / f"acks-{number}-{cut}")
        for step, fate in enumerate(_fates(room.random)):
            files = replay.disk.after_cut(fate, room.random, replay.under_way())
            where = room.folder / "disks" / f"{number}-{cut}-{step}"
            put_down(files, where)
            waiting.append((f"{cut}/{fate}", checkers.submit(check_and_remove, where, promise, room.ground.items)))
            if cut == goes_on and step == 1:
                left = files
        _collect(waiting, sums, leave=8)
    _collect(waiting, sums, leave=0)
    sums.add_record(calls, told)
    room.promised += (one for one in told if one.line <= goes_on)
    _go_on(room, number, left, sums)


def choose_cuts(calls: Sequence[Call], told: Sequence[Told], count: int, *, random: Random) -> set[int]:
    """Choose moments: at each change of names and of the database file itself, and of the rest at random.

    The rest: before and after each flush, with each confirmation, and anywhere.
    """
    first = min((call.began for call in calls if call.name == "pwrite64"), default=0)
    last = max(call.ended for call in calls if call.ended != NEVER)
    always: set[int] = set()
    others: list[int] = [one.line for one in told]
    for call in calls:
        if call.ended == NEVER or call.ended < first:
            continue
        if call.name in _NAMES:
            always.add(call.ended)
        elif call.name in FLUSHES:
            is_database = call.handle[1].endswith(DATABASE)
            (always.update if is_database else others.extend)((call.began, call.ended))
    chosen = set(random.sample(sorted(always), min(len(always), count // 2)))
    chosen |= {random.randint(first, last) for _ in range(count // 5)}
    rest = sorted(set(others) - chosen)
    return chosen | set(random.sample(rest, max(0, min(len(rest), count - len(chosen)))))


def check_and_remove(where: Path, promise: Promise, items: Sequence[str]) -> Found:
    """Check one disk and give its space back."""
    try:
        return check_cut(where, promise, items)
    finally:
        shutil.rmtree(where, ignore_errors=True)


def _fates(random: Random) -> Iterator[Fate]:
    yield NOTHING_MORE
    yield EVERYTHING if random.random() < 0.1 else any_fate(random)


def _collect(waiting: list[tuple[str, Future[Found]]], sums: _Sums, *, leave: int) -> None:
    while len(waiting) > leave:
        where, future = waiting.pop(0)
        sums.add(future.result(), where)


def _go_on(room: Room, number: int, left: dict[str, bytes], sums: _Sums) -> None:
    """Power is back: start the station on what one cut left, and see that it goes on with nothing missing."""
    put_down(left, room.home)
    acks = room.folder / f"acks-after-{number}"
    began = time.monotonic()
    child = room.ground.serve()
    try:
        port = child.ports(2)[0]
        first, *_ = room.senders()
        reply = post_save(room, port, first)
        sums.recovery_s = max(sums.recovery_s, time.monotonic() - began)
        room.promised.append(SaveTold(0, first.attempt_id, first.place, first.from_sequence, reply))
        report = run_load(Task(HOST, port, "closed", room.senders(), room.ground.items, seconds=0.5, acks=str(acks)))
        if report.refused or not report.saves:
            sums.wrong.append(f"断电恢复后保存被拒 saves are refused after the cut: {report.refusals}")
    finally:
        child.stop()
    for line in acks.read_text("ascii").splitlines():
        room.promised.append(SaveTold(0, *map(int, line.split())))
    promise = Promise.of(room.promised, room.folder / f"acks-all-{number}")
    sums.add(check_cut(room.home, promise, room.ground.items), f"重启后 after restart {number}")


def _result(sums: _Sums, seed: int) -> FaultResult:
    if not (sums.saves and sums.files and sums.hand_ins):
        sums.wrong.append("有一类提交未得到确认，不说明问题。Of some kind nothing was confirmed: this shows nothing.")
    return FaultResult(
        KIND,
        rounds=sums.disks,
        saves_acked=sums.saves,
        acked_lost=sums.lost,
        chain_broken=sums.broken,
        recovery_s=round(sums.recovery_s, 2),
        done_zh=(
            f"记录运行中的写盘与刷盘 {sums.records} 次，按任意时刻断电还原出 {sums.disks} 种磁盘状态，"
            "逐一打开核对（未刷盘的内容丢失、残缺或乱序）。"
        ),
        done_en=(
            f"{sums.records} runs recorded write by write; {sums.disks} disks as a power cut at some moment could have "
            "left them (unflushed sectors lost, torn, out of order), each opened and checked."
        ),
        notes=(
            (
                f"刷盘 {sums.flushes} 次，其中写回数据库文件 {sums.carried} 次",
                f"{sums.flushes} flushes, {sums.carried} of them when the log was carried into the database file",
            ),
            (f"其间让刷盘出错 {sums.failed} 次", f"{sums.failed} flushes were made to fail"),
            (f"确认的文件 {sums.files} 个", f"{sums.files} files confirmed"),
            (f"确认的交卷 {sums.hand_ins} 次", f"{sums.hand_ins} hand-ins confirmed"),
            (f"随机种子 {seed}", f"random seed {seed}"),
        ),
        wrong=tuple(sums.wrong),
    )
