"""A test question: its kind, its scoring policy, and what there is to answer in it."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

from station.domain.document import Node, refuse
from station.domain.interaction import ITEM_KINDS, Blanks, Choice, Interaction, parse_interaction
from station.domain.lockdown import program_names
from station.errors import Invalid, problem

CAPABILITY_MISSING = problem(
    "capability_missing",
    "本考站程序不支持试卷所用的功能：{names}。请升级程序或联系机构技术支持，勿改动试卷。",
    "This station lacks what the paper needs: {names}. Update it or call technical support; leave the paper as it is.",
)
POLICY_UNFIT = problem(
    "policy_unfit",
    "{where}：计分方式 {policy} 不能用于题型 {item_kind}。",
    "{where}: the scoring policy {policy} does not fit an item of kind {item_kind}.",
)
BLANK_UNKNOWN = problem(
    "blank_unknown",
    "{where}：题干中的填空“{found}”未在 blanks 中声明或重复出现。",
    "{where}: the blank {found!r} in the body is not declared, or stands there twice.",
)
KEYS_IN_PAPER = problem(
    "keys_in_paper",
    "{where} 中含有答案字段“{found}”。试卷文件不得含答案，答案须放在 keys.json。",
    "{where} holds the answer field {found!r}. A paper never holds answers: they belong into keys.json.",
)

# Which kinds of item a scoring policy can mark.
_CHOICE_KINDS = frozenset({"single", "multiple", "true_false"})
POLICY_KINDS: dict[str, frozenset[str]] = {
    "exact": _CHOICE_KINDS,
    "subset_fixed": frozenset({"multiple"}),
    "subset_per_option": frozenset({"multiple"}),
    "proportional": frozenset({"multiple"}),
    "blank_each": frozenset({"fill_in"}),
    "table_cells": frozenset({"table"}),
    "points_list": frozenset({"short_answer", "long_answer"}),
    "manual": _CHOICE_KINDS | {"fill_in", "table", "short_answer", "long_answer", "file"},
}
_ANSWER_FIELDS = frozenset({"answer", "answers", "key", "keys", "accepted", "correct", "guide"})
_BLANK = re.compile(r"""<span\b[^>]*\bdata-blank=["']([^"']*)["']""")
_ASSET = re.compile(r"""<img\b[^>]*\bsrc=["']asset:([^"']*)["']""")


@dataclass(frozen=True)
class Material:
    """A file that candidates download for an item, by the name they see."""

    asset: str
    name: str


@dataclass(frozen=True)
class Item:
    """One test question. `body` is sanitised HTML without any key; `document` is the item as read.

    `programs`: what its candidates may run besides the test page, as file names (photoshop.exe).
    """

    id: str
    kind: str
    points: Decimal
    body: str
    policy: str
    interaction: Interaction
    materials: tuple[Material, ...]
    difficulty: str
    programs: tuple[str, ...]
    document: Mapping[str, object] = field(repr=False, compare=False)

    @cached_property
    def asset_names(self) -> frozenset[str]:
        """The assets that body, options and materials mean."""
        texts = [self.body]
        if isinstance(self.interaction, Choice):
            texts += [option.html for option in self.interaction.options]
        shown = {name for text in texts for name in assets_shown(text)}
        return frozenset(shown | {material.asset for material in self.materials})


def parse_item(node: Node) -> Item:
    """Read one item; its kind and policy must be known (see `missing_capabilities`)."""
    item_id = node.identifier()
    where = f"{node.where}({item_id})"
    kind, policy = node.text("kind"), node.text("policy")
    if kind not in POLICY_KINDS.get(policy, ()):
        raise Invalid(POLICY_UNFIT, where=where, policy=policy, item_kind=kind)
    body = node.text("body")
    materials = tuple(
        Material(entry.text("asset", maximum=200), entry.text("name", maximum=200))
        for entry in node.nodes("materials", optional=True)
    )
    points = node.points("points")
    if not points:
        refuse(node.at("points"), "大于 0 的分值", "points above 0", str(points))
    asked = Node(node.fields.get("interaction", {}), f"{where}.interaction")
    for part in (node, asked, *asked.nodes("options", optional=True)):
        _check_keyless(part)
    interaction = parse_interaction(kind, asked)
    if isinstance(interaction, Blanks):
        _check_places(body, interaction, where)
    return Item(
        id=item_id,
        kind=kind,
        points=points,
        body=body,
        policy=policy,
        interaction=interaction,
        materials=materials,
        difficulty=node.text("difficulty", "", maximum=16),
        programs=program_names(node, "programs"),
        document=node.fields,
    )


def assets_shown(html_text: str) -> list[str]:
    """Name the assets that a piece of HTML shows as pictures."""
    return [html.unescape(name) for name in _ASSET.findall(html_text)]


def missing_capabilities(node: Node) -> set[str]:
    """Name what an item needs and this station does not have."""
    kind, policy = node.text("kind", maximum=64), node.text("policy", maximum=64)
    missing = set() if kind in ITEM_KINDS else {f"item:{kind}"}
    return missing if policy in POLICY_KINDS else missing | {f"policy:{policy}"}


def _check_keyless(node: Node) -> None:
    for name in sorted(_ANSWER_FIELDS & node.fields.keys()):
        raise Invalid(KEYS_IN_PAPER, where=node.where, found=name)


def _check_places(body: str, blanks: Blanks, where: str) -> None:
    places = _BLANK.findall(body)
    for place in places:
        if place not in blanks.ids or places.count(place) > 1:
            raise Invalid(BLANK_UNKNOWN, where=where, found=place)
