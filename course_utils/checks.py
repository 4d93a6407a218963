"""Checks that a cell prints as facts: a bound that held, never the number that varies."""


def check(what, value, at_least=None, at_most=None):
    """Assert that a measured value keeps its bounds, and print the bounds.

    The printed line holds on any machine, so nbval can compare it.

    Parameters
    ----------
    what : str
        What was measured.
    value : float
        The measured value.
    at_least, at_most : float, optional
        Bounds, both inclusive; at least one of them.

    Raises
    ------
    AssertionError
        If the value is outside the bounds or not a number, with the value.
    ValueError
        If no bound was given.
    """
    bounds = [
        f"{word} {bound:g}"
        for word, bound in (("at least", at_least), ("at most", at_most))
        if bound is not None
    ]
    if not bounds:
        raise ValueError(f"check({what!r}, ...) needs at_least=, at_most= or both.")
    value = float(value)
    inside = (at_least is None or value >= at_least) and (at_most is None or value <= at_most)
    if not inside:
        raise AssertionError(f"{what}: {value:.6g}, expected {' and '.join(bounds)}.")
    print(f"{what}: {' and '.join(bounds)}")
