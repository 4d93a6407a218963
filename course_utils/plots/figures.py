"""What every figure of the course has: a description, an opaque page and the same colours."""

import functools
import io
from base64 import b64encode

import matplotlib.pyplot as plt
from IPython.display import display
from matplotlib.figure import Figure

from ..refusals import check_description, check_kind, check_named

COLOURS = {
    "PyTorch": "#D55E00",
    "TensorFlow": "#0072B2",
    "real": "#009E73",
    "generated": "#CC79A7",
}


def closes_what_fails(draw):
    """Make a drawing function close the figures that it opened, if it fails.

    Else they would appear under the next cell, or fill the memory.
    """

    @functools.wraps(draw)
    def draw_or_close(*arguments, **options):
        before = set(plt.get_fignums())
        try:
            return draw(*arguments, **options)
        except BaseException:
            for number in set(plt.get_fignums()) - before:
                plt.close(number)
            raise

    return draw_or_close


def show_figure(figure, description):
    """Show a Matplotlib figure once, with a text description, and close it.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    description : str
        What a reader who cannot see it needs to know, in a sentence or two. nbval compares it, so
        it holds no number that changes from run to run.
    """
    show_picture(figure_png(figure), description)


def show_picture(png, description):
    """Show PNG bytes, as :func:`show_figure` shows a figure."""
    data, metadata = bundle(png, description)
    display(data, metadata=metadata, raw=True)


def animation_png(frames, seconds):
    """Return Pillow images as the bytes of an animated PNG, each shown for its seconds."""
    first, *others = frames
    buffer = io.BytesIO()
    first.save(
        buffer,
        "PNG",
        save_all=True,
        append_images=others,
        loop=0,
        duration=[round(1000 * s) for s in seconds],
    )
    return buffer.getvalue()


def check_figure(figure):
    """Refuse what is no Matplotlib figure."""
    if not isinstance(figure, Figure):
        raise ValueError(f"Expected a Matplotlib figure, but got {type(figure).__name__}.")


def figure_png(figure, density=1):
    """Return a Matplotlib figure as PNG bytes, opaque, and close it, drawn or not.

    ``density`` is how many pixels stand for one of the figure's own.
    """
    check_figure(figure)
    buffer = io.BytesIO()
    try:
        figure.savefig(
            buffer,
            format="png",
            dpi=density * figure.dpi,
            bbox_inches="tight",
            facecolor="white",
            metadata={"Software": None},
        )
    finally:
        plt.close(figure)
    return buffer.getvalue()


def bundle(png, description):
    """Return what a cell shows, and its metadata.

    The description stands twice: as text, for a reader without pictures, and as the picture's
    ``alt``, for a screen reader.
    """
    check_description(description)
    text = " ".join(description.split())
    data = {"image/png": b64encode(png).decode(), "text/plain": text}
    return data, {"image/png": {"alt": text}}


def check_histories(histories):
    """Refuse what is no dict of titles to histories."""
    check_named("histories", histories, "History")
    for title, history in histories.items():
        what = "what train(...) returned"
        check_kind(f"histories[{title!r}]", history, ("values", "snapshots"), what)


def title_colour(title):
    """Return the colour of the name that a title starts with, else black."""
    matches = [colour for name, colour in COLOURS.items() if title.startswith(name)]
    return matches[0] if matches else "black"


def bare(axis):
    """Leave only the picture: no ticks, grid or frame."""
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    axis.spines[:].set_visible(False)
