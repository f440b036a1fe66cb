"""No page uses what Chrome 109 lacks, the last for Windows 7 (design §12). What a text can show is looked for
here; what only running shows, the browser tests marked `chrome109` do.

What merely looks a little plainer there (text-wrap, scrollbar-color) is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.laws.sources import PACKAGES, project_files, text_of

# Each: a pattern, and an example that it must find. The number is the first Chrome that has it.
SCRIPT_LACKS = {
    "array copies, 110": (r"\.(toSorted|toSpliced|toReversed|with)\(", "rows.toSorted(byName)"),
    "groupBy, 117": (r"\b(Object|Map)\.groupBy\b", "Object.groupBy(rows, kindOf)"),
    "Array.fromAsync, 121": (r"\bArray\.fromAsync\b", "await Array.fromAsync(stream)"),
    "Promise.withResolvers 119, try 128": (r"\bPromise\.(withResolvers|try)\b", "Promise.withResolvers()"),
    "well-formed strings, 111": (r"\.(is|to)WellFormed\(", "text.isWellFormed()"),
    "RegExp flag v, 112": (
        r"(?:[(=,:!&|?;\[]|\breturn)\s*/(?![/*])(?:\\.|[^/\\\n])+/[dgimsuy]*v|RegExp\([^)\n]*,\s*['\"]\w*v",
        "text.replace(/[a--b]/gv, '')",
    ),
    "set algebra, 122": (
        r"\.(union|intersection|difference|symmetricDifference|isSubsetOf|isSupersetOf|isDisjointFrom)\(",
        "chosen.union(shown)",
    ),
    "iterator methods, 122": (
        r"\bIterator\.|\.(values|keys|entries)\(\)\.(map|filter|take|drop|flatMap|reduce|toArray|forEach|some|every|find)\b",
        "rows.values().map(read)",
    ),
    "URL.canParse 120, parse 126": (r"\bURL\.(canParse|parse)\b", "URL.canParse(link)"),
    "AbortSignal.any, 116": (r"\bAbortSignal\.any\b", "AbortSignal.any([one, two])"),
    "view transitions, 111": (r"\bstartViewTransition\b", "document.startViewTransition(draw)"),
    "scheduler.yield, 129": (r"\bscheduler\.yield\b", "await scheduler.yield()"),
    "dialog.requestClose, 134": (r"\.requestClose\(", "dialog.requestClose()"),
    "moveBefore, 133": (r"\.moveBefore\(", "list.moveBefore(row, null)"),
    "HTML setters, 124": (r"\b(setHTML|setHTMLUnsafe|getHTML|parseHTMLUnsafe)\(", "box.setHTMLUnsafe(text)"),
    "bytes as text, 140": (r"\.(fromBase64|toBase64|fromHex|toHex|setFromBase64)\(", "bytes.toHex()"),
    "ArrayBuffer.transfer, 114": (r"\.transfer(ToFixedLength)?\(", "buffer.transfer()"),
    "Intl.DurationFormat, 129": (r"\bIntl\.DurationFormat\b", "new Intl.DurationFormat('zh')"),
    "import attributes, 123": (
        r"\b(from|import)\s*\(?['\"][^'\"\n]+['\"],?\s*(\{\s*)?with\b",
        "import a from './a.json' with { type: 'json' }",
    ),
    "using declarations, 134": (r"^\s*(await\s+)?using\s+\w+\s*=", "using file = open()"),
    "popover, 114": (r"\b(show|hide|toggle)Popover\b|['\"]popover", "box.showPopover()"),
}  # fmt: skip
STYLE_LACKS = {
    "subgrid, 117": (r"\bsubgrid\b", "grid-template-columns: subgrid"),
    "colour functions, 111": (r"\b(color-mix|oklch|oklab|lch|lab|color)\(", "color: color-mix(in srgb, red, blue)"),
    "colours from colours, 119": (r"\b(rgba?|hsla?|hwb)\(\s*from\b", "color: rgb(from red r g b)"),
    "light-dark, 123": (r"\blight-dark\(", "color: light-dark(#000, #fff)"),
    "at-rules, 117 to 139": (
        r"@(starting-style|scope|view-transition|position-try|function)\b",
        "@starting-style { p { opacity: 0 } }",
    ),
    "style queries, 111": (r"@container[^{]*\bstyle\(", "@container style(--wide: 1) {}"),
    "popover, 114": (r":popover-open\b", "div:popover-open {}"),
    "selectors, 110 to 131": (
        r":(user-valid|user-invalid|dir\(|state\(|:details-content|open\b)|:nth-(last-)?child\([^)]*\bof\b",
        "input:user-invalid {}",
    ),
    "anchor positions, 125": (
        r"\b(anchor|anchor-size)\(|\b(position-anchor|anchor-name|position-area)\s*:",
        "top: anchor(bottom)",
    ),
    "field-sizing, 123": (r"\bfield-sizing\s*:", "field-sizing: content"),
    "transitions to auto, 117 and 129": (
        r"\b(transition-behavior|interpolate-size)\s*:|\b(allow-discrete|calc-size\()",
        "interpolate-size: allow-keywords",
    ),
    "scroll-driven animation, 115": (r"\b(animation|scroll|view)-timeline\b", "animation-timeline: scroll()"),
    "linear() easing, 113": (r"(?<!-)\blinear\(", "transition: left 1s linear(0, 1)"),
    "functions of numbers, 111 to 138": (
        r"(?<![\w-])(sin|cos|tan|asin|acos|atan2?|pow|sqrt|hypot|log|exp|round|mod|rem|abs|sign|if)\(",
        "width: round(50%, 1px)",
    ),
    "units, 111": (r"\d(rlh|rex|rch|rcap|ric|cap)\b", "height: 2rlh"),
    "masks without prefix, 120": (r"(?<![\w-])mask(-image|-size|-position|-repeat)?\s*:", "mask: url(a.svg)"),
    "image-set without prefix, 113": (r"(?<!-)\bimage-set\(", "background: image-set('a.png' 1x)"),
    "display of two words, 115": (r"\bdisplay\s*:\s*(block|inline)\s+\w", "display: inline flex"),
    "initial-letter, 110": (r"\binitial-letter\s*:", "initial-letter: 2"),
}  # fmt: skip
MARKUP_LACKS = {
    "popover, 114": (r"\spopover(target|targetaction)?(?=[\s=>])", "<div popover>"),
    "commands, 135": (r"\s(commandfor|closedby)\s*=", "<dialog closedby=any>"),
    "details of one name, 120": (r"<details[^>]*\sname\s*=", "<details name=a>"),
    "shadow roots in markup, 111": (r"\sshadowrootmode\s*=", "<template shadowrootmode=open>"),
}
COMMENTS = re.compile(r"/\*.*?\*/|(?:^|(?<=[\s;{}]))//[^\n]*", re.DOTALL | re.MULTILINE)
STYLE_COMMENTS = re.compile(r"/\*.*?\*/", re.DOTALL)
GROUPING = ("@media", "@supports", "@layer", "@container", "@keyframes")
PAGES = [path for path in project_files() if path.parts[0] in PACKAGES and path.suffix in {".js", ".css", ".html"}]


def lacking(text: str, kind: str) -> Iterator[str]:
    """Name what Chrome 109 lacks of what a script, a style sheet or a page uses."""
    if kind == ".html":
        yield from _found(MARKUP_LACKS, text)
        for script in re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL):
            yield from lacking(script, ".js")
        for style in re.findall(r"<style[^>]*>(.*?)</style>", text, re.DOTALL):
            yield from lacking(style, ".css")
    elif kind == ".js":
        yield from _found(SCRIPT_LACKS, COMMENTS.sub(" ", text))
    else:
        text = STYLE_COMMENTS.sub(" ", text)
        yield from _found(STYLE_LACKS, text)
        yield from (f"nested rule, 120: {selector}" for selector in nested_rules(text))


# Numbers of printed sheets: 109 passes them over, and its sheets bear none.
MARGIN_BOXES = ("@top-", "@bottom-")


def nested_rules(style: str) -> Iterator[str]:
    """Find rules inside rules: Chrome 109 leaves them out, though `CSS.supports` says yes."""
    style = re.sub(r"\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", '""', style)
    inside: list[bool] = []  # for each open block: is it a rule with declarations?
    for prelude, brace in re.findall(r"([^{};]*)([{};])", style):
        selector = prelude.strip()
        if brace == "{":
            if any(inside) and not selector.startswith(MARGIN_BOXES):
                yield selector
            inside.append(not selector.startswith(GROUPING))
        elif brace == "}":
            assert inside, "a brace too many"
            inside.pop()
    assert not inside, "a brace too few"


def _found(lacks: dict[str, tuple[str, str]], text: str) -> Iterator[str]:
    for name, (pattern, _) in lacks.items():
        for hit in re.finditer(pattern, text, re.MULTILINE):
            yield f"{name}: {hit.group().strip()}"


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_no_page_uses_what_chrome_109_lacks(path: Path) -> None:
    assert not list(lacking(text_of(path), path.suffix))


def test_there_are_pages_to_look_at() -> None:
    assert {path.suffix for path in PAGES} == {".js", ".css", ".html"}


@pytest.mark.parametrize(("lacks", "kind"), [(SCRIPT_LACKS, ".js"), (STYLE_LACKS, ".css"), (MARKUP_LACKS, ".html")])
def test_every_example_is_found_by_its_name(lacks: dict[str, tuple[str, str]], kind: str) -> None:
    for name, (_, example) in lacks.items():
        assert any(found.startswith(name) for found in lacking(example, kind)), name


@pytest.mark.parametrize(
    "style",
    ["p { top: 0; & b { top: 1px } }", "@media print { p { b { top: 0 } } }", "p { @media print { top: 0 } }"],
)
def test_nested_rules_are_found(style: str) -> None:
    assert list(nested_rules(style))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("// rows.toSorted() is missing in 109\nconst half = all / parts / view;", ".js"),
        ("const path = `/api/${a}/v`; rows.findLast(one); structuredClone(x); rows.at(-1);", ".js"),
        ("[...rows.values()].map(read); Object.hasOwn(a, b); dialog.showModal(); AbortSignal.timeout(9);", ".js"),
        ("@media (width > 9px) { p { color: rgba(0, 0, 0, 0.5) } } @keyframes k { to { top: 0 } }", ".css"),
        ("a:has(b):focus-visible { height: 9dvh; background: linear-gradient(red, blue); -webkit-mask: none }", ".css"),
        (":root { --mask: 1; color-scheme: light; border: solid; display: inline-flex } /* & p { } */", ".css"),
        ('<details open><summary>a</summary></details> <input name="popover-place">', ".html"),
    ],
)  # fmt: skip
def test_what_chrome_109_has_is_not_taken_for_missing(text: str, kind: str) -> None:
    assert not list(lacking(text, kind))
