"""Copied weights, equal outputs and gradients: on the course's nets and on random ones."""

import re

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn

from course_utils import assert_twins, copy_weights, largest_difference
from course_utils.parity import PairingError

# Random nets amplify rounding: batch norm over six numbers may divide by a small deviation. What
# float32 cannot show, float64 does. The slope is one that both precisions hold exactly, because
# Keras keeps it in float32.
BOUNDS = {"float32": {"atol": 1e-4, "rtol": 1e-2}, "float64": {"atol": 1e-11, "rtol": 1e-9}}
SLOPE = 0.25


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Build Keras layers in this precision for the time of a test."""
    set_precision(request.param)
    yield request.param
    set_precision("float32")


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


# --- random stacks ---------------------------------------------------------------------------


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


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("start", ["vector", "picture"])
def test_random_stacks_are_twins(seed, start, dtype, rng):
    stack = Stack(np.random.default_rng(seed), start)
    inputs = rng.normal(size=(6, *stack.inputs_shape)).astype(dtype)
    prove(nn.Sequential(*stack.torch), keras.Sequential(stack.keras), inputs, rng, dtype)


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


@pytest.mark.parametrize("which", ["generator", "discriminator"])
@pytest.mark.parametrize("training", [True, False])
def test_nets_of_the_courses_size_keep_the_courses_bounds(which, training, rng):
    """In float32 outputs agree within 1e-5 and gradients within 1e-4 of their size."""
    torch_module, keras_model, shape = course_nets()[which]
    for variable in keras_model.weights:  # The paper's initial weights.
        if len(variable.shape) > 1:
            variable.assign(rng.normal(scale=0.02, size=variable.shape))
    copy_weights(keras_model, torch_module)
    inputs = rng.normal(size=(64, *shape)).astype(np.float32)
    assert_twins(torch_module, keras_model, inputs, training=training)


# --- shapes that a plain stack does not have ---------------------------------------------------


class Conditional(nn.Module):
    """A label as a plane beside the picture, and again beside the flattened features."""

    def __init__(self):
        super().__init__()
        self.plane = nn.Sequential(nn.Embedding(5, 32), nn.Unflatten(1, (2, 4, 4)))
        self.conv = nn.Conv2d(5, 4, 4, 2, 1)
        self.norm = nn.BatchNorm1d(16, eps=1e-3)
        self.label = nn.Embedding(5, 3)
        self.joint = nn.Linear(19, 7)
        self.source, self.kind = nn.Linear(7, 1), nn.Linear(16, 5)

    def forward(self, x, y):
        features = self.conv(torch.cat([x, self.plane(y)], 1)).flatten(1)
        features = self.norm(features)
        joint = self.joint(torch.cat([features, self.label(y)], 1))
        return self.source(nn.functional.leaky_relu(joint, SLOPE)), self.kind(features)


def conditional():
    x, y = keras.Input((4, 4, 3)), keras.Input((), dtype="int32")
    plane = layers.Reshape((4, 4, 2))(layers.Embedding(5, 32)(y))
    features = layers.Conv2D(4, 4, 2, "same")(layers.Concatenate()([x, plane]))
    features = layers.BatchNormalization(epsilon=1e-3)(layers.Flatten()(features))
    joint = layers.Dense(7)(layers.Concatenate()([features, layers.Embedding(5, 3)(y)]))
    joint = layers.LeakyReLU(SLOPE)(joint)
    return keras.Model([x, y], [layers.Dense(1)(joint), layers.Dense(5)(features)])


class TwoBranches(nn.Module):
    """Two dense layers, each reshaped in its own way, and a product with an embedding."""

    def __init__(self):
        super().__init__()
        self.label = nn.Embedding(5, 6)
        self.left, self.right = nn.Linear(6, 32), nn.Linear(6, 48)
        self.out = nn.ConvTranspose2d(5, 1, 4, 2, 1)

    def forward(self, z, y):
        z = z * self.label(y)
        left, right = self.left(z).view(-1, 2, 4, 4), self.right(z).view(-1, 3, 4, 4)
        return self.out(torch.cat([left, right], 1))


def two_branches():
    z, y = keras.Input((6,)), keras.Input((), dtype="int32")
    product = layers.Multiply()([z, layers.Embedding(5, 6)(y)])
    left, right = layers.Dense(32)(product), layers.Dense(48)(product)
    left, right = layers.Reshape((4, 4, 2))(left), layers.Reshape((4, 4, 3))(right)
    out = layers.Conv2DTranspose(1, 4, 2, "same")(layers.Concatenate()([left, right]))
    return keras.Model([z, y], out)


class TwoHeads(nn.Module):
    """A trunk that ends in Flatten, and two heads on it; each part is a model of its own."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.LeakyReLU(SLOPE), nn.Flatten())
        self.source = nn.Sequential(nn.Linear(16, 1))
        self.code = nn.Sequential(nn.Linear(16, 8), nn.LeakyReLU(SLOPE), nn.Linear(8, 4))

    def forward(self, x):
        features = self.trunk(x)
        return self.source(features), self.code(features)


def two_heads():
    trunk = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            layers.Conv2D(4, 4, 2, "same"),
            layers.LeakyReLU(SLOPE),
            layers.Flatten(),
        ]
    )
    x = keras.Input((4, 4, 3))
    features = trunk(x)
    # Keras lists layers by their distance from the output: a head of several layers is a model.
    code = [keras.Input((16,)), layers.Dense(8), layers.LeakyReLU(SLOPE), layers.Dense(4)]
    return keras.Model(x, [layers.Dense(1)(features), keras.Sequential(code)(features)])


class Planes(nn.Module):
    """Embedding multiplied with units that are reshaped: all of them change their order."""

    def __init__(self):
        super().__init__()
        self.dense, self.label = nn.Linear(6, 32), nn.Embedding(5, 32)
        self.norm = nn.BatchNorm1d(32, eps=1e-3)
        self.out = nn.Conv2d(2, 1, 1)

    def forward(self, z, y):
        return self.out(self.norm(self.dense(z) * self.label(y)).view(-1, 2, 4, 4))


def planes():
    z, y = keras.Input((6,)), keras.Input((), dtype="int32")
    units = layers.Multiply()([layers.Dense(32)(z), layers.Embedding(5, 32)(y)])
    units = layers.BatchNormalization(epsilon=1e-3)(units)
    return keras.Model([z, y], layers.Conv2D(1, 1)(layers.Reshape((4, 4, 2))(units)))


@pytest.mark.parametrize(
    ("torch_kind", "keras_kind", "shapes"),
    [
        (Conditional, conditional, [(4, 4, 3), ()]),
        (TwoBranches, two_branches, [(6,), ()]),
        (TwoHeads, two_heads, [(4, 4, 3)]),
        (Planes, planes, [(6,), ()]),
    ],
)
def test_branches_heads_and_embeddings_are_twins(torch_kind, keras_kind, shapes, dtype, rng):
    inputs = [
        rng.normal(size=(6, *shape)).astype(dtype) if shape else rng.integers(5, size=6)
        for shape in shapes
    ]
    prove(torch_kind(), keras_kind(), inputs, rng, dtype)


def spectral_twins():
    torch_norm = nn.utils.parametrizations.spectral_norm
    keras_norm = layers.SpectralNormalization
    torch_module = nn.Sequential(
        torch_norm(nn.Conv2d(3, 4, 4, 2, 1)),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        torch_norm(nn.Linear(16, 5)),
    )
    keras_model = keras.Sequential(
        [
            keras.Input((4, 4, 3)),
            keras_norm(layers.Conv2D(4, 4, 2, "same")),
            layers.LeakyReLU(0.2),
            layers.Flatten(),
            keras_norm(layers.Dense(5)),
        ]
    )
    return torch_module, keras_model


def test_spectrally_normalised_twins_agree_in_evaluation(rng):
    torch_module, keras_model = spectral_twins()
    x = rng.normal(size=(6, 4, 4, 3)).astype(np.float32)
    for _ in range(3):  # Power iterations, so that the normalised kernels are in use.
        torch_module(torch.from_numpy(x.transpose(0, 3, 1, 2)))
        keras_model(2 * x, training=True)
    for source, target in ((torch_module, keras_model), (keras_model, torch_module)):
        with torch.no_grad():
            for parameter in torch_module.parameters():
                parameter.mul_(1.5)
        copy_weights(source, target)
        assert_twins(torch_module, keras_model, x, training=False)
        assert torch_module.training


# --- models that are not twins -----------------------------------------------------------------


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
        1: layers.BatchNormalization(epsilon=1e-3, name="norm"),
        2: layers.LeakyReLU(0.2),
        3: layers.Flatten(),
        4: layers.Dense(2, name="head"),
    } | (keras_layers or {})
    return nn.Sequential(*ours.values()), keras.Sequential(list(theirs.values()))


def all_values(torch_module, keras_model):
    arrays = [tensor.numpy().copy() for tensor in torch_module.state_dict().values()]
    return arrays + [np.array(variable.numpy()) for variable in keras_model.weights]


def spectral(layer):
    return nn.utils.parametrizations.spectral_norm(layer)


MISMATCHES = {
    "other kind": ({1: nn.Conv2d(3, 3, 1)}, {}, "1 (Conv2d) and norm (BatchNormalization)"),
    "other shape": ({4: nn.Linear(12, 3)}, {}, "4 (Linear) and head (Dense) do not pair: weight"),
    "missing bias": (
        {0: nn.Conv2d(1, 3, 4, 2, 1, bias=False)},
        {},
        "0 (Conv2d) and conv (Conv2D) do not pair: only Keras's has a bias",
    ),
    "surplus bias": ({}, {4: layers.Dense(2, use_bias=False, name="head")}, "only PyTorch's has a"),
    "no scale": ({1: nn.BatchNorm2d(3, affine=False)}, {}, "norm (BatchNormalization)"),
    "extra torch layer": ({5: nn.Linear(2, 2)}, {}, "PyTorch's 5 has no twin"),
    "extra keras layer": ({}, {5: layers.Dense(2, name="more")}, "Keras's more (Dense) has no"),
    "unknown kind": (
        {1: nn.LayerNorm((3, 2, 2))},
        {1: layers.LayerNormalization(name="norm")},
        "1 (LayerNorm) and norm (LayerNormalization) do not pair: not two layers of one kind",
    ),
    "one spectral": ({4: spectral(nn.Linear(12, 2))}, {}, "only one has spectral normalisation"),
    "wrong units": ({3: nn.Flatten(), 4: nn.Linear(13, 2)}, {}, "12 units next to a layer of 13"),
}


@pytest.mark.parametrize("case", MISMATCHES)
@pytest.mark.parametrize("direction", ["to Keras", "to PyTorch"])
def test_a_mismatch_names_the_layers_and_changes_nothing(case, direction):
    torch_layers, keras_layers, message = MISMATCHES[case]
    keras_layers = {k: type(v).from_config(v.get_config()) for k, v in keras_layers.items()}
    pair = small(torch_layers, keras_layers)
    before = all_values(*pair)
    source, target = pair if direction == "to Keras" else pair[::-1]
    with pytest.raises(PairingError, match=re.escape(message)):
        copy_weights(source, target)
    for one, other in zip(before, all_values(*pair), strict=True):
        assert np.array_equal(one, other)


def test_a_spectrally_normalised_transposed_convolution_is_refused():
    torch_module = nn.Sequential(spectral(nn.ConvTranspose2d(2, 3, 4, 2, 1)))
    inner = layers.Conv2DTranspose(3, 4, 2, "same")
    keras_model = keras.Sequential(
        [keras.Input((4, 4, 2)), layers.SpectralNormalization(inner, name="up")]
    )
    with pytest.raises(PairingError, match="0 .* and up .*takes another matrix"):
        copy_weights(torch_module, keras_model)


def test_parameters_outside_of_layers_are_named():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.dense = nn.Linear(2, 2)

    keras_model = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    with pytest.raises(PairingError, match=r"\(Own\) holds the parameter 'scale'"):
        copy_weights(Own(), keras_model)


def test_unbuilt_and_subclassed_models_are_refused():
    torch_module = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(PairingError, match="is not built: give it an Input"):
        copy_weights(torch_module, keras.Sequential([layers.Dense(2)]))

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense, self.shape_it = layers.Dense(8), layers.Reshape((2, 2, 2))

        def call(self, z):
            return self.shape_it(self.dense(z))

    own = Own()
    own(np.zeros((1, 2), np.float32))
    with pytest.raises(PairingError, match="make the model Sequential or functional"):
        copy_weights(nn.Sequential(nn.Linear(2, 8)), own)


@pytest.mark.parametrize("wrong", [(1, 2), (nn.Linear(1, 1), nn.Linear(1, 1)), (None, None)])
def test_anything_but_one_model_of_each_is_refused(wrong):
    with pytest.raises(TypeError, match="one PyTorch module|a PyTorch module and a Keras model"):
        copy_weights(*wrong)
    with pytest.raises(TypeError):
        assert_twins(*wrong, np.zeros((1, 1), np.float32))


# --- the proof can fail ------------------------------------------------------------------------


def change_one_weight(torch_module):
    with torch.no_grad():
        torch_module[0].weight[1, 0, 2, 2] += 0.01


def change_one_bias(torch_module):
    with torch.no_grad():
        torch_module[4].bias[1] += 1e-3


def change_eps(torch_module):
    torch_module[1].eps = 1e-2


def change_slope(torch_module):
    torch_module[2].negative_slope = 0.21


def change_padding(torch_module):
    torch_module[0].padding_mode = "reflect"
    torch_module[0]._reversed_padding_repeated_twice = [1, 1, 1, 1]


def change_statistics(torch_module):
    torch_module[1].running_mean += 0.1


SLIPS = [change_one_weight, change_one_bias, change_eps, change_slope, change_padding]


@pytest.mark.parametrize("slip", [*SLIPS, change_statistics])
def test_one_slip_is_found(slip, rng):
    torch_module, keras_model = small()
    x = rng.normal(size=(6, 4, 4, 1)).astype(np.float32)
    training = slip is not change_statistics  # In training a batch's own statistics are used.
    copy_weights(torch_module, keras_model)
    assert_twins(torch_module, keras_model, x, training=training)
    slip(torch_module)
    with pytest.raises(AssertionError, match="differs by .* above .* Usual causes"):
        assert_twins(torch_module, keras_model, x, training=training)


def test_largest_difference_is_the_slip():
    torch_module, keras_model = small()
    copy_weights(torch_module, keras_model)
    change_one_weight(torch_module)
    assert largest_difference(torch_module, keras_model) == pytest.approx(0.01, rel=1e-5)


def test_a_gradient_that_is_cut_is_found(rng):
    """Equal outputs are not enough: here one framework does not differentiate."""

    class Cut(nn.Sequential):
        def forward(self, x):
            value = super().forward(x)
            return value + 0.5 * (value.detach() - value)

    torch_module, keras_model = small()
    torch_module = Cut(*torch_module)
    copy_weights(keras_model, torch_module)
    x = rng.normal(size=(6, 4, 4, 1)).astype(np.float32)
    with pytest.raises(AssertionError, match="The gradient of 4.bias differs|The gradient of"):
        assert_twins(torch_module, keras_model, x)


@pytest.mark.parametrize("was_training", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_the_proof_leaves_no_trace(was_training, fails, rng):
    torch_module, keras_model = small()
    copy_weights(torch_module, keras_model)
    torch_module.train(was_training)
    before = all_values(torch_module, keras_model)
    x = rng.normal(size=(6, 4, 4, 1)).astype(np.float32)
    if fails:
        with pytest.raises(Exception):  # noqa: B017
            assert_twins(torch_module, keras_model, x[:, :2, :3])
    else:
        assert_twins(torch_module, keras_model, x, training=True)
    for one, other in zip(before, all_values(torch_module, keras_model), strict=True):
        assert np.array_equal(one, other)
    assert torch_module.training is was_training
    assert all(parameter.grad is None for parameter in torch_module.parameters())


def test_the_report_prints_only_what_holds_on_every_machine(rng):
    torch_module, keras_model = small()
    copy_weights(torch_module, keras_model)
    x = rng.normal(size=(6, 4, 4, 1)).astype(np.float32)
    report = assert_twins(torch_module, keras_model, x)
    assert repr(report) == (
        "Twins: outputs agree within 1e-05, 7 gradients within 0.0001 of their size."
    )


# --- the table of layouts ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("torch_layer", "keras_layer", "shape", "axes"),
    [
        (nn.Linear(3, 5), lambda: layers.Dense(5), (3,), (1, 0)),
        (nn.Conv2d(3, 5, 2), lambda: layers.Conv2D(5, 2), (4, 4, 3), (2, 3, 1, 0)),
        (
            nn.ConvTranspose2d(3, 5, 2),
            lambda: layers.Conv2DTranspose(5, 2),
            (4, 4, 3),
            (2, 3, 1, 0),
        ),
    ],
)
def test_kernels_are_transposed_and_never_flipped(torch_layer, keras_layer, shape, axes):
    layer = keras_layer()
    keras_model = keras.Sequential([keras.Input(shape), layer])
    copy_weights(torch_layer, keras_model)
    weight = torch_layer.weight.detach().numpy()
    assert np.array_equal(layer.kernel.numpy(), weight.transpose(axes))


def test_units_before_a_reshape_and_after_a_flatten_change_their_order():
    """Unit number c, h, w of PyTorch becomes unit number h, w, c of Keras."""
    torch_module = nn.Sequential(
        nn.Linear(1, 24), nn.Unflatten(1, (2, 3, 4)), nn.Flatten(), nn.Linear(24, 1)
    )
    keras_model = keras.Sequential(
        [
            keras.Input((1,)),
            layers.Dense(24),
            layers.Reshape((3, 4, 2)),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )
    with torch.no_grad():
        torch_module[0].weight.copy_(torch.arange(24.0)[:, None])
        torch_module[3].weight.copy_(torch.arange(24.0)[None])
    copy_weights(torch_module, keras_model)
    expected = np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0).ravel()
    assert np.array_equal(keras_model.layers[0].kernel.numpy().ravel(), expected)
    assert np.array_equal(keras_model.layers[3].kernel.numpy().ravel(), expected)
