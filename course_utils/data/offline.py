"""The two sets that need no network: scikit-learn's digits, and house numbers made of them."""

import numpy as np

from .image_set import ImageSet
from .resizing import resize

OFFLINE = ("digits", "street")
DIGIT_NAMES = tuple(str(digit) for digit in range(10))


def load_digit_images(size):
    """Bring scikit-learn's 8 x 8 digits to a size, bright on black, with a margin."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    margin = round(size / 14)  # The 8 x 8 originals touch their frame; MNIST's digits do not.
    grey = (bunch.images * (255 / 16)).round().astype(np.uint8)
    images = np.zeros((len(grey), size, size, 1), np.uint8)
    for canvas, digit in zip(images, grey, strict=True):
        canvas[margin : size - margin, margin : size - margin, 0] = resize(digit, size - 2 * margin)
    return ImageSet("digits", images, bunch.target.astype(np.int64), DIGIT_NAMES)


def load_street(size, variants=4, seed=0):
    """Compose house numbers: a coloured digit with its neighbours cut off, on a shaded wall."""
    digits = load_digit_images(size)
    rng = np.random.default_rng(seed)
    count = variants * len(digits)
    shown = np.tile(np.arange(len(digits)), variants)
    ink = digits.images[..., 0].astype(np.float32) / 255
    middle = ink[shown]
    shift = size - 2 * round(size / 14) - round(size / 8)  # Neighbours overlap the margin a little.
    left = np.roll(ink[rng.integers(len(digits), size=count)], -shift, axis=2)
    right = np.roll(ink[rng.integers(len(digits), size=count)], shift, axis=2)
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
