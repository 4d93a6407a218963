"""The sets that torchvision reads, and that are downloaded once."""

import sys
import tarfile
import zlib
from pathlib import Path

import numpy as np
import pooch
from tqdm import tqdm

from ..arrays import to_numpy
from .downloads import Published, fetch
from .image_set import ImageSet
from .offline import DIGIT_NAMES, OFFLINE
from .resizing import resize

DOWNLOADED = ("mnist", "fashion_mnist", "svhn", "cifar10")
# Of MNIST's files as they are read; torchvision knows only the checksums of the packed ones.
RAW_MD5 = {
    "MNIST/raw/train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "MNIST/raw/train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
}


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
    files = _files_of(name, loader)
    if any(file.missing(root) for file in files):
        _fetch(name, files, root)
    data = _read(name, loader, files, root)
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
    labels = to_numpy(data.labels if name == "svhn" else data.targets)
    return ImageSet(name, images, labels, tuple(getattr(data, "classes", DIGIT_NAMES)))


def _files_of(name, loader):
    """Return the published files of a set, by what its torchvision loader says."""
    if name == "svhn":
        address, file, md5 = loader.split_list["train"]
        return [Published((address,), Path(file), md5)]
    if name == "cifar10":
        parts = [part for part, _ in loader.train_list + loader.test_list]
        folder = Path(loader.base_folder)
        parts = tuple(folder / part for part in (*parts, loader.meta["filename"]))
        return [Published((loader.url,), Path(loader.filename), loader.tgz_md5, parts)]
    raw = Path(loader.__name__) / "raw"
    return [
        Published(
            tuple(f"{mirror.rstrip('/')}/{file}" for mirror in loader.mirrors),
            raw / file,
            md5,
            (raw / file.removesuffix(".gz"),),
        )
        for file, md5 in loader.resources
    ]


def _fetch(name, files, root):
    """Download a set, or say in one error why it cannot be had and what works instead."""
    try:
        fetch(files, root, name)
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise OSError(
            f"{name!r} is not under {root} and could not be downloaded ({error}). Without a "
            f"network use {' or '.join(map(repr, OFFLINE))}, or 'folder' for your own pictures, "
            "or set COURSE_DATA to a folder that holds the set in torchvision's layout."
        ) from error


def _read(name, loader, files, root):
    """Read a set from its files, all of which are there, or name the one that is damaged."""
    try:
        if name in ("mnist", "fashion_mnist"):
            for file in files:
                _verify_raw(file, root)
        # CIFAR-10 comes as pickles. torchvision opens them only after their checksums.
        return loader(str(root), download=False)
    except Exception as error:  # The readers have many ways to fail on a damaged file.
        raise OSError(
            f"The files of {name!r} under {root} are damaged ({error}). "
            "Delete them and load the set again."
        ) from error


def _verify_raw(file, root):
    """Compare an unpacked training file with its checksum, or with the one that its .gz ends with.

    The other two sets are verified by torchvision.
    """
    (part,) = file.parts
    if not part.name.startswith("train"):
        return  # Has to be there, but is not read.
    raw, packed, md5 = root / part, root / file.path, RAW_MD5.get(part.as_posix())
    if md5 is not None:
        good = pooch.file_hash(raw, "md5") == md5
    elif packed.exists() and pooch.file_hash(packed, "md5") == file.md5:
        checksum = int.from_bytes(packed.read_bytes()[-8:-4], "little")
        good = zlib.crc32(raw.read_bytes()) == checksum
    else:
        good = True  # No checksum of this file is known.
    if not good:
        raise ValueError(f"{part.name} is not the published file")
