"""A training as an animated picture, which needs neither a kernel nor a script."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..refusals import check_description, check_number, check_whole
from .figures import animation_png, check_histories, show_picture, title_colour
from .pictures import tile


def show_replay(histories, description, columns=8, frame_seconds=0.5, scale=2):
    """Play the fixed-z snapshots of one or more trainings as an animated picture.

    It is an animated PNG, which needs no kernel and no script: it plays in JupyterLab, in a viewer
    and in exported HTML. It belongs in a training cell: nbval does not compare it.

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
    check_histories(histories)
    check_description(description)
    check_number("frame_seconds", frame_seconds, 0.01, 60)
    check_whole("scale", scale, 1, 32)
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
    show_picture(animation_png(frames, seconds), description)


def _replay_frame(pages, titles, scale):
    """Join the grids of one moment to one picture with a title over each."""
    font = ImageFont.load_default(13)
    gap, head = 12, 22
    grids = [Image.fromarray((page.squeeze() * 255).astype(np.uint8)) for page in pages]
    grids = [g.convert("RGB").resize((g.width * scale, g.height * scale), 0) for g in grids]
    size = (
        sum(g.width for g in grids) + gap * (len(grids) - 1),
        head + max(g.height for g in grids),
    )
    frame = Image.new("RGB", size, "white")
    left = 0
    for grid, title in zip(grids, titles, strict=True):
        ImageDraw.Draw(frame).text((left, 2), title, fill=title_colour(title), font=font)
        frame.paste(grid, (left, head))
        left += grid.width + gap
    return frame
