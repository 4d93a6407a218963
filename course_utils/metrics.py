"""Scores in NumPy on pictures or features, so that both frameworks share them."""

import numpy as np

from .plots import as_images


class DigitClassifier:
    """A small classifier of real pictures, to judge generated ones with.

    One hidden layer on the pixels, by scikit-learn: it belongs to neither framework, trains in
    seconds and is the same in each run.

    Parameters
    ----------
    image_set : ImageSet
        The real pictures to learn from.
    seed : int, optional
        Decides the initial weights and the order of the pictures.
    """

    def __init__(self, image_set, seed=0):
        from sklearn.neural_network import MLPClassifier

        self.classes = len(image_set.class_names)
        self._shape = image_set.images.shape[1:]
        self._network = MLPClassifier((128,), max_iter=200, random_state=seed)
        self._network.fit(self._pixels(image_set.images), image_set.labels)

    def _pixels(self, samples):
        images = as_images(samples)
        if images.shape[1:] != self._shape:
            raise ValueError(
                f"The classifier was trained on pictures of shape {self._shape}, "
                f"but got {images.shape[1:]}."
            )
        return images.reshape(len(images), -1) * 2 - 1

    def probabilities(self, samples):
        """Probability of each class, shape (N, classes), for a batch of either framework."""
        return self._network.predict_proba(self._pixels(samples))

    def accuracy(self, image_set):
        """Share of an image set's pictures that are called by their label."""
        return float((self.probabilities(image_set.images).argmax(1) == image_set.labels).mean())

    def class_shares(self, samples):
        """Share of the samples that fall into each class, shape (classes,)."""
        called = self.probabilities(samples).argmax(1)
        return np.bincount(called, minlength=self.classes) / len(called)

    def confident_share(self, samples, threshold=0.9):
        """Share of the samples whose most probable class has more than this probability."""
        return float((self.probabilities(samples).max(1) > threshold).mean())
