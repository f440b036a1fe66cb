"""Reading documents (plan, paper, keys): every field that is not as it should be is refused with its place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import NoReturn

from station.errors import Invalid, Problem, problem

FIELD_MISSING = problem(
    "document_field_missing",
    "{where} 缺少必填项。请补全后重新导入。",
    "{where} is missing. Fill it in and import again.",
)
FIELD_WRONG = problem(
    "document_field_wrong",
    "{where} 应为{wanted_zh}，实际内容为：{found}。",
    "{where} should be {wanted}; found: {found}.",
)
FORMAT_UNKNOWN = problem(
    "document_format_unknown",
    "文件格式标识应为 {wanted}，实际为 {found}。请确认选对了文件，或升级考站程序。",
    "The format should be {wanted}, found {found}. Check that this is the right file, or update the station.",
)
ID_MALFORMED = problem(
    "id_malformed",
    "{where} 的编号“{found}”不合规：只能用 1–32 个字母、数字、下划线或连字符。",
    "{where}: the id {found!r} is malformed: 1–32 letters, digits, underscores or hyphens.",
)
ID_TWICE = problem(
    "id_twice",
    "{where} 的编号“{found}”重复出现。每个编号只能用一次。",
    "{where}: the id {found!r} stands there twice. Use each id once.",
)

_ID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII)
_POINTS = re.compile(r"[0-9]{1,6}\.[0-9]{2}", re.ASCII)
_MAX_TEXT = 200_000


class Node:
    """One object of a document, and where it stands."""

    __slots__ = ("fields", "where")

    def __init__(self, fields: object, where: str) -> None:
        if not isinstance(fields, Mapping):
            refuse(where, "对象", "an object", fields)
        self.fields: Mapping[str, object] = fields
        self.where = where

    def at(self, name: str) -> str:
        """Name the place of one field."""
        return f"{self.where}.{name}"

    def has(self, name: str) -> bool:
        """Say whether a field is there and not null."""
        return self.fields.get(name) is not None

    def text(self, name: str, default: str | None = None, *, maximum: int = _MAX_TEXT) -> str:
        """Read a text; without a default it must be there and not be blank."""
        value = self._value(name, default)
        if not isinstance(value, str) or len(value) > maximum or not _is_storable(value):
            refuse(self.at(name), f"不超过 {maximum} 字的文字", f"text of up to {maximum} characters", value)
        if default is None and not value.strip():
            raise Invalid(FIELD_MISSING, where=self.at(name))
        return value

    def integer(self, name: str, default: int | None = None, *, minimum: int, maximum: int) -> int:
        """Read a whole number within bounds, both included."""
        value = self._value(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= maximum:
            refuse(self.at(name), f"{minimum}–{maximum} 的整数", f"a whole number {minimum}–{maximum}", value)
        return value

    def flag(self, name: str, default: bool | None = None) -> bool:
        """Read true or false."""
        value = self._value(name, default)
        if not isinstance(value, bool):
            refuse(self.at(name), "true 或 false", "true or false", value)
        return value

    def decimal(self, name: str, default: str | None = None) -> Decimal:
        """Read a number that is not negative, written as text or as a whole number."""
        value = self._value(name, default)
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not _DECIMAL.fullmatch(text):
            refuse(self.at(name), "非负十进制数（文本）", "a decimal number, as text, not negative", value)
        return Decimal(text)

    def number(self, name: str) -> Decimal:
        """Read any finite decimal number written as text, with its sign."""
        value = self._value(name, None)
        try:
            number = Decimal(value) if isinstance(value, str) else None
        except InvalidOperation:
            number = None
        if number is None or not number.is_finite():
            refuse(self.at(name), "数字（文本）", "a number, as text", value)
        return number

    def points(self, name: str) -> Decimal:
        """Read points: text with exactly two decimal places."""
        value = self._value(name, None)
        if not isinstance(value, str) or not _POINTS.fullmatch(value):
            refuse(self.at(name), '带两位小数的分值（如 "1.00"）', 'points with two places ("1.00")', value)
        return Decimal(value)

    def one_of(self, name: str, allowed: Collection[str], default: str | None = None) -> str:
        """Read a word out of a fixed set."""
        value = self._value(name, default)
        if not isinstance(value, str) or value not in allowed:
            words = " / ".join(sorted(allowed))
            refuse(self.at(name), f"以下之一：{words}", f"one of {words}", value)
        return value

    def identifier(self, name: str = "id") -> str:
        """Read an id."""
        value = self._value(name, None)
        if not isinstance(value, str) or not _ID.fullmatch(value):
            raise Invalid(ID_MALFORMED, where=self.where, found=shortened(value))
        return value

    def node(self, name: str) -> Node:
        """Read an object."""
        return Node(self._value(name, None), self.at(name))

    def nodes(self, name: str, *, optional: bool = False) -> list[Node]:
        """Read a list of objects; it must not be empty unless it is optional."""
        return [Node(entry, f"{self.at(name)}[{number}]") for number, entry in enumerate(self._list(name, optional), 1)]

    def mapping(self, name: str, *, optional: bool = False) -> dict[str, Node]:
        """Read an object of objects."""
        if optional and not self.has(name):
            return {}
        node = self.node(name)
        return {str(key): Node(value, node.at(str(key))) for key, value in node.fields.items()}

    def texts(self, name: str, *, optional: bool = False) -> tuple[str, ...]:
        """Read a list of texts; it must not be empty unless it is optional."""
        entries = self._list(name, optional)
        texts = tuple(entry for entry in entries if isinstance(entry, str) and entry and _is_storable(entry))
        if len(texts) != len(entries):
            refuse(self.at(name), "非空文字的列表", "a list of texts that are not empty", entries)
        return texts

    def check_format(self, wanted: str) -> None:
        """Refuse a document that is of another kind or version."""
        found = self.fields.get("format")
        if found != wanted:
            raise Invalid(FORMAT_UNKNOWN, wanted=wanted, found=shortened(found))

    def _value(self, name: str, default: object) -> object:
        value = self.fields.get(name)
        if value is not None:
            return value
        if default is None:
            raise Invalid(FIELD_MISSING, where=self.at(name))
        return default

    def _list(self, name: str, optional: bool) -> list[object]:
        value = self._value(name, [] if optional else None)
        if not isinstance(value, list | tuple):
            refuse(self.at(name), "列表", "a list", value)
        if not value and not optional:
            raise Invalid(FIELD_MISSING, where=self.at(name))
        return list(value)


def check_unique(identifiers: Iterable[str], where: str) -> None:
    """Refuse the first id that comes twice."""
    seen: set[str] = set()
    for identifier in identifiers:
        if identifier in seen:
            raise Invalid(ID_TWICE, where=where, found=identifier)
        seen.add(identifier)


def refuse(where: str, wanted_zh: str, wanted: str, found: object, kind: Problem = FIELD_WRONG) -> NoReturn:
    """Refuse a field, saying what it should be."""
    raise Invalid(kind, where=where, wanted_zh=wanted_zh, wanted=wanted, found=shortened(found))


def shortened(value: object) -> str:
    """Show a found value in at most 40 characters, so that a message stays a message."""
    text = value if isinstance(value, str) else repr(value)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= 40 else text[:39] + "…"


def _is_storable(text: str) -> bool:
    """Say whether text can be written as UTF-8 (a lone surrogate cannot)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
