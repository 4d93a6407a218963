"""Class numbers: checked, and as vectors."""

import numpy as np

from ..arrays import to_numpy
from ..refusals import check_whole

MOST_CLASSES = 100_000


def check_labels(labels, classes, count=None):
    """Return labels as int64 of shape (N,), or say in one error what is wrong with them.

    Parameters
    ----------
    labels : array of int
        Class numbers, 0 to ``classes - 1``.
    classes : int
        How many classes there are.
    count : int, optional
        How many labels there must be.

    Raises
    ------
    ValueError
        If the labels are not a list of whole numbers, outside the classes, or too many or too few.
    """
    labels = to_numpy(labels)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"Labels must be whole numbers of shape (N,), but got {labels.dtype} of shape "
            f"{labels.shape}."
        )
    if count is not None and len(labels) != count:
        raise ValueError(
            f"There must be one label for each of {count} pictures, but got {len(labels)}."
        )
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.size:
        raise ValueError(
            f"Labels must be 0 to {classes - 1}, because there are {classes} classes, "
            f"but got {outside[0]}."
        )
    return labels.astype(np.int64)


def one_hot(labels, classes):
    """Turn class numbers into vectors with a single one.

    Parameters
    ----------
    labels : array of int, shape (N,)
        Class numbers, 0 to ``classes - 1``.
    classes : int
        How many classes there are.

    Returns
    -------
    numpy.ndarray
        float32 of shape (N, classes).

    Raises
    ------
    ValueError
        If the labels are not a list of whole numbers, a label is outside the classes, or these
        are more than 100,000.
    """
    check_whole("classes", classes, 1, MOST_CLASSES)
    labels = check_labels(labels, classes)
    vectors = np.zeros((len(labels), classes), np.float32)
    vectors[np.arange(len(labels)), labels] = 1
    return vectors
