"""Image sets for both frameworks: one neutral object, batches in the same order for each."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

OFFLINE = ("digits", "street")
DOWNLOADED = ("mnist", "fashion_mnist", "svhn", "cifar10")
DATA_SETS = (*OFFLINE, *DOWNLOADED, "folder")
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
DEVICE_LIMIT = 2 * 2**30  # Larger sets stay in main memory and travel batch by batch.


@dataclass(frozen=True)
class ImageSet:
    """Labelled pictures that belong to no framework.

    Attributes
    ----------
    name : str
        The name it was loaded by.
    images : numpy.ndarray
        uint8 of shape (N, height, width, channels), 0 to 255; channels is 1 or 3.
    labels : numpy.ndarray
        int64 of shape (N,), 0 to len(class_names) - 1.
    class_names : tuple of str
        The name of each class.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    class_names: tuple

    def __post_init__(self):
        _check_image_set(self)

    def __len__(self):
        return len(self.images)

    def __repr__(self):
        height, width, channels = self.images.shape[1:]
        return (
            f"{self.name}: {len(self):,} images of {height} x {width} x {channels}, "
            f"{len(self.class_names)} classes"
        )

    @property
    def size(self):
        """Height of the pictures, in pixels."""
        return self.images.shape[1]

    @property
    def channels(self):
        """1 for grey pictures, 3 for colour."""
        return self.images.shape[3]

    def scaled(self):
        """All images as float32 in [-1, 1], shape (N, height, width, channels)."""
        return self.images.astype(np.float32) / 127.5 - 1

    def split(self, fraction=0.8, seed=0):
        """Split at random into two image sets, the first with this fraction of the pictures."""
        if not 0 < fraction < 1:
            raise ValueError(f"fraction must lie between 0 and 1, but got {fraction!r}.")
        order = np.random.default_rng(seed).permutation(len(self))
        cut = round(fraction * len(self))
        if not 0 < cut < len(self):
            raise ValueError(f"{len(self)} pictures cannot be split at {fraction}.")
        return tuple(
            ImageSet(self.name, self.images[part], self.labels[part], self.class_names)
            for part in (order[:cut], order[cut:])
        )

    def batches(self, framework, batch_size=64, seed=0, device=None, labels=False):
        """Return an endless stream of shuffled batches for one framework.

        The same seed gives the same pictures in the same order to every framework. Batches are
        always full; in each pass over the data every picture is seen once. There are no worker
        processes.

        Parameters
        ----------
        framework : {"torch", "tensorflow", "numpy"}
            ``"torch"`` yields float32 tensors of shape (batch, channels, height, width), the
            others (batch, height, width, channels); all in [-1, 1].
        batch_size : int, optional
            Pictures in a batch, at most the size of the set.
        seed : int, optional
            Decides the order.
        device : optional
            ``runtime.torch_device`` or ``runtime.tf_device``. Sets up to 2 GiB live there whole.
        labels : bool, optional
            Yield ``(images, labels)`` instead of images alone.

        Returns
        -------
        Batches
            An iterator; its ``position`` counts the batches taken and can be set.
        """
        return Batches(self, framework, batch_size, seed, device, labels)


class Batches:
    """Endless, seeded batches of an :class:`ImageSet`; made by :meth:`ImageSet.batches`.

    Attributes
    ----------
    position : int
        How many batches were taken. Setting it moves the stream, as a resumed training does.
    """

    def __init__(self, image_set, framework, batch_size, seed, device, labels):
        if not isinstance(batch_size, (int, np.integer)) or not 1 <= batch_size <= len(image_set):
            raise ValueError(
                f"batch_size must be a whole number from 1 to {len(image_set)}, the number of "
                f"pictures, but got {batch_size!r}."
            )
        makers = {
            "torch": _torch_batches,
            "tensorflow": _tensorflow_batches,
            "numpy": _numpy_batches,
        }
        if framework not in makers:
            raise ValueError(
                f"framework must be one of {', '.join(makers)}, but got {framework!r}."
            )
        self.batch_size = batch_size
        self.position = 0
        self._count = len(image_set)
        self._seed = seed
        self._labels = labels
        self._orders = {}
        self._pick = makers[framework](image_set, device)

    def __iter__(self):
        return self

    def __next__(self):
        images, labels = self._pick(self._indices(self.position))
        self.position += 1
        return (images, labels) if self._labels else images

    def _indices(self, position):
        """Return the pictures of one batch: a window on a chain of fresh permutations."""
        places = np.arange(position * self.batch_size, (position + 1) * self.batch_size)
        return np.array(
            [self._order(place // self._count)[place % self._count] for place in places]
        )

    def _order(self, epoch):
        if epoch not in self._orders:
            # A batch touches at most two passes; older orders are not needed again.
            self._orders = {e: o for e, o in self._orders.items() if e == epoch - 1}
            self._orders[epoch] = np.random.default_rng((self._seed, epoch)).permutation(
                self._count
            )
        return self._orders[epoch]


def _numpy_batches(image_set, _device):
    def pick(indices):
        return (
            image_set.images[indices].astype(np.float32) / 127.5 - 1,
            image_set.labels[indices],
        )

    return pick


def _torch_batches(image_set, device):
    import torch

    device = torch.device(device or "cpu")
    home = device if image_set.images.nbytes <= DEVICE_LIMIT else torch.device("cpu")
    images = torch.from_numpy(np.ascontiguousarray(image_set.images.transpose(0, 3, 1, 2))).to(home)
    labels = torch.from_numpy(image_set.labels).to(home)

    def pick(indices):
        chosen = torch.from_numpy(indices).to(home)
        return images[chosen].to(device).float() / 127.5 - 1, labels[chosen].to(device)

    return pick


def _tensorflow_batches(image_set, device):
    import tensorflow as tf

    device = device or "/CPU:0"
    home = device if image_set.images.nbytes <= DEVICE_LIMIT else "/CPU:0"
    with tf.device(home):
        images, labels = tf.constant(image_set.images), tf.constant(image_set.labels)

    def pick(indices):
        with tf.device(home):
            chosen_images, chosen_labels = tf.gather(images, indices), tf.gather(labels, indices)
        with tf.device(device):
            return tf.cast(chosen_images, tf.float32) / 127.5 - 1, tf.identity(chosen_labels)

    return pick


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
    labels = np.asarray(labels)
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
        If the labels are not a list of whole numbers or a label is outside the classes.
    """
    return np.eye(classes, dtype=np.float32)[check_labels(labels, classes)]


def load_images(name="digits", size=None, root=None):
    """Load an image set by name.

    Parameters
    ----------
    name : str
        ``"digits"``: 1,797 handwritten digits shipped with scikit-learn, grey, 28 pixels.
        ``"street"``: 7,188 house-number pictures composed from those digits, colour, 32 pixels.
        Both need no network. ``"mnist"``, ``"fashion_mnist"`` (28), ``"svhn"``, ``"cifar10"`` (32):
        the training pictures, read by torchvision and downloaded once if they are not there.
        ``"folder"``: your own pictures, one sub-folder a class, cut square (32).
    size : int, optional
        Height and width in pixels, 8 to 512; the set's own size if left out.
    root : path, optional
        Where data lives: this argument, else the environment variable ``COURSE_DATA``, else the
        user's cache folder. For ``"folder"`` it is the folder of class folders, and required.

    Returns
    -------
    ImageSet
        uint8 pictures, labels and class names.

    Raises
    ------
    ValueError
        Unknown name or impossible size.
    FileNotFoundError
        No such folder, or no pictures in it.
    OSError
        A file is damaged, or a download failed; nothing half-made is left behind.
    """
    if name not in DATA_SETS:
        raise ValueError(f"No data set is called {name!r}. Choose one of: {', '.join(DATA_SETS)}.")
    if size is not None and (not isinstance(size, (int, np.integer)) or not 8 <= size <= 512):
        raise ValueError(f"size must be a whole number of pixels from 8 to 512, but got {size!r}.")
    if name == "digits":
        return _load_digits(size or 28)
    if name == "street":
        return _load_street(size or 32)
    if name == "folder":
        return _load_folder(root, size or 32)
    return _load_torchvision(name, size, _data_root(root))


def _data_root(root):
    return Path(root or os.environ.get("COURSE_DATA") or platformdirs.user_cache_path("gan-course"))


def _resize(image, size):
    """Resize one uint8 picture, (height, width) or (height, width, channels)."""
    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))


def _load_digits(size):
    from sklearn.datasets import load_digits

    bunch = load_digits()
    margin = round(size / 14)  # The 8 x 8 originals touch their frame; MNIST's digits do not.
    grey = (bunch.images * (255 / 16)).round().astype(np.uint8)
    images = np.zeros((len(grey), size, size, 1), np.uint8)
    for canvas, digit in zip(images, grey, strict=True):
        canvas[margin : size - margin, margin : size - margin, 0] = _resize(
            digit, size - 2 * margin
        )
    return ImageSet("digits", images, bunch.target.astype(np.int64), _digit_names())


def _digit_names():
    return tuple(str(digit) for digit in range(10))


def _load_street(size, variants=4, seed=0):
    """Compose house numbers: a coloured digit with its neighbours cut off, on a shaded wall."""
    digits = _load_digits(size)
    rng = np.random.default_rng(seed)
    count = variants * len(digits)
    shown = np.tile(np.arange(len(digits)), variants)
    ink = digits.images[..., 0].astype(np.float32) / 255
    middle = ink[shown]
    shift = size - 2 * round(size / 14) - round(size / 8)  # Neighbours overlap the margin a little.
    left = np.roll(ink[rng.integers(len(digits), size=count)], -shift, axis=2)
    right = np.roll(ink[rng.integers(len(digits), size=count)], shift, axis=2)
    left[:, :, size - shift :] = 0
    right[:, :, :shift] = 0
    mask = np.maximum(middle, np.maximum(left, right))[..., None]

    def colour(darkest, brightest):
        grey = rng.uniform(darkest, brightest, (count, 1, 1, 1))
        tint = rng.uniform(-0.2, 0.2, (count, 1, 1, 3))
        return grey + tint - tint.mean(axis=3, keepdims=True)  # No tint changes the brightness.

    wall, paint = colour(0.1, 0.35), colour(0.65, 0.9)  # One dark, one bright: always legible.
    bright_wall = rng.random((count, 1, 1, 1)) < 0.5
    wall, paint = np.where(bright_wall, paint, wall), np.where(bright_wall, wall, paint)
    shade = np.linspace(-1, 1, size)[None, :, None, None] * rng.uniform(
        -0.12, 0.12, (count, 1, 1, 1)
    )
    picture = wall * (1 - mask) + paint * mask + shade
    images = (np.clip(picture, 0, 1) * 255).round().astype(np.uint8)
    return ImageSet("street", images, digits.labels[shown], digits.class_names)


def _load_torchvision(name, size, root):
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
    images = np.asarray(data.data)
    if name == "svhn":
        images = images.transpose(0, 2, 3, 1)  # torchvision keeps this one as (N, C, H, W).
    if images.ndim == 3:
        images = images[..., None]
    if size not in (None, images.shape[1]):
        images = np.stack(
            [
                _resize(image.squeeze(), size)
                for image in tqdm(images, name, leave=False, file=sys.stdout)
            ]
        )
        images = images.reshape(len(images), size, size, -1)
    labels = np.asarray(data.labels if name == "svhn" else data.targets, dtype=np.int64)
    return ImageSet(name, images, labels, tuple(getattr(data, "classes", _digit_names())))


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


def _load_folder(root, size):
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
        for path, _ in tqdm(files, "pictures", leave=False, file=sys.stdout)
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


def _check_image_set(image_set):
    images, labels = image_set.images, image_set.labels
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(
            "images must be uint8 of shape (N, height, width, 1 or 3), "
            f"but got {images.dtype} of shape {images.shape}."
        )
    if len(images) == 0:
        raise ValueError("An image set needs at least one picture.")
    check_labels(labels, len(image_set.class_names), len(images))
