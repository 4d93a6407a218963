"""Figures as a moving picture, which needs neither a kernel nor a script."""

import io

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

from .figures import closes_what_fails, show_picture

COLOURS_A_FRAME = 64  # A palette keeps a moving figure small enough to be stored.


@closes_what_fails
def show_moving(draw, moments, description, frame_seconds=0.2):
    """Draw a figure for each moment, and play them as an animated picture.

    It is an animated PNG, as :func:`show_replay` makes of samples: it plays in JupyterLab, in a
    viewer and in exported HTML.

    Parameters
    ----------
    draw : callable
        ``draw(moment)`` returns a Matplotlib figure; all of the same size.
    moments : sequence
        What ``draw`` is called with, a frame each.
    description : str
        What the moving picture shows, in words.
    frame_seconds : float, optional
        How long each frame stays; the first and the last stay one and two seconds.

    Raises
    ------
    ValueError
        If there are fewer than two moments, or their figures differ in size.
    """
    frames = [_pixels(draw(moment)) for moment in moments]
    if len(frames) < 2 or len({frame.size for frame in frames}) > 1:
        raise ValueError(
            "show_moving needs two or more figures of one size, but got "
            f"{len(frames)} of {sorted({frame.size for frame in frames})} pixels."
        )
    # One palette for all: else a frame's colours would flicker.
    page = np.concatenate(
        [np.asarray(frame)[::2, ::2] for frame in frames[:: -(-len(frames) // 8)]]
    )
    palette = Image.fromarray(page).quantize(COLOURS_A_FRAME)
    first, *others = [frame.quantize(palette=palette, dither=0) for frame in frames]
    seconds = [1.0, *[frame_seconds] * (len(others) - 1), 2.0]
    buffer = io.BytesIO()
    first.save(
        buffer,
        "PNG",
        save_all=True,
        append_images=others,
        loop=0,
        duration=[round(1000 * s) for s in seconds],
    )
    show_picture(buffer.getvalue(), description)


def _pixels(figure):
    """Draw a figure whole, at its own size, and close it."""
    figure.set_facecolor("white")
    figure.canvas.draw()
    pixels = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    plt.close(figure)
    return pixels
