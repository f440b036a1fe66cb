"""Every command explains itself and stands in the README."""

import importlib
from pathlib import Path

import click
import pytest

from client_agent.__main__ import build_parser
from tests.laws.sources import text_of

PROGRAMS = {"exam-station": "station.__main__", "exam-sync": "sync.__main__"}


def click_commands(command, words):
    """List (words, command) of every command below this one."""
    if not isinstance(command, click.Group):
        return [(words, command)]
    return [found for name, below in command.commands.items() for found in click_commands(below, [*words, name])]


def all_click_commands():
    for program, module in PROGRAMS.items():
        yield from click_commands(importlib.import_module(module).main, [program])


def agent_commands():
    (choices,) = [action.choices for action in build_parser()._actions if isinstance(action.choices, dict)]
    return choices


def test_every_command_has_help():
    silent = [" ".join(words) for words, command in all_click_commands() if not (command.help or "").strip()]
    silent += [f"exam-agent {name}" for name, parser in agent_commands().items() if not parser.description]
    assert not silent


def test_every_option_has_help():
    silent = [
        f"{' '.join(words)} {option.opts[0]}"
        for words, command in all_click_commands()
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert not silent


def test_every_command_stands_in_the_readme():
    readme = text_of(Path("README.md"))
    wanted = [" ".join(words) for words, _command in all_click_commands()]
    wanted += [f"exam-agent {name}" for name in agent_commands()]
    assert not [words for words in wanted if words not in readme]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_says_what_it_is(program):
    assert importlib.import_module(PROGRAMS[program]).main.help
