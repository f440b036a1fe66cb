"""The commands as a technician types them."""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from station.__main__ import _moment, main
from station.bootstrap import build_station
from station.config import CONFIG_NAME, load_config
from station.errors import StationError
from station.sample import SampleDay, write_sample_day
from station.store import open_store
from station.store.models import AllowedAddress, Candidate, Entry, JournalEntry, Paper, Seat, Staff


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> SampleDay:
    return write_sample_day(
        tmp_path_factory.mktemp("sample"),
        theory_start_at=datetime(2026, 11, 21, 6, 0, tzinfo=UTC),
        practical_start_at=datetime(2026, 11, 21, 7, 15, tzinfo=UTC),
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A station just made."""
    folder = tmp_path / "station"
    assert run("init", folder, "--site-name", '测试"考点"').exit_code == 0
    return folder


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def rows(home: Path, table: type) -> int:
    store = open_store(f"sqlite:///{home / 'data' / 'station.db'}", home)
    with store.reading() as db:
        count = db.scalar(select(func.count()).select_from(table)) or 0
    store.close()
    return count


def import_sample(home: Path, sample: SampleDay) -> None:
    for words in (
        ("plan", sample.plan),
        ("roster", sample.roster_theory, "--spares", "46-50"),
        ("roster", sample.roster_practical),
        ("photos", sample.photos),
        ("paper", sample.theory, "--certificate", "网店运营推广", "--level", "初级", "--subject", "理论"),
        ("paper", sample.practical),
    ):
        done = run("import", home, *words)
        assert done.exit_code == 0, done.output


def test_init_shows_every_first_password_once_and_says_what_to_do_next(tmp_path: Path):
    done = run("init", tmp_path / "s", "--staff-address", "192.168.1.2", "--invigilator-pc", "192.168.1.10")
    assert done.exit_code == 0, done.output
    assert len(re.findall(r"[a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4} ", done.output)) == rows(tmp_path / "s", Staff) == 9
    assert "http://192.168.1.2:8081/" in done.output
    assert "exam-station allow" in done.output
    assert rows(tmp_path / "s", AllowedAddress) == 1
    assert ((tmp_path / "s" / "keys").stat().st_mode & 0o077) == 0


def test_r_room_2_a_server_with_two_networks_names_its_address_in_the_room(tmp_path: Path, sample: SampleDay):
    folder = tmp_path / "s"
    done = run("init", folder, "--staff-address", "192.168.1.2", "--invigilator-pc", "192.168.1.10")
    assert "candidate PCs open: http://192.168.1.2:8080/" in done.output
    import_sample(folder, sample)
    links = run("seats", folder).output.strip().splitlines()
    assert len(links) == 50
    assert all("http://192.168.1.2:8080/seat/" in link for link in links)


def test_init_never_replaces_a_station(home: Path):
    before = (home / CONFIG_NAME).read_bytes()
    again = run("init", home)
    assert again.exit_code == 1
    assert "station_exists" in again.output
    assert (home / CONFIG_NAME).read_bytes() == before


def test_a_site_name_with_quotes_stays_what_it_is(home: Path):
    assert load_config(home).site.name == '测试"考点"'


def test_r_rost_1_the_sample_day_comes_in_and_a_dry_run_changes_nothing(home: Path, sample: SampleDay):
    dry = run("import", home, "plan", sample.plan, "--dry-run")
    assert dry.exit_code == 0
    import_sample(home, sample)
    counts = [rows(home, table) for table in (Candidate, Entry, Seat, Paper)]
    assert counts == [45, 90, 50, 2]
    journal = rows(home, JournalEntry)
    assert run("import", home, "roster", sample.roster_theory, "--dry-run").exit_code == 0
    assert rows(home, JournalEntry) == journal


@pytest.mark.parametrize(
    ("kind", "name", "content", "code"),
    [
        ("plan", "plan.json", b"{broken", "plan_unreadable"),
        ("plan", "plan.json", b"[1]", "plan_unreadable"),
        ("roster", "roster.xlsx", b"not a workbook", "import_rejected"),
        ("photos", "photos.zip", b"PK\x03\x04broken", "no_candidates"),
        ("paper", "paper.zip", b"PK\x03\x04broken", "import_rejected"),
        ("paper", "paper.xlsx", b"no", "paper_needs_names"),
        ("roster", "roster2.xlsx", b"", "import_rejected"),
    ],
)
def test_a_broken_file_is_refused_by_name_and_changes_nothing(
    home: Path, tmp_path: Path, kind: str, name: str, content: bytes, code: str
):
    path = tmp_path / name
    path.write_bytes(content)
    before = rows(home, JournalEntry)
    done = run("import", home, kind, path)
    assert done.exit_code == 1
    assert f"[{code}]" in done.output
    assert rows(home, JournalEntry) == before


def test_a_roster_before_the_plan_is_refused(home: Path, sample: SampleDay):
    done = run("import", home, "roster", sample.roster_theory)
    assert done.exit_code == 1
    assert "plan_missing" in done.output


def test_templates_come_in_as_they_are(home: Path, sample: SampleDay, tmp_path: Path):
    run("import", home, "plan", sample.plan)
    assert run("template", "paper", tmp_path / "paper.xlsx").exit_code == 0
    words = ("--certificate", "网店运营推广", "--level", "初级", "--subject", "理论", "--code", "T1")
    done = run("import", home, "paper", tmp_path / "paper.xlsx", *words)
    assert done.exit_code == 0, done.output
    assert run("template", "roster", tmp_path / "roster.xlsx").exit_code == 0


def test_an_import_says_what_the_day_may_need_on_the_disk_and_what_is_free(home: Path, sample: SampleDay):
    run("import", home, "plan", sample.plan)
    dry = run("import", home, "roster", sample.roster_theory, "--dry-run")
    taken = run("import", home, "roster", sample.roster_theory)
    for done in (dry, taken):
        assert re.search(r"本机需要约 [\d.]+ [MG]B（答案 [\d.]+ [MG]B.*空闲 [\d.]+ [MG]B", done.output), done.output


def test_seat_links_are_listed_for_every_seat_and_spare(home: Path, sample: SampleDay):
    import_sample(home, sample)
    lines = run("seats", home, "--address", "http://192.168.1.2:8080").output.strip().splitlines()
    assert len(lines) == 50
    assert sum("备用" in line for line in lines) == 5
    assert all("http://192.168.1.2:8080/seat/" in line for line in lines)


def test_an_invigilators_pc_is_let_in_and_a_wrong_address_refused(home: Path):
    assert run("allow", home, "192.168.1.11").exit_code == 0
    assert "address_wrong" in run("allow", home, "192.168.1").output
    assert rows(home, AllowedAddress) == 1


def test_accounts_are_added_and_passwords_reset(home: Path):
    added = run("staff", home, "jiankao4", "--name", "示例监考", "--role", "invigilator")
    assert added.exit_code == 0, added.output
    assert re.search(r"[a-z2-9]{4}-", run("staff", home, "jiankao4").output)
    assert "staff_unknown" in run("staff", home, "nobody").output


def test_doctor_finds_a_station_in_order_and_a_journal_that_was_touched(home: Path):
    sound = run("doctor", home)
    assert sound.exit_code == 0
    assert "✓ disk" in sound.output
    assert "✓ open files" in sound.output
    store = open_store(f"sqlite:///{home / 'data' / 'station.db'}", home)
    with store.transaction() as db:
        db.scalars(select(JournalEntry).where(JournalEntry.number == 2)).one().details = "{}"
    store.close()
    sick = run("doctor", home, "--json")
    assert sick.exit_code == 1
    assert json.loads(sick.output.splitlines()[-1])["journal"] is False


def test_doctor_tells_a_limit_of_open_files_below_the_connections_of_the_settings(home: Path):
    resource = pytest.importorskip("resource")
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    path = home / "config.toml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("connection_limit = 600", f"connection_limit = {soft}"), "utf-8")
    told = run("doctor", home)
    path.write_text(text, "utf-8")
    assert told.exit_code == 1
    assert f"✗ open files: {soft}" in told.output


def test_nothing_to_export_says_so(home: Path, tmp_path: Path):
    assert "package_unknown" in run("export", home, tmp_path).output


def free_ports(home: Path) -> None:
    path = home / CONFIG_NAME
    text = path.read_text("utf-8").replace("port = 8080", "port = 0").replace("port = 8081", "port = 0")
    path.write_text(text.replace('host = "0.0.0.0"', 'host = "127.0.0.1"'), encoding="utf-8")


def test_a_built_station_listens_on_both_faces_and_stops_cleanly(home: Path):
    free_ports(home)
    station = build_station(load_config(home))
    station.start()
    try:
        for port in (station.candidate_port, station.staff_port):
            assert requests.get(f"http://127.0.0.1:{port}/", timeout=10).status_code == 200
    finally:
        station.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{station.candidate_port}/", timeout=2)


def test_a_taken_port_is_told_by_its_address(home: Path):
    free_ports(home)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        path = home / CONFIG_NAME
        path.write_text(path.read_text("utf-8").replace("port = 0", f"port = {port}", 1), encoding="utf-8")
        station = build_station(load_config(home))
        with pytest.raises(StationError) as raised:
            station.start()
    assert raised.value.code == "port_taken"
    assert str(port) in raised.value.sentence("zh")
    station.stop()


def test_a_second_start_beside_a_running_station_leaves_its_store_alone(home: Path):
    free_ports(home)
    station = build_station(load_config(home))
    station.start()
    try:
        path = home / CONFIG_NAME
        text = path.read_text("utf-8").replace("port = 0", f"port = {station.candidate_port}", 1)
        path.write_text(text, encoding="utf-8")
        before = rows(home, JournalEntry)
        second = build_station(load_config(home))
        with pytest.raises(StationError):
            second.start()
        second.stop()
        assert rows(home, JournalEntry) == before
        assert requests.get(f"http://127.0.0.1:{station.candidate_port}/", timeout=10).status_code == 200
    finally:
        station.stop()


def test_init_with_an_address_that_is_none_leaves_nothing_behind(tmp_path: Path):
    assert "address_wrong" in run("init", tmp_path / "s", "--invigilator-pc", "192.168.1").output
    assert not (tmp_path / "s").exists()
    assert run("init", tmp_path / "s", "--invigilator-pc", "192.168.1.10").exit_code == 0


def test_a_planned_start_that_is_typed_is_the_rooms_local_time(home: Path):
    config = load_config(home)
    moment = _moment("2026-11-21T14:00", config, option="--start")
    assert moment == datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
    assert _moment("2026-11-21T14:00+00:00", config, option="--start") == datetime(2026, 11, 21, 14, 0, tzinfo=UTC)
    refused = run("import", home, "roster", home / CONFIG_NAME, "--start", "tomorrow")
    assert refused.exit_code == 2
    assert "--start" in refused.output


def test_a_damaged_key_stops_the_start(home: Path):
    (home / "keys" / "station.pem").write_bytes(b"damaged")
    with pytest.raises(StationError) as raised:
        build_station(load_config(home))
    assert raised.value.code == "key_unusable"
