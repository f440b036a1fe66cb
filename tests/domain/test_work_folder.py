"""The work folder's rules: names, what answers a wanted file, and when a version is late."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from station.domain.attempt import CHAIN_START, first_broken_link, link_hash
from station.domain.interaction import Deliverable
from station.domain.paper import parse_paper
from station.domain.work_folder import (
    AnswerState,
    Held,
    Wanted,
    WorkLink,
    answers_of,
    beside_name,
    check_path,
    folder_name,
    is_late,
    item_folders,
    may_still_bring,
    standing,
    wanted_name,
)
from station.errors import Invalid
from tests.building import paper_document

NOON = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)


def held(path: str, *, at: int = 0, size: int = 10, sha256: str = "a" * 64, version: int = 1) -> Held:
    return Held(path, sha256, size, version, NOON + timedelta(minutes=at))


def wanted(label: str, *extensions: str, required: bool = True, largest: int = 100) -> Deliverable:
    return Deliverable(label, label, extensions, largest, required)


def practical(*items: tuple[str, list[Deliverable]]) -> dict[str, object]:
    """A paper of file items, after two of other kinds."""
    document = paper_document()
    section = document["sections"][0]
    template = section["items"].pop()
    section["items"] = section["items"][:2]
    for number, (body, files) in enumerate(items, start=1):
        asked = [
            {"id": f"f{n}", "label": one.label, "extensions": list(one.extensions), "max_bytes": one.max_bytes,
             "required": one.required}
            for n, one in enumerate(files, start=1)
        ]  # fmt: skip
        item = {**template, "id": f"p{number}", "body": body, "interaction": {"files": asked}}
        item["materials"] = [{"asset": "a.psd", "name": "底图.psd"}]
        section["items"].append(item)
    document["full_points"] = f"{sum(float(one['points']) for one in section['items']):.2f}"
    document["assets"] = {"a.psd": {"sha256": "0" * 64, "media_type": "image/vnd.adobe.photoshop", "size": 9}}
    return document


def answers(paper, *files, uploads=None):
    folders = item_folders(parse_paper(paper))
    found = answers_of(folders, files, {"a.psd": "0" * 64}, uploads or {})
    return {(one.wanted.item_id, one.wanted.part): (one.file.path if one.file else None, one.state) for one in found}


POSTER = practical(("<p>海报设计，见素材。</p>", [wanted("海报", ".psd"), wanted("预览图", ".jpg", ".png")]))


def test_each_file_item_has_a_folder_named_by_its_number_and_first_words():
    first, second = item_folders(
        parse_paper(
            practical(("<p>海报设计，见素材。</p>", [wanted("海报", ".psd")]), ("<p></p>", [wanted("表", ".xlsx")]))
        )
    )
    assert (first.folder, first.number, first.materials[0].path) == ("03_海报设计", 3, "素材/底图.psd")
    assert second.folder == "04"
    assert item_folders(parse_paper(paper_document()))[0].wanted[0].name == "方案.txt"


def test_an_item_that_only_names_programs_has_a_folder_for_its_materials_and_wants_nothing():
    paper = practical(("<p>海报设计</p>", [wanted("海报", ".psd")]))
    items = paper["sections"][0]["items"]
    items[0] |= {"programs": ["EXCEL.exe"], "materials": [{"asset": "a.psd", "name": "数据.xlsx"}]}
    first, second = item_folders(parse_paper(paper))
    assert (first.number, first.programs, first.wanted) == (1, ("excel.exe",), ())
    assert first.materials[0].path == "素材/数据.xlsx"
    assert second.folder == "03_海报设计"
    # Of the only item that wants files is what lies anywhere but in the other's folder.
    assert answers(paper, held("海报.psd"))["p1", "f1"][0] == "海报.psd"
    assert answers(paper, held(f"{first.folder}/海报.psd"))["p1", "f1"][0] is None


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("海报", "海报.psd"),
        ("海报.psd", "海报.psd"),
        ("海报源文件（PSD 格式，300 dpi）", "海报源文件.psd"),
        ("（PSD）", "（PSD）.psd"),
        ("主图/详情：第1张?", "主图详情：第1张.psd"),
        ("con", "_con.psd"),
        ("长" * 150, "长" * 60 + ".psd"),
    ],
)
def test_the_wanted_name_is_the_label_with_its_first_kind_and_fits_every_system(label, name):
    assert wanted_name(wanted(label, ".psd", ".tif")) == name
    assert check_path(name) == name


def test_the_folder_is_named_for_people_whatever_the_name_holds():
    assert folder_name("实操", "12", "库尔班·热合曼") == "实操_12_库尔班·热合曼"
    assert check_path(folder_name("机考/实操:一", "1", "张" * 100))


def test_a_file_of_the_wanted_name_counts_before_a_newer_one_of_another_name():
    found = answers(POSTER, held("03_海报设计/海报.PSD", at=1), held("03_海报设计/海报 备份.psd", at=9))
    assert found["p1", "f1"] == ("03_海报设计/海报.PSD", AnswerState.THERE)
    assert found["p1", "f2"] == (None, AnswerState.MISSING)


def test_without_the_wanted_name_the_newest_of_the_only_fitting_kind_counts():
    found = answers(POSTER, held("03_海报设计/a.psd", at=1), held("03_海报设计/b.psd", at=9), held("03_海报设计/c.png"))
    assert found["p1", "f1"][0] == "03_海报设计/b.psd"
    assert found["p1", "f2"][0] == "03_海报设计/c.png"


def test_two_wanted_files_of_one_kind_are_told_apart_by_their_names_only():
    paper = practical(("<p>两张图</p>", [wanted("主图", ".jpg"), wanted("副图", ".jpg")]))
    assert answers(paper, held("03_两张图/x.jpg")) == {
        ("p1", "f1"): (None, AnswerState.MISSING),
        ("p1", "f2"): (None, AnswerState.MISSING),
    }
    found = answers(paper, held("03_两张图/x.jpg"), held("03_两张图/主图.jpg"))
    assert (found["p1", "f1"][0], found["p1", "f2"][0]) == ("03_两张图/主图.jpg", "03_两张图/x.jpg")


def test_an_untouched_material_never_counts_and_one_that_was_worked_in_does():
    original = held("03_海报设计/素材/底图.psd", sha256="0" * 64)
    assert answers(POSTER, original)["p1", "f1"] == (None, AnswerState.MISSING)
    assert answers(POSTER, held("03_海报设计/素材/底图.psd"))["p1", "f1"][1] is AnswerState.THERE


def test_with_several_items_only_the_items_own_folder_counts():
    paper = practical(("<p>甲</p>", [wanted("图", ".jpg")]), ("<p>乙</p>", [wanted("图", ".jpg")]))
    found = answers(paper, held("图.jpg"), held("04_乙/图.jpg"))
    assert (found["p1", "f1"][0], found["p2", "f1"][0]) == (None, "04_乙/图.jpg")
    assert answers(POSTER, held("海报.psd"))["p1", "f1"][0] == "海报.psd"


def test_of_folder_and_upload_the_newer_counts():
    uploads = {("p1", "f1"): held("上传.psd", at=5, version=0)}
    assert answers(POSTER, held("03_海报设计/海报.psd", at=4), uploads=uploads)["p1", "f1"][0] == "上传.psd"
    assert answers(POSTER, held("03_海报设计/海报.psd", at=6), uploads=uploads)["p1", "f1"][0] == "03_海报设计/海报.psd"


def test_a_file_that_is_empty_or_too_large_is_missing_and_says_why():
    assert answers(POSTER, held("03_海报设计/海报.psd", size=0))["p1", "f1"][1] is AnswerState.EMPTY
    assert answers(POSTER, held("03_海报设计/海报.psd", size=101))["p1", "f1"][1] is AnswerState.TOO_LARGE
    folders = item_folders(parse_paper(practical(("<p>甲</p>", [wanted("图", ".jpg", required=False)]))))
    assert [one.is_missing for one in answers_of(folders, [], {}, {})] == [False]
    assert isinstance(folders[0].wanted[0], Wanted)


@pytest.mark.parametrize(
    "path", ["a.psd", "素材/底图.psd", "第1题/子文件夹/很长的名字" + "长" * 150 + ".psd", "a b/c.d.e"]
)
def test_a_usable_path_stays_as_it_is(path):
    assert check_path(path) == path


def test_a_path_is_kept_in_composed_form():
    assert check_path("e\u0301.psd") == "\u00e9.psd"


@pytest.mark.parametrize(
    "path",
    ["", "/a", "a/", "a//b", ".", "../a", "a/../b", "a\\b", "C:/a", "a:b", "a\x00", "a\n", "con", "NUL.txt", "x/Lpt1",
     "a.", "a ", " a", "a*", 'a"', "a|b", "长" * 201, "/".join(["长" * 150] * 3), "\ud800", 7, None],
)  # fmt: skip
def test_a_path_that_leaves_the_folder_or_fits_no_windows_pc_is_refused(path):
    with pytest.raises(Invalid) as refused:
        check_path(path)
    assert refused.value.code == "path_unusable"
    refused.value.sentence().encode()


def test_a_version_is_late_by_when_it_was_made_and_when_it_came():
    def late(came: float, made: float) -> bool:
        return is_late(NOON + timedelta(seconds=came), NOON + timedelta(seconds=made), NOON)

    assert not late(came=0, made=-5)
    assert not late(came=599, made=0)
    assert not late(came=600, made=2)
    assert late(came=601, made=-5)
    assert late(came=5, made=3)
    assert not is_late(NOON + timedelta(days=1), NOON, None)


def test_a_version_put_beside_says_which_it_is():
    assert beside_name("03_海报设计/海报.PSD", 2) == "03_海报设计/海报（第2版）.PSD"
    assert beside_name("说明", 12) == "说明（第12版）"
    assert check_path(beside_name("长" * 196 + ".psd", 1000))


def test_changing_any_field_of_a_version_breaks_the_chain():
    first = WorkLink(1, 1, "a.psd", 1, "a" * 64, 3, 1, 2, "rested", None, 5, "boot", 1, False)
    second = first._replace(number=2, version=2, sha256=None, cause="removed")
    hashes = [link_hash(CHAIN_START, first)]
    hashes.append(link_hash(hashes[0], second))
    assert first_broken_link([(first, CHAIN_START, hashes[0]), (second, hashes[0], hashes[1])]) is None
    for field in WorkLink._fields:
        changed = second._replace(**{field: 99})
        assert first_broken_link([(first, CHAIN_START, hashes[0]), (changed, hashes[0], hashes[1])]) is not None


@dataclass(frozen=True)
class Brought:
    """A version as far as it matters which stands: brought by a PC, made and received at minutes after noon."""

    device_id: int | None
    made: int
    came: int
    cause: str = "rested"

    @property
    def modified_at(self) -> datetime:
        return NOON + timedelta(minutes=self.made)

    @property
    def received_at(self) -> datetime:
        return NOON + timedelta(minutes=self.came)


OLD, NEW, OLD_AGAIN = Brought(1, 0, 1), Brought(2, 20, 21), Brought(1, 5, 30, "moved")


@pytest.mark.parametrize(
    ("versions", "stands"),
    [
        ([], None),
        ([OLD, NEW], NEW),
        # Nothing came from the new PC: what the old one had not sent counts.
        ([OLD, OLD_AGAIN], OLD_AGAIN),
        ([OLD_AGAIN], OLD_AGAIN),
        # What the candidate saved at the new PC is never put aside, whenever the old one comes.
        ([OLD, NEW, OLD_AGAIN], NEW),
        ([OLD, OLD_AGAIN, NEW], NEW),
        ([OLD, NEW, OLD_AGAIN, Brought(2, 40, 41)], Brought(2, 40, 41)),
        # A file copied at the new PC bears an old date: it came there after the old PC's was made all the same.
        ([OLD, Brought(2, -60, 21), OLD_AGAIN], Brought(2, -60, 21)),
        # An earlier version that was taken back on the page is the candidate's newest wish.
        ([OLD, Brought(None, 22, 22, "taken_back"), OLD_AGAIN], Brought(None, 22, 22, "taken_back")),
        # Two of the old PC stand in the order in which it sent them.
        ([OLD, OLD_AGAIN, Brought(1, 4, 31, "moved")], Brought(1, 4, 31, "moved")),
    ],
)
def test_r_day_7_what_a_pc_brings_that_the_candidate_has_left_never_outdoes_the_new_pc(versions, stands):
    assert standing(versions) == stands


def test_a_pc_that_was_left_may_bring_files_for_half_an_hour():
    assert may_still_bring(NOON, NOON + timedelta(minutes=30))
    assert not may_still_bring(NOON, NOON + timedelta(minutes=30, seconds=1))
