"""Two faces over one store: every route of both is guarded, and a stranger gets nothing out of either.

What is open is listed here, and nowhere else.
"""

import pytest

from invigilator_console.app import create_staff_app
from station.web.candidate import create_candidate_app

# Of the agents' routes: hello and the installer tell nothing secret; to register, a technician has to have opened it
# for a while; the one-time code in the address is itself the right to open the page. A trial's ticket is no secret.
OPEN_TO_CANDIDATE_PCS = {
    "/",
    "/agent/open/<code>",
    "/api/agent/hello",
    "/api/agent/installer",
    "/api/agent/register",
    "/api/clock",
    "/api/login",
    "/api/trial",
    "/seat/<int:seat_id>/<code>",
    "/static/<path:filename>",
}
OPEN_TO_ALLOWED_STAFF_PCS = {
    "/",
    "/login",
    "/api/login",
    "/static/<path:filename>",
}
APPS = {
    "candidate": (create_candidate_app, OPEN_TO_CANDIDATE_PCS),
    "staff": (create_staff_app, OPEN_TO_ALLOWED_STAFF_PCS),
}
# A route that reads its body before it asks who sends it is asked with a sound one.
BODIES = {"/api/saves": {"attempt_id": 1, "place": 1, "saves": []}}
REFUSED = {401, 403, 404}


@pytest.fixture(params=APPS)
def face(request, edge):
    create, listed = APPS[request.param]
    return create(edge), listed


def guard_of(app, rule):
    return getattr(app.view_functions[rule.endpoint], "guard", "")


def test_every_route_states_its_guard(face):
    app, _listed = face
    rules = [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]
    assert not [rule.rule for rule in rules if not guard_of(app, rule)]


def test_open_is_what_this_list_says_and_nothing_else(face):
    app, listed = face
    is_open = {
        rule.rule for rule in app.url_map.iter_rules() if rule.endpoint == "static" or guard_of(app, rule) == "open"
    }
    assert is_open <= listed


def test_a_stranger_is_refused_on_every_other_route_and_by_every_method(face):
    app, _listed = face
    stranger = app.test_client()
    let_in = []
    for rule in app.url_map.iter_rules():
        if rule.endpoint == "static" or guard_of(app, rule) == "open":
            continue
        for method in rule.methods - {"OPTIONS"}:
            arguments = dict.fromkeys(rule.arguments, "1" if "int" in rule.rule else "x")
            with app.test_request_context():
                url = app.url_map.bind("station").build(rule.endpoint, arguments, method=method)
            body = {"json": BODIES.get(rule.rule, {})} if method in {"POST", "PUT", "PATCH", "DELETE"} else {}
            answer = stranger.open(url, method=method, **body)
            to_the_login = answer.status_code in {302, 303} and answer.location in {"/", "/login"}
            if answer.status_code not in REFUSED and not to_the_login:
                let_in.append((method, rule.rule, answer.status_code))
    assert not let_in


def test_no_staff_route_can_be_reached_on_the_candidate_listener(edge):
    candidate, staff = create_candidate_app(edge), create_staff_app(edge)
    shared = {"/", "/api/clock", "/api/login", "/api/logout", "/api/me", "/static/<path:filename>"}
    rules = [{rule.rule for rule in app.url_map.iter_rules()} for app in (candidate, staff)]
    assert rules[0] & rules[1] <= shared


def test_a_view_without_a_guard_answers_nobody(face):
    app, _listed = face
    app.add_url_rule("/forgotten", "forgotten", lambda: "here is everything")
    answer = app.test_client().get("/forgotten")
    assert answer.status_code in REFUSED
    assert b"everything" not in answer.data


def test_no_page_may_be_framed_or_run_scripts_from_elsewhere(face):
    app, _listed = face
    answer = app.test_client().get("/api/no-such-thing")
    assert answer.status_code == 404
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
