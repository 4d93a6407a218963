"""The embedded digits: strokes drawn from counts of ink, and the counts enlarged as grey values."""

import hashlib

import numpy as np
import pytest
from scipy.ndimage import label
from sklearn.datasets import load_digits

from course_utils import load_images
from course_utils.data.offline import THRESHOLD, ink
from course_utils.data.resizing import resize

BUNCH = load_digits()
SHARES = BUNCH.images / 16  # Of each block: 4 x 4 pixels of the scanned bitmap.
MARGINS = ((28, 2), (18, 1), (40, 3))


def blocks(pictures):
    """Mean of each of 8 x 8 blocks, 0 to 1; a pixel on a border counts by its area."""
    count, size = pictures.shape[:2]
    parts = pictures.repeat(8, axis=1).repeat(8, axis=2) / 255
    return parts.reshape(count, 8, size, 8, size).mean((2, 4))


@pytest.mark.parametrize(("size", "margin"), MARGINS)
def test_a_block_holds_as_much_ink_as_was_counted(size, margin):
    """Coverage is measured on the picture itself; at 28 pixels a block has 3 x 3 of them."""
    pictures = load_images("digits", size=size).images[:, margin:-margin, margin:-margin, 0]
    error = np.abs(blocks(pictures) - SHARES)
    assert error.mean() <= 0.06
    assert error.mean((1, 2)).max() <= 0.1  # In no picture more.
    assert error[SHARES == 0].mean() <= 0.02 and error[SHARES == 1].mean() <= 0.02


def test_the_measure_of_ink_sees_a_wrong_picture():
    """Other digits, a shift by one pixel and half of the brightness all exceed the bound."""
    pictures = load_images("digits").images[:, 2:-2, 2:-2, 0]
    for wrong in (np.roll(pictures, 1, axis=0), np.roll(pictures, 1, axis=2), pictures // 2):
        assert np.abs(blocks(wrong) - SHARES).mean() > 0.06


def test_a_full_page_is_white_an_empty_one_black():
    for share, value in ((0, 0), (THRESHOLD - 0.01, 0), (THRESHOLD + 0.01, 255), (1, 255)):
        assert (ink(np.full((1, 8, 8), share), 24) == value).all()


def test_a_full_block_is_white_and_its_distant_neighbours_are_black():
    shares = np.zeros((1, 8, 8))
    shares[0, 2, 3] = 1
    picture = ink(shares, 48)[0]
    block = picture[12:18, 18:24]
    assert (block[1:-1, 1:-1] == 255).all()  # The corners of a lone block are round.
    rest = picture.copy()
    rest[11:19, 17:25] = 0
    assert not rest.any()
    assert np.array_equal(picture[12:18, 18:24], block.T)
    assert np.array_equal(block, block[::-1, ::-1])


def test_a_straight_edge_stands_where_the_shares_say():
    """Half a page of ink ends at its border; a column of grey blocks moves the border by its share.

    The threshold is a little below one half, so that the strokes are a little wider.
    """
    shares = np.zeros((1, 8, 8))
    shares[:, :, :4] = 1
    for grey in (0, 0.25, 0.5, 0.75, 1):
        shares[:, :, 4] = grey
        picture = ink(shares, 64)[0] / 255
        assert np.ptp(picture, axis=0).max() == 0  # All rows are alike.
        width = picture[0].sum() / 8  # In blocks.
        assert width == pytest.approx(4 + grey, abs=0.15)
        assert (np.sort(picture[0])[::-1] == picture[0]).all()


def test_strokes_are_crisp_but_anti_aliased():
    strokes = load_images("digits").images
    blurred = load_images("digits-blurred").images
    grey_strokes, grey_blurred = (((x > 25) & (x < 230)).mean() for x in (strokes, blurred))
    assert 0.05 < grey_strokes < 0.15
    assert grey_blurred > 2 * grey_strokes
    assert len(np.unique(strokes)) > 50


def test_few_digits_fall_apart():
    broken = [label(picture > 127, np.ones((3, 3)))[1] > 1 for picture in
              load_images("digits", size=56).images[..., 0]]  # fmt: skip
    assert np.sum(broken) <= 25  # Of 1,797; it is 43 with a threshold of one half.


def test_the_blurred_digits_are_the_counts_enlarged_inside_a_margin():
    for size, margin in ((28, 2), (16, 1), (64, 5)):
        images = load_images("digits-blurred", size=size).images[..., 0]
        for image, original in zip(images[:20], BUNCH.images[:20], strict=True):
            grey = (original * 255 / 16).round().astype(np.uint8)
            inner = image[margin:-margin, margin:-margin]
            assert np.array_equal(inner, resize(grey, size - 2 * margin))
            assert image.sum(dtype=int) == inner.sum(dtype=int)


@pytest.mark.parametrize(
    ("name", "size", "digest"),
    [
        ("digits-blurred", 28, "a442a83f8fdd2f13"),
        ("digits-blurred", 16, "c2e4578869615aaa"),
        ("street-blurred", 32, "bdbe661f6453a98f"),
        ("street-blurred", 28, "08489b13f4bbf63b"),
    ],
)
def test_the_blurred_sets_are_bit_for_bit_those_of_the_first_edition(name, size, digest):
    """Chapters 04 to 11 were measured on them."""
    image_set = load_images(name, size=size)
    found = hashlib.sha256(image_set.images.tobytes() + image_set.labels.tobytes())
    assert found.hexdigest()[:16] == digest


@pytest.mark.parametrize("name", ["digits-blurred", "street-blurred"])
def test_the_blurred_sets_keep_their_name_and_are_not_advertised(name):
    assert load_images(name, size=8).name == name.removesuffix("-blurred")
    with pytest.raises(ValueError, match=r"^No data set is called 'digit'\. (?!.*blurred)"):
        load_images("digit")
