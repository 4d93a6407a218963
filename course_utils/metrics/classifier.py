"""A judge of generated pictures that belongs to neither framework."""

import warnings

import numpy as np

from ..data import ImageSet
from ..plots import as_images
from ..refusals import check_number, check_seed

PICTURES_SEEN = 300_000  # at most in the classifier's training, so that MNIST takes seconds, too


class PictureClassifier:
    """A small classifier of real pictures, to judge generated ones with.

    One hidden layer of 128 units on the pixels, by scikit-learn: it belongs to neither framework,
    trains in seconds and is the same in each run.

    Parameters
    ----------
    image_set : ImageSet
        The real pictures to learn from.
    seed : int, optional
        Decides the initial weights and the order of the pictures.

    Raises
    ------
    ValueError
        If there are pictures of fewer than two classes.
    """

    def __init__(self, image_set, seed=0):
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier

        _check_image_set(image_set)
        check_seed(seed)
        self.classes = len(image_set.class_names)
        counts = np.bincount(image_set.labels, minlength=self.classes)
        if (counts > 0).sum() < 2:
            raise ValueError("A classifier needs pictures of at least two classes.")
        unseen = [image_set.class_names[label] for label in np.flatnonzero(counts == 0)]
        if unseen:
            print(f"No picture of {', '.join(unseen)}: the classifier will never answer that.")
        self._shape = image_set.images.shape[1:]
        epochs = min(200, -(-PICTURES_SEEN // len(image_set)))
        self._network = MLPClassifier((128,), max_iter=epochs, random_state=seed)
        with warnings.catch_warnings():
            # A few times through MNIST is enough; scikit-learn would warn that it could go on.
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._network.fit(self._pixels(image_set.images, "NHWC"), image_set.labels)

    def _pixels(self, samples, layout=None):
        images = as_images(samples, layout)
        if images.shape[1:] != self._shape:
            raise ValueError(
                f"The classifier was trained on pictures of shape {self._shape}, "
                f"but got {images.shape[1:]}."
            )
        return images.reshape(len(images), -1) * 2 - 1

    def probabilities(self, samples):
        """Probability of each class, shape (N, classes), for a batch of either framework."""
        return self._probabilities(self._pixels(samples))

    def _probabilities(self, pixels):
        probabilities = np.zeros((len(pixels), self.classes))
        probabilities[:, self._network.classes_] = self._network.predict_proba(pixels)
        return probabilities

    def features(self, samples):
        """Activations of the hidden layer, float of shape (N, 128), all at least 0."""
        weights, bias = self._network.coefs_[0], self._network.intercepts_[0]
        return np.maximum(self._pixels(samples) @ weights + bias, 0)

    def accuracy(self, image_set):
        """Share of an image set's pictures that are called by their label."""
        _check_image_set(image_set)
        if len(image_set.class_names) != self.classes:
            raise ValueError(
                f"The classifier knows {self.classes} classes, but these pictures have "
                f"{len(image_set.class_names)}."
            )
        called = self._probabilities(self._pixels(image_set.images, "NHWC")).argmax(1)
        return float((called == image_set.labels).mean())

    def class_shares(self, samples):
        """Share of the samples that fall into each class, shape (classes,)."""
        called = self.probabilities(samples).argmax(1)
        return np.bincount(called, minlength=self.classes) / len(called)

    def confident_share(self, samples, threshold=0.9):
        """Share of the samples whose most probable class has more than this probability."""
        check_number("threshold", threshold, 0, 1)
        return float((self.probabilities(samples).max(1) > threshold).mean())


def _check_image_set(image_set):
    if not isinstance(image_set, ImageSet):
        raise ValueError(f"Expected an ImageSet, but got {type(image_set).__name__}.")
