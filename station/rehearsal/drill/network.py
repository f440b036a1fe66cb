"""Play the network's faults: cables, switch, dead PCs, bad lines, repeated and replayed requests, two pages of one."""

from __future__ import annotations

import operator
import time
from collections.abc import Sequence
from pathlib import Path

from station.errors import Unsound
from station.rehearsal.drill import netns, network_ends, network_repeats
from station.rehearsal.drill.bad_cable import read_carried
from station.rehearsal.drill.network_stage import CANDIDATES, SEATS, Stage, stage
from station.rehearsal.drill.pages import Load
from station.rehearsal.drill.pressure import NOT_SERVING
from station.rehearsal.drill.proof import prove
from station.rehearsal.drill.result import FaultResult

KIND = "network"
EVERY_S = 0.5
CUT_EVERY_S = 0.2
LOSS, DOUBLED, LATE = 0.10, 0.05, 0.10
_BAD_SEATS = (SEATS - 1, SEATS)
_UNTIL_ENDED_S = 3_600.0
_GIVE_UP_S = 60.0
_LOOK_S = 0.02


def run(folder: Path, *, rounds: int, is_long: bool) -> FaultResult:
    """Play each fault so many times. Without namespaces those of cable and switch are named as not played."""
    why_zh, why_en = netns.why_not()
    with stage(folder, has_network=not why_zh) as on:
        off_s = 20.0 if is_long else 3.0
        if on.network:
            calm_ms = max(cut_one_seat(on, number % SEATS + 1, off_s=off_s) for number in range(rounds))
            on.note(
                f"一个考位断线 {off_s:.0f} 秒：其他考位 p99 {calm_ms:.0f} 毫秒",
                f"one seat cut off for {off_s:.0f} s: p99 of the others {calm_ms:.0f} ms",
            )
            back_s = max(turn_switch_off(on, off_s=off_s) for _ in range(rounds))
            on.note(
                f"交换机断电 {off_s:.0f} 秒：{back_s:.1f} 秒内全部考位恢复保存",
                f"switch off for {off_s:.0f} s: every seat saved again within {back_s:.1f} s",
            )
        network_repeats.repeat_requests(on, times=rounds)
        network_repeats.replay_and_contradict(on)
        network_repeats.open_two_pages(on)
        network_repeats.repeat_uploads(on)
        network_ends.leave_half_open(on, waits_for_the_end=is_long)
        if on.network:
            network_ends.crowd_from_one_address(on)
        if not on.network:
            on.note(f"未做拔网线、断交换机和丢包：{why_zh}", f"cables, switch and loss not played: {why_en}")
        elif netns.TUN.exists():
            spoil_cables(on, saves=200 if is_long else 20)
        else:
            on.note(f"未做丢包：系统没有 {netns.TUN}", f"loss of frames not played: this system has no {netns.TUN}")
        on.station.stop()
        return _judge(on, rounds)


def cut_one_seat(on: Stage, seat: int, *, off_s: float) -> float:
    """Pull one seat's cable while everybody saves; gives the p99 of the others, in milliseconds.

    Half of its pages have their connections already, the others have a queue that must wait for a new one.
    """
    assert on.network
    own = on.at_seat(seat)
    others = [
        on.start_load("others", one, mode="open", every_s=EVERY_S, seconds=_UNTIL_ENDED_S)
        for one in range(1, SEATS + 1)
        if one != seat
    ]
    open_load = on.start_load(
        "cut", seat, own[::2], mode="open", every_s=CUT_EVERY_S, seconds=_UNTIL_ENDED_S, persists=True
    )
    for load in (open_load, *others):
        _wait_for(load, 1)
    on.network.pull_cable(seat)
    others_before = [load.acked() for load in others]
    queued = on.start_load("queue", seat, own[1::2], mode="queue", queued=200, batch=50, persists=True, seconds=off_s)
    cut_off, acked = sit_out([open_load, queued], off_s)
    others_after = [load.acked() for load in others]
    on.network.plug_in(seat)
    on.took(_recovery_s([open_load, queued], acked))
    _wait_for(open_load, acked[0] + _fell_due(open_load, off_s, every_s=CUT_EVERY_S))
    on.check(cut_off, "拔线期间仍有保存被确认。", "Saves were acknowledged over a cable that was pulled.")
    on.check(
        all(map(operator.lt, others_before, others_after)),
        "断线期间其他考位的保存停了。",
        "Others saved nothing while one seat was cut off.",
    )
    calm = [load.end() for load in others]
    for report in calm:
        on.check_unharmed("一个考位断线", "one seat cut off", report)
    for report in (queued.finish(), open_load.end()):
        on.check_all_sent("断线恢复", "one seat cut off", report)
    on.check(
        queued.acked() == 200 * len(own[1::2]), "断线考位的队列没有发完。", "The cut seat's queue did not go out whole."
    )
    return max(report.p99_ms for report in calm)


def turn_switch_off(on: Stage, *, off_s: float) -> float:
    """Take the switch's power while everybody saves: all queue, and all come back; gives after how many seconds."""
    assert on.network
    loads = [
        on.start_load("switch", seat, mode="open", every_s=EVERY_S, seconds=_UNTIL_ENDED_S, persists=True)
        for seat in range(1, SEATS + 1)
    ]
    for load in loads:
        _wait_for(load, 1)
    on.network.switch_off()
    cut_off, acked = sit_out(loads, off_s)
    on.network.switch_on()
    recovery_s = _recovery_s(loads, acked)
    on.took(recovery_s)
    for load, before in zip(loads, acked, strict=True):
        _wait_for(load, before + _fell_due(load, off_s, every_s=EVERY_S))
    on.check(cut_off, "交换机断电期间仍有保存被确认。", "Saves were acknowledged with the switch off.")
    for load in loads:
        on.check_all_sent("交换机恢复", "the switch off", load.end())
    return recovery_s


def spoil_cables(on: Stage, *, saves: int) -> None:
    """Let two seats save over cables that lose, double and delay frames; the others must not notice."""
    assert on.network
    premises = on.ground.premises
    cables = [on.network.spoil_cable(seat, premises, loss=LOSS, doubled=DOUBLED, late=LATE) for seat in _BAD_SEATS]
    bad = [
        on.start_load("bad", seat, mode="queue", queued=saves, batch=2, persists=True, seconds=_GIVE_UP_S)
        for seat in _BAD_SEATS
    ]
    good = [
        on.start_load("good", seat, mode="open", every_s=EVERY_S, seconds=4.0)
        for seat in range(1, SEATS + 1)
        if seat not in _BAD_SEATS
    ]
    for load in good:
        on.check_unharmed("两个考位丢包", "loss at two seats", load.finish())
    reports = [load.finish() for load in bad]
    for load, report in zip(bad, reports, strict=True):
        on.check_all_sent("丢包", "loss", report)
        on.check(load.acked() == saves * len(load.candidates), "丢包考位没有存完。", "A seat with loss did not finish.")
    for cable in cables:
        cable.stop()
    carried = [read_carried(cable.log) for cable in cables]
    frames, lost, doubled, late = (
        sum(getattr(one, name) for one in carried) for name in ("frames", "lost", "doubled", "late")
    )
    on.check(min(lost, doubled, late) > 0, "坏网线没有起作用。", "The bad cables did nothing.")
    worst = max(report.p99_ms for report in reports)
    on.note(
        f"坏网线：{frames} 帧中丢 {lost}、重复 {doubled}、乱序 {late}，保存 p99 {worst:.0f} 毫秒",
        f"bad cables: of {frames} frames {lost} lost, {doubled} doubled, {late} late; p99 of saves {worst:.0f} ms",
    )


def sit_out(loads: Sequence[Load], off_s: float) -> tuple[bool, list[int]]:
    """Wait while the line is cut; say whether it really was, and how much each load has saved so far."""
    time.sleep(0.5)  # what was under way
    before = [load.acked() for load in loads]
    time.sleep(off_s - 0.5)
    after = [load.acked() for load in loads]
    return after == before, after


def _wait_for(load: Load, acked: int) -> None:
    until = time.monotonic() + _GIVE_UP_S
    while load.acked() < acked:
        if time.monotonic() > until:
            raise Unsound(NOT_SERVING, seconds=round(_GIVE_UP_S), log=load.child.log)
        time.sleep(_LOOK_S)


def _recovery_s(loads: Sequence[Load], acked: Sequence[int]) -> float:
    """Wait until each load has saved more than this; gives the time from now."""
    began = time.monotonic()
    for load, before in zip(loads, acked, strict=True):
        _wait_for(load, before + 1)
    return time.monotonic() - began


def _fell_due(load: Load, off_s: float, *, every_s: float) -> int:
    """Say how many saves at least fell due while the line was cut, and had to wait on the pages."""
    return len(load.candidates) * int((off_s - 1.0) / every_s)


def _judge(on: Stage, rounds: int) -> FaultResult:
    store = on.ground.open_store()
    try:
        proof = prove(store, on.pages.acks, on.ground.items)
    finally:
        store.close()
    seats_zh, seats_en = (f"（分接交换机 {SEATS} 个口）", f" at {SEATS} ports of a switch") if on.network else ("", "")
    return FaultResult(
        KIND,
        rounds=rounds,
        saves_acked=proof.saves_acked,
        acked_lost=proof.acked_lost,
        chain_broken=proof.chain_broken,
        recovery_s=None if on.recovery_s is None else round(on.recovery_s, 2),
        done_zh=f"{CANDIDATES} 名考生{seats_zh}保存答案时：拔一个考位的网线、断交换机、网线丢包乱序、考生机突然消失、"
        "请求重复送达、旧请求重放、同一考生开两个页面和两台机器。",
        done_en=f"While {CANDIDATES} candidates saved{seats_en}: one cable pulled, the switch off, frames lost and out "
        "of order, PCs vanished, requests delivered twice and replayed, two pages and two PCs of one candidate.",
        notes=tuple(on.notes),
        wrong=(*proof.wrong, *on.wrong),
    )
