"""The Flask app: two groups of routes, each behind its own guard; what belongs to neither is refused."""

from __future__ import annotations

from flask import Flask, Response, abort, request
from werkzeug.wrappers import Response as AnyResponse

from sync.reference_platform.desk import desk, guard_desk
from sync.reference_platform.platform import Platform
from sync.reference_platform.station_api import guard_station, station_api

OPEN_ENDPOINTS = {"station_api.keys", "station_api.abilities", "static"}


def create_app(platform: Platform) -> Flask:
    """Make the app over a platform; the caller starts and stops the platform's intake."""
    app = Flask(__name__)
    app.secret_key = platform.vault.cookie_secret
    app.config.update(
        SESSION_COOKIE_NAME="exam_desk",
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_HTTPONLY=True,
    )
    app.extensions["platform"] = platform
    app.before_request(_guard)
    app.after_request(_harden)
    app.register_blueprint(station_api)
    app.register_blueprint(desk)
    return app


def _guard() -> AnyResponse | None:
    if request.endpoint is None or request.endpoint in OPEN_ENDPOINTS:
        return None
    if request.blueprint == "station_api":
        guard_station()
        return None
    if request.blueprint != "desk":
        abort(404)
    return guard_desk()


def _harden(response: Response) -> Response:
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "default-src 'self'; frame-ancestors 'none'"
    return response
