"""Endless, seeded batches: the same pictures in the same order for each framework."""

import numpy as np

from ..refusals import check_seed, check_whole

MOST_POSITION = 2**40  # Places in the stream are counted in 64 bits.
DEVICE_LIMIT = 2 * 2**30  # Larger sets stay in main memory and travel batch by batch.


class Batches:
    """Endless, seeded batches of an :class:`ImageSet`; made by :meth:`ImageSet.batches`.

    Attributes
    ----------
    position : int
        How many batches were taken. Setting it moves the stream, as a resumed training does.
    """

    def __init__(self, image_set, framework, batch_size, seed, device, labels):
        whole = isinstance(batch_size, (int, np.integer)) and not isinstance(batch_size, bool)
        if not whole or not 1 <= batch_size <= len(image_set):
            raise ValueError(
                f"batch_size must be a whole number from 1 to {len(image_set)}, the number of "
                f"pictures, but got {batch_size!r}. Chapters set it by BATCH: lower it there."
            )
        makers = {
            "torch": _torch_batches,
            "tensorflow": _tensorflow_batches,
            "numpy": _numpy_batches,
        }
        check_seed(seed)
        if not isinstance(framework, str) or framework not in makers:
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

    @property
    def position(self):
        """How many batches were taken."""
        return self._position

    @position.setter
    def position(self, position):
        check_whole("position", position, 0, MOST_POSITION)
        self._position = int(position)

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


def _home(image_set, device, main_memory):
    """Return where a whole set lives: on the device if it is not too large, else beside it."""
    return device if image_set.images.nbytes <= DEVICE_LIMIT else main_memory


def _numpy_batches(image_set, _device):
    def pick(indices):
        return (
            image_set.images[indices].astype(np.float32) / 127.5 - 1,
            image_set.labels[indices],
        )

    return pick


def _torch_batches(image_set, device):
    import torch

    try:
        device = torch.device(device or "cpu")
        home = _home(image_set, device, torch.device("cpu"))
        images = np.ascontiguousarray(image_set.images.transpose(0, 3, 1, 2))
        images = torch.from_numpy(images).to(home)
        labels = torch.from_numpy(image_set.labels).to(home)
    except (RuntimeError, TypeError, AssertionError) as error:
        raise ValueError(
            f"device must be one that PyTorch has here, but got {device!r} ({error})."
        ) from None

    def pick(indices):
        chosen = torch.from_numpy(indices).to(home)
        return images[chosen].to(device).float() / 127.5 - 1, labels[chosen].to(device)

    return pick


def _tensorflow_batches(image_set, device):
    import tensorflow as tf

    device = device or "/CPU:0"
    home = _home(image_set, device, "/CPU:0")
    try:
        tf.DeviceSpec.from_string(device)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"device must be one of TensorFlow's, but got {device!r} ({error})."
        ) from None
    with tf.device(home):
        images, labels = tf.constant(image_set.images), tf.constant(image_set.labels)

    def pick(indices):
        with tf.device(home):
            chosen_images, chosen_labels = tf.gather(images, indices), tf.gather(labels, indices)
        with tf.device(device):
            return tf.cast(chosen_images, tf.float32) / 127.5 - 1, tf.identity(chosen_labels)

    return pick
