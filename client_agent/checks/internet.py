"""Whether this PC reaches the Internet, which it must not (R-ROOM-2): tried, not assumed.

Each way is tried on its own and at the same time: connections to well-known public addresses, questions to public name
servers, names looked up as programs do, and every proxy that this PC is set to. One that answers fails the check by
name. The targets are data (known.json); the station may add to them.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
import threading
from typing import List, Sequence, Tuple

from client_agent import clock
from client_agent.checks.check import Pc, Yes
from client_agent.checks.finding import Finding, Item, both, joined
from client_agent.checks.known import known
from client_agent.checks.probes import Network, Text, Unreadable

TRY_S = 2.5
# Looking up a name cannot be broken off; a resolver that reaches nothing gives up by itself later.
WAIT_S = 6.0
SHOWN = 3
ASKED_NAME = "www.example.com"
TO_DO: Text = (
    "断开机房的外网（拔掉上联网线，或在路由器、交换机上禁止考试机上网），删除本机的默认网关、DNS 和代理，再检查一次。",
    "Cut the room off (unplug the uplink, or bar the PCs at router or switch), remove this PC's default gateway, "
    "name servers and proxy, then check again.",
)


class Internet(Yes):
    id = "internet"
    title = ("外网隔离", "Internet closed")
    wanted = ("不能访问", "not reachable")

    def __init__(self, targets: Sequence[str] | None = None) -> None:
        self._targets = targets

    def run(self, item: Item, pc: Pc) -> Finding:
        network = _network(pc)
        targets = [*(known("internet") if self._targets is None else self._targets), *item.names]
        targets += [f"proxy {proxy}" for proxy in network.proxies]
        reached = try_all(targets)
        value = {"reached": reached, "tried": len(targets), "gateways": list(network.gateways)}
        if reached:
            few, more = reached[:SHOWN], f" …（{len(reached)}）" if len(reached) > SHOWN else ""
            measured = (f"能访问外网：{joined(few)}{more}", f"reached: {', '.join(few)}{more}")
            return self.found(item, measured, is_so=False, to_do=TO_DO, value=value)
        measured = (f"试了 {len(targets)} 处，都不通", f"{len(targets)} ways tried, none open")
        if pc.is_locked:  # true at this moment, but it says nothing of the room's network
            measured = (f"{measured[0]}（由本机锁定挡住）", f"{measured[1]} (this PC's lock bars them)")
        if network.gateways:
            gateways = ", ".join(network.gateways)
            measured = (f"{measured[0]}（设有默认网关 {gateways}）", f"{measured[1]} (default gateway {gateways})")
        return self.found(item, measured, is_so=True, to_do=both(""), value=value)


def try_all(targets: Sequence[str], *, wait_s: float = WAIT_S) -> List[str]:
    """Try all targets at once and give those that answered, in their order. One that cannot be read does not count."""
    reached: List[str] = []

    def attempt(target: str) -> None:
        answer = try_target(target)
        if answer:
            reached.append(target if answer == target else f"{target} → {answer}")

    threads = [threading.Thread(target=attempt, args=(target,), daemon=True) for target in targets]
    give_up = clock.monotonic() + wait_s
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, give_up - clock.monotonic()))
    places = {target: place for place, target in enumerate(targets)}
    return sorted(reached, key=lambda one: places.get(one.partition(" → ")[0], 0))


def try_target(target: str) -> str:
    """Try `tcp HOST:PORT`, `udp HOST:PORT` (a name server), `name NAME` or `proxy HOST:PORT`; give what answered."""
    kind, _space, rest = target.partition(" ")
    ways = {"tcp": _connects, "udp": _name_server_answers, "name": _resolves, "proxy": _proxy_opens}
    if kind not in ways:
        return ""
    try:
        answer = ways[kind](rest)
    except (OSError, ValueError, UnicodeError):
        return ""
    return target if answer and kind != "name" else answer


def _connects(place: str) -> str:
    with socket.create_connection(_host_and_port(place), timeout=TRY_S):
        return place


def _name_server_answers(place: str) -> str:
    host, port = _host_and_port(place)
    number = os.urandom(2)
    labels = b"".join(struct.pack("B", len(part)) + part.encode("ascii") for part in ASKED_NAME.split("."))
    question = number + struct.pack(">5H", 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asked:
        asked.settimeout(TRY_S)
        asked.connect((host, port))
        asked.send(question)
        answer = asked.recv(512)
    return place if answer[:2] == number and len(answer) >= 12 and answer[2] & 0x80 else ""


def _resolves(name: str) -> str:
    """Look a name up as any program would. An address of the room's own is a portal that answers everything."""
    for found in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM):
        address = str(found[4][0]).partition("%")[0]
        if ipaddress.ip_address(address).is_global:
            return address
    return ""


def _proxy_opens(place: str) -> str:
    with socket.create_connection(_host_and_port(place), timeout=TRY_S) as proxy:
        proxy.settimeout(TRY_S)
        proxy.sendall(f"CONNECT {ASKED_NAME}:443 HTTP/1.1\r\nHost: {ASKED_NAME}:443\r\n\r\n".encode("ascii"))
        status = proxy.recv(64).split(b" ")
    return place if len(status) > 1 and status[1].startswith(b"2") else ""


def _host_and_port(place: str) -> Tuple[str, int]:
    host, _colon, port = place.rpartition(":")
    return host.strip("[]"), int(port)


def _network(pc: Pc) -> Network:
    try:
        return pc.probes.network()
    except (Unreadable, OSError):
        return Network()
