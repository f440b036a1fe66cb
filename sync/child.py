"""Run the heavy jobs of sync in a child process with a time limit.

Packing and opening keep a core busy for seconds to minutes, and pyrage holds the interpreter lock while it
works; in the station's process that would stop every save. The child is `python -m sync.child`: it knows
nothing but sync, takes one JSON job on its standard input (so that no secret stands in a list of processes)
and answers with one JSON object.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sync import clock, codes, container, keys
from sync.errors import JobFailed, SyncError, from_json, problem
from sync.manifest import Manifest, read_manifest

JOB_TOO_LONG = problem(
    "job_too_long",
    "处理数据包超过 {limit_s} 秒，已中止，没有改动任何文件。请检查磁盘后重试。",
    "Working on the package took more than {limit_s} s and was stopped; nothing was changed. "
    "Check the disk and try again.",
)
JOB_BROKEN = problem(
    "job_broken",
    "处理数据包的进程没有完成：{why}。请检查磁盘空间后重试。",
    "The process that works on the package did not finish: {why}. Check the free disk space and try again.",
)

UNWRAP_LIMIT_S = 60.0
PACKAGE_LIMIT_S = 1800.0


def pack_apart(
    path: Path,
    *,
    kind: str,
    id: str,
    number: int,
    labels: Mapping[str, Any],
    members: Sequence[container.Member],
    recipients: Sequence[str],
    signing_key_file: Path,
    made_at: datetime,
    made_by: str,
    requires: Sequence[str] = (),
    limit_s: float = PACKAGE_LIMIT_S,
) -> Manifest:
    """Do what `container.build_container` does, in a child process; the key is named by its file.

    Large contents belong into files: bytes travel to the child as base64 text.
    """
    job = {
        "path": str(path),
        "kind": kind,
        "id": id,
        "number": number,
        "labels": dict(labels),
        "members": [_member_document(member) for member in members],
        "recipients": list(recipients),
        "signing_key_file": str(signing_key_file),
        "made_at": clock.to_text(made_at),
        "made_by": made_by,
        "requires": list(requires),
    }
    return _run_on(path, "pack", job, limit_s)


def open_apart(
    path: Path,
    *,
    verify_keys: Mapping[str, Ed25519PublicKey],
    identity: str,
    into: Path,
    capabilities: Collection[str] = (),
    limit_s: float = PACKAGE_LIMIT_S,
) -> Manifest:
    """Do what `container.open_container` does, in a child process."""
    job = {
        "path": str(path),
        "verify_keys": [keys.verify_key_to_text(key) for key in verify_keys.values()],
        "identity": identity,
        "into": str(into),
        "capabilities": sorted(capabilities),
    }
    return _run_on(into, "open", job, limit_s)


def unwrap_apart(locked: bytes, code: str, *, limit_s: float = UNWRAP_LIMIT_S) -> str:
    """Do what `codes.unwrap_identity` does, in a child process."""
    job = {"locked": base64.b64encode(locked).decode("ascii"), "code": code}
    return str(_run("unwrap", job, limit_s)["identity"])


def _run_on(target: Path, name: str, job: Mapping[str, Any], limit_s: float) -> Manifest:
    try:
        return read_manifest(_run(name, job, limit_s)["manifest"].encode("utf-8"))
    except JobFailed:
        container.remove_unfinished(target)
        raise


def _run(name: str, job: Mapping[str, Any], limit_s: float) -> dict[str, Any]:
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-X", "utf8", "-m", "sync.child", name],
            input=json.dumps(job).encode("utf-8"),
            capture_output=True,
            env={**os.environ, "PYTHONPATH": path},
            timeout=limit_s,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise JobFailed(JOB_TOO_LONG, limit_s=limit_s) from None
    if done.returncode != 0:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise JobFailed(JOB_BROKEN, why=(last or [f"exit status {done.returncode}"])[0])
    answer: dict[str, Any] = json.loads(done.stdout)
    if "refused" in answer:
        raise from_json(answer["refused"])
    return answer


def _pack(job: Mapping[str, Any]) -> dict[str, str]:
    manifest = container.build_container(
        Path(job["path"]),
        kind=job["kind"],
        id=job["id"],
        number=job["number"],
        labels=job["labels"],
        members=[_member_of(document) for document in job["members"]],
        recipients=job["recipients"],
        signing_key=keys.load_signing_key(Path(job["signing_key_file"])),
        made_at=clock.from_text(job["made_at"]),
        made_by=job["made_by"],
        requires=job["requires"],
    )
    return {"manifest": manifest.to_bytes().decode("utf-8")}


def _open(job: Mapping[str, Any]) -> dict[str, str]:
    verify_keys = [keys.verify_key_from_text(text) for text in job["verify_keys"]]
    manifest = container.open_container(
        Path(job["path"]),
        verify_keys={keys.fingerprint(key): key for key in verify_keys},
        identity=job["identity"],
        into=Path(job["into"]),
        capabilities=job["capabilities"],
    )
    return {"manifest": manifest.to_bytes().decode("utf-8")}


def _unwrap(job: Mapping[str, Any]) -> dict[str, str]:
    return {"identity": codes.unwrap_identity(base64.b64decode(job["locked"]), job["code"])}


def _member_document(member: container.Member) -> dict[str, Any]:
    content = (
        {"bytes": base64.b64encode(member.source).decode("ascii")}
        if isinstance(member.source, bytes)
        else {"path": str(member.source)}
    )
    return {
        "name": member.name,
        "media_type": member.media_type,
        "recipients": None if member.recipients is None else list(member.recipients),
        "code_label": member.code_label,
        **content,
    }


def _member_of(document: Mapping[str, Any]) -> container.Member:
    recipients = document["recipients"]
    return container.Member(
        name=document["name"],
        source=base64.b64decode(document["bytes"]) if "bytes" in document else Path(document["path"]),
        media_type=document["media_type"],
        recipients=None if recipients is None else tuple(recipients),
        code_label=document["code_label"],
    )


_JOBS: dict[str, Callable[[Mapping[str, Any]], dict[str, str]]] = {
    "pack": _pack,
    "open": _open,
    "unwrap": _unwrap,
}


def _serve_one_job() -> None:
    job = json.load(sys.stdin)
    try:
        answer: dict[str, Any] = _JOBS[sys.argv[1]](job)
    except SyncError as refusal:
        answer = {"refused": refusal.to_json()}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    _serve_one_job()
