"""No answer key is in anything that a candidate's browser receives (design §7)."""

import gzip
import json

import pytest

from station.services import room_record
from station.store.models import Entry
from station.web.candidate import create_candidate_app
from tests.building import KEYS, build_room
from tests.laws.sources import project_files, text_of

KEY_MEMBERS = {"accepted", "answer", "each", "guide", "keys", "partial", "tolerance"}


@pytest.fixture
def room(tmp_path):
    built = build_room(tmp_path)
    yield built
    built.close()


class Browser:
    """A candidate's browser that keeps everything it was sent."""

    def __init__(self, app):
        self.http = app.test_client()
        self.received = []

    def get(self, path):
        return self._keep(f"GET {path}", self.http.get(path, follow_redirects=True))

    def post(self, path, **body):
        answer = self._keep(f"POST {path}", self.http.post(path, json=body))
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()

    def _keep(self, name, answer):
        body = answer.get_data()
        is_packed = answer.headers.get("Content-Encoding") == "gzip"
        self.received.append((name, gzip.decompress(body) if is_packed else body))
        return answer


def sit_the_theory(room, browser):
    """Go through the whole test as a page does; keep every answer of the station."""
    room.start()
    ticket = room.tickets[0]
    entry_id = room.entry_id(ticket)
    browser.get(room.seat_path("1"))
    browser.get("/")
    browser.post("/api/login", ticket_number=ticket, password=ticket[-6:])
    browser.post("/api/confirm", entry_id=entry_id, right=True)
    attempt_id = browser.post("/api/enter", entry_id=entry_id)["attempt_id"]
    place = browser.post("/api/places", attempt_id=attempt_id)["place"]
    save = {"sequence": 1, "item_id": "q3", "response": {"base": {"boolean": True}}}
    browser.post("/api/saves", attempt_id=attempt_id, place=place, saves=[save])
    get_everything(browser, attempt_id)
    at = room.clock.pass_time(minutes=50)
    with room.changing() as db:
        entry = db.get_one(Entry, entry_id)
        room_record.allow_early_leave(db, [entry], by=room.staff["chief_examiner"], at=at)
    browser.post("/api/hand_in", attempt_id=attempt_id)
    get_everything(browser, attempt_id)


def get_everything(browser, attempt_id):
    """Ask every route that can be asked, for this attempt and each of its items."""
    for rule in browser.http.application.url_map.iter_rules():
        if "GET" not in rule.methods or rule.endpoint == "static":
            continue
        path = rule.rule.replace("<int:attempt_id>", str(attempt_id))
        for item_id in KEYS:
            answer = browser.get(path.replace("<item_id>", item_id))
            assert answer.status_code < 500, path


def test_nothing_that_a_candidate_receives_in_a_whole_test_holds_a_key(room):
    browser = Browser(create_candidate_app(room.edge))
    sit_the_theory(room, browser)
    secrets = [
        *(text for blank in KEYS["q4"]["blanks"].values() for text in blank["accepted"]),
        *(key["guide"] for key in KEYS.values() if "guide" in key),
    ]
    paper = next(body for name, body in browser.received if "/api/papers/" in name)
    assert "投入产出比的英文缩写".encode() in paper, "the paper itself must have been received"
    told = [
        (name, secret)
        for name, body in browser.received
        for secret in secrets
        if secret.encode() in body or json.dumps(secret).strip('"').encode() in body
    ]
    assert not told
    assert not [(name, found) for name, body in browser.received if (found := members_of(body) & KEY_MEMBERS)]


def test_no_script_of_the_page_knows_of_keys():
    scripts = [path for path in project_files() if path.parts[:2] == ("station", "web") and path.suffix == ".js"]
    assert not [str(path) for path in scripts if "accepted" in text_of(path) or "paper_sha256" in text_of(path)]


def members_of(body):
    """Give every member name of a JSON body, however deep; nothing for what is not JSON."""
    try:
        document = json.loads(body)
    except ValueError:
        return set()
    found, open_ends = set(), [document]
    while open_ends:
        part = open_ends.pop()
        if isinstance(part, dict):
            found |= set(part)
            open_ends += part.values()
        elif isinstance(part, list):
            open_ends += part
    return found
