"""Read side of the work folders: what is wanted, what is there, and what of it counts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from station.domain.paper import parse_paper
from station.domain.work_folder import Held, ItemFolder, WorkAnswer, answers_of, item_folders, standing
from station.store import models
from station.store.answers import current_answers
from station.store.models import Attempt, Upload, WorkVersion


@dataclass(frozen=True)
class WorkPlan:
    """What a paper asks of a work folder. `materials`: (SHA-256, size) by asset name; `programs` by item."""

    folders: tuple[ItemFolder, ...]
    materials: Mapping[str, tuple[str, int]]
    programs: Mapping[str, tuple[str, ...]]

    @property
    def originals(self) -> dict[str, str]:
        return {asset: sha256 for asset, (sha256, _) in self.materials.items()}


_plans: dict[str, WorkPlan] = {}


def work_plan(db: Session, paper_id: int) -> WorkPlan:
    """Give what a paper asks for; remembered, as papers are large and never change under their hash."""
    sha256 = db.scalars(select(models.Paper.sha256).where(models.Paper.id == paper_id)).one()
    known = _plans.get(sha256)
    if known is None:
        document = db.scalars(select(models.Paper.document).where(models.Paper.id == paper_id)).one()
        paper = parse_paper(json.loads(document))
        folders = item_folders(paper)
        assets = [material.asset for folder in folders for material in folder.materials]
        materials = {name: (paper.assets[name].sha256, paper.assets[name].size) for name in assets}
        programs = {item.id: item.programs for item in paper.items}
        known = _plans[sha256] = WorkPlan(folders, materials, programs)
    return known


def versions_of(db: Session, attempt_id: int) -> dict[str, list[WorkVersion]]:
    """List the versions of every path, oldest first."""
    found: dict[str, list[WorkVersion]] = {}
    rows = db.scalars(select(WorkVersion).where(WorkVersion.attempt_id == attempt_id).order_by(WorkVersion.number))
    for row in rows:
        found.setdefault(row.path, []).append(row)
    return found


def counting(versions: list[WorkVersion]) -> WorkVersion | None:
    """Give the version that stands of those that are not late, or accepted by a person. None: it was removed last."""
    stands = standing(row for row in versions if not row.is_late or row.accepted_by is not None)
    return stands if stands is not None and stands.sha256 is not None else None


def held_files(db: Session, attempt_id: int) -> list[Held]:
    """List the files of the folder as they stand by the versions that count."""
    newest = (counting(versions) for versions in versions_of(db, attempt_id).values())
    return [held_of(row) for row in newest if row is not None]


def held_of(row: WorkVersion) -> Held:
    """Describe a version as a file that lies in the folder."""
    assert row.sha256 is not None
    return Held(row.path, row.sha256, row.size, row.version, row.received_at)


def work_answers(db: Session, attempt: Attempt) -> list[WorkAnswer]:
    """Say for each file that the paper wants what answers it now, from folder or upload."""
    plan = work_plan(db, attempt.paper_id)
    if not plan.folders:
        return []
    held = held_files(db, attempt.id)
    return answers_of(plan.folders, held, plan.originals, named_uploads(db, attempt.id))


def named_uploads(db: Session, attempt_id: int) -> dict[tuple[str, str], Held]:
    """Give the uploads that the current answers name, by item and part."""
    uploads = db.scalars(select(Upload).where(Upload.attempt_id == attempt_id).order_by(Upload.id)).all()
    if not uploads:
        return {}
    by_hash = {(one.item_id, one.part, one.sha256): one for one in uploads}
    found: dict[tuple[str, str], Held] = {}
    for item_id, text in current_answers(db, attempt_id).items():
        for part, sha256 in _files_in(json.loads(text)):
            one = by_hash.get((item_id, part, sha256))
            if one is not None:
                found[item_id, part] = Held(one.name, one.sha256, one.size, 0, one.uploaded_at)
    return found


def _files_in(response: Any) -> list[tuple[str, str]]:
    record = response.get("record") if isinstance(response, dict) else None
    bases = [(one["name"], one["base"]) for one in record or [] if one.get("base")]
    return [(name, base["file"]["sha256"]) for name, base in bases if "file" in base]
