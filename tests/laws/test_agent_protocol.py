"""The agent's contract from the other side: the real candidate listener answers as PROTOCOL.md says."""

import threading

import pytest
from waitress.server import create_server

from client_agent.station_link import read_clock
from station.web.candidate import create_candidate_app


@pytest.fixture
def address(edge):
    server = create_server(create_candidate_app(edge), host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.effective_port}"
    server.close()
    server.task_dispatcher.shutdown()
    thread.join(5)


def test_the_station_tells_its_clock_as_the_protocol_says(address):
    assert abs(read_clock(address).offset_s) < 1
