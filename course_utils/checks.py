"""Checks that a cell prints: what was measured, and the bounds that it kept."""

import math
import re

from .arrays import to_numpy

# A printed check. nbval's sanitiser (tests/sanitize.cfg) masks the value alone, so that a reader
# sees what was measured and a stored name or bound is still compared.
CHECK_LINE = re.compile(
    r"^(?P<what>.+): (?P<value>\S+) "
    r"\((?:at least (?P<at_least>\S+?))?(?: and )?(?:at most (?P<at_most>\S+))?\)$",
    re.MULTILINE,
)


def check(what, value, at_least=None, at_most=None):
    """Assert that a measured value keeps its bounds, and print both.

    The line reads ``PyTorch, confident share: 0.73 (at least 0.65)``. The value differs from
    machine to machine; nbval compares the name and the bounds.

    Parameters
    ----------
    what : str
        What was measured.
    value : float
        The measured value.
    at_least, at_most : float, optional
        Finite bounds, both inclusive; at least one of them.

    Raises
    ------
    AssertionError
        If the value is outside the bounds, infinite or not a number, with the value.
    ValueError
        If no bound was given, or one that every value keeps or none, or a name of several lines,
        or something else than one number as value or bound.
    """
    given = {"at least": at_least, "at most": at_most}
    given = {word: _number(what, b) for word, b in given.items() if b is not None}
    if not given:
        raise ValueError(f"check({what!r}, ...) needs at_least=, at_most= or both.")
    if not all(math.isfinite(bound) for bound in given.values()):
        raise ValueError(f"check({what!r}, ...) has a bound that asks nothing: {given}.")
    if given.get("at least", -math.inf) > given.get("at most", math.inf):
        raise ValueError(f"check({what!r}, ...) has bounds that no value keeps: {given}.")
    if not isinstance(what, str) or not what.strip() or len(what.splitlines()) > 1:
        raise ValueError(f"check({what!r}, ...) needs a name of one line.")
    value = _number(what, value) + 0.0  # -0.0 is 0.
    bounds = " and ".join(f"{word} {bound:g}" for word, bound in given.items())
    kept = given.get("at least", -math.inf) <= value <= given.get("at most", math.inf)
    if not kept or math.isinf(value):  # What has diverged keeps no bound.
        raise AssertionError(f"{what}: {value:.6g}, expected {bounds}.")
    print(f"{what}: {_readable(value)} ({bounds})")


def _number(what, value):
    """Return one number as a float; texts are none, and neither are several numbers."""
    array = to_numpy(value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        raise ValueError(f"check({what!r}, ...) needs one number, but got {value!r}.")
    return float(array.item())


def _readable(value):
    """Three digits are what a reader takes in; a count is shown whole."""
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e6 else f"{value:.3g}"
