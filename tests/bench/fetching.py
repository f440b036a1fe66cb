"""A room of PCs that fetch the agent's installer at the same moment, as their agents do after 「更新程序」.

    python -m tests.bench.fetching ADDRESS INSTALLER PCS BYTES_PER_S

INSTALLER is the JSON of `hello`; BYTES_PER_S is what one PC takes (0: as much as it can). Nothing is written: each PC
has a disk of its own. Prints a JSON list with the seconds that each PC needed until all had come and was the file.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from typing import Any

from client_agent.station_link import Link
from client_agent.update import PATH


def main(address: str, installer: dict[str, Any], pcs: int, bytes_per_s: int) -> list[float]:
    took: list[float] = []
    together = threading.Barrier(pcs)

    def fetch() -> None:
        link, digest, taken = Link(address), hashlib.sha256(), 0
        together.wait()
        began = time.monotonic()
        for piece in link.get_bytes(f"{PATH}?name={installer['name']}"):
            digest.update(piece)
            taken += len(piece)
            if bytes_per_s:
                time.sleep(max(0.0, began + taken / bytes_per_s - time.monotonic()))
        link.close()
        assert digest.hexdigest() == installer["sha256"]
        took.append(time.monotonic() - began)

    threads = [threading.Thread(target=fetch) for _ in range(pcs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(took)


if __name__ == "__main__":
    words = sys.argv[1:]
    print(json.dumps(main(words[0], json.loads(words[1]), int(words[2]), int(words[3]))))
