"""Pictures that come from outside: looked at before they are unpacked, and written anew."""

from __future__ import annotations

import warnings
from io import BytesIO

from PIL import Image, ImageOps

from station.errors import Invalid, problem

NOT_A_PICTURE = problem(
    "not_a_picture",
    "“{name}”不是可用的图片（{reason_zh}）。请换成 JPG 或 PNG 图片。",
    "{name} is not a picture that can be used ({reason_en}). Use a JPG or PNG picture.",
)
PICTURE_TOO_LARGE = problem(
    "picture_too_large",
    "图片“{name}”尺寸过大（{width}×{height}），请缩小到 {limit_mp} 百万像素以内。",
    "The picture {name} is too large ({width}×{height}): up to {limit_mp} megapixels.",
)

MAX_PIXELS = 40_000_000
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
MEDIA_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp", "BMP": "image/bmp"}


def open_picture(raw: bytes, name: str, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """Open and unpack a picture whole; what is none, damaged or too large is refused by name.

    The size is read from the header first, so that a small file cannot unpack into gigabytes.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns above its own bound; ours is lower and refuses
            picture = Image.open(BytesIO(raw), formats=formats)
            if picture.width * picture.height <= MAX_PIXELS:
                picture.load()
                return picture
    except Image.DecompressionBombError as error:
        raise Invalid(PICTURE_TOO_LARGE, name=name, width="?", height="?", limit_mp=MAX_PIXELS // 10**6) from error
    except Exception as error:
        # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error … for damaged files.
        reason = type(error).__name__
        raise Invalid(NOT_A_PICTURE, name=name, reason_zh=reason, reason_en=reason) from error
    limit = MAX_PIXELS // 10**6
    raise Invalid(PICTURE_TOO_LARGE, name=name, width=picture.width, height=picture.height, limit_mp=limit)


def as_photo(raw: bytes, name: str, *, height: int) -> bytes:
    """Write a candidate's photo anew as JPEG of at most `height` pixels, upright and without its metadata."""
    picture = _on_white(_upright(open_picture(raw, name, ("JPEG", "PNG"))))
    if picture.height > height:
        width = max(1, round(picture.width * height / picture.height))
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return _written(picture, "JPEG", quality=88)


def as_illustration(raw: bytes, name: str, *, longest: int = 1600) -> tuple[bytes, str]:
    """Write a paper's picture anew on white, as (bytes, extension): JPEG stays JPEG, all else becomes PNG."""
    opened = open_picture(raw, name)
    picture = _on_white(_upright(opened))
    picture.thumbnail((longest, longest))
    if opened.format == "JPEG":
        return _written(picture, "JPEG", quality=90), ".jpg"
    return _written(picture, "PNG", optimize=True), ".png"


def _upright(picture: Image.Image) -> Image.Image:
    return ImageOps.exif_transpose(picture)


def _on_white(picture: Image.Image) -> Image.Image:
    """Turn any mode into RGB; what is transparent becomes white."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _written(picture: Image.Image, kind: str, **options: int | bool) -> bytes:
    picture.info.clear()
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()
