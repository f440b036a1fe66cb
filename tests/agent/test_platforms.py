import os
from pathlib import Path

import pytest

from client_agent.linux.machine import LinuxMachine
from client_agent.windows.machine import APP_PATHS, WindowsMachine, read_registry

posix_only = pytest.mark.skipif(os.name != "posix", reason="the stand-in programs are shell scripts")


def program(folder, name, version):
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{version}'\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@posix_only
def test_linux_prefers_chrome_and_reads_versions(tmp_path, monkeypatch):
    program(tmp_path, "chromium", "Chromium 109.0.5412.0 built on Debian")
    chrome = program(tmp_path, "google-chrome-stable", "Google Chrome 131.0.6778.85 ")
    (tmp_path / "google-chrome").symlink_to(chrome)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = LinuxMachine().find_browsers()
    assert [(one.name, one.version) for one in found] == [
        ("Google Chrome", "131.0.6778.85"),
        ("Chromium", "109.0.5412.0"),
    ]
    assert found[1].major_version == 109


@posix_only
def test_linux_keeps_a_browser_that_does_not_tell_its_version(tmp_path, monkeypatch):
    program(tmp_path, "chromium", "no number here")
    monkeypatch.setenv("PATH", str(tmp_path))
    (found,) = LinuxMachine().find_browsers()
    assert found.version == ""
    assert found.major_version is None


def test_linux_keeps_its_state_where_the_desktop_says(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert LinuxMachine().state_folder() == tmp_path / "exam-agent"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert LinuxMachine().state_folder() == Path.home() / ".local" / "state" / "exam-agent"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert LinuxMachine().state_folder() == Path("/var/lib/exam-agent")


def test_windows_finds_what_the_registry_names_and_the_newest_version_beside_it(tmp_path):
    chrome = tmp_path / "chrome.exe"
    chrome.write_bytes(b"MZ")
    for folder in ("99.0.4844.51", "109.0.5414.120", "Dictionaries"):
        (tmp_path / folder).mkdir()
    registry = {
        f"{APP_PATHS}\\chrome.exe": f'"{chrome}"',
        f"{APP_PATHS}\\msedge.exe": str(tmp_path / "removed" / "msedge.exe"),
    }
    (found,) = WindowsMachine(registry.get).find_browsers()
    assert found.name == "Google Chrome"
    assert found.path == chrome
    assert found.version == "109.0.5414.120"


def test_windows_without_browsers_finds_none():
    assert WindowsMachine(lambda _key: None).find_browsers() == []


def test_windows_keeps_its_state_where_service_and_desktop_part_both_find_it(tmp_path, monkeypatch):
    monkeypatch.delenv("EXAM_AGENT_STATE", raising=False)
    monkeypatch.setenv("PROGRAMDATA", str(tmp_path))
    assert WindowsMachine().state_folder() == tmp_path / "exam-agent"
    monkeypatch.setenv("EXAM_AGENT_STATE", str(tmp_path / "elsewhere"))
    assert WindowsMachine().state_folder() == tmp_path / "elsewhere"


@posix_only
def test_there_is_no_registry_elsewhere():
    assert read_registry(APP_PATHS) is None


@posix_only
def test_under_root_linux_keeps_work_beside_the_home_of_who_works_here(monkeypatch, tmp_path):
    """In the home itself its owner could rename the folder and have root write, read and remove behind a link."""
    (tmp_path / "home" / "daemon").mkdir(parents=True)
    monkeypatch.setenv("EXAM_AGENT_PERSON", "daemon")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    home = str(tmp_path / "home" / "daemon")
    monkeypatch.setattr(os.path, "expanduser", lambda path: {"~daemon": home}.get(path, path))
    assert LinuxMachine().work_drives()[0] == tmp_path / "home"
