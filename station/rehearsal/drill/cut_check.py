"""Open what a power cut may have left with the station's own code, and hold it against what was promised."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from station.bootstrap import open_prepared_store
from station.config import load_config
from station.domain.attempt import AttemptState
from station.rehearsal.drill.proof import Proof, prove
from station.rehearsal.drill.replies import FileTold, HandInTold, SaveTold, Told
from station.setup import examine
from station.store import Store
from station.store.files import path_of
from station.store.models import Attempt, Upload

UPLOADS = "uploads"


@dataclass(frozen=True)
class Promise:
    """What the station had confirmed when the power went: saves in a file of the load's kind, files and hand-ins."""

    acks: Path
    files: tuple[FileTold, ...]
    hand_ins: tuple[HandInTold, ...]

    @classmethod
    def of(cls, told: Sequence[Told], acks: Path) -> Promise:
        """Write down what was told."""
        saves = (one for one in told if isinstance(one, SaveTold))
        acks.write_text(
            "".join(f"{one.attempt_id} {one.place} {one.sequence} {one.number}\n" for one in saves), "ascii"
        )
        files = tuple(one for one in told if isinstance(one, FileTold))
        return cls(acks, files, tuple(one for one in told if isinstance(one, HandInTold)))


@dataclass(frozen=True)
class Found:
    """What one disk after a cut held. `lost` counts confirmed saves, files and hand-ins."""

    saves_acked: int
    lost: int
    chain_broken: int
    wrong: tuple[str, ...]

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.chain_broken or self.wrong)


def put_down(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files as a cut left them; nothing else is in the folder afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def check_cut(folder: Path, promise: Promise, items: Sequence[str]) -> Found:
    """Check a station's folder after a cut; whatever goes wrong in opening it counts as everything lost.

    1. Settings and keys are there, SQLite finds the database sound, and no row points to nothing.
    2. Every confirmed save is there as it was confirmed, and every chain holds.
    3. Every confirmed file is there, byte for byte; so is every file that has a row. Every confirmed hand-in stands.
    4. The station's own examination finds nothing.
    """
    try:
        config = load_config(folder)
        store = open_prepared_store(config)
        try:
            return _check(
                store, promise, items, [f"{name}: {what}" for name, good, what in examine(config) if not good]
            )
        finally:
            store.close()
    except Exception as error:
        saves = promise.acks.read_text("ascii").count("\n")
        lost = saves + len(promise.files) + len(promise.hand_ins)
        return Found(saves, lost, 0, (f"断电后数据打不开 the store cannot be opened: {error!r}",))


def check_files(store: Store, promise: Promise, proof: Proof) -> int:
    """Count confirmed files and hand-ins that are not there; tell the proof of rows without their file."""
    with store.reading() as db:
        rows = {(row.attempt_id, row.item_id, row.part, row.sha256): row for row in db.scalars(select(Upload))}
        ended = {row.id: row.receipt_code for row in db.scalars(select(Attempt)) if row.state == AttemptState.HANDED_IN}
    whole: dict[str, bool] = {}
    for row in rows.values():
        path = path_of(store.folder / UPLOADS, row.sha256)
        whole[row.sha256] = path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256
        if not whole[row.sha256]:
            proof.tell(f"文件 {row.sha256[:12]} 有记录而内容缺损。", "A file's row is there and its content is not.")
    keys = [(file.attempt_id, file.item_id, file.part, file.sha256) for file in promise.files]
    lost = sum(key not in rows or not whole[key[-1]] for key in keys)
    return lost + sum(ended.get(one.attempt_id) != one.receipt_code for one in promise.hand_ins)


def _check(store: Store, promise: Promise, items: Sequence[str], faults: Sequence[str]) -> Found:
    with store.engine.connect().execution_options(bare=True) as connection:
        sound = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check")]
        orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    proof = prove(store, [promise.acks], items)
    lost_files = check_files(store, promise, proof)
    wrong = [*faults, *proof.wrong]
    if sound != ["ok"]:
        wrong.append(f"数据库不完整 the database is not sound: {sound[0]}")
    if orphans:
        wrong.append(f"记录指向不存在的内容 rows point to nothing: {orphans[0]}")
    if lost_files:
        wrong.append(f"已确认的文件或交卷丢失 {lost_files} 项 confirmed files or hand-ins are lost")
    return Found(proof.saves_acked, proof.acked_lost + lost_files, proof.chain_broken, tuple(wrong))
