"""The agent's contract from the other side: the real candidate listener answers as PROTOCOL.md says."""

import threading

import pytest
from werkzeug.serving import make_server

from client_agent.station_link import read_clock
from station.web.candidate import create_candidate_app


@pytest.fixture
def address(edge):
    server = make_server("127.0.0.1", 0, create_candidate_app(edge))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_station_tells_its_clock_as_the_protocol_says(address):
    assert abs(read_clock(address).offset_s) < 1
