"""The network: only the station can be reached, by a table of our own in nftables; other tables stay as they are.

In nftables a packet must be let through by every table, so that ours can forbid what the school's own allow.
"""

from __future__ import annotations

import ipaddress
import json
import os
import shutil
from pathlib import Path
from typing import Any, Dict, List

from client_agent.errors import AgentError
from client_agent.linux.lock_files import run, temporary_of
from client_agent.lockdown.addresses import addresses_of
from client_agent.lockdown.operation import Before, NotHeld, describe_failure
from client_agent.lockdown.profile import LockProfile

TABLE = "exam_station"
FIND_PORT = 8079
CHAINS = ("input", "output", "forward")


class Firewall:
    """Needs root and the program nft. A restart of the PC removes the table as well."""

    name, needed = "firewall", True
    title = ("防火墙（只通服务器）", "Firewall (station only)")

    def __init__(self) -> None:
        self._listing: Any = None

    def wanted(self, profile: LockProfile) -> bool:
        return profile.firewall

    def read(self) -> Before:
        """Nothing: the table is ours by name, whoever left it; reverting removes it."""
        return {}

    def perform(self, profile: LockProfile) -> None:
        run("nft", "-f", "-", given=ruleset(addresses_of(profile.station_host), profile.station_port))
        self._listing = _list_table()

    def revert(self, _before: Before) -> None:
        self._listing = None
        # Adding what may be there already makes deleting it safe; both happen at once.
        run("nft", "-f", "-", given=f"add table inet {TABLE}\ndelete table inet {TABLE}\n")

    def holds(self, _profile: LockProfile) -> NotHeld | None:
        try:
            listing = _list_table()
        except AgentError as refusal:
            return describe_failure(self, refusal)
        policies = {one["chain"]["hook"]: one["chain"]["policy"] for one in listing if "chain" in one}
        if policies != dict.fromkeys(CHAINS, "drop"):
            return describe_failure(self, policies)
        return None if listing == self._listing else describe_failure(self, "规则被改动", "the rules were changed")


class StationName:
    """A station that is given by name keeps its address while questions to name servers are shut out."""

    name, needed = "station_name", True
    title = ("服务器名称", "The station's name")

    def __init__(self, root: Path = Path("/")) -> None:
        self._hosts = root / "etc" / "hosts"
        self._mark = "# exam-station"

    def wanted(self, profile: LockProfile) -> bool:
        return profile.firewall and not _is_address(profile.station_host) and profile.station_host != "localhost"

    def read(self) -> Before:
        return {}

    def perform(self, profile: LockProfile) -> None:
        if self.holds(profile) is None:
            return
        lines = [f"{one} {profile.station_host} {self._mark}" for one in addresses_of(profile.station_host)]
        kept = self._without_ours()
        # Ours come first: the first line that names a host counts.
        self._write("".join(f"{line}\n" for line in lines) + kept)

    def revert(self, _before: Before) -> None:
        if self._hosts.exists() and self._mark in self._read_hosts():
            self._write(self._without_ours())

    def holds(self, profile: LockProfile) -> NotHeld | None:
        ours = [line.split() for line in self._read_hosts().splitlines() if line.endswith(self._mark)]
        if any(len(words) > 1 and words[1] == profile.station_host for words in ours):
            return None
        return describe_failure(self, f"{self._hosts}: {profile.station_host}")

    def _read_hosts(self) -> str:
        return self._hosts.read_text(encoding="utf-8", errors="surrogateescape") if self._hosts.exists() else ""

    def _without_ours(self) -> str:
        lines = self._read_hosts().splitlines(keepends=True)
        return "".join(line for line in lines if not line.rstrip().endswith(self._mark))

    def _write(self, content: str) -> None:
        """Replace the file as a whole, with the owner and the rights that it had."""
        temporary = temporary_of(self._hosts)
        try:
            with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if self._hosts.exists():
                was = self._hosts.stat()
                os.chmod(str(temporary), was.st_mode & 0o7777)
                shutil.chown(str(temporary), was.st_uid, was.st_gid)
            os.replace(str(temporary), str(self._hosts))
        finally:
            if temporary.exists():
                temporary.unlink()


def ruleset(addresses: List[str], port: int) -> str:
    """Write the table: loopback, the station, asking for the station, DHCP and finding neighbours; nothing else.

    What goes out elsewhere is rejected and not only dropped, so that programs do not hang on a name server.
    """
    out: List[str] = ['oifname "lo" accept']
    into: List[str] = ['iifname "lo" accept']
    for address in addresses:
        family, icmp = ("ip", "icmp") if ":" not in address else ("ip6", "icmpv6")
        out += [f"{family} daddr {address} tcp dport {port} accept"]
        into += [f"{family} saddr {address} tcp sport {port} accept"]
        ping = f"{icmp} type {{ echo-request, echo-reply }} accept"
        out += [f"{family} daddr {address} {ping}"]
        into += [f"{family} saddr {address} {ping}"]
    neighbours = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept"
    out += [
        f"udp dport {FIND_PORT} fib daddr type broadcast accept",
        "udp sport 68 udp dport 67 accept",
        "udp sport 546 udp dport 547 accept",
        neighbours,
        "reject",
    ]
    into += [
        f"udp sport {FIND_PORT} accept",
        "udp sport 67 udp dport 68 accept",
        "udp sport 547 udp dport 546 accept",
        neighbours,
    ]
    rules: Dict[str, List[str]] = {"input": into, "output": out, "forward": []}
    chains = "".join(
        f"  chain {name} {{\n    type filter hook {name} priority 0; policy drop;\n"
        + "".join(f"    {rule}\n" for rule in rules[name])
        + "  }\n"
        for name in CHAINS
    )
    # One transaction: there is no moment without a table while it is made anew.
    return f"add table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n{chains}}}\n"


def _list_table() -> List[Dict[str, Any]]:
    """List the table as nftables holds it; refuses if there is none."""
    listing = json.loads(run("nft", "-j", "list", "table", "inet", TABLE))["nftables"]
    return [_without_handles(one) for one in listing if "metainfo" not in one]


def _without_handles(one: Dict[str, Any]) -> Dict[str, Any]:
    return {kind: {key: value for key, value in body.items() if key != "handle"} for kind, body in one.items()}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
