"""Keys test themselves before they are used (design §7).

The wrong key has been used for whole nations of candidates (Poland 2024, Nigeria 2025): a key that does not
mark its own answer full, or marks something else full, is found here and not on the day of the scores.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from station.domain.answer_keys import KEY_MISSING, KEY_WITHOUT_ITEM, KEYS_OF_ANOTHER_PAPER
from station.domain.document import Node
from station.domain.interaction import Choice
from station.domain.item import Item
from station.domain.marking.comparison import shortened
from station.domain.marking.marks import ZERO, Mark
from station.domain.marking.policies import MANUAL, Response, mark_item
from station.domain.marking.texts import fullest_fields
from station.domain.paper import Paper, parse_paper
from station.errors import Problem, StationError, problem

KEY_NOT_FULL = problem(
    "key_not_full",
    "试题 {item}：按答案本身作答只得 {points} 分，满分为 {full}。请核对答案（如不分先后的填空答案相同）。",
    "Item {item}: the key's own answer earns {points} of {full} points. Check the key.",
)
EMPTY_EARNS_POINTS = problem(
    "empty_earns_points",
    "试题 {item}：未作答却得 {points} 分。请核对答案。",
    "Item {item}: no answer at all earns {points} points. Check the key.",
)
ORDER_CHANGES_POINTS = problem(
    "order_changes_points",
    "试题 {item}：选项或填写处换序后得分由 {full} 变为 {points}。请联系机构技术支持。",
    "Item {item}: in another order the same answer earns {points} instead of {full}. Call technical support.",
)
WRONG_EARNS_FULL = problem(
    "wrong_earns_full",
    "试题 {item}：错误作答“{response}”也得满分 {points} 分。请核对答案与各处分值。",
    "Item {item}: the wrong answer {response} earns the full {points} points. Check the key and its points.",
)
PARTS_DIFFER = problem(
    "parts_differ",
    "试题 {item}：各处得分合计 {found}，与得分 {points} 不一致。请联系机构技术支持。",
    "Item {item}: the parts come to {found}, the mark is {points}. Call technical support.",
)

# No key accepts it, and no keyword stands in it.
NONSENSE = "〖〗"

Marking = Callable[[Mapping[str, Any], Mapping[str, Any], Response], Mark]


@dataclass(frozen=True)
class KeyFinding:
    """Something wrong with a key; `item_id` is None where it is the keys as a whole."""

    item_id: str | None
    problem: Problem
    details: Mapping[str, object]

    @property
    def code(self) -> str:
        return self.problem.code

    def sentence(self, language: str = "zh") -> str:
        """Say the finding in 'zh' or 'en'."""
        template = self.problem.en if language == "en" else self.problem.zh
        return template.format(**self.details)


def check_keys_against_themselves(
    paper: Mapping[str, Any], keys: Mapping[str, Any], *, mark: Marking = mark_item
) -> tuple[KeyFinding, ...]:
    """Try paper.json and keys.json on each other; no findings means that the keys may be used.

    Of every item that a computer marks: the key's answer earns full points, nothing earns nothing, another
    order of options and entries changes nothing, no wrong answer earns full points, the parts make up the
    mark. A paper or key that cannot be read is a finding too. `mark` is the marking under test.
    """
    try:
        parsed = parse_paper(paper)
        node = Node(keys, "keys.json")
        node.check_format("exam-keys/1")
        key_nodes = node.mapping("keys")
    except StationError as fault:
        return (_fault(None, fault),)
    if (node.fields.get("paper_code"), node.fields.get("paper_sha256")) != (parsed.code, parsed.sha256):
        return (_another_paper(node, parsed),)
    findings = [
        KeyFinding(item_id, KEY_WITHOUT_ITEM, {"where": item_id})
        for item_id in key_nodes
        if item_id not in parsed.by_id
    ]
    for item in parsed.items:
        if item.id in key_nodes:
            findings += _test_item(item, key_nodes[item.id], mark)
        else:
            findings.append(KeyFinding(item.id, KEY_MISSING, {"where": item.id}))
    return tuple(findings)


def _test_item(item: Item, key: Node, mark: Marking) -> list[KeyFinding]:
    """Find at most one fault of each sort."""
    found: dict[str, KeyFinding] = {}
    try:
        mark(item.document, key.fields, None)
        if item.policy != MANUAL:
            for finding in _trials(item, key, mark):
                found.setdefault(finding.code, finding)
    except StationError as fault:
        return [_fault(item.id, fault)]
    return list(found.values())


def _trials(item: Item, key: Node, mark: Marking) -> Iterator[KeyFinding]:
    differing: list[KeyFinding] = []

    def finding(kind: Problem, **details: object) -> KeyFinding:
        return KeyFinding(item.id, kind, {"item": item.id, "full": item.points, **details})

    def points(response: Response, document: Mapping[str, Any] = item.document) -> Decimal:
        marked = mark(document, key.fields, response)
        made_up = sum((part.points for part in marked.parts), ZERO)
        if made_up != marked.points:
            differing.append(finding(PARTS_DIFFER, found=made_up, points=marked.points))
        return marked.points or ZERO

    full = full_response(item, key)
    earned = points(full)
    if earned != item.points:
        yield finding(KEY_NOT_FULL, points=earned)
    for empty in _empty_responses(full):
        if (unearned := points(empty)) != 0:
            yield finding(EMPTY_EARNS_POINTS, points=unearned)
    if (moved := points(_reversed_response(full), _reversed_item(item))) != earned:
        yield finding(ORDER_CHANGES_POINTS, points=moved, full=earned)
    for wrong in _wrong_responses(item, full):
        if (unearned := points(wrong)) >= item.points:
            yield finding(WRONG_EARNS_FULL, points=unearned, response=_shown(wrong))
    yield from differing


def full_response(item: Item, key: Node) -> dict[str, Any]:
    """Answer an item as its key has it; the key must have been checked."""
    if key.has("answer"):
        return dict(key.node("answer").fields)
    if key.has("points"):
        return {"base": {"string": "\n".join(entry.texts("any")[0] for entry in key.nodes("points"))}}
    fields = fullest_fields(item, key)
    return {"record": [{"name": name, "base": {"string": text}} for name, text in fields.items()]}


def _empty_responses(full: dict[str, Any]) -> list[Response]:
    empties: list[Response] = [None, {"base": None}]
    if "list" in full:
        empties.append({"list": {"identifier": []}})
    elif "record" in full:
        empties += [{"record": []}, {"record": [_field(entry["name"], " ") for entry in full["record"]]}]
    elif "string" in full["base"]:
        empties.append({"base": {"string": " \n"}})
    return empties


def _reversed_response(response: dict[str, Any]) -> dict[str, Any]:
    if "list" in response:
        return {"list": {"identifier": response["list"]["identifier"][::-1]}}
    return {"record": response["record"][::-1]} if "record" in response else response


def _reversed_item(item: Item) -> dict[str, Any]:
    interaction = item.document.get("interaction")
    if not isinstance(interaction, Mapping):
        return dict(item.document)
    turned = {name: value[::-1] if isinstance(value, list) else value for name, value in interaction.items()}
    return {**item.document, "interaction": turned}


def _wrong_responses(item: Item, full: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if isinstance(item.interaction, Choice):
        yield from _wrong_choices(item.interaction, full)
    elif "record" in full:
        for wrong in full["record"]:
            yield {"record": [_field(entry["name"], NONSENSE) if entry is wrong else entry for entry in full["record"]]}
    elif "boolean" in full["base"]:
        yield {"base": {"boolean": not full["base"]["boolean"]}}
    else:
        yield {"base": {"string": NONSENSE}}


def _wrong_choices(choice: Choice, full: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Choose each wrong option: alone, and added to the right ones where several may be chosen."""
    answer = full["list"]["identifier"] if "list" in full else [full["base"]["identifier"]]
    for option in choice.options:
        if option.id in answer:
            continue
        if "list" in full:
            yield {"list": {"identifier": [option.id]}}
            yield {"list": {"identifier": [*answer, option.id]}}
        else:
            yield {"base": {"identifier": option.id}}


def _field(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "base": {"string": text}}


def _shown(response: Mapping[str, Any]) -> str:
    return shortened(json.dumps(response, ensure_ascii=False))


def _fault(item_id: str | None, fault: StationError) -> KeyFinding:
    return KeyFinding(item_id, fault.problem, fault.details)


def _another_paper(keys: Node, paper: Paper) -> KeyFinding:
    found = f"{keys.fields.get('paper_code')} ({str(keys.fields.get('paper_sha256'))[:12]})"
    return KeyFinding(None, KEYS_OF_ANOTHER_PAPER, {"found": found, "wanted": f"{paper.code} ({paper.sha256[:12]})"})
