"""What is wrong in an imported file: every place of it, not only the first."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from station.errors import Invalid, Problem, StationError, problem

IMPORT_REJECTED = problem(
    "import_rejected",
    "文件有 {count} 处错误，未导入任何内容。{place_zh}：{first_zh}",
    "The file has {count} faults; nothing was imported. {place_en}: {first_en}",
)

MAX_REJECTIONS = 500


@dataclass(frozen=True)
class Rejection:
    """One fault: `row` counts from 1, `column` is the letter; 0 and '' where the fault has no such place."""

    sheet: str
    row: int
    column: str
    code: str
    zh: str
    en: str

    def place(self, language: str = "zh") -> str:
        """Say where the fault is, as a person would look for it."""
        chinese = language != "en"
        parts = [self.sheet] if self.sheet else []
        if self.row:
            parts.append(f"第 {self.row} 行" if chinese else f"row {self.row}")
        if self.column:
            parts.append(f"{self.column} 列" if chinese else f"column {self.column}")
        return ("，" if chinese else ", ").join(parts) or ("文件" if chinese else "the file")


class ImportRejected(Invalid):
    """A file cannot be imported. `rejections` holds every fault found; nothing was changed."""

    def __init__(self, rejections: tuple[Rejection, ...]) -> None:
        first = rejections[0]
        super().__init__(
            IMPORT_REJECTED,
            count=len(rejections),
            place_zh=first.place("zh"),
            place_en=first.place("en"),
            first_zh=first.zh,
            first_en=first.en,
            rejections=[asdict(rejection) for rejection in rejections],
        )
        self.rejections = rejections


class Faults:
    """Collects the faults of one file; stops the reading when there are too many to be worth listing."""

    def __init__(self) -> None:
        self.found: list[Rejection] = []

    def add(self, kind: Problem, *, sheet: str = "", row: int = 0, column: str = "", **details: object) -> None:
        """Note a fault; `details` fill the problem's sentence."""
        zh, en = kind.zh.format(**details), kind.en.format(**details)
        self.found.append(Rejection(sheet, row, column, kind.code, zh, en))
        if len(self.found) >= MAX_REJECTIONS:
            raise ImportRejected(tuple(self.found))

    def add_error(self, error: StationError, *, sheet: str = "", row: int = 0, column: str = "") -> None:
        """Note what a domain rule refused; of another importer's refusal, each fault."""
        if isinstance(error, ImportRejected):
            self.found.extend(error.rejections)
            return
        details = error.details
        zh, en = error.problem.zh.format(**details), error.problem.en.format(**details)
        self.found.append(Rejection(sheet, row, column, error.code, zh, en))

    def check(self) -> None:
        """Raise all faults found so far, in the order of the file; do nothing when there are none."""
        if self.found:
            raise ImportRejected(tuple(self.found))


def reject(kind: Problem, *, sheet: str = "", row: int = 0, column: str = "", **details: object) -> ImportRejected:
    """Make the refusal of a whole file for one reason."""
    faults = Faults()
    faults.add(kind, sheet=sheet, row=row, column=column, **details)
    return ImportRejected(tuple(faults.found))


def reject_error(error: StationError, *, sheet: str = "") -> ImportRejected:
    """Make the refusal of a whole file out of what a domain rule refused."""
    faults = Faults()
    faults.add_error(error, sheet=sheet)
    return ImportRejected(tuple(faults.found))
