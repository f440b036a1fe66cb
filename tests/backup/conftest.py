"""A station with two pictures, and an empty stick."""

from __future__ import annotations

from pathlib import Path

import pytest

from station.setup import make_station
from tests.backup.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = make_station(tmp_path / "station", site_name="测试考点")
    site = Site(tmp_path / "station", tmp_path / "stick", made.recovery_code)
    site.stick.mkdir()
    site.keep_picture(b"first picture" * 1000)
    site.keep_picture(b"second picture" * 1000)
    return site
