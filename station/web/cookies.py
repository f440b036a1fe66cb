"""The cookies of a candidate PC's browser: which seat it is, and who is logged in."""

from __future__ import annotations

from datetime import timedelta

from flask import Response

from station.web.edge import Edge

LOGIN_LASTS = timedelta(hours=14)
WORKSTATION_LASTS = timedelta(days=400)


def set_cookie(response: Response, name: str, token: str, *, lasts: timedelta, edge: Edge) -> None:
    """Give the browser a token that only the station's own pages send back."""
    response.set_cookie(
        name, token, max_age=lasts, path="/", httponly=True, samesite="Strict", secure=edge.is_encrypted
    )
