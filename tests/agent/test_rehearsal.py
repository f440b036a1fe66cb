"""The player of a rehearsal against a station of a few lines: what it sends, measures, and calls a fault."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from client_agent.errors import AgentError
from client_agent.rehearsal import LONGEST_MINUTES, Player, check_arguments
from tests.agent.desk import until
from tests.agent.paired_station import LOCK, refusal

ARGUMENTS = {
    "rehearsal_id": 3, "minutes": 0.02, "seat_path": "/seat/61/code", "ticket_number": "YL1-000061",
    "file_item": "f1", "file_part": "file",
}  # fmt: skip
PAPER = {
    "sections": [{"items": [
        {"id": "q1", "kind": "single", "interaction": {"options": [{"id": "A"}, {"id": "B"}]}},
        {"id": "q2", "kind": "short_answer", "interaction": {}},
    ]}]
}  # fmt: skip


class Room:
    """Answers a player's requests and keeps what it saved; `forgets`: loses it again, `busy`: 503 so often."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.files = {}
        self.forgets = False
        self.busy = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), answers_of(self))
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def answers_of(room):
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments):
            pass

        def do_GET(self):
            room.asked.append(self.path)
            if self.path.startswith("/seat/"):
                self.say({}, cookie="station_seat=one")
            elif self.path == "/api/me":
                self.say({"view": "confirm", "entry": {"id": 5}})
            elif self.path.startswith("/api/papers/"):
                self.say(PAPER)
            else:
                self.say(room.files[self.path.rpartition("/")[2]])

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            path = self.path.partition("?")[0]
            room.asked.append(path)
            if room.busy:
                room.busy -= 1
                self.say({"error": {"code": "busy"}}, status=503)
            elif path == "/api/login":
                assert "station_seat=one" in self.headers["Cookie"]
                right = json.loads(body.decode())["password"] == "000061"
                self.say({}, status=200 if right else 401)
            elif path == "/api/saves":
                save = json.loads(body.decode())["saves"][0]
                if not room.forgets:
                    room.answers[save["item_id"]] = save["response"]
                self.say({"acknowledged": [{"sequence": save["sequence"]}]})
            elif path == "/api/files":
                room.files["abc"] = body
                self.say({"file": {"sha256": "abc", "uploaded_at": "now"}})
            else:
                self.say({"attempt_id": 9, "place": 2, "answers": room.answers})

        def say(self, answer, status=200, cookie=""):
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            if cookie:
                self.send_header("Set-Cookie", cookie + "; Path=/")
            self.end_headers()
            self.wfile.write(content)

    return Answers


@pytest.fixture
def room():
    found = Room()
    yield found
    found.close()


def played(room, pause=lambda _seconds: False, **changes):
    return Player(room.origin, {**ARGUMENTS, **changes}, pause).play()


def test_a_player_goes_the_whole_way_and_tells_what_it_measured(room):
    told = played(room)
    assert (told["faults"], told["lost"], told["disconnects"]) == ([], 0, 0)
    assert told["saves"] == len(told["saves_ms"]) >= 2, "an answer and a file"
    assert told["file_bytes"] == 2 * 512 * 1024
    assert told["log_in_ms"] > 0
    assert room.answers["f1"] == {"record": [{"name": "file", "base": {"file": {"sha256": "abc"}}}]}
    assert room.asked[0] == "/seat/61/code"
    assert room.asked[-1] == "/api/hand_in"


def test_what_was_acknowledged_and_is_not_there_is_lost(room):
    room.forgets = True
    assert played(room)["lost"] == 2


def test_a_busy_station_is_asked_again(room):
    room.busy = 2
    assert played(room)["faults"] == []


def test_a_refusal_is_a_fault_and_ends_the_player(room):
    told = played(room, ticket_number="YL1-999999")
    assert "401" in told["faults"][0]
    assert "/api/hand_in" not in room.asked


def test_a_station_that_is_away_is_a_fault_with_its_broken_connections(room):
    room.server.shutdown()
    room.server.server_close()
    told = played(room)
    assert told["faults"]
    assert told["disconnects"] == 3


def test_an_agent_that_ends_keeps_nobody_waiting(room):
    told = played(room, pause=lambda _seconds: True, minutes=LONGEST_MINUTES)
    assert told["saves"] >= 1


@pytest.mark.parametrize("name", ["minutes", "seat_path", "ticket_number", "file_item", "file_part", "rehearsal_id"])
def test_a_command_that_lacks_something_is_refused_by_name(name):
    with pytest.raises(AgentError) as refusal:
        check_arguments({key: value for key, value in ARGUMENTS.items() if key != name})
    assert refusal.value.code == "rehearsal_wrong"
    assert name in refusal.value.sentence("en")


def test_a_path_to_another_host_is_no_seat():
    with pytest.raises(AgentError):
        check_arguments({**ARGUMENTS, "seat_path": "http://elsewhere/seat"})


def test_a_locked_pc_takes_no_part(paired, desk):
    paired.lock = LOCK
    desk.agent(paired.address)
    until(lambda: desk.is_locked)
    paired.commands = [{"id": 8, "kind": "rehearse", "arguments": ARGUMENTS}]
    until(lambda: paired.done)
    assert paired.done[8]["ok"] is False
    assert "已锁定" in paired.done[8]["text"], "rehearse_while_locked"


def test_a_free_pc_plays_and_reports_also_what_went_wrong(paired, desk):
    desk.agent(paired.address)
    until(lambda: paired.beats)
    paired.commands = [{"id": 8, "kind": "rehearse", "arguments": {**ARGUMENTS, "minutes": 0.001}}]
    until(lambda: paired.done)
    assert any("/api/agent/rehearsal" in str(one) for one in paired.asked), "a report comes, whatever happened"


def test_a_report_that_a_busy_station_does_not_take_is_told_again(paired, desk, monkeypatch):
    monkeypatch.setattr("client_agent.duties.REPORT_AGAIN_S", 0.2)
    path, answer = "/api/agent/rehearsal", paired.answer

    def busy_at_first(method, asked, *rest):
        is_busy = asked == path and path not in paired.paths()
        real = answer(method, asked, *rest)
        return refusal(503, "busy", "稍后再试。") if is_busy else real

    paired.answer = busy_at_first
    desk.agent(paired.address)
    until(lambda: paired.beats)
    paired.commands = [{"id": 8, "kind": "rehearse", "arguments": {**ARGUMENTS, "minutes": 0.001}}]
    until(lambda: paired.done)
    assert paired.done[8]["ok"], paired.done[8]["text"]
    assert paired.paths().count(path) == 2


def test_a_rehearsal_that_is_over_is_told_nothing_again(paired, desk):
    path = "/api/agent/rehearsal"
    paired.wrong[path] = refusal(404, "rehearsal_unknown", "没有这次演练。")
    desk.agent(paired.address)
    until(lambda: paired.beats)
    paired.commands = [{"id": 8, "kind": "rehearse", "arguments": {**ARGUMENTS, "minutes": 0.001}}]
    until(lambda: paired.done)
    assert (paired.done[8]["ok"], paired.done[8]["text"]) == (False, "没有这次演练。")
    assert paired.paths().count(path) == 1
