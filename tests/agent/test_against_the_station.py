"""The contract from the other side: the real candidate listener answers as PROTOCOL.md says.

Runs where the station is installed; on Python 3.8 the agent is alone.
"""

import threading
from zoneinfo import ZoneInfo

import pytest

from client_agent.station_link import read_clock

pytest.importorskip("flask", reason="the station is not installed here")


@pytest.fixture
def address(tmp_path):
    from station.web.candidate import create_candidate_app
    from waitress.server import create_server

    from station.clock import Clock
    from station.services.saving import record_saves
    from station.store import open_store
    from station.store.models import Base
    from station.store.save_queue import SaveQueue
    from station.web.edge import Edge

    store = open_store(f"sqlite:///{tmp_path / 'station.db'}", tmp_path)
    Base.metadata.create_all(store.engine)
    edge = Edge(store, Clock(), SaveQueue(store, record_saves), b"secret", ZoneInfo("Asia/Shanghai"), "第一中学")
    server = create_server(create_candidate_app(edge), host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()
    server.task_dispatcher.shutdown()
    thread.join(5)
    store.close()


def test_the_station_tells_its_clock_as_the_protocol_says(address):
    reading = read_clock(address)
    assert abs(reading.offset_s) < 1
