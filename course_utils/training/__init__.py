"""One training loop for both frameworks."""

from .loop import *  # noqa: F403
