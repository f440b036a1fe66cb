"""Settings: an unknown key, a wrong kind or a missing secret stops the start, by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from station.config import CONFIG_NAME, load_config, read_secret
from station.errors import StationError


def refusal_of(folder: Path, text: str) -> StationError:
    (folder / CONFIG_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(StationError) as raised:
        load_config(folder)
    return raised.value


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[site]\nnmae = 'x'\n", "config_key_unknown"),
        ("[sites]\nname = 'x'\n", "config_key_unknown"),
        ("site = 3\n", "config_key_unknown"),
        ("[candidate_listener]\nport = '8080'\n", "config_value_wrong"),
        ("[candidate_listener]\nport = true\n", "config_value_wrong"),
        ("[candidate_listener]\nport = 70000\n", "config_value_wrong"),
        ("[site]\nlanguage = 'fr'\n", "config_value_wrong"),
        ("[site]\ntime_zone = 'Mars/Olympus'\n", "config_value_wrong"),
        ("[log]\nlevel = 'LOUD'\n", "config_value_wrong"),
        ("[site\n", "config_unreadable"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_section_and_key(tmp_path: Path, text: str, code: str):
    refusal = refusal_of(tmp_path, text)
    assert refusal.code == code
    assert refusal.sentence("zh") != refusal.sentence("en")


def test_a_folder_without_settings_says_so(tmp_path: Path):
    with pytest.raises(StationError) as raised:
        load_config(tmp_path)
    assert raised.value.code == "config_unreadable"
    assert str(tmp_path) in raised.value.sentence("zh")


def test_an_absent_secret_means_closed(tmp_path: Path):
    (tmp_path / CONFIG_NAME).write_text("", encoding="utf-8")
    with pytest.raises(StationError) as raised:
        read_secret(load_config(tmp_path), "web.secret")
    assert raised.value.code == "secret_missing"


def test_settings_saved_by_a_windows_editor_with_a_mark_at_the_front_are_read(tmp_path: Path):
    (tmp_path / CONFIG_NAME).write_text("[site]\nname = '考点'\n", encoding="utf-8-sig")
    assert load_config(tmp_path).site.name == "考点"
