"""The firewall: nothing in or out but the station, the address given by DHCP, and this PC to itself.

Windows' own firewall is told by `netsh`. What it answers is in the PC's language, and its status proves nothing, so the
state is read back from where the firewall keeps it: the registry.

1. Before: the whole policy goes into a file (`export`), named with its digest in the undo file.
2. Locked: every rule is deleted, both ways are blocked by default, and our few rules are added.
3. After: the file is read in again (`import`), which brings every old rule and setting back.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Sequence

from client_agent.errors import AgentError, problem
from client_agent.lockdown.addresses import addresses_of
from client_agent.lockdown.operation import LOCK_NOT_HELD, Before, NotHeld, not_held
from client_agent.lockdown.profile import LockProfile
from client_agent.windows.api import WindowsApi, system_program

FIREWALL_NOT_SAVED = problem(
    "firewall_not_saved",
    "无法保存原来的防火墙设置（{path}），防火墙未改动。请检查防火墙服务（MpsSvc）和磁盘空间。",
    "The firewall's settings could not be saved ({path}); it was not changed. Check that its service (MpsSvc) runs.",
)
FIREWALL_BACKUP_GONE = problem(
    "firewall_backup_gone",
    "原防火墙设置的备份 {path} 丢失或已损坏，无法自动恢复。请技术人员在“高级安全 Windows 防火墙”中“还原默认策略”。",
    "The saved firewall settings {path} are gone or damaged. A technician restores the default policy by hand.",
)
FIREWALL_NOT_RESTORED = problem(
    "firewall_not_restored",
    "防火墙设置导入后与原来不符（{reason}）。",
    "After the import the firewall's settings are not what they were ({reason}).",
)
PREFIX = "ExamAgent"
POLICY = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
OF_DOMAIN = r"HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall\FirewallRules"
PROFILES = ("DomainProfile", "StandardProfile", "PublicProfile")
STATE = ("EnableFirewall", "DefaultInboundAction", "DefaultOutboundAction", "DoNotAllowExceptions")
LOCKED_STATE = {"EnableFirewall": 1, "DefaultInboundAction": 1, "DefaultOutboundAction": 1}
SERVICE = "MpsSvc"


class Firewall:
    """Windows Firewall (Vista and later) around the station."""

    name = "windows.firewall"
    title = ("防火墙只放行服务器", "Firewall lets only the station through")
    needed = True

    def __init__(self, api: WindowsApi, folder: Path, addresses: Callable[[str], Sequence[str]] = addresses_of) -> None:
        self._api = api
        self._folder = folder
        self._addresses = addresses
        # Asked once for each host: with the firewall closed a name could not be looked up any more.
        self._known: Dict[str, Sequence[str]] = {}

    def wanted(self, profile: LockProfile) -> bool:
        return profile.firewall

    def read(self) -> Before:
        """Save the policy. The file of an earlier lock is not written over: its name carries its digest."""
        fresh = self._folder / "firewall-before.new.wfw"
        self._folder.mkdir(parents=True, exist_ok=True)
        if fresh.exists():
            fresh.unlink()
        status = self._netsh("advfirewall", "export", str(fresh))
        try:
            content = fresh.read_bytes()
        except OSError:
            raise AgentError(FIREWALL_NOT_SAVED, path=f"{fresh}: {status}") from None
        if not content:
            raise AgentError(FIREWALL_NOT_SAVED, path=f"{fresh}: 0 B")
        with fresh.open("r+b") as file:
            os.fsync(file.fileno())
        digest = hashlib.sha256(content).hexdigest()
        kept = self._folder / f"firewall-before-{digest[:12]}.wfw"
        os.replace(str(fresh), str(kept))
        return {"file": str(kept), "sha256": digest, "state": self._state()}

    def perform(self, profile: LockProfile) -> None:
        addresses = self._addresses_of(profile)
        for words in self._commands(profile, addresses):
            self._netsh("advfirewall", *words)

    def revert(self, before: Before) -> None:
        if self._state() == before["state"] and not self._own_rules():
            self._remove(before)
            return
        path = Path(before["file"])
        try:
            content = path.read_bytes()
        except OSError:
            content = b""
        if hashlib.sha256(content).hexdigest() != before["sha256"]:
            raise AgentError(FIREWALL_BACKUP_GONE, path=path)
        status = self._netsh("advfirewall", "import", str(path))
        now = self._state()
        # The count of rules may differ by some that programs bring along themselves; none at all is no import.
        is_back = now["settings"] == before["state"]["settings"] and bool(now["rules"]) == bool(
            before["state"]["rules"]
        )
        if self._own_rules() or not is_back:
            raise AgentError(FIREWALL_NOT_RESTORED, reason=f"netsh {status}: {now}")
        self._remove(before)

    def holds(self, profile: LockProfile) -> NotHeld | None:
        if not self._api.service_runs(SERVICE):
            return self._not_held(f"{SERVICE} is stopped")
        for name, values in self._settings().items():
            wrong = {key: values.get(key) for key, wanted in LOCKED_STATE.items() if values.get(key, 1) != wanted}
            if wrong or "EnableFirewall" not in values or "DefaultOutboundAction" not in values:
                return self._not_held(f"{name} {wrong or values}")
        rules = self._active_rules()
        strange = [rule for rule in rules if not rule["Name"].startswith(PREFIX) and rule.get("Action") == "Allow"]
        if strange:
            return self._not_held(f"{len(strange)} × Allow, {strange[0]['Name']}")
        let_through = {address for rule in rules for address in _addresses_in(rule)}
        missing = set(self._addresses_of(profile)) - let_through
        return self._not_held(f"{sorted(missing)} blocked") if missing else None

    def _commands(self, profile: LockProfile, addresses: Sequence[str]) -> List[Sequence[str]]:
        """Let our own rules in before the ways are closed, so that the station stays in reach all along."""
        add = ("firewall", "add", "rule", "profile=any", "enable=yes", "action=allow")
        out = (*add, "dir=out", "protocol=tcp", f"remoteport={profile.station_port}")
        return [
            ("set", "allprofiles", "state", "on"),
            ("firewall", "delete", "rule", "name=all"),
            *[(*out, f"name={PREFIX} station {one}", f"remoteip={one}") for one in addresses],
            (*add, f"name={PREFIX} DHCP", "dir=out", "protocol=udp", "localport=68", "remoteport=67"),
            (*add, f"name={PREFIX} find", "dir=out", "protocol=udp", "remoteport=8079"),
            # Neighbour discovery is what IPv6 has in the place of ARP.
            (*add, f"name={PREFIX} IPv6 neighbours", "dir=out", "protocol=icmpv6", "remoteip=localsubnet"),
            (*add, f"name={PREFIX} this PC", "dir=out", "remoteip=127.0.0.1"),
            ("set", "allprofiles", "firewallpolicy", "blockinbound,blockoutbound"),
        ]

    def _addresses_of(self, profile: LockProfile) -> Sequence[str]:
        host = profile.station_host
        if host not in self._known:
            self._known = {**self._known, host: self._addresses(host)}
        return self._known[host]

    def _settings(self) -> Dict[str, Dict[str, Any]]:
        found = {}
        for profile in PROFILES:
            values = self._api.values(f"{POLICY}\\{profile}") or {}
            found[profile] = {name: values[name].content for name in STATE if name in values}
        return found

    def _state(self) -> Dict[str, Any]:
        """What must be as before after the import: the settings, and how many rules there are."""
        return {"settings": self._settings(), "rules": len(self._api.values(f"{POLICY}\\FirewallRules") or {})}

    def _active_rules(self) -> List[Mapping[str, str]]:
        rules: List[Mapping[str, str]] = []
        for key in (f"{POLICY}\\FirewallRules", OF_DOMAIN):
            for value in (self._api.values(key) or {}).values():
                rule = parse_rule(str(value.content))
                if rule.get("Active", "TRUE").upper() == "TRUE":
                    rules.append(rule)
        return rules

    def _own_rules(self) -> List[Mapping[str, str]]:
        return [rule for rule in self._active_rules() if rule["Name"].startswith(PREFIX)]

    def _netsh(self, *words: str) -> int:
        return self._api.run([system_program("netsh.exe"), *words])

    def _remove(self, before: Before) -> None:
        path = Path(before["file"])
        if path.exists():
            path.unlink()

    def _not_held(self, reason: str) -> NotHeld:
        return not_held(LOCK_NOT_HELD, zh=self.title[0], en=self.title[1], reason=reason)


def parse_rule(line: str) -> Dict[str, str]:
    """Read a rule as the registry keeps it: `v2.10|Action=Allow|Active=TRUE|Dir=Out|…|Name=…|`; names may repeat."""
    rule = {"Name": ""}
    for part in line.split("|"):
        name, is_pair, value = part.partition("=")
        if is_pair:
            rule[name] = f"{rule[name]},{value}" if rule.get(name) else value
    return rule


def _addresses_in(rule: Mapping[str, str]) -> List[str]:
    """Give the single addresses a rule of ours lets through. Windows writes one with its mask."""
    if not rule["Name"].startswith(PREFIX):
        return []
    parts = ",".join(rule.get(name, "") for name in ("RA4", "RA6")).split(",")
    found = []
    for part in parts:
        with contextlib.suppress(ValueError):  # words: LocalSubnet
            found.append(str(ipaddress.ip_address(part.partition("/")[0].partition("-")[0])))
    return found
