"""The proof fails where the twins differ, and only there, on every processor."""

import keras
import numpy as np
import pytest
import torch
from keras import layers
from torch import nn

import tensorflow as tf  # isort: skip
from accelerator import active
from twin_models import SLOPE, all_values, course_nets, set_precision, small

from course_utils import assert_twins, copy_weights, largest_difference
from course_utils.parity import pairing, proof, terms

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


def change_mode(torch_module):
    torch_module[1].forward = torch_module[1].eval().forward
    torch_module[1].train = lambda mode: torch_module[1]


def change_all_weights(torch_module):
    for layer in torch_module:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()


SLIPS = [
    change_one_weight,
    change_one_bias,
    change_eps,
    change_slope,
    change_padding,
    change_mode,
    change_all_weights,
    change_statistics,
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("slip", SLIPS)
def test_one_slip_is_found_by_a_wide_margin(slip, seed, rng):
    """In float32, in any arithmetic, a twin keeps a tenth of the bounds and a slip breaks ten."""
    torch.manual_seed(seed)
    torch_module, keras_model = small()
    x = rng.normal(size=(6, 4, 4, 1)).astype(np.float32)
    training = slip is not change_statistics  # In training a batch's own statistics are used.
    copy_weights(torch_module, keras_model)
    assert_twins(torch_module, keras_model, x, 1e-6, 1e-5, training)
    slip(torch_module)
    with pytest.raises(AssertionError, match="Output 0 differs by .* above .* Usual causes"):
        assert_twins(torch_module, keras_model, x, 1e-4, training=training)
    if slip is not change_one_bias:  # The gradient does not see what is only added at the end.
        with pytest.raises(AssertionError, match="The gradient of .* differs by .* above .* Us"):
            assert_twins(torch_module, keras_model, x, np.inf, 1e-3, training)


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


# --- what is rounding, and what is not ---------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(20))
def test_a_bias_before_batch_norm_is_no_false_alarm(seed, dtype, rng):
    """Its gradient is 0 but for rounding: as large as the terms, not as their sum."""
    torch.manual_seed(seed)
    set_precision(dtype)
    try:
        leaky = {2: nn.LeakyReLU(SLOPE)}, {2: layers.LeakyReLU(SLOPE)}
        torch_module, keras_model = small(*leaky)
    finally:
        set_precision("float32")
    torch_module.to(getattr(torch, dtype))
    copy_weights(torch_module, keras_model)
    x = rng.normal(size=(64, 4, 4, 1))
    bounds = {"float32": (1e-5, 2e-5), "float64": (1e-13, 1e-13)}[dtype]
    assert_twins(torch_module, keras_model, x, *bounds)


def test_a_small_gradient_is_proved_as_well_as_a_large_one(rng):
    """One branch counts a millionth, and its gradient is cut to a half."""

    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.other = nn.Linear(3, 2), nn.Linear(3, 2)

        def forward(self, x):
            small = 1e-6 * self.other(x)
            return self.one(x) + small - factor * (small - small.detach())

    x = keras.Input((3,))
    branches = [layers.Rescaling(size)(layers.Dense(2)(x)) for size in (1, 1e-6)]
    keras_model = keras.Model(x, layers.Add()(branches))
    torch_module = Branches()
    copy_weights(torch_module, keras_model)
    values = rng.normal(size=(8, 3)).astype(np.float32)
    factor = 0
    assert_twins(torch_module, keras_model, values)
    factor = 0.5
    with pytest.raises(AssertionError, match="The gradient of other"):
        assert_twins(torch_module, keras_model, values)


@pytest.mark.parametrize("training", [True, False])
def test_a_thousandth_of_any_gradient_is_found_in_a_net_of_the_courses_size(training, rng):
    """The scale that spares what cancels does not hide what does not."""
    torch_module, keras_model, shape = course_nets()["discriminator"]
    copy_weights(keras_model, torch_module)
    inputs = [rng.normal(size=(64, *shape)).astype(np.float32)]
    slots = pairing.pair(torch_module, keras_model)
    _, theirs, terms_of = proof._run_both(torch_module, keras_model, slots, inputs, training)
    exact = theirs.gradients
    assert len(exact) == 8
    for name, array in exact.items():
        found, difference = proof._worst_gradient(exact | {name: array * 1.001}, exact, terms_of)
        assert found == name
        assert difference > 2e-4  # Twice the bound.


def kinked():
    """Twins with a ReLU whose input is 0 but for a sign that rounding could have given."""
    torch_module = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    keras_model = keras.Sequential(
        [keras.Input((2,)), layers.Dense(3), layers.ReLU(), layers.Dense(1)]
    )
    copy_weights(torch_module, keras_model)
    with torch.no_grad():
        torch_module[0].bias.fill_(-1e-9)
    keras_model.layers[0].bias.assign([1e-9] * 3)
    return torch_module, keras_model


def test_a_unit_at_its_kink_is_no_false_alarm(rng, monkeypatch):
    torch_module, keras_model = kinked()
    x = rng.normal(size=(8, 2)).astype(np.float32)
    x[0] = 0
    assert_twins(torch_module, keras_model, x)
    monkeypatch.setattr(proof, "ATTEMPTS", 1)
    with pytest.raises(AssertionError, match="The gradient of"):
        assert_twins(torch_module, keras_model, x)


def test_a_term_is_an_input_times_a_gradient():
    """By hand, for a layer that is used twice, and for the batch norm between."""
    torch.manual_seed(0)
    dense, norm = nn.Linear(3, 3).double(), nn.BatchNorm1d(3).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    with terms.WatchedLayers([("dense", dense), ("norm", norm)]) as watched:
        first = dense(x)
        normal = norm(first)
        last = dense(normal)
        (last**3).sum().backward()
    sums = watched.sums_of_sizes()
    delta_last = (3 * last**2).detach()
    delta_norm = delta_last @ dense.weight.detach()
    (delta_first,) = torch.autograd.grad(norm(first), first, delta_norm)
    sizes = delta_last.abs().T @ normal.detach().abs() + delta_first.abs().T @ x.abs()
    expected = {
        "dense.weight": sizes,
        "dense.bias": delta_last.abs().sum(0) + delta_first.abs().sum(0),
        "norm.weight": (delta_norm * normal.detach()).abs().sum(0),
        "norm.bias": delta_norm.abs().sum(0),
    }
    assert sums == pytest.approx({name: float(size.max()) for name, size in expected.items()})
    assert not dense._forward_hooks and not norm._forward_hooks


def test_an_activation_in_place_changes_nothing(rng):
    """It overwrites a layer's output, whose gradient is asked for."""
    torch_module, keras_model = small()
    copy_weights(torch_module, keras_model)
    x = rng.normal(size=(6, 4, 4, 1)).astype(np.float32)
    report = assert_twins(torch_module, keras_model, x)
    sums = []
    for in_place in (True, False):
        torch_module[2] = nn.LeakyReLU(0.2, in_place)
        assert assert_twins(torch_module, keras_model, x) == report
        with terms.WatchedLayers(torch_module.named_children()) as watched:
            torch_module(torch.from_numpy(x.transpose(0, 3, 1, 2))).sum().backward()
        sums.append(watched.sums_of_sizes())
        copy_weights(keras_model, torch_module)  # This pass moved the running statistics.
    assert sums[0] == sums[1]


@pytest.mark.parametrize("training", [True, False])
def test_not_a_number_is_no_agreement(training, rng):
    torch_module, keras_model = small()
    copy_weights(torch_module, keras_model)
    x = rng.normal(size=(6, 4, 4, 1)).astype(np.float32)
    x[0, 0, 0] = np.nan
    with pytest.raises(AssertionError, match="differs by nan"):
        assert_twins(torch_module, keras_model, x, training=training)


# --- what is given, in which order, and where it lives -----------------------------------------


def test_the_models_may_come_in_any_order_and_the_inputs_from_either_framework(rng):
    torch_module, keras_model = small()
    copy_weights(torch_module, keras_model)
    x = rng.normal(size=(6, 4, 4, 1)).astype(np.float32)
    report = assert_twins(torch_module, keras_model, x)
    for given in (x.astype(np.float64), torch.from_numpy(x).requires_grad_(), tf.constant(x)):
        assert assert_twins(keras_model, torch_module, given) == report
    assert largest_difference(keras_model, torch_module) == 0


@pytest.mark.parametrize("training", [True, False])
def test_twins_on_a_device_without_float64_are_proved(training, rng):
    """What moves to the device is cast before; what comes back goes through the CPU."""
    torch_module, keras_model = small()
    x = rng.normal(size=(6, 4, 4, 1))
    with active() as device:
        torch_module.to(device)
        copy_weights(torch_module, keras_model)
        copy_weights(keras_model, torch_module)
        assert_twins(torch_module, keras_model, x, training=training)
        assert largest_difference(torch_module, keras_model) == 0


@pytest.mark.parametrize(("momentum", "equal"), [(0.9, True), (0.99, False), (0.1, False)])
def test_batch_norms_that_average_differently_are_no_twins(momentum, equal, rng):
    """No single pass in training mode shows it; the next one in evaluation mode does."""
    norm = layers.BatchNormalization(momentum=momentum, epsilon=1e-3, name="norm")
    torch_module, keras_model = small(keras_layers={1: norm})
    copy_weights(torch_module, keras_model)
    x = rng.normal(size=(6, 4, 4, 1)).astype(np.float32)
    for training in (True, False):
        if equal:
            assert_twins(torch_module, keras_model, x, training=training)
        else:
            with pytest.raises(AssertionError, match=f"1 .* and norm .*momentum.*{momentum}"):
                assert_twins(torch_module, keras_model, x, training=training)


def test_the_running_variance_of_n_against_n_less_one_is_named(rng):
    """PyTorch keeps the batch's variance times n / (n - 1), Keras as it is."""
    torch_module, keras_model = small()
    copy_weights(torch_module, keras_model)
    x = rng.normal(size=(2, 4, 4, 1)).astype(np.float32)
    with torch.no_grad():
        values = torch_module[0](torch.tensor(x.transpose(0, 3, 1, 2)))
    n = values.numel() // values.shape[1]
    variance = values.double().var((0, 2, 3), correction=0).numpy()
    weight = torch_module[1].momentum
    wanted = (1 - weight + weight * variance * n / (n - 1)) / (1 - weight + weight * variance)
    report = assert_twins(torch_module, keras_model, x)
    assert report.variance_ratio == pytest.approx(wanted.max(), rel=1e-5)
    assert report.variance_ratio > 1.001
    assert assert_twins(torch_module, keras_model, x, training=False).variance_ratio == 1


@pytest.mark.parametrize(("name", "factor", "shift"), [("mean", 1, 0.1), ("var", 1.2, 0)])
def test_running_statistics_that_differ_otherwise_are_no_twins(name, factor, shift, rng):
    """In training mode neither outputs nor gradients show them."""
    torch_module, keras_model = small()
    copy_weights(torch_module, keras_model)
    statistics = getattr(torch_module[1], f"running_{name}")
    statistics.mul_(factor).add_(shift)
    x = rng.normal(size=(6, 4, 4, 1)).astype(np.float32)
    with pytest.raises(AssertionError, match=f"1.running_{name} differs .* not copied"):
        assert_twins(torch_module, keras_model, x)
