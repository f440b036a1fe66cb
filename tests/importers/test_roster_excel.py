"""Rosters from Excel: what is read, and what is refused by name."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from station.importers.rejections import ImportRejected
from station.importers.roster_excel import read_rosters

ZONE = ZoneInfo("Asia/Shanghai")


COLUMNS_WITH_TIME = ["序号", "学生姓名", "身份证号码", "准考证号", "所属院校", "座位号", "考试时间"]


def rejections_of(path):
    with pytest.raises(ImportRejected) as refused:
        read_rosters(path, zone=ZONE)
    return [(found.code, found.row, found.column) for found in refused.value.rejections]


def changed(sheet, row, column, value):
    made = sheet()
    made.rows[row][column] = value
    return made


def test_r_rost_1_the_sign_in_sheet_is_read_with_its_head(write_book, sheet):
    (roster,) = read_rosters(write_book(sheet()), zone=ZONE)
    head = roster.head
    assert (head.room_name, head.site_name, head.subject_name) == ("第一机房", "示例职业学院", "理论")
    assert (head.certificate_name, head.level, head.expected_count) == ("网店运营推广", "初级", 3)
    assert head.planned_start_at == datetime(2026, 11, 21, 6, tzinfo=UTC)
    assert head.planned_end_at == datetime(2026, 11, 21, 7, tzinfo=UTC)
    assert (head.invigilators, head.inspectors) == (("示例·甲", "示例乙"), ("示例丙",))
    assert [(row.name, row.seat, row.row) for row in roster.rows] == [
        ("张示例", "57", 7),
        ("库尔班·热合曼", "58", 8),
        ("李样本", "59", 9),
    ]
    assert roster.rows[1].id_number == "370285*****5910"
    assert roster.rows[2].institution == "另一学院（借考）"


def test_r_rost_1_the_export_of_registrations_is_one_roster_a_subject_without_seats(write_book, sheet):
    columns = ["计划", "姓名", "考生号", "证件号码", "考生类别", "准考证号", "院校", "考点", "证书", "等级", "科目"]
    rows = [
        [
            "2026-4",
            "张示例",
            20261,
            "3702**********1118",
            "在校生",
            "3" * 22,
            "甲校",
            "乙考点",
            "网店运营推广",
            "初级",
            subject,
        ]
        for subject in ("理论", "实操")
    ]
    rosters = read_rosters(write_book(sheet(head=[], columns=columns, rows=rows)), zone=ZONE)
    assert [roster.head.subject_name for roster in rosters] == ["理论", "实操"]
    assert rosters[0].head.planned_start_at is None
    assert rosters[0].rows[0].seat is None
    assert rosters[0].rows[0].ticket_number == rosters[1].rows[0].ticket_number == "3" * 22


def test_trailing_blanks_made_ready_numbers_and_the_signature_lines_are_no_candidates(write_book, sheet):
    made = sheet(
        below=[
            [4, None, None, None, None, 60],
            [],
            [None, " "],
            ["监考员签字：", None, "日期："],
            ["备注：无"],
            [None, None, "第 2 页"],
        ]
    )
    (roster,) = read_rosters(write_book(made), zone=ZONE)
    assert len(roster.rows) == 3


def test_a_candidate_without_any_number_is_refused_and_never_taken_for_a_note(write_book, sheet):
    made = sheet(columns=[*COLUMNS_WITH_TIME, "备注"])
    made.rows[1] = [2, "库尔班·热合曼", None, None, "示例职业学院", "58", "2026-11-21 14:00-15:00", "备注：借考"]
    assert rejections_of(write_book(made)) == [("ticket_missing", 8, "D")]


def test_a_sheet_formatted_to_its_last_row_is_read_at_once(write_book, sheet):
    def stretch(book):
        book.worksheets[0].cell(1_048_576, 1).number_format = "@"

    (roster,) = read_rosters(write_book(sheet(), change=stretch), zone=ZONE)
    assert len(roster.rows) == 3


def test_merged_head_cells_and_a_school_merged_over_its_rows_are_read(write_book, sheet):
    made = sheet(
        head=[
            ["考场签到表"],
            ["考 场 名 称", None, "第二机房  ", None, "考试时间", "2026-11-21 14:00-15:00"],
            *sheet().head[2:3],
        ]
    )
    made.rows[1][4] = made.rows[2][4] = None

    def merge(book):
        page = book.worksheets[0]
        page.merge_cells("A1:F1")
        page.merge_cells("A2:B2")
        page.merge_cells("C2:D2")
        page.merge_cells("E5:E7")

    (roster,) = read_rosters(write_book(made, change=merge), zone=ZONE)
    assert roster.head.room_name == "第二机房"
    assert [row.institution for row in roster.rows] == ["示例职业学院"] * 3


@pytest.mark.parametrize(
    "said",
    [
        "2026年11月21日 14:00—15:00",
        "2026-11-21 14:00-15:00",
        "2026/11/21（周六）14:00～15:00",
        "２０２６．１１．２１ １４：００至１５：００",
        "2026年11月21日下午2:00-下午3:00",
        "2026年11月21日14时00分至15时00分",
        "2026-11-21 14:00:00 - 2026-11-21 15:00:00",
    ],
)
def test_a_planned_time_is_read_however_it_is_written(write_book, sheet, said):
    head = [line for line in sheet().head if "考试时间" not in str(line)]
    (roster,) = read_rosters(write_book(sheet(head=[*head, ["考试时间", said]])), zone=ZONE)
    assert roster.head.planned_start_at == datetime(2026, 11, 21, 6, tzinfo=UTC)
    assert roster.head.planned_end_at == datetime(2026, 11, 21, 7, tzinfo=UTC)


def test_a_planned_time_may_be_excels_own(write_book, sheet):
    head = [line for line in sheet().head if "考试时间" not in str(line)]
    own = datetime(2026, 11, 21, 14, tzinfo=UTC).replace(tzinfo=None)
    late = own.replace(hour=15)
    (one,) = read_rosters(write_book(sheet(head=[*head, ["考试时间", own]])), zone=ZONE)
    (two,) = read_rosters(write_book(sheet(head=[*head, ["开始时间", own, "结束时间", late]])), zone=ZONE)
    (three,) = read_rosters(
        write_book(sheet(head=[*head, ["考试日期", own.replace(hour=0), "开始时间", own.time(), "结束时间", "15:00"]])),
        zone=ZONE,
    )
    assert one.head.planned_start_at == two.head.planned_start_at == three.head.planned_start_at
    assert one.head.planned_end_at is None
    assert two.head.planned_end_at == three.head.planned_end_at == datetime(2026, 11, 21, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("下周六下午", "window_unreadable"),
        ("2026-11-21 15:00-14:00", "window_backwards"),
        ("2026-02-30 14:00", "window_unreadable"),
    ],
)
def test_a_planned_time_that_is_none_is_refused_by_name(write_book, sheet, said, code):
    head = [line for line in sheet().head if "考试时间" not in str(line)]
    assert rejections_of(write_book(sheet(head=[*head, ["考试时间", said]]))) == [(code, 5, "B")]


@pytest.mark.parametrize(
    ("row", "column", "value", "code", "letter"),
    [
        (0, 3, 3.70285e22, "number_in_numeric_cell", "D"),
        (0, 3, 370285, "number_in_numeric_cell", "D"),
        (0, 2, 990000200501011118, "number_in_numeric_cell", "C"),
        (0, 3, "37028", "ticket_malformed", "D"),
        (0, 3, None, "ticket_missing", "D"),
        (0, 1, None, "name_missing", "B"),
        (0, 5, None, "seat_missing", "F"),
        (0, 5, "A/1", "seat_malformed", "F"),
        (0, 2, "990000200501011119", "id_number_wrong", "C"),
        (0, 2, "无", "id_number_unknown", "C"),
        (0, 1, "长" * 101, "text_too_long", "B"),
        (0, 1, "#N/A", "cell_error", "B"),
    ],
)
def test_r_rost_2_a_wrong_cell_is_refused_by_name_and_place(write_book, sheet, row, column, value, code, letter):
    assert rejections_of(write_book(changed(sheet, row, column, value))) == [(code, 7 + row, letter)]


def test_r_rost_2_a_ticket_number_in_a_numeric_cell_is_refused_by_name(write_book, sheet):
    with pytest.raises(ImportRejected) as refused:
        read_rosters(write_book(changed(sheet, 1, 3, 3.70285e22)), zone=ZONE)
    assert "第 8 行，D 列" in refused.value.sentence("zh")
    assert "数值单元格" in refused.value.sentence("zh")
    assert "row 8, column D" in refused.value.sentence("en")
    assert refused.value.code == "import_rejected"
    assert refused.value.details["rejections"][0]["row"] == 8


def test_r_rost_2_a_long_code_in_a_numeric_cell_is_refused_and_a_short_one_is_not(write_book, sheet):
    for code, refused in ((1.2345678901234567e18, True), (20261, False)):
        made = sheet(columns=[*sheet().columns, "考生号"])
        made.rows[0].append(code)
        path = write_book(made)
        if refused:
            assert rejections_of(path) == [("number_in_numeric_cell", 7, "G")]
        else:
            assert read_rosters(path, zone=ZONE)


def test_a_ticket_or_seat_twice_is_refused_with_both_rows(write_book, sheet):
    path = write_book(changed(sheet, 2, 3, sheet().rows[0][3]))
    assert rejections_of(path) == [("ticket_twice", 9, "D")]
    assert rejections_of(write_book(changed(sheet, 2, 5, "57"))) == [("seat_twice", 9, "F")]


def test_every_fault_of_a_file_is_told_not_only_the_first(write_book, sheet):
    made = sheet()
    made.rows[0][3], made.rows[1][1], made.rows[2][5] = 1.0, None, None
    other = sheet(title="实操")
    other.rows[0][3] = 2
    found = rejections_of(write_book(made, other))
    assert [code for code, _, _ in found] == [
        "number_in_numeric_cell",
        "name_missing",
        "seat_missing",
        "number_in_numeric_cell",
    ]


def test_a_count_in_the_head_that_differs_is_refused(write_book, sheet):
    made = sheet(rows=sheet().rows[:2])
    assert rejections_of(write_book(made)) == [("count_differs", 5, "A")]


def test_a_missing_head_field_or_column_is_refused_by_name(write_book, sheet):
    assert {code for code, _, _ in rejections_of(write_book(sheet(head=[])))} == {"head_field_missing"}
    without_ticket = sheet(columns=["序号", "学生姓名", "身份证号码", "别的", "所属院校", "座位号"])
    assert rejections_of(write_book(without_ticket)) == [("column_missing", 6, "")]


def test_a_book_without_any_list_and_a_list_without_candidates_are_refused(write_book, sheet):
    assert rejections_of(write_book(sheet(head=[["无"]], columns=[], rows=[])))[0][0] == "no_roster"
    assert rejections_of(write_book(sheet(head=sheet().head[:4], rows=[])))[0][0] == "roster_empty"


def test_a_file_that_is_not_xlsx_is_refused_and_says_what_to_do(tmp_path, write_book, sheet):
    whole = write_book(sheet()).read_bytes()
    files = {
        "old.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
        "list.csv": "姓名,准考证号\n".encode("gbk"),
        "cut.xlsx": whole[: len(whole) // 2],
        "empty.xlsx": b"",
        "damaged.xlsx": whole[:200] + bytes(80) + whole[280:],
    }
    for name, content in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ImportRejected) as refused:
            read_rosters(path, zone=ZONE)
        assert refused.value.rejections[0].code == "file_not_xlsx"
        assert "另存为 .xlsx" in refused.value.sentence()
    with zipfile.ZipFile(tmp_path / "zip.xlsx", "w") as archive:
        archive.writestr("readme.txt", "x")
    assert rejections_of(tmp_path / "zip.xlsx") == [("file_not_xlsx", 0, "")]


def test_a_workbook_that_unpacks_too_far_is_refused_before_it_is_unpacked(tmp_path, write_book, sheet):
    path = write_book(sheet())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("xl/media/bomb.bin", "w") as out:
        for _ in range(301):
            out.write(bytes(1024 * 1024))
    assert rejections_of(path) == [("workbook_too_large", 0, "")]


def test_progress_is_told_and_ends_with_all_rows(write_book, sheet):
    rows = [[n, f"考生{n}", "", f"37028500000000000{n:05d}", "校", n] for n in range(1, 1001)]
    made = sheet(head=sheet().head[:4], rows=rows)
    seen: list[tuple[int, int]] = []
    (roster,) = read_rosters(write_book(made), zone=ZONE, progress=lambda done, total: seen.append((done, total)))
    assert len(roster.rows) == 1000
    assert seen == sorted(seen)
    assert seen[-1] == (1000, 1000)
    assert len(seen) > 10


WIDE = str.maketrans(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", "０１２３４５６７８９ＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺ"
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(6)), wide=st.lists(st.booleans(), min_size=18, max_size=18), gap=st.integers(0, 3))
def test_shuffled_columns_and_full_width_characters_read_the_same(write_book, sheet, order, wide, gap):
    plain = sheet()
    (expected,) = read_rosters(write_book(plain), zone=ZONE)
    widths = iter(wide)
    rows = [[str(value).translate(WIDE) + "　" if next(widths) else value for value in row] for row in plain.rows]
    shuffled = sheet(
        head=[*plain.head, *[[]] * gap],
        columns=[plain.columns[place] for place in order],
        rows=[[row[place] for place in order] for row in rows],
    )
    (found,) = read_rosters(write_book(shuffled), zone=ZONE)
    assert found.head == expected.head
    assert [(r.name, r.ticket_number, r.id_number, r.institution, r.seat) for r in found.rows] == [
        (r.name, r.ticket_number, r.id_number, r.institution, r.seat) for r in expected.rows
    ]
