"""R-ROOM-2: candidate PCs must not reach the Internet. Each way is really tried, here against servers of the test."""

import socket
import threading
import time
from contextlib import contextmanager

import pytest

from client_agent.checks import Item, internet
from client_agent.checks.check import UNDO_NAME
from client_agent.checks.check import Pc as CheckedPc
from client_agent.checks.internet import Internet, try_all, try_target
from client_agent.checks.known import known
from client_agent.checks.probes import Network
from tests.agent.checked_pc import Pc


@contextmanager
def listening(answer=None, kind=socket.SOCK_STREAM):
    """A server that takes what comes and answers it with `answer(what came)`."""
    server = socket.socket(socket.AF_INET, kind)
    server.bind(("127.0.0.1", 0))
    server.settimeout(0.1)
    ending = threading.Event()
    if kind == socket.SOCK_STREAM:
        server.listen(16)

    def serve():
        while not ending.is_set():
            try:
                if kind == socket.SOCK_DGRAM:
                    asked, address = server.recvfrom(512)
                    server.sendto(answer(asked), address)
                else:
                    connection, _address = server.accept()
                    with connection:
                        if answer is not None:
                            connection.sendall(answer(connection.recv(512)))
            except OSError:
                continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        ending.set()
        thread.join()
        server.close()


@contextmanager
def closed_port():
    """A place at which nobody listens, and which nobody else is given meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


def as_answer(asked):
    return asked[:2] + b"\x81\x80" + asked[4:]


def test_r_room_2_a_connection_that_opens_is_reached():
    with listening() as place:
        assert try_target(f"tcp {place}") == f"tcp {place}"
    with closed_port() as place:
        assert try_target(f"tcp {place}") == ""


def test_r_room_2_a_name_server_outside_that_answers_is_reached():
    with listening(as_answer, socket.SOCK_DGRAM) as place:
        assert try_target(f"udp {place}") == f"udp {place}"
    with listening(lambda asked: b"noise", socket.SOCK_DGRAM) as place:
        assert try_target(f"udp {place}") == ""


def test_r_room_2_a_proxy_that_opens_a_way_is_reached():
    with listening(lambda asked: b"HTTP/1.1 200 Connection established\r\n\r\n") as place:
        assert try_target(f"proxy {place}") == f"proxy {place}"
    with listening(lambda asked: b"HTTP/1.1 403 Forbidden\r\n\r\n") as place:
        assert try_target(f"proxy {place}") == ""


def test_a_name_that_leads_into_the_room_itself_is_not_the_internet():
    assert try_target("name localhost") == ""
    assert try_target("name no-such-host.invalid") == ""


@pytest.mark.parametrize("target", ["", "tcp", "tcp nowhere", "tcp 127.0.0.1:port", "ftp 1.2.3.4:21", "udp x:99999"])
def test_a_target_that_cannot_be_read_is_not_reached(target):
    assert try_target(target) == ""


def test_all_ways_are_tried_at_once_and_what_answers_is_named_in_order():
    with listening() as one, closed_port() as closed, listening() as other:
        targets = [f"tcp {one}", f"tcp {closed}", f"tcp {other}"]
        assert try_all(targets) == [targets[0], targets[2]]


def test_a_way_that_never_answers_does_not_hold_up_the_check():
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    started = time.monotonic()
    targets = [f"udp 127.0.0.1:{silent.getsockname()[1]}"] * 20
    assert try_all(targets, wait_s=1.0) == []
    assert time.monotonic() - started < 15  # one after another they would take 50 s
    silent.close()


def check(pc, targets=(), names=()):
    """Check with targets of the test: whether the build machine reaches the Internet is no matter here."""
    return Internet(targets).run(Item("internet", names=tuple(names)), CheckedPc(pc, pc.probes(), None))


def test_r_room_2_a_pc_that_reaches_the_internet_is_not_fit_and_told_by_which_way(tmp_path):
    with listening() as place:
        finding = check(Pc(tmp_path), names=[f"tcp {place}"])
    assert finding.state == "fail"
    assert place in finding.measured[0]
    assert finding.value["reached"] == [f"tcp {place}"]
    assert "默认网关" in finding.to_do[0]


def test_r_room_2_a_proxy_of_this_pc_is_tried(tmp_path):
    with listening(lambda asked: b"HTTP/1.0 200 OK\r\n\r\n") as place:
        pc = Pc(tmp_path, network=Network(proxies=[place]))
        finding = check(pc)
    assert (finding.state, finding.value["reached"]) == ("fail", [f"proxy {place}"])


def test_r_room_2_a_pc_that_reaches_nothing_is_fit_and_its_gateway_told(tmp_path):
    pc = Pc(tmp_path, network=Network(gateways=["192.168.1.1"]))
    with closed_port() as place:
        finding = check(pc, targets=[f"tcp {place}"])
    assert finding.state == "ok"
    assert "192.168.1.1" in finding.measured[0]
    assert finding.value == {"reached": [], "tried": 1, "gateways": ["192.168.1.1"]}


def test_a_pc_that_is_locked_says_that_the_lock_bars_the_internet(tmp_path):
    pc = Pc(tmp_path)
    pc.state_folder().mkdir(parents=True)
    (pc.state_folder() / UNDO_NAME).write_text("{}", encoding="utf-8")
    with closed_port() as place:
        finding = check(pc, targets=[f"tcp {place}"])
    assert finding.state == "ok"
    assert finding.measured[0].endswith("（由本机锁定挡住）")


def test_many_ways_are_told_in_few_words(tmp_path):
    with listening() as place:
        finding = check(Pc(tmp_path), targets=[f"tcp {place}"] * 9)
    assert finding.measured[0].endswith("…（9）")
    assert len(finding.value["reached"]) == 9


def test_the_targets_that_come_along_can_all_be_read():
    for target in known("internet"):
        kind, _space, place = target.partition(" ")
        assert kind in ("tcp", "udp", "name")
        if kind != "name":
            host, port = internet._host_and_port(place)
            assert not host.startswith("[")
            assert 0 < port < 65536
