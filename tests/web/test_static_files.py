"""Static files of the pages."""

from __future__ import annotations

import gzip
import mimetypes
from pathlib import Path

import requests

from tests.web.seating import served_room


def test_scripts_come_as_javascript_whatever_the_registry_of_windows_says(tmp_path: Path):
    mimetypes.add_type("text/plain", ".js")
    with served_room(tmp_path) as room:
        kind = requests.get(f"{room.url}/static/main.js", timeout=10).headers["Content-Type"]
    assert kind.startswith("text/javascript")


def test_scripts_and_styles_come_packed_once_and_are_asked_for_only_when_they_have_changed(tmp_path: Path):
    with served_room(tmp_path) as room:
        address = f"{room.url}/static/saving.js"
        plain = requests.get(address, headers={"Accept-Encoding": "identity"}, timeout=10)
        packed = [requests.get(address, timeout=10, stream=True) for _ in range(2)]
        wire = [one.raw.read(decode_content=False) for one in packed]
        again = requests.get(address, headers={"If-None-Match": packed[0].headers["ETag"]}, timeout=10)
    assert [gzip.decompress(one) for one in wire] == [plain.content] * 2
    assert {one.headers["Content-Encoding"] for one in packed} == {"gzip"}
    assert "Content-Encoding" not in plain.headers
    assert len(wire[0]) < len(plain.content) / 2
    assert all("Accept-Encoding" in one.headers["Vary"] for one in (*packed, plain))
    assert again.status_code == 304
