"""The technical log at the start of a station."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from station.errors import Unsound
from station.technical_log import keep_log


def test_a_data_folder_that_cannot_be_written_is_refused_by_name_and_leaves_no_log_behind(tmp_path: Path):
    (tmp_path / "log").write_text("a file where a folder should be", encoding="utf-8")
    before = list(logging.getLogger().handlers)
    with pytest.raises(Unsound) as refused:
        keep_log(tmp_path, level="INFO", megabytes=1, files=1)
    assert refused.value.code == "data_folder_unwritable"
    assert str(tmp_path) in refused.value.sentence()
    assert logging.getLogger().handlers == before
