"""What the sender makes of answers that a sound platform does not give: a scripted server, real sockets."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sync import keys
from sync.central import Fatal, Transient, send_package
from tests.sync.builders import Site, central_of

TUS = {"Tus-Resumable": "1.0.0", "Tus-Version": "1.0.0", "Tus-Extension": "creation"}
LATER = "Fri, 21 Nov 2125 10:00:00 GMT"


class Scripted(BaseHTTPRequestHandler):
    """Answers each method from the server's script."""

    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, headers, body = self.server.script.get(self.command, (404, {}, b""))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_GET = do_POST = do_HEAD = do_PATCH = do_OPTIONS = answer  # noqa: N815 (named by http.server)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def scripted() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
    server.daemon_threads = True
    server.script = {
        "OPTIONS": (200, TUS, b""),
        "POST": (201, {"Location": "/uploads/1"}, b""),
        "HEAD": (200, {"Upload-Offset": "0"}, b""),
    }
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def outcome_of(server: ThreadingHTTPServer, site: Site):
    path, made = site.pack()
    public = keys.verify_key_to_text(site.signing_key.public_key())
    url = f"http://127.0.0.1:{server.server_port}"
    return send_package(central_of(url, "token", public), path, package_id=made.id)


@pytest.mark.parametrize(
    ("method", "answer", "kind", "code", "retry_after_s"),
    [
        ("GET", (503, {"Retry-After": "120"}, b""), Transient, "central_busy", 120),
        ("GET", (429, {"Retry-After": "999999"}, b""), Transient, "central_busy", 3600),
        ("GET", (503, {"Retry-After": LATER}, b""), Transient, "central_busy", 3600),
        ("GET", (503, {"Retry-After": "soon"}, b""), Transient, "central_busy", None),
        ("GET", (202, {"Retry-After": "2"}, b""), Transient, "receipt_not_ready", 2),
        ("GET", (302, {"Location": "http://192.0.2.1/"}, b""), Fatal, "central_rejected", None),
        ("GET", (200, {}, b"<html>Hotel Wi-Fi</html>"), Fatal, "central_no_tus", None),
        ("GET", (200, {}, b'{"jws":"a.b.c"}'), Fatal, "receipt_unsound", None),
        ("OPTIONS", (200, {}, b""), Fatal, "central_no_tus", None),
        ("OPTIONS", (502, {}, b""), Transient, "central_busy", None),
        ("POST", (403, {}, b""), Fatal, "central_not_allowed", None),
        ("POST", (201, {"Location": "http://192.0.2.1/steal"}, b""), Fatal, "central_no_tus", None),
        ("POST", (422, {}, '{"zh":"不行","en":"no"}'.encode()), Fatal, "central_rejected", None),
        ("HEAD", (410, {}, b""), Transient, "central_busy", None),
        ("HEAD", (500, {}, b""), Transient, "central_busy", None),
        ("HEAD", (302, {}, b""), Fatal, "central_rejected", None),
        ("POST", (201, {"Location": "http://[::1"}, b""), Fatal, "central_address_unusable", None),
        ("HEAD", (200, {"Upload-Offset": "many"}, b""), Transient, "central_busy", None),
        ("PATCH", (204, {"Upload-Offset": "0"}, b""), Transient, "central_busy", None),
        ("PATCH", (204, {"Upload-Offset": "99999999"}, b""), Transient, "central_busy", None),
        ("PATCH", (409, {}, b""), Transient, "central_busy", None),
        ("PATCH", (423, {}, b""), Transient, "central_busy", None),
        ("PATCH", (404, {}, b""), Transient, "central_busy", None),
        ("PATCH", (415, {}, b""), Fatal, "central_rejected", None),
    ],
)
def test_every_answer_has_one_meaning(
    method: str, answer: tuple, kind: type, code: str, retry_after_s: float | None,
    scripted: ThreadingHTTPServer, site: Site,
) -> None:  # fmt: skip
    scripted.script[method] = answer
    outcome = outcome_of(scripted, site)
    assert isinstance(outcome, kind)
    assert outcome.reason.code == code
    if isinstance(outcome, Transient):
        assert outcome.retry_after_s == retry_after_s


def test_the_platforms_own_words_reach_the_person(scripted: ThreadingHTTPServer, site: Site) -> None:
    words = json.dumps({"code": "x", "zh": "编号已存在", "en": "known id"}).encode()
    scripted.script["POST"] = (422, {"Content-Type": "application/json"}, words)
    outcome = outcome_of(scripted, site)
    assert isinstance(outcome, Fatal)
    assert "编号已存在" in outcome.reason.sentence("zh")


def test_the_package_stays_where_it_is_whatever_the_answer(scripted: ThreadingHTTPServer, site: Site) -> None:
    outcome_of(scripted, site)
    assert Path(site.folder / "package.exam").exists()
