"""The floor: bare Flask and waitress that answer a POST with `200 ok` (design §13.27).

python -m station.rehearsal.bench.floor THREADS
"""

from __future__ import annotations

import sys
from typing import Any

from flask import Flask
from waitress.server import create_server

HOST = "127.0.0.1"


def create_floor() -> Flask:
    """Make the app that does nothing."""
    app = Flask("floor")

    @app.post("/floor")
    def say_ok() -> str:
        return "ok"

    return app


def main() -> None:
    server: Any = create_server(
        create_floor(), host=HOST, port=0, threads=int(sys.argv[1]), connection_limit=3000, backlog=1024, ident=""
    )
    print(f"http://{HOST}:{server.effective_port}/", flush=True)
    server.run()


if __name__ == "__main__":
    main()
