"""Image sets for both frameworks: one neutral object, batches in the same order for each."""

from .image_set import ImageSet
from .labels import check_labels, one_hot
from .loading import load_images

__all__ = ["ImageSet", "check_labels", "load_images", "one_hot"]
