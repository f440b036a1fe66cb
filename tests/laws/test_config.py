"""config.example.toml holds every option with its default, explained."""

import dataclasses
import tomllib
from pathlib import Path

from station.config import SECTIONS, parse_config
from tests.laws.sources import text_of

EXAMPLE = Path("config.example.toml")


def test_the_example_holds_every_option_with_its_default_and_nothing_else():
    defaults = {section: dataclasses.asdict(settings()) for section, settings in SECTIONS.items()}
    assert tomllib.loads(text_of(EXAMPLE)) == defaults


def test_the_example_can_be_used_as_it_is(tmp_path):
    config = parse_config(tomllib.loads(text_of(EXAMPLE)), home=tmp_path)
    assert config == type(config)(home=tmp_path)


def test_every_option_is_explained_in_a_comment_above_it_or_above_its_neighbours():
    unexplained, explained = [], False
    for line in text_of(EXAMPLE).splitlines():
        if line.startswith("#"):
            explained = True
        elif not line.strip() or line.startswith("["):
            explained = False
        elif not explained:
            unexplained.append(line)
    assert not unexplained
