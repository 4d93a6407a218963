"""The two sets that need no network: scikit-learn's digits, and house numbers made of them."""

import numpy as np

from .image_set import ImageSet
from .resizing import resize

OFFLINE = ("digits", "street")
DIGIT_NAMES = tuple(str(digit) for digit in range(10))
FINER = 8
# Half would be the unbiased choice. Thin strokes break and loops open there: with .5, 43 of the
# 1,797 digits fall apart and 35 % of the zeros are open; with .45 it is 17, and 22 %.
THRESHOLD = 0.45


def load_digit_images(size, blurred=False):
    """Bring scikit-learn's 8 x 8 digits to a size, bright on black, with a margin.

    The set is that of E. Alpaydin and C. Kaynak, *Optical Recognition of Handwritten Digits*, UCI
    Machine Learning Repository, 1998 (https://doi.org/10.24432/C50P49); scikit-learn ships its test
    part. Its authors scanned each digit as a bitmap of 32 x 32 and kept 8 x 8 counts: how many of a
    block's 4 x 4 pixels, 0 to 16, were inked. `ink` draws strokes from these counts.

    Parameters
    ----------
    size : int
        Height and width of the result, in pixels.
    blurred : bool, optional
        Enlarge the counts as if they were grey values, instead of drawing strokes.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    margin = round(size / 14)  # The 8 x 8 originals touch their frame; MNIST's digits do not.
    inside = slice(margin, size - margin)
    images = np.zeros((len(bunch.images), size, size, 1), np.uint8)
    if blurred:
        grey = (bunch.images * (255 / 16)).round().astype(np.uint8)
        drawn = np.stack([resize(digit, size - 2 * margin) for digit in grey])
    else:
        drawn = ink(bunch.images / 16, size - 2 * margin)
    images[:, inside, inside, 0] = drawn
    return ImageSet("digits", images, bunch.target.astype(np.int64), DIGIT_NAMES)


def ink(coverage, size):
    """Draw strokes from the share of ink in each block of a square picture.

    A cubic spline through the shares of the blocks is evaluated on a grid eight times finer than
    the picture. Where it exceeds `THRESHOLD`, the grid is white. Each pixel is then the mean of its
    8 x 8 grid points: inside and outside are flat, and the edge of a stroke is anti-aliased.

    Parameters
    ----------
    coverage : numpy.ndarray
        Pictures of shape (N, blocks, blocks), 0 for a block without ink, 1 for a full one.
    size : int
        Height and width of the result, in pixels.

    Returns
    -------
    numpy.ndarray
        uint8 of shape (N, size, size), 0 to 255.
    """
    from scipy.ndimage import zoom

    blocks = coverage.shape[1]
    # The spline is linear in its values and separable: its values at the grid, for a unit in each
    # block of a column, are a matrix for rows and for columns.
    spline = zoom(
        np.eye(blocks), (FINER * size / blocks, 1), order=3, mode="nearest", grid_mode=True
    )
    images = np.empty((len(coverage), size, size), np.uint8)
    for image, shares in zip(images, coverage, strict=True):
        white = spline @ shares @ spline.T > THRESHOLD
        image[:] = (255 * white.reshape(size, FINER, size, FINER).mean((1, 3))).round()
    return images


def load_street(size, blurred=False, variants=4, seed=0):
    """Compose house numbers: a coloured digit with its neighbours cut off, on a shaded wall."""
    digits = load_digit_images(size, blurred)
    rng = np.random.default_rng(seed)
    count = variants * len(digits)
    shown = np.tile(np.arange(len(digits)), variants)
    strokes = digits.images[..., 0].astype(np.float32) / 255
    middle = strokes[shown]
    shift = size - 2 * round(size / 14) - round(size / 8)  # Neighbours overlap the margin a little.
    left = np.roll(strokes[rng.integers(len(digits), size=count)], -shift, axis=2)
    right = np.roll(strokes[rng.integers(len(digits), size=count)], shift, axis=2)
    left[:, :, size - shift :] = 0
    right[:, :, :shift] = 0
    mask = np.maximum(middle, np.maximum(left, right))[..., None]

    def colour(darkest, brightest):
        grey = rng.uniform(darkest, brightest, (count, 1, 1, 1))
        tint = rng.uniform(-0.2, 0.2, (count, 1, 1, 3))
        return grey + tint - tint.mean(axis=3, keepdims=True)  # No tint changes the brightness.

    wall, paint = colour(0.1, 0.35), colour(0.65, 0.9)  # One dark, one bright: always legible.
    bright_wall = rng.random((count, 1, 1, 1)) < 0.5
    wall, paint = np.where(bright_wall, paint, wall), np.where(bright_wall, wall, paint)
    shade = np.linspace(-1, 1, size)[None, :, None, None] * rng.uniform(
        -0.12, 0.12, (count, 1, 1, 1)
    )
    picture = wall * (1 - mask) + paint * mask + shade
    images = (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)
    return ImageSet("street", images, digits.labels[shown], digits.class_names)
