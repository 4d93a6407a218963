"""Features that a score can compare, and their distances in blocks that fit the memory."""

import numpy as np

from ..arrays import to_numpy
from ..refusals import check_whole

# The kernel distance squares sixth powers of features; none of a network that works is so large.
LARGEST = 1e20
BLOCK = 2**25  # Distances at a time: 256 MiB.


def feature_pair(real, generated, least=2):
    """Return both as float64 of shape (N, d) and (M, d), or say in one error what is wrong."""
    real = check_features("real", real, least=least)
    return real, check_features("generated", generated, real, least)


def check_features(kind, features, like=None, least=1):
    """Return features as float64 of shape (N, d), N at least `least`, with the width of others."""
    array = to_numpy(features)
    if array.dtype.kind not in "iuf" or array.ndim != 2 or 0 in array.shape:
        raise ValueError(
            f"The {kind} features must be numbers of shape (N, d), but got {array.dtype} of shape "
            f"{array.shape}."
        )
    if len(array) < least:
        raise ValueError(
            f"This score needs at least {least} {kind} features, but got {len(array)}."
        )
    if not np.isfinite(array).all():
        raise ValueError(f"The {kind} features must be finite, but hold NaN or infinity.")
    array = array.astype(np.float64)
    if np.abs(array).max() > LARGEST:
        raise ValueError(
            f"The {kind} features must be {LARGEST:g} at most in size, but reach "
            f"{np.abs(array).max():.3g}: the training that made them has diverged."
        )
    if like is not None and array.shape[1:] != np.shape(like)[1:]:
        raise ValueError(
            f"Features must be of one width, but got shapes {np.shape(like)} and {array.shape}."
        )
    return array


def check_subset(name, value, lowest, highest):
    """Refuse what is no whole number of a range that the number of features sets."""
    check_whole(name, value, lowest, highest, " with so many features")


def distance_blocks(x, y):
    """Yield (rows, Euclidean distances of x[rows] to all of y), a block of rows at a time."""
    from scipy.spatial.distance import cdist

    count = max(1, BLOCK // len(y))
    for start in range(0, len(x), count):
        rows = slice(start, start + count)
        yield rows, cdist(x[rows], y)
