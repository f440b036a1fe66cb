"""`python -m station.sample FOLDER`: write a sample day."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import click

from station.clock import system_time
from station.sample.candidates import MOST_CANDIDATES
from station.sample.day import CHINA, write_sample_day

_STAMPS = ["%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"]


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--theory-start", type=click.DateTime(_STAMPS), help="理论开考时间，缺省为今天 14:00。Default: today 14:00."
)
@click.option(
    "--practical-start",
    type=click.DateTime(_STAMPS),
    help="实操开考时间，缺省为理论开考后 75 分钟。Default: 75 minutes after the theory.",
)
@click.option(
    "--seats", type=click.IntRange(1, MOST_CANDIDATES), default=45, show_default=True, help="考生人数。Candidates."
)
@click.option("--spares", type=click.IntRange(0, 50), default=5, show_default=True, help="备用机数。Spare seats.")
def main(
    folder: Path, theory_start: datetime | None, practical_start: datetime | None, seats: int, spares: int
) -> None:
    """在 FOLDER 中生成一个示例考试日（北京时间）。Write a sample exam day into FOLDER (Beijing time)."""
    today = system_time().astimezone(CHINA)
    theory = theory_start.replace(tzinfo=CHINA) if theory_start else today.replace(hour=14, minute=0)
    theory = theory.replace(second=0, microsecond=0)
    practical = practical_start.replace(tzinfo=CHINA) if practical_start else theory + timedelta(minutes=75)
    day = write_sample_day(folder, theory_start_at=theory, practical_start_at=practical, seats=seats, spares=spares)
    for path in day.files:
        click.echo(path)


if __name__ == "__main__":
    main()
