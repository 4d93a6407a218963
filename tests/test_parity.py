"""Models that are not twins: the error names the layers, and nothing is changed."""

import re

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn
from twin_models import all_values, small

from course_utils import assert_twins, copy_weights
from course_utils.parity import PairingError


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
        {1: nn.PReLU(3)},
        {1: layers.PReLU(shared_axes=(1, 2), name="norm")},
        "1 (PReLU) and norm (PReLU) do not pair: not two layers of one kind",
    ),
    "other groups": (
        {1: nn.GroupNorm(3, 3)},
        {1: layers.GroupNormalization(1, name="norm")},
        "1 (GroupNorm) and norm (GroupNormalization) do not pair: 3 groups and 1",
    ),
    "old spectral norm": (
        {4: nn.utils.spectral_norm(nn.Linear(12, 2))},
        {},
        "Use torch.nn.utils.parametrizations.spectral_norm",
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
