"""Registry values keep their types on their way through the undo file."""

# ruff: noqa: N802
from __future__ import annotations

import pytest

from client_agent.windows.api import RegistryValue
from client_agent.windows.registry import Registry, from_registry, to_registry


@pytest.mark.parametrize(
    ("number", "content"),
    [(1, "文字"), (2, "%SystemRoot%\\x"), (3, b"\x00\xff"), (3, b""), (4, 0), (4, 2**32 - 1), (11, 2**63), (7, []),
     (7, ["甲", "乙"]), (0, b"\x01"), (5, b"\x00\x00\x00\x01"), (8, b"resource"), (99, b"a type of its own")],
)  # fmt: skip
def test_a_registry_value_goes_into_the_undo_file_and_back_with_its_type(number, content):
    value = from_registry(number, content)
    assert to_registry(RegistryValue(*value.as_json())) == (number, content)


def test_what_winreg_gives_for_empty_values_is_written_back_as_empty():
    assert to_registry(from_registry(3, None)) == (3, b"")
    assert to_registry(from_registry(4, None)) == (4, 0)
    assert to_registry(from_registry(1, None)) == (1, "")


class Winreg:
    """As much of `winreg` as is called, over one dict; keys know the view they were opened in."""

    HKEY_LOCAL_MACHINE, HKEY_USERS = "machine", "users"
    KEY_READ, KEY_WRITE, KEY_WOW64_64KEY = 1, 2, 256

    def __init__(self):
        self.keys = {("machine", "SOFTWARE"): {}}

    def OpenKeyEx(self, root, path, _reserved, access):
        assert access & self.KEY_WOW64_64KEY, "a 32-bit agent would change another key"
        if (root, path) not in self.keys:
            raise FileNotFoundError(path)
        return Opened(self.keys[root, path], [p for r, p in self.keys if r == root and p.startswith(path + "\\")])

    def CreateKeyEx(self, root, path, _reserved, access):
        self.keys.setdefault((root, path), {})
        return self.OpenKeyEx(root, path, 0, access)

    def QueryInfoKey(self, opened):
        return len(opened.below), len(opened.values), 0

    def EnumValue(self, opened, index):
        name = sorted(opened.values)[index]
        number, content = opened.values[name]
        return name, content, number

    def EnumKey(self, opened, index):
        return opened.below[index].rpartition("\\")[2]

    def SetValueEx(self, opened, name, _reserved, number, content):
        opened.values[name] = (number, content)

    def DeleteValue(self, opened, name):
        if name not in opened.values:
            raise FileNotFoundError(name)
        del opened.values[name]

    def DeleteKeyEx(self, root, path, access, _reserved):
        assert access & self.KEY_WOW64_64KEY
        if (root, path) not in self.keys:
            raise FileNotFoundError(path)
        del self.keys[root, path]

    def FlushKey(self, opened):
        assert opened.values is not None


class Opened:
    def __init__(self, values, below):
        self.values, self.below = values, below

    def __enter__(self):
        return self

    def __exit__(self, *_nothing):
        return None


def test_the_registry_is_read_and_written_through_winreg():
    registry = Registry(Winreg())
    key = r"HKLM\SOFTWARE\Policies"
    assert registry.values(key) is None
    assert registry.subkeys(key) == []
    registry.delete_value(key, "absent")
    registry.set_value(key, "网址", RegistryValue("REG_MULTI_SZ", ["甲"]))
    assert registry.values(key) == {"网址": RegistryValue("REG_MULTI_SZ", ["甲"])}
    assert registry.subkeys(r"HKLM\SOFTWARE") == ["Policies"]
    registry.delete_value(key, "网址")
    registry.delete_value(key, "网址")
    assert registry.values(key) == {}
    registry.delete_key(key)
    registry.delete_key(key)
    assert registry.values(key) is None
