"""Your own pictures: a folder that holds one folder a class."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from .image_set import ImageSet

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")


def load_folder(root, size):
    """Read every picture of every class folder; raise if one of them has none."""
    if root is None:
        raise ValueError(
            'load_images("folder") needs root=, the folder that holds one folder a class.'
        )
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {root}.")
    classes = sorted(
        entry.name
        for entry in root.iterdir()
        if entry.is_dir() and not entry.name.startswith(".")  # JupyterLab leaves hidden folders.
    )
    files = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((root / name).rglob("*"))
        if path.suffix.lower() in PICTURE_SUFFIXES
    ]
    if not files:
        raise FileNotFoundError(
            f"No pictures in {root}: expected one folder a class with "
            f"{', '.join(PICTURE_SUFFIXES)} files in it."
        )
    empty = set(range(len(classes))) - {label for _, label in files}
    if empty:
        raise FileNotFoundError(
            f"No pictures in {', '.join(str(root / classes[label]) for label in sorted(empty))}."
        )
    pictures = [
        _read_picture(path, size)
        for path, _ in tqdm(
            files, "pictures", leave=False, file=sys.stdout, disable=sys.stdout is None
        )
    ]
    grey = all(picture.mode == "L" for picture in pictures)
    images = np.stack([np.asarray(picture.convert("L" if grey else "RGB")) for picture in pictures])
    images = images.reshape(len(images), size, size, -1)
    labels = np.array([label for _, label in files], dtype=np.int64)
    return ImageSet("folder", images, labels, tuple(classes))


def _read_picture(path, size):
    """Read one picture, cut the largest centred square and resize it; keep grey pictures grey."""
    try:
        with Image.open(path) as picture:
            picture = picture.convert("L" if picture.mode in ("1", "L") else "RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise OSError(f"{path} is not a readable picture ({error}). Mend or remove it.") from error
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    square = picture.crop((left, top, left + side, top + side))
    return square.resize((size, size), Image.Resampling.BICUBIC)
