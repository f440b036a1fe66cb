"""Odd names, links, deep paths and odd times of files on their way to the station."""

import os
import socket

from tests.agent.work_folder.work_station import POSTER, sha256


def test_links_are_not_followed_out_of_the_folder(pc, station, tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key.txt").write_bytes(b"secret")
    (pc.item / "link.txt").symlink_to(secret / "key.txt")
    (pc.item / "linked").symlink_to(secret, target_is_directory=True)
    os.mkfifo(str(pc.item / "pipe.txt"))
    listener = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(str(pc.item))
    try:
        listener.bind("s.txt")
    finally:
        os.chdir(here)
    (pc.item / "own.txt").write_bytes(b"mine")
    pc.live(25)
    listener.close()
    assert station.files() == {"01_海报设计/own.txt": sha256(b"mine")}


def test_names_in_two_normal_forms_and_renames_of_case_keep_every_file(pc, station):
    composed, apart = "r\u00e9sum\u00e9.txt", "re\u0301sume\u0301.txt"
    (pc.item / composed).write_bytes(b"composed")
    (pc.item / apart).write_bytes(b"apart")
    (pc.item / "Logo.PNG").write_bytes(b"logo")
    pc.live(4)
    (pc.item / "Logo.PNG").rename(pc.item / "logo.png")
    pc.live(8)
    held = sorted(station.newest(path) for path in station.files())
    assert held == [b"apart", b"composed", b"logo"]
    assert "01_海报设计/logo.png" in station.files()
    (pc.item / composed).unlink()
    pc.live(8)
    assert sorted(station.newest(path) for path in station.files()) == [b"apart", b"logo"]


def test_a_deep_path_of_long_chinese_names_arrives(pc, station):
    folder = pc.item.joinpath(*["第一次修改之后的版面设计稿与素材文件夹" * 3] * 8)
    folder.mkdir(parents=True)
    assert len(str(folder)) > 400
    (folder / "海报.psd").write_bytes(b"deep")
    pc.live(5)
    (path,) = station.versions
    assert len(path) <= 400
    assert station.contents(path) == [b"deep"]
    (folder / "海报.psd").write_bytes(b"deeper")
    pc.live(5)
    assert station.contents(path) == [b"deep", b"deeper"]


def test_a_clock_that_jumps_changes_nothing(pc, station):
    target = pc.item / "海报.psd"
    target.write_bytes(b"now")
    pc.live(4)
    for moment in (0, 4_000_000_000, 86_400):
        target.write_bytes(b"at %d" % moment)
        os.utime(target, (moment, moment))
        pc.live(4)
    told = station.versions[POSTER]
    assert [station.content(one["sha256"]) for one in told] == [b"now", b"at 0", b"at 4000000000", b"at 86400"]
    assert told[1]["modified_at"] == "1980-01-01T00:00:00+00:00"


def test_when_a_file_was_changed_is_told_by_the_stations_clock(pc, station):
    pc.offset_s = 3600.0
    pc.folder.ask_again()
    (pc.item / "海报.psd").write_bytes(b"now")
    os.utime(pc.item / "海报.psd", (1_800_000_000, 1_800_000_000))
    pc.live(4)
    assert station.versions[POSTER][0]["modified_at"] == "2027-01-15T07:00:00+00:00"
