"""The roster: who sits where. Ticket numbers, ID numbers and their masks, photos, seats (R-ROST-1 … 3)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from station.errors import Invalid, problem

TICKET_MALFORMED = problem(
    "ticket_malformed",
    "准考证号“{found}”不合规：应为 20–26 位数字。请从报名平台重新导出，准考证号列须为文本格式。",
    "The ticket number {found!r} is malformed: 20–26 digits. Export it again, with that column as text.",
)

_TICKET = re.compile(r"[0-9]{20,26}", re.ASCII)
_RESIDENT = re.compile(r"[0-9]{17}[0-9X]", re.ASCII)
_PASSPORT = re.compile(r"[A-Z0-9()]{5,20}", re.ASCII)
_HONG_KONG_MACAO = re.compile(r"[HM][0-9]{8}([0-9]{2})?|[A-Z]{1,2}[0-9]{6}\([0-9A]\)", re.ASCII)
_TAIWAN = re.compile(r"[0-9]{8}([0-9]{2})?|[A-Z][0-9]{9}", re.ASCII)
_MASK = re.compile(r"[*•●#]+")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_SEAT_WORDS = re.compile(r"^(座位号?|机位|考位|第)|(号机|号座位?|号位|号|座|机)$")
_DOTS = str.maketrans("•・‧∙⋅･．", "·······")  # what people type for the dot in a name
_HAN_GAP = re.compile(r"(?<=[\u3400-\u9fff]) (?=[\u3400-\u9fff])")
_WIDE = {code: code - 0xFEE0 for code in range(0xFF10, 0xFF5B) if unicodedata.category(chr(code))[0] in "LN"}


class IdKind(StrEnum):
    """What document an ID number belongs to, as far as its form tells."""

    RESIDENT = "resident"
    HONG_KONG_MACAO = "hong_kong_macao"
    TAIWAN = "taiwan"
    PASSPORT = "passport"
    MASKED = "masked"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class RosterHead:
    """What a roster says above its table. Unknown texts are '', unknown moments and counts None; moments are UTC."""

    room_name: str = ""
    site_name: str = ""
    subject_name: str = ""
    certificate_name: str = ""
    level: str = ""
    planned_start_at: datetime | None = None
    planned_end_at: datetime | None = None
    institution: str = ""
    invigilators: tuple[str, ...] = ()
    inspectors: tuple[str, ...] = ()
    expected_count: int | None = None


@dataclass(frozen=True)
class RosterRow:
    """One candidate of a roster. `seat` is None in an export of registrations; `row` is the line in the sheet."""

    name: str
    ticket_number: str
    id_number: str = ""
    pinyin: str = ""
    institution: str = ""
    seat: str | None = None
    row: int = 0


@dataclass(frozen=True)
class Roster:
    """One sheet's candidates of one room and sitting."""

    sheet: str
    head: RosterHead
    rows: tuple[RosterRow, ...]


@dataclass(frozen=True)
class PhotoMatches:
    """Which photo is whose. `by_ticket`: ticket number → photo name; the rest is not matched, and why.

    `ambiguous`: photo name → ticket numbers that it would fit, or that another photo fits as well.
    """

    by_ticket: dict[str, str]
    ambiguous: dict[str, tuple[str, ...]]
    photos_without_row: tuple[str, ...]
    tickets_without_photo: tuple[str, ...]


def check_ticket_number(text: str) -> None:
    """Refuse what is not 20–26 digits. The number is never taken apart: coding rules change (R-ROST-2)."""
    if not _TICKET.fullmatch(text):
        raise Invalid(TICKET_MALFORMED, found=text[:40])


def initial_password(ticket_number: str) -> str:
    """Give a candidate's first password: the last 6 digits."""
    return ticket_number[-6:]


def id_number_kind(number: str) -> IdKind:
    """Tell the kind of an ID number by its form, check digits apart."""
    if _MASK.search(number):
        return IdKind.MASKED
    if _RESIDENT.fullmatch(number):
        return IdKind.RESIDENT
    if _HONG_KONG_MACAO.fullmatch(number):
        return IdKind.HONG_KONG_MACAO
    if _TAIWAN.fullmatch(number):
        return IdKind.TAIWAN
    has_digit = any(character.isdigit() for character in number)
    return IdKind.PASSPORT if has_digit and _PASSPORT.fullmatch(number) else IdKind.UNKNOWN


def is_valid_id_number(number: str) -> bool:
    """Say whether an 18-digit resident number has the right check digit (GB 11643, ISO 7064 MOD 11-2)."""
    if not _RESIDENT.fullmatch(number):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number, strict=False))
    return "10X98765432"[total % 11] == number[17]


def mask_id_number(number: str) -> str:
    """Mask an ID number for lists and boards: the first 6 and last 4 of 18 stay, of others the ends; length kept."""
    head, tail = (6, 4) if len(number) >= 15 else (2, 2) if len(number) >= 6 else (0, 0)
    return number[:head] + "*" * (len(number) - head - tail) + number[len(number) - tail :]


def is_masked(number: str) -> bool:
    """Say whether a number has places that do not show."""
    return _MASK.search(number) is not None


def matches_mask(full: str, masked: str) -> bool:
    """Say whether a full number fits a masked one. A run of mask signs stands for one or more characters.

    Masks lose length (`370285*****5910` stands for 18 characters), so the number of signs says nothing (R-ROST-3).
    """
    shown = _MASK.split(masked.upper())
    return re.fullmatch(".+".join(re.escape(part) for part in shown), full.upper()) is not None


def match_photos(names: Iterable[str], rows: Iterable[RosterRow]) -> PhotoMatches:
    """Match photos, named by full ID number, to candidates; only what is certain is matched (R-ROST-3).

    1. Each ticket number counts once, in however many rosters it stands.
    2. A row with its full number takes the photo of that name; nobody else can have it.
    3. Of what is left, a masked row and a photo belong together if each fits the other and nothing else.
    """
    photos = {name.upper(): name for name in names}
    id_numbers = {row.ticket_number: row.id_number.upper() for row in rows}
    by_ticket = {ticket: photos[number] for ticket, number in id_numbers.items() if number in photos}
    photos = {key: name for key, name in photos.items() if key not in id_numbers.values()}
    masked = {ticket: number for ticket, number in id_numbers.items() if ticket not in by_ticket and is_masked(number)}
    fits = {name: [t for t, number in masked.items() if matches_mask(key, number)] for key, name in photos.items()}
    claims = [ticket for tickets in fits.values() for ticket in tickets]
    ambiguous = {}
    for name, tickets in fits.items():
        if len(tickets) == 1 and claims.count(tickets[0]) == 1:
            by_ticket[tickets[0]] = name
        elif tickets:
            ambiguous[name] = tuple(tickets)
    return PhotoMatches(
        by_ticket=by_ticket,
        ambiguous=ambiguous,
        photos_without_row=tuple(name for name, tickets in fits.items() if not tickets),
        tickets_without_photo=tuple(ticket for ticket in id_numbers if ticket not in by_ticket),
    )


def seat_number(text: str) -> str:
    """Write a seat as the station knows it: `０５７号` and `57.0` are seat 57, `a01` is A01."""
    folded = re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).upper()
    folded = re.sub(r"^([0-9]+)\.0+$", r"\1", _SEAT_WORDS.sub("", _SEAT_WORDS.sub("", folded)))
    return str(int(folded)) if re.fullmatch(r"[0-9]{1,9}", folded) else folded


def seat_order(number: str) -> tuple[tuple[int, int, str], ...]:
    """Key for sorting seats as people count: 2 before 10, A2 before A10, numbers before letters."""
    parts = re.findall(r"[0-9]+|[^0-9]+", number)
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)


def tidy_name(text: str) -> str:
    """Tidy a person's name: `张　三` is 张三, any dot is `·`; rare characters stay as they are (no NFKC)."""
    return _HAN_GAP.sub("", narrowed(text).translate(_DOTS))


def narrowed(text: str) -> str:
    """Turn full-width letters and digits into plain ones and fold white space; punctuation stays Chinese."""
    return " ".join(text.translate(_WIDE).replace("\u200b", "").replace("\ufeff", "").split())
