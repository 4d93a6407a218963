"""Keras' layers in order, and the order of their units: PyTorch counts C, H, W, Keras H, W, C."""

import numpy as np

from .errors import PairingError


def keras_layers(model):
    """List (layer, order of its inputs, order of its outputs) for each layer with weights."""
    import keras

    flat, units = [], _Units()

    def collect(layer):
        inner = getattr(layer, "layers", None)
        if inner is not None:
            for child in inner:
                units.remember_call(child)
                collect(child)
        elif layer.weights or isinstance(layer, (keras.layers.Reshape, keras.layers.Flatten)):
            flat.append(layer)

    if not getattr(model, "built", True):
        raise PairingError(f"{describe(model)} is not built: give it an Input layer first.")
    collect(model)
    for layer in flat:
        units.look_at(layer)
    return [(x, units.ins.get(id(x)), units.outs.get(id(x))) for x in flat if x.weights]


def describe(keras_layer):
    """Name a layer and its kind, for a message."""
    return f"{keras_layer.name} ({type(keras_layer).__name__})"


class _Units:
    """Which layers' units must change their order, found by following a Keras model's graph.

    ``ins`` and ``outs`` map a layer's id to the order of its input and output units: for each
    unit in Keras' order H, W, C, its place in PyTorch's order C, H, W.
    """

    def __init__(self):
        self.ins, self.outs = {}, {}
        self._outside = {}  # The input of a model within the model, to what it was called with.

    def remember_call(self, layer):
        if hasattr(layer, "layers") and layer._inbound_nodes:
            given = layer._inbound_nodes[0].input_tensors
            self._outside |= {id(x): outer for x, outer in zip(layer.inputs, given, strict=True)}

    def look_at(self, layer):
        import keras

        reshapes = isinstance(layer, (keras.layers.Reshape, keras.layers.Flatten))
        if not layer._inbound_nodes:
            if reshapes:
                raise PairingError(
                    f"What comes before {describe(layer)} is unknown, and so is the order of its "
                    "units: make the model Sequential or functional."
                )
        elif reshapes and len(layer.output.shape) == 4:
            self._reorder_makers(layer.input, _unit_order(*layer.output.shape[1:]))
        elif isinstance(_unwrapped(layer), keras.layers.Dense):
            self.ins[id(layer)] = self._order(layer.input)

    def _made_by(self, tensor):
        """Return the layer that made a symbolic tensor, and what it made it from."""
        if id(tensor) in self._outside:
            return self._made_by(self._outside[id(tensor)])
        layer, node, index = tensor._keras_history
        if hasattr(layer, "layers"):  # A model within the model: look into it.
            return self._made_by(layer.outputs[index])
        return layer, layer._inbound_nodes[node].input_tensors

    def _reorder_makers(self, tensor, order):
        """Reorder all layers that make the units of a flat tensor, such as one to be reshaped."""
        import keras

        layer, inputs = self._made_by(tensor)
        made = isinstance(_unwrapped(layer), (keras.layers.Dense, keras.layers.Embedding))
        if made or isinstance(layer, keras.layers.BatchNormalization):
            self.outs[id(layer)] = order
        if not made and _keeps_units(tensor, inputs):
            for source in inputs:
                self._reorder_makers(source, order)

    def _order(self, tensor):
        """Return the order of a flat tensor's units; None if it is the same in PyTorch."""
        import keras

        layer, inputs = self._made_by(tensor)
        if isinstance(layer, keras.layers.Flatten) and len(inputs[0].shape) == 4:
            return _unit_order(*inputs[0].shape[1:])
        if isinstance(layer, keras.layers.Concatenate) and len(tensor.shape) == 2:
            counts = [source.shape[1] for source in inputs]
            starts = np.cumsum([0, *counts])
            orders = [self._order(source) for source in inputs]
            return np.concatenate(
                [
                    start + (np.arange(count) if order is None else order)
                    for start, count, order in zip(starts, counts, orders, strict=False)
                ]
            )
        if isinstance(_unwrapped(layer), keras.layers.Dense) or not _keeps_units(tensor, inputs):
            return None
        order = next((o for o in map(self._order, inputs) if o is not None), None)
        if order is not None and isinstance(layer, keras.layers.BatchNormalization):
            self.outs[id(layer)] = order
        return order


def _unwrapped(layer):
    return getattr(layer, "layer", layer)


def _keeps_units(output, inputs):
    """Whether a flat tensor was made unit by unit from flat inputs, as activations do."""

    def lengths(tensor):
        return [length for length in tensor.shape[1:] if length != 1]

    return len(lengths(output)) <= 1 and all(lengths(x) == lengths(output) for x in inputs)


def _unit_order(height, width, channels):
    """For each unit in Keras' order H, W, C: its place in PyTorch's order C, H, W."""
    places = np.arange(height * width * channels).reshape(channels, height, width)
    return places.transpose(1, 2, 0).ravel()
