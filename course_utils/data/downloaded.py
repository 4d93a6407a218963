"""The sets that torchvision reads, and downloads once."""

import os
import shutil
import sys

import numpy as np
from tqdm import tqdm

from ..arrays import to_numpy
from .image_set import ImageSet
from .offline import DIGIT_NAMES, OFFLINE
from .resizing import resize

DOWNLOADED = ("mnist", "fashion_mnist", "svhn", "cifar10")


def load_torchvision(name, size, root):
    """Read a set with torchvision's own loader; download it first if it is not there."""
    from torchvision import datasets

    loaders = {
        "mnist": datasets.MNIST,
        "fashion_mnist": datasets.FashionMNIST,
        "svhn": datasets.SVHN,
        "cifar10": datasets.CIFAR10,
    }
    loader = loaders[name]
    data = _read(name, loader, root)
    if data is None:
        _download(name, loader, root)
        data = _read(name, loader, root)
    images = to_numpy(data.data)
    if name == "svhn":
        images = images.transpose(0, 2, 3, 1)  # torchvision keeps this one as (N, C, H, W).
    if images.ndim == 3:
        images = images[..., None]
    if size not in (None, images.shape[1]):
        images = np.stack(
            [
                resize(image.squeeze(), size)
                for image in tqdm(
                    images, name, leave=False, file=sys.stdout, disable=sys.stdout is None
                )
            ]
        )
        images = images.reshape(len(images), size, size, -1)
    labels = to_numpy(data.labels if name == "svhn" else data.targets).astype(np.int64)
    return ImageSet(name, images, labels, tuple(getattr(data, "classes", DIGIT_NAMES)))


def _read(name, loader, root):
    """Read a set from its files; return None if they are not there, or not the published ones."""
    try:
        return loader(str(root), download=False)
    except Exception as error:  # The readers have many ways to fail on a damaged file.
        if isinstance(error, RuntimeError) and "not found" in str(error):
            return None
        raise OSError(
            f"The files of {name!r} under {root} are damaged ({error!r}). "
            "Delete them and load the set again."
        ) from error


def _download(name, loader, root):
    """Download into a temporary folder beside the target; move it in place when it is whole."""
    temporary = root / f".{name}-{os.getpid()}"
    try:
        temporary.mkdir(parents=True)
        loader(str(temporary), download=True)  # torchvision compares the checksums.
        for item in temporary.iterdir():
            if (root / item.name).is_dir():
                shutil.rmtree(root / item.name)
            os.replace(item, root / item.name)
    except Exception as error:
        raise OSError(
            f"{name!r} is not under {root} and could not be downloaded ({error}). Without a "
            f"network use {' or '.join(map(repr, OFFLINE))}, or 'folder' for your own pictures, "
            "or set COURSE_DATA to a folder that holds the set in torchvision's layout."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
