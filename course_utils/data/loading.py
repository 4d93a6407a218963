"""Image sets by name."""

import os
from pathlib import Path

import numpy as np
import platformdirs

from .downloaded import DOWNLOADED, load_torchvision
from .folder import load_folder
from .offline import OFFLINE, load_digit_images, load_street

DATA_SETS = (*OFFLINE, *DOWNLOADED, "folder")
# For the chapters whose recipes were measured on enlarged counts, until their second editions.
BLURRED = tuple(f"{name}-blurred" for name in OFFLINE)


def load_images(name="digits", size=None, root=None, fit="crop", background="black", channels=None):
    """Load an image set by name.

    Parameters
    ----------
    name : str
        ``"digits"``: 1,797 handwritten digits shipped with scikit-learn, grey, 28 pixels.
        ``"street"``: 7,188 house-number pictures composed from those digits, colour, 32 pixels.
        Both need no network. The digits are those of E. Alpaydin and C. Kaynak, *Optical
        Recognition of Handwritten Digits*, UCI Machine Learning Repository, 1998
        (https://doi.org/10.24432/C50P49): counts of the inked pixels in 8 x 8 blocks, from which
        strokes are drawn by a cubic spline, a threshold and an average. ``"digits-blurred"`` and
        ``"street-blurred"`` enlarge the counts as grey values instead, and are otherwise the same
        sets: some chapters still ask for them. ``"mnist"``, ``"fashion_mnist"`` (28), ``"svhn"``,
        ``"cifar10"`` (32): the training pictures, read by torchvision and downloaded once if they
        are not there.
        ``"folder"``: your own pictures, one sub-folder a class, PNG, JPEG, BMP, GIF, WebP or TIFF
        (32).
    size : int, optional
        Height and width in pixels, 8 to 512; the set's own size if left out.
    root : path, optional
        Where data lives: this argument, else the environment variable ``COURSE_DATA``, else the
        user's cache folder; ``~`` is your home. For ``"folder"`` it is the folder of class folders,
        and required.
    fit : {"crop", "pad", "stretch"}, optional
        For ``"folder"``: cut the middle out of a picture that is not square, lay it whole on the
        background, or distort it.
    background : str or tuple, optional
        For ``"folder"``: the colour behind transparent pixels and beside padded pictures, such as
        ``"white"``, ``"#ff8000"`` or ``(255, 128, 0)``.
    channels : {1, 3}, optional
        For ``"folder"``: grey or colour; grey if left out and every picture is grey.

    Returns
    -------
    ImageSet
        uint8 pictures, labels and class names. Of your own pictures, 16-bit ones are scaled from
        0 to 65,535, those of floats or wider integers from their own lowest to their highest value;
        EXIF orientation is applied; a file of several pages gives the first.

    Raises
    ------
    ValueError
        Unknown name, impossible size, or an argument that only ``"folder"`` takes.
    FileNotFoundError
        No such folder, or no pictures in it.
    OSError
        A file is damaged, or a download failed; nothing half-made is left behind.
    """
    blurred = isinstance(name, str) and name in BLURRED
    if blurred:
        name = name.removesuffix("-blurred")
    if not isinstance(name, str) or name not in DATA_SETS:
        raise ValueError(f"No data set is called {name!r}. Choose one of: {', '.join(DATA_SETS)}.")
    if size is not None and (not isinstance(size, (int, np.integer)) or not 8 <= size <= 512):
        raise ValueError(f"size must be a whole number of pixels from 8 to 512, but got {size!r}.")
    if root is not None and not isinstance(root, (str, os.PathLike)):
        raise ValueError(f"root must be the path of a folder, but got {root!r}.")
    if name == "folder":
        return load_folder(root, size or 32, fit, background, channels)
    untouched = isinstance(fit, str) and isinstance(background, str) and channels is None
    if not untouched or (fit, background) != ("crop", "black"):
        raise ValueError(f'fit, background and channels are for "folder", not for {name!r}.')
    if name == "digits":
        return load_digit_images(size or 28, blurred)
    if name == "street":
        return load_street(size or 32, blurred)
    return load_torchvision(name, size, _data_root(root))


def _data_root(root):
    chosen = root or os.environ.get("COURSE_DATA")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("gan-course")
