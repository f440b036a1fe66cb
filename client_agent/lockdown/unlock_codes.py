"""Unlock this PC by a code that an invigilator types: without the station, once for each code.

The station sends digests of codes with the orders (PROTOCOL.md); the codes themselves stand at the console only.
Which ids were used, and how many wrong codes came in a row, lies in a file of the state folder. It is on
disk before the answer is given: a crash, a power cut or a new start brings no code back and spares no waiting.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import threading
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterable, Mapping

from client_agent import clock
from client_agent.durable import write_durably
from client_agent.errors import AgentError, problem

WRONG_CODE = problem(
    "unlock_code_wrong",
    "解锁码不对。请监考员核对考位号后重新输入。",
    "The unlock code is wrong. The invigilator should check the seat number and type it again.",
)
USED_CODE = problem(
    "unlock_code_used",
    "该解锁码已用过。请监考员换下一个。",
    "This unlock code was used. The invigilator takes the next one.",
)
SLOW_DOWN = problem(
    "unlock_code_wait",
    "输错次数较多，请等待 {wait_s} 秒后再输入。",
    "Too many wrong codes: wait {wait_s} s before the next.",
)
NO_CODES = problem(
    "unlock_codes_missing",
    "本机没有解锁码（还没有收到考站的指令）。请技术人员以管理员身份运行 exam-agent restore。",
    "This PC holds no unlock codes (the station's orders never came). A technician may run exam-agent restore.",
)
NOT_KEPT = problem(
    "unlock_code_not_kept",
    "解锁码的使用记录无法写入磁盘（{reason}），没有解锁。请检查磁盘空间。",
    "The use of the code cannot be written to disk ({reason}); nothing was unlocked. Check the disk's space.",
)
UNREADABLE = problem(
    "unlock_codes_unreadable",
    "解锁码使用记录已损坏（{path}），为防止重复使用，不能用解锁码。请技术人员运行 exam-agent restore。",
    "The list of used codes is damaged ({path}): no code can be taken. A technician may run exam-agent restore.",
)

FREE_TRIES = 3
FIRST_WAIT_S = 5.0
# Long enough for codes of eight digits; who types wrong ones on purpose must not keep the invigilator out for long.
LONGEST_WAIT_S = 60.0
FEWEST_DIGITS = 6
MOST_DIGITS = 32
MOST_ITERATIONS = 10_000_000


@dataclass(frozen=True)
class UnlockCode:
    """What the agent knows of one code."""

    id: str
    salt: bytes
    iterations: int
    digest: bytes


def parse_codes(orders: Iterable[Mapping[str, object]]) -> tuple[UnlockCode, ...]:
    """Read `unlock_codes` of the orders; an entry that this version cannot use is passed over."""
    codes = []
    for entry in orders:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            iterations = int(str(entry["iterations"]))
            code = UnlockCode(
                str(entry["id"]), bytes.fromhex(str(entry["salt"])), iterations, bytes.fromhex(str(entry["digest"]))
            )
            if code.digest and 0 < iterations <= MOST_ITERATIONS:
                codes.append(code)
    return tuple(codes)


def digits_of(typed: str) -> str:
    """Give the digits of what was typed: full-width digits count, spaces and dashes do not.

    Anything else in it, or an unlikely length, gives "": that can be no code.
    """
    digits = ""
    for sign in typed:
        value = unicodedata.digit(sign, None)
        if value is not None:
            digits += str(value)
        elif not (sign.isspace() or unicodedata.category(sign) in ("Pd", "Cf")):
            return ""
    return digits if FEWEST_DIGITS <= len(digits) <= MOST_DIGITS else ""


def wait_after(wrong: int) -> float:
    """Say how many seconds to wait after this many wrong codes in a row: none for three, then 5, 10, 20, 40, 60."""
    if wrong < FREE_TRIES:
        return 0.0
    return float(min(FIRST_WAIT_S * 2 ** min(wrong - FREE_TRIES, 16), LONGEST_WAIT_S))


class UnlockCodes:
    """The codes of this PC and what is known of their use. One agent at a time uses a file; threads may share this."""

    def __init__(self, path: Path, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._path = path
        self._monotonic = monotonic
        self._lock = threading.Lock()

    def use(self, typed: str, codes: Iterable[UnlockCode]) -> str:
        """Take a code and give its id, noted as used on disk before it is given; else a refusal that says why.

        A refusal leaves every code usable. While one has to wait not even a right code is looked at, so that
        trying on in the meantime gains nothing.
        """
        with self._lock:
            known = tuple(codes)
            if not known:
                raise AgentError(NO_CODES)
            used, wrong, wrong_at = self._read()
            now = self._monotonic()
            # Both count from the PC's start, so that a new process (`exam-agent unlock`) need not wait anew. What an
            # earlier start wrote is taken for the moment of this start: later than it was, which spares no waiting.
            left_s = (wrong_at if wrong_at <= now else 0.0) + wait_after(wrong) - now
            if left_s > 0:
                raise AgentError(SLOW_DOWN, wait_s=int(left_s) + 1)
            found = _matching(digits_of(typed), known)
            if found is None:
                # Noted first: who cuts the power to spare the waiting finds the wrong try counted.
                self._write(used, wrong + 1, self._monotonic())
                raise AgentError(WRONG_CODE)
            if found.id in used:
                raise AgentError(USED_CODE)
            self._write([*used, found.id], 0, 0.0)
            return found.id

    def used(self) -> tuple[str, ...]:
        """List the ids that were used, for the heartbeat."""
        with self._lock:
            return tuple(self._read()[0])

    def _read(self) -> tuple[list[str], int, float]:
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            used, wrong = kept["used"], kept["wrong_in_a_row"]
            if not isinstance(used, list) or not isinstance(wrong, int):
                raise ValueError("not the list of used codes")
            return [str(one) for one in used], wrong, float(kept.get("wrong_at", 0.0))
        except FileNotFoundError:
            return [], 0, 0.0
        except (OSError, ValueError, KeyError, TypeError) as damage:
            raise AgentError(UNREADABLE, path=self._path) from damage

    def _write(self, used: list[str], wrong: int, wrong_at: float) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            kept = {"used": used, "wrong_in_a_row": wrong, "wrong_at": wrong_at}
            write_durably(self._path, json.dumps(kept).encode())
        except OSError as failure:
            raise AgentError(NOT_KEPT, reason=failure.strerror or str(failure)) from failure


def _matching(digits: str, codes: Iterable[UnlockCode]) -> UnlockCode | None:
    """Find the code; every one is worked out and compared whole, so that the time taken tells nothing."""
    found = None
    for code in codes:
        digest = hashlib.pbkdf2_hmac("sha256", digits.encode("ascii"), code.salt, code.iterations)
        if hmac.compare_digest(digest, code.digest) and digits and found is None:
            found = code
    return found
