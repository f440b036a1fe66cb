"""Answer keys: what each item's key must hold so that it can be used. Keys never reach a candidate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from station.domain.document import Node, refuse
from station.domain.interaction import Blanks, Table
from station.domain.item import Item
from station.domain.response import RESPONSE_OPTION_UNKNOWN, check_response, is_answered
from station.errors import Invalid, problem

if TYPE_CHECKING:
    from station.domain.paper import Paper

KEYS_OF_ANOTHER_PAPER = problem(
    "keys_of_another_paper",
    "答案文件对应试卷 {found}，与本试卷 {wanted} 不一致。请核对试卷与答案是否成对。",
    "The keys belong to paper {found}, not to {wanted}. Check that paper and keys are a pair.",
)
KEY_MISSING = problem(
    "key_missing", "试题 {where} 没有答案。请补上答案后重新导入。", "Item {where} has no key. Add it and import again."
)
KEY_WITHOUT_ITEM = problem(
    "key_without_item", "答案 {where} 没有对应的试题。", "The key {where} belongs to no item of the paper."
)
KEY_POLICY_DIFFERS = problem(
    "key_policy_differs",
    "{where}：答案的计分方式 {found} 与试题的 {wanted} 不一致。",
    "{where}: the key's policy {found} is not the item's {wanted}.",
)
KEY_OUTSIDE_OPTIONS = problem(
    "key_outside_options",
    "{where}：答案“{found}”不在选项之中。",
    "{where}: the answer {found!r} is outside the item's options.",
)
KEY_EMPTY = problem("key_empty", "{where}：答案为空。", "{where}: the answer is empty.")
KEY_PART_UNKNOWN = problem(
    "key_part_unknown",
    "{where}：答案与试题的填写处不一致（{found}）。",
    "{where}: the key does not name the item's own parts ({found}).",
)
KEY_POINTS_DIFFER = problem(
    "key_points_differ",
    "{where}：各处分值合计 {found}，应为 {wanted}。",
    "{where}: the parts' points come to {found}, they should be {wanted}.",
)


@dataclass(frozen=True)
class AnswerKeys:
    """The keys of one paper; `keys` holds each item's key document by item id."""

    paper_code: str
    paper_sha256: str
    keys: Mapping[str, Mapping[str, object]]
    document: Mapping[str, object] = field(repr=False, compare=False)


def parse_keys(document: Mapping[str, object], paper: Paper) -> AnswerKeys:
    """Read the keys of a paper: one key an item, of the item's policy, within its options and points."""
    node = Node(document, "keys.json")
    node.check_format("exam-keys/1")
    code, sha256 = node.text("paper_code"), node.text("paper_sha256")
    if code != paper.code or sha256 != paper.sha256:
        raise Invalid(
            KEYS_OF_ANOTHER_PAPER, found=f"{code} ({sha256[:12]})", wanted=f"{paper.code} ({paper.sha256[:12]})"
        )
    keys = node.mapping("keys")
    for item in paper.items:
        if item.id not in keys:
            raise Invalid(KEY_MISSING, where=item.id)
    for item_id, key in keys.items():
        if item_id not in paper.by_id:
            raise Invalid(KEY_WITHOUT_ITEM, where=item_id)
        check_key(paper.by_id[item_id], key)
    return AnswerKeys(code, sha256, {item_id: key.fields for item_id, key in keys.items()}, document)


def check_key(item: Item, key: Node) -> None:
    """Refuse a key that the item's policy cannot use."""
    policy = key.text("policy")
    if policy != item.policy:
        raise Invalid(KEY_POLICY_DIFFERS, where=key.where, found=policy, wanted=item.policy)
    _CHECKS[policy](item, key)


def _check_answer(item: Item, key: Node) -> None:
    answer = dict(key.node("answer").fields)
    try:
        check_response(item, answer)
    except Invalid as refusal:
        if refusal.problem is RESPONSE_OPTION_UNKNOWN:
            raise Invalid(KEY_OUTSIDE_OPTIONS, where=key.where, found=refusal.details["found"]) from None
        raise
    if not is_answered(item, answer):
        raise Invalid(KEY_EMPTY, where=key.where)


def _check_subset_fixed(item: Item, key: Node) -> None:
    _check_answer(item, key)
    partial = key.points("partial")
    if not 0 < partial < item.points:
        refuse(key.at("partial"), f"大于 0 且小于 {item.points}", f"above 0 and below {item.points}", str(partial))


def _check_subset_per_option(item: Item, key: Node) -> None:
    _check_answer(item, key)
    each = key.points("each")
    if not 0 < each <= item.points:
        refuse(key.at("each"), f"大于 0 且不超过 {item.points}", f"above 0, at most {item.points}", str(each))


def _check_blank_each(item: Item, key: Node) -> None:
    assert isinstance(item.interaction, Blanks)
    blanks = key.mapping("blanks")
    differing = blanks.keys() ^ item.interaction.ids
    if differing:
        raise Invalid(KEY_PART_UNKNOWN, where=key.where, found=", ".join(sorted(differing)))
    for blank in blanks.values():
        _check_accepted(blank)
    key.flag("in_any_order", False)
    _check_sum(item, key, (blank.points("points") for blank in blanks.values()))


def _check_table_cells(item: Item, key: Node) -> None:
    assert isinstance(item.interaction, Table)
    cells = key.mapping("cells")
    for name, cell in cells.items():
        column = item.interaction.inputs.get(name)
        if column is None:
            raise Invalid(KEY_PART_UNKNOWN, where=key.where, found=name)
        if cell.has("number"):
            cell.number("number")
            if cell.has("tolerance"):
                cell.decimal("tolerance")
            continue
        _check_accepted(cell)
        outside = [text for text in cell.texts("accepted") if column.options and text not in column.options]
        if outside:
            raise Invalid(KEY_OUTSIDE_OPTIONS, where=cell.where, found=outside[0])
    _check_sum(item, key, (cell.points("points") for cell in cells.values()))


def _check_points_list(item: Item, key: Node) -> None:
    total = Decimal()
    for entry in key.nodes("points"):
        entry.texts("any")
        total += entry.points("points")
    if total < item.points:
        raise Invalid(KEY_POINTS_DIFFER, where=key.where, found=total, wanted=item.points)


def _check_manual(item: Item, key: Node) -> None:
    key.text("guide", "")


def _check_accepted(node: Node) -> None:
    if not all(text.strip() for text in node.texts("accepted")):
        raise Invalid(KEY_EMPTY, where=node.where)


def _check_sum(item: Item, key: Node, points: Iterable[Decimal]) -> None:
    total = sum(points, Decimal())
    if total != item.points:
        raise Invalid(KEY_POINTS_DIFFER, where=key.where, found=total, wanted=item.points)


_CHECKS: dict[str, Callable[[Item, Node], None]] = {
    "exact": _check_answer,
    "subset_fixed": _check_subset_fixed,
    "subset_per_option": _check_subset_per_option,
    "proportional": _check_answer,
    "blank_each": _check_blank_each,
    "table_cells": _check_table_cells,
    "points_list": _check_points_list,
    "manual": _check_manual,
}
