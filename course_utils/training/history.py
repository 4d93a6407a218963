"""What is kept of a training."""

from dataclasses import dataclass, field

import numpy as np


@dataclass
class History:
    """What happened in a training.

    Attributes
    ----------
    values : dict of str to list of float
        One list for each name that the step function returned, one value for each step that
        returned it.
    snapshots : list of numpy.ndarray
        What the snapshot function returned at each moment.
    snapshot_steps : list of int
        After how many steps each snapshot was taken.
    stopped : str
        Empty after a complete run, else why it ended early.
    steps : int
        How many steps were taken.
    """

    values: dict = field(default_factory=dict)
    snapshots: list = field(default_factory=list)
    snapshot_steps: list = field(default_factory=list)
    stopped: str = ""
    steps: int = 0

    def __getitem__(self, name):
        return np.array(self.values[name])

    def mean(self, name, last=50):
        """Mean of a recorded value over the last steps."""
        return float(np.mean(self.values[name][-last:]))

    def __repr__(self):
        recorded = ", ".join(self.values) or "nothing"
        return f"History of {self.steps} steps: {recorded}; {len(self.snapshots)} snapshots"


class NonFiniteError(FloatingPointError):
    """A step returned NaN or infinity. ``history`` holds what was recorded until then."""

    def __init__(self, message, history):
        super().__init__(message)
        self.history = history
