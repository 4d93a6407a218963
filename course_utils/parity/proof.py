"""Prove that two models compute the same: equal outputs and gradients, but for rounding."""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..arrays import to_numpy
from ..refusals import check_number
from .errors import PairingError
from .pairing import check_settings, pair, sort, torch_layers
from .parting import values_of_a_channel, watching, where_they_part
from .statistics import compare_statistics, running_statistics
from .terms import WatchedLayers

# The scale of a gradient is at least this share of the sum of the sizes of its terms. With the
# default bound of 1e-4 a difference of 2e-6 of that sum passes: some seventeen float32 roundings.
TERMS_SHARE = 0.02
# A ReLU has a kink at 0. A unit that rounding puts on its other side has another slope, and one
# term of a gradient is another: seen in 3 of 80 proofs with 600,000 units, in none with 80,000.
# It is a matter of luck, so what differs is compared again a thousandth aside, where a unit meets
# its kink as rarely, and a real difference is there again.
ATTEMPTS = 3
MOVE = 1e-3
TINY = float(np.finfo(np.float32).tiny)  # Keeps a scale of 0 from dividing.


@dataclass(frozen=True)
class TwinReport:
    """Largest differences that :func:`assert_twins` found, and the bounds they kept.

    Attributes
    ----------
    output : float
        Largest absolute difference of any output value.
    gradient : float
        Largest difference of any gradient, relative to the scale of its array.
    arrays : int
        How many gradients were compared.
    atol, rtol : float
        The bounds of ``output`` and of ``gradient``.
    variance_ratio : float
        Largest ratio of PyTorch's running variance to Keras' after the pass. A batch norm in
        training mode makes it up to n / (n - 1) for n values of a channel, since PyTorch divides
        by n - 1; else it is 1.
    """

    output: float
    gradient: float
    arrays: int
    atol: float
    rtol: float
    variance_ratio: float = 1.0

    def __repr__(self):
        return (
            f"Twins: outputs agree within {self.atol:g}, {self.arrays} gradients within "
            f"{self.rtol:g} of their size."
        )


def assert_twins(torch_module, keras_model, inputs, atol=1e-5, rtol=1e-4, training=True):
    """Assert that both models give the same outputs and gradients on the same inputs.

    The gradients are those of a fixed random weighting of the outputs, with respect to all
    trainable parameters and to float inputs. Batch statistics are put back afterwards. Kernels
    under spectral normalisation are left out of the gradients: PyTorch differentiates through the
    norm, Keras does not.

    The scale of a gradient is the largest entry of its array, or a fiftieth of the largest sum of
    the sizes of its terms where these cancel: the gradient of a bias before batch norm is 0 but
    for rounding, and rounding is as large as the terms are. Gradients that differ are compared
    twice again with float inputs moved by a thousandth: a ReLU whose input rounding puts on the
    other side of 0 has another slope there, and only there.

    Parameters
    ----------
    torch_module : torch.nn.Module
        The PyTorch twin.
    keras_model : keras.Model
        The Keras twin, with the same weights (see :func:`copy_weights`).
    inputs : array or tensor, or list of them
        Pictures as (N, height, width, channels), anything else as both models take it.
    atol : float, optional
        Bound on the absolute difference of any output value. The default is for outputs of size 1
        and float32 products in full precision: TF32, which some GPUs use for them, must be off.
    rtol : float, optional
        Bound on the difference of any gradient entry, relative to the scale of its array. The
        default is for float32, as above; in float64 ask for 1e-9.
    training : bool, optional
        Whether batch normalisation uses the batch's statistics (and updates its own).

    Returns
    -------
    TwinReport
        The largest differences.

    Raises
    ------
    AssertionError
        If a bound is broken, or two batch norms have another momentum or keep other statistics;
        names what differs, and the first layers whose outputs do.
    PairingError
        If the layers do not pair.
    TypeError
        If the two are not one PyTorch module and one Keras model.
    """
    torch_module, keras_model = sort(torch_module, keras_model)
    slots = pair(torch_module, keras_model)
    check_settings(torch_module, keras_model)
    if not slots:
        raise PairingError("The twins have no weights, so there is no gradient to compare.")
    check_number("atol", atol, 0, np.inf)  # Infinity: do not compare these.
    check_number("rtol", rtol, 0, np.inf)
    inputs = [_check_input(array) for array in _as_list(inputs)]
    for attempt in range(ATTEMPTS):
        moved = _moved(inputs, attempt)
        with watching(torch_module, keras_model) as seen:
            ours, theirs, terms = _run_both(torch_module, keras_model, slots, moved, training)
        where = functools.partial(where_they_part, torch_module, keras_model, *seen)
        output = _compare_outputs(ours.outputs, theirs.outputs, atol, where)
        name, gradient = _worst_gradient(ours.gradients, theirs.gradients, terms)
        if gradient <= rtol:
            sizes = values_of_a_channel(torch_module, seen[0]) if training else {}
            ratio = compare_statistics(ours.statistics, theirs.statistics, sizes)
            return TwinReport(output, gradient, len(theirs.gradients), atol, rtol, ratio)
    raise _mismatch(
        f"The gradient of {name} differs by {gradient:.3g} of its size, above {rtol:g}."
    )


def _check_input(array):
    """Return an input as an array; refuse what no model can take."""
    array = to_numpy(array)
    if array.dtype.kind not in "biuf" or not array.size:
        raise ValueError(
            "inputs must be numbers, one example or more, but got "
            f"{array.dtype} of shape {array.shape}."
        )
    return array


def _moved(inputs, attempt):
    """Return the inputs as they are, or the float ones a little aside of them."""
    if attempt == 0:
        return inputs
    rng = np.random.default_rng(attempt)
    return [
        array + (MOVE * np.abs(array).max() * rng.normal(size=array.shape)).astype(array.dtype)
        if np.issubdtype(array.dtype, np.floating)
        else array
        for array in inputs
    ]


def _compare_outputs(ours, theirs, atol, where):
    """Return the largest difference of any output; raise if it is above the bound.

    ``where`` says in a sentence in which layer they part.
    """
    largest = 0.0
    for index, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one.shape != other.shape:
            raise AssertionError(f"Output {index}: PyTorch {one.shape}, Keras {other.shape}.")
        difference = float(np.abs(one - other).max())
        if not difference <= atol:  # Not a number is no agreement.
            raise _mismatch(
                f"Output {index} differs by {difference:.3g}, above {atol:g}. {where()}"
            )
        largest = max(largest, difference)
    return largest


def _worst_gradient(ours, theirs, terms):
    """Return the array that differs most in units of its scale, and by how much."""
    differences = {}
    for name, array in theirs.items():
        scale = max(np.abs(array).max(), TERMS_SHARE * terms.get(name, 0), TINY)
        differences[name] = float(np.abs(ours[name] - array).max() / scale)
    # Not a number is the worst.
    worst = max(differences.items(), key=lambda item: (np.isnan(item[1]), item[1]), default=None)
    return worst or ("nothing", 0.0)


def _mismatch(message):
    return AssertionError(
        f"{message} Usual causes: weights not copied, another eps, slope or padding, or "
        "batch norm in another mode."
    )


class Run(NamedTuple):
    """What one model computed: arrays in Keras' layout, all but the outputs by name."""

    outputs: list
    gradients: dict
    statistics: dict


def _run_both(torch_module, keras_model, slots, inputs, training):
    """Run both forth and back, and put their states back."""
    was_training = torch_module.training
    torch_state = {key: value.clone() for key, value in torch_module.state_dict().items()}
    keras_state = [to_numpy(variable) for variable in keras_model.weights]
    try:
        ours, terms = _run_torch(torch_module, slots, inputs, training)
        return ours, _run_keras(keras_model, slots, inputs, training), terms
    finally:
        torch_module.load_state_dict(torch_state)
        torch_module.train(was_training)
        for variable, value in zip(keras_model.weights, keras_state, strict=True):
            variable.assign(value)


def _weighting(shape, dtype):
    """Fixed random weights, so that the loss sees every output in its own way."""
    weights = np.random.default_rng(0).normal(size=shape) / np.sqrt(np.prod(shape))
    return weights.astype(dtype)


def _as_list(outputs):
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def _run_torch(module, slots, inputs, training):
    """Return the run, and the sums of the sizes of its gradients' terms."""
    import torch

    parameter = next(module.parameters())
    tensors = []
    for array in inputs:
        array = array.transpose(0, 3, 1, 2) if array.ndim == 4 else array
        tensor = torch.tensor(np.ascontiguousarray(array))
        if tensor.is_floating_point():  # Cast before it moves: Apple's chips have no float64.
            tensors.append(tensor.to(parameter.dtype).to(parameter.device).requires_grad_())
        else:
            tensors.append(tensor.to(parameter.device))
    module.train(training)
    with WatchedLayers(torch_layers(module)) as watched:
        outputs = _as_list(_called(module, tensors, inputs))
    arrays = [to_numpy(output) for output in outputs]
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
        slot.name: slot.to_keras(to_numpy(gradient))
        for slot, gradient in zip(compared, gradients, strict=False)
    }
    for index, gradient in enumerate(gradients[len(compared) :]):
        array = to_numpy(gradient)
        found[f"input {index}"] = array.transpose(0, 2, 3, 1) if array.ndim == 4 else array
    statistics = running_statistics(slots, of_torch=True)
    return Run(arrays, found, statistics), watched.sums_of_sizes()


def _called(model, tensors, inputs, **options):
    """Call a model; say in one error which inputs it does not take."""
    try:
        return model(*tensors, **options)
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        shapes = ", ".join(f"{array.dtype} of shape {array.shape}" for array in inputs)
        raise ValueError(
            f"{type(model).__name__} does not take inputs of {shapes}: {error}"
        ) from error


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
        given = tensors[0] if len(tensors) == 1 else tensors
        outputs = _as_list(_called(model, [given], inputs, training=training))
        loss = tf.add_n(
            [tf.reduce_sum(y * _weighting(tuple(y.shape), y.dtype.as_numpy_dtype)) for y in outputs]
        )
    # The gradient of an embedding is sparse; a tensor has it whole.
    gradients = [to_numpy(tf.convert_to_tensor(g)) for g in tape.gradient(loss, sources)]
    names = [slot.name for slot in compared] + [f"input {i}" for i in range(len(floats))]
    return Run(
        [to_numpy(output) for output in outputs],
        dict(zip(names, gradients, strict=True)),
        running_statistics(slots, of_torch=False),
    )
