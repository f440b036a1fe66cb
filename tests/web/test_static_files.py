"""Static files of the pages."""

from __future__ import annotations

import mimetypes
from pathlib import Path

import requests

from tests.web.seating import served_room


def test_scripts_come_as_javascript_whatever_the_registry_of_windows_says(tmp_path: Path):
    mimetypes.add_type("text/plain", ".js")
    with served_room(tmp_path) as room:
        kind = requests.get(f"{room.url}/static/main.js", timeout=10).headers["Content-Type"]
    assert kind.startswith("text/javascript")
