"""One way from either framework's tensors to NumPy."""

import numpy as np


def to_numpy(tensor):
    """Return a tensor of either framework as a NumPy array, wherever it lives.

    Parameters
    ----------
    tensor : torch.Tensor, tf.Tensor, tf.Variable, keras.Variable or array_like
        On any device; with or without a gradient. Half-precision kinds that NumPy does not have
        (bfloat16) become float32, which holds each of their values exactly.

    Returns
    -------
    numpy.ndarray
        Of the same shape; it may share memory with a tensor on the CPU.

    Raises
    ------
    TypeError
        If it holds objects instead of numbers or texts, or a framework refuses to hand it over.
    ValueError
        If its rows differ in length.
    """
    if hasattr(tensor, "detach"):  # PyTorch: off the graph and off the device.
        tensor = tensor.detach().cpu()
        if tensor.dtype.is_floating_point and str(tensor.dtype) == "torch.bfloat16":
            tensor = tensor.float()
        return tensor.resolve_conj().resolve_neg().numpy()
    if not isinstance(tensor, np.ndarray) and hasattr(tensor, "numpy"):
        tensor = tensor.numpy()
    try:
        array = np.asarray(tensor)
    except ValueError as error:
        raise ValueError(f"Expected an array or tensor with rows of one length: {error}") from None
    if array.dtype == object and array is not tensor:
        raise TypeError(
            f"Expected an array or tensor of numbers, but got {type(tensor).__name__} of objects."
        )
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array
