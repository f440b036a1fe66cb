"""Reading a response for marking: QTI PCI JSON becomes what the candidate chose, wrote or filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from station.domain.item import Item
from station.domain.marking.comparison import folded
from station.domain.response import check_response

TRUE, FALSE = "true", "false"


@dataclass(frozen=True)
class Given:
    """What was answered: chosen options, a text, or texts by name. What nobody can see is not there."""

    options: frozenset[str] = frozenset()
    text: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.options or self.text or self.fields)


def read_given(item: Item, response: Mapping[str, Any] | None) -> Given:
    """Read a response to an item; raise Invalid if the item cannot hold it."""
    if response is None:
        return Given()
    check_response(item, response)
    if "record" in response:
        return Given(fields=_fields(response["record"]))
    if "list" in response:
        return Given(options=frozenset(response["list"]["identifier"]))
    base = response["base"]
    if base is None:
        return Given()
    if "boolean" in base:
        return Given(options=frozenset({TRUE if base["boolean"] else FALSE}))
    if "identifier" in base:
        return Given(options=frozenset({base["identifier"]}))
    return Given(text=base["string"] if folded(base["string"]) else "")


def _fields(record: list[dict[str, Any]]) -> dict[str, str]:
    texts = {entry["name"]: entry["base"]["string"] for entry in record if entry["base"] is not None}
    return {name: text for name, text in texts.items() if folded(text)}
