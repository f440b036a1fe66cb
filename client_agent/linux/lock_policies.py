"""Browser policies: one JSON file for each browser of the Chromium family, where it reads its managed policies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import List

from client_agent.linux.lock_files import missing_folders, remove_with_folders, write_whole
from client_agent.lockdown.browser_policies import browser_policies
from client_agent.lockdown.operation import Before, NotHeld, describe_failure
from client_agent.lockdown.profile import LockProfile

FOLDERS = ("etc/chromium", "etc/chromium-browser", "etc/opt/chrome", "etc/opt/edge")
# The last file by name wins over the school's own policies.
FILE = "zzz-exam-station.json"


class BrowserPolicies:
    """Needs root. The browser must be started after it: some policies count from the start on."""

    name, needed = "browser_policies", True
    title = ("浏览器策略", "Browser policies")

    def __init__(self, root: Path = Path("/")) -> None:
        self._files = [root / folder / "policies" / "managed" / FILE for folder in FOLDERS]

    def wanted(self, _profile: LockProfile) -> bool:
        return True

    def read(self) -> Before:
        return {str(file): missing_folders(file.parent) for file in self._files}

    def perform(self, profile: LockProfile) -> None:
        for file in self._files:
            write_whole(file, _content(profile))

    def revert(self, before: Before) -> None:
        for file, folders in before.items():
            remove_with_folders(Path(file), folders)

    def holds(self, profile: LockProfile) -> NotHeld | None:
        """Compare the files, and look for one that would be read after ours and so win over it."""
        wrong: List[str] = []
        for file in self._files:
            if not file.is_file() or file.read_text(encoding="utf-8", errors="replace") != _content(profile):
                wrong.append(str(file))
            wrong.extend(str(later) for later in file.parent.glob("*.json") if later.name > FILE)
        return describe_failure(self, ", ".join(wrong)) if wrong else None


def _content(profile: LockProfile) -> str:
    return json.dumps(browser_policies(profile), indent=1, sort_keys=True) + "\n"
