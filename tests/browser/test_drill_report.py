"""The drill's report as it leaves the printer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from station.clock import system_time
from station.rehearsal.drill.faults import FAULTS
from station.rehearsal.drill.machine import this_machine
from station.rehearsal.drill.outcome import Outcome
from station.rehearsal.drill.report import report_page
from station.rehearsal.drill.result import FaultResult

pytestmark = pytest.mark.browser


def test_the_drills_report_of_every_fault_is_one_page_of_a4(tmp_path: Path, chromium: Browser) -> None:
    told = [
        FaultResult(
            kind,
            rounds=120,
            saves_acked=123_456,
            recovery_s=2.5,
            done_zh="四十五名考生不停保存时，在随机时刻强行结束考站进程再启动，其中一部分在启动途中再结束一次。",
            done_en="While 45 candidates saved without a pause the station was killed at random moments and started "
            "again, in part once more on its way up.",
            notes=(("中断最长 3.7 秒，补回与实际之差 +0.2 至 +0.8 秒", "longest outage 3.7 s, +0.2 to +0.8 s"),),
        )
        for kind in ("kill", "power_cut", "disk_full", "read_only", "io_error", "clock", "network", "long_cut", "due")
    ]
    outcome = Outcome(this_machine(tmp_path), system_time().astimezone(), False, told, seconds=200.0, load=0.5)
    path = tmp_path / "report.html"
    path.write_text(report_page(outcome, {kind: (one.zh, one.en) for kind, one in FAULTS.items()}), "utf-8")
    page = chromium.new_page()
    page.goto(path.as_uri())
    printed = page.pdf(prefer_css_page_size=True)
    page.close()
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1
