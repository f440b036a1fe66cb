"""Candidates who do not exist: invented names, ID numbers of no region, ticket numbers that follow no seat."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256

HOME_INSTITUTION = "示例职业技术学院"
OTHER_INSTITUTION = "邻县示例中等专业学校"
MOST_CANDIDATES = 500

# GB/T 2260 gives 99 to no province, so no resident card carries this code.
_NO_REGION = "990101"
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"

_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何吕施张孔曹"
_GIVEN_NAMES = (
    "青禾", "远山", "若溪", "明川", "晓棠", "云舟", "思齐", "雨桐", "子墨", "嘉树", "清和", "一鸣",
    "知夏", "景行", "书言", "望舒", "安然", "沐阳", "星河", "南乔", "怀瑾",
)  # fmt: skip
_NAMES_OF_NOTE = {3: "艾丽娅·库尔班江", 7: "吾木提江·阿卜杜外力·买合木提尼亚孜"}
_FROM_ELSEWHERE = frozenset({11})


@dataclass(frozen=True)
class SampleCandidate:
    """One invented candidate. `shown_id_number` is what the roster shows: the full number or a mask of it."""

    number: int
    name: str
    id_number: str
    shown_id_number: str
    ticket_number: str
    institution: str
    seat: str

    @property
    def photo_name(self) -> str:
        """Name the photo by the full ID number; some are PNG (R-ROST-3)."""
        return f"{self.id_number}.{'png' if self.number % 10 == 4 else 'jpg'}"


def invent_candidates(count: int) -> tuple[SampleCandidate, ...]:
    """Invent `count` candidates, the same each time, at the seats 1 to `count`."""
    if not 1 <= count <= MOST_CANDIDATES:
        raise ValueError(f"a sample day has 1 to {MOST_CANDIDATES} candidates, not {count}")
    return tuple(_candidate(number) for number in range(1, count + 1))


def check_digit(first_17: str) -> str:
    """Work out the 18th place of a resident ID number (GB 11643, ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * weight for digit, weight in zip(first_17, _WEIGHTS, strict=True))
    return _CHECK_DIGITS[total % 11]


def _candidate(number: int) -> SampleCandidate:
    id_number = _id_number(number)
    elsewhere = number in _FROM_ELSEWHERE
    return SampleCandidate(
        number=number,
        name=_NAMES_OF_NOTE.get(number) or _name(number),
        id_number=id_number,
        shown_id_number=_shown(id_number, number),
        ticket_number=_ticket_number(number, length=22 if elsewhere else 24),
        institution=OTHER_INSTITUTION if elsewhere else HOME_INSTITUTION,
        seat=str(number),
    )


def _name(number: int) -> str:
    # 25 surnames and 21 given names have no common factor: 525 steps without the same pair twice.
    return _SURNAMES[number % len(_SURNAMES)] + _GIVEN_NAMES[number % len(_GIVEN_NAMES)]


def _id_number(number: int) -> str:
    born = date(2006, 9, 1) + timedelta(days=number * 37 % 700)
    first_17 = f"{_NO_REGION}{born:%Y%m%d}{number:03d}"
    return first_17 + check_digit(first_17)


def _shown(id_number: str, number: int) -> str:
    """Mask some numbers in the two ways that rosters do; the second keeps no trace of the length."""
    if number % 9 == 5:
        return f"{id_number[:6]}********{id_number[-4:]}"
    if number % 9 == 8:
        return f"{id_number[:6]}*****{id_number[-6:]}"
    return id_number


def _ticket_number(number: int, *, length: int) -> str:
    """Make a number whose last 6 digits, the first password, cannot be told from the neighbour's (R-ROST-2)."""
    last_6 = int.from_bytes(sha256(f"sample ticket {number}".encode()).digest()[:8], "big") % 1_000_000
    serial = f"{number:04d}"
    head = "202604990101001030"[: length - 6 - len(serial)]
    return f"{head}{serial}{last_6:06d}"
