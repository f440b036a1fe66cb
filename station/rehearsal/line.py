"""One PC's line to the station: HTTP over one kept connection, cookies, JSON both ways."""

from __future__ import annotations

import gzip
import http.client
import json
from typing import Any
from urllib.parse import quote, urlencode

LOST = (OSError, http.client.HTTPException)


class AnswerRefused(Exception):
    """The station said no; `code` is the refusal's stable name."""

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(f"{status} {code} {sentence}")
        self.status, self.code, self.sentence = status, code, sentence


class Line:
    """A browser as far as the station can tell. For one thread at a time."""

    def __init__(self, host: str, port: int, *, timeout_s: float = 30.0) -> None:
        self._http = http.client.HTTPConnection(host, port, timeout=timeout_s)
        self._cookies: dict[str, str] = {}
        self.csrf_token = ""

    def get(self, path: str, **query: object) -> Any:
        """Ask for a JSON document."""
        return json.loads(self.fetch(path, **query))

    def fetch(self, path: str, **query: object) -> bytes:
        """Ask for a page, picture or file."""
        return self._ask("GET", f"{path}?{urlencode(query)}" if query else path, None, {})

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send a JSON object and read one."""
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        return json.loads(self._ask("POST", path, text, {"Content-Type": "application/json"}))

    def send_file(self, path: str, content: bytes, **query: object) -> Any:
        """Send a file as the body, with its particulars in the address."""
        headers = {"Content-Type": "application/octet-stream"}
        return json.loads(self._ask("POST", f"{path}?{urlencode(query, quote_via=quote)}", content, headers))

    @property
    def cookies(self) -> str:
        """Give the cookies as the header of a request has them."""
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def drop(self) -> None:
        """Let the connection go; the next request makes a new one, the cookies stay."""
        self._http.close()

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        """Send a request. One that meets a connection which had ended meanwhile is sent again, as browsers do."""
        kept_before = self._http.sock is not None
        try:
            return self._once(method, path, body, headers)
        except (ConnectionError, http.client.RemoteDisconnected, http.client.CannotSendRequest):
            self._http.close()
            if not kept_before:
                raise
        except LOST:
            self._http.close()
            raise
        return self._once(method, path, body, headers)

    def _once(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        headers = {"Accept-Encoding": "gzip", **headers}
        if self._cookies:
            headers["Cookie"] = self.cookies
        if self.csrf_token:
            headers["X-CSRF-Token"] = self.csrf_token
        self._http.request(method, path, body, headers)
        reply = self._http.getresponse()
        content = reply.read()
        for cookie in reply.headers.get_all("Set-Cookie", ()):
            name, _, value = cookie.partition(";")[0].partition("=")
            self._cookies[name.strip()] = value
        if reply.headers.get("Content-Encoding") == "gzip":
            content = gzip.decompress(content)
        if reply.status >= 400:
            raise _refusal(reply.status, content)
        return content


def _refusal(status: int, content: bytes) -> AnswerRefused:
    try:
        error = json.loads(content)["error"]
        return AnswerRefused(status, error["code"], error["sentence"])
    except (ValueError, KeyError, TypeError):
        return AnswerRefused(status, "no_json", content[:200].decode(errors="replace"))
