"""Writing a picture of the screen as PNG."""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COMPRESSION = 6


def write_png(width: int, height: int, pixels: bytes, *, line_bytes: int, largest: int) -> bytes:
    """Write pixels of four bytes (blue, green, red, any) as PNG, halved until it is not too large."""
    step = 1
    while True:
        png = _write(width, height, pixels, line_bytes, step)
        if len(png) <= largest or min(width, height) // (step * 2) < 1:
            return png
        step *= 2


def _write(width: int, height: int, pixels: bytes, line_bytes: int, step: int) -> bytes:
    columns, rows = (width + step - 1) // step, (height + step - 1) // step
    packer = zlib.compressobj(COMPRESSION)
    packed = []
    for row in range(0, height, step):
        line = pixels[row * line_bytes : row * line_bytes + width * 4]
        colours = bytearray(columns * 3)
        for place, source in enumerate((2, 1, 0)):
            colours[place::3] = line[source :: 4 * step]
        packed.append(packer.compress(b"\0" + bytes(colours)))
    packed.append(packer.flush())
    head = struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)
    return SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", b"".join(packed)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
