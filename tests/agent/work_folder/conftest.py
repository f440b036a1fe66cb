"""A station that keeps one work folder, and a PC whose folder it is. Runs on Python 3.8 too."""

import pytest

from tests.agent.work_folder.work_station import Pc, WorkStation


@pytest.fixture
def station(tmp_path):
    running = WorkStation(tmp_path / "station")
    yield running
    running.stop()


@pytest.fixture
def pc(station, tmp_path):
    """The candidate's PC; the folder is made there."""
    one = Pc(station, tmp_path / "pc")
    one.live(1)
    yield one
    one.switch_off()
