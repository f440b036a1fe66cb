import json
import urllib.error
import urllib.request

import pytest

from client_agent.errors import AgentError
from client_agent.local_pages import FILES, LocalPages
from client_agent.lockdown.unlock_codes import WRONG_CODE
from client_agent.orders import Orders
from client_agent.situation import Facts, Shown, decide
from tests.agent.paired_station import LOCK


@pytest.fixture
def pages():
    def refuse(_typed):
        raise AgentError(WRONG_CODE)

    made = LocalPages(lambda: {"kind": "waiting"}, {"code": refuse, "close": lambda typed: {"typed": typed}})
    made.start()
    yield made
    made.stop()


def ask(pages, name, body=None, *, secret=None, **headers):
    path = pages.url if secret is None else f"{pages.origin}/{secret}/"
    request = urllib.request.Request(path + name, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


def test_the_page_and_its_parts_are_served_behind_the_secret_path_only(pages):
    for name in FILES:
        assert ask(pages, name)[0] == 200
        assert ask(pages, name, secret="guess")[0] == 404
    assert json.loads(ask(pages, "state")[1]) == {"kind": "waiting"}
    assert ask(pages, "../errors.py")[0] == 404
    assert ask(pages, "page.py")[0] == 404


def test_no_other_page_can_act_here(pages):
    own = {"Origin": pages.origin}
    assert ask(pages, "close", b'{"a": 1}', **own) == (200, b'{"typed": {"a": 1}}')
    assert ask(pages, "close", b"{}", Origin="http://evil.example")[0] == 404
    assert ask(pages, "close", b"{}")[0] == 404
    assert ask(pages, "close", b"{}", **own, Host="evil.example")[0] == 404
    assert ask(pages, "state", Host="evil.example")[0] == 404
    assert ask(pages, "unknown", b"{}", **own)[0] == 404


def test_a_refusal_comes_in_both_languages_and_nonsense_is_refused(pages):
    own = {"Origin": pages.origin}
    status, body = ask(pages, "code", b'{"code": "1"}', **own)
    assert status == 409
    assert json.loads(body)["error"]["code"] == "unlock_code_wrong"
    assert {"zh", "en"} <= set(json.loads(body)["error"])
    assert ask(pages, "close", b"{", **own)[0] == 400
    assert ask(pages, "close", b"[]", **own) == (200, b'{"typed": {}}')
    assert ask(pages, "close", b"x" * 5000, **own)[0] == 413


def test_a_port_that_is_taken_meanwhile_is_replaced_by_another(pages):
    second = LocalPages(dict, {}, port=pages.port)
    assert second.port != pages.port
    second.stop()


def orders(lock=None, **screen):
    return Orders.parse({"version": "v", "lock": lock, "screen": {"kind": "page", **screen}})


SEATED = {"is_registered": True, "has_seat": True}


@pytest.mark.parametrize(("facts", "shown"), [
    (Facts(is_starting=True), Shown()),
    (Facts(), Shown("local", False, "waiting")),
    (Facts(is_registered=True, is_heard=True), Shown("local", False, "seat")),
    (Facts(orders(), **SEATED, is_heard=True), Shown("page", False, "waiting")),
    (Facts(orders(), **SEATED), Shown()),
    (Facts(orders(), **SEATED, is_expected=True), Shown("local", False, "waiting")),
    (Facts(orders(LOCK), **SEATED), Shown("local", False, "waiting")),
    (Facts(orders(LOCK), **SEATED, is_page_open=True), Shown("page", False, "waiting")),
    (Facts(orders(kind="none"), **SEATED, is_heard=True), Shown()),
    (Facts(orders(LOCK, kind="none"), **SEATED, is_heard=True), Shown("page", False, "waiting")),
    (Facts(orders(), **SEATED, is_heard=True, is_left=True), Shown()),
    (Facts(orders(LOCK), **SEATED, is_heard=True, is_left=True), Shown("page", False, "waiting")),
    (Facts(orders(LOCK), **SEATED, is_heard=True, is_freed=True), Shown()),
    (Facts(orders(LOCK, kind="locked"), **SEATED, is_heard=True), Shown("page", True, "locked")),
    (Facts(orders(LOCK, kind="locked"), **SEATED), Shown("local", False, "locked")),
    (Facts(orders(LOCK, kind="locked"), **SEATED, is_heard=True, is_freed=True), Shown()),
    (Facts(orders(LOCK, kind="locked"), **SEATED, is_heard=True, is_asked_for=True), Shown("page", True, "status")),
    (Facts(orders(LOCK), **SEATED, is_heard=True, message="m"), Shown("page", True, "message")),
    (Facts(is_asked_for=True, is_starting=True), Shown("", True, "status")),
    (Facts(orders(LOCK, kind="something new"), **SEATED, is_heard=True), Shown("page", False, "waiting")),
])  # fmt: skip
def test_the_screen_follows_from_what_is_known(facts, shown):
    assert decide(facts) == shown


@pytest.mark.parametrize("document", [
    {}, {"version": ""}, {"version": 5}, {"version": "v"}, {"version": "v", "lock": []},
    {"version": "v", "lock": None, "seat": "12"}, {"version": "v", "lock": None, "work": 5},
])  # fmt: skip
def test_orders_that_lack_what_matters_are_refused_by_the_member_s_name(document):
    with pytest.raises(AgentError) as refusal:
        Orders.parse(document)
    assert refusal.value.code == "orders_wrong"


def test_orders_of_a_later_station_are_read_as_far_as_they_are_known():
    read = Orders.parse({"version": "v", "lock": None, "screen": None, "unlock_codes": "x", "news": {}})
    assert read.screen == "none"
    assert read.unlock_codes == ()
