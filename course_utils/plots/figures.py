"""What every figure of the course has: a description, an opaque page and the same colours."""

import io
from base64 import b64encode

import matplotlib.pyplot as plt
from IPython.display import display

COLOURS = {
    "PyTorch": "#D55E00",
    "TensorFlow": "#0072B2",
    "real": "#009E73",
    "generated": "#CC79A7",
}


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
    display(bundle(figure_png(figure), description), raw=True)


def figure_png(figure):
    """Return a Matplotlib figure as PNG bytes, opaque, and close it."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="png", bbox_inches="tight", facecolor="white", metadata={"Software": None}
    )
    plt.close(figure)
    return buffer.getvalue()


def bundle(picture, description, kind="image/png"):
    """Return what a cell shows: the picture, and the description for those who cannot see it."""
    if not description or not description.strip():
        raise ValueError("A figure needs a description: say in a sentence what it shows.")
    return {kind: b64encode(picture).decode(), "text/plain": " ".join(description.split())}


def title_colour(title):
    """Return the colour of the name that a title starts with, else black."""
    matches = [colour for name, colour in COLOURS.items() if title.startswith(name)]
    return matches[0] if matches else "black"


def bare(axis):
    """Leave only the picture: no ticks, grid or frame."""
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    axis.spines[:].set_visible(False)
