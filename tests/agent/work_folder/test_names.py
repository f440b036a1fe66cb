import os
import re

import pytest

from client_agent.work_folder.files import PlainFiles
from client_agent.work_folder.names import beside, is_safe, is_temporary, local_path, station_path

TEMPORARY = [
    "~$报告.docx", "~WRL0003.tmp", "~WRD0000.tmp", "A1B2C300", "ppt8F2A.tmp", ".~lock.报告.odt#", "lu1234abcd.tmp",
    "Photoshop Temp64123", "~PST8814.tmp", "download.zip.crdownload", "a.psd.part", ".index.html.swp", "#a.txt#",
    ".#a.txt", ".goutputstream-AB12CD", "index.html.LCK", "~版面.idlk", "库.laccdb", "图.dwl2", "Thumbs.db",
    "desktop.ini", ".DS_Store", "._海报.psd", ".exam-part-1", "海报.SV$",
]  # fmt: skip
WORK = [
    "海报.psd", "index.html", "报告.docx", "20261121", "a~b.txt", "$价格.xlsx", "README", "tmp", "lock.txt",
    "作品.tmp.psd",    "a1b2c300", "deadbeef.txt", "~我的稿.psd", "part.png", "a.swf",
]  # fmt: skip


@pytest.mark.parametrize("name", TEMPORARY)
def test_what_programs_lay_beside_a_file_is_passed_over(name):
    assert is_temporary(name)


@pytest.mark.parametrize("name", WORK)
def test_what_a_candidate_may_have_made_is_not(name):
    assert not is_temporary(name)


def test_a_sound_name_goes_to_the_station_as_it_is():
    long = "作" * 196 + ".psd"
    for path in ("01_海报设计/海报.psd", f"01/{long}", "a b/c.d.e/（终稿）.docx"):
        assert station_path(path) == path


def test_a_name_in_another_normal_form_is_the_same_at_the_station():
    assert station_path("re\u0301sume\u0301.txt") == "r\u00e9sum\u00e9.txt"


@pytest.mark.parametrize(
    "name",
    [
        "a:b.psd",
        "a?.psd",
        "CON",
        "con.txt",
        "nul .txt",
        "end.",
        " lead",
        "作" * 250 + ".psd",
        "bad\udcff.psd",
        "...",
        "a\nb",
    ],
)
def test_a_name_that_windows_cannot_hold_is_rewritten_and_stays_one_of_its_own(name):
    path = station_path(f"01/{name}")
    part = path.partition("/")[2]
    assert 0 < len(part) <= 200
    assert not re.search(r'[<>:"|?*\\\x00-\x1f\ud800-\udfff]|^ |[ .]$', part)
    assert part.split(".")[0].strip().lower() not in ("con", "nul")
    assert path != station_path(f"01/{name}x")
    assert path == station_path(f"01/{name}")


def test_a_path_longer_than_the_station_takes_is_folded():
    deep = os.path.join("01_海报设计", *["很深的文件夹" * 5] * 20, "海报.psd")
    path = station_path(deep)
    assert len(path) <= 400
    assert path.startswith("01_海报设计/")
    assert path.endswith("/海报.psd")
    assert path != station_path(deep.replace("海报.psd", "b/海报.psd"))


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../b", "a//b", "a/./b", "a\\..\\b", "c:/a", "a\x00b", "a/"])
def test_a_path_that_leaves_the_folder_is_never_followed(path):
    assert not is_safe(path)


def test_paths_that_differ_in_case_only_lie_apart_here():
    fit = PlainFiles().fit_name
    assert local_path("01/A.psd", fit, lambda local: False) == os.path.join("01", "A.psd")
    assert local_path("01/A.psd", fit, {os.path.join("01", "A.psd")}.__contains__) == os.path.join("01", "A（2）.psd")


def test_a_name_too_long_for_this_file_system_is_shortened_and_keeps_its_suffix():
    name = "作" * 196 + ".psd"
    fitted = PlainFiles().fit_name(name)
    assert len(os.fsencode(fitted)) <= 255
    assert fitted.endswith(".psd")
    assert fitted != PlainFiles().fit_name("作" * 195 + "品.psd")
    assert PlainFiles().fit_name("海报.psd") == "海报.psd"


def test_a_name_beside_another_keeps_the_suffix():
    assert beside(os.path.join("01", "海报.psd"), "（本机旧稿）") == os.path.join("01", "海报（本机旧稿）.psd")
