"""Scripts and styles packed once, kept in memory: a room of PCs that opens the page at once asks for all of them."""

from __future__ import annotations

import gzip

from flask import Flask, Response, request

_PACKED = frozenset({"text/javascript", "text/css", "image/svg+xml"})


def pack_static_files(app: Flask) -> None:
    """Send the app's own scripts and styles gzipped to whoever takes that."""
    packed: dict[tuple[str, str | None], bytes] = {}

    @app.after_request
    def pack(response: Response) -> Response:
        if request.endpoint != "static" or response.status_code != 200 or response.mimetype not in _PACKED:
            return response
        response.vary.add("Accept-Encoding")
        if not request.accept_encodings.quality("gzip"):
            return response
        etag, _ = response.get_etag()
        key = (request.path, etag)
        if key not in packed:
            packed[key] = gzip.compress(b"".join(response.iter_encoded()), 9, mtime=0)
        response.close()  # the file
        response.direct_passthrough = False
        response.set_data(packed[key])
        response.headers["Content-Encoding"] = "gzip"
        if etag is not None:
            response.set_etag(etag, weak=True)  # the same file in other bytes
        return response
