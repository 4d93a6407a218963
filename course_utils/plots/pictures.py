"""Samples of either framework as pictures, and many of them on one page."""

import numpy as np

from ..arrays import to_numpy
from ..refusals import check_whole

MOST_COLUMNS = 1000


def as_images(samples, layout=None):
    """Bring samples of any framework to one form for plots and scores.

    Parameters
    ----------
    samples : torch.Tensor, tf.Tensor or numpy.ndarray
        Batch of pictures, (N, C, H, W) or (N, H, W, C) with C of 1 or 3, or (N, H, W). uint8 of 0
        to 255, or float of -1 to 1 (a hundredth of overshoot is clipped).
    layout : {"NCHW", "NHWC"}, optional
        Only needed where the shape fits both.

    Returns
    -------
    numpy.ndarray
        float32 in [0, 1] of shape (N, H, W, C).

    Raises
    ------
    ValueError
        Shape, range or finiteness that no picture has.
    """
    array = to_numpy(samples)
    if array.dtype.kind != "f" and array.dtype != np.uint8:
        raise ValueError(
            f"samples must be uint8 or float, but got {array.dtype}. Scale them to [-1, 1], or "
            "pass uint8 pictures of 0 to 255."
        )
    if array.ndim == 3 and (array.shape[2] in (1, 3) or array.shape[0] == 3):
        raise ValueError(
            f"Shape {array.shape} may be one picture or several grey ones: pass x[None] for one "
            "picture, x[..., None] for grey ones."
        )
    if layout not in (None, "NCHW", "NHWC"):
        raise ValueError(f"layout must be 'NCHW' or 'NHWC', but got {layout!r}.")
    if array.ndim == 3:
        array, layout = array[..., None], "NHWC"
    if array.ndim != 4 or 0 in array.shape:
        raise ValueError(
            "samples must be a batch of pictures, (N, C, H, W) or (N, H, W, C), "
            f"but the shape is {array.shape}."
        )
    first, last = array.shape[1] in (1, 3), array.shape[3] in (1, 3)
    if layout is None:
        if first == last:
            if not first:
                raise ValueError(f"Shape {array.shape} has no axis of 1 or 3 channels.")
            raise ValueError(
                f"Shape {array.shape} fits both layouts: pass layout='NCHW' or 'NHWC'."
            )
        layout = "NCHW" if first else "NHWC"
    if not (first if layout == "NCHW" else last):
        raise ValueError(f"Shape {array.shape} is not {layout} with 1 or 3 channels.")
    if layout == "NCHW":
        array = array.transpose(0, 2, 3, 1)
    if array.dtype == np.uint8:
        return array.astype(np.float32) / 255
    if not np.isfinite(array).all():
        raise ValueError("samples hold NaN or infinity: the training that made them has diverged.")
    if array.min() < -1.01 or array.max() > 1.01:
        raise ValueError(
            f"float samples must lie in [-1, 1], but these go from {array.min():.3g} to "
            f"{array.max():.3g}. Scale them, or pass uint8 pictures of 0 to 255."
        )
    return np.clip(array.astype(np.float32) / 2 + 0.5, 0, 1)


def tile(samples, columns=8, layout=None):
    """Arrange samples as one picture.

    Returns
    -------
    numpy.ndarray
        float32 in [0, 1] of shape (height, width, channels), one pixel of white between samples.

    Raises
    ------
    ValueError
        As :func:`as_images`, or if ``columns`` is no whole number from 1 to 1000.
    """
    check_whole("columns", columns, 1, MOST_COLUMNS)
    images = as_images(samples, layout)
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    page = np.ones((rows * (height + 1) - 1, columns * (width + 1) - 1, channels), np.float32)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + 1), (index % columns) * (width + 1)
        page[top : top + height, left : left + width] = image
    return page
