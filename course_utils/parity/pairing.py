"""Pair the layers of a PyTorch module and a Keras model, in order, array by array."""

from dataclasses import dataclass

import numpy as np

from .errors import PairingError
from .spectral import SpectralWeight
from .units import describe, keras_layers


@dataclass(frozen=True)
class Slot:
    """One array of a layer in both frameworks, with the permutation of axes between them."""

    name: str
    torch_tensor: object
    keras_variable: object
    axes: tuple  # Keras array = torch array transposed by these axes ...
    orders: tuple = ()  # ... then taken along (axis, order) pairs.
    trainable: bool = True

    def to_keras(self, array):
        """Bring an array from PyTorch's layout to Keras'."""
        array = array.transpose(self.axes)
        for axis, order in self.orders:
            array = array.take(order, axis)
        return array

    def to_torch(self, array):
        """Bring an array from Keras' layout to PyTorch's."""
        for axis, order in self.orders:
            array = array.take(np.argsort(order), axis)
        return array.transpose(np.argsort(self.axes))


def sort(one, other):
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


def pair(torch_module, keras_model):
    """Pair the layers in order; return a slot for each array."""
    ours = list(torch_layers(torch_module))
    theirs = keras_layers(keras_model)
    slots = []
    for (torch_name, torch_layer), (keras_layer, in_order, out_order) in zip(ours, theirs):  # noqa: B905
        names = f"{torch_name} ({type(torch_layer).__name__}) and {describe(keras_layer)}"
        slots += _pair_layers(torch_name, names, torch_layer, keras_layer, in_order, out_order)
    if len(ours) != len(theirs):
        longer = "PyTorch" if len(ours) > len(theirs) else "Keras"
        index = min(len(ours), len(theirs))
        extra = ours[index][0] if len(ours) > len(theirs) else describe(theirs[index][0])
        raise PairingError(
            f"{len(ours)} PyTorch layers with weights, {len(theirs)} Keras ones: "
            f"{longer}'s {extra} has no twin."
        )
    return slots


def check_settings(torch_module, keras_model):
    """Refuse batch norms that differ in what no single pass shows: their momentum."""
    from torch.nn.modules.batchnorm import _BatchNorm

    for (name, ours), (theirs, *_) in zip(  # noqa: B905
        torch_layers(torch_module), keras_layers(keras_model)
    ):
        if isinstance(ours, _BatchNorm):
            old = None if ours.momentum is None else 1 - ours.momentum
            if old is None or abs(old - theirs.momentum) > 1e-6:
                raise AssertionError(
                    f"{name} ({type(ours).__name__}) and {describe(theirs)} average differently: "
                    f"PyTorch's momentum is {ours.momentum}, the weight of the new batch, and "
                    f"Keras' {theirs.momentum}, the weight of the old mean. "
                    "They are equal if both sum to 1."
                )


def torch_layers(module, name=""):
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
        yield from torch_layers(child, f"{name}.{child_name}" if name else child_name)


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
        slots.append(Slot(f"{torch_name}.{name}", tensor, variable, axes, orders, trainable))

    if hasattr(torch_layer, "weight_orig"):
        raise PairingError(
            f"{names} do not pair: PyTorch's old spectral_norm computes the weight anew from "
            "weight_orig. Use torch.nn.utils.parametrizations.spectral_norm."
        )
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
    weight = SpectralWeight(torch_layer) if spectral else getattr(torch_layer, "weight", None)
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
    elif isinstance(torch_layer, nn.LayerNorm) and isinstance(
        inner, keras.layers.LayerNormalization
    ):
        # PyTorch's shape is (C, H, W) or (C,), Keras' (H, W, C) or (C,).
        axes = (1, 2, 0) if len(torch_layer.normalized_shape) == 3 else (0,)
        units = ((0, out_order),) if len(axes) == 1 else ()
        slot("weight", weight, inner.gamma, axes, units)
        slot("bias", torch_layer.bias, inner.beta, axes, units)
        return slots
    elif isinstance(torch_layer, (nn.GroupNorm, nn.InstanceNorm2d)) and isinstance(
        inner, keras.layers.GroupNormalization
    ):
        # One group a channel is instance normalisation; Keras may write it as -1.
        channels = getattr(torch_layer, "num_channels", None) or torch_layer.num_features
        groups = getattr(torch_layer, "num_groups", channels)
        if groups != (channels if inner.groups == -1 else inner.groups):
            raise PairingError(f"{names} do not pair: {groups} groups and {inner.groups}.")
        slot("weight", weight, inner.gamma)
        slot("bias", torch_layer.bias, inner.beta)
        return slots
    else:
        raise PairingError(
            f"{names} do not pair: not two layers of one kind that the course knows."
        )
    slot("bias", torch_layer.bias, inner.bias, orders=((0, out_order),))
    return slots
