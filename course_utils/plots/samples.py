"""Grids of samples, at one moment or several."""

import matplotlib.pyplot as plt
import numpy as np

from ..refusals import check_description, check_named, check_number, check_texts, check_whole
from .figures import bare, check_histories, closes_what_fails, show_figure, title_colour
from .pictures import MOST_COLUMNS, tile


@closes_what_fails
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
    check_description(description)
    check_number("scale", scale, 0.1, 10)
    named = samples if isinstance(samples, dict) else {"": samples}
    check_named("samples", named, "batch")
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
        axis.set_title(title, color=title_colour(title), fontsize=11)
        bare(axis)
    if row_titles is not None:
        rows = -(-len(next(iter(named.values()))) // columns)
        row_titles = check_texts("row_titles", row_titles, rows)
        pitch = pages[next(iter(pages))].shape[0] / len(row_titles)
        axes[0, 0].set_yticks([(row + 0.5) * pitch for row in range(len(row_titles))], row_titles)
    show_figure(figure, description)


@closes_what_fails
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
    check_histories(histories)
    check_description(description)
    check_whole("moments", moments, 1, 100)
    check_whole("count", count, 1)
    check_whole("columns", columns, 1, MOST_COLUMNS)
    if not all(history.snapshots for history in histories.values()):
        raise ValueError("show_strip needs snapshots of each run: pass snapshot= to train.")
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
            bare(axis)
        row[0].set_ylabel(title, color=title_colour(title), fontsize=11)
    show_figure(figure, description)
