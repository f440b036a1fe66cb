"""What the station wants this PC to be (PROTOCOL.md, `orders`), read so that a strange member harms nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from client_agent.errors import AgentError, problem

ORDERS_WRONG = problem(
    "orders_wrong",
    "服务器下发的指令读不懂（{field}），本机保持原状。请联系系统管理员。",
    "The station's orders cannot be read ({field}); this PC stays as it is. Tell the administrator.",
)


@dataclass(frozen=True)
class Orders:
    """The orders of one version. `lock` None: the PC is free. `lock_again`: codes that free it no longer."""

    version: str
    raw: Mapping[str, Any]
    lock: Mapping[str, Any] | None = None
    screen: str = "page"
    text: str = ""
    seat: Mapping[str, Any] | None = None
    work: Mapping[str, Any] | None = None
    accessibility: Mapping[str, Any] | None = None
    unlock_codes: tuple[Mapping[str, Any], ...] = ()
    lock_again: tuple[str, ...] = ()
    requirements: str = ""

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Orders:
        """Read orders; raises orders_wrong where a needed member is absent or of another kind."""
        version = document.get("version")
        if not isinstance(version, str) or not version:
            raise AgentError(ORDERS_WRONG, field="version")
        if "lock" not in document:
            raise AgentError(ORDERS_WRONG, field="lock")
        screen = _object(document, "screen") or {"kind": "none"}
        codes, again = document.get("unlock_codes"), document.get("lock_again")
        check = _object(document, "check") or {}
        return cls(
            version=version,
            raw=document,
            lock=_object(document, "lock"),
            screen=str(screen.get("kind", "page")),
            text=str(screen.get("text") or ""),
            seat=_object(document, "seat"),
            work=_object(document, "work"),
            accessibility=_object(document, "accessibility"),
            unlock_codes=tuple(code for code in codes if isinstance(code, dict)) if isinstance(codes, list) else (),
            lock_again=tuple(str(code) for code in again) if isinstance(again, list) else (),
            requirements=str(check.get("requirements") or ""),
        )

    @property
    def allows_pictures(self) -> bool:
        return self.lock is not None and self.lock.get("pictures") is True


def _object(document: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value = document.get(name)
    if value is not None and not isinstance(value, dict):
        raise AgentError(ORDERS_WRONG, field=name)
    return value
