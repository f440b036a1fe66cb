"""The drill's proof notices what it is there to notice."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from station.clock import system_time
from station.domain.attempt import response_text
from station.rehearsal.drill.proof import Proof, prove
from station.rehearsal.ground import Ground
from station.rehearsal.load import item_of, response_of
from station.services.saving import Save, SaveBatch, SaveRecorder
from station.store import open_store
from station.store.models import Attempt, CurrentAnswer, Revision

CANDIDATES, SAVES = 3, 12


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ground, Path]:
    """A ground whose candidates have saved as the load does, and the record of what was acknowledged."""
    folder = tmp_path_factory.mktemp("proof")
    ground = Ground.make(folder / "ground", candidates=CANDIDATES, items=5)
    lines = []
    store = ground.open_store()
    with store.transaction() as db:
        for one in ground.candidates:
            saves = [
                Save(sequence, item_of(ground.items, sequence), _answer(sequence), True)
                for sequence in range(1, SAVES + 1)
            ]
            (outcome,) = SaveRecorder().record(db, [SaveBatch(one.attempt_id, one.place, saves, None, system_time())])
            lines += [f"{one.attempt_id} {one.place} {ack.sequence} {ack.number}\n" for ack in outcome.acknowledged]
    store.close()
    acks = folder / "acks"
    acks.write_text("".join(lines), "ascii")
    return ground, acks


def _answer(sequence: int) -> str:
    return response_text({"base": {"identifier": response_of(sequence)}})


def proof_after(saved: tuple[Ground, Path], tmp_path: Path, act: Callable[[Session], object]) -> Proof:
    """Prove a copy of the store in which something has been changed."""
    ground, acks = saved
    shutil.copytree(ground.config.folder, tmp_path / "copy")
    store = open_store(f"sqlite:///{(tmp_path / 'copy' / 'station.db').as_posix()}", tmp_path / "copy")
    with store.transaction() as db:
        act(db)
    proof = prove(store, [acks], ground.items)
    store.close()
    return proof


def last_revision(db: Session) -> Revision:
    return db.scalars(select(Revision).order_by(Revision.attempt_id, Revision.number.desc()).limit(1)).one()


def test_a_store_that_has_everything_passes(saved, tmp_path):
    proof = proof_after(saved, tmp_path, lambda db: None)
    assert proof == Proof(saves_acked=CANDIDATES * SAVES, revisions=CANDIDATES * SAVES)
    assert proof.is_good


def test_a_revision_taken_away_is_one_lost_and_breaks_its_chain(saved, tmp_path):
    proof = proof_after(saved, tmp_path, lambda db: db.delete(last_revision(db)))
    assert (proof.acked_lost, proof.chain_broken) == (1, 1)
    assert not proof.is_good


def test_another_answer_under_the_acknowledged_number_is_lost_although_something_stands_there(saved, tmp_path):
    def change(db: Session) -> None:
        last_revision(db).response = _answer(SAVES + 1)

    proof = proof_after(saved, tmp_path, change)
    assert (proof.acked_lost, proof.chain_broken) == (1, 1)


def test_an_end_of_chain_that_the_attempt_does_not_name_is_broken_though_nothing_is_lost(saved, tmp_path):
    def shorten(db: Session) -> None:
        first = select(func.min(Attempt.id)).scalar_subquery()
        db.execute(update(Attempt).where(Attempt.id == first).values(revision_count=SAVES + 1))

    proof = proof_after(saved, tmp_path, shorten)
    assert (proof.acked_lost, proof.chain_broken) == (0, 1)


def test_an_older_answer_that_counts_is_noticed(saved, tmp_path):
    def go_back(db: Session) -> None:
        current = db.scalars(select(CurrentAnswer).order_by(CurrentAnswer.attempt_id)).first()
        assert current is not None
        current.revision_number -= 1

    proof = proof_after(saved, tmp_path, go_back)
    assert (proof.acked_lost, proof.chain_broken) == (0, 0)
    assert not proof.is_good


def test_a_store_without_any_revisions_has_lost_everything(saved, tmp_path):
    def empty(db: Session) -> None:
        for row in [*db.scalars(select(CurrentAnswer)), *db.scalars(select(Revision))]:
            db.delete(row)

    proof = proof_after(saved, tmp_path, empty)
    assert (proof.acked_lost, proof.chain_broken) == (CANDIDATES * SAVES, CANDIDATES)


def test_one_save_acknowledged_under_two_numbers_is_wrong_and_a_line_cut_off_says_nothing(saved, tmp_path):
    ground, acks = saved
    told = tmp_path / "acks"
    first = acks.read_text("ascii").splitlines()[0]
    attempt_id, place, sequence, number = map(int, first.split())
    told.write_text(f"{first}\n{attempt_id} {place} {sequence} {number + 1}\n{attempt_id} {place} 9999 9", "ascii")
    store = ground.open_store()
    proof = prove(store, [told], ground.items)
    store.close()
    assert replace(proof, wrong=[]) == Proof(saves_acked=1, revisions=CANDIDATES * SAVES)
    assert len(proof.wrong) == 1
