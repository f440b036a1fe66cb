"""Keys, codes, and identities locked under a code."""

from __future__ import annotations

import os
from pathlib import Path

import pyrage
import pytest

from sync import codes, keys
from sync.child import unwrap_apart
from sync.errors import JobFailed, KeyRefused, SyncError, from_json


def test_keys_come_back_from_their_files(tmp_path: Path) -> None:
    key, identity = keys.make_signing_key(), keys.make_identity()
    keys.save_signing_key(key, tmp_path / "signing.pem")
    keys.save_identity(identity, tmp_path / "identity.txt")
    assert keys.load_signing_key(tmp_path / "signing.pem").private_bytes_raw() == key.private_bytes_raw()
    assert keys.load_identity(tmp_path / "identity.txt") == identity


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps no owner bits")
def test_a_key_file_is_its_owners_alone(tmp_path: Path) -> None:
    keys.save_signing_key(keys.make_signing_key(), tmp_path / "signing.pem")
    assert (tmp_path / "signing.pem").stat().st_mode & 0o777 == 0o600


def test_a_key_file_is_never_replaced(tmp_path: Path) -> None:
    keys.save_signing_key(keys.make_signing_key(), tmp_path / "signing.pem")
    before = (tmp_path / "signing.pem").read_bytes()
    with pytest.raises(KeyRefused) as refusal:
        keys.save_signing_key(keys.make_signing_key(), tmp_path / "signing.pem")
    assert refusal.value.code == "key_file_exists"
    assert (tmp_path / "signing.pem").read_bytes() == before


def test_a_file_that_holds_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hello")
    (tmp_path / "b").write_bytes(b"\xff")
    for load in (keys.load_signing_key, keys.load_identity):
        for name in ("a", "b", "missing"):
            with pytest.raises(KeyRefused) as refusal:
                load(tmp_path / name)
            assert refusal.value.code == "key_file_unusable"


def test_a_public_key_has_one_spelling_and_a_name_of_eight_groups() -> None:
    public = keys.make_signing_key().public_key()
    text = keys.verify_key_to_text(public)
    assert keys.fingerprint(keys.verify_key_from_text(f" {text}\n")) == keys.fingerprint(public)
    assert [len(group) for group in keys.fingerprint(public).split("-")] == [4] * 8
    for wrong in ("", "ed25519:", text[:-1], text + "A", text.removeprefix("ed25519:"), "ed25519:" + "ß" * 43):
        with pytest.raises(KeyRefused) as refusal:
            keys.verify_key_from_text(wrong)
        assert refusal.value.code == "key_text_unusable"


def test_a_refused_identity_is_not_repeated_in_the_message() -> None:
    with pytest.raises(KeyRefused) as refusal:
        keys.recipient_of("AGE-SECRET-KEY-1QQQ")
    assert "QQQ" not in refusal.value.sentence("zh")


def test_a_code_may_be_typed_as_people_type() -> None:
    assert codes.read_code("7k3q 9xwm-OIl2　ＡＢＣＤ") == "7K3Q9XWM0112ABCD"
    assert len({codes.make_code() for _ in range(50)}) == 50
    for wrong in ("", "7K3Q-9XWM-0112", "7K3Q-9XWM-0112-ABC!", "7K3Q-9XWM-0112-ABCDE", "U" * 16):
        with pytest.raises(KeyRefused) as refusal:
            codes.read_code(wrong)
        assert refusal.value.code == "code_malformed"


def test_an_identity_comes_back_with_its_code_and_no_other() -> None:
    identity, code = keys.make_identity(), codes.make_code()
    locked = codes.wrap_identity(identity, code)
    assert codes.unwrap_identity(locked, code.lower()) == identity
    with pytest.raises(KeyRefused) as refusal:
        codes.unwrap_identity(locked, codes.make_code())
    assert refusal.value.code == "code_wrong"


def test_any_age_program_can_unlock_with_the_sixteen_letters() -> None:
    identity, code = keys.make_identity(), codes.make_code()
    locked = codes.wrap_identity(identity, code)
    assert pyrage.passphrase.decrypt(locked, code.replace("-", "")).decode() == identity


def test_a_changed_locked_identity_is_refused() -> None:
    code = codes.make_code()
    locked = codes.wrap_identity(keys.make_identity(), code)
    for at in range(0, len(locked), 17):
        changed = bytearray(locked)
        changed[at] ^= 1
        with pytest.raises(KeyRefused):
            codes.unwrap_identity(bytes(changed), code)


def test_a_locked_identity_that_asks_for_too_much_work_is_refused_unread() -> None:
    locked = codes.wrap_identity(keys.make_identity(), codes.make_code())
    for wrong in (locked.replace(b" 16\n", b" 17\n", 1), locked.replace(b" 16\n", b" 99\n", 1), b"", locked * 20):
        with pytest.raises(KeyRefused) as refusal:
            codes.check_locked(wrong)
        assert refusal.value.code == "locked_identity_unusable"


def test_unlocking_apart_gives_the_same_answers() -> None:
    identity, code = keys.make_identity(), codes.make_code()
    locked = codes.wrap_identity(identity, code)
    assert unwrap_apart(locked, code) == identity
    with pytest.raises(KeyRefused) as refusal:
        unwrap_apart(locked, codes.make_code())
    assert refusal.value.code == "code_wrong"


def test_unlocking_apart_is_cut_off_after_its_time() -> None:
    with pytest.raises(JobFailed) as failure:
        unwrap_apart(codes.wrap_identity(keys.make_identity(), codes.make_code()), codes.make_code(), limit_s=0.01)
    assert failure.value.code == "job_too_long"


def test_an_error_travels_between_processes_whole() -> None:
    error = KeyRefused(keys.KEY_FILE_EXISTS, path="x")
    again = from_json(error.to_json())
    assert (type(again), str(again)) == (type(error), str(error))
    assert isinstance(again, SyncError)
