"""One training loop for both frameworks around the notebook's own step function."""

from .checkpoints import load_checkpoint, save_checkpoint
from .history import History, NonFiniteError
from .loop import train
from .streams import resumable

__all__ = ["History", "NonFiniteError", "load_checkpoint", "resumable", "save_checkpoint", "train"]
