"""A station as PROTOCOL.md describes it, over real HTTP, with a real key: the agent's tests pair with it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.agent.ports import serve

CODE = "40718265"
LOCK = {
    "programs_allowed": [], "programs_forbidden": ["qq.exe"], "clipboard": "inside", "screens": 1,
    "removable_drives": False, "firewall": True, "accessibility": [], "pictures": False,
}  # fmt: skip
SEAT = {"id": 12, "number": "12", "room": "第一机房", "is_spare": False}


def unlock_code(code=CODE, name="k1"):
    salt = bytes(range(8))
    digest = hashlib.pbkdf2_hmac("sha256", code.encode(), salt, 1000)
    return {"id": name, "salt": salt.hex(), "iterations": 1000, "digest": digest.hex()}


class Key:
    """An Ed25519 key as a station has it."""

    def __init__(self):
        self.private = Ed25519PrivateKey.generate()
        raw = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.public = "ed25519:" + base64.urlsafe_b64encode(raw).decode().rstrip("=")

    def sign(self, text):
        return self.private.sign(text.encode()).hex()


class PairedStation:
    """Answers the agents' routes. `wrong` by path gives (status, body) instead; `asked` keeps what came."""

    def __init__(self):
        self.key = Key()
        self.pairing_open = True
        self.tokens = {}
        self.seat = dict(SEAT)
        self.lock = None
        self.screen = {"kind": "page", "text": "", "since": None}
        self.more = {}
        self.commands = []
        self.done = {}
        self.hello = {}
        self.wrong = {}
        self.asked = []
        self.beats = []
        self.pictures = {}
        self.installer = b""
        self.port = 0
        self.server = None
        self.start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        self.server = serve(_answers(self), self.port)
        self.server.open_lines = set()
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def stop(self):
        """Be gone: the port is closed, and every connection with it."""
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            for line in list(self.server.open_lines):
                line.close_connection = True
                with contextlib.suppress(OSError):
                    line.connection.shutdown(socket.SHUT_RDWR)
            self.thread.join()
            self.server = None

    def paths(self):
        return [asked["path"] for asked in self.asked]

    def orders(self):
        body = {
            "seat": self.seat, "lock": self.lock, "screen": self.screen, "accessibility": {}, "work": None,
            "unlock_codes": [unlock_code()], "lock_again": [], "check": {"requirements": ""}, **self.more,
        }  # fmt: skip
        version = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
        return {"version": version, **body}

    def answer(self, method, path, headers, body):
        self.asked.append({"method": method, "path": path, "headers": headers, "body": body})
        if path in self.wrong:
            return self.wrong[path]
        name = path.rpartition("/")[2]
        if path.startswith("/api/agent/installer?name=exam-agent-"):
            begin = int(headers["Range"][6:-1]) if "Range" in headers else 0
            return (206 if begin else 200), self.installer[begin:]
        if path == "/api/agent/hello":
            return self.greet(json.loads(body))
        if path == "/api/agent/register":
            return self.register(json.loads(body))
        if headers.get("Authorization", "").replace("Bearer ", "") not in self.tokens:
            return refusal(401, "device_unknown", "本机未登记。")
        if path == "/api/agent/pictures":
            self.pictures[int(headers["X-Command"])] = body
            return reply({"kept": True})
        known = {"beat": self.beat, "seat": self.take_seat, "page": self.page}
        if name in known:
            return known[name](json.loads(body))
        if name == "orders":
            return reply(self.orders())
        if name == "help":
            return reply({"help_asked": True})
        return reply({"kept": True})

    def greet(self, asked):
        hello = {
            "protocol": 1, "station_version": "0.1.0", "site": "示例考核站点", "now": "2026-11-21T08:30:00.125+00:00",
            "public_key": self.key.public, "signature": self.key.sign("exam-station hello\n" + asked["nonce"]),
            "wanted_agent_version": "0.1.0", "installer": None, "pairing_open": self.pairing_open,
            "needs": ["beat", "orders", "lock"], "capabilities": [], "later": "passed over",
        }  # fmt: skip
        hello.update(self.hello)
        if hello["installer"] is not None:
            hello["installer"] = {**self.signed(hello["installer"], asked["nonce"]), **hello["installer"]}
        return reply(hello)

    def signed(self, installer, nonce):
        told = [str(installer[name]) for name in ("name", "size", "sha256")]
        return {"signature": self.key.sign("\n".join(["exam-station installer", nonce, *told]))}

    def register(self, asked):
        if not self.pairing_open:
            return refusal(409, "pairing_closed", "登记未打开。")
        token = f"token-{len(self.tokens) + 1}"
        self.tokens[token] = asked
        if asked["seat_number"]:
            self.seat = {**SEAT, "number": asked["seat_number"]}
        return reply({"device_id": 1790000000 + len(self.tokens), "device_token": token, "seat": self.seat})

    def take_seat(self, asked):
        if asked["seat_number"] == "99":
            return refusal(404, "seat_unknown", "没有 99 号考位。")
        self.seat = {**SEAT, "number": asked["seat_number"]}
        return reply({"seat": self.seat})

    def beat(self, asked):
        self.beats.append(asked)
        for one in asked["done"]:
            self.done[one["command_id"]] = one
        waiting = [command for command in self.commands if command["id"] not in self.done]
        return reply({"now": "2026-11-21T08:30:00.125+00:00", "orders": self.orders()["version"], "commands": waiting})

    def page(self, _asked):
        return reply({"url": f"{self.address}/agent/open/once", "relogin": "none"})


def reply(document, status=200):
    return status, json.dumps(document).encode()


def refusal(status, code, sentence):
    return reply({"error": {"code": code, "sentence": sentence, "details": {}}}, status)


def _answers(station):
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            super().setup()
            self.server.open_lines.add(self)

        def finish(self):
            self.server.open_lines.discard(self)
            super().finish()

        def do_any(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, content = station.answer(self.command, self.path, dict(self.headers), body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self):
            self.do_any()

        def do_POST(self):
            self.do_any()

        def do_PUT(self):
            self.do_any()

        def handle(self):
            with contextlib.suppress(OSError, ValueError):
                super().handle()

        def log_message(self, *_arguments):
            pass

    return Answers
