"""Copied weights, equal outputs and gradients: on the course's nets and on random ones."""

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn
from twin_models import SLOPE, Stack, course_nets, prove, set_precision

from course_utils import assert_twins, copy_weights


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    """Build Keras layers in this precision for the time of a test."""
    set_precision(request.param)
    yield request.param
    set_precision("float32")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("start", ["vector", "picture"])
def test_random_stacks_are_twins(seed, start, dtype, rng):
    stack = Stack(np.random.default_rng(seed), start)
    inputs = rng.normal(size=(6, *stack.inputs_shape)).astype(dtype)
    prove(nn.Sequential(*stack.torch), keras.Sequential(stack.keras), inputs, rng, dtype)


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
    features = layers.BatchNormalization(momentum=0.9, epsilon=1e-3)(layers.Flatten()(features))
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
    units = layers.BatchNormalization(momentum=0.9, epsilon=1e-3)(units)
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


NORMS = {
    "layer, flat": (
        [nn.Flatten(), nn.Linear(48, 6), nn.LayerNorm(6)],
        lambda: [layers.Flatten(), layers.Dense(6), layers.LayerNormalization(epsilon=1e-5)],
    ),
    "layer, planes": (
        [nn.Conv2d(3, 4, 3, padding=1), nn.LayerNorm((4, 4, 4))],
        lambda: [
            layers.Conv2D(4, 3, padding="same"),
            layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-5),
        ],
    ),
    "groups": (
        [nn.Conv2d(3, 4, 3, padding=1), nn.GroupNorm(2, 4)],
        lambda: [
            layers.Conv2D(4, 3, padding="same"),
            layers.GroupNormalization(2, epsilon=1e-5),
        ],
    ),
    "instance": (
        [nn.Conv2d(3, 4, 3, padding=1), nn.InstanceNorm2d(4, affine=True)],
        lambda: [
            layers.Conv2D(4, 3, padding="same"),
            layers.GroupNormalization(-1, epsilon=1e-5),
        ],
    ),
    "dilated": (
        [nn.Conv2d(3, 4, 2, dilation=2)],
        lambda: [layers.Conv2D(4, 2, dilation_rate=2)],
    ),
}


@pytest.mark.parametrize("name", NORMS)
def test_norms_without_a_batch_are_twins(name, dtype, rng):
    ours, theirs = NORMS[name]
    inputs = rng.normal(size=(6, 4, 4, 3)).astype(dtype)
    keras_model = keras.Sequential([keras.Input((4, 4, 3)), *theirs()])
    prove(nn.Sequential(*ours), keras_model, inputs, rng, dtype)


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
