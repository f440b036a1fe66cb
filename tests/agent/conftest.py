"""What the agent's tests share. Runs on Python 3.8 too, apart from the station's own conftest."""

from __future__ import annotations

import json
import sys
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


class StationByTheProtocol:
    """A real HTTP server that answers as client_agent/PROTOCOL.md says, or as a test wants it to."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.status = 200
        self.body: bytes | None = None
        self.asked: list[str] = []
        outer = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                body = outer.answer()
                self.send_response(outer.status)
                if outer.status == 302:
                    self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def answer(self) -> bytes:
        if self.body is not None:
            return self.body
        now = datetime.now(timezone.utc) + timedelta(seconds=self.ahead_s)
        return json.dumps({"now": now.isoformat(), "later": "passed over"}).encode()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def station():
    running = StationByTheProtocol()
    yield running
    running.stop()


@pytest.fixture
def paired():
    """A station that PCs can register with."""
    from tests.agent.paired_station import PairedStation

    running = PairedStation()
    yield running
    running.stop()


@pytest.fixture
def desk(tmp_path):
    """A candidate PC in a folder; its agent is ended after the test."""
    from tests.agent.desk import Desk

    pc = Desk(tmp_path / "pc")
    yield pc
    pc.end()
