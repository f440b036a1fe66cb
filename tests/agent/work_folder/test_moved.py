"""The work folder of a candidate who moved to another PC: its last state is sent, nothing fetched, all put aside."""

import os
from pathlib import Path

from tests.agent.work_folder.work_station import POSTER, Pc


def test_at_a_move_the_pc_that_is_left_sends_its_last_state_puts_the_folder_aside_and_fetches_nothing(station, pc):
    (pc.root / POSTER).write_bytes(b"8BPS one")
    pc.settle()
    root = pc.root
    (root / POSTER).write_bytes(b"8BPS in the last second")
    station.state = "moved"
    station.add_version("从新机来.txt", b"made at the new PC")
    pc.folder.stand_up(at_once=False)
    pc.folder.ask_again()
    pc.live(25)
    assert station.contents(POSTER)[-1] == b"8BPS in the last second"
    assert station.settled, "it says that this is all"
    assert not root.exists(), "put aside as soon as that is said"
    kept = pc.folder._kept
    assert sorted(os.listdir(kept.aside)) == ["01_海报设计"], "nothing was fetched and nothing removed"
    assert not pc.folder.problems()
    # The candidate comes back to this PC: the folder is there again, with what came from the other one.
    station.state = "answering"
    pc.folder.sit_down()
    pc.folder.ask_again()
    pc.live(10)
    assert (root / "从新机来.txt").read_bytes() == b"made at the new PC"
    assert (root / POSTER).read_bytes() == b"8BPS in the last second"
    # Delivered while it lies aside: it is emptied, too.
    station.state = "moved"
    pc.folder.stand_up(at_once=True)
    pc.live(80)
    station.state = "emptied"
    pc.live(80)
    assert pc.folder.is_gone
    assert not [path for path in pc.drives[0].rglob("*") if path.is_file()]


def test_a_dead_pc_that_comes_back_sends_what_it_had_not_though_another_sits_there(station, tmp_path):
    pc = Pc(station, tmp_path / "dead")
    pc.live(2)
    (pc.root / POSTER).write_bytes(b"8BPS sent")
    pc.settle()
    (pc.root / POSTER).write_bytes(b"8BPS not sent")
    pc.switch_off()
    station.state = "moved"
    pc.boot_id = "boot-2"
    pc.switch_on()
    pc.folder.stand_up(at_once=True)
    pc.live(30)
    assert station.contents(POSTER) == [b"8BPS sent", b"8BPS not sent"]
    assert pc.root == Path("/nowhere"), "out of sight of who sits there now"
    pc.switch_off()
