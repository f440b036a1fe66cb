"""The files of a sample day as a whole."""

import json
import time
import zipfile
from datetime import UTC, datetime, timedelta

import openpyxl
import pytest
from click.testing import CliRunner
from PIL import Image

from station.domain.plan import parse_plan
from station.domain.staff import Role
from station.sample import write_sample_day
from station.sample.__main__ import main

THEORY_START_AT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
PRACTICAL_START_AT = THEORY_START_AT + timedelta(minutes=75)


def write(folder, **changes):
    return write_sample_day(
        folder, **{"theory_start_at": THEORY_START_AT, "practical_start_at": PRACTICAL_START_AT, **changes}
    )


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    return write(tmp_path_factory.mktemp("sample") / "day")


def cells(path):
    return [list(row) for row in openpyxl.load_workbook(path).worksheets[0].iter_rows(values_only=True)]


def head_of(path):
    head = {}
    for row in cells(path)[1:7]:
        head |= {row[0]: row[2], row[3]: row[4]}
    return head


def test_a_day_is_written_in_under_10_seconds(tmp_path):
    began = time.monotonic()
    day = write(tmp_path)
    assert time.monotonic() - began < 10
    assert sorted(path.name for path in day.files) == sorted(path.name for path in tmp_path.iterdir())


def test_the_same_day_is_the_same_bytes(day, tmp_path):
    again = write(tmp_path)
    for one, other in zip(day.files, again.files, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_r_rost_1_the_roster_has_the_head_and_columns_of_the_sign_in_sheet(day):
    assert list(head_of(day.roster_theory)) == [
        "考场名称",
        "考核站点",
        "考试科目",
        "考试证书",
        "证书等级",
        "考试时间",
        "所属院校",
        "监考老师",
        "巡考老师",
        "应考人数",
        "实考人数",
        "缺考人数",
    ]
    assert cells(day.roster_theory)[8] == ["序号", "学生姓名", "身份证号码", "准考证号", "所属院校", "座位号"]


def test_r_day_14_theory_and_practical_stand_back_to_back_in_local_time(day):
    assert head_of(day.roster_theory)["考试时间"] == "2026年11月21日 14:00—15:00"
    assert head_of(day.roster_practical)["考试时间"] == "2026年11月21日 15:15—17:45"
    assert head_of(day.roster_theory)["考试科目"] == "理论"
    assert head_of(day.roster_practical)["考试科目"] == "实操"


def test_r_rost_2_both_rosters_name_the_same_tickets_and_seats_as_text(day):
    theory, practical = cells(day.roster_theory)[9:], cells(day.roster_practical)[9:]
    assert theory == practical
    assert len(theory) == 45
    assert all(isinstance(row[2], str) and isinstance(row[3], str) for row in theory)
    assert [row[3] for row in theory] == [candidate.ticket_number for candidate in day.candidates]


def test_r_rost_3_every_candidate_has_a_photo_named_by_the_full_number(day):
    with zipfile.ZipFile(day.photos) as archive:
        names = archive.namelist()
        assert {name.rpartition(".")[0] for name in names} == {one.id_number for one in day.candidates}
        assert {name.rpartition(".")[2] for name in names} == {"jpg", "png"}
        for name in names:
            with archive.open(name) as file, Image.open(file) as photo:
                assert photo.size == (295, 413)
                assert photo.format == ("PNG" if name.endswith("png") else "JPEG")
        assert len({archive.read(name) for name in names}) == 45


def test_r_day_4_the_plan_has_the_policies_of_the_certificate(day):
    plan = json.loads(day.plan.read_bytes())
    parse_plan(plan)
    (certificate,) = plan["certificates"]
    theory, practical = certificate["subjects"]
    assert (theory["duration_min"], theory["early_leave_min"]) == (60, 15)
    assert (practical["duration_min"], practical["early_leave_min"]) == (150, 30)
    assert len(certificate["policy"]["rules"]) == 10


def test_r_score_1_both_subjects_must_reach_60(day):
    certificate = json.loads(day.plan.read_bytes())["certificates"][0]
    assert certificate["pass_rule"] == {"kind": "each", "minimum": "60"}


def test_staff_of_every_role_are_there_and_two_invigilators_for_each_40_candidates(day):
    staff = json.loads(day.staff.read_bytes())["staff"]
    assert {person["role"] for person in staff} == set(Role)
    assert sum(person["role"] == "invigilator" for person in staff) == 3
    assert len({person["username"] for person in staff}) == len(staff)
    assert all(person["name"].startswith("示例·") for person in staff)


def test_r_room_1_the_room_has_a_seat_a_candidate_and_5_spares(day):
    room = json.loads(day.room.read_bytes())
    assert room["seats"] == [str(number) for number in range(1, 46)]
    assert tuple(room["spare_seats"]) == day.spare_seats == ("46", "47", "48", "49", "50")


def test_a_smaller_day_can_be_written(tmp_path):
    day = write(tmp_path, seats=3, spares=1)
    assert len(cells(day.roster_theory)[9:]) == 3
    assert day.spare_seats == ("4",)


@pytest.mark.parametrize(
    "start_at",
    [datetime(2026, 11, 21, 6, 0), datetime(2026, 11, 21, 6, 0, 30, tzinfo=UTC)],  # noqa: DTZ001
)
def test_a_start_that_a_roster_cannot_say_is_refused_and_nothing_is_written(tmp_path, start_at):
    with pytest.raises(ValueError, match="whole minute"):
        write(tmp_path / "day", theory_start_at=start_at)
    assert not (tmp_path / "day").exists()


def test_the_command_writes_a_day_at_the_times_asked_for(tmp_path):
    folder = tmp_path / "day"
    result = CliRunner().invoke(
        main,
        [
            str(folder),
            "--theory-start",
            "2026-12-05 08:30",
            "--practical-start",
            "2026-12-05 09:45",
            "--seats",
            "4",
        ],
    )
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) == 8
    assert head_of(folder / "roster-theory.xlsx")["考试时间"] == "2026年12月5日 08:30—09:30"
    assert head_of(folder / "roster-practical.xlsx")["考试时间"] == "2026年12月5日 09:45—12:15"


def test_the_command_without_times_writes_a_theory_of_today_at_14(tmp_path):
    result = CliRunner().invoke(main, [str(tmp_path / "day"), "--seats", "2"])
    assert result.exit_code == 0, result.output
    assert head_of(tmp_path / "day" / "roster-theory.xlsx")["考试时间"].endswith("14:00—15:00")
    assert head_of(tmp_path / "day" / "roster-practical.xlsx")["考试时间"].endswith("15:15—17:45")
