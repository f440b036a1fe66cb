"""Pictures drawn for the sample: charts for the papers, and abstract portraits that show nobody.

Labels are digits only: Pillow's own font has no Chinese, and a fresh machine need not have another.
"""

from __future__ import annotations

import colorsys
import io
import math
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

PORTRAIT_SIZE = (295, 413)
_CHART_SIZE = (640, 360)
_INK = "#1f2937"
_BAR = "#2563eb"
_FUNNEL = ("#1e3a8a", "#1d4ed8", "#2563eb", "#3b6fd4")


def draw_bars(values: Sequence[int]) -> bytes:
    """Draw a bar chart: bars numbered from 1, the value above each. Return PNG bytes."""
    image = Image.new("RGB", _CHART_SIZE, "white")
    pen = ImageDraw.Draw(image)
    left, right, top, floor = 30, 610, 50, 310
    step = (right - left) / len(values)
    for number, value in enumerate(values, start=1):
        middle = left + (number - 0.5) * step
        height = (floor - top) * value / max(values)
        pen.rectangle((middle - step * 0.3, floor - height, middle + step * 0.3, floor), fill=_BAR)
        pen.text((middle, floor - height - 4), str(value), fill=_INK, font=_font(18), anchor="md")
        pen.text((middle, floor + 8), str(number), fill=_INK, font=_font(20), anchor="mt")
    pen.line((left, floor, right, floor), fill=_INK, width=2)
    return _png(image)


def draw_funnel(values: Sequence[int]) -> bytes:
    """Draw a funnel: layers numbered from 1 with the value in each, narrowing evenly. Return PNG bytes."""
    image = Image.new("RGB", _CHART_SIZE, "white")
    pen = ImageDraw.Draw(image)
    top, height, middle = 20, 320 / len(values), 340
    for index, value in enumerate(values):
        upper, lower = (260 * (1 - edge / (len(values) + 1)) for edge in (index, index + 1))
        y = top + index * height
        pen.polygon(
            [
                (middle - upper, y),
                (middle + upper, y),
                (middle + lower, y + height - 6),
                (middle - lower, y + height - 6),
            ],
            fill=_FUNNEL[index % len(_FUNNEL)],
        )
        pen.text((middle, y + height / 2 - 3), str(value), fill="white", font=_font(26), anchor="mm")
        pen.text((40, y + height / 2 - 3), str(index + 1), fill=_INK, font=_font(26), anchor="mm")
    return _png(image)


def draw_portrait(number: int, *, image_format: str = "JPEG") -> bytes:
    """Draw what stands in for a candidate's photo: coloured shapes and the candidate's number, no person."""
    width, height = PORTRAIT_SIZE
    hue = number * 0.618 % 1
    image = Image.new("RGB", PORTRAIT_SIZE, _colour(hue, 0.18, 0.97))
    pen = ImageDraw.Draw(image)
    corners = 3 + number % 6
    for ring, radius in enumerate((130, 100, 70)):
        turn = number * 0.7 + ring * 0.5
        pen.regular_polygon(
            (width / 2, height * 0.42, radius),
            n_sides=corners,
            rotation=int(math.degrees(turn)),
            fill=_colour(hue + ring * 0.12, 0.55, 0.9 - ring * 0.18),
        )
    pen.rectangle((0, height - 92, width, height), fill=_colour(hue + 0.5, 0.6, 0.35))
    pen.text((width / 2, height - 46), f"{number:03d}", fill="white", font=_font(64), anchor="mm")
    buffer = io.BytesIO()
    image.save(buffer, image_format, quality=85)
    return buffer.getvalue()


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return int(red * 255), int(green * 255), int(blue * 255)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
