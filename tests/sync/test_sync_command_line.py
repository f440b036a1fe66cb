"""`exam-sync` as people call it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sync import central, keys
from sync.__main__ import main
from tests.sync.builders import Centre, Site


def called(*words: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, words, input=typed)


def shown(result: Result, pattern: str) -> str:
    assert result.exit_code == 0, result.output
    return re.search(pattern, result.output)[0]


VERIFY_KEY = r"ed25519:[A-Za-z0-9_-]{43}"
RECIPIENT = r"age1[a-z0-9]+"


def test_a_package_is_packed_checked_and_opened_by_hand(tmp_path: Path) -> None:
    public = shown(called("keys", "signing", str(tmp_path / "signing.pem")), VERIFY_KEY)
    recipient = shown(called("keys", "identity", str(tmp_path / "identity.txt")), RECIPIENT)
    assert shown(called("keys", "show", str(tmp_path / "signing.pem")), VERIFY_KEY) == public
    assert shown(called("keys", "show", str(tmp_path / "identity.txt")), RECIPIENT) == recipient
    (tmp_path / "roster.json").write_text("{}")
    package = str(tmp_path / "exam.exam")
    packed = called(
        "pack", package, "--kind", "exam_package", "--member", f"roster.json={tmp_path / 'roster.json'}",
        "--to", recipient, "--sign", str(tmp_path / "signing.pem"), "--made-by", "centre", "--label", "plan=2026-4",
    )  # fmt: skip
    assert packed.exit_code == 0, packed.output
    checked = called("--lang", "en", "verify", package, "--key", public)
    assert "Sound: exam_package" in checked.output
    assert '"plan": "2026-4"' in called("verify", package, "--key", public, "--json").output
    opened = called(
        "open", package, "--key", public, "--identity", str(tmp_path / "identity.txt"), "--into", str(tmp_path / "o")
    )
    assert opened.exit_code == 0, opened.output
    assert (tmp_path / "o/roster.json").read_text() == "{}"


def test_a_locked_paper_is_opened_with_its_code(tmp_path: Path) -> None:
    public = shown(called("keys", "signing", str(tmp_path / "signing.pem")), VERIFY_KEY)
    recipient = shown(called("keys", "identity", str(tmp_path / "paper.txt")), RECIPIENT)
    code = shown(
        called("keys", "lock", str(tmp_path / "paper.txt"), str(tmp_path / "paper.locked")), r"\w{4}(-\w{4}){3}"
    )
    (tmp_path / "paper.json").write_text("paper")
    package = str(tmp_path / "exam.exam")
    packed = called(
        "pack", package, "--kind", "exam_package", "--member", f"paper.json={tmp_path / 'paper.json'}",
        "--locked", f"a={tmp_path / 'paper.locked'}", "--to", recipient, "--sign", str(tmp_path / "signing.pem"),
        "--made-by", "centre",
    )  # fmt: skip
    assert packed.exit_code == 0, packed.output
    words = ("open", package, "--key", public, "--code-label", "a", "--into", str(tmp_path / "o"))
    wrong = called(*words, typed="0000-0000-0000-0000\n")
    assert (wrong.exit_code, "code_wrong" in wrong.output) == (1, True)
    assert called(*words, typed=code + "\n").exit_code == 0
    assert (tmp_path / "o/paper.json").read_text() == "paper"


def test_a_refusal_is_one_sentence_in_the_language_asked_for(site: Site) -> None:
    path, _ = site.pack()
    other = keys.verify_key_to_text(keys.make_signing_key().public_key())
    chinese = called("verify", str(path), "--key", other)
    english = called("--lang", "en", "verify", str(path), "--key", other)
    assert (chinese.exit_code, english.exit_code) == (1, 1)
    assert "未登记的密钥" in chinese.output
    assert "unknown key" in english.output
    assert "argument_unreadable" in called(
        "pack", "x", "--kind", "exam_package", "--member", "a", "--to", "age1", "--sign", str(path), "--made-by", "x"
    ).output  # fmt: skip
    assert called("open", str(path), "--key", other, "--into", "x").exit_code == 2


def test_a_package_is_sent_and_its_receipt_kept(centre: Centre, tmp_path: Path) -> None:
    path, made = centre.pack()
    (tmp_path / "token").write_text(centre.token + "\n")
    words = (
        "send", str(path), "--key", keys.verify_key_to_text(centre.site.signing_key.public_key()),
        "--url", centre.running.url, "--token-file", str(tmp_path / "token"),
        "--platform-key", centre.vault.verify_key,
    )  # fmt: skip
    result = called(*words)
    assert result.exit_code == 0, result.output
    receipt = central.check_receipt(
        path.with_name(path.name + ".receipt").read_text(),
        platform_keys=centre.central.receipt_keys,
        package_sha256=centre.running.platform.cabinet.find(made.id).sha256,
        package_id=made.id,
    )
    assert receipt.code in result.output
    (tmp_path / "token").write_text("wrong")
    refused = called(*words)
    assert (refused.exit_code, "central_not_allowed" in refused.output) == (1, True)


def test_a_station_is_registered_from_the_command_line(tmp_path: Path) -> None:
    public = keys.verify_key_to_text(keys.make_signing_key().public_key())
    words = ("platform-add-station", "--folder", str(tmp_path), "--id", "site-1", "--name", "考点", "--key", public)
    assert "考点凭证" in called(*words).output
    assert "station_known" in called(*words).output
    assert called(*words, "--replace").exit_code == 0


@pytest.mark.parametrize("words", [["--help"], ["pack", "--help"], ["platform", "--help"]])
def test_the_program_runs_as_a_module(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "sync", *words], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("Usage: exam-sync")
