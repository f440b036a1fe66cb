import sqlite3
import subprocess
import sys

import pytest

from client_agent.work_folder.files import Mark
from client_agent.work_folder.ledger import Held, HeldFiles, Kept, Ledger
from tests.agent.conftest import ROOT

KEPT = Kept(17, "/d/exam-work/实操_12_张三", "3f2a91c0", "", 0, "", 2**31)
HELD = Held("01/海报.psd", "01/海报.psd", "9c4f", 3, Mark(5, 7))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "work"


def test_what_is_noted_is_there_after_a_restart(folder):
    ledger = Ledger(folder)
    ledger.keep_folder(KEPT)
    ledger.hold(17, [HELD])
    message = ledger.begin_message(17, {"boot_id": "b", "versions": []}, {"p": ["l", 1, 2]})
    ledger.close()
    again = Ledger(folder)
    assert again.kept_folder(17) == KEPT
    assert list(again.files(17).all()) == [HELD]
    assert again.messages(17) == [message]
    assert message.body == {"boot_id": "b", "versions": [], "sequence": message.sequence}
    again.hold(17, [], answered=message.sequence)
    assert not again.messages(17)
    assert again.begin_message(17, {}, {}).sequence == message.sequence + 1
    again.forget_folder(17)
    assert not again.kept_folders()
    assert not list(again.files(17).all())
    again.close()


def test_a_ledger_that_cannot_be_read_is_put_aside_and_a_new_one_never_repeats_a_number(folder):
    ledger = Ledger(folder)
    told = [ledger.begin_message(17, {}, {}).sequence for _ in range(3)]
    ledger.close()
    (folder / "work.sqlite3").write_bytes(b"no database at all" * 100)
    again = Ledger(folder)
    assert again.is_durable
    assert (folder / "work.sqlite3.broken1").read_bytes().startswith(b"no database")
    assert again.begin_message(17, {}, {}).sequence > max(told)
    again.close()


def test_when_its_disk_takes_no_more_it_goes_on_in_memory_without_repeating_a_number(folder):
    ledger = Ledger(folder)
    ledger.keep_folder(KEPT)
    first = ledger.begin_message(17, {}, {}).sequence
    ledger._db.execute("PRAGMA max_page_count = 1")  # what a full disk does
    ledger.hold(17, [HELD._replace(path=f"01/{number}.psd") for number in range(2000)])
    assert not ledger.is_durable
    assert len(list(ledger.files(17).all())) == 2000
    assert ledger.kept_folder(17) == KEPT
    second = ledger.begin_message(17, {}, {}).sequence
    ledger.close()
    third = Ledger(folder)
    assert first < third.begin_message(17, {}, {}).sequence < second
    third.close()


def test_where_no_folder_can_be_made_it_works_in_memory(tmp_path):
    (tmp_path / "work").write_bytes(b"a file")
    ledger = Ledger(tmp_path / "work")
    ledger.keep_folder(KEPT)
    assert not ledger.is_durable
    assert ledger.kept_folder(17) == KEPT
    ledger.close()


def test_a_ledger_killed_at_any_moment_can_be_read_and_counts_on(folder):
    work = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from client_agent.work_folder.ledger import Ledger\n"
        "ledger = Ledger(Path(sys.argv[2]))\n"
        "while True:\n"
        "    message = ledger.begin_message(17, {'x': 'y' * 5000}, {})\n"
        "    print(message.sequence, flush=True)\n"
    )
    last = 0
    for round_ in range(5):
        with subprocess.Popen([sys.executable, "-c", work, str(ROOT), str(folder)], stdout=subprocess.PIPE) as killed:
            for _ in range(3 + 7 * round_):
                told = int(killed.stdout.readline())
                assert told > last, "a number was given twice"
                last = told
            killed.kill()
            rest = killed.stdout.read().split()
            last = int(rest[-1]) if rest else last
        db = sqlite3.connect(str(folder / "work.sqlite3"))
        assert db.execute("SELECT MAX(sequence) FROM message").fetchone()[0] >= last
        db.close()


def test_held_files_are_found_by_both_names_and_case_is_no_difference():
    held = HeldFiles([HELD])
    assert held.at("01/海报.psd") == HELD
    moved = HELD._replace(local="01/Poster.psd", version=4)
    held.note(moved)
    assert held.at("01/海报.psd") is None
    assert held.at("01/Poster.psd") == moved
    assert held.is_taken("01/POSTER.PSD", by_other_than="01/other.psd")
    assert not held.is_taken("01/POSTER.PSD", by_other_than=HELD.path)
