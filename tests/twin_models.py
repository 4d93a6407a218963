"""Models of both frameworks that are twins, and random ones."""

import keras
import numpy as np
import torch
from keras import layers
from torch import nn

from course_utils import assert_twins, copy_weights, largest_difference

# In float32 the course's own bounds; outputs of random nets have a size of up to 10. In float64 a
# thousand times what was measured, and still a million times tighter: there the twins are exact.
# The slope is one that both precisions hold exactly, because Keras keeps it in float32.
BOUNDS = {"float32": {"atol": 2e-5, "rtol": 1e-4}, "float64": {"atol": 1e-11, "rtol": 1e-10}}
SLOPE = 0.25


def set_precision(kind):
    keras.config.set_floatx(kind)  # Of inputs, which would be rounded otherwise.
    keras.config.set_dtype_policy(kind)


def scramble(keras_model, torch_module, rng):
    """Give every weight and statistic of both models another random value."""
    for variable in keras_model.weights:
        variable.assign(rng.uniform(0.2, 1, variable.shape) * _sign(variable.name, rng, variable))
    with torch.no_grad():
        for name, tensor in torch_module.state_dict().items():
            if tensor.is_floating_point():
                values = rng.uniform(0.2, 1, tuple(tensor.shape)) * _sign(name, rng, tensor)
                tensor.copy_(torch.from_numpy(np.asarray(values)))


def _sign(name, rng, array):
    """Variances are positive; everything else has both signs and a size that fits its fan-in."""
    if "var" in name:
        return 1.0
    return rng.choice([-1.0, 1.0], tuple(array.shape)) / max(1, np.prod(array.shape[:-1])) ** 0.5


def prove(torch_module, keras_model, inputs, rng, dtype="float32", modes=(True, False)):
    """Copy both ways, and compare outputs and gradients after each copy."""
    torch_module.to(getattr(torch, dtype))
    for source, target in ((torch_module, keras_model), (keras_model, torch_module)):
        scramble(keras_model, torch_module, rng)
        copy_weights(source, target)
        assert largest_difference(torch_module, keras_model) == 0
        for training in modes:
            report = assert_twins(
                torch_module, keras_model, inputs, training=training, **BOUNDS[dtype]
            )
            assert report.output <= report.atol
            assert report.gradient <= report.rtol


class Stack:
    """Draw a random net layer by layer, for both frameworks at once."""

    def __init__(self, rng, start):
        self.rng, self.torch = rng, []
        if start == "vector":
            self.shape = (int(rng.integers(3, 9)),)
        else:
            self.shape = (8, 8, int(rng.integers(1, 4)))
        self.inputs_shape = self.shape
        self.keras = [keras.Input(self.shape)]
        self.kinds = []
        while len(self.kinds) < 7:
            getattr(self, rng.choice(self.choices()))()
            self.kinds.append(1)

    def choices(self):
        if len(self.shape) == 1:
            return ["dense", "norm", "leaky"] + ["picture"] * (self.shape[0] < 40)
        size = self.shape[0]
        known = ["norm", "leaky", "valid", "flatten"]
        known += ["down"] * (size % 2 == 0 and size >= 4) + ["up"] * (size <= 8)
        return known + ["up_valid"] * (size <= 12)

    def add(self, torch_layer, keras_layer, shape):
        self.torch.append(torch_layer)
        self.keras.append(keras_layer)
        self.shape = tuple(map(int, shape))

    def dense(self):
        units, bias = int(self.rng.integers(2, 12)), bool(self.rng.random() < 0.7)
        self.add(nn.Linear(self.shape[0], units, bias), layers.Dense(units, use_bias=bias), [units])

    def picture(self):
        size, channels = int(self.rng.integers(1, 5)), int(self.rng.integers(1, 4))
        units = size * size * channels
        self.add(nn.Linear(self.shape[0], units), layers.Dense(units), [units])
        if self.rng.random() < 0.5:
            self.norm()
        unflatten = nn.Unflatten(1, (channels, size, size))
        free = (size, size, -1) if self.rng.random() < 0.5 else (size, size, channels)
        self.add(unflatten, layers.Reshape(free), (size, size, channels))

    def flatten(self):
        self.add(nn.Flatten(), layers.Flatten(), [np.prod(self.shape)])
        if self.rng.random() < 0.5:
            self.norm()
        self.dense()

    def norm(self):
        kind = nn.BatchNorm1d if len(self.shape) == 1 else nn.BatchNorm2d
        eps, momentum = 1e-3, 0.1
        keras_norm = layers.BatchNormalization(epsilon=eps, momentum=1 - momentum)
        self.add(kind(self.shape[-1], eps, momentum), keras_norm, self.shape)

    def leaky(self):
        self.add(nn.LeakyReLU(SLOPE), layers.LeakyReLU(SLOPE), self.shape)

    def conv(self, kernel, stride, padding, transposed):
        size, _, channels = self.shape
        out, bias = int(self.rng.integers(1, 5)), bool(self.rng.random() < 0.7)
        torch_kind = nn.ConvTranspose2d if transposed else nn.Conv2d
        keras_kind = layers.Conv2DTranspose if transposed else layers.Conv2D
        if stride == 2:
            size = size * 2 if transposed else size // 2
        else:
            size = size + kernel - 1 if transposed else size - kernel + 1
        self.add(
            torch_kind(channels, out, kernel, stride, padding, bias=bias),
            keras_kind(out, kernel, stride, "same" if padding else "valid", use_bias=bias),
            (size, size, out),
        )

    def down(self):
        self.conv(4, 2, 1, transposed=False)

    def up(self):
        self.conv(4, 2, 1, transposed=True)

    def valid(self):
        self.conv(int(self.rng.integers(1, min(4, self.shape[0] + 1))), 1, 0, transposed=False)

    def up_valid(self):
        self.conv(int(self.rng.integers(1, 5)), 1, 0, transposed=True)


def course_nets():
    """A generator and a discriminator of the course's size, and inputs for each."""
    g_torch = nn.Sequential(
        nn.Linear(64, 7 * 7 * 64, bias=False),
        nn.Unflatten(1, (64, 7, 7)),
        nn.BatchNorm2d(64),
        nn.ReLU(),
        nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.ConvTranspose2d(32, 1, 4, 2, 1),
        nn.Tanh(),
    )
    norm = {"epsilon": 1e-5, "momentum": 0.9}
    g_tf = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(7 * 7 * 64, use_bias=False),
            layers.Reshape((7, 7, 64)),
            layers.BatchNormalization(**norm),
            layers.ReLU(),
            layers.Conv2DTranspose(32, 4, 2, "same", use_bias=False),
            layers.BatchNormalization(**norm),
            layers.ReLU(),
            layers.Conv2DTranspose(1, 4, 2, "same", activation="tanh"),
        ]
    )
    d_torch = nn.Sequential(
        nn.Conv2d(1, 32, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(32, 64, 4, 2, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(7 * 7 * 64, 1),
    )
    d_tf = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 4, 2, "same"),
            layers.LeakyReLU(0.2),
            layers.Conv2D(64, 4, 2, "same", use_bias=False),
            layers.BatchNormalization(**norm),
            layers.LeakyReLU(0.2),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    return {"generator": (g_torch, g_tf, (64,)), "discriminator": (d_torch, d_tf, (28, 28, 1))}


def small(torch_layers=None, keras_layers=None):
    """Return twins of a convolution, batch norm and a dense layer, with some layers exchanged."""
    ours = {
        0: nn.Conv2d(1, 3, 4, 2, 1),
        1: nn.BatchNorm2d(3, eps=1e-3),
        2: nn.LeakyReLU(0.2),
        3: nn.Flatten(),
        4: nn.Linear(12, 2),
    } | (torch_layers or {})
    theirs = {
        -1: keras.Input((4, 4, 1)),
        0: layers.Conv2D(3, 4, 2, "same", name="conv"),
        1: layers.BatchNormalization(momentum=0.9, epsilon=1e-3, name="norm"),
        2: layers.LeakyReLU(0.2),
        3: layers.Flatten(),
        4: layers.Dense(2, name="head"),
    } | (keras_layers or {})
    return nn.Sequential(*ours.values()), keras.Sequential(list(theirs.values()))


def all_values(torch_module, keras_model):
    arrays = [tensor.numpy().copy() for tensor in torch_module.state_dict().values()]
    return arrays + [np.array(variable.numpy()) for variable in keras_model.weights]
