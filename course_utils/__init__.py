"""Plumbing for the GAN course: it serves the notebooks and contains no GAN logic.

Importing it imports neither PyTorch nor TensorFlow; :func:`setup` does, in the order that works.
"""

from . import doctor
from .arrays import to_numpy
from .checks import check
from .data import ImageSet, load_images, one_hot
from .explore import Explorer
from .metrics import (
    PictureClassifier,
    class_alignment,
    class_variance_ratios,
    density_coverage,
    frechet_distance,
    kernel_distance,
    matched_accuracy,
    memorised_share,
    precision_recall,
    reverse_kl,
    two_sample_accuracy,
)
from .parity import assert_twins, copy_weights, largest_difference
from .plots import (
    COLOURS,
    as_images,
    show_figure,
    show_losses,
    show_moving,
    show_replay,
    show_samples,
    show_strip,
    show_telemetry,
    show_twins,
    tile,
)
from .runtime import setup
from .training import load_checkpoint, resumable, save_checkpoint, train

__all__ = [
    "COLOURS",
    "Explorer",
    "ImageSet",
    "PictureClassifier",
    "as_images",
    "assert_twins",
    "check",
    "class_alignment",
    "class_variance_ratios",
    "copy_weights",
    "density_coverage",
    "doctor",
    "frechet_distance",
    "kernel_distance",
    "largest_difference",
    "load_checkpoint",
    "load_images",
    "matched_accuracy",
    "memorised_share",
    "one_hot",
    "precision_recall",
    "resumable",
    "reverse_kl",
    "save_checkpoint",
    "setup",
    "show_figure",
    "show_losses",
    "show_moving",
    "show_replay",
    "show_samples",
    "show_strip",
    "show_telemetry",
    "show_twins",
    "tile",
    "to_numpy",
    "train",
    "two_sample_accuracy",
]
