"""The start storm: everybody logs in and fetches the whole paper at the same moment.

    python -m station.rehearsal.bench.storm HOST PORT TICKETS REPORT

TICKETS is a text file, a ticket number a line; REPORT gets the seconds that each candidate waited, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any


class _Browser:
    """One candidate's browser with one kept connection."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._cookies: dict[str, str] = {}

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)

    async def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> bytes:
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nAccept-Encoding: gzip\r\n"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
        if self._cookies:
            head += "Cookie: " + "; ".join(f"{name}={value}" for name, value in self._cookies.items()) + "\r\n"
        self._writer.write(head.encode() + b"\r\n" + content)
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        length = 0
        for line in lines[1:]:
            name, _, value = line.partition(":")
            if name.lower() == "content-length":
                length = int(value)
            elif name.lower() == "set-cookie":
                cookie, _, kept = value.strip().partition(";")[0].partition("=")
                self._cookies[cookie] = kept
        reply = await self._reader.readexactly(length)
        if " 200 " not in lines[0]:
            raise RuntimeError(f"{path}: {lines[0]} {reply[:200].decode(errors='replace')}")
        return reply

    async def post(self, path: str, **body: object) -> Any:
        return json.loads(await self.ask("POST", path, body))

    def close(self) -> None:
        self._writer.close()


async def _sit_down(browser: _Browser, ticket_number: str) -> float:
    """Go all the way from the log-in to the paper; gives the seconds that it took."""
    began = time.perf_counter()
    await browser.open()
    await browser.ask("GET", "/")
    await browser.post("/api/login", ticket_number=ticket_number, password=ticket_number[-6:])
    entry_id = json.loads(await browser.ask("GET", "/api/me"))["entry"]["id"]
    await browser.post("/api/confirm", entry_id=entry_id, right=True)
    attempt_id = (await browser.post("/api/enter", entry_id=entry_id))["attempt_id"]
    await browser.post("/api/places", attempt_id=attempt_id)
    await browser.ask("GET", f"/api/papers/{attempt_id}")
    return time.perf_counter() - began


async def _storm(host: str, port: int, tickets: list[str]) -> list[float]:
    browsers = [_Browser(host, port) for _ in tickets]
    try:
        return await asyncio.gather(*(map(_sit_down, browsers, tickets)))
    finally:
        for browser in browsers:
            browser.close()


def main() -> None:
    host, port, tickets, report = sys.argv[1:5]
    waited = asyncio.run(_storm(host, int(port), Path(tickets).read_text("ascii").split()))
    Path(report).write_text(json.dumps(waited), encoding="ascii")


if __name__ == "__main__":
    main()
