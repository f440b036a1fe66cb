"""What a fault needs of the machine: without it a test is skipped by name, but never where all is known to be there."""

from __future__ import annotations

import os
import sys

import pytest

from station.rehearsal.drill.disk_trace import may_trace

# A build machine under Linux, as root, has all means; there a fault that is not tried is a failure.
HAS_ALL_MEANS = bool(os.environ.get("CI")) and sys.platform == "linux" and os.geteuid() == 0

needs_tracing = pytest.mark.skipif(
    not HAS_ALL_MEANS and not may_trace(), reason="no strace that works: power cuts and I/O errors are not tried"
)
needs_mounting = pytest.mark.skipif(
    not HAS_ALL_MEANS and (sys.platform != "linux" or os.geteuid() != 0),
    reason="only root on Linux can mount a small file system: full and read-only disks are not tried",
)
