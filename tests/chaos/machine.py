"""What a fault needs of the machine: without it a test is skipped by name, but never where all is known to be there."""

from __future__ import annotations

import os
import sys

import pytest

from station.rehearsal.drill.disk_trace import may_trace

# A build machine under Linux, as root, has all means; there a fault that is not tried is a failure.
HAS_ALL_MEANS = bool(os.environ.get("CI")) and sys.platform == "linux" and os.geteuid() == 0

needs_tracing = pytest.mark.skipif(
    not HAS_ALL_MEANS and not may_trace(), reason="no strace that works: power cuts and failing disks are not tried"
)
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="a full disk is made on Linux only: not tried")
