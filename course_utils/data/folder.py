"""Your own pictures: a folder that holds one folder a class."""

import os
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .image_set import ImageSet
from .pictures import SUFFIXES, PictureReader


def load_folder(root, size, fit="crop", background="black", channels=None):
    """Read every picture of every class folder; raise if one of them has none."""
    if root is None:
        raise ValueError(
            'load_images("folder") needs root=, the folder that holds one folder a class.'
        )
    whole = isinstance(channels, (int, np.integer)) and not isinstance(channels, bool)
    if channels is not None and not (whole and channels in (1, 3)):
        raise ValueError(f"channels must be 1 (grey) or 3 (colour), but got {channels!r}.")
    root = Path(root).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {root}.")
    reader = PictureReader(size, fit, background)
    classes, files, skipped = _find(root)
    if channels is None:
        # An all-grey set stays grey. The headers tell, so the result has its shape from the start.
        channels = 1 if all(reader.is_grey(path) for path, _ in files) else 3
    # Each picture goes straight into the result: a large set must not lie in memory twice.
    images = np.empty((len(files), size, size, channels), np.uint8)
    cuts = np.zeros(len(files))
    bar = tqdm(files, "pictures", leave=False, file=sys.stdout, disable=sys.stdout is None)
    for number, (path, _) in enumerate(bar):
        images[number], cuts[number] = reader.read(path, channels)
    _tell(skipped, cuts)
    labels = np.array([label for _, label in files], dtype=np.int64)
    return ImageSet("folder", images, labels, tuple(classes))


def natural(name):
    """Sort key by which "2" comes before "10", on every system."""
    parts = re.split("([0-9]+)", name)
    return [int(part) if n % 2 else part.casefold() for n, part in enumerate(parts)], name


def _find(root):
    """Return the class names, pairs of a picture's path and its class, and what is passed over."""
    entries = sorted(filter(_visible, os.listdir(root)), key=natural)
    classes = [name for name in entries if (root / name).is_dir()]
    skipped = Counter("outside the class folders" for name in entries if name not in classes)
    files = []
    for label, name in enumerate(classes):
        pictures = []  # Texts: a path object takes a kilobyte, a small picture twelve.
        for folder, folders, names in os.walk(root / name):
            folders[:] = filter(_visible, folders)
            for file in filter(_visible, names):
                suffix = os.path.splitext(file)[1].lower()
                if suffix in SUFFIXES:
                    pictures.append(os.path.join(folder, file))
                else:
                    skipped[suffix or "without a suffix"] += 1
        pictures.sort(
            key=lambda path: [natural(part) for part in os.path.relpath(path, root).split(os.sep)]
        )
        files += [(path, label) for path in pictures]
    if not files:
        raise FileNotFoundError(
            f"No pictures in {root}: expected one folder a class with {', '.join(SUFFIXES)} files "
            "in it."
        )
    empty = sorted(set(range(len(classes))) - {label for _, label in files})
    if empty:
        raise FileNotFoundError(
            f"No pictures in {', '.join(str(root / classes[label]) for label in empty)}."
        )
    return classes, files, skipped


def _visible(name):
    """Pass over what systems and JupyterLab leave: hidden files and folders, macOS's archives'."""
    return not name.startswith(".") and name != "__MACOSX"


def _tell(skipped, cuts):
    """Say in one line each what was passed over, and how much was cut off."""
    if skipped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(skipped.items()))
        print(f"Passed over {skipped.total()} files: {kinds}.")
    oblong = cuts[cuts > 0]
    if oblong.size:
        print(
            f"{oblong.size} of {cuts.size} pictures are not square: the middle was kept, "
            f"{oblong.mean():.0%} of their area was cut off, at most {oblong.max():.0%}. "
            'fit="pad" or fit="stretch" keeps all.'
        )
