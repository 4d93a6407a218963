"""Where twins part is named: the first layers that differ, and what lies between two layers."""

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn

from course_utils import assert_twins, copy_weights

X = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)


def twins(slope=0.2, eps=1e-5):
    """Return twins that go through a reshape and a flatten, or nearly twins."""
    torch_module = nn.Sequential(
        nn.Linear(5, 2 * 2 * 6),
        nn.Unflatten(1, (6, 2, 2)),
        nn.BatchNorm2d(6),
        nn.LeakyReLU(0.2, inplace=True),
        nn.ConvTranspose2d(6, 3, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(48, 2),
    )
    keras_model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(24, name="first"),
            layers.Reshape((2, 2, 6)),
            layers.BatchNormalization(epsilon=eps, momentum=0.9, name="norm"),
            layers.LeakyReLU(slope),
            layers.Conv2DTranspose(3, 4, 2, "same", name="up"),
            layers.LeakyReLU(0.2),
            layers.Flatten(),
            layers.Dense(2, name="last"),
        ]
    )
    copy_weights(torch_module, keras_model)
    return torch_module, keras_model


def shifted(name, index=0, by=0.1):
    torch_module, keras_model = twins()
    weights = keras_model.get_layer(name).weights[index]
    weights.assign(weights + by)
    return torch_module, keras_model


@pytest.mark.parametrize(
    ("make", "where"),
    [
        (lambda: shifted("first"), r"in 0 \(Linear\) and first \(Dense\)"),
        (lambda: twins(eps=0.1), r"in 2 \(BatchNorm2d\) and norm \(BatchNormalization\)"),
        (lambda: twins(slope=0.3), r"after 2 \(BatchNorm2d\) and norm .*, before 4 \(ConvTransp"),
        (lambda: shifted("up"), r"in 4 \(ConvTranspose2d\) and up \(Conv2DTranspose\)"),
        (lambda: shifted("last"), r"in 7 \(Linear\) and last \(Dense\)"),
    ],
    ids=["dense", "norm", "activation", "transposed", "after a flatten"],
)
def test_the_first_layers_that_differ_are_named(make, where):
    torch_module, keras_model = make()
    with pytest.raises(AssertionError, match=f"They part {where}"):
        assert_twins(torch_module, keras_model, X)
    # Nothing watches them any more.
    assert not any("call" in vars(layer) for layer in keras_model.layers)
    assert not any(layer._forward_hooks for layer in torch_module)


def test_a_difference_after_the_last_weights_is_told():
    torch_module, keras_model = twins()
    end = nn.Sequential(torch_module, nn.Tanh())
    keras_end = keras.Sequential([keras.Input((5,)), keras_model, layers.Activation("sigmoid")])
    with pytest.raises(AssertionError, match=r"All layers with weights agree, up to 0.7 \(Lin"):
        assert_twins(end, keras_end, X)


def test_not_a_number_is_found_in_the_layer_that_made_it():
    torch_module, keras_model = twins()
    with torch.no_grad():
        torch_module[4].bias[0] = torch.nan
    with pytest.raises(AssertionError, match=r"They part in 4 \(ConvTranspose2d\)"):
        assert_twins(torch_module, keras_model, X)


def test_dilated_convolutions_pair(rng):
    torch_module = nn.Conv2d(4, 3, 3, dilation=2)
    keras_model = keras.Sequential([keras.Input((8, 8, 4)), layers.Conv2D(3, 3, dilation_rate=2)])
    copy_weights(torch_module, keras_model)
    assert_twins(torch_module, keras_model, rng.normal(size=(2, 8, 8, 4)).astype(np.float32))


@pytest.mark.parametrize(
    ("torch_layer", "keras_layer", "names"),
    [
        (nn.Conv2d(4, 4, 3, groups=4), layers.DepthwiseConv2D(3), "0 .Conv2d. and .*Depthwise"),
        (nn.PReLU(4), layers.PReLU(), "0 .PReLU. and .*PReLU"),
        (nn.Conv1d(4, 3, 3), layers.Conv1D(3, 3), "0 .Conv1d. and .*Conv1D"),
    ],
)
def test_what_does_not_pair_is_refused_by_name(torch_layer, keras_layer, names):
    keras_layer.build((None, 8, 4) if isinstance(keras_layer, layers.Conv1D) else (None, 8, 8, 4))
    model = keras.Sequential([keras_layer])
    model.built = True
    with pytest.raises(ValueError, match=f"{names}.* do not pair"):
        copy_weights(nn.Sequential(torch_layer), model)
