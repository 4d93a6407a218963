"""Scores in NumPy on pictures or features, so that both frameworks share them."""

from .classes import class_alignment, class_variance_ratios, matched_accuracy, reverse_kl
from .classifier import PictureClassifier
from .distances import frechet_distance, kernel_distance
from .neighbours import density_coverage, memorised_share, precision_recall, two_sample_accuracy

__all__ = [
    "PictureClassifier",
    "class_alignment",
    "class_variance_ratios",
    "density_coverage",
    "frechet_distance",
    "kernel_distance",
    "matched_accuracy",
    "memorised_share",
    "precision_recall",
    "reverse_kl",
    "two_sample_accuracy",
]
