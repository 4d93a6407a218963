"""One picture file: every mode and format that a student has comes out as a viewer shows it."""

import io
import subprocess
import tracemalloc

import numpy as np
import pytest
from image_files import one_picture
from PIL import Image, ImageDraw

from course_utils import load_images
from course_utils.data import pictures
from course_utils.data.folder import natural

RAMP = np.tile(np.arange(32, dtype=np.float64) / 31, (32, 1))
LOOK = (
    ("16 bits", "png", lambda: (65520 * RAMP).astype(np.uint16)),
    ("16 bits", "tif", lambda: (65520 * RAMP).astype(np.uint16)),
    ("32 bits", "tif", lambda: (7e6 * RAMP - 3e6).astype(np.int32)),
    ("floats", "tif", lambda: (0.2 * RAMP - 5).astype(np.float32)),
    ("8 bits", "tif", lambda: (255 * RAMP).astype(np.uint8)),
)


@pytest.mark.parametrize(("name", "suffix", "ramp"), LOOK)
def test_a_grey_ramp_is_a_ramp_whatever_its_numbers_are(tmp_path, name, suffix, ramp):
    image_set = one_picture(tmp_path, Image.fromarray(ramp()), suffix)
    assert image_set.channels == 1
    np.testing.assert_allclose(image_set.images[0, ..., 0], 255 * RAMP, atol=1)


def test_sixteen_bits_keep_their_brightness(tmp_path):
    """A dark picture stays dark: the range is that of 16 bits, not that of the picture."""
    dark = Image.fromarray(np.full((32, 32), 257 * 20, np.uint16))
    assert (one_picture(tmp_path, dark).images == 20).all()


def test_a_flat_picture_of_floats_is_black_and_nan_is_refused(tmp_path):
    flat = Image.fromarray(np.full((32, 32), 0.3, np.float32))
    assert (one_picture(tmp_path, flat, "tif").images == 0).all()
    with pytest.raises(OSError, match=r"one\.tif is not .*not finite"):
        one_picture(tmp_path, Image.fromarray(np.full((32, 32), np.nan, np.float32)), "tif")


def disc(mode):
    """A red, or bright, disc on what is transparent and would be green."""
    page = Image.new("RGBA", (32, 32), (0, 255, 0, 0))
    ImageDraw.Draw(page).ellipse((6, 6, 26, 26), fill=(255, 0, 0, 255))
    return page.convert(mode)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "gif"])
@pytest.mark.parametrize(
    ("background", "corner"),
    [
        ("black", (0, 0, 0)),
        ("white", (255, 255, 255)),
        ((1, 2, 3), (1, 2, 3)),
        ("#0a0", (0, 170, 0)),
    ],
)
def test_transparency_is_laid_on_the_background(tmp_path, suffix, background, corner):
    image = one_picture(tmp_path, disc("RGBA"), suffix, background=background).images[0]
    np.testing.assert_allclose(image[0, 0], corner, atol=3)
    np.testing.assert_allclose(image[16, 16], (255, 0, 0), atol=3)


def test_half_transparent_is_half_background(tmp_path):
    page = Image.new("LA", (32, 32), (200, 128))
    image_set = one_picture(tmp_path, page)
    assert image_set.channels == 1
    np.testing.assert_allclose(image_set.images, 100, atol=1)
    np.testing.assert_allclose(one_picture(tmp_path, page, background="white").images, 227, atol=1)


def test_a_colour_that_a_file_declares_transparent_is_background(tmp_path):
    page = Image.new("RGB", (32, 32), (9, 9, 9))
    page.paste((200, 0, 0), (0, 0, 32, 16))
    image = one_picture(tmp_path, page, transparency=(9, 9, 9), background="white").images[0]
    assert image[31, 0].tolist() == [255, 255, 255]
    assert image[0, 0].tolist() == [200, 0, 0]


@pytest.mark.parametrize(
    ("page", "suffix", "channels"),
    [
        (Image.new("1", (9, 9), 1), "png", 1),
        (Image.new("L", (9, 9), 60), "gif", 1),
        (Image.new("L", (9, 9), 60).convert("P"), "png", 1),
        (Image.new("LA", (9, 9), (60, 255)), "png", 1),
        (Image.new("RGB", (9, 9), "red").convert("P"), "png", 3),
        (Image.new("RGB", (9, 9), "red"), "gif", 3),
        (Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "jpg", 3),
        (Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "tif", 3),
    ],
)
def test_grey_stays_grey_and_everything_else_becomes_rgb(tmp_path, page, suffix, channels):
    image_set = one_picture(tmp_path, page, suffix)
    assert image_set.channels == channels
    expected = {1: [255] if page.mode == "1" else [60], 3: (254, 0, 0)}[channels]
    np.testing.assert_allclose(image_set.images[0, 4, 4], expected, atol=2)
    for forced in (1, 3):
        assert one_picture(tmp_path, page, suffix, channels=forced).channels == forced


def test_the_orientation_of_a_photo_is_applied(tmp_path):
    """Orientation 6: the camera was turned, so the left edge of the file is the top."""
    page = Image.new("RGB", (64, 64), "red")
    page.paste((0, 0, 255), (0, 0, 32, 64))
    exif = Image.Exif()
    exif[0x0112] = 6
    image = one_picture(tmp_path, page, "jpg", exif=exif).images[0].astype(int)
    assert (image[:14, :, 2] > 200).all()
    assert (image[18:, :, 0] > 200).all()


@pytest.mark.parametrize("suffix", ["gif", "tif", "webp", "png"])
def test_a_file_of_several_pages_gives_the_first(tmp_path, suffix):
    pages = [Image.new("L", (32, 32), level) for level in (40, 90, 140)]
    images = one_picture(tmp_path, pages[0], suffix, save_all=True, append_images=pages[1:]).images
    np.testing.assert_allclose(images, 40, atol=2)


# --- shapes ------------------------------------------------------------------------------------


def banner():
    """A white square in the middle of a black banner."""
    page = Image.new("L", (96, 32), 0)
    page.paste(255, (32, 0, 64, 32))
    return page


def test_the_three_fits(tmp_path, capsys):
    assert (one_picture(tmp_path, banner()).images == 255).all()
    said = capsys.readouterr().out
    assert "1 of 1 pictures are not square" in said and "67% of their area was cut off" in said
    padded = one_picture(tmp_path, banner(), fit="pad", background="#808080").images[0, ..., 0]
    assert (padded[[0, -1]] == 128).all() and padded[16, 16] == 255 and padded[16, 0] == 0
    stretched = one_picture(tmp_path, banner(), fit="stretch").images[0, ..., 0]
    assert (stretched[:, 13:19] == 255).all() and (stretched[:, [0, -1]] == 0).all()
    assert "not square" not in capsys.readouterr().out


@pytest.mark.parametrize("argument", [{"fit": "fill"}, {"background": "blak"}, {"channels": 2},
                                      {"background": (1, 2)}, {"background": None}])  # fmt: skip
def test_an_impossible_argument_is_named(tmp_path, argument):
    with pytest.raises(ValueError, match=f"{next(iter(argument))} must be"):
        one_picture(tmp_path, banner(), **argument)


@pytest.mark.parametrize("argument", [{"fit": "pad"}, {"background": "white"}, {"channels": 3}])
def test_other_sets_take_no_argument_of_a_folder(argument):
    with pytest.raises(ValueError, match="are for \"folder\", not for 'digits'"):
        load_images("digits", **argument)


# --- files that are no pictures ----------------------------------------------------------------


def test_no_outside_program_is_ever_started(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise AssertionError("a program was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    (tmp_path / "a").mkdir()
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n"
    (tmp_path / "a" / "y.png").write_bytes(program)
    with pytest.raises(OSError, match=r"y\.png is not a readable picture"):
        load_images("folder", root=tmp_path)


def test_a_picture_above_the_limit_is_refused_by_name(tmp_path, monkeypatch):
    assert pictures.MOST_PIXELS == 80_000_000  # What the message calls 80 million.
    monkeypatch.setattr(pictures, "MOST_PIXELS", 3_000_000)
    assert len(one_picture(tmp_path, Image.new("L", (2000, 1500)))) == 1
    with pytest.raises(OSError, match=r"one\.png .*2000 x 1501 pixels, and at most 3 million"):
        one_picture(tmp_path, Image.new("L", (2000, 1501)))


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "webp", "tif", "bmp"])
def test_a_file_with_wrong_bytes_is_read_or_named(tmp_path, suffix, recwarn):
    """Two thousand slips in six formats; none ends in anything but a picture or one error."""
    rng = np.random.default_rng(0)
    stored = io.BytesIO()
    noise = rng.integers(256, size=(12, 12, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stored, {"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix))
    good = np.frombuffer(stored.getvalue(), np.uint8)
    path = tmp_path / "a" / f"one.{suffix}"
    path.parent.mkdir()
    outcomes = set()
    for _ in range(334):
        end = rng.integers(1, len(good)) if rng.random() < 0.3 else len(good)
        bad = good[:end].copy()
        places = rng.integers(end, size=rng.integers(1, 9))
        bad[places] = rng.integers(256, size=len(places))
        path.write_bytes(bad.tobytes())
        try:
            image_set = load_images("folder", size=8, root=tmp_path)
        except OSError as error:
            assert f"one.{suffix} is not a readable picture" in str(error)
            outcomes.add("named")
        else:
            assert image_set.images.shape[:3] == (1, 8, 8)
            outcomes.add("read")
    assert outcomes == {"named", "read"}
    assert len(recwarn) == 0


# --- many files --------------------------------------------------------------------------------


def test_numbers_in_names_sort_by_value():
    names = ["10", "2", "a10", "a2", "B1", "b02", "1"]
    assert sorted(names, key=natural) == ["1", "2", "10", "a2", "a10", "B1", "b02"]


def test_pictures_go_straight_into_the_result(tmp_path):
    """At most 1.3 times the memory of the result, measured with 2,000 pictures."""
    (tmp_path / "a").mkdir()
    Image.new("RGB", (64, 64), "red").save(tmp_path / "a" / "0.png")
    for number in range(1, 2000):
        (tmp_path / "a" / f"{number}.png").hardlink_to(tmp_path / "a" / "0.png")
    load_images("folder", size=8, root=tmp_path)  # Imports and caches do not count.
    tracemalloc.start()
    image_set = load_images("folder", size=64, root=tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * image_set.images.nbytes
