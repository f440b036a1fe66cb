"""The firewall in a network of its own: three namespaces on one wire; only the station answers while locked."""

import json
import os
import socket
import subprocess
import sys

import pytest

from client_agent.errors import AgentError
from client_agent.linux.lock_firewall import StationName, addresses_of, ruleset
from tests.agent import lock_laws
from tests.agent.lock_laws import Pc, a_profile
from tests.agent.x_ground import skip_unless_installed, until

ROOT = str(lock_laws.__file__).rsplit("/tests/", 1)[0]
PORT = 8080
SERVE = "import http.server; http.server.test(http.server.SimpleHTTPRequestHandler, port=%d, bind='0.0.0.0')"
# Runs on the candidate PC: each line asked for is done, and its result given as a line.
PC_PROGRAM = """
import json, socket, sys, urllib.request
sys.path.insert(0, %r)
from client_agent.linux.lock_firewall import Firewall
from client_agent.lockdown.sequence import Lockdown
from client_agent.lockdown.undo import UndoFile
from pathlib import Path
from tests.agent.lock_laws import a_profile
lockdown = Lockdown([Firewall()], UndoFile(Path(sys.argv[1])))
def reaches(host, port):
    try:
        socket.create_connection((host, port), timeout=3).close()
        return True
    except OSError:
        return False
def answered_over_udp(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(2)
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        try:
            asking.sendto(b"?", (host, port))
            return asking.recv(10) == b"!"
        except OSError:
            return False
acts = {
    "lock": lambda: [one.code for one in lockdown.lock(a_profile(station_url="http://10.78.0.1:8080"))],
    "reapply": lambda: [(one.code, one.mended) for one in lockdown.reapply()],
    "restore": lambda: lockdown.restore().is_complete,
    "reaches": reaches,
    "udp": answered_over_udp,
}
for line in sys.stdin:
    name, *arguments = json.loads(line)
    print(json.dumps(acts[name](*arguments)), flush=True)
"""


class Room:
    """Namespaces `station`, `other` and `pc` on one bridge; addresses 10.78.0.1, .2 and .3."""

    def __init__(self, folder):
        skip_unless_installed("ip", "nft")
        self.prefix = f"exam-lock-{os.getpid()}"
        self.names = [f"{self.prefix}-{one}" for one in ("wire", "station", "other", "pc")]
        self.processes = []
        for name in self.names:
            ip("netns", "add", name)
        wire = self.names[0]
        ip("-n", wire, "link", "add", "br0", "type", "bridge", "forward_delay", "0", "stp_state", "0")
        ip("-n", wire, "link", "set", "br0", "up")
        for number, name in enumerate(self.names[1:], start=1):
            ip("-n", wire, "link", "add", f"to{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("-n", wire, "link", "set", f"to{number}", "master", "br0", "up")
            ip("-n", name, "address", "add", f"10.78.0.{number}/24", "broadcast", "10.78.0.255", "dev", "eth0")
            for link in ("lo", "eth0"):
                ip("-n", name, "link", "set", link, "up")
        for name in ("station", "other"):
            for port in (PORT, 9090):
                self.start(name, sys.executable, "-c", SERVE % port)
            for port in (8079, 53):
                self.start(name, sys.executable, "-c", UDP_ANSWERS % port)
        self.pc = self.start(
            "pc", sys.executable, "-c", PC_PROGRAM % ROOT, str(folder / "undo.json"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True,
        )  # fmt: skip

    def start(self, name, *command, **named):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        words = ["ip", "netns", "exec", f"{self.prefix}-{name}", *command]
        process = subprocess.Popen(words, **{**quiet, **named})
        self.processes.append(process)
        return process

    def on_pc(self, *words):
        self.pc.stdin.write(json.dumps(words) + "\n")
        self.pc.stdin.flush()
        return json.loads(self.pc.stdout.readline())

    def nft(self, *words):
        done = subprocess.run(["ip", "netns", "exec", f"{self.prefix}-pc", "nft", *words], stdout=subprocess.PIPE)
        return done.stdout.decode()

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream:
                    stream.close()
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], check=False)


UDP_ANSWERS = """
import socket
answering = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
answering.bind(("0.0.0.0", %d))
while True:
    _asked, who = answering.recvfrom(10)
    answering.sendto(b"!", who)
"""


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def room(tmp_path):
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    built = Room(tmp_path)
    yield built
    built.close()


@pytest.mark.timeout(200)
def test_only_the_station_is_reached_while_locked_and_everything_again_afterwards(room, tmp_path):
    everything = [("reaches", f"10.78.0.{number}", port) for number in (1, 2) for port in (PORT, 9090)]
    everything += [("udp", "10.78.0.2", 53), ("udp", "10.78.0.1", 53), ("udp", "10.78.0.255", 8079)]
    allowed = [("reaches", "10.78.0.1", PORT), ("udp", "10.78.0.255", 8079)]
    for what in everything:
        assert until(lambda what=what: room.on_pc(*what)), f"{what} is not even there without the lock"
    as_before = room.nft("list", "ruleset")
    assert room.on_pc("lock") == []
    assert [what for what in everything if what not in allowed and room.on_pc(*what)] == []
    for what in allowed:
        assert until(lambda what=what: room.on_pc(*what)), f"{what} is not reached while locked"
    # Somebody lets himself out: mended within a look.
    room.nft("insert", "rule", "inet", "exam_station", "output", "accept")
    assert room.on_pc("reapply") == [["lock_not_held", True]]
    assert not room.on_pc("reaches", "10.78.0.2", PORT)
    room.nft("delete", "table", "inet", "exam_station")
    assert room.on_pc("reapply") == [["lock_not_held", True]]
    assert room.on_pc("reapply") == []
    assert not room.on_pc("reaches", "10.78.0.2", PORT)
    assert until(lambda: room.on_pc("reaches", "10.78.0.1", PORT))
    # The agent is killed; a new process restores from the undo file alone.
    room.pc.kill()
    room.pc.wait()
    assert (tmp_path / "undo.json").exists()
    room.pc = room.start(
        "pc", sys.executable, "-c", PC_PROGRAM % ROOT, str(tmp_path / "undo.json"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True,
    )  # fmt: skip
    assert not room.on_pc("reaches", "10.78.0.2", PORT)
    assert room.on_pc("restore") is True
    for what in everything:
        assert until(lambda what=what: room.on_pc(*what)), f"{what} is not there again"
    assert room.nft("list", "ruleset") == as_before
    assert not (tmp_path / "undo.json").exists()


@pytest.mark.timeout(200)
def test_a_table_of_the_school_stays_as_it_is_and_cannot_let_anything_out(room):
    room.nft("add table inet school { chain out { type filter hook output priority 10; policy accept; accept; }; }")
    school = room.nft("list", "table", "inet", "school")
    assert until(lambda: room.on_pc("reaches", "10.78.0.2", PORT))
    assert room.on_pc("lock") == []
    assert not room.on_pc("reaches", "10.78.0.2", PORT)
    assert room.nft("list", "table", "inet", "school") == school
    assert room.on_pc("restore") is True
    assert room.nft("list", "table", "inet", "school") == school
    assert until(lambda: room.on_pc("reaches", "10.78.0.2", PORT))


def test_the_rules_name_every_address_of_the_station_and_nothing_else():
    rules = ruleset(["192.168.1.2", "fd00::2"], 8443)
    assert "ip daddr 192.168.1.2 tcp dport 8443 accept" in rules
    assert "ip6 daddr fd00::2 tcp dport 8443 accept" in rules
    assert rules.count("policy drop;") == 3
    assert addresses_of("127.0.0.1") == ["127.0.0.1"]
    with pytest.raises(AgentError) as refusal:
        addresses_of("no.such.name.invalid")
    assert refusal.value.code == "station_unresolved"


def test_a_station_given_by_name_keeps_its_address_in_the_hosts_file(tmp_path, monkeypatch):
    hosts = tmp_path / "etc" / "hosts"
    hosts.parent.mkdir()
    content = b"127.0.0.1 localhost\n# \xd1\xa7\xd0\xa3\n10.0.0.9 printer"
    hosts.write_bytes(content)
    hosts.chmod(0o640)
    name, profile = StationName(tmp_path), a_profile(station_url="http://exam.school:8080")
    assert not name.wanted(a_profile())
    assert not name.wanted(a_profile(station_url="http://localhost:8080"))
    assert name.wanted(profile)
    law = lock_laws.lock_changes_the_pc_and_unlock_puts_it_back
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_asked, **_how: [(2, 1, 6, "", ("192.168.1.2", 0))])
    law(Pc(lambda: [StationName(tmp_path)], lambda: (hosts.read_bytes(), hosts.stat().st_mode), profile,
           tmp_path / "undo.json"))  # fmt: skip
    name.perform(profile)
    assert name.holds(profile) is None
    assert b"192.168.1.2 exam.school # exam-station\n" in hosts.read_bytes()
    name.revert({})
    assert hosts.read_bytes() == content
