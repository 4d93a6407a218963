"""Figures: sample grids, losses, telemetry, densities, training replays and twin source code.

Every figure is shown with a text description: readers who cannot see it read that, and nbval
compares it. One colour each, through the whole course, chosen from Okabe and Ito's palette, which
colour-blind readers can tell apart.
"""

import inspect
import io
import textwrap
from base64 import b64encode
from html import escape

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import display
from PIL import Image as PillowImage

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
    display(_bundle(figure_png(figure), description), raw=True)


def figure_png(figure):
    """Return a Matplotlib figure as PNG bytes, opaque, and close it."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer, format="png", bbox_inches="tight", facecolor="white", metadata={"Software": None}
    )
    plt.close(figure)
    return buffer.getvalue()


def _bundle(picture, description, kind="image/png"):
    """Return what a cell shows: the picture, and the description for those who cannot see it."""
    if not description or not description.strip():
        raise ValueError("A figure needs a description: say in a sentence what it shows.")
    return {kind: b64encode(picture).decode(), "text/plain": " ".join(description.split())}


def as_images(samples, layout=None):
    """Bring samples of any framework to one form for plots and scores.

    Parameters
    ----------
    samples : torch.Tensor, tf.Tensor or numpy.ndarray
        Batch of pictures, (N, C, H, W) or (N, H, W, C) with C of 1 or 3, or (N, H, W). uint8 of 0
        to 255, or float of -1 to 1 (a hundredth of overshoot is clipped).
    layout : {"NCHW", "NHWC"}, optional
        Only needed where the shape fits both.

    Returns
    -------
    numpy.ndarray
        float32 in [0, 1] of shape (N, H, W, C).

    Raises
    ------
    ValueError
        Shape, range or finiteness that no picture has.
    """
    if hasattr(samples, "detach"):
        samples = samples.detach().cpu()
    array = np.asarray(samples)
    if array.ndim == 3:
        array = array[..., None]
    if array.ndim != 4 or len(array) == 0:
        raise ValueError(
            "samples must be a batch of pictures, (N, C, H, W) or (N, H, W, C), "
            f"but the shape is {array.shape}."
        )
    first, last = array.shape[1] in (1, 3), array.shape[3] in (1, 3)
    if layout is None:
        if first == last:
            problem = "fits both layouts" if first else "has no axis of 1 or 3 channels"
            raise ValueError(f"Shape {array.shape} {problem}: pass layout='NCHW' or 'NHWC'.")
        layout = "NCHW" if first else "NHWC"
    if layout not in ("NCHW", "NHWC"):
        raise ValueError(f"layout must be 'NCHW' or 'NHWC', but got {layout!r}.")
    if layout == "NCHW":
        array = array.transpose(0, 2, 3, 1)
    if array.dtype == np.uint8:
        return array.astype(np.float32) / 255
    if not np.isfinite(array).all():
        raise ValueError("samples hold NaN or infinity: the training that made them has diverged.")
    if array.min() < -1.01 or array.max() > 1.01:
        raise ValueError(
            f"float samples must lie in [-1, 1], but these go from {array.min():.3g} to "
            f"{array.max():.3g}. Scale them, or pass uint8 pictures of 0 to 255."
        )
    return np.clip(array.astype(np.float32) / 2 + 0.5, 0, 1)


def tile(samples, columns=8, layout=None):
    """Arrange samples as one picture.

    Returns
    -------
    numpy.ndarray
        float32 in [0, 1] of shape (height, width, channels), one pixel of white between samples.
    """
    images = as_images(samples, layout)
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    page = np.ones((rows * (height + 1) - 1, columns * (width + 1) - 1, channels), np.float32)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + 1), (index % columns) * (width + 1)
        page[top : top + height, left : left + width] = image
    return page


def show_samples(samples, description, columns=8, layout=None, row_titles=None, scale=1.0):
    """Show one grid of samples, or several named ones side by side.

    Parameters
    ----------
    samples : batch, or dict of str to batch
        Pictures of either framework, as :func:`as_images` takes them. With a dict each key is a
        title; a key that starts with a name of ``COLOURS`` is written in that colour.
    description : str
        What the figure shows, in words.
    columns : int, optional
        Pictures in a row of each grid.
    layout : {"NCHW", "NHWC"}, optional
        Only needed where a shape fits both.
    row_titles : list of str, optional
        A title for each row of the first grid, such as class names.
    scale : float, optional
        Enlarges or shrinks the figure.
    """
    named = samples if isinstance(samples, dict) else {"": samples}
    pages = {title: tile(batch, columns, layout) for title, batch in named.items()}
    aspect = max(page.shape[0] / page.shape[1] for page in pages.values())
    width = scale * min(4.2, 11 / len(pages))
    figure, axes = plt.subplots(
        1,
        len(pages),
        figsize=(width * len(pages), width * aspect + 0.3),
        squeeze=False,
        layout="constrained",
    )
    for axis, (title, page) in zip(axes[0], pages.items(), strict=True):
        axis.imshow(page.squeeze(), vmin=0, vmax=1, interpolation="nearest")
        axis.set_title(title, color=_title_colour(title), fontsize=11)
        _bare(axis)
    if row_titles:
        pitch = pages[next(iter(pages))].shape[0] / len(row_titles)
        axes[0, 0].set_yticks([(row + 0.5) * pitch for row in range(len(row_titles))], row_titles)
    show_figure(figure, description)


def _title_colour(title):
    matches = [colour for name, colour in COLOURS.items() if title.startswith(name)]
    return matches[0] if matches else "black"


def _bare(axis):
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    axis.spines[:].set_visible(False)


def _smooth(values, window):
    """Running mean over the last ``window`` values, as long as the input."""
    sums = np.cumsum(np.insert(np.asarray(values, float), 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return (sums[ends] - sums[starts]) / (ends - starts)


def show_losses(histories, description, references=None, keys=("d_loss", "g_loss")):
    """Draw loss curves, one panel a loss, all frameworks in each.

    Parameters
    ----------
    histories : dict of str to History
        Title to what :func:`train` returned; a title that starts with "PyTorch" or "TensorFlow"
        gets that framework's colour. Thin lines are raw values, thick ones a running mean.
    description : str
        What the figure shows, in words.
    references : dict of str to float, optional
        A loss's name to its value at the equilibrium, drawn as a dashed line.
    keys : sequence of str, optional
        Which recorded values to draw.
    """
    figure, axes = plt.subplots(
        1, len(keys), figsize=(4.6 * len(keys), 3), squeeze=False, layout="constrained"
    )
    for axis, key in zip(axes[0], keys, strict=True):
        for title, history in histories.items():
            _draw_curve(axis, history, key, title, _title_colour(title))
        if references and key in references:
            axis.axhline(references[key], color="0.3", ls="--", lw=1)
            axis.annotate(
                f"equilibrium {references[key]:.3f}",
                (1, references[key]),
                color="0.3",
                fontsize=8,
                xycoords=("axes fraction", "data"),
                ha="right",
                va="bottom",
            )
        axis.set(xlabel="step", title=key)
    axes[0, 0].legend(frameon=False)
    show_figure(figure, description)


def _draw_curve(axis, history, key, label, colour, style="-"):
    if key not in history.values:
        raise ValueError(
            f"The history holds no {key!r}, only: {', '.join(history.values) or 'nothing'}."
        )
    values = history.values[key]
    axis.plot(values, color=colour, alpha=0.2, lw=0.7)
    window = max(1, len(values) // 30)
    axis.plot(_smooth(values, window), style, color=colour, lw=1.8, label=label)


def show_telemetry(histories, description, keys=("D(x)", "D(G(z))")):
    """Draw D(x) and D(G(z)) during training, one panel a run, one half as the dashed goal.

    Parameters
    ----------
    histories : dict of str to History
        Title to what :func:`train` returned.
    description : str
        What the figure shows, in words.
    keys : pair of str, optional
        The recorded mean of D on real pictures and on generated ones.
    """
    figure, axes = plt.subplots(
        1,
        len(histories),
        figsize=(4.6 * len(histories), 3),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for axis, (title, history) in zip(axes[0], histories.items(), strict=True):
        for key, colour in zip(keys, (COLOURS["real"], COLOURS["generated"]), strict=True):
            _draw_curve(axis, history, key, key, colour)
        axis.axhline(0.5, color="0.3", ls="--", lw=1)
        axis.set(xlabel="step", ylim=(0, 1))
        axis.set_title(title, color=_title_colour(title))
    axes[0, 0].set_ylabel("mean output of D")
    axes[0, 0].legend(frameon=False)
    show_figure(figure, description)


def show_densities(x, curves, description, title="", ylim=None):
    """Draw curves over one axis, such as p, q and D*.

    Parameters
    ----------
    x : array of shape (n,)
        The axis.
    curves : dict of str to array of shape (n,)
        A label that starts with "real" or "generated" is filled in its colour, one that starts
        with a framework's name gets its colour, any other is black.
    description : str
        What the figure shows, in words.
    """
    figure, axis = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
    for label, values in curves.items():
        colour = _title_colour(label)
        axis.plot(x, values, color=colour, label=label, lw=1.8)
        if label.startswith(("real", "generated")):
            axis.fill_between(x, values, color=colour, alpha=0.2, lw=0)
    axis.set(title=title, xlabel="x", ylim=ylim)
    axis.legend(frameon=False)
    show_figure(figure, description)


def show_replay(histories, description, columns=8, frame_seconds=0.5, scale=2):
    """Play the fixed-z snapshots of one or more trainings as an animated picture.

    The animation needs no kernel and no script, so it also plays in a viewer. It belongs in a
    training cell: nbval does not compare it.

    Parameters
    ----------
    histories : dict of str to History
        Title to what :func:`train` returned, each with snapshots at the same steps.
    description : str
        What the replay shows, in words.
    columns : int, optional
        Pictures in a row.
    frame_seconds : float, optional
        How long each moment stays; the last one stays four times as long.
    scale : int, optional
        Screen pixels for a picture's pixel.
    """
    runs = list(histories.items())
    steps = runs[0][1].snapshot_steps
    if not steps or any(history.snapshot_steps != steps for _, history in runs):
        raise ValueError("show_replay needs snapshots, taken at the same steps in each run.")
    frames = []
    for index, step in enumerate(steps):
        pages = [tile(history.snapshots[index], columns) for _, history in runs]
        titles = [f"{title}, step {step}" for title, _ in runs]
        frames.append(_replay_frame(pages, titles, scale))
    seconds = [frame_seconds] * (len(frames) - 1) + [4 * frame_seconds]
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=frames[1:],
        loop=0,
        duration=[round(1000 * s) for s in seconds],
    )
    display(_bundle(buffer.getvalue(), description, "image/gif"), raw=True)


def _replay_frame(pages, titles, scale):
    """Join the grids of one moment to one picture with a title over each."""
    from PIL import ImageDraw, ImageFont

    font = ImageFont.load_default(13)
    gap, head = 12, 22
    grids = [PillowImage.fromarray((page.squeeze() * 255).astype(np.uint8)) for page in pages]
    grids = [g.convert("RGB").resize((g.width * scale, g.height * scale), 0) for g in grids]
    size = (
        sum(g.width for g in grids) + gap * (len(grids) - 1),
        head + max(g.height for g in grids),
    )
    frame = PillowImage.new("RGB", size, "white")
    left = 0
    for grid, title in zip(grids, titles, strict=True):
        ImageDraw.Draw(frame).text((left, 2), title, fill=_title_colour(title), font=font)
        frame.paste(grid, (left, head))
        left += grid.width + gap
    return frame


def show_strip(histories, description, moments=5, count=8, columns=4):
    """Show the fixed-z snapshots of several moments side by side, one row a run.

    Parameters
    ----------
    histories : dict of str to History
        Title to what :func:`train` returned.
    description : str
        What the figure shows, in words.
    moments : int, optional
        How many snapshots, evenly chosen from first to last.
    count, columns : int, optional
        Pictures shown of each snapshot, and in a row.
    """
    rows = len(histories)
    figure, axes = plt.subplots(
        rows,
        moments,
        figsize=(2.1 * moments, rows * (2.1 * -(-count // columns) / columns + 0.4)),
        squeeze=False,
        layout="constrained",
    )
    for row, (title, history) in zip(axes, histories.items(), strict=True):
        chosen = np.linspace(0, len(history.snapshots) - 1, moments).round().astype(int)
        for axis, index in zip(row, chosen, strict=True):
            axis.imshow(tile(history.snapshots[index][:count], columns).squeeze(), vmin=0, vmax=1)
            axis.set_title(f"step {history.snapshot_steps[index]}", fontsize=9)
            _bare(axis)
        row[0].set_ylabel(title, color=_title_colour(title), fontsize=11)
    show_figure(figure, description)


class _TwinSource:
    """Two columns of source code for a notebook, one after the other where there is no HTML."""

    def __init__(self, columns):
        self.columns = columns

    def __repr__(self):
        return "\n\n".join(f"--- {title}\n{source}" for title, source in self.columns.items())

    def _repr_html_(self):
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer

        # Lab's own style for <pre> follows the theme; on a dark one the code would vanish.
        style = "background:white;color:black;white-space:pre;font-size:85%;line-height:1.3"
        formatter = HtmlFormatter(noclasses=True, nobackground=True, prestyles=style)
        cells = "".join(
            '<td style="vertical-align:top;text-align:left;background:white;color:black">'
            f'<b style="color:{_title_colour(title)}">{escape(title)}</b>'
            f"{highlight(source, PythonLexer(), formatter)}</td>"
            for title, source in self.columns.items()
        )
        return f"<table><tr>{cells}</tr></table>"


def show_twins(torch_function, tf_function):
    """Show the source code of two functions, PyTorch left and TensorFlow right.

    Parameters
    ----------
    torch_function, tf_function : function
        Functions defined in the notebook; one wrapped by ``tf.function`` is unwrapped.

    Raises
    ------
    TypeError
        If the source of one of them cannot be found.
    """
    columns = {}
    for title, function in (("PyTorch", torch_function), ("TensorFlow", tf_function)):
        function = getattr(function, "python_function", function)
        try:
            columns[title] = textwrap.dedent(inspect.getsource(function)).strip()
        except (OSError, TypeError) as error:
            raise TypeError(
                f"show_twins needs functions with source code, but got {function!r}."
            ) from error
    display(_TwinSource(columns))
