"""Figures as a moving picture, which needs neither a kernel nor a script."""

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image, ImageColor

from ..refusals import check_callable, check_description, check_number
from .figures import COLOURS, animation_png, check_figure, closes_what_fails, show_picture

COLOURS_A_FRAME = 64  # A palette keeps a moving figure small enough to be stored.
STRIPE = 24  # Pixels.
NEARLY_WHITE = 247  # Of 255.


@closes_what_fails
def show_moving(draw, moments, description, frame_seconds=0.2):
    """Draw a figure for each moment, and play them as an animated picture.

    It is an animated PNG, as :func:`show_replay` makes of samples: it plays in JupyterLab, in a
    viewer and in exported HTML.

    Parameters
    ----------
    draw : callable
        ``draw(moment)`` returns a Matplotlib figure; all of the same size.
    moments : list, tuple or range
        What ``draw`` is called with, a frame each.
    description : str
        What the moving picture shows, in words.
    frame_seconds : float, optional
        How long each frame stays; the first and the last stay one and two seconds.

    Raises
    ------
    ValueError
        If there are fewer than two moments, or ``draw`` returns no figures of one size.
    """
    check_callable("draw", draw)
    check_description(description)
    check_number("frame_seconds", frame_seconds, 0.01, 60)
    if not isinstance(moments, (list, tuple, range)):
        raise ValueError(f"moments must be a list, tuple or range, but got {moments!r}.")
    frames = [_pixels(draw(moment)) for moment in moments]
    if len(frames) < 2 or len({frame.size for frame in frames}) > 1:
        raise ValueError(
            "show_moving needs two or more figures of one size, but got "
            f"{len(frames)} of {sorted({frame.size for frame in frames})} pixels."
        )
    palette = _common_palette(frames)
    frames = [frame.quantize(palette=palette, dither=0) for frame in frames]
    seconds = [1.0, *[frame_seconds] * (len(frames) - 2), 2.0]
    show_picture(animation_png(frames, seconds), description)


def _common_palette(frames):
    """Return one palette for all frames, as an image: else their colours would flicker.

    White and the course's colours get a stripe each, as wide as a frame: a title has too few pixels
    to keep its colour otherwise.
    """
    pages = [np.asarray(frame)[::2, ::2] for frame in frames[:: -(-len(frames) // 8)]]
    stripes = [ImageColor.getrgb(colour) for colour in ("white", *COLOURS.values())]
    stripes = np.repeat(np.array(stripes, np.uint8), STRIPE, axis=0)
    stripes = np.broadcast_to(stripes[:, None], (len(stripes), pages[0].shape[1], 3))
    palette = Image.fromarray(np.concatenate([*pages, stripes])).quantize(COLOURS_A_FRAME)
    table = np.array(palette.getpalette()).reshape(-1, 3)
    table[(table > NEARLY_WHITE).all(axis=1)] = 255  # Pillow may take such a grey for white.
    palette.putpalette(table.ravel().tolist())
    return palette


def _pixels(figure):
    """Draw a figure whole, at its own size, and close it."""
    check_figure(figure)
    figure.set_facecolor("white")
    figure.canvas.draw()
    pixels = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    plt.close(figure)
    return pixels
