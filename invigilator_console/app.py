"""The staff app: what the invigilator's PC opens, on a listener that no candidate PC can reach."""

from __future__ import annotations

from flask import Blueprint, Flask, g

from invigilator_console import (
    accounts,
    board,
    candidate_acts,
    closing,
    decisions,
    disk_state,
    entrance,
    entry_details,
    imports,
    outage,
    pages,
    rehearsals,
    room,
    room_forms,
    room_machines,
    sealing,
    seats,
    sitting_acts,
    swaps,
    trials,
    working_times,
    workstations,
)
from invigilator_console.guards import install_staff_guards
from station.web.edge import Edge
from station.web.guards import say

LARGEST_REQUEST = 1_000_000
PARTS = (
    entrance,
    pages,
    board,
    entry_details,
    sitting_acts,
    disk_state,
    candidate_acts,
    decisions,
    swaps,
    working_times,
    closing,
    outage,
    imports,
    seats,
    workstations,
    accounts,
    room,
    room_machines,
    sealing,
    room_forms,
    rehearsals,
    trials,
)


def create_staff_app(edge: Edge) -> Flask:
    """Build the app over an open station."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REQUEST
    # Lists for dialogs stand in the order in which they were written, not in that of their keys.
    app.jinja_env.policies["json.dumps_kwargs"] = {"sort_keys": False}
    install_staff_guards(app, edge)
    for part in PARTS:
        routes = Blueprint(part.__name__.rpartition(".")[2], __name__)
        part.register(routes, edge)
        app.register_blueprint(routes)

    @app.context_processor
    def for_every_page() -> dict[str, object]:
        return {
            "say": say,
            "language": g.get("language", "zh"),
            "person": g.get("person"),
            "login": g.get("login"),
            "edge": edge,
        }

    return app
