"""Copy weights between the frameworks, and measure how far they are apart."""

import numpy as np

from ..arrays import to_numpy
from .pairing import pair, sort
from .spectral import make_spectral_norms_exact


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
    torch_module, keras_model = sort(source, target)
    slots = pair(torch_module, keras_model)
    if source is torch_module:
        arrays = [slot.to_keras(to_numpy(slot.torch_tensor)) for slot in slots]
        for slot, array in zip(slots, arrays, strict=True):
            slot.keras_variable.assign(array)
    else:
        import torch

        arrays = [slot.to_torch(to_numpy(slot.keras_variable)) for slot in slots]
        with torch.no_grad():
            for slot, array in zip(slots, arrays, strict=True):
                slot.torch_tensor.copy_(torch.from_numpy(np.ascontiguousarray(array)))
        make_spectral_norms_exact(torch_module)


def largest_difference(torch_module, keras_model):
    """Largest absolute difference of any trainable parameter between the twins.

    Raises
    ------
    ValueError
        If a parameter holds NaN or infinity, or there are no parameters to compare.
    """
    largest = []
    for slot in pair(*sort(torch_module, keras_model)):
        if slot.trainable:
            pair_ = slot.to_keras(to_numpy(slot.torch_tensor)), to_numpy(slot.keras_variable)
            if not all(np.isfinite(array).all() for array in pair_):
                raise ValueError(f"{slot.name} holds NaN or infinity in one of the twins.")
            largest.append(float(np.abs(pair_[0] - pair_[1]).max()))
    if not largest:
        raise ValueError("The twins have no trainable parameters to compare.")
    return max(largest)
