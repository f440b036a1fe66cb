import json
from pathlib import Path

import pytest

from client_agent.checks import MEASURES, Wish, check_pc, is_fit, load_wishes
from client_agent.errors import AgentError
from client_agent.machine import Browser
from client_agent.report import as_json, as_table

EASY = {measure: Wish(0, 0) for measure in MEASURES}
EASY.update(round_trip_ms=Wish(5000, 5000), clock_offset_s=Wish(60, 60))


class Pc:
    """A candidate PC with the browsers that the test gives it."""

    def __init__(self, folder, *browsers):
        self.folder = folder
        self.browsers = browsers

    def find_browsers(self):
        return self.browsers

    def state_folder(self):
        return self.folder / "not" / "there" / "yet"


@pytest.fixture
def pc(tmp_path):
    return Pc(tmp_path, Browser("Chromium", Path("/usr/bin/chromium"), "109.0.5412.0"))


def found(findings, measure):
    return next(finding for finding in findings if finding.measure == measure)


def test_r_room_3_a_pc_that_has_everything_is_fit(station, pc):
    findings = check_pc(station.address, pc, wishes=EASY)
    assert [finding.state for finding in findings] == ["ok"] * 7
    assert is_fit(findings)


@pytest.mark.parametrize("measure", ["cpu_cores", "memory_gb", "disk_free_gb", "browser_version"])
def test_r_room_3_a_pc_short_of_a_minimum_is_not_fit_and_told_what_to_do(station, pc, measure):
    findings = check_pc(station.address, pc, wishes={**EASY, measure: Wish(10**6, 10**6)})
    assert [finding.measure for finding in findings if finding.state == "fail"] == [measure]
    assert all(found(findings, measure).to_do)
    assert not is_fit(findings)


def test_short_of_the_recommended_value_is_advice_and_still_fit(station, pc):
    findings = check_pc(station.address, pc, wishes={**EASY, "memory_gb": Wish(10**6, 0)})
    assert found(findings, "memory_gb").state == "advice"
    assert is_fit(findings)


def test_a_wrong_clock_never_makes_a_pc_unfit_for_the_server_keeps_the_time(station, pc):
    station.ahead_s = 3600
    findings = check_pc(station.address, pc, wishes=EASY)
    assert found(findings, "clock_offset_s").state == "advice"
    assert found(findings, "clock_offset_s").measured[0].startswith("-3600.")
    assert is_fit(findings)


def test_a_station_out_of_reach_is_a_finding_and_the_rest_is_measured(pc):
    findings = check_pc("http://127.0.0.1:1", pc, wishes=EASY)
    assert found(findings, "station").state == "fail"
    assert len(findings) == 5


def test_a_pc_without_browser_is_not_fit(station, tmp_path):
    findings = check_pc(station.address, Pc(tmp_path), wishes=EASY)
    assert found(findings, "browser_version").measured == ("未找到", "none found")
    assert not is_fit(findings)


def test_a_browser_of_unknown_version_is_for_a_person_to_judge(station, tmp_path):
    findings = check_pc(station.address, Pc(tmp_path, Browser("Edge", Path("/e"), "")), wishes=EASY)
    assert found(findings, "browser_version").state == "advice"


def test_the_table_has_straight_columns_in_both_languages(station, pc):
    findings = check_pc(station.address, pc, wishes={**EASY, "cpu_cores": Wish(10**6, 10**6)})
    chinese, english = as_table(findings, "zh"), as_table(findings, "en")
    assert "→ 换用配置更高的考试机。" in chinese
    assert "本机暂不能用于考试" in chinese
    assert "→ Use a PC with more cores." in english
    starts = {line.index("not fit") for line in english.splitlines()[:-1] if line.endswith("not fit")}
    assert starts == {english.splitlines()[0].index("Result")}


def test_the_json_is_one_line_with_both_languages(station, pc):
    document = json.loads(as_json(check_pc(station.address, pc, wishes=EASY)))
    assert document["fit"] is True
    assert document["findings"][0]["title"] == {"zh": "考试站", "en": "Station"}


def test_the_requirements_that_come_along_can_be_read():
    import client_agent

    wishes = load_wishes(Path(client_agent.__file__).with_name("wanted.json"))
    assert wishes["memory_gb"] == Wish(8, 4)
    assert wishes["browser_version"].minimum == 109


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cpu_cores": {"recommended": "many", "minimum": 1}}'])
def test_a_file_of_requirements_that_cannot_be_used_is_refused_by_name(tmp_path, text):
    path = tmp_path / "wanted.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(AgentError) as refusal:
        load_wishes(path)
    assert refusal.value.code == "bad_wanted_file"
    assert str(path) in refusal.value.sentence()
