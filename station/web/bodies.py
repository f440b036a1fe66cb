"""Request bodies of the save path: packed or plain, bounded, and read into saves."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from flask import request

from station.errors import Invalid
from station.web.guards import BAD_JSON, FIELD_WRONG, REQUEST_TOO_LARGE, number_field, text_field

SAVES_MAX = 500
SAVES_BYTES = 2 * 1024 * 1024
VIEW_BYTES = 20_000
SEQUENCE_MAX = 2**31 - 1


class SentSave(NamedTuple):
    """A save as a page sends it, not yet held against the paper."""

    sequence: int
    item_id: str
    response: object


class SentSaves(NamedTuple):
    """What one save request says; `view` None leaves the page's view as it was, `owner` "" names nobody."""

    attempt_id: int
    place: int
    saves: list[SentSave]
    view: str | None
    owner: str


def read_saves() -> SentSaves:
    """Read a save request, or refuse it whole when its frame is not right."""
    if request.mimetype != "application/json":
        raise Invalid(BAD_JSON, reason="Content-Type")
    try:
        body = json.loads(_unpacked(SAVES_BYTES))
    except (ValueError, RecursionError) as error:
        raise Invalid(BAD_JSON, reason=str(error)[:80]) from None
    if not isinstance(body, dict):
        raise Invalid(BAD_JSON, reason="{ }")
    saves = body.get("saves")
    if not isinstance(saves, list) or len(saves) > SAVES_MAX:
        raise Invalid(FIELD_WRONG, field="saves")
    return SentSaves(
        number_field(body, "attempt_id"),
        number_field(body, "place"),
        list(_saves(saves)),
        view_text(body.get("view")),
        text_field(body, "owner", longest=100, default=""),
    )


def view_text(view: object) -> str | None:
    """Take the page's view (position, flags, font size) as text, or refuse what is too large for one."""
    if view is None:
        return None
    if not isinstance(view, dict) or not all(_is_flat(value) for value in view.values()):
        raise Invalid(FIELD_WRONG, field="view")
    try:
        text = json.dumps(view, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        is_small = len(text.encode()) <= VIEW_BYTES
    except ValueError:  # half surrogates, NaN
        is_small = False
    if not is_small:
        raise Invalid(FIELD_WRONG, field="view")
    return text


def _saves(saves: list[Any]) -> Iterator[SentSave]:
    for save in saves:
        if not isinstance(save, dict) or not isinstance(save.get("item_id"), str) or "response" not in save:
            raise Invalid(FIELD_WRONG, field="saves")
        yield SentSave(number_field(save, "sequence", highest=SEQUENCE_MAX), save["item_id"], save["response"])


def _unpacked(limit: int) -> bytes:
    raw = request.get_data(cache=False)
    if request.headers.get("Content-Encoding", "identity").lower() == "gzip":
        try:
            unpacker = zlib.decompressobj(wbits=31)
            raw = unpacker.decompress(raw, limit + 1)
            if not unpacker.eof and len(raw) <= limit:
                raise Invalid(BAD_JSON, reason="gzip")
        except zlib.error:
            raise Invalid(BAD_JSON, reason="gzip") from None
    if len(raw) > limit:
        raise Invalid(REQUEST_TOO_LARGE, limit=limit)
    return raw


def _is_flat(value: object) -> bool:
    return not isinstance(value, dict) and not any(
        isinstance(one, list | dict) for one in (value if isinstance(value, list) else ())
    )
