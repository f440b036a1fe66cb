import threading

import pytest

from client_agent.errors import AgentError
from client_agent.station_link import read_clock, station_origin, wait_for_station


def test_the_clock_of_the_station_is_read_and_compared(station):
    station.ahead_s = 120
    reading = read_clock(station.address)
    assert reading.offset_s == pytest.approx(-120, abs=1)
    assert 0 < reading.round_trip_s < 5
    assert station.asked == ["/api/clock"] * 5


def test_a_seat_link_is_cut_down_to_the_address_of_the_station(station):
    assert station_origin("http://10.0.0.1:8080/seat/abc?x=1") == "http://10.0.0.1:8080"
    assert station_origin("https://[fe80::1]/") == "https://[fe80::1]"
    read_clock(station.address + "/seat/abc", samples=1)
    assert station.asked == ["/api/clock"]


@pytest.mark.parametrize(
    "address", ["", "10.0.0.1:8080", "ftp://10.0.0.1", "http://", "http://a:b@10.0.0.1", "http://h:99999"]
)
def test_what_is_not_an_address_is_refused_by_name(address):
    with pytest.raises(AgentError) as refusal:
        station_origin(address)
    assert refusal.value.code == "bad_address"


@pytest.mark.parametrize("body", [b"hello", b"\xff", b"[]", b"{}", b'{"now": 5}', b'{"now": "2026-11-21T08:00:00"}'])
def test_an_answer_that_is_not_the_clock_of_a_station_is_told_as_that(station, body):
    station.body = body
    with pytest.raises(AgentError) as refusal:
        read_clock(station.address)
    assert refusal.value.code == "not_a_station"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_another_status_or_a_redirect_is_not_a_station(station, status):
    station.status = status
    with pytest.raises(AgentError) as refusal:
        read_clock(station.address)
    assert refusal.value.code == "not_a_station"
    assert str(status) in refusal.value.sentence("en")


def test_a_clock_with_z_for_utc_is_understood_on_every_python(station):
    station.body = b'{"now": "2026-11-21T08:00:00.125Z"}'
    assert read_clock(station.address, samples=1).round_trip_s > 0


def test_nobody_at_the_address_is_told_with_what_to_check():
    with pytest.raises(AgentError) as refusal:
        read_clock("http://127.0.0.1:1")
    assert refusal.value.code == "station_unreachable"
    assert "网线" in refusal.value.sentence()
    assert "cable" in refusal.value.sentence("en")


class ThreeTimes(threading.Event):
    """An end that comes at the third pause."""

    pauses = 0

    def wait(self, timeout=None):
        self.pauses += 1
        if self.pauses == 3:
            self.set()
        return self.is_set()


def test_a_pc_that_is_on_before_the_server_waits_for_it_and_says_so_once():
    told, ending = [], ThreeTimes()
    wait_for_station("http://127.0.0.1:1", lambda zh, en: told.append(en), ending)
    assert ending.pauses == 3
    assert len(told) == 1
    assert told[0].startswith("Waiting for the station")


def test_a_station_that_answers_is_not_waited_for(station):
    ending = ThreeTimes()
    wait_for_station(station.address, print, ending)
    station.status = 404
    with pytest.raises(AgentError) as refusal:
        wait_for_station(station.address, print, ending)
    assert refusal.value.code == "not_a_station"
    assert ending.pauses == 0
