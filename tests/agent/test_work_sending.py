import pytest

from tests.agent.work_station import Pc, WorkStation

PSD = "01_海报设计/海报.psd"


@pytest.fixture
def station(tmp_path):
    running = WorkStation(tmp_path / "station")
    yield running
    running.stop()


@pytest.fixture
def pc(station, tmp_path):
    one = Pc(station, tmp_path / "pc")
    one.live(1)
    yield one
    one.switch_off()


def test_a_file_that_rests_becomes_a_version_and_only_what_is_new_is_sent(pc, station):
    (pc.item / "海报.psd").write_bytes(b"one")
    pc.live(1.5)
    assert not station.versions, "it does not rest yet"
    pc.live(3)
    assert station.contents(PSD) == [b"one"]
    assert station.versions[PSD][0]["cause"] == "rested"
    pc.live(60)
    assert len(station.versions[PSD]) == 1
    (pc.item / "海报.psd").write_bytes(b"two!")
    pc.live(4)
    assert station.contents(PSD) == [b"one", b"two!"]
    before = station.received_bytes
    (pc.item / "copy.psd").write_bytes(b"one")
    pc.live(4)
    assert station.contents("01_海报设计/copy.psd") == [b"one"]
    assert station.received_bytes == before
