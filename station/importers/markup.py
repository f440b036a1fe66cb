"""HTML of papers: what is let through (design §7), and plain text of Excel cells made into it."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from itertools import groupby

import nh3

# fmt: off
_TAGS = {
    "p", "br", "b", "strong", "i", "em", "u", "s", "sub", "sup", "ul", "ol", "li",
    "table", "thead", "tbody", "tr", "th", "td", "img", "span", "code", "pre", "blockquote", "h3", "h4", "hr",
}
# fmt: on
_ATTRIBUTES = {
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "img": {"src", "alt", "width", "height"},
    "span": {"data-blank"},
}
_SMALL_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)
_UNDERSCORES = re.compile(r"[_＿]{2,}")
_BRACKETS = re.compile(r"[（(][\s_]*[）)]")
_TABLE_LINE = re.compile(r"\s*\|.*\|\s*")


def sanitised(markup: str) -> str:
    """Keep only the allowed elements and attributes; pictures only from the paper's own assets."""
    return nh3.clean(
        markup,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_allowed,
        url_schemes={"asset"},
        link_rel=None,
        generic_attribute_prefixes=set(),
    )


def count_blanks(text: str) -> int:
    """Count the places to fill in: `____`, or where there is none, `（ ）`."""
    return len(_blank_pattern(text).findall(text))


def html_of(text: str, *, with_blanks: bool = False, pictures: Sequence[tuple[str, str]] = ()) -> str:
    """Make HTML of a cell's plain text, followed by pictures as (asset name, alternative text).

    1. Everything is escaped: a cell holds text, never markup.
    2. Lines that begin and end with `|` become a table, the first of them its head.
    3. Other lines become one paragraph a run, with line breaks in it; an empty line begins a new one.
    4. With blanks, each place to fill in becomes the span of blank b1, b2 …
    """
    parts = []
    for is_table, run in groupby(text.strip().split("\n"), key=lambda line: bool(_TABLE_LINE.fullmatch(line))):
        lines = list(run)
        parts.append(_table(lines) if is_table else _paragraphs(lines))
    markup = "".join(parts)
    if with_blanks:
        markup = _blank_pattern(text).sub(_numbered_blank(), markup)
    for asset, alt in pictures:
        markup += f'<p><img src="asset:{html.escape(asset)}" alt="{html.escape(alt)}"></p>'
    return sanitised(markup)


def inline_html(text: str) -> str:
    """Make HTML of a short text such as an option: escaped, with line breaks, without paragraphs."""
    return sanitised("<br>".join(html.escape(line, quote=False) for line in text.strip().split("\n")))


def _allowed(element: str, attribute: str, value: str) -> str | None:
    if attribute == "src":
        return value if value.startswith("asset:") else None
    if attribute in {"colspan", "rowspan", "width", "height"}:
        return value if _SMALL_NUMBER.fullmatch(value) else None
    return value


def _paragraphs(lines: list[str]) -> str:
    runs = [list(run) for filled, run in groupby(lines, key=lambda line: bool(line.strip())) if filled]
    return "".join(f"<p>{'<br>'.join(html.escape(line.strip(), quote=False) for line in run)}</p>" for run in runs)


def _table(lines: list[str]) -> str:
    rows = [[html.escape(cell.strip(), quote=False) for cell in line.strip()[1:-1].split("|")] for line in lines]
    rows = [row for row in rows if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]
    width = max(len(row) for row in rows) if rows else 0
    written = [
        "".join(f"<{tag}>{cell}</{tag}>" for cell in row + [""] * (width - len(row)))
        for tag, row in zip(["th"] + ["td"] * len(rows), rows, strict=False)
    ]
    if not written:
        return ""
    body = "".join(f"<tr>{row}</tr>" for row in written[1:])
    return f"<table><thead><tr>{written[0]}</tr></thead><tbody>{body}</tbody></table>"


def _blank_pattern(text: str) -> re.Pattern[str]:
    return _UNDERSCORES if _UNDERSCORES.search(text) else _BRACKETS


def _numbered_blank() -> Callable[[re.Match[str]], str]:
    count = 0

    def replace(_: re.Match[str]) -> str:
        nonlocal count
        count += 1
        return f'<span data-blank="b{count}"></span>'

    return replace
