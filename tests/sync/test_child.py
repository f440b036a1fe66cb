"""Packing and opening in a child process: the same results, and a parent that goes on living."""

from __future__ import annotations

import os
import threading
import uuid
from pathlib import Path

import pytest

from sync import keys
from sync.child import open_apart, pack_apart
from sync.container import Member, verify_container
from sync.errors import ContainerRefused, JobFailed
from tests.sync.builders import AT, Site


def packed_apart(site: Site, *members: Member, limit_s: float = 60):
    key_file = site.folder / "signing.pem"
    if not key_file.exists():
        keys.save_signing_key(site.signing_key, key_file)
    return pack_apart(
        site.folder / "result.exam",
        kind="result_package",
        id=str(uuid.uuid4()),
        number=1,
        labels={"room": "第一考场"},
        members=members,
        recipients=[site.recipient],
        signing_key_file=key_file,
        made_at=AT,
        made_by="site-1",
        limit_s=limit_s,
    )


def test_a_child_packs_and_opens_as_the_parent_would(site: Site, tmp_path: Path) -> None:
    (tmp_path / "journal").write_bytes(b"event\n" * 1000)
    made = packed_apart(site, Member("result.json", b"{}"), Member("journal.jsonl", tmp_path / "journal"))
    path = tmp_path / "result.exam"
    assert verify_container(path, site.verify_keys) == made
    opened = open_apart(path, verify_keys=site.verify_keys, identity=site.identity, into=tmp_path / "out", limit_s=60)
    assert opened == made
    assert (tmp_path / "out/journal.jsonl").read_bytes() == b"event\n" * 1000


def test_a_refusal_in_the_child_arrives_by_name(site: Site, tmp_path: Path) -> None:
    path, _ = site.pack()
    with pytest.raises(ContainerRefused) as refusal:
        open_apart(path, verify_keys={}, identity=site.identity, into=tmp_path / "out")
    assert refusal.value.code == "signer_unknown"
    assert site.fingerprint in refusal.value.sentence()


def test_a_child_that_breaks_is_told_with_its_reason(site: Site, tmp_path: Path) -> None:
    with pytest.raises(JobFailed) as failure:
        packed_apart(site, Member("a", tmp_path / "missing"))
    assert failure.value.code == "job_broken"
    assert "FileNotFoundError" in failure.value.sentence()


@pytest.mark.slow
def test_a_child_cut_off_leaves_nothing_beside_its_target(site: Site, tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as stream:
        stream.truncate(50_000_000_000)  # holes; no machine is through with it in time
    with pytest.raises(JobFailed) as failure:
        packed_apart(site, Member("big", tmp_path / "big"), limit_s=2)
    assert failure.value.code == "job_too_long"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["big", "signing.pem"]


@pytest.mark.slow
def test_other_threads_run_on_while_a_child_packs(site: Site, tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as stream:
        stream.truncate(100_000_000)
    ticks, done = [0], threading.Event()

    def tick() -> None:
        while not done.wait(0.002):
            ticks[0] += 1

    ticking = threading.Thread(target=tick)
    ticking.start()
    before = os.times()
    packed_apart(site, Member("big", tmp_path / "big"))
    used = [now - then for now, then in zip(os.times(), before, strict=True)]
    done.set()
    ticking.join()
    own_s, childs_s = sum(used[:2]), sum(used[2:4])
    assert childs_s > 4 * own_s, "the child has the work, and its own interpreter lock"
    assert ticks[0] > 5
