"""Streams of batches that know how many were taken, so that a training can go on later."""

import functools

from ..refusals import check_callable, check_whole


class Stream:
    """Batches of a generator function, counted; made by :func:`resumable`.

    Attributes
    ----------
    position : int
        How many batches were taken. Setting it moves the stream: batches up to there are made and
        dropped, from the beginning if it lies behind. So random numbers go on as they would have.
    """

    def __init__(self, make):
        self._make = make
        self._start()

    def _start(self):
        batches = self._make()
        if not hasattr(batches, "__iter__"):
            raise ValueError(
                "resumable needs a function that yields batches, but it returned "
                f"{type(batches).__name__}."
            )
        self._batches, self._position = iter(batches), 0

    def __iter__(self):
        return self

    def __next__(self):
        batch = next(self._batches)
        self._position += 1
        return batch

    @property
    def position(self):
        """How many batches were taken."""
        return self._position

    @position.setter
    def position(self, position):
        check_whole("position", position, 0)
        if position < self._position:
            self._start()
        while self._position < position:
            try:
                next(self)
            except StopIteration:
                raise ValueError(
                    f"The stream ended after {self._position} batches; it cannot go on from "
                    f"{position}."
                ) from None


def resumable(function):
    """Let the batches of a generator function be counted and found again.

    A decorator: a training that was interrupted then goes on with the batch and the z that would
    have come next. The function must yield the same batches at each call with the same arguments,
    so it makes its own random generator from a seed.

    Parameters
    ----------
    function : callable
        A generator function, which yields batches.

    Returns
    -------
    callable
        Takes the same arguments and returns a :class:`Stream`.
    """
    check_callable("function", function)

    @functools.wraps(function)
    def make_stream(*arguments, **options):
        return Stream(lambda: function(*arguments, **options))

    return make_stream
