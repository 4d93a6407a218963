"""Find where twins part: the first layer whose outputs differ though its inputs agree."""

import contextlib

import numpy as np

from ..arrays import to_numpy
from .pairing import torch_layers
from .units import describe, keras_layers

NEAR = 1e-4  # Of an array's largest entry: more than float32 rounds in a few layers.


class Watched:
    """What went into each layer with weights and what came out, when it was first called.

    Attributes
    ----------
    seen : dict of int to (numpy.ndarray, numpy.ndarray)
        Place of the layer in its model, to its first input and output.
    """

    def __init__(self):
        self.seen = {}

    def remember(self, place, given, output):
        """Keep what a layer got and gave first; tensors that are no arrays yet are passed over."""
        if place in self.seen:
            return
        with contextlib.suppress(TypeError, ValueError, NotImplementedError):
            # Copies: an activation in place would change the output afterwards.
            self.seen[place] = np.array(to_numpy(given)), np.array(to_numpy(output))


@contextlib.contextmanager
def watching(torch_module, keras_model):
    """Watch all paired layers of both; yield what is seen of each."""
    ours, theirs = Watched(), Watched()
    with contextlib.ExitStack() as undo:
        for place, (_, layer) in enumerate(torch_layers(torch_module)):
            hook = layer.register_forward_hook(
                lambda _, given, output, place=place: ours.remember(place, given[0], output)
            )
            undo.callback(hook.remove)
        for place, (layer, *_) in enumerate(keras_layers(keras_model)):
            undo.enter_context(_watched_call(layer, place, theirs))
        yield ours, theirs


@contextlib.contextmanager
def _watched_call(layer, place, watched):
    """Replace a Keras layer's `call`, on this layer alone, by one that remembers."""
    call = layer.call

    def call_and_remember(given, *arguments, **options):
        output = call(given, *arguments, **options)
        watched.remember(place, given, output)
        return output

    layer.call = call_and_remember
    try:
        yield
    finally:
        del layer.call


def where_they_part(torch_module, keras_model, ours, theirs):
    """Say in a sentence which layers differ first, or that no layer with weights does.

    Parameters
    ----------
    torch_module, keras_model : torch.nn.Module, keras.Model
        The two models.
    ours, theirs : Watched
        What :func:`watching` saw of them, on the same inputs.

    Returns
    -------
    str
        A sentence for an error message.
    """
    last = "the input"
    pairs = zip(torch_layers(torch_module), keras_layers(keras_model), strict=True)
    for place, ((name, layer), (twin, in_order, out_order)) in enumerate(pairs):
        if place not in ours.seen or place not in theirs.seen:
            continue
        both = f"{name} ({type(layer).__name__}) and {describe(twin)}"
        (given, output), (twins_given, twins_output) = ours.seen[place], theirs.seen[place]
        into = _difference(given, twins_given, in_order)
        out = _difference(output, twins_output, out_order)
        if not into <= NEAR:  # Not a number is no agreement.
            return f"They part after {last}, before {both}, whose inputs differ by {into:.2g}."
        if not out <= NEAR:
            return (
                f"They part in {both}: the inputs agree within {max(into, 1e-9):.1g}, the outputs "
                f"differ by {out:.2g} of the largest entry."
            )
        last = both
    return f"All layers with weights agree, up to {last}."


def values_of_a_channel(torch_module, ours):
    """Count how many values of one channel each PyTorch layer gave, by the layer's name."""
    outputs = {
        name: ours.seen[place][1]
        for place, (name, _) in enumerate(torch_layers(torch_module))
        if place in ours.seen
    }
    return {name: out.size // out.shape[1] for name, out in outputs.items() if out.ndim > 1}


def _difference(array, twin, order):
    """Largest difference in units of the largest entry; infinite where the shapes differ."""
    if array.ndim == 4:
        array = array.transpose(0, 2, 3, 1)
    if order is not None and array.ndim == 2 and array.shape[1] == len(order):
        array = array[:, order]
    if array.shape != twin.shape:
        return np.inf
    scale = max(float(np.abs(twin).max()), np.finfo(np.float32).tiny)
    return float(np.abs(array - twin).max()) / scale
