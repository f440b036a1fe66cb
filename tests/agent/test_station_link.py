import threading

import pytest

from client_agent.errors import AgentError
from client_agent.station_link import Link, Trust, read_clock, refusal_code, station_origin, wait_for_station
from tests.agent.paired_station import refusal


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


@pytest.fixture
def link(paired):
    way = Link(paired.address)
    paired.tokens["token-1"] = {}
    way.trust(Trust(paired.key.public, "token-1"))
    yield way
    way.close()


def raised(act, *arguments):
    with pytest.raises(AgentError) as refusal:
        act(*arguments)
    return refusal.value


def test_a_kept_connection_proves_the_key_once_and_then_carries_every_message(paired, link):
    for _ in range(3):
        link.post("/api/agent/help", {})
    assert paired.paths() == ["/api/agent/hello"] + ["/api/agent/help"] * 3


def test_a_connection_that_went_stale_is_opened_anew_and_the_message_sent_once_more(paired, link):
    link.post("/api/agent/help", {})
    paired.stop()
    paired.start()
    link.post("/api/agent/help", {})
    assert paired.paths() == ["/api/agent/hello", "/api/agent/help"] * 2


def test_a_refusal_keeps_the_station_s_code_and_words(paired, link):
    paired.wrong["/api/agent/seat"] = refusal(409, "seat_has_device", "12 号考位已有考试机。")
    failure = raised(link.post, "/api/agent/seat", {})
    assert failure.code == "refused_by_station"
    assert refusal_code(failure) == "seat_has_device"
    assert failure.sentence() == "12 号考位已有考试机。"


@pytest.mark.parametrize(("answer", "code"), [
    (refusal(503, "starting", "正在启动"), "station_busy"),
    ((503, b"busy"), "station_busy"),
    ((302, b""), "not_a_station"),
    ((404, b"<html>"), "not_a_station"),
    ((200, b"<html>"), "not_a_station"),
    ((200, b"[1]"), "not_a_station"),
    ((200, b"\xff"), "not_a_station"),
    ((500, b'{"error": "text"}'), "not_a_station"),
    ((200, b'"' + b"x" * (1024 * 1024) + b'"'), "not_a_station"),
])  # fmt: skip
def test_every_other_answer_is_named_by_what_it_is(paired, link, answer, code):
    paired.wrong["/api/agent/help"] = answer
    assert raised(link.post, "/api/agent/help", {}).code == code


def test_a_station_that_is_gone_is_unreachable_and_comes_back(paired, link):
    link.post("/api/agent/help", {})
    paired.stop()
    assert raised(link.post, "/api/agent/help", {}).code == "station_unreachable"
    paired.start()
    assert link.post("/api/agent/help", {})["help_asked"]


def test_a_station_that_does_not_answer_in_time_is_unreachable(paired):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        way = Link(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.2)
        assert raised(way.get, "/api/agent/orders").code == "station_unreachable"


def test_a_file_is_read_from_an_offset_on_and_one_cut_off_is_told(paired, link):
    paired.installer = bytes(range(256)) * 2000
    path = "/api/agent/installer?name=exam-agent-1.exe"
    assert b"".join(link.get_bytes(path)) == paired.installer
    assert b"".join(link.get_bytes(path, 100)) == paired.installer[100:]
    paired.wrong[path] = (200, paired.installer)  # a station that passes over the range
    assert b"".join(link.get_bytes(path, 300_000)) == paired.installer[300_000:]
    paired.wrong[path] = (416, b"")
    assert list(link.get_bytes(path, 600_000)) == []
    paired.wrong[path] = refusal(404, "missing", "没有")
    assert refusal_code(raised(list, link.get_bytes(path))) == "missing"
    with CutOff() as half:
        way = Link(half.address)
        assert raised(list, way.get_bytes("/half")).code == "station_unreachable"
        assert raised(way.get, "/half").code == "station_unreachable"


def test_pieces_and_pictures_are_sent_as_they_are(paired, link):
    link.put_bytes("/api/agent/piece", b"\0\1\2")
    link.post_bytes("/api/agent/pictures", b"\x89PNG", {"X-Command": "31"})
    assert paired.asked[-2]["body"] == b"\0\1\2"
    assert paired.pictures == {31: b"\x89PNG"}


def test_a_link_that_moves_takes_no_token_along(paired, link):
    link.post("/api/agent/help", {})
    link.move_to(paired.address.replace("127.0.0.1", "localhost"))
    assert refusal_code(raised(link.post, "/api/agent/help", {})) == "device_unknown"


def test_no_proxy_of_the_person_s_settings_is_used(paired, link, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert link.post("/api/agent/help", {})


class CutOff:
    """A server that promises 100 bytes and sends 10."""

    def __enter__(self):
        import socket

        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()
        return self

    def serve(self):
        for _ in range(2):
            line, _sender = self.server.accept()
            with line:
                line.recv(4096)
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n0123456789")

    def __exit__(self, *_failure):
        self.thread.join()
        self.server.close()
