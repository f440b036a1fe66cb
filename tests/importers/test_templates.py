"""The templates import as they are."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from openpyxl import load_workbook

from station.importers.paper_excel import read_paper_workbook
from station.importers.roster_excel import read_rosters
from station.importers.templates import paper_template, roster_template


def test_the_roster_template_imports_cleanly(tmp_path):
    path = tmp_path / "名单.xlsx"
    path.write_bytes(roster_template())
    (roster,) = read_rosters(path, zone=ZoneInfo("Asia/Shanghai"))
    assert len(roster.rows) == roster.head.expected_count == 2
    assert roster.head.room_name


def test_the_paper_template_imports_cleanly_with_one_row_a_kind(tmp_path):
    path = tmp_path / "试卷.xlsx"
    path.write_bytes(paper_template())
    found = read_paper_workbook(path, code="X", certificate="示例", level="初级", subject="theory")
    assert [item.kind for item in found.paper.items] == [
        "single", "multiple", "true_false", "fill_in", "short_answer", "long_answer",
    ]  # fmt: skip
    policies = [item.policy for item in found.paper.items]
    assert policies == ["exact", "subset_fixed", "exact", "blank_each", "manual", "points_list"]
    assert "<table>" in found.paper.items[5].body


def test_numbers_typed_into_the_roster_template_become_text(tmp_path):
    path = tmp_path / "名单.xlsx"
    path.write_bytes(roster_template())
    sheet = load_workbook(path).worksheets[0]
    assert sheet.column_dimensions["E"].number_format == "@"
