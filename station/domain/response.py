"""What a response to an item may be (QTI PCI JSON), and whether it answers anything.

Every save passes `check_response`: it looks only at what was sent and at sets made ready once an item.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NoReturn

from station.domain.document import shortened
from station.domain.interaction import MAX_STRING, Blanks, Choice, Column, Deliverable, Files, Table, Writing
from station.domain.item import Item
from station.errors import Invalid, problem

RESPONSE_MALFORMED = problem(
    "response_malformed",
    "试题 {item} 的作答格式不对，未保存。请刷新页面后重试，仍不行请举手报告监考员。",
    "The response to item {item} has the wrong shape and was not saved. Reload the page; if that does not help, "
    "tell the invigilator.",
)
RESPONSE_OPTION_UNKNOWN = problem(
    "response_option_unknown",
    "试题 {item} 没有选项“{found}”，未保存。",
    "Item {item} has no option {found!r}; the response was not saved.",
)
RESPONSE_PART_UNKNOWN = problem(
    "response_part_unknown",
    "试题 {item} 没有填写处“{found}”或重复填写，未保存。",
    "Item {item} has no part {found!r}, or it was sent twice; the response was not saved.",
)
RESPONSE_TOO_LONG = problem(
    "response_too_long",
    "试题 {item} 的作答超过 {maximum} 字，请删减后再保存。",
    "The response to item {item} is longer than {maximum} characters. Shorten it.",
)
RESPONSE_FILE_WRONG = problem(
    "response_file_wrong",
    "试题 {item} 的文件“{found}”不能接收：须为 {extensions} 格式且不超过 {max_bytes} 字节。请检查后重新上传。",
    "Item {item} cannot take the file {found!r}: {extensions}, up to {max_bytes} bytes. Check it and upload again.",
)
RESPONSE_FILE_UNPROVEN = problem(
    "response_file_unproven",
    "试题 {item} 的文件“{found}”缺少校验信息，未保存。请重新上传。",
    "The file {found!r} of item {item} comes without its checksum and was not saved. Upload it again.",
)

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FILE_FIELDS = frozenset({"name", "sha256", "size", "media_type"})
_FORBIDDEN_IN_NAME = re.compile(r"[\x00-\x1f\x7f/\\]")
_NOTHING: tuple[tuple[str, object], ...] = ()


def check_response(item: Item, response: object) -> None:
    """Refuse by name a response that the item cannot hold; `{"base": null}` is always one.

    Numbers in a table are kept as typed: what is not a number is the marking's business.
    """
    if not isinstance(response, dict) or len(response) != 1:
        _malformed(item)
    ((shape, value),) = response.items()
    if shape == "base" and value is None:
        return
    _CHECKS[item.kind](item, shape, value)


def is_answered(item: Item, response: object) -> bool:
    """Say whether a response answers at least one part; blank texts and empty lists answer nothing."""
    if not isinstance(response, Mapping):
        return False
    base = response.get("base")
    if isinstance(base, Mapping):
        return _holds(base)
    listed = response.get("list")
    if isinstance(listed, Mapping):
        return bool(listed.get("identifier"))
    return bool(_answered_parts(response))


def unanswered_parts(item: Item, response: object) -> tuple[str, ...]:
    """Name the blanks, cells and required files that are still empty, in order; () for an item of one part."""
    answered = set(_answered_parts(response)) if isinstance(response, Mapping) else set()
    return tuple(name for name in _parts(item) if name not in answered)


def _parts(item: Item) -> tuple[str, ...]:
    match item.interaction:
        case Blanks(blanks):
            return tuple(blank.id for blank in blanks)
        case Table() as table:
            return tuple(table.inputs)
        case Files(files):
            return tuple(file.id for file in files if file.required)
    return ()


def _answered_parts(response: Mapping[str, object]) -> list[str]:
    record = response.get("record")
    if not isinstance(record, list):
        return []
    return [
        entry["name"]
        for entry in record
        if isinstance(entry, Mapping)
        and isinstance(entry.get("name"), str)
        and isinstance(entry.get("base"), Mapping)
        and _holds(entry["base"])
    ]


def _holds(base: Mapping[str, object]) -> bool:
    for value in base.values():
        if isinstance(value, str):
            return bool(value.strip())
        return value is not None
    return False


def _malformed(item: Item) -> NoReturn:
    raise Invalid(RESPONSE_MALFORMED, item=item.id)


def _inner(item: Item, value: object, wanted: str) -> object:
    if not isinstance(value, dict) or len(value) != 1 or wanted not in value:
        _malformed(item)
    return value[wanted]


def _check_single(item: Item, shape: str, value: object) -> None:
    if shape != "base":
        _malformed(item)
    _check_option(item, _inner(item, value, "identifier"))


def _check_multiple(item: Item, shape: str, value: object) -> None:
    chosen = _inner(item, value, "identifier") if shape == "list" else None
    if not isinstance(chosen, list):
        _malformed(item)
    for option in chosen:
        _check_option(item, option)
    if len(set(chosen)) != len(chosen):
        _malformed(item)


def _check_option(item: Item, option: object) -> None:
    assert isinstance(item.interaction, Choice)
    if not isinstance(option, str):
        _malformed(item)
    if option not in item.interaction.ids:
        raise Invalid(RESPONSE_OPTION_UNKNOWN, item=item.id, found=shortened(option))


def _check_true_false(item: Item, shape: str, value: object) -> None:
    if shape != "base" or not isinstance(_inner(item, value, "boolean"), bool):
        _malformed(item)


def _check_writing(item: Item, shape: str, value: object) -> None:
    assert isinstance(item.interaction, Writing)
    if shape != "base":
        _malformed(item)
    _check_text(item, _inner(item, value, "string"), item.interaction.max_length)


def _check_text(item: Item, text: object, maximum: int) -> None:
    if not isinstance(text, str):
        _malformed(item)
    if len(text) > maximum:
        raise Invalid(RESPONSE_TOO_LONG, item=item.id, maximum=maximum)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            _malformed(item)


def _record(item: Item, shape: str, value: object) -> tuple[tuple[str, object], ...]:
    """Read a record as (name, base) pairs; each name once, an empty base left out."""
    if shape != "record" or not isinstance(value, list):
        _malformed(item)
    if not value:
        return _NOTHING
    bases: dict[str, object] = {}
    for entry in value:
        if not isinstance(entry, dict) or entry.keys() != {"name", "base"} or not isinstance(entry["name"], str):
            _malformed(item)
        if entry["name"] in bases:
            raise Invalid(RESPONSE_PART_UNKNOWN, item=item.id, found=shortened(entry["name"]))
        bases[entry["name"]] = entry["base"]
    return tuple(bases.items())


def _check_fill_in(item: Item, shape: str, value: object) -> None:
    assert isinstance(item.interaction, Blanks)
    for name, base in _record(item, shape, value):
        if name not in item.interaction.ids:
            raise Invalid(RESPONSE_PART_UNKNOWN, item=item.id, found=shortened(name))
        if base is not None:
            _check_text(item, _inner(item, base, "string"), MAX_STRING)


def _check_table(item: Item, shape: str, value: object) -> None:
    assert isinstance(item.interaction, Table)
    for name, base in _record(item, shape, value):
        column = item.interaction.inputs.get(name)
        if column is None:
            raise Invalid(RESPONSE_PART_UNKNOWN, item=item.id, found=shortened(name))
        if base is not None:
            _check_cell(item, column, _inner(item, base, "string"))


def _check_cell(item: Item, column: Column, text: object) -> None:
    _check_text(item, text, MAX_STRING)
    if column.input == "choice" and text and text not in column.options:
        raise Invalid(RESPONSE_OPTION_UNKNOWN, item=item.id, found=shortened(text))


def _check_file(item: Item, shape: str, value: object) -> None:
    assert isinstance(item.interaction, Files)
    for name, base in _record(item, shape, value):
        deliverable = item.interaction.by_id.get(name)
        if deliverable is None:
            raise Invalid(RESPONSE_PART_UNKNOWN, item=item.id, found=shortened(name))
        if base is not None:
            _check_deliverable(item, deliverable, _inner(item, base, "file"))


def _check_deliverable(item: Item, deliverable: Deliverable, file: object) -> None:
    if not isinstance(file, dict) or not file.keys() <= _FILE_FIELDS:
        _malformed(item)
    name, sha256, size = file.get("name"), file.get("sha256"), file.get("size")
    if not isinstance(name, str) or not isinstance(file.get("media_type", ""), str):
        _malformed(item)
    _check_text(item, file.get("media_type", ""), 200)
    _check_text(item, name, 255)
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise Invalid(RESPONSE_FILE_UNPROVEN, item=item.id, found=shortened(name))
    sized = isinstance(size, int) and not isinstance(size, bool) and 0 <= size <= deliverable.max_bytes
    named = name.lower().endswith(deliverable.extensions) and not _FORBIDDEN_IN_NAME.search(name)
    if not sized or not named:
        raise Invalid(
            RESPONSE_FILE_WRONG,
            item=item.id,
            found=shortened(name),
            extensions=" ".join(deliverable.extensions),
            max_bytes=deliverable.max_bytes,
        )


_CHECKS: dict[str, Callable[[Item, str, object], None]] = {
    "single": _check_single,
    "multiple": _check_multiple,
    "true_false": _check_true_false,
    "fill_in": _check_fill_in,
    "short_answer": _check_writing,
    "long_answer": _check_writing,
    "table": _check_table,
    "file": _check_file,
}
