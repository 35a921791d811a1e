"""Laws of reading pictures: each format gives the same pixels, or an error that names the file."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from zigbench.data.formats.pictures import UnreadablePictureError, read_picture

LEFT_RED = np.zeros((8, 8, 3), np.uint8)
LEFT_RED[:, :4, 0] = 255
LEFT_RED[:, 4:, 2] = 255


def encoded(picture: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def read(content, resolution=8, channels=3, **options):
    return read_picture(content, resolution, channels, name="it.png", **options)


def test_pixels_of_a_square_of_the_right_size_are_untouched():
    for content in (encoded(Image.fromarray(LEFT_RED)), LEFT_RED, LEFT_RED.transpose(2, 0, 1)):
        assert np.array_equal(read(content), LEFT_RED.transpose(2, 0, 1))


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_their_exif_says(orientation):
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    whole = encoded(picture, exif=oriented(orientation))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(whole)))
    assert np.array_equal(read(whole).transpose(1, 2, 0), np.asarray(upright))
    assert (orientation == 1) == np.array_equal(upright, picture)


def test_a_picture_is_turned_whatever_else_its_exif_holds():
    exif = oriented(3)
    exif[ExifTags.Base.Make] = "maker"
    whole = encoded(Image.fromarray(LEFT_RED), "JPEG", exif=exif)
    entry, numbers = (struct.pack(">HHI", ExifTags.Base.Make, *of) for of in ((2, len("maker") + 1), (11, 1)))
    assert whole.count(entry) == 1
    broken = whole.replace(entry, numbers)  # The maker told as a number, which can be read and not written.
    with pytest.raises(AttributeError):
        ImageOps.exif_transpose(Image.open(io.BytesIO(broken)))
    assert np.array_equal(read(broken), read(whole))
    assert read(broken)[2, 0, 0] > 128


def test_palettes_and_cmyk_become_the_colours_they_stand_for():
    palette = Image.fromarray(LEFT_RED).quantize(4)
    assert palette.mode == "P"
    assert np.array_equal(read(encoded(palette)), LEFT_RED.transpose(2, 0, 1))
    cmyk = read(encoded(Image.fromarray(LEFT_RED).convert("CMYK"), "TIFF"))
    assert np.array_equal(cmyk, LEFT_RED.transpose(2, 0, 1))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_transparent_is_white(mode):
    clear = Image.new(mode, (8, 8), 0)
    assert (read(encoded(clear)) == 255).all()
    assert (read(encoded(clear), channels=1) == 255).all()


def test_a_transparent_palette_entry_is_white():
    palette = Image.fromarray(LEFT_RED).quantize(4)
    blue = palette.getpixel((7, 0))
    found = read(encoded(palette, transparency=blue))
    assert (found[:, :, 4:] == 255).all()
    assert (found[0, :, :4] == 255).all()
    assert (found[1:, :, :4] == 0).all()


def test_sixteen_bits_keep_their_upper_eight():
    deep = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    assert np.array_equal(read(encoded(Image.fromarray(deep)), channels=1)[0], (deep >> 8).astype(np.uint8))


def test_grey_and_colour_become_each_other():
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    colour = read(encoded(Image.fromarray(grey)))
    assert np.array_equal(colour, np.stack([grey] * 3))
    assert np.array_equal(read(colour, channels=1)[0], grey)


@pytest.mark.parametrize("filter", ["lanczos", "bicubic", "bilinear", "box"])
def test_the_centre_is_kept_and_nothing_is_stretched(filter):
    wide = np.zeros((32, 96, 3), np.uint8)
    wide[:, 20:76] = 200  # The filters see 12 pixels beside the central 32.
    assert (read(encoded(Image.fromarray(wide)), 8, filter=filter) == 200).all()
    assert (read(encoded(Image.fromarray(wide.transpose(1, 0, 2))), 8, filter=filter) == 200).all()


def test_shrinking_averages_instead_of_picking():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    found = read(encoded(Image.fromarray(stripes)), 8, 1)
    assert abs(found.astype(float).mean() - 127.5) < 2
    assert np.ptp(found[:, :, 1:-1]) <= 4


def test_what_is_cut_short_or_no_picture_is_named():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for form in ("PNG", "JPEG"):
        whole = encoded(Image.fromarray(noise), form)
        assert read(whole).shape == (3, 8, 8)
        with pytest.raises(UnreadablePictureError, match=r"^it\.png: "):
            read(whole[: len(whole) // 2])
    for content in (b"", b"no picture", encoded(Image.new("F", (8, 8)), "TIFF")):
        with pytest.raises(UnreadablePictureError, match=r"^it\.png: "):
            read(content)


@pytest.mark.parametrize(
    ("array", "words"),
    [(np.zeros((8, 8), np.float32), "float32"), (np.zeros((8, 8, 2), np.uint8), "1, 3 or 4 channels")],
)
def test_arrays_that_are_no_pictures_are_refused(array, words):
    with pytest.raises(UnreadablePictureError, match=words):
        read(array)


def test_an_implausibly_large_picture_is_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 16)
    with pytest.raises(UnreadablePictureError, match="decompression bomb"):
        read(encoded(Image.fromarray(LEFT_RED)))


@pytest.mark.filterwarnings("ignore:.*(EXIF|Tag data|Metadata):UserWarning")
@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_damaged_exif_data_are_no_fault(form):
    """With any byte of them spoiled, the picture is read in one of the eight ways that a picture can lie."""
    whole = encoded(Image.fromarray(LEFT_RED), form, exif=oriented(6), quality=100)
    upright = read(whole).astype(int)
    turned = [np.rot90(upright, quarter, (1, 2)) for quarter in range(4)]
    views = turned + [view[:, :, ::-1] for view in turned]
    start = max(whole.find(b"MM\0*"), whole.find(b"II*\0"))
    assert start > 0
    for place in range(start, start + 22):
        for value in (0, 0xFF, whole[place] ^ 0x80):
            pixels = read(whole[:place] + bytes([value]) + whole[place + 1 :])
            assert min(np.abs(pixels - view).mean() for view in views) < 3


def test_twelve_bits_in_sixteen_are_refused_and_black_is_not():
    deep = np.linspace(0, 4095, 64).astype(np.uint16).reshape(8, 8)
    with pytest.raises(UnreadablePictureError, match="sixteen-bit levels end at 4095 of 65535"):
        read(encoded(Image.fromarray(deep)))
    assert read(encoded(Image.fromarray(np.zeros((8, 8), np.uint16)))).max() == 0
    with pytest.raises(UnreadablePictureError, match="levels run from 0 to 70000"):
        read(encoded(Image.fromarray(np.linspace(0, 70000, 64).astype(np.int32).reshape(8, 8)), "TIFF"))


@pytest.mark.parametrize("aspect", [0.5, 2.0])
def test_pixels_that_are_not_square_are_stretched_to_their_shape(aspect):
    """Stripes across the long side of a pixel keep their number, and the crop is a square as it is shown."""
    height, width = (32, 64) if aspect == 0.5 else (64, 32)
    grey = np.zeros((height, width), np.uint8)
    grey[: height // 2] = 255
    found = read(grey, 32, 1, aspect=aspect)[0]
    assert found[:14].min() > 250
    assert found[18:].max() < 5
