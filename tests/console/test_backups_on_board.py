"""The board says when the last backup was made, and why none can be made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from station.services import backing_up
from tests.building import BuiltRoom, build_room
from tests.console.serving import Console, served_staff_app


def lines(board: dict) -> list[tuple[str, str]]:
    return [(one["text"], one["level"]) for one in board["status"] if one["code"] == "backup"]


def made(room: BuiltRoom, *, same_disk: bool) -> None:
    at = room.clock.now()
    with room.changing() as db:
        backing_up.note_made(
            db, number=7, folder="E:/", began_at=at, flaws=[], is_on_same_disk=same_disk, by_hand=False, at=at
        )


def test_the_last_backup_stands_at_the_foot_of_the_board_and_a_stick_that_is_out_above_the_room(tmp_path: Path) -> None:
    room = build_room(tmp_path)
    room.edge = replace(room.edge, has_backups=True)
    with served_staff_app(room) as address:
        one = Console(address)
        one.log_in("invigilator")
        assert lines(one.board(room.theory)) == [("尚未备份", "warn")]
        made(room, same_disk=False)
        assert lines(one.board(room.theory)) == [("备份 14:00，已校验", "ok")]
        room.clock.pass_time(minutes=5)
        with room.changing() as db:
            backing_up.note_failed(db, reason="备份文件夹 E:/ 不存在。", at=room.clock.now())
        board = one.board(room.theory)
        assert lines(board) == [("上次备份 14:00，现在不能备份", "warn")]
        (alarm,) = [each for each in board["alarms"] if each["code"] == "backup_failed"]
        assert alarm["text"] == "备份未成功，考试照常进行：备份文件夹 E:/ 不存在。"
        made(room, same_disk=True)
        board = one.board(room.theory)
        assert lines(board) == [("备份 14:05，但与数据在同一磁盘上", "warn")]
        assert "backup_failed" not in [each["code"] for each in board["alarms"]]
    room.close()


def test_a_station_without_automatic_backups_says_so(tmp_path: Path) -> None:
    room = build_room(tmp_path)
    with served_staff_app(room) as address:
        one = Console(address)
        one.log_in("invigilator")
        assert lines(one.board(room.theory)) == [("未设置自动备份", "warn")]
        made(room, same_disk=False)
        assert lines(one.board(room.theory)) == [("备份 14:00，未设置自动备份", "warn")]
    room.close()


def test_a_board_of_before_a_restore_gets_the_journal_anew(tmp_path: Path) -> None:
    room = build_room(tmp_path)
    made(room, same_disk=False)
    with served_staff_app(room) as address:
        one = Console(address)
        one.log_in("invigilator")
        events = one.board(room.theory)["events"]
        assert one.board(room.theory, since=events[0]["number"])["events"] == []
        assert one.board(room.theory, since=events[0]["number"] + 40)["events"] == events
    room.close()
