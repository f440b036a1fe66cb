"""The canonical paper (design §7): sections of items, their assets, and what they need of a station.

Items, responses and keys have modules of their own; the names that others use are gathered here.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

from station.domain.answer_keys import AnswerKeys, parse_keys
from station.domain.document import Node, check_unique, refuse
from station.domain.interaction import ITEM_KINDS
from station.domain.item import (
    CAPABILITY_MISSING,
    POLICY_KINDS,
    Item,
    assets_shown,
    missing_capabilities,
    parse_item,
)
from station.domain.response import check_response, is_answered, unanswered_parts
from station.errors import Invalid, Missing, problem

__all__ = [
    "KNOWN_CAPABILITIES",
    "AnswerKeys",
    "Asset",
    "Item",
    "Paper",
    "Section",
    "canonical_bytes",
    "capabilities",
    "check_response",
    "is_answered",
    "paper_sha256",
    "parse_keys",
    "parse_paper",
    "unanswered_parts",
]

POINTS_DO_NOT_ADD_UP = problem(
    "points_do_not_add_up",
    "试卷各题分值合计 {found}，与满分 {wanted} 不一致。请核对分值。",
    "The items' points come to {found}, the paper's full points are {wanted}. Check the points.",
)
ASSET_MISSING = problem(
    "asset_missing",
    "{where} 引用的附件“{found}”不在试卷中。",
    "{where} refers to the asset {found!r}, which the paper does not have.",
)
ITEM_UNKNOWN = problem("item_unknown", "试卷 {paper} 中没有试题 {item}。", "The paper {paper} has no item {item}.")

KNOWN_CAPABILITIES = frozenset(
    {f"item:{kind}" for kind in ITEM_KINDS} | {f"policy:{policy}" for policy in POLICY_KINDS}
)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_ASSET_NAME = re.compile(r"[^\x00-\x1f\x7f/\\:*?\"<>|]{1,200}")


@dataclass(frozen=True)
class Asset:
    """A picture or material of a paper; its bytes are known by their hash."""

    name: str
    sha256: str
    media_type: str
    size: int


@dataclass(frozen=True)
class Section:
    """A part of a paper under one heading. `instructions` is sanitised HTML."""

    id: str
    title: str
    instructions: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Paper:
    """A test paper without its keys. `document` is the paper as read, `sha256` that of its canonical bytes."""

    code: str
    title: str
    certificate: str
    level: str
    subject: str
    full_points: Decimal
    sections: tuple[Section, ...]
    assets: Mapping[str, Asset]
    sha256: str
    document: Mapping[str, object] = field(repr=False, compare=False)

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """All items in order."""
        return tuple(item for section in self.sections for item in section.items)

    @cached_property
    def by_id(self) -> dict[str, Item]:
        return {item.id: item for item in self.items}

    def item(self, item_id: str) -> Item:
        """Find an item; an unknown one is Missing by name."""
        found = self.by_id.get(item_id)
        if found is None:
            raise Missing(ITEM_UNKNOWN, paper=self.code, item=item_id[:40])
        return found


def parse_paper(document: Mapping[str, object]) -> Paper:
    """Read and check a paper. What this station cannot do is refused first, all of it by name."""
    node = Node(document, "paper.json")
    node.check_format("exam-paper/1")
    sections = node.nodes("sections")
    _check_capabilities(sections)
    paper = Paper(
        code=node.text("code", maximum=64),
        title=node.text("title", maximum=200),
        certificate=node.text("certificate", maximum=100),
        level=node.text("level", "", maximum=16),
        subject=node.text("subject", maximum=64),
        full_points=node.points("full_points"),
        sections=tuple(_section(section) for section in sections),
        assets={name: _asset(name, entry) for name, entry in node.mapping("assets", optional=True).items()},
        sha256=paper_sha256(document),
        document=document,
    )
    _check_whole(paper)
    return paper


def canonical_bytes(document: Mapping[str, object]) -> bytes:
    """Write a document in the one way that is hashed and signed."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def paper_sha256(document: Mapping[str, object]) -> str:
    """Hash a paper's canonical bytes; keys are bound to it by this."""
    return hashlib.sha256(canonical_bytes(document)).hexdigest()


def capabilities(paper: Paper) -> frozenset[str]:
    """Name what a paper needs of a station: `item:<kind>` and `policy:<policy>`."""
    return frozenset(name for item in paper.items for name in (f"item:{item.kind}", f"policy:{item.policy}"))


def _check_capabilities(sections: list[Node]) -> None:
    missing: set[str] = set()
    for section in sections:
        for item in section.nodes("items"):
            missing |= missing_capabilities(item)
    if missing:
        raise Invalid(CAPABILITY_MISSING, names=", ".join(sorted(missing)))


def _section(node: Node) -> Section:
    return Section(
        id=node.identifier(),
        title=node.text("title", "", maximum=500),
        instructions=node.text("instructions", ""),
        items=tuple(parse_item(entry) for entry in node.nodes("items")),
    )


def _asset(name: str, node: Node) -> Asset:
    if not _ASSET_NAME.fullmatch(name) or name in {".", ".."}:
        refuse(node.where, "不含路径的文件名", "a file name without a path", name)
    sha256 = node.text("sha256")
    if not _SHA256.fullmatch(sha256):
        refuse(node.at("sha256"), "64 位小写十六进制", "64 lower-case hexadecimal digits", sha256)
    return Asset(
        name, sha256, node.text("media_type", maximum=100), node.integer("size", minimum=0, maximum=1_000_000_000)
    )


def _check_whole(paper: Paper) -> None:
    check_unique((section.id for section in paper.sections), "paper.json.sections")
    check_unique((item.id for item in paper.items), "paper.json.sections.items")
    total = sum((item.points for item in paper.items), Decimal())
    if total != paper.full_points:
        raise Invalid(POINTS_DO_NOT_ADD_UP, found=total, wanted=paper.full_points)
    meant = [(item.id, item.asset_names) for item in paper.items]
    meant += [(section.id, frozenset(assets_shown(section.instructions))) for section in paper.sections]
    for where, names in meant:
        for name in sorted(names - paper.assets.keys()):
            raise Invalid(ASSET_MISSING, where=where, found=name)
