"""Image sets for both frameworks."""

from .image_set import *  # noqa: F403
