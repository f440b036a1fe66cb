"""The drill's network faults: what they do to a real station, and that their checks notice what they should."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import delete

from station.rehearsal.drill import netns, network, network_ends, network_repeats
from station.rehearsal.drill.bad_cable import BadCable, Badness
from station.rehearsal.drill.network_stage import stage
from station.rehearsal.drill.proof import prove
from station.rehearsal.drill.repeater import Habits, Repeater
from station.rehearsal.line import Line
from station.store.models import Revision
from tests.conftest import skip_for_want_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def namespaces() -> None:
    """Network namespaces of the test's own (Linux, root)."""
    _, why = netns.why_not()
    if why:
        skip_for_want_of(f"network namespaces: {why}")


@pytest.mark.usefixtures("namespaces")
def test_cables_switch_bad_lines_and_repeated_requests_lose_nothing(tmp_path: Path) -> None:
    result = network.run(tmp_path / "network", rounds=1, is_long=False)
    assert result.wrong == ()
    assert (result.kind, result.rounds, result.acked_lost, result.chain_broken) == ("network", 1, 0, 0)
    assert result.saves_acked > 1_000
    assert result.recovery_s is not None
    assert result.not_run == ""
    assert any("bad cables" in note for _, note in result.notes), result.notes
    assert not [word for word in _namespaces() if f"-{os.getpid()}-" in word], "the drill clears up after itself"


def test_without_namespaces_repeated_requests_two_pages_and_half_requests_are_played_all_the_same(
    tmp_path: Path,
) -> None:
    with stage(tmp_path / "network", has_network=False) as on:
        network_repeats.repeat_requests(on, times=2)
        network_repeats.replay_and_contradict(on)
        network_repeats.open_two_pages(on)
        network_repeats.repeat_uploads(on)
        network_ends.leave_half_open(on, waits_for_the_end=False)
        on.station.stop()
        assert on.wrong == []
        assert len(on.notes) == 5
        with closing(on.ground.open_store()) as store:
            proof = prove(store, on.pages.acks, on.ground.items)
            assert proof.is_good, proof.wrong
            assert proof.saves_acked > 200
            with store.transaction() as db:
                one = on.at_seat(2)[0].attempt_id  # of the seat whose requests were repeated
                db.execute(delete(Revision).where(Revision.number == 2, Revision.attempt_id == one))
            spoilt = prove(store, on.pages.acks, on.ground.items)
            assert (spoilt.acked_lost, spoilt.chain_broken) == (1, 1)


def test_a_cut_that_cuts_nothing_is_noticed(tmp_path: Path) -> None:
    with stage(tmp_path / "network", has_network=False) as on:
        load = on.start_load("uncut", 1, mode="open", every_s=0.1, seconds=10.0)
        while not load.acked():
            assert load.child.process.poll() is None
        was_cut, _ = network.sit_out([load], 5.0)
        assert not was_cut
        load.finish()


@pytest.mark.usefixtures("namespaces")
def test_what_a_killed_drill_left_behind_is_removed_by_the_next() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    name = f"exam-drill-{ended.pid}-server"
    subprocess.run(["ip", "netns", "add", name], check=True)
    inside = subprocess.Popen(["ip", "netns", "exec", name, "sleep", "300"])
    try:
        while not subprocess.run(["ip", "netns", "pids", name], capture_output=True, check=True).stdout:
            assert inside.poll() is None
        netns.remove_left_behind()
        assert name not in _namespaces()
        assert inside.wait(timeout=30) != 0, "and so is what ran in there"
    finally:
        inside.kill()
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def test_a_station_that_took_a_repeated_save_for_a_new_one_would_be_noticed() -> None:
    with _forgetful_station() as port:
        repeater = Repeater(
            lambda: socket.create_connection(("127.0.0.1", port), timeout=10), Habits(doubled=1.0), seed=1
        )
        line = Line(*repeater.address)
        try:
            line.post("/api/saves", {"saves": []})
        finally:
            line.drop()
            repeater.close()
    assert repeater.repeated.doubled == 1
    assert repeater.repeated.differing == 1


@pytest.mark.parametrize(
    ("badness", "expected"),
    [
        (Badness(0, 0, 0), [b"1", b"2", b"3"]),
        (Badness(1, 0, 0), []),
        (Badness(0, 1, 0), [b"1", b"1", b"2", b"2", b"3", b"3"]),
        (Badness(0, 0, 1), [b"1", b"2", b"3"]),
    ],
    ids=["good", "lost", "doubled", "late"],
)
def test_a_bad_cable_loses_doubles_and_delays(badness: Badness, expected: list[bytes]) -> None:
    near, near_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    far, far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    cable = BadCable((near_end.fileno(), far_end.fileno()), badness, seed=1)
    carrier = threading.Thread(target=cable.carry)
    with near, near_end, far, far_end:
        carrier.start()
        try:
            for frame in (b"1", b"2", b"3"):
                near.send(frame)
            far.settimeout(10)
            received = [far.recv(100) for _ in expected]
            while cable.carried.frames < 3:
                pass
        finally:
            cable.is_ended = True
            carrier.join()
    assert sorted(received) == expected
    whole = cable.carried
    assert (whole.lost, whole.doubled, whole.late) == tuple(
        3 * part for part in (badness.loss, badness.doubled, badness.late)
    )


def _namespaces() -> list[str]:
    return subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.split()


@contextmanager
def _forgetful_station() -> Iterator[int]:
    """Serve the counter-example: every request is acknowledged under a number of its own."""
    numbers = iter(range(1, 100))

    class Forgetful(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({"acknowledged": [{"number": next(numbers)}], "conflicts": [], "refused": []}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forgetful)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
