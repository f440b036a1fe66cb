"""An invigilator's code frees a PC that has lost its station: once, also across crashes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from client_agent.errors import AgentError
from client_agent.lockdown.unlock_codes import UnlockCodes, digits_of, parse_codes, wait_after

ROOT = Path(__file__).resolve().parent.parent.parent


def order(identity, code, **other):
    salt = b"salt of " + identity.encode()
    digest = hashlib.pbkdf2_hmac("sha256", code.encode(), salt, 1000)
    return {"id": identity, "salt": salt.hex(), "iterations": 1000, "digest": digest.hex(), **other}


CODES = parse_codes([order("k1", "12345678"), order("k2", "87654321", later="passed over")])


class Stopwatch:
    at = 0.0

    def __call__(self):
        return self.at


@pytest.fixture
def stopwatch():
    return Stopwatch()


@pytest.fixture
def unlock(tmp_path, stopwatch):
    return UnlockCodes(tmp_path / "state" / "unlock.json", stopwatch)


def refused(unlock, typed, codes=CODES):
    with pytest.raises(AgentError) as refusal:
        unlock.use(typed, codes)
    return refusal.value.code


def test_a_right_code_unlocks_and_is_noted(unlock):
    assert unlock.use("12345678", CODES) == "k1"
    assert unlock.used() == ("k1",)


def test_a_code_works_once_also_for_another_run_of_the_agent(unlock, tmp_path, stopwatch):
    unlock.use("12345678", CODES)
    assert refused(unlock, "12345678") == "unlock_code_used"
    another = UnlockCodes(tmp_path / "state" / "unlock.json", stopwatch)
    assert refused(another, "12345678") == "unlock_code_used"
    assert another.use("87654321", CODES) == "k2"


@pytest.mark.parametrize("typed", ["１２３４５６７８", " 1234 5678 ", "1234-5678", "1234\u30005678", "12３4—5６78\n"])
def test_full_width_digits_and_spaces_are_what_an_input_method_makes_of_a_code(unlock, typed):
    assert unlock.use(typed, CODES) == "k1"


@pytest.mark.parametrize("typed", ["", "12345", "1234567x", "一二三四五六七八", "123456789", "0" * 33])
def test_anything_else_is_wrong_and_uses_no_code_up(unlock, typed):
    assert refused(unlock, typed) == "unlock_code_wrong"
    assert unlock.use("12345678", CODES) == "k1"


def test_a_superscript_digit_is_a_digit_and_a_letter_is_not():
    assert digits_of("¹23456") == "123456"
    assert digits_of("Ⅷ23456") == ""


def test_after_three_wrong_codes_one_waits_longer_each_time(unlock, stopwatch):
    assert [wait_after(wrong) for wrong in (0, 2, 3, 4, 5, 8, 9, 500)] == [0, 0, 5, 10, 20, 60, 60, 60]
    for _one in range(3):
        assert refused(unlock, "99999999") == "unlock_code_wrong"
    assert refused(unlock, "12345678") == "unlock_code_wait"
    stopwatch.at = 4.9
    assert refused(unlock, "12345678") == "unlock_code_wait"
    stopwatch.at = 5.1
    assert unlock.use("12345678", CODES) == "k1"
    assert refused(unlock, "99999999") == "unlock_code_wrong", "a right code ends the counting"


def test_pulling_the_plug_spares_no_waiting(unlock, tmp_path, stopwatch):
    stopwatch.at = 1000.0
    for _one in range(3):
        refused(unlock, "99999999")
    stopwatch.at = 1.0  # the PC's start is what it counts from
    after_restart = UnlockCodes(tmp_path / "state" / "unlock.json", stopwatch)
    assert refused(after_restart, "12345678") == "unlock_code_wait"
    stopwatch.at = 6.0
    assert after_restart.use("12345678", CODES) == "k1"


def test_a_technician_s_command_which_is_a_new_process_each_time_waits_once_and_not_for_ever(
    unlock, tmp_path, stopwatch
):
    stopwatch.at = 1000.0
    for _one in range(3):
        refused(unlock, "99999999")
    stopwatch.at = 1004.0
    assert refused(UnlockCodes(tmp_path / "state" / "unlock.json", stopwatch), "12345678") == "unlock_code_wait"
    stopwatch.at = 1006.0
    assert UnlockCodes(tmp_path / "state" / "unlock.json", stopwatch).use("12345678", CODES) == "k1"


def test_who_types_wrong_codes_on_purpose_keeps_the_invigilator_out_for_a_minute_at_most(unlock, stopwatch):
    for _one in range(60):
        refused(unlock, "99999999")
        stopwatch.at += 60.0
    assert unlock.use("12345678", CODES) == "k1"


def test_the_refusal_says_how_long_to_wait(unlock):
    for _one in range(3):
        refused(unlock, "99999999")
    with pytest.raises(AgentError) as refusal:
        unlock.use("12345678", CODES)
    assert "5 秒" in refusal.value.sentence() or "6 秒" in refusal.value.sentence()


def test_a_pc_that_never_had_orders_says_so(unlock):
    assert refused(unlock, "12345678", ()) == "unlock_codes_missing"


def test_a_damaged_note_of_used_codes_takes_no_code_and_is_kept(unlock, tmp_path):
    path = tmp_path / "state" / "unlock.json"
    path.parent.mkdir()
    path.write_bytes(b'{"used": ["k1"')
    assert refused(unlock, "12345678") == "unlock_codes_unreadable"
    assert path.read_bytes() == b'{"used": ["k1"'


def test_a_code_that_cannot_be_noted_does_not_unlock_and_is_not_lost(unlock, tmp_path):
    (tmp_path / "state").write_text("a file where the folder should be")
    assert refused(unlock, "12345678") in ("unlock_code_not_kept", "unlock_codes_unreadable")
    (tmp_path / "state").unlink()
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "unlock.json.new").mkdir()
    assert refused(unlock, "12345678") == "unlock_code_not_kept"
    (tmp_path / "state" / "unlock.json.new").rmdir()
    assert unlock.use("12345678", CODES) == "k1"


@pytest.mark.parametrize(
    "entry",
    [{}, {"id": "k"}, order("k", "12345678", salt="xyz"), order("k", "1", iterations=0), order("k", "1", digest=""),
     order("k", "1", iterations=10**9), order("k", "1", iterations=None)],
)  # fmt: skip
def test_an_entry_that_cannot_be_used_is_passed_over(entry):
    assert [code.id for code in parse_codes([entry, order("k9", "12345678")])] == ["k9"]


DIES = """
import os, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from client_agent.lockdown import unlock_codes
from tests_codes import CODES
steps = 0
def dies_at(call):
    def wrapped(*arguments):
        global steps
        steps += 1
        if steps == {k}: os._exit(9)
        result = call(*arguments)
        return result
    return wrapped
os.fsync, os.replace = dies_at(os.fsync), dies_at(os.replace)
print("unlocked", unlock_codes.UnlockCodes(Path({path!r})).use("12345678", CODES))
"""


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_a_crash_at_any_write_never_unlocks_twice(tmp_path, k):
    """Who saw 'unlocked' has used the code up; who was killed before may use it again or not, but never got in."""
    path = tmp_path / "unlock.json"
    (tmp_path / "tests_codes.py").write_text(
        f"from client_agent.lockdown.unlock_codes import UnlockCode\nCODES = {CODES!r}\n", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-c", DIES.format(root=str(ROOT), path=str(path), k=k)],
        cwd=str(tmp_path), env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, encoding="utf-8",
        check=False,
    )  # fmt: skip
    unlocked = "unlocked k1" in done.stdout
    assert (done.returncode == 0) == unlocked, done.stderr
    assert unlocked == (k == 4), "a killed agent has unlocked nothing"
    after = UnlockCodes(path, lambda: 0.0)
    if unlocked:
        assert refused(after, "12345678") == "unlock_code_used"
    else:
        assert after.used() in ((), ("k1",))
