"""Labelled pictures that belong to no framework."""

from dataclasses import dataclass

import numpy as np

from .batches import Batches
from .labels import check_labels


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
        int64 of shape (N,), 0 to len(class_names) - 1; any whole numbers may be passed.
    class_names : tuple of str
        The name of each class.

    Raises
    ------
    ValueError
        If the pictures are none, or labels and pictures do not fit.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    class_names: tuple

    def __post_init__(self):
        _check_pictures(self.images)
        names = tuple(map(str, self.class_names))
        labels = check_labels(self.labels, len(names), len(self.images))
        # The way to set what a frozen dataclass has checked.
        object.__setattr__(self, "class_names", names)
        object.__setattr__(self, "labels", labels)

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


def _check_pictures(images):
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        raise ValueError(f"images must be a NumPy array of uint8, but got {_described(images)}.")
    if images.ndim != 4 or images.shape[3] not in (1, 3):
        raise ValueError(
            f"images must have the shape (N, height, width, 1 or 3), but got {images.shape}."
        )
    if 0 in images.shape:
        raise ValueError("An image set needs at least one picture of at least one pixel.")


def _described(thing):
    return f"{getattr(thing, 'dtype', type(thing).__name__)}"
