"""Interactions: what there is to answer in an item, kind by kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

from station.domain.document import Node, check_unique, refuse
from station.errors import Invalid, problem

OPTIONS_TOO_FEW = problem("options_too_few", "{where} 至少需要两个选项。", "{where} needs at least two options.")
TABLE_WITHOUT_INPUT = problem(
    "table_without_input", "{where}：表格中没有需要填写的单元格。", "{where}: the table has no cell to fill in."
)

MAX_STRING = 20_000
MAX_FILE_BYTES = 500 * 1024 * 1024
CELL_INPUTS = frozenset({"text", "number", "choice"})


@dataclass(frozen=True)
class Option:
    """One choice of an item; `html` is sanitised."""

    id: str
    html: str


@dataclass(frozen=True)
class Choice:
    """Choose one option (single) or several (multiple)."""

    options: tuple[Option, ...]
    shuffle: bool

    @cached_property
    def ids(self) -> frozenset[str]:
        return frozenset(option.id for option in self.options)


@dataclass(frozen=True)
class TrueFalse:
    """Say whether a statement is right."""


@dataclass(frozen=True)
class Blank:
    """A place for a short text; `width` is a hint in characters."""

    id: str
    width: int


@dataclass(frozen=True)
class Blanks:
    """Fill in blanks; those that the body does not place are shown below it."""

    blanks: tuple[Blank, ...]

    @cached_property
    def ids(self) -> frozenset[str]:
        return frozenset(blank.id for blank in self.blanks)


@dataclass(frozen=True)
class Writing:
    """Write a text of up to `max_length` characters; `lines` is the height of the field."""

    lines: int
    max_length: int


@dataclass(frozen=True)
class Column:
    """A column of a table; `options` are the choices of an input of kind 'choice'."""

    id: str
    title: str
    input: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Row:
    """A row of a table: the fixed texts by column id. A column without one is an input."""

    id: str
    texts: Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """Fill in the free cells of a table; a cell's name is `row.column`."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    @cached_property
    def inputs(self) -> dict[str, Column]:
        """The free cells in reading order, each with its column."""
        return {
            f"{row.id}.{column.id}": column
            for row in self.rows
            for column in self.columns
            if column.id not in row.texts
        }


@dataclass(frozen=True)
class Deliverable:
    """A file to hand in. Extensions are lower case with their dot."""

    id: str
    label: str
    extensions: tuple[str, ...]
    max_bytes: int
    required: bool


@dataclass(frozen=True)
class Files:
    """Hand in files."""

    files: tuple[Deliverable, ...]

    @cached_property
    def by_id(self) -> dict[str, Deliverable]:
        return {file.id: file for file in self.files}


Interaction = Choice | TrueFalse | Blanks | Writing | Table | Files


def parse_interaction(kind: str, node: Node) -> Interaction:
    """Read what an item of a known kind asks for."""
    return _PARSERS[kind](node)


def _choice(node: Node) -> Choice:
    entries = node.nodes("options")
    if len(entries) < 2:
        raise Invalid(OPTIONS_TOO_FEW, where=node.where)
    options = tuple(Option(entry.identifier(), entry.text("html")) for entry in entries)
    check_unique((option.id for option in options), node.at("options"))
    return Choice(options, node.flag("shuffle", False))


def _blanks(node: Node) -> Blanks:
    blanks = tuple(
        Blank(entry.identifier(), entry.integer("width", 12, minimum=1, maximum=200)) for entry in node.nodes("blanks")
    )
    check_unique((blank.id for blank in blanks), node.at("blanks"))
    return Blanks(blanks)


def _writing(node: Node) -> Writing:
    return Writing(
        node.integer("lines", 6, minimum=1, maximum=200),
        node.integer("max_length", MAX_STRING, minimum=1, maximum=MAX_STRING),
    )


def _table(node: Node) -> Table:
    columns = tuple(_column(entry) for entry in node.nodes("columns"))
    check_unique((column.id for column in columns), node.at("columns"))
    known = {column.id for column in columns}
    rows = []
    for entry in node.nodes("rows"):
        cells = entry.mapping("cells", optional=True)
        for name in cells.keys() - known:
            refuse(entry.at("cells"), "columns 中的列编号", "ids of the columns", name)
        rows.append(
            Row(entry.identifier(), {name: cell.text("text") for name, cell in cells.items() if cell.has("text")})
        )
    check_unique((row.id for row in rows), node.at("rows"))
    table = Table(columns, tuple(rows))
    if not table.inputs:
        raise Invalid(TABLE_WITHOUT_INPUT, where=node.where)
    return table


def _column(node: Node) -> Column:
    kind = node.one_of("input", CELL_INPUTS, "text")
    options = node.texts("options") if kind == "choice" else ()
    return Column(node.identifier(), node.text("title", ""), kind, options)


def _files(node: Node) -> Files:
    files = tuple(_deliverable(entry) for entry in node.nodes("files"))
    check_unique((file.id for file in files), node.at("files"))
    return Files(files)


def _deliverable(node: Node) -> Deliverable:
    extensions = tuple(extension.lower() for extension in node.texts("extensions"))
    for extension in extensions:
        if not re.fullmatch(r"\.[a-z0-9]{1,10}", extension):
            refuse(node.at("extensions"), "形如 .docx 的扩展名", "extensions like .docx", extension)
    return Deliverable(
        id=node.identifier(),
        label=node.text("label", maximum=200),
        extensions=extensions,
        max_bytes=node.integer("max_bytes", minimum=1, maximum=MAX_FILE_BYTES),
        required=node.flag("required", True),
    )


_PARSERS: dict[str, Callable[[Node], Interaction]] = {
    "single": _choice,
    "multiple": _choice,
    "true_false": lambda _: TrueFalse(),
    "fill_in": _blanks,
    "short_answer": _writing,
    "long_answer": _writing,
    "table": _table,
    "file": _files,
}
ITEM_KINDS = frozenset(_PARSERS)
