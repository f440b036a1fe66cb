"""Nothing that a browser receives holds an answer key: tried with the sample day's own papers and keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from station.importers.media import media_type_of
from station.importers.paper_excel import read_paper_workbook
from station.importers.paper_json import PaperImport, read_paper_folder
from station.sample.day import write_sample_day
from tests.web.seating import NOON, SeatedRoom, served_room

STATIC = Path(__file__).parents[2] / "station" / "web" / "static"
SAYS_NOTHING = {"format", "paper_code", "paper_sha256", "policy", "points", "partial", "each", "tolerance"}
SHORTEST, SHORTEST_NUMBER = 3, 6  # shorter ones than these stand in any text


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, PaperImport]:
    day = write_sample_day(
        tmp_path_factory.mktemp("day"),
        theory_start_at=NOON,
        practical_start_at=NOON + timedelta(minutes=75),
        seats=1,
        spares=1,
    )
    theory = read_paper_workbook(day.theory, code="T", certificate="网店运营推广", level="初级", subject="theory")
    return {"theory": theory, "practical": read_paper_folder(day.practical)}


def secrets_of(imported: PaperImport) -> set[str]:
    """Texts of the keys that the paper itself does not hold: accepted answers, key words, guides, explanations."""
    shown = str(imported.paper_document)
    return {text for text in _texts(imported.keys_document) if _is_telling(text) and text not in shown}


def _is_telling(text: str) -> bool:
    is_number = text.replace(".", "").isdigit()
    return len(text) >= (SHORTEST_NUMBER if is_number else SHORTEST)


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    if isinstance(node, dict):
        node = [child for name, child in node.items() if name not in SAYS_NOTHING]
    for child in node if isinstance(node, list) else ():
        yield from _texts(child)


@pytest.mark.parametrize("code", ["theory", "practical"])
def test_no_text_of_the_keys_reaches_the_browser(tmp_path: Path, papers: dict[str, PaperImport], code: str) -> None:
    given = {
        subject: (one.paper_document, {name: (media_type_of(name, raw), raw) for name, raw in one.assets.items()})
        for subject, one in papers.items()
    }
    secret = secrets_of(papers[code])
    assert len(secret) > 5, "the sample's keys are there to be looked for"
    with served_room(tmp_path, seats=1, papers=given) as room:
        received = b"\n".join(_all_received(room, code)).decode("utf-8", "replace")
    leaked = {text for text in secret if text in received}
    assert leaked == set()


def _all_received(room: SeatedRoom, code: str) -> Iterator[bytes]:
    room.admit(code)
    room.start(code)
    browser = room.answering(1, code)
    paper = browser.get(f"/api/papers/{browser.attempt_id}")
    yield paper.content
    yield browser.get("/").content
    yield browser.get("/api/me").content
    yield browser.post("/api/places", attempt_id=browser.attempt_id).content
    for name in paper.json()["assets"]:
        yield browser.get(f"/api/assets/{browser.attempt_id}/{name}").content
    for section in paper.json()["sections"]:
        for item in section["items"]:
            yield browser.get(f"/api/revisions/{browser.attempt_id}/{item['id']}").content
    for path in sorted(STATIC.iterdir()):
        reply = browser.get(f"/static/{path.name}")
        assert reply.status_code == 200
        yield reply.content
