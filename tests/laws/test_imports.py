"""Who may import whom (design §3) is written in pyproject.toml; here it is held."""

import subprocess
import sys
from pathlib import Path

from tests.laws.sources import ROOT


def test_every_import_contract_is_kept():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
