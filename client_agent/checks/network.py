"""The way to the station: cable, speed, clock, round trip and loss."""

from __future__ import annotations

import socket
import threading
from typing import List, Sequence
from urllib.parse import urlsplit

from client_agent import clock
from client_agent.checks.check import Bounded, Pc, Yes
from client_agent.checks.finding import ADVICE, FAIL, Finding, Item, both, joined
from client_agent.checks.probes import Adapter, Text, Unreadable
from client_agent.errors import AgentError
from client_agent.station_link import ClockReading

# A packet that is lost is sent again after a second at the soonest: a longer connection attempt lost one.
LOST_AFTER_S = 0.9
CONNECTIONS = 40
# More at once would overrun the queue of a server that has to do with a whole room, which looks like loss.
AT_A_TIME = 3
BREATH_S = 0.02
LOSS_WITHIN_S = 5.0
CABLE: Text = ("检查网线和交换机，停用无线网络。", "Check cable and switch; switch wireless off.")
NO_STATION: Text = ("没有连上考站，无法测量。", "The station was not reached.")


class Station(Yes):
    id = "station"
    title = ("考站", "Station")
    wanted = ("可连接", "reachable")

    def run(self, item: Item, pc: Pc) -> Finding:
        try:
            pc.station_clock()
        except AgentError as failure:
            to_do = (failure.sentence("zh"), failure.sentence("en"))
            return self.found(item, ("未连接", "not reached"), is_so=False, to_do=to_do)
        return self.found(item, ("已连接", "reached"), is_so=True, to_do=both(""))


class RoundTrip(Bounded):
    id = "round_trip_ms"
    title = ("往返时间", "Round trip")
    to_do = CABLE
    unit = " ms"
    at_most = True

    def measure(self, pc: Pc) -> float:
        return _reached(pc).round_trip_s * 1000


class ClockOffset(Bounded):
    """The page counts by the station's clock: a wrong clock here costs no time, so it never fails a PC."""

    id = "clock_offset_s"
    title = ("时钟偏差", "Clock offset")
    to_do = (
        "校准本机时间（考试计时以服务器为准，不受影响）。",
        "Set this PC's clock (the test is timed by the server).",
    )
    unit = " s"
    at_most = True

    def measure(self, pc: Pc) -> float:
        return _reached(pc).offset_s

    def counted(self, value: float) -> float:
        return abs(value)

    def shown(self, value: float) -> Text:
        return both(f"{value:+.1f} s")

    def run(self, item: Item, pc: Pc) -> Finding:
        found = super().run(item, pc)
        if found.state != FAIL:
            return found
        return Finding(self.id, ADVICE, found.title, found.measured, found.wanted, found.to_do, found.value)


class Loss(Bounded):
    """Loss by many short connections to the station: a lost packet makes one take a second or more."""

    id = "loss_percent"
    title = ("丢包", "Loss")
    to_do = CABLE
    unit = " %"
    at_most = True

    def measure(self, pc: Pc) -> float:
        _reached(pc)
        parts = urlsplit(pc.station or "")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return 100 * lost_share(parts.hostname or "", port, connections=CONNECTIONS)


class LinkSpeed(Bounded):
    id = "link_speed_mbps"
    title = ("网络速率", "Link speed")
    to_do = ("换千兆网线、网卡或交换机端口。", "Use a gigabit cable, card and switch port.")
    unit = " Mbit/s"

    def measure(self, pc: Pc) -> float:
        adapters = [one for one in pc.probes.adapters() if one.is_up and one.kind == "wired"]
        towards = _adapter_towards(pc.station, adapters)
        told = [one.speed_mbps for one in ([towards] if towards else adapters) if one.speed_mbps]
        if not told:
            raise Unreadable("网卡没有报告速率。", "The network card does not tell its speed.")
        return max(told)


class Wired(Yes):
    """R-ROOM-9: everything is wired; Wi-Fi and Bluetooth are off."""

    id = "wired"
    title = ("有线网络", "Wired network")
    wanted = ("有线已连接，无线已停用", "wired up, wireless off")

    def run(self, item: Item, pc: Pc) -> Finding:
        adapters = pc.probes.adapters()
        wired = [one for one in adapters if one.kind == "wired" and one.is_up]
        radio = [one for one in adapters if one.kind in ("wireless", "bluetooth")]
        live = [one for one in radio if one.is_up]
        if live:
            measured = (f"无线已连接：{_names(live)}", f"wireless is up: {_names(live)}")
            to_do = ("在设备管理器或网络连接中停用无线网卡和蓝牙。", "Disable the wireless card and Bluetooth.")
            return self.found(item, measured, is_so=False, to_do=to_do)
        if not wired:
            measured = ("有线未连接", "no wired connection")
            return self.found(item, measured, is_so=False, to_do=("接好网线。", "Connect the cable."))
        measured = (f"有线：{_names(wired)}", f"wired: {_names(wired)}")
        if radio:
            measured = (
                f"{measured[0]}；无线网卡未连接：{_names(radio)}",
                f"{measured[1]}; wireless not connected: {_names(radio)}",
            )
        return self.found(item, measured, is_so=True, to_do=both(""))


def lost_share(
    host: str, port: int, *, connections: int, timeout_s: float = 1.5, within_s: float = LOSS_WITHIN_S
) -> float:
    """Open so many connections, some at a time, and give the share of those that lost a packet.

    A bad way makes each take long: after `within_s` the ones so far must do.
    """
    left, lost, tried, guard, pause = [connections], [0], [0], threading.Lock(), threading.Event()
    give_up = clock.monotonic() + within_s

    def work() -> None:
        while True:
            with guard:
                if not left[0] or clock.monotonic() > give_up:
                    return
                left[0] -= 1
            started = clock.monotonic()
            try:
                socket.create_connection((host, port), timeout=timeout_s).close()
                is_lost = clock.monotonic() - started >= LOST_AFTER_S
            except OSError:
                is_lost = True
            with guard:
                lost[0] += is_lost
                tried[0] += 1
            pause.wait(BREATH_S)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(AT_A_TIME)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return lost[0] / max(tried[0], 1)


def _reached(pc: Pc) -> ClockReading:
    try:
        return pc.station_clock()
    except AgentError:
        raise Unreadable(*NO_STATION) from None


def _names(adapters: Sequence[Adapter]) -> str:
    return joined([one.name for one in adapters])


def _adapter_towards(station: str | None, adapters: List[Adapter]) -> Adapter | None:
    """Find the adapter whose address this PC uses towards the station; nothing is sent."""
    host = urlsplit(station).hostname if station else None
    if not host:
        return None
    try:
        own = _own_address(host)
    except OSError:
        return None
    return next((one for one in adapters if own in one.addresses), None)


def _own_address(host: str) -> str:
    family, _kind, _protocol, _name, address = socket.getaddrinfo(host, 9, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect(address)
        return str(probe.getsockname()[0])
