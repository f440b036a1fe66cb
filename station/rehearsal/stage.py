"""Make everything ready for a rehearsed day: platform, station, sample day, and the script of who plays what."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from station.config import Config
from station.rehearsal import premises as places
from station.rehearsal.premises import Premises
from station.rehearsal.script import CastMember, Part, PlannedSitting, Script, plan_answers
from station.sample import SampleCandidate, SampleDay
from station.setup import MadeStation

Say = Callable[[str, str], None]


@dataclass(frozen=True)
class Stage:
    """A day that is ready to begin. `papers` and `keys` by subject code, in the day's order."""

    platform_url: str
    made: MadeStation
    day: SampleDay
    papers: Mapping[str, Any]
    keys: Mapping[str, Any]
    script: Script
    seat_paths: Mapping[str, str]

    @property
    def config(self) -> Config:
        return self.made.config

    @property
    def passwords(self) -> dict[str, str]:
        """The staff's first passwords by user name."""
        return {username: password for username, _, password in self.made.passwords}


def set_stage(
    premises: Premises,
    *,
    theory_start_at: datetime,
    candidates: int,
    parts: Sequence[Part],
    database: str = "",
    ports: tuple[int, int, int] = (0, 0, 0),
    say: Say,
) -> Stage:
    """Start the platform, make and register the station, take the day in, and cast the simulated candidates.

    `parts` are those of the first seats in order; candidates beyond them are left to persons. `ports` are those
    of candidate listener, staff listener and platform; 0 takes any.
    """
    say("启动参考上级平台", "starting the reference platform")
    platform_url = premises.start_platform(port=ports[2])
    day = places.write_day(premises.folder / "day", theory_start_at=theory_start_at, candidates=candidates)
    say(f"写好示例考试日：{candidates} 名考生", "sample day written")
    made = places.set_up_station(premises, platform_url, database=database, ports=ports[:2])
    places.take_day_in(made.config, day, at=theory_start_at - timedelta(days=1))
    say("已导入计划、名单、照片、试卷", "plan, rosters, photos and papers imported")
    papers, keys = places.papers_and_keys(made.config)
    paths = places.seat_paths(made.config)
    cast = cast_candidates(day, parts, papers, keys, paths)
    script = Script(sittings=sittings_of(day), papers=papers, cast=cast)
    return Stage(platform_url, made, day, papers, keys, script, paths)


def cast_candidates(
    day: SampleDay,
    parts: Sequence[Part],
    papers: Mapping[str, Any],
    keys: Mapping[str, Any],
    paths: Mapping[str, str],
) -> list[CastMember]:
    """Give the first candidates of the day their parts and answers; those who need a spare seat get one each."""
    spares = iter(day.spare_seats)
    return [
        _cast_member(candidate, part, papers, keys, paths, spares=spares)
        for candidate, part in zip(day.candidates, parts, strict=False)
    ]


def sittings_of(day: SampleDay) -> list[PlannedSitting]:
    """Say what the candidates know of the day's two sittings."""
    subjects = json.loads(day.plan.read_text("utf-8"))["certificates"][0]["subjects"]
    starts = (day.theory_start_at, day.practical_start_at)
    return [
        PlannedSitting(subject["code"], subject["name"], starts_at, subject["duration_min"])
        for subject, starts_at in zip(subjects, starts, strict=True)
    ]


def with_port(script: Script, port: int, scale: float) -> Script:
    """Give the script once it is known where the station listens and how fast its clock runs."""
    return replace(script, port=port, scale=scale)


def _cast_member(
    candidate: SampleCandidate,
    part: Part,
    papers: Mapping[str, Any],
    keys: Mapping[str, Any],
    paths: Mapping[str, str],
    *,
    spares: Any,
) -> CastMember:
    needs_spare = part in {Part.MOVED, Part.WRONG_SEAT}
    return CastMember(
        ticket_number=candidate.ticket_number,
        name=candidate.name,
        seat=candidate.seat,
        part=part,
        leaves_early=part == Part.STEADY and candidate.number % 4 == 2,
        answers=plan_answers(papers, keys, candidate.ticket_number, changes_mind=candidate.number % 3 != 0),
        seat_path=paths[candidate.seat],
        spare_path=paths[next(spares)] if needs_spare else "",
    )
