"""The browser's profile folders on Windows: SYSTEM makes and removes them where the person may change everything."""

from __future__ import annotations

import os
from pathlib import Path

from client_agent.kiosk import PREFERENCES
from client_agent.windows.files import SharedFiles


class Profiles:
    """They lay a junction anywhere in it: nothing is written or removed behind one."""

    def __init__(self, files: SharedFiles) -> None:
        self._files = files

    def make(self, profile: Path) -> None:
        """Make the folder, with the settings that a browser finds at its first start."""
        home = self._files.reachable(_home(profile))
        local = os.path.join(profile.parent.name, profile.name, "Default", "Preferences")
        if not os.path.exists(os.path.join(home, local)):
            self._files.make_folder(home, profile.parent.name)
            # What SYSTEM makes there the browser, which runs as the person, could else not write.
            self._files.let_all_write(os.path.join(home, profile.parent.name))
        self._files.make_file(home, local, PREFERENCES.encode("utf-8"))

    def remove(self, profile: Path) -> None:
        """Remove what can be removed."""
        self._files.remove_tree(self._files.reachable(_home(profile) / profile.parent.name / profile.name))


def _home(profile: Path) -> Path:
    """Name the folder of all programs' data without links: administrators may have moved it to another drive."""
    return Path(os.path.realpath(str(profile.parent.parent)))
