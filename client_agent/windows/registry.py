"""Registry: values are read and written with their types, in the 64-bit view also from a 32-bit agent."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any, Mapping, Sequence

from client_agent.windows.api import RegistryValue

KINDS = {
    0: "REG_NONE", 1: "REG_SZ", 2: "REG_EXPAND_SZ", 3: "REG_BINARY", 4: "REG_DWORD", 5: "REG_DWORD_BIG_ENDIAN",
    6: "REG_LINK", 7: "REG_MULTI_SZ", 8: "REG_RESOURCE_LIST", 9: "REG_FULL_RESOURCE_DESCRIPTOR",
    10: "REG_RESOURCE_REQUIREMENTS_LIST", 11: "REG_QWORD",
}  # fmt: skip
NUMBERS = {name: number for number, name in KINDS.items()}
ROOTS = {"HKLM": "HKEY_LOCAL_MACHINE", "HKU": "HKEY_USERS"}


def from_registry(number: int, content: Any) -> RegistryValue:
    """Make a value that JSON can hold of what winreg gives; a type without a name keeps its number."""
    kind = KINDS.get(number, f"REG_{number}")
    if kind in ("REG_DWORD", "REG_QWORD"):
        return RegistryValue(kind, int(content or 0))
    if kind in ("REG_SZ", "REG_EXPAND_SZ"):
        return RegistryValue(kind, content or "")
    if kind == "REG_MULTI_SZ":
        return RegistryValue(kind, list(content or []))
    return RegistryValue(kind, bytes(content or b"").hex())


def to_registry(value: RegistryValue) -> tuple[int, Any]:
    """Give type number and content as winreg wants them: the reverse of `from_registry`."""
    number = NUMBERS[value.kind] if value.kind in NUMBERS else int(value.kind.rpartition("_")[2])
    if value.kind in ("REG_DWORD", "REG_QWORD", "REG_SZ", "REG_EXPAND_SZ", "REG_MULTI_SZ"):
        return number, value.content
    return number, bytes.fromhex(value.content)


class Registry:
    """The registry of this PC, by the standard library's winreg (given in tests)."""

    def __init__(self, winreg: Any = None) -> None:
        self._given = winreg

    def values(self, key: str) -> Mapping[str, RegistryValue] | None:
        try:
            with self._open(key, self._winreg.KEY_READ) as opened:
                count = self._winreg.QueryInfoKey(opened)[1]
                found = [self._winreg.EnumValue(opened, index) for index in range(count)]
        except FileNotFoundError:
            return None
        return {name: from_registry(number, content) for name, content, number in found}

    def subkeys(self, key: str) -> Sequence[str]:
        try:
            with self._open(key, self._winreg.KEY_READ) as opened:
                count = self._winreg.QueryInfoKey(opened)[0]
                return [self._winreg.EnumKey(opened, index) for index in range(count)]
        except FileNotFoundError:
            return []

    def set_value(self, key: str, name: str, value: RegistryValue) -> None:
        root, path = self._parts(key)
        access = self._winreg.KEY_WRITE | self._winreg.KEY_WOW64_64KEY
        number, content = to_registry(value)
        with self._winreg.CreateKeyEx(root, path, 0, access) as opened:
            self._winreg.SetValueEx(opened, name, 0, number, content)
            self._winreg.FlushKey(opened)

    def delete_value(self, key: str, name: str) -> None:
        with contextlib.suppress(FileNotFoundError), self._open(key, self._winreg.KEY_WRITE) as opened:
            self._winreg.DeleteValue(opened, name)
            self._winreg.FlushKey(opened)

    def delete_key(self, key: str) -> None:
        root, path = self._parts(key)
        with contextlib.suppress(FileNotFoundError):
            self._winreg.DeleteKeyEx(root, path, self._winreg.KEY_WOW64_64KEY, 0)

    @property
    def _winreg(self) -> Any:
        return self._given or importlib.import_module("winreg")

    def _open(self, key: str, access: int) -> Any:
        root, path = self._parts(key)
        return self._winreg.OpenKeyEx(root, path, 0, access | self._winreg.KEY_WOW64_64KEY)

    def _parts(self, key: str) -> tuple[Any, str]:
        root, _separator, path = key.partition("\\")
        return getattr(self._winreg, ROOTS[root]), path
