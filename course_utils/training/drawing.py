"""The picture of a training that runs: a panel of losses, one of other values, one of samples.

Matplotlib takes some 60 ms for it. Pillow takes some 10, so the picture can move twice a second
and leave the time to the training.
"""

import functools
import io
import itertools
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw, ImageFont

from ..arrays import to_numpy
from ..plots import COLOURS, tile

DENSITY = 2  # Pixels of the picture for one of the page: sharp on screens of high density.
PANEL = (300 * DENSITY, 190 * DENSITY)
LEFT, TOP, RIGHT, BOTTOM = (margin * DENSITY for margin in (46, 22, 14, 22))
DOT = 2 * DENSITY
MOST_POINTS = 100  # Of a curve: longer ones become means of as many blocks.
MOST_SAMPLES, COLUMNS = 32, 8
DARK, LIGHT = "#333333", "#DDDDDD"
OWN = {
    "d_loss": DARK,
    "g_loss": COLOURS["generated"],
    "D(x)": COLOURS["real"],
    "D(G(z))": COLOURS["generated"],
}
OTHERS = (DARK, COLOURS["generated"], COLOURS["real"], "#E69F00", "#56B4E9", "#999999")


def samples_page(samples):
    """Return samples as the page that their panel shows.

    Parameters
    ----------
    samples : batch
        Pictures, as :func:`as_images` takes them, or points of shape (N, 2); of either framework.

    Returns
    -------
    PIL.Image.Image
        RGB, no larger than a panel's inside.

    Raises
    ------
    ValueError
        If they are neither.
    """
    array = to_numpy(samples)
    width, height = PANEL[0] - 2 * RIGHT, PANEL[1] - TOP - RIGHT
    if array.ndim == 2 and array.shape[1] == 2:
        return _scatter(array, min(width, height))
    page = (255 * tile(array[:MOST_SAMPLES], min(COLUMNS, len(array)))).round().astype(np.uint8)
    image = Image.fromarray(page.squeeze()).convert("RGB")
    factor = min(width / image.width, height / image.height)
    if factor >= 1:  # Whole pixels stay whole.
        return image.resize([int(factor) * side for side in image.size], Image.Resampling.NEAREST)
    sides = [max(1, int(factor * side)) for side in image.size]
    return image.resize(sides, Image.Resampling.BOX)


def _scatter(points, side):
    points = points[np.isfinite(points).all(1)]
    far = 1.1 * max(np.abs(points).max(initial=0), 1e-6)
    page = np.full((side, side, 3), 255, np.uint8)
    columns, rows = ((points / far + 1) / 2 * (side - DOT)).astype(int).T
    for down, right in itertools.product(range(DOT), repeat=2):
        page[side - DOT - rows + down, columns + right] = _rgb(COLOURS["generated"])
    return Image.fromarray(page)


def draw_training(values, taken, steps, page=None):
    """Draw the curves of a training, and a page of samples beside them.

    Parameters
    ----------
    values : dict of str to list of float
        As in a :class:`History`.
    taken, steps : int
        Steps that were taken, and those of the whole training, which the axis shows.
    page : PIL.Image.Image, optional
        From :func:`samples_page`.

    Returns
    -------
    PIL.Image.Image
        RGB, with ``DENSITY`` pixels for one of the page.
    """
    losses = {key: curve for key, curve in values.items() if "loss" in key}
    others = {key: curve for key, curve in values.items() if "loss" not in key}
    groups = [group for group in (losses, others) if group]
    image = Image.new("RGB", (PANEL[0] * (len(groups) + bool(page)), PANEL[1]), "white")
    pen = ImageDraw.Draw(image)
    for place, group in enumerate(groups):
        _draw_curves(pen, place * PANEL[0], group, taken, steps)
    if page:
        pen.text((len(groups) * PANEL[0] + RIGHT, 4), "samples", DARK, _font())
        image.paste(page, (len(groups) * PANEL[0] + RIGHT, TOP))
    return image


def nothing():
    """Return a picture that cannot be seen; a browser shows one without bytes as broken."""
    return Image.new("RGB", (1, 1), "white")


def encode(image, kind="jpeg"):
    """Return a picture as bytes: JPEG is made in a fifth of the time of PNG, which is exact."""
    buffer = io.BytesIO()
    options = {"quality": 92, "subsampling": 0} if kind == "jpeg" else {}
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _draw_curves(pen, left, curves, taken, steps):
    """Draw one panel: frame, ticks, names, curves."""
    right, bottom = left + PANEL[0] - RIGHT, PANEL[1] - BOTTOM
    left, top = left + LEFT, TOP
    drawn = {key: _thin(values, taken) for key, values in curves.items()}
    heights = np.concatenate([y for _, y in drawn.values()])
    low, high = heights.min(), heights.max()
    margin = 0.05 * (high - low) or 0.5 * abs(high) or 1.0
    low, high = low - margin, high + margin

    def x_of(step):
        return left + step / steps * (right - left)

    def y_of(value):
        return bottom - (value - low) / (high - low) * (bottom - top)

    for tick in MaxNLocator(4).tick_values(low, high):
        if low <= tick <= high:
            pen.line((left, y_of(tick), right, y_of(tick)), LIGHT, DENSITY)
            pen.text((left - 8, y_of(tick)), f"{tick:.3g}", DARK, _font(), anchor="rm")
    for tick, anchor in ((0, "lt"), (steps, "rt")):
        pen.text((x_of(tick), bottom + 8), f"{tick:,}", DARK, _font(), anchor=anchor)
    pen.text(((left + right) / 2, bottom + 8), "step", DARK, _font(), anchor="mt")
    place = left
    for number, (key, (x, y)) in enumerate(drawn.items()):
        colour = OWN.get(key, OTHERS[number % len(OTHERS)])
        points = list(zip(x_of(x).tolist(), y_of(y).tolist(), strict=True))
        pen.line(points, colour, 2 * DENSITY, joint="curve")
        pen.circle(points[-1], 2 * DENSITY, colour)
        if place < right:
            pen.text((place, 4), key, colour, _font())
        place += pen.textlength(key, _font()) + 10 * DENSITY


def _thin(values, taken):
    """Return steps and values of a curve, as means of blocks if there are many."""
    values = np.asarray(values, float)
    ends = np.linspace(0, taken, len(values) + 1)[1:]
    block = -(-len(values) // MOST_POINTS)
    starts = np.arange(0, len(values), block)
    counts = np.diff(np.append(starts, len(values)))
    return ends[starts + counts - 1], np.add.reduceat(values, starts) / counts


def _rgb(colour):
    return tuple(bytes.fromhex(colour[1:]))


@functools.cache
def _font():
    """Return the letters of the course's other figures."""
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(str(path), 10 * DENSITY)
