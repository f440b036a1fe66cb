"""What the machines of a room must have (R-ROOM-3): data of each certificate, several in a room merged.

An item names a check and what is wanted of it. In a plan, and on the way to the agents, it is JSON::

    {"check": "memory_gb", "recommended": 8, "minimum": 4}
    {"check": "system_version", "recommended": "10.0", "minimum": "6.1"}
    {"check": "programs", "wanted": [{"name": "Adobe Photoshop", "minimum": "13.0"}]}
    {"check": "forbidden_programs", "names": ["qq.exe"]}
    {"check": "internet"}

Short of `minimum` fails (or is only advised against, with `"severity": "advice"`), short of `recommended` is told.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from station.domain.checks import CHECKS, DEFAULTS, MachineRole, Rule, Severity
from station.domain.document import Node, check_unique, refuse
from station.errors import Invalid, problem

CHECK_UNKNOWN = problem(
    "check_unknown",
    "{where}：本考站没有检查项“{found}”。请升级考站程序，或改用：{known}。",
    "{where}: this station has no check {found!r}. Update the station, or use one of: {known}.",
)
BOUNDS_CROSSED = problem(
    "bounds_crossed",
    "{where}：推荐值 {recommended} 比最低值 {minimum} 还宽松，请核对。",
    "{where}: the recommended {recommended} is laxer than the minimum {minimum}.",
)

_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,3}", re.ASCII)
Bound = Decimal | str


@dataclass(frozen=True)
class WantedProgram:
    """A program that must be installed, at least in a version (empty: any)."""

    name: str
    minimum: str = ""

    def as_json(self) -> dict[str, object]:
        return {"name": self.name, "minimum": self.minimum}


@dataclass(frozen=True)
class Item:
    """What is wanted of one check. Which of the fields count follows from the check's rule."""

    check: str
    severity: Severity = Severity.FAIL
    recommended: Bound | None = None
    minimum: Bound | None = None
    programs: tuple[WantedProgram, ...] = ()
    names: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Write it as PROTOCOL.md describes."""
        document: dict[str, object] = {"check": self.check, "severity": str(self.severity)}
        if self.recommended is not None and self.minimum is not None:
            document |= {"recommended": _plain(self.recommended), "minimum": _plain(self.minimum)}
        if self.programs:
            document["wanted"] = [program.as_json() for program in self.programs]
        if self.names:
            document["names"] = list(self.names)
        return document


@dataclass(frozen=True)
class RoomNeeds:
    """What a certificate says of the room: candidate PCs, and how many hours it must have power."""

    candidate_pcs: int = 0
    powered_hours: int = 0


@dataclass(frozen=True)
class Requirements:
    """What a certificate, or all in a room together, want of each kind of machine."""

    room: RoomNeeds = RoomNeeds()
    machines: Mapping[MachineRole, tuple[Item, ...]] = field(default_factory=dict)

    def of(self, role: MachineRole) -> tuple[Item, ...]:
        return self.machines.get(role, ())


def parse_requirements(node: Node | None) -> Requirements:
    """Read the `requirements` of a certificate; None is a certificate that wants nothing beyond the station's own."""
    if node is None:
        return Requirements()
    room = node.node("room") if node.has("room") else Node({}, node.at("room"))
    machines = {}
    for role in MachineRole:
        items = tuple(_item(entry, role) for entry in node.nodes(role, optional=True))
        check_unique((item.check for item in items), node.at(role))
        machines[role] = items
    needs = RoomNeeds(
        candidate_pcs=room.integer("candidate_pcs", 0, minimum=0, maximum=1000),
        powered_hours=room.integer("powered_hours", 0, minimum=0, maximum=48),
    )
    return Requirements(needs, machines)


def room_requirements(certificates: Iterable[Requirements]) -> Requirements:
    """Merge what the certificates of a room want: the highest counts.

    1. Checks that several certificates name are merged: stricter bounds, all programs, all names, graver severity.
    2. What the station wants of itself is added. Its bounds count only where no certificate names the check, as
       those who hold the test know better; its lists of names are always added.
    """
    found = list(certificates)
    machines = {
        role: _ordered(with_defaults(merge_items(*(one.of(role) for one in found)), role)) for role in MachineRole
    }
    return Requirements(
        RoomNeeds(
            max((one.room.candidate_pcs for one in found), default=0),
            max((one.room.powered_hours for one in found), default=0),
        ),
        machines,
    )


def with_defaults(items: Iterable[Item], role: MachineRole) -> tuple[Item, ...]:
    """Add what the station wants of a machine to what the certificates want."""
    own = tuple(_item(Node(entry, f"defaults.{role}"), role) for entry in DEFAULTS[role])
    named = {item.check: item for item in items}
    added = [item for item in own if item.check not in named]
    lists = [item for item in own if item.check in named and CHECKS[item.check].rule in (Rule.NAMES, Rule.PROGRAMS)]
    return merge_items(tuple(named.values()), tuple(added), tuple(lists))


def merge_items(*lists: Iterable[Item]) -> tuple[Item, ...]:
    """Merge lists of items into one, the strictest of each check; the order of the lists does not matter."""
    merged: dict[str, Item] = {}
    for item in (item for items in lists for item in items):
        merged[item.check] = _stricter(merged[item.check], item) if item.check in merged else item
    return _ordered(merged.values())


def digest_of(items: Iterable[Item]) -> str:
    """Name a list of items by its contents: reports say which one they were made for."""
    text = json.dumps([item.as_json() for item in items], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def as_answer(items: Iterable[Item]) -> dict[str, object]:
    """Give what an agent is answered when it asks for its requirements (PROTOCOL.md)."""
    listed = tuple(items)
    return {"digest": digest_of(listed), "items": [item.as_json() for item in listed]}


def version_key(version: str) -> tuple[int, ...]:
    """Make versions comparable: 6.1 < 10.0 = 10; what is no number ends it."""
    numbers: list[int] = []
    for part in version.split("."):
        found = re.match(r"\d+", part)
        if found is None:
            break
        numbers.append(int(found.group()))
        if found.group() != part:
            break
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def folded(name: str) -> str:
    """Fold what is written in different ways but means the same program."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", name)).strip().casefold()


def _item(node: Node, role: MachineRole) -> Item:
    check = node.text("check", maximum=64)
    if check not in CHECKS or role not in CHECKS[check].roles:
        known = ", ".join(name for name, one in CHECKS.items() if role in one.roles)
        raise Invalid(CHECK_UNKNOWN, where=node.where, found=check, known=known)
    kind = CHECKS[check]
    severity = Severity(node.one_of("severity", set(Severity), kind.severity))
    if kind.rule in (Rule.AT_LEAST, Rule.AT_MOST, Rule.VERSION):
        return _bounded(node, check, severity)
    if kind.rule is Rule.PROGRAMS:
        programs = [WantedProgram(one.text("name", maximum=100), _version(one)) for one in node.nodes("wanted")]
        return Item(check, severity, programs=_merged_programs(programs))
    names = node.texts("names", optional=True)
    return Item(check, severity, names=_merged_names(names))


def _bounded(node: Node, check: str, severity: Severity) -> Item:
    rule = CHECKS[check].rule
    bounds: list[Bound] = []
    for name in ("recommended", "minimum"):
        bounds.append(_version(node, name) if rule is Rule.VERSION else node.decimal(name).normalize())
    recommended, minimum = bounds
    if _strictest(rule, recommended, minimum) != recommended:
        raise Invalid(BOUNDS_CROSSED, where=node.where, recommended=_plain(recommended), minimum=_plain(minimum))
    return Item(check, severity, recommended, minimum)


def _version(node: Node, name: str = "minimum") -> str:
    version = node.text(name, "" if name == "minimum" and not node.has("check") else None, maximum=40)
    if version and not _VERSION.fullmatch(version):
        refuse(node.at(name), '版本号（如 "13.0"）', 'a version ("13.0")', version)
    return version


def _stricter(one: Item, other: Item) -> Item:
    rule = CHECKS[one.check].rule
    recommended = minimum = None
    if one.recommended is not None and other.recommended is not None:
        recommended = _strictest(rule, one.recommended, other.recommended)
    if one.minimum is not None and other.minimum is not None:
        minimum = _strictest(rule, one.minimum, other.minimum)
    return Item(
        one.check,
        Severity.FAIL if Severity.FAIL in (one.severity, other.severity) else Severity.ADVICE,
        recommended,
        minimum,
        programs=_merged_programs((*one.programs, *other.programs)),
        names=_merged_names((*one.names, *other.names)),
    )


def _strictest(rule: Rule, one: Bound, other: Bound) -> Bound:
    """Choose the stricter bound; of two ways to write one value always the same."""
    if isinstance(one, str) or isinstance(other, str):
        return max(str(one), str(other), key=lambda version: (version_key(version), version))
    return min(one, other) if rule is Rule.AT_MOST else max(one, other)


def _merged_programs(programs: Iterable[WantedProgram]) -> tuple[WantedProgram, ...]:
    """Keep one of each name, in its highest version."""
    merged: dict[str, WantedProgram] = {}
    for program in sorted(programs, key=lambda one: (version_key(one.minimum), one.minimum, one.name)):
        merged[folded(program.name)] = program
    return tuple(merged[name] for name in sorted(merged))


def _merged_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({folded(name) for name in names} - {""}))


def _ordered(items: Iterable[Item]) -> tuple[Item, ...]:
    places = {check: place for place, check in enumerate(CHECKS)}
    return tuple(sorted(items, key=lambda item: places[item.check]))


def _plain(bound: Bound) -> int | float | str:
    if isinstance(bound, str):
        return bound
    return int(bound) if bound == bound.to_integral_value() else float(bound)
