"""Remove pictures of screens once their room's sittings are delivered, as candidates were promised."""

from __future__ import annotations

from sqlalchemy import select

from station.clock import system_time
from station.services import agent_commands
from station.store.files import path_of
from station.store.models import ScreenPicture
from station.web.edge import Edge

# A file so old that no row names was left behind by a crash between the two.
LEFTOVER_S = 3600.0


def remove_old_pictures(edge: Edge) -> None:
    """Remove files first, then their rows: after a crash in between nothing is left that nobody knows of."""
    if not edge.pictures.is_dir():
        return
    with edge.store.reading() as db:
        old = agent_commands.old_pictures(db)
        known = {row.command_id: row.sha256 for row in db.scalars(select(ScreenPicture))}
    still = {sha256 for command_id, sha256 in known.items() if command_id not in old}
    for sha256 in set(old.values()) - still:
        path_of(edge.pictures, sha256).unlink(missing_ok=True)
    if old:
        with edge.store.transaction() as db:
            agent_commands.forget_pictures(db, old)
    oldest = system_time().timestamp() - LEFTOVER_S
    for path in edge.pictures.glob("*/*"):
        if path.name not in known.values() and path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
