"""Prove that a PyTorch module and a Keras model are one network: copy weights, compare results.

Layers are paired in order. Layouts differ between the frameworks and are translated here:

=====================  =====================  =====================
layer                  PyTorch                Keras
=====================  =====================  =====================
dense                  (out, in)              (in, out)
convolution            (out, in, kh, kw)      (kh, kw, in, out)
transposed convolution (in, out, kh, kw)      (kh, kw, out, in)
units before a reshape ordered C, H, W        ordered H, W, C
=====================  =====================  =====================
"""

from dataclasses import dataclass

import numpy as np


class PairingError(ValueError):
    """Two layers that should be twins are not; the message names them."""


@dataclass(frozen=True)
class TwinReport:
    """Largest differences that :func:`assert_twins` found, and the bounds they kept.

    Attributes
    ----------
    output : float
        Largest absolute difference of any output value.
    gradient : float
        Largest difference of any gradient, relative to the largest entry of its array.
    arrays : int
        How many gradients were compared.
    """

    output: float
    gradient: float
    arrays: int
    atol: float
    rtol: float

    def __repr__(self):
        return (
            f"Twins: outputs agree within {self.atol:g}, {self.arrays} gradients within "
            f"{self.rtol:g} of their size."
        )


@dataclass(frozen=True)
class _Slot:
    """One array of a layer in both frameworks, with the permutation of axes between them."""

    name: str
    torch_tensor: object
    keras_variable: object
    axes: tuple  # Keras array = torch array transposed by these axes ...
    orders: tuple = ()  # ... then taken along (axis, order) pairs.
    trainable: bool = True

    def to_keras(self, array):
        array = array.transpose(self.axes)
        for axis, order in self.orders:
            array = array.take(order, axis)
        return array

    def to_torch(self, array):
        for axis, order in self.orders:
            array = array.take(np.argsort(order), axis)
        return array.transpose(np.argsort(self.axes))


def copy_weights(source, target):
    """Copy all weights and batch statistics between a PyTorch module and a Keras model.

    Knows dense, convolution, transposed convolution, batch normalisation and embedding layers,
    and each of them under spectral normalisation where both frameworks normalise the same matrix.
    A Keras ``Reshape`` after a dense layer, and a ``Flatten`` before one, reorder units: this is
    translated. Nothing is changed unless every layer pairs.

    Parameters
    ----------
    source, target : torch.nn.Module or keras.Model
        One of each; the Keras model must be built (give it an ``Input``).

    Raises
    ------
    TypeError
        If the two are not one PyTorch module and one Keras model.
    PairingError
        If a layer does not pair; names both layers and what differs.
    """
    torch_module, keras_model = _sort(source, target)
    slots = _pair(torch_module, keras_model)
    if source is torch_module:
        arrays = [slot.to_keras(_numpy(slot.torch_tensor)) for slot in slots]
        for slot, array in zip(slots, arrays, strict=True):
            slot.keras_variable.assign(array)
    else:
        import torch

        arrays = [slot.to_torch(_numpy(slot.keras_variable)) for slot in slots]
        with torch.no_grad():
            for slot, array in zip(slots, arrays, strict=True):
                slot.torch_tensor.copy_(torch.from_numpy(np.ascontiguousarray(array)))
        _make_spectral_norms_exact(torch_module)


def largest_difference(torch_module, keras_model):
    """Largest absolute difference of any trainable parameter between the twins."""
    return max(
        float(np.abs(slot.to_keras(_numpy(slot.torch_tensor)) - _numpy(slot.keras_variable)).max())
        for slot in _pair(torch_module, keras_model)
        if slot.trainable
    )


def assert_twins(torch_module, keras_model, inputs, atol=1e-5, rtol=1e-4, training=True):
    """Assert that both models give the same outputs and gradients on the same inputs.

    The gradients are those of a fixed random weighting of the outputs, with respect to all
    trainable parameters and to float inputs. Batch statistics are put back afterwards. Kernels
    under spectral normalisation are left out of the gradients: PyTorch differentiates through the
    norm, Keras does not.

    Parameters
    ----------
    torch_module : torch.nn.Module
        The PyTorch twin.
    keras_model : keras.Model
        The Keras twin, with the same weights (see :func:`copy_weights`).
    inputs : numpy.ndarray or list of numpy.ndarray
        Pictures as (N, height, width, channels), anything else as both models take it.
    atol : float, optional
        Bound on the absolute difference of any output value.
    rtol : float, optional
        Bound on the difference of any gradient entry, relative to the largest of its array.
    training : bool, optional
        Whether batch normalisation uses the batch's statistics (and updates its own).

    Returns
    -------
    TwinReport
        The largest differences.

    Raises
    ------
    AssertionError
        If a bound is broken; names the array and the difference.
    PairingError
        If the layers do not pair.
    """
    _sort(torch_module, keras_model)
    slots = _pair(torch_module, keras_model)
    inputs = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    was_training = torch_module.training
    torch_state = {key: value.clone() for key, value in torch_module.state_dict().items()}
    keras_state = [_numpy(variable) for variable in keras_model.weights]
    try:
        torch_outputs, torch_gradients = _run_torch(torch_module, slots, inputs, training)
        keras_outputs, keras_gradients = _run_keras(keras_model, slots, inputs, training)
    finally:
        torch_module.load_state_dict(torch_state)
        torch_module.train(was_training)
        for variable, value in zip(keras_model.weights, keras_state, strict=True):
            variable.assign(value)
    output, gradient = 0.0, 0.0
    for index, (ours, theirs) in enumerate(zip(torch_outputs, keras_outputs, strict=True)):
        if ours.shape != theirs.shape:
            raise AssertionError(f"Output {index}: PyTorch {ours.shape}, Keras {theirs.shape}.")
        difference = float(np.abs(ours - theirs).max())
        output = max(output, difference)
        _require(difference <= atol, f"Output {index} differs by {difference:.3g}, above {atol:g}.")
    # An array whose gradient is zero but for rounding (a bias before batch norm) has no scale.
    floor = 1e-3 * max((np.abs(array).max() for array in keras_gradients.values()), default=0)
    for name, theirs in keras_gradients.items():
        scale = max(np.abs(theirs).max(), floor, np.finfo(theirs.dtype).tiny)
        difference = float(np.abs(torch_gradients[name] - theirs).max() / scale)
        gradient = max(gradient, difference)
        _require(
            difference <= rtol,
            f"The gradient of {name} differs by {difference:.3g} of its size, above {rtol:g}.",
        )
    return TwinReport(output, gradient, len(keras_gradients), atol, rtol)


def _require(condition, message):
    if not condition:
        raise AssertionError(
            f"{message} Usual causes: weights not copied, another eps, slope or padding, or "
            "batch norm in another mode."
        )


def _sort(one, other):
    """Return the PyTorch module and the Keras model, whichever came first."""
    import keras
    import torch

    for torch_module, keras_model in ((one, other), (other, one)):
        if isinstance(torch_module, torch.nn.Module) and isinstance(keras_model, keras.Layer):
            return torch_module, keras_model
    raise TypeError(
        "Expected a PyTorch module and a Keras model, "
        f"but got {type(one).__name__} and {type(other).__name__}."
    )


def _numpy(tensor):
    return tensor.detach().cpu().numpy() if hasattr(tensor, "detach") else np.asarray(tensor)


# --- pairing -------------------------------------------------------------------------------------


def _pair(torch_module, keras_model):
    """Pair the layers in order; return a slot for each array."""
    ours = list(_torch_layers(torch_module))
    theirs = _keras_layers(keras_model)
    slots = []
    for (torch_name, torch_layer), (keras_layer, in_order, out_order) in zip(ours, theirs):  # noqa: B905
        names = f"{torch_name} ({type(torch_layer).__name__}) and {_describe(keras_layer)}"
        slots += _pair_layers(torch_name, names, torch_layer, keras_layer, in_order, out_order)
    if len(ours) != len(theirs):
        longer = "PyTorch" if len(ours) > len(theirs) else "Keras"
        index = min(len(ours), len(theirs))
        extra = ours[index][0] if len(ours) > len(theirs) else _describe(theirs[index][0])
        raise PairingError(
            f"{len(ours)} PyTorch layers with weights, {len(theirs)} Keras ones: "
            f"{longer}'s {extra} has no twin."
        )
    return slots


def _describe(keras_layer):
    return f"{keras_layer.name} ({type(keras_layer).__name__})"


def _torch_layers(module, name=""):
    """Yield (name, layer) for each layer with weights, in order."""
    import torch

    if hasattr(module, "parametrizations") or not list(module.children()):
        if list(module.parameters()) or list(module.buffers()):
            yield name or "the module", module
        return
    own = list(module.named_parameters(recurse=False))
    if own:
        raise PairingError(
            f"{name or 'The module'} ({type(module).__name__}) holds the parameter {own[0][0]!r} "
            "itself; only standard layers can be paired."
        )
    for child_name, child in module.named_children():
        assert isinstance(child, torch.nn.Module)
        yield from _torch_layers(child, f"{name}.{child_name}" if name else child_name)


def _keras_layers(model):
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
        raise PairingError(f"{_describe(model)} is not built: give it an Input layer first.")
    collect(model)
    for layer in flat:
        units.look_at(layer)
    return [(x, units.ins.get(id(x)), units.outs.get(id(x))) for x in flat if x.weights]


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
                    f"What comes before {_describe(layer)} is unknown, and so is the order of its "
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


def _pair_layers(torch_name, names, torch_layer, keras_layer, in_order, out_order):
    import keras
    from torch import nn

    slots = []

    def slot(name, tensor, variable, axes=(0,), orders=(), trainable=True):
        if (tensor is None) != (variable is None):
            where = "PyTorch" if variable is None else "Keras"
            raise PairingError(f"{names} do not pair: only {where}'s has a {name}.")
        if tensor is None:
            return
        orders = tuple((axis, order) for axis, order in orders if order is not None)
        for axis, order in orders:
            if len(order) != tuple(tensor.shape)[axes[axis]]:
                raise PairingError(
                    f"{names} do not pair: a reshape of {len(order)} units next to a layer "
                    f"of {tuple(tensor.shape)[axes[axis]]}."
                )
        shape = tuple(tensor.shape[axis] for axis in axes)
        if shape != tuple(variable.shape):
            raise PairingError(
                f"{names} do not pair: {name} is {tuple(tensor.shape)} in PyTorch and "
                f"{tuple(variable.shape)} in Keras (expected {shape})."
            )
        slots.append(_Slot(f"{torch_name}.{name}", tensor, variable, axes, orders, trainable))

    spectral = hasattr(torch_layer, "parametrizations")
    if spectral != isinstance(keras_layer, keras.layers.SpectralNormalization):
        raise PairingError(f"{names} do not pair: only one has spectral normalisation.")
    inner = keras_layer
    if spectral:
        inner = keras_layer.layer
        norm = torch_layer.parametrizations.weight[0]
        if not hasattr(norm, "_u") or keras_layer.vector_u.shape[1] != len(norm._u):
            raise PairingError(
                f"{names} do not pair: the frameworks' spectral normalisation takes another "
                "matrix of this kind of kernel."
            )
        slot("spectral vector", norm._u[None], keras_layer.vector_u, (0, 1), trainable=False)

    # In training mode a look at a spectrally normalised weight would change it.
    weight = _SpectralWeight(torch_layer) if spectral else getattr(torch_layer, "weight", None)
    dense = (0, in_order), (1, out_order)
    if isinstance(torch_layer, nn.Linear) and isinstance(inner, keras.layers.Dense):
        slot("weight", weight, inner.kernel, (1, 0), dense, not spectral)
    elif (
        isinstance(torch_layer, nn.Conv2d)
        and isinstance(inner, keras.layers.Conv2D)
        or isinstance(torch_layer, nn.ConvTranspose2d)
        and isinstance(inner, keras.layers.Conv2DTranspose)
        and torch_layer.groups == 1
    ):
        slot("weight", weight, inner.kernel, (2, 3, 1, 0), (), not spectral)
    elif isinstance(torch_layer, nn.Embedding) and isinstance(inner, keras.layers.Embedding):
        slot("weight", weight, inner.embeddings, (0, 1), ((1, out_order),), not spectral)
        return slots
    elif isinstance(torch_layer, (nn.BatchNorm1d, nn.BatchNorm2d)) and isinstance(
        inner, keras.layers.BatchNormalization
    ):
        units = ((0, out_order),)
        slot("weight", weight, inner.gamma, orders=units)
        slot("bias", torch_layer.bias, inner.beta, orders=units)
        slot("running_mean", torch_layer.running_mean, inner.moving_mean, (0,), units, False)
        slot("running_var", torch_layer.running_var, inner.moving_variance, (0,), units, False)
        return slots
    else:
        raise PairingError(
            f"{names} do not pair: not two layers of one kind that the course knows."
        )
    slot("bias", torch_layer.bias, inner.bias, orders=((0, out_order),))
    return slots


class _SpectralWeight:
    """The kernel a spectrally normalised layer uses; written, it becomes the stored kernel."""

    def __init__(self, layer):
        self._layer = layer
        self.shape = layer.parametrizations.weight.original.shape

    def detach(self):
        training = self._layer.training
        self._layer.eval()
        value = self._layer.weight.detach()
        self._layer.train(training)
        return value

    def copy_(self, array):
        self._layer.parametrizations.weight.original.copy_(array)


def _make_spectral_norms_exact(torch_module):
    """Choose v so that u W v = 1: then PyTorch uses the copied kernel as it is, as Keras does."""
    import torch

    for module in torch_module.modules():
        if hasattr(module, "parametrizations") and hasattr(module.parametrizations.weight[0], "_u"):
            norm = module.parametrizations.weight[0]
            with torch.no_grad():
                matrix = norm._reshape_weight_to_matrix(module.parametrizations.weight.original)
                direction = matrix.T @ norm._u
                norm._v.copy_(direction / direction.dot(direction))


# --- running -------------------------------------------------------------------------------------


def _weighting(shape, dtype):
    """Fixed random weights, so that the loss sees every output in its own way."""
    return np.random.default_rng(0).normal(size=shape).astype(dtype) / np.sqrt(np.prod(shape))


def _as_list(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def _run_torch(module, slots, inputs, training):
    import torch

    parameter = next(module.parameters())
    tensors = []
    for array in inputs:
        array = np.asarray(array)
        array = np.ascontiguousarray(array.transpose(0, 3, 1, 2)) if array.ndim == 4 else array
        tensor = torch.tensor(array, device=parameter.device)
        is_float = tensor.is_floating_point()
        tensors.append(tensor.to(parameter.dtype).requires_grad_() if is_float else tensor)
    module.train(training)
    outputs = _as_list(module(*tensors))
    arrays = [_numpy(output) for output in outputs]
    arrays = [array.transpose(0, 2, 3, 1) if array.ndim == 4 else array for array in arrays]
    loss = 0
    for output, array in zip(outputs, arrays, strict=True):
        weights = _weighting(array.shape, array.dtype)
        weights = weights.transpose(0, 3, 1, 2) if array.ndim == 4 else weights
        loss = loss + (output * torch.tensor(weights, device=output.device)).sum()
    compared = [slot for slot in slots if slot.trainable]
    floats = [tensor for tensor in tensors if tensor.requires_grad]
    gradients = torch.autograd.grad(loss, [slot.torch_tensor for slot in compared] + floats)
    found = {
        slot.name: slot.to_keras(_numpy(gradient))
        for slot, gradient in zip(compared, gradients, strict=False)
    }
    for index, gradient in enumerate(gradients[len(compared) :]):
        array = _numpy(gradient)
        found[f"input {index}"] = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
    return arrays, found


def _run_keras(model, slots, inputs, training):
    import tensorflow as tf

    tensors = []
    for array in inputs:
        tensor = tf.constant(array)
        tensors.append(tf.cast(tensor, model.compute_dtype) if tensor.dtype.is_floating else tensor)
    floats = [tensor for tensor in tensors if tensor.dtype.is_floating]
    compared = [slot for slot in slots if slot.trainable]
    sources = [slot.keras_variable.value for slot in compared] + floats
    with tf.GradientTape() as tape:
        tape.watch(floats)
        outputs = _as_list(model(tensors[0] if len(tensors) == 1 else tensors, training=training))
        loss = tf.add_n(
            [tf.reduce_sum(y * _weighting(tuple(y.shape), y.dtype.as_numpy_dtype)) for y in outputs]
        )
    # The gradient of an embedding is sparse; a tensor has it whole.
    gradients = [_numpy(tf.convert_to_tensor(g)) for g in tape.gradient(loss, sources)]
    names = [slot.name for slot in compared] + [f"input {i}" for i in range(len(floats))]
    return [_numpy(output) for output in outputs], dict(zip(names, gradients, strict=True))
