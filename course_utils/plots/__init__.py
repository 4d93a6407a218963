"""Figures."""

from .figures import *  # noqa: F403
from .figures import _bundle, _smooth  # noqa: F401
