"""Files are read completely before anything changes."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from PIL import Image
from sqlalchemy import select, update

from station.errors import StationError
from station.services import staging
from station.store.models import Candidate, JournalEntry
from tests.building import PLANNED, BuiltRoom

NUMBER = "990101199901010014"
MASKED = "990101********0014"
OPTIONS = staging.Options(zone=ZoneInfo("Asia/Shanghai"))


def photo_archive(folder: Path, *names: str) -> Path:
    picture = io.BytesIO()
    Image.new("RGB", (295, 413), (90, 120, 200)).save(picture, "JPEG")
    path = folder / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(f"{name}.jpg", picture.getvalue())
    return path


def test_r_rost_3_a_photo_that_fits_two_masked_candidates_is_refused_and_none_comes_in(room: BuiltRoom, tmp_path: Path):
    with room.changing() as db:
        db.execute(update(Candidate).where(Candidate.id.in_([1, 2])).values(id_number=MASKED))
    path = photo_archive(tmp_path, NUMBER)
    with pytest.raises(StationError) as raised:
        staging.stage_file("photos", path, store=room.store, options=OPTIONS)
    assert raised.value.code == "photos_ambiguous"
    with room.store.reading() as db:
        assert not db.scalars(select(Candidate).where(Candidate.photo_sha256 != "")).all()


def test_r_rost_3_a_photo_that_fits_one_masked_candidate_is_theirs(room: BuiltRoom, tmp_path: Path):
    with room.changing() as db:
        db.execute(update(Candidate).where(Candidate.id == 1).values(id_number=MASKED))
    staged = staging.stage_file("photos", photo_archive(tmp_path, NUMBER), store=room.store, options=OPTIONS)
    with room.store.reading() as db:
        entries = len(db.scalars(select(JournalEntry)).all())
    staging.dry_run(room.store, staged, PLANNED)
    assert not (room.store.folder / "assets").exists()
    with room.store.reading() as db:
        assert len(db.scalars(select(JournalEntry)).all()) == entries
    with room.changing() as db:
        staged.apply(db, PLANNED, None)
    with room.store.reading() as db:
        owner = db.scalars(select(Candidate).where(Candidate.photo_sha256 != "")).one()
        assert owner.id == 1
        assert (room.store.folder / "assets" / owner.photo_sha256[:2] / owner.photo_sha256).is_file()
