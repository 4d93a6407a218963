"""Labelled pictures that belong to no framework."""

from dataclasses import dataclass

import numpy as np

from ..refusals import check_number, check_seed, check_texts, check_whole
from .batches import Batches
from .labels import check_labels


@dataclass(frozen=True)
class ImageSet:
    """Labelled pictures that belong to no framework.

    Attributes
    ----------
    name : str
        What the pictures show: the name of the data set.
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
        names = check_texts("class_names", self.class_names)
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

    def require_size(self, *sizes):
        """Refuse pictures that a chapter's networks do not make.

        Parameters
        ----------
        *sizes : int
            The heights, in pixels, that the networks can make.

        Raises
        ------
        ValueError
            If the pictures have another size; names those that fit.
        """
        for size in sizes or (None,):
            check_whole("A size of require_size(...)", size, 1)
        if self.size not in sizes:
            able = ", ".join(map(str, sizes))
            near = min(sizes, key=lambda size: abs(size - self.size))
            raise ValueError(
                f"The networks of this chapter make pictures of {able} pixels, and {self.name!r} "
                f"has {self.size}. Load it with load_images(..., size={near})."
            )

    def split(self, fraction=0.8, seed=0):
        """Split at random into two image sets, both with pictures of every class.

        Each class is divided by the fraction, and rounded so that the first set has as many
        pictures as the fraction asks for. Where a class is too small for it, one of its pictures
        goes to the other side all the same.

        Parameters
        ----------
        fraction : float, optional
            The share of the first set, between 0 and 1.
        seed : int, optional
            Decides which pictures, and their order.

        Returns
        -------
        tuple of ImageSet
            The first and the second set.

        Raises
        ------
        ValueError
            If the fraction is none, or a class has a single picture.
        """
        check_number("fraction", fraction)
        check_seed(seed)
        if not 0 < fraction < 1:
            raise ValueError(f"fraction must lie between 0 and 1, but got {fraction!r}.")
        order = np.random.default_rng(seed).permutation(len(self))
        first = np.zeros(len(self), bool)
        for label, count in enumerate(self._shares(fraction)):
            first[np.flatnonzero(self.labels[order] == label)[:count]] = True
        return tuple(
            ImageSet(self.name, self.images[part], self.labels[part], self.class_names)
            for part in (order[first], order[~first])
        )

    def _shares(self, fraction):
        """Return how many pictures of each class go to the first set.

        scikit-learn's stratified split refuses small sets, and can leave a class out.
        """
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        if (counts == 1).any():
            lone = self.class_names[np.flatnonzero(counts == 1)[0]]
            raise ValueError(
                f"The class {lone!r} has a single picture, which cannot be on both sides of a "
                "split: add pictures to it, or leave it out."
            )
        quota = fraction * counts
        least = np.minimum(counts, 1)
        shares = np.clip(np.floor(quota).astype(int), least, counts - least)
        missing = max(round(fraction * len(self)) - shares.sum(), 0)
        in_turn = np.argsort(shares - quota, kind="stable")
        in_turn = in_turn[shares[in_turn] < (counts - least)[in_turn]]
        shares[in_turn[:missing]] += 1
        return shares

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
