"""When a typed text or number counts as the same as the expected one."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal, localcontext

_WHITE_SPACE = re.compile(r"\s+")
# Thousands are set off in full groups of three or not at all: "1,00" is a slip, not a hundred.
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]+)?", re.ASCII)
_MAX_NUMBER_LENGTH = 40
_FULL_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0x2212: 0x2D}


def folded(text: str) -> str:
    """Fold what a reader would not call a difference: width (NFKC), case, and the amount of white space.

    Characters that nobody sees (zero-width spaces and joiners, byte-order marks) are dropped.
    """
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    alike = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    return _WHITE_SPACE.sub(" ", alike).strip()


def number_in(text: str) -> Decimal | None:
    """Read a number that stands alone: full-width digits and thousands commas are fine, units are not."""
    # Only widths are mapped here: NFKC would read 10² as 102.
    plain = text.translate(_FULL_WIDTH).strip()
    if len(plain) > _MAX_NUMBER_LENGTH or not _NUMBER.fullmatch(plain) or plain in ("", "+", "-"):
        return None
    return Decimal(plain.replace(",", ""))


def is_within(given: Decimal, expected: Decimal, tolerance: Decimal) -> bool:
    """Say whether a number is at most `tolerance` away from the expected one, the bound included."""
    with localcontext(prec=4 * _MAX_NUMBER_LENGTH):
        return abs(given - expected) <= tolerance


def mentions(folded_text: str, keyword: str) -> bool:
    """Say whether a folded text holds a keyword.

    A keyword that begins or ends with a Latin letter or a digit is looked for as a whole word: "ROI" does
    not stand in "heroic", nor "5" in "15" or "2.5". Chinese text has no such borders.
    """
    wanted = re.escape(folded(keyword))
    return re.search(rf"{_LEFT_BORDER}{wanted}{_RIGHT_BORDER}", folded_text) is not None


def shortened(text: str, maximum: int = 60) -> str:
    """Cut a text for an explanation; what was saved stays whole in the revisions."""
    return text if len(text) <= maximum else text[: maximum - 1] + "…"


# The border is asked for only where the keyword itself ends in a letter or digit.
_LEFT_BORDER = r"(?:(?![a-z0-9])|(?<![a-z0-9])(?<![0-9][.,]))"
_RIGHT_BORDER = r"(?:(?<![a-z0-9])|(?![a-z0-9])(?![.,][0-9]))"
