"""Every refusal has a sentence in both languages, filled from the same details, and is raised in a test."""

import importlib
import re
import string

import pytest

from station.domain import events
from tests.laws.sources import import_everything, python_files, text_of, text_of_tests

CATALOGUES = {"station": "station.errors", "sync": "sync.errors", "client_agent": "client_agent.errors"}
DECLARED_IN = {"station": ("station", "invigilator_console"), "sync": ("sync",), "client_agent": ("client_agent",)}

# code: why no test can raise it
RAISED_IN_NO_TEST: dict[str, str] = {
    "no_xinput": "every X server of the last fifteen years has XInput 2, and Xvfb cannot be started without it",
}


def catalogue(package):
    for folder in DECLARED_IN[package]:
        import_everything(folder)
    return importlib.import_module(CATALOGUES[package]).CATALOGUE


def placeholders(template):
    return {name for _text, name, _form, _conversion in string.Formatter().parse(template) if name is not None}


@pytest.mark.parametrize("package", CATALOGUES)
def test_every_refusal_says_the_same_in_chinese_and_english(package):
    unlike = {
        kind.code: (placeholders(kind.zh), placeholders(kind.en))
        for kind in catalogue(package).values()
        if apart_from_language(kind.zh) != apart_from_language(kind.en) or not kind.zh.strip() or not kind.en.strip()
    }
    assert not unlike


@pytest.mark.parametrize("package", CATALOGUES)
def test_every_refusal_names_its_blanks(package):
    unnamed = [
        kind.code for kind in catalogue(package).values() if not all(map(str.isidentifier, placeholders(kind.zh)))
    ]
    assert not unnamed


@pytest.mark.parametrize("package", CATALOGUES)
def test_every_refusal_is_raised_in_some_test(package):
    words = words_of_tests()
    symbols = constants(package)
    untested = [
        code
        for code in catalogue(package)
        if not words & {code, *symbols.get(code, ())} and code not in RAISED_IN_NO_TEST
    ]
    assert not untested, f"no test names {untested}"


def test_an_exception_is_struck_off_once_a_test_raises_it():
    assert not words_of_tests() & set(RAISED_IN_NO_TEST)


def test_every_event_says_the_same_in_chinese_and_english():
    unlike = [
        event.id
        for event in events.CATALOGUE.values()
        if apart_from_language(event.zh) != apart_from_language(event.en)
        or not event.zh.strip()
        or not event.en.strip()
    ]
    assert not unlike


def apart_from_language(template):
    """A detail that is itself a text comes in a pair: {kind_zh} or {zh} here, {kind_en} or {en} there."""
    return {re.sub(r"(^|_)(zh|en)$", "", name) for name in placeholders(template)}


def words_of_tests():
    """Give every name and every quoted code that a test file holds."""
    return set(re.findall(r"[A-Za-z_][A-Za-z0-9_]*", text_of_tests(without="test_errors.py")))


def constants(package):
    """Map each code to the constants that hold it: a test may name the constant instead of the code."""
    found = {}
    for path in python_files(*DECLARED_IN[package]):
        name = None
        for line in text_of(path).splitlines():
            if " = problem(" in line and not line.startswith(" "):
                name = line.partition(" ")[0]
            if name is not None and '"' in line:
                found.setdefault(line.split('"')[1], []).append(name)
                name = None
    return found
