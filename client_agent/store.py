"""What the agent keeps in its state folder: small JSON files, each replaced as a whole, for nobody else to read."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Mapping

from client_agent import clock
from client_agent.durable import write_durably
from client_agent.errors import AgentError, problem
from client_agent.machine import Identity

STATE_NOT_WRITTEN = problem(
    "state_not_written",
    "无法写入程序数据文件夹 {path}（{reason}）。请检查磁盘空间和权限。",
    "The agent's folder {path} cannot be written ({reason}). Check the disk's space and rights.",
)

COMMANDS_REMEMBERED = 200


@dataclass(frozen=True)
class Pairing:
    """The station this PC belongs to, and what the PC is there.

    Without `token` it is not registered. Without `public_key` only the address was told (by an installer): the
    station that is met there first counts, or the one whose key has the `fingerprint`.
    """

    address: str
    public_key: str
    token: str = field(default="", repr=False)
    device_id: int = 0
    machine_id: str = ""
    macs: tuple[str, ...] = ()
    seat: Mapping[str, Any] | None = None
    fingerprint: str = ""


@dataclass(frozen=True)
class Freed:
    """Who freed this PC against its orders: `code`, `command` or `restore`; `at` by its clock, once it is kept."""

    by: str
    code_id: str = ""
    at: str = ""


class Store:
    """The files of one state folder. What cannot be read counts as absent: the station tells it all again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make_folder(self) -> None:
        """Make the folder for this account alone; refuses by name when it cannot be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # On Windows the installer sets who may open it.
            if os.name == "posix":
                self.folder.chmod(0o700)
        except OSError as failure:
            raise AgentError(STATE_NOT_WRITTEN, path=self.folder, reason=failure.strerror) from None

    def path(self, name: str) -> Path:
        return self.folder / name

    def pairing(self) -> Pairing | None:
        kept = self._read("pairing.json")
        try:
            return Pairing(**{**kept, "macs": tuple(kept["macs"])}) if kept else None
        except (TypeError, KeyError):
            return None

    def keep_pairing(self, pairing: Pairing) -> None:
        self._write("pairing.json", asdict(pairing))

    def forget(self) -> None:
        """Forget station, token, seat and orders. What the lockdown must put back is not touched."""
        for name in ("pairing.json", "orders.json", "freed.json", "commands.json", "programs.json"):
            with contextlib.suppress(FileNotFoundError):
                self.path(name).unlink()

    def machine_id(self, identity: Identity) -> str:
        """Give the id this PC registers under: the kept one while a network card of then is still in the PC.

        A folder that was copied with the disk to another PC says nothing about that one.
        """
        pairing = self.pairing()
        return pairing.machine_id if pairing is not None and is_same_pc(pairing, identity) else identity.machine_id

    def orders(self) -> Mapping[str, Any]:
        """Give the last orders with `boot_id` and `kept_at`; empty if there were none."""
        return self._read("orders.json")

    def keep_orders(self, orders: Mapping[str, Any], *, boot_id: str, kept_at: str) -> None:
        self._write("orders.json", {"orders": orders, "boot_id": boot_id, "kept_at": kept_at})

    def freed(self) -> Freed | None:
        kept = self._read("freed.json")
        return Freed(*(str(kept.get(name, "")) for name in ("by", "code_id", "at"))) if kept else None

    def keep_freed(self, freed: Freed | None) -> None:
        """Keep who freed this PC, as of now unless it says; None: nobody any more."""
        if freed is not None:
            self._write("freed.json", asdict(replace(freed, at=freed.at or clock.now().isoformat())))
        else:
            with contextlib.suppress(OSError):
                self.path("freed.json").unlink()

    def commands(self) -> dict[int, Mapping[str, Any]]:
        """Give what became of each command by its id: `{"ok", "text"}`."""
        kept = self._read("commands.json")
        return {int(number): done for number, done in kept.items() if number.isdigit() and isinstance(done, dict)}

    def keep_commands(self, done: Mapping[int, Mapping[str, Any]]) -> None:
        newest = sorted(done)[-COMMANDS_REMEMBERED:]
        self._write("commands.json", {str(number): done[number] for number in newest})

    def programs(self) -> Mapping[str, Any]:
        """Give what is known of the programs that are open; empty if none was opened."""
        return self._read("programs.json")

    def keep_programs(self, opened: Mapping[str, Any] | None) -> None:
        if opened is not None:
            self._write("programs.json", opened)
        else:
            with contextlib.suppress(OSError):
                self.path("programs.json").unlink()

    def port(self) -> int:
        """Give the port the local pages had last: policies of a lock in force name it."""
        port = self._read("local.json").get("port")
        return port if isinstance(port, int) else 0

    def keep_port(self, port: int) -> None:
        self._write("local.json", {"port": port})

    def _read(self, name: str) -> Mapping[str, Any]:
        try:
            kept = json.loads(self.path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}

    def _write(self, name: str, document: Mapping[str, Any]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_durably(self.path(name), json.dumps(document).encode("ascii"))
        except OSError as failure:
            raise AgentError(STATE_NOT_WRITTEN, path=self.folder, reason=failure.strerror) from None


def is_same_pc(pairing: Pairing, identity: Identity) -> bool:
    """Say whether a pairing was made on this PC: the id is the same, or a network card of then is still in it."""
    return pairing.machine_id == identity.machine_id or bool(set(pairing.macs) & set(identity.macs))


def of_this_pc(pairing: Pairing | None, identity: Identity) -> Pairing | None:
    """Give the pairing; made on another PC it keeps the station but neither token nor seat."""
    if pairing is None or is_same_pc(pairing, identity):
        return pairing
    return replace(pairing, token="", device_id=0, machine_id="", macs=(), seat=None)
