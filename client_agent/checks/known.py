"""Names and addresses that the checks know: data, in known.json."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Dict, List


def known(name: str) -> List[str]:
    """Give one list of known.json."""
    return list(_document()[name])


@lru_cache(maxsize=1)
def _document() -> Dict[str, List[str]]:
    path = Path(__file__).resolve().parent.parent / "known.json"
    document: Dict[str, List[str]] = json.loads(path.read_text(encoding="utf-8"))
    return document
