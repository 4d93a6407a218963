"""Figures: sample grids, losses, telemetry, training replays and twin source code.

Every figure is shown with a text description: readers who cannot see it read that, and nbval
compares it. One colour each, through the whole course, chosen from Okabe and Ito's palette, which
colour-blind readers can tell apart.
"""

from .curves import show_losses, show_telemetry
from .figures import COLOURS, bundle, closes_what_fails, figure_png, show_figure
from .moving import show_moving
from .pictures import as_images, tile
from .replay import show_replay
from .samples import show_samples, show_strip
from .twins import show_twins

__all__ = [
    "COLOURS",
    "as_images",
    "bundle",
    "closes_what_fails",
    "figure_png",
    "show_figure",
    "show_losses",
    "show_moving",
    "show_replay",
    "show_samples",
    "show_strip",
    "show_telemetry",
    "show_twins",
    "tile",
]
