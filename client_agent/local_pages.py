"""The agent's own screen: a page on this PC's loopback address, behind a path that nobody else knows.

One page says what `state` tells (waiting, seat, locked, message, status) and asks for it once a second, so that it
changes without being loaded anew.
"""

from __future__ import annotations

import json
import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Callable, Mapping

from client_agent.errors import AgentError

PAGES = Path(__file__).with_name("pages")
FILES = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
}
LONGEST_BODY = 4096
HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)

Act = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class LocalPages:
    """The listener. `state` gives what to show; `acts` by name take what was typed and give a reply."""

    def __init__(
        self, state: Callable[[], Mapping[str, Any]], acts: Mapping[str, Act], *, port: int = 0, secret: str = ""
    ) -> None:
        """`port` 0 takes any; one that another program holds now is replaced by any."""
        self._secret = secret or secrets.token_urlsafe(18)
        self._state = state
        self._acts = acts
        answers = _answers(self)
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), answers)
        except OSError:
            self._server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
        self._server.daemon_threads = True
        # A browser that is ended leaves its connections in the middle: nothing to tell anybody.
        self._server.handle_error = lambda *_request: None  # type: ignore[method-assign]
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.5}, name="local pages", daemon=True
        )

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/{self._secret}/"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def answer(self, method: str, path: str, host: str, origin: str, body: bytes) -> tuple[int, str, bytes]:
        """Answer one request: status, kind of content, content. Who does not know the path finds nothing here."""
        begin = f"/{self._secret}/"
        # The host is compared so that no page of another name can reach us by its name server.
        if not path.startswith(begin) or host != f"127.0.0.1:{self.port}":
            return _json(404, {})
        name = path[len(begin) :]
        if method == "GET" and name in FILES:
            file, kind = FILES[name]
            return 200, kind, (PAGES / file).read_bytes()
        if method == "GET" and name == "state":
            return _json(200, self._state())
        if method == "POST" and name in self._acts and origin == self.origin:
            return self._act(self._acts[name], body)
        return _json(404, {})

    def _act(self, act: Act, body: bytes) -> tuple[int, str, bytes]:
        try:
            typed = json.loads(body.decode("utf-8")) if body else {}
        except ValueError:
            return _json(400, {})
        try:
            return _json(200, act(typed if isinstance(typed, dict) else {}))
        except AgentError as refusal:
            sentences = {"zh": refusal.sentence("zh"), "en": refusal.sentence("en")}
            return _json(409, {"error": {"code": refusal.code, **sentences}})


def _json(status: int, document: Mapping[str, Any]) -> tuple[int, str, bytes]:
    return status, "application/json", json.dumps(document).encode("ascii")


def _answers(pages: LocalPages) -> type[BaseHTTPRequestHandler]:
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_GET(self) -> None:
            self._reply(b"")

        def do_POST(self) -> None:
            try:
                length = int(self.headers.get("Content-Length") or 0)
            except ValueError:
                length = LONGEST_BODY + 1
            if not 0 <= length <= LONGEST_BODY:
                self.close_connection = True
                self.send_error(413)
                return
            self._reply(self.rfile.read(length))

        def _reply(self, body: bytes) -> None:
            status, kind, content = pages.answer(
                self.command, self.path, self.headers.get("Host", ""), self.headers.get("Origin", ""), body
            )
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            for name, value in HEADERS:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            pass

    return Answers
