"""Tensors of either framework, from any device and of any kind, become arrays."""

import keras
import numpy as np
import pytest
import torch

import tensorflow as tf  # isort: skip
from course_utils import as_images, one_hot, to_numpy
from course_utils.training import load_checkpoint, save_checkpoint, train


class Away(torch.Tensor):
    """A tensor on a device: NumPy gets it only from the CPU."""

    def cpu(self):
        return self.detach().as_subclass(torch.Tensor)

    def numpy(self, *_, **__):
        raise TypeError("can't convert a tensor on a device to numpy. Use Tensor.cpu() first.")

    __array__ = numpy


def away(array):
    return torch.as_tensor(array).as_subclass(Away)


def wanting_gradient(tensor):
    return tensor.clone().requires_grad_()


VALUES = np.array([[0.5, -1], [2, 0.25]], np.float32)  # Each of them is exact in bfloat16.
MAKERS = {
    "numpy": np.asarray,
    "list": lambda values: values.tolist(),
    "torch": torch.from_numpy,
    "torch, gradient": lambda values: wanting_gradient(torch.from_numpy(values)),
    "torch, in a graph": lambda values: wanting_gradient(torch.from_numpy(values)) * 1,
    "torch, device": away,
    "torch, device and gradient": lambda values: wanting_gradient(away(values)),
    "torch, bfloat16": lambda values: torch.from_numpy(values).bfloat16(),
    "torch, all of it": lambda values: wanting_gradient(away(values).bfloat16()),
    "torch, parameter": lambda values: torch.nn.Parameter(torch.from_numpy(values)),
    "tensorflow": tf.constant,
    "tensorflow, bfloat16": lambda values: tf.constant(values, tf.bfloat16),
    "tf.Variable": tf.Variable,
    "keras.Variable": keras.Variable,
    "keras.Variable, bfloat16": lambda values: keras.Variable(values, dtype="bfloat16"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", MAKERS)
def test_each_kind_becomes_the_same_array(kind):
    array = to_numpy(MAKERS[kind](VALUES))
    assert type(array) is np.ndarray
    assert array.dtype == (np.float64 if kind == "list" else np.float32)
    assert np.array_equal(array, VALUES)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float16", "float64", "bool"])
def test_other_kinds_of_numbers_are_kept(dtype):
    array = np.array([0, 1, 1], dtype)
    for make in (np.asarray, torch.from_numpy, away, tf.constant, tf.Variable):
        found = to_numpy(make(array))
        assert found.dtype == array.dtype
        assert np.array_equal(found, array)


def test_the_stand_in_refuses_what_a_device_refuses():
    for convert in (np.asarray, np.array, lambda tensor: tensor.numpy()):
        with pytest.raises(TypeError, match="Use Tensor.cpu"):
            convert(away(VALUES))


def test_helpers_take_what_lives_on_a_device(tmp_path):
    """Pictures, labels, losses, snapshots and the states of models and optimisers."""
    pictures = np.full((2, 4, 4, 1), 0.5, np.float32)
    assert np.array_equal(as_images(away(pictures)), as_images(pictures))
    assert np.array_equal(one_hot(away([1, 0]), 2), [[0, 1], [1, 0]])
    history = train(
        lambda _: {"loss": wanting_gradient(away(1.5))}, [1], 1, snapshot=lambda: away(VALUES)
    )
    assert history.values == {"loss": [1.5]}
    assert np.array_equal(history.snapshots[0], VALUES)

    class Stateful:
        """As a module or an optimiser on a device hands out its state."""

        def __init__(self, state):
            self.state = state

        def state_dict(self):
            return self.state

        def load_state_dict(self, state):
            self.state = state

    module = Stateful({"weight": away(VALUES)})
    optimizer = Stateful({"state": {0: {"step": away(3.0), "mean": away(VALUES)}}})
    optimizer.state["param_groups"] = optimizer.param_groups = [{"params": [away(VALUES)]}]
    path = tmp_path / "one.safetensors"
    save_checkpoint(path, {"module": module, "optimizer": optimizer})
    load_checkpoint(path, {"module": module, "optimizer": optimizer})
    assert torch.equal(module.state["weight"], torch.from_numpy(VALUES))
    assert torch.equal(optimizer.state["state"][0]["mean"], torch.from_numpy(VALUES))
    assert optimizer.state["state"][0]["step"] == 3
