"""Where a work folder lies on this PC, and where it goes when another candidate sits down.

D:\\exam-work\\实操_12_张三\\            the folder the candidate works in
D:\\exam-work\\.kept\\17-3f2a91c0\\      of the same attempt, out of sight: what is being fetched, the materials as
                                     they were given out, and the folder itself while it is put aside
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Callable, Sequence

from client_agent.errors import AgentError, problem
from client_agent.work_folder.files import Files, leads_elsewhere
from client_agent.work_folder.ledger import Kept
from client_agent.work_folder.names import is_safe
from client_agent.work_folder.station import FolderPlan

NO_ROOM_FOR_WORK = problem(
    "no_room_for_work",
    "本机没有足够的磁盘空间存放作品文件夹（需要 {needed_mb} MB）。请清理磁盘，或换到备用机。",
    "No drive of this PC has room for the work folder ({needed_mb} MB). Free some space or take a spare PC.",
)
WORK_FOLDER_HELD = problem(
    "work_folder_held",
    "作品文件夹“{folder}”中有文件正被其他程序使用，暂时不能移开。请关闭 Photoshop 等程序。",
    "A program still uses files in the work folder {folder}: it cannot be put aside yet. Close Photoshop and the like.",
)

OF_ALL = "exam-work"
KEPT = ".kept"
MADE = "made.json"
LEAST_WORK = 256 * 1024 * 1024
ROOM_BESIDE = 1024 * 1024 * 1024
LEAST_ROOM_BESIDE = 200 * 1024 * 1024


def find_or_make(
    plan: FolderPlan, attempt_id: int, known: Kept | None, *, drives: Callable[[], Sequence[Path]], files: Files
) -> tuple[Kept, bool]:
    """Give the folder of an attempt, made if need be, and whether the ledger's list of its files still holds.

    It does not hold for a drive that a restore card has set back, and for a folder that was made anew.
    Raises no_room_for_work.
    """
    if known is not None and is_there(known):
        return known, True
    if known is not None and _generation(kept_folder(known)) == known.generation:
        _make_root(known.root, files)  # removed as a whole: nobody's work is thrown away like that
        return known._replace(aside=""), False
    bases = [base for base in map(files.reachable, drives()) if files.may_keep(base, OF_ALL)]
    found = next((kept for base in bases if (kept := _found_on(base, attempt_id)) is not None), None)
    if found is not None:
        files.hide(os.path.dirname(kept_folder(found)))
        _make_root(found.root, files)
        return found, False
    return _make(plan, attempt_id, bases, files), False


def is_there(kept: Kept) -> bool:
    """Say whether the folder lies where it was kept, and is the one that was kept."""
    return os.path.isdir(kept.aside or kept.root) and _generation(kept_folder(kept)) == kept.generation


def kept_folder(kept: Kept) -> str:
    """Name the folder out of sight that belongs to a work folder."""
    return _kept_folder(kept.root, kept.attempt_id, kept.generation)


def find_file(root: str, local: str) -> str | None:
    """Give where a file of the folder lies; None if there is none, or a link leads out of the folder."""
    home, found = os.path.realpath(root), os.path.realpath(os.path.join(root, local))
    is_inside = found.startswith(home + os.sep) and os.path.isfile(found)
    return os.path.join(root, local) if is_inside else None


def put_aside(kept: Kept) -> Kept:
    """Move the folder out of sight on its own drive. Raises work_folder_held."""
    aside = os.path.join(kept_folder(kept), "folder")
    _move(kept.root, aside)
    return kept._replace(aside=aside)


def bring_back(kept: Kept) -> Kept:
    """Move a folder that was put aside to its place. Raises work_folder_held."""
    if os.path.isdir(kept.root) and not os.listdir(kept.root):
        os.rmdir(kept.root)
    _move(kept.aside, kept.root)
    return kept._replace(aside="")


def remove(kept: Kept, files: Files) -> None:
    """Remove the folder with all that belongs to it. Raises work_folder_held if something stayed."""
    for folder in (kept.aside, kept.root if not kept.aside else "", kept_folder(kept)):
        if folder and os.path.lexists(folder):
            files.remove_tree(folder)
            if os.path.lexists(folder):
                raise AgentError(WORK_FOLDER_HELD, folder=os.path.basename(kept.root))
    with contextlib.suppress(OSError):
        os.rmdir(os.path.join(os.path.dirname(kept.root), KEPT))


def check_room(folder: str, size: int) -> None:
    """Refuse what would fill the drive to the brim. Raises no_room_for_work."""
    needed = size + LEAST_ROOM_BESIDE // 4
    if shutil.disk_usage(folder).free < needed:
        raise no_room(needed)


def no_room(needed: int) -> AgentError:
    return AgentError(NO_ROOM_FOR_WORK, needed_mb=needed // 2**20 + 1)


def is_full(failure: OSError) -> bool:
    """Say whether an error means that the disk is full (Windows: 112, 39)."""
    return failure.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)) or getattr(
        failure, "winerror", 0
    ) in (112, 39)


def _make(plan: FolderPlan, attempt_id: int, bases: Sequence[str], files: Files) -> Kept:
    materials, work = sum(one.size for one in plan.materials), sum(one.size for one in plan.files)
    base = _choose(bases, 2 * materials + 3 * max(work, LEAST_WORK), least=2 * materials + work)
    home = os.path.join(base, OF_ALL)
    name = files.fit_name(os.path.basename(plan.name.replace("\\", "/")).strip(" .") or str(attempt_id))
    root, number = os.path.join(home, name), 1
    while os.path.lexists(root):
        number += 1
        root = os.path.join(home, f"{name}_{number}")
    kept = Kept(attempt_id, root, uuid.uuid4().hex[:8], "", 0, "", plan.largest_file)
    folder = kept_folder(kept)
    files.make_folder(base, os.path.relpath(folder, base), is_theirs=False)
    files.hide(os.path.dirname(folder))
    _make_root(root, files)
    partly = os.path.join(folder, MADE + ".part")
    with open(partly, "w", encoding="utf-8") as written:
        json.dump({"attempt_id": attempt_id, "generation": kept.generation, "folder": os.path.basename(root)}, written)
        written.flush()
        os.fsync(written.fileno())
    os.replace(partly, os.path.join(folder, MADE))
    return kept


def _make_root(root: str, files: Files) -> None:
    home, name = os.path.split(root)
    base, of_all = os.path.split(home)
    files.make_folder(base, of_all, is_theirs=False)
    files.make_folder(base, os.path.join(of_all, name))


def _choose(bases: Sequence[str], wanted: int, *, least: int) -> str:
    """Take the first drive with much room, else the one with the most if that is enough for now."""
    free = {}
    for base in bases:
        with contextlib.suppress(OSError):
            free[base] = shutil.disk_usage(base).free
    for base, room in free.items():
        if room >= wanted + ROOM_BESIDE:
            return base
    most = max(free, key=lambda base: free[base], default="")
    if not most or free[most] < least + LEAST_ROOM_BESIDE:
        raise no_room(least + LEAST_ROOM_BESIDE)
    return most


def _found_on(base: str, attempt_id: int) -> Kept | None:
    """Find an attempt's folder that the ledger does not know (any more)."""
    home = os.path.join(base, OF_ALL)
    with contextlib.suppress(OSError):
        for name in sorted(os.listdir(os.path.join(home, KEPT))):
            made = _read_made(os.path.join(home, KEPT, name))
            is_it = name == f"{attempt_id}-{made.get('generation')}" and made.get("attempt_id") == attempt_id
            folder = os.path.basename(str(made.get("folder", "")))
            is_link = leads_elsewhere(os.path.join(home, KEPT)) or leads_elsewhere(os.path.join(home, KEPT, name))
            if is_it and not is_link and is_safe(folder) and not folder.startswith("."):
                root = os.path.join(home, folder)
                aside = os.path.join(home, KEPT, name, "folder")
                is_aside = os.path.isdir(aside) and not os.path.isdir(root)
                return Kept(attempt_id, root, str(made["generation"]), aside if is_aside else "", 0, "", 2**31)
    return None


def _kept_folder(root: str, attempt_id: int, generation: str) -> str:
    return os.path.join(os.path.dirname(root), KEPT, f"{attempt_id}-{generation}")


def _generation(folder: str) -> str:
    return str(_read_made(folder).get("generation", ""))


def _read_made(folder: str) -> dict[str, object]:
    try:
        with open(os.path.join(folder, MADE), encoding="utf-8") as opened:
            made = json.load(opened)
    except (OSError, ValueError):
        return {}
    return made if isinstance(made, dict) else {}


def _move(old: str, new: str) -> None:
    try:
        os.makedirs(os.path.dirname(new), exist_ok=True)
        os.rename(old, new)
    except OSError as failure:
        raise AgentError(WORK_FOLDER_HELD, folder=os.path.basename(old)) from failure
