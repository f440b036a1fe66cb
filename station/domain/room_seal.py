"""What sealing a room freezes of each machine, and what has changed since (R-ROOM-7).

A report says, beside its findings, what the machine is: its `facts`. Sealing keeps them and the results of the checks
that must not get worse. Figures that move by themselves (free memory, round trip, clock) are not part of it, and what
either side could not read is not compared: silence is no difference.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from station.domain.checks import CHECKS
from station.domain.readiness import REPORT_MALFORMED, Finding, FindingState, Text, gravity
from station.domain.requirements import folded
from station.errors import Invalid

MOST_NAMES = 500
LONGEST_NAME = 300


@dataclass(frozen=True)
class Fact:
    """One thing that is frozen. `counts_less`: something that is no longer there is a difference, too."""

    title: Text
    counts_less: bool = True


FACTS: Mapping[str, Fact] = {
    "machine_id": Fact(("机器标识", "Machine")),
    "macs": Fact(("网卡", "Network card")),
    "disks": Fact(("硬盘或移动存储", "Disk")),
    "system": Fact(("操作系统", "System")),
    "browser": Fact(("浏览器", "Browser")),
    "programs": Fact(("考试软件", "Program for the test")),
    "running": Fact(("运行中的程序", "Running program"), counts_less=False),
    "adapters": Fact(("网络连接", "Network connection")),
    "network": Fact(("网络设置", "Network setting")),
    "addresses": Fact(("IP 地址", "IP address")),
    "firewall": Fact(("防火墙", "Firewall")),
}


@dataclass(frozen=True)
class Frozen:
    """What a seal holds of one machine: facts by name, and the state of each check that must not get worse."""

    facts: Mapping[str, tuple[str, ...]]
    states: Mapping[str, str]

    def as_json(self) -> dict[str, object]:
        return {"facts": {name: list(values) for name, values in self.facts.items()}, "states": dict(self.states)}


@dataclass(frozen=True)
class Difference:
    """One thing that changed after sealing. `what` is the fact or check; `text` a sentence for staff."""

    what: str
    text: Text


def freeze(facts: object, findings: Iterable[Finding]) -> Frozen:
    """Keep of a report what a seal holds; facts that are not as PROTOCOL.md says are refused."""
    return Frozen(
        parse_facts(facts),
        {one.check: str(one.state) for one in findings if one.check in CHECKS and CHECKS[one.check].is_frozen},
    )


def thaw(document: Mapping[str, object]) -> Frozen:
    """Read back what `Frozen.as_json` wrote."""
    states = document.get("states")
    known = states if isinstance(states, Mapping) else {}
    return Frozen(parse_facts(document.get("facts")), {str(check): str(state) for check, state in known.items()})


def parse_facts(document: object) -> dict[str, tuple[str, ...]]:
    """Read facts: names or lists of names. Facts that this station does not know are passed over."""
    if document is None:
        return {}
    if not isinstance(document, Mapping):
        raise Invalid(REPORT_MALFORMED, where="facts", wanted_zh="对象", wanted="an object")
    return {name: _names(document[name], name) for name in FACTS if document.get(name) is not None}


def differences(sealed: Frozen, now: Frozen, *, allowed: Collection[str] = ()) -> tuple[Difference, ...]:
    """Name what changed since the sealing.

    `allowed`: programs that may be started after it, as the browser and those of a practical item.
    """
    let_in = {folded(name) for name in allowed}
    found: list[Difference] = []
    for name, fact in FACTS.items():
        if name not in sealed.facts or name not in now.facts:
            continue
        before, after = sealed.facts[name], now.facts[name]
        let = let_in if name == "running" else set()
        found += [_difference(name, fact, one, is_new=True) for one in _beyond(after, before, let)]
        if fact.counts_less:
            found += [_difference(name, fact, one, is_new=False) for one in _beyond(before, after, set())]
    return (*found, *_worse(sealed.states, now.states))


def _worse(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """List the checks whose result got worse; one that can no longer be measured is told, too."""
    found = []
    for check, state in after.items():
        known = CHECKS.get(check)
        was = before.get(check)
        if known is None or was is None or gravity(FindingState(state)) >= gravity(FindingState(was)):
            continue
        zh, en = _STATES[FindingState(state)]
        found.append(Difference(check, (f"{known.title[0]}：变为{zh}", f"{known.title[1]}: now {en}")))
    return found


_STATES: Mapping[FindingState, Text] = {
    FindingState.OK: ("合格", "ok"),
    FindingState.ADVICE: ("建议改进", "advised against"),
    FindingState.FAIL: ("不合格", "not fit"),
    FindingState.UNKNOWN: ("无法检测", "not measurable"),
}


def _beyond(these: Iterable[str], those: Iterable[str], let: Collection[str]) -> list[str]:
    known = {folded(one) for one in those} | set(let)
    return [one for one in these if folded(one) not in known]


def _difference(name: str, fact: Fact, value: str, *, is_new: bool) -> Difference:
    zh, en = ("新出现", "new") if is_new else ("不见了", "gone")
    return Difference(name, (f"{fact.title[0]}{zh}：{value}", f"{fact.title[1]} {en}: {value}"))


def _names(value: object, name: str) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if (
        not isinstance(values, Sequence)
        or len(values) > MOST_NAMES
        or not all(isinstance(one, str) and len(one) <= LONGEST_NAME for one in values)
    ):
        raise Invalid(
            REPORT_MALFORMED,
            where=f"facts.{name}",
            wanted_zh=f"不超过 {MOST_NAMES} 个名称",
            wanted=f"up to {MOST_NAMES} names",
        )
    return tuple(sorted({str(one) for one in values if one}))
