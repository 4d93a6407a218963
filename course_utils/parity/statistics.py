"""Compare what batch norms keep of a batch: running means, and variances up to n / (n - 1)."""

import numpy as np

from ..arrays import to_numpy

NEAR = 1e-3  # Of the largest entry: float32 finds a batch's variance no better where terms cancel.
TINY = float(np.finfo(np.float32).tiny)
KINDS = ("running_mean", "running_var")


def running_statistics(slots, of_torch):
    """Copy the running statistics of one twin, in Keras' order of units.

    Parameters
    ----------
    slots : list of Slot
        All arrays of both twins, in pairs.
    of_torch : bool
        Whether the PyTorch twin's are wanted, else the Keras twin's.

    Returns
    -------
    dict of str to numpy.ndarray
        By the array's name in PyTorch, such as ``1.running_var``.
    """
    return {
        slot.name: np.array(
            slot.to_keras(to_numpy(slot.torch_tensor))
            if of_torch
            else to_numpy(slot.keras_variable)
        )
        for slot in slots
        if slot.name.endswith(KINDS)
    }


def compare_statistics(ours, theirs, values_of_a_channel):
    """Compare running statistics after one pass in training mode.

    PyTorch divides the sum of squares by n - 1 for its running variance, n values of a channel in
    the batch, and Keras by n. So PyTorch's may be larger, by n / (n - 1) at most, and nothing else
    may differ.

    Parameters
    ----------
    ours, theirs : dict of str to numpy.ndarray
        PyTorch's and Keras' statistics, see :func:`running_statistics`.
    values_of_a_channel : dict of str to int
        Layer's name to n. A layer that did not run is missing.

    Returns
    -------
    float
        The largest ratio of PyTorch's running variance to Keras'; 1 without batch norms.

    Raises
    ------
    AssertionError
        If running statistics differ by more.
    """
    largest = 1.0
    for name, array in ours.items():
        layer, _, kind = name.rpartition(".")
        if layer not in values_of_a_channel:
            continue
        n = values_of_a_channel[layer]
        twin = theirs[name]
        if kind == "running_mean":
            away = float(np.abs(array - twin).max() / max(1, np.abs(twin).max()))
            explained = "rounding explains"
        else:
            ratio = (array + TINY) / (twin + TINY)  # A channel that never changes has none.
            largest = max(largest, float(ratio.max()))
            away = float(max(1 - ratio.min(), ratio.max() - n / (n - 1)))
            explained = f"PyTorch's n / (n - 1), n = {n}, explains"
        if not away <= NEAR:  # Not a number is no agreement.
            raise AssertionError(
                f"{name} differs from Keras' after one pass in training mode by {away:.2g} more "
                f"than {explained}. Usual causes: running statistics that were not copied, or "
                "that one twin has moved in a pass since (copy_weights again), or a batch norm "
                "that is frozen in one framework."
            )
    return largest
