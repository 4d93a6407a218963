"""Arguments that no function can work with, refused in one error that names them."""

from collections.abc import Iterable, Mapping

import numpy as np

LARGEST = float(np.finfo(np.float64).max)
MOST_SEED = 2**32 - 1  # What scikit-learn and NumPy's older generator take.


def check_whole(name, value, lowest, highest=None, why=""):
    """Refuse what is no whole number of a range; True and 2.0 are none."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name} must be a whole number, but got {value!r}.")
    if value < lowest or (highest is not None and value > highest):
        range_ = f"at least {lowest}" if highest is None else f"{lowest} to {highest}"
        raise ValueError(f"{name} must be {range_}{why}, but got {value!r}.")


def check_number(name, value, lowest=-LARGEST, highest=LARGEST):
    """Refuse what is no number of a range; texts and NaN are none."""
    kinds = (int, float, np.integer, np.floating)
    if isinstance(value, bool) or not isinstance(value, kinds) or value != value:
        raise ValueError(f"{name} must be a number, but got {value!r}.")
    # As Python's own number: NumPy's float32 would make the bounds float32, and they overflow.
    number = value.item() if isinstance(value, np.generic) else value
    if not lowest <= number <= highest:
        bounds = "finite" if lowest == -LARGEST else f"{lowest:g} to {highest:g}"
        raise ValueError(f"{name} must be {bounds}, but got {value!r}.")


def check_seed(seed):
    """Refuse what is no seed; None would be another result in each run."""
    check_whole("seed", seed, 0, MOST_SEED)


def check_description(description, what="A figure"):
    """Refuse a description that is none."""
    if not isinstance(description, str) or not description.strip():
        raise ValueError(f"{what} needs a description: say in a sentence what it shows.")


def check_named(name, value, what):
    """Refuse what is no dict of titles to something; it must hold something."""
    good = isinstance(value, Mapping) and value and all(isinstance(key, str) for key in value)
    if not good:
        found = f"an empty {type(value).__name__}" if value == {} else type(value).__name__
        if isinstance(value, Mapping) and value:
            found = f"the key {next(key for key in value if not isinstance(key, str))!r}"
        raise ValueError(f"{name} must be a dict of str to {what}, but got {found}.")


def check_texts(name, value, count=None):
    """Return a list or tuple of texts as a tuple; a single text is no list of them."""
    texts = () if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable) else value
    texts = tuple(texts)
    good = texts and all(isinstance(text, str) for text in texts)
    if not good or (count is not None and len(texts) != count):
        many = "a list of str" if count is None else f"{count} str"
        raise ValueError(f"{name} must be {many}, but got {value!r}.")
    return texts


def check_callable(name, value):
    """Refuse what cannot be called."""
    if not callable(value):
        raise ValueError(f"{name} must be a function, but got {value!r}.")


def check_kind(name, value, attributes, what):
    """Refuse a thing without the attributes that are asked of it."""
    if isinstance(value, type) or not all(hasattr(value, key) for key in attributes):
        raise ValueError(f"{name} must be {what}, but got {type(value).__name__}.")
