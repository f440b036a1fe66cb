"""What the station does when it is itself at fault: the page gets a sentence, the log gets the rest."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from station.web.candidate import create_candidate_app
from station.web.guards import guard
from tests.building import build_room


@guard("open")
def broken() -> str:
    raise ZeroDivisionError("a programming error")


def unguarded() -> str:
    return "secret"


@pytest.fixture
def client(tmp_path: Path):
    room = build_room(tmp_path)
    app = create_candidate_app(room.edge)
    app.add_url_rule("/api/broken", view_func=broken)
    app.add_url_rule("/api/unguarded", view_func=unguarded)
    yield app.test_client()
    room.close()


def test_an_unexpected_error_is_told_kindly_and_logged(client, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.ERROR):
        answer = client.get("/api/broken")
    assert answer.status_code == 500
    assert answer.json["error"]["code"] == "station_fault"
    assert "ZeroDivisionError" not in answer.text
    assert "ZeroDivisionError" in caplog.text


def test_a_route_that_states_no_guard_answers_nobody(client):
    answer = client.get("/api/unguarded")
    assert (answer.status_code, answer.json["error"]["code"]) == (404, "no_such_page")
