"""What is written down while a training step runs under observation."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Layer(NamedTuple):
    """A layer of a network, by what an instrument must know of it.

    ``role`` is "batch normalisation", "dropout" or empty; a ``leaf`` holds no other layers;
    ``weighs`` says whether it has a kernel of its own.
    """

    name: str
    kind: str
    role: str
    leaf: bool
    weighs: bool


ROWS = 8  # So many samples show what a layer does; all of them, in all layers, would fill memory.


class Event(NamedTuple):
    """What went into a layer (``moment`` "in") or came out ("out"): arrays, the first rows."""

    moment: str
    layer: Layer
    arrays: list


@dataclass
class Call:
    """One call of G or D.

    ``args`` and ``kwargs`` are the framework's own tensors, cut off from any gradient; ``inputs``
    and ``outputs`` the tensors among them as NumPy arrays, in order; ``training`` is None where a
    Keras model was not told.
    """

    player: str
    args: tuple
    kwargs: dict
    training: bool | None
    inputs: list
    outputs: list = field(default_factory=list)


@dataclass
class Update:
    """One step of an optimiser: the arrays that it holds, by name, and their gradients.

    Arrays of neither network are called "other". ``leftover`` is the share of gradient that an
    earlier phase left in ``.grad``; 0 in TensorFlow, whose tapes keep nothing.
    """

    optimiser: object
    names: list
    gradients: dict
    leftover: float = 0.0

    def holds(self, player):
        """Return whether it holds arrays of a player, "G" or "D"."""
        return any(name.startswith(f"{player}.") for name in self.names)


@dataclass
class Run:
    """A few steps in a row, from the state in which the networks were given.

    ``losses`` has what each step returned, ``modes`` for each batch normalisation and dropout the
    modes in which it ran (True: training), ``before`` and ``after`` all weights, if they could
    move, ``error`` what the step raised.
    """

    losses: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    updates: list = field(default_factory=list)
    modes: dict = field(default_factory=dict)
    before: dict = field(default_factory=dict)
    after: dict = field(default_factory=dict)
    error: Exception | None = None

    def calls_of(self, player):
        """Return the calls of one player, in order."""
        return [call for call in self.calls if call.player == player]

    def moved(self):
        """Return for each array, by name, whether it changed."""
        return {k: not np.array_equal(v, self.after[k]) for k, v in self.before.items()}


def is_tensor(thing):
    """Return whether a thing is an array or a tensor of either framework."""
    return hasattr(thing, "shape") and hasattr(thing, "dtype")


def tensors(tree):
    """Return the tensors in nested tuples, lists and dicts, in order."""
    if is_tensor(tree):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree
    if not isinstance(tree, (dict, list, tuple)):
        return []
    return [tensor for part in parts for tensor in tensors(part)]


def exchange(tree, new):
    """Return nested tuples, lists and dicts with their tensors exchanged, in order."""
    new = iter(new)

    def walk(part):
        if is_tensor(part):
            return next(new)
        if isinstance(part, dict):
            return {key: walk(value) for key, value in part.items()}
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            return type(part)(*map(walk, part))
        if isinstance(part, (list, tuple)):
            return type(part)(map(walk, part))
        return part

    return walk(tree)
