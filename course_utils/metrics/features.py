"""Features that a score can compare."""

import numpy as np

from ..arrays import to_numpy


def feature_pair(first, second):
    """Return both as float64 of shape (N, d) and (M, d), or say in one error what is wrong."""
    first, second = (to_numpy(x).astype(np.float64) for x in (first, second))
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(
            f"Features must be of shape (N, d) and (M, d), but got {first.shape} and "
            f"{second.shape}."
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("Features must be finite numbers.")
    return first, second
