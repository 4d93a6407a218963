"""What a planted bug is, and what bugs of both frameworks share."""

from collections.abc import Callable
from dataclasses import dataclass

MOVES, TRAINS, ARRIVES = "who moves", "who trains whom", "gradient arrives"
LEFT, VALUE, READ = "nothing is left in .grad", "loss at its known value", "inputs are read"
COMPARE, RUNS, SETTINGS, BLENDS = "pictures are comparable", "step runs", "settings", "blends"


@dataclass
class Bug:
    """A bug: the instruments that are meant for it, where it can be, and how it is planted.

    A bug of the step is planted there, by its name; ``plant(gan)`` changes networks or the batch.
    A bug that no instrument is meant for has an empty set, and will be missed.
    """

    instruments: set
    applies: Callable = lambda gan: True
    plant: Callable = lambda gan: None


def has(trait):
    """Return a function that says whether a GAN has a trait."""
    return lambda gan: trait in gan.traits


def uses_z(gan):
    """Return whether G has a z."""
    return "paired" not in gan.traits


def cross_entropy(gan):
    """Return whether the GAN plays for cross-entropy."""
    return gan.loss == "cross-entropy"


def real_pictures(change):
    """Return a planter that changes the real pictures of the batch."""

    def plant(gan):
        parts = list(gan.batch)
        parts[gan.real] = change(parts[gan.real])
        gan.batch = tuple(parts)

    return plant


def wrong_labels(roll):
    """Return a planter that gives each picture the label of another one."""

    def plant(gan):
        gan.batch = (*gan.batch[:2], roll(gan.batch[2]))

    return plant
