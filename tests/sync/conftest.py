"""A site that packs, and a central platform that runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import keys
from sync.reference_platform.serve import start_platform
from sync.reference_platform.stations import add_station
from tests.sync.builders import Centre, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def centre(tmp_path: Path, site: Site) -> Iterator[Centre]:
    folder = tmp_path / "platform"
    public = keys.verify_key_to_text(site.signing_key.public_key())
    token = add_station(folder, id="site-1", name="示例考点", verify_key=public)
    running = start_platform(folder)
    yield Centre(running, token, site)
    running.close()
