"""Scores in NumPy."""

from .classes import *  # noqa: F403
