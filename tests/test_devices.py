"""The stand-in for an accelerator, on which each chapter runs again, is as strict as one."""

import copy

import accelerator
import numpy as np
import pytest
import torch
from torch import nn

from course_utils.arrays import to_numpy


@pytest.fixture
def device(rng):
    with accelerator.active() as device:
        yield device


def on(device, *values):
    return torch.tensor(values, dtype=torch.float32).to(device)


@pytest.mark.parametrize(
    "mix",
    [
        lambda x, device: x + torch.ones(2),
        lambda x, device: torch.ones(2).mul_(x),
        lambda x, device: torch.zeros(()).add_(x.sum()),
        lambda x, device: torch.stack([x, torch.ones(2)]),
        lambda x, device: torch.stack([x.sum(), torch.tensor(1.0)]),
        lambda x, device: torch.ones(2)[x.long()],
        lambda x, device: x @ torch.ones(2, 2),
        lambda x, device: nn.Linear(2, 1)(x),
        lambda x, device: nn.Linear(2, 1).to(device)(torch.ones(2)),
        lambda x, device: nn.Embedding(3, 2).to(device)(torch.tensor([1])),
        lambda x, device: nn.BatchNorm1d(2).to(device).eval()(torch.ones(3, 2)),
        lambda x, device: nn.functional.mse_loss(x, torch.ones(2)),
        lambda x, device: torch.randn(2, device=device, generator=torch.Generator()),
    ],
)
def test_an_operator_with_tensors_of_two_devices_is_refused(device, mix):
    with pytest.raises(RuntimeError, match="device"):
        mix(on(device, 1.0, 2.0), device)


@pytest.mark.parametrize("convert", [lambda x: x.numpy(), np.asarray, lambda x: np.asarray([x])])
def test_numpy_gets_nothing_without_cpu(device, convert):
    with pytest.raises(TypeError, match="cpu"):
        convert(on(device, 1.0))
    np.testing.assert_array_equal(on(device, 1.0).cpu().numpy(), [1.0])
    np.testing.assert_array_equal(to_numpy(on(device, 1.0)), [1.0])


@pytest.mark.parametrize(
    "make",
    [
        lambda x, device: x.double(),
        lambda x, device: torch.zeros(2, dtype=torch.float64, device=device),
        lambda x, device: torch.from_numpy(np.zeros(2)).to(device),
    ],
)
def test_there_is_no_float64(device, make):
    with pytest.raises(TypeError, match="float64"):
        make(on(device, 1.0), device)


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        (lambda x, device: x + torch.tensor(1.0), [2, 3]),  # a scalar of the CPU is allowed
        (lambda x, device: 2 * x, [2, 4]),
        (lambda x, device: x[torch.tensor([1])], [2]),  # and so are its indices
        (lambda x, device: torch.zeros(2).copy_(x), [1, 2]),
        (lambda x, device: x.clone().copy_(torch.ones(2)), [1, 1]),
        (lambda x, device: torch.tensor([3.0], device=device), [3]),
        (lambda x, device: torch.as_tensor(np.float32([3]), device=device), [3]),
        (lambda x, device: torch.arange(3, device=device), [0, 1, 2]),
        (lambda x, device: torch.full((1,), 4.0, device=device) + x[:1], [5]),
        (lambda x, device: x.new_ones(2) + torch.zeros_like(x), [1, 1]),
        (lambda x, device: x.unsqueeze_(0)[0], [1, 2]),
        (lambda x, device: x.cpu() + torch.ones(2), [2, 3]),
    ],
)
def test_what_an_accelerator_allows_works(device, use, expected):
    result = use(on(device, 1.0, 2.0), device)
    np.testing.assert_array_equal(result.cpu().numpy(), expected)


def test_python_reads_values_as_from_any_device(device):
    x = on(device, 1.5, 2.0)
    assert x.device == device
    assert (x[0].item(), float(x[0]), bool(x[0] > 1), x.tolist()) == (1.5, 1.5, True, [1.5, 2.0])
    assert f"{x[0]:.2f}" == "1.50"


def small_d():
    return nn.Sequential(
        nn.Conv2d(1, 4, 4, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(64, 1),
    )


def test_a_training_on_the_device_is_the_one_of_the_cpu(device):
    network, pictures = small_d(), torch.randn(5, 1, 8, 8)
    twin = copy.deepcopy(network)
    # The optimiser is made before the network moves, as CUDA allows.
    adam, adam_twin = torch.optim.Adam(network.parameters()), torch.optim.Adam(twin.parameters())
    network.to(device)
    for module, optimizer, x in ((network, adam, pictures.to(device)), (twin, adam_twin, pictures)):
        for _ in range(3):
            x = x.detach().requires_grad_()
            logits = module(x)
            (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
            optimizer.zero_grad()
            (nn.functional.softplus(-logits).mean() + slope.square().sum()).backward()
            optimizer.step()
    assert all(tensor.device == device for tensor in network.state_dict().values())
    assert all(state["exp_avg"].device == device for state in adam.state.values())
    for ours, theirs in zip(network.state_dict().values(), twin.state_dict().values(), strict=True):
        np.testing.assert_array_equal(to_numpy(ours), to_numpy(theirs))


def test_copies_and_states_keep_their_device(device):
    network, other = small_d().to(device), small_d()
    moved = copy.deepcopy(network)
    moved.load_state_dict(other.state_dict())
    for ours, theirs in zip(moved.state_dict().values(), other.state_dict().values(), strict=True):
        assert ours.device == device
        np.testing.assert_array_equal(to_numpy(ours), to_numpy(theirs))
    assert moved.to("cpu")(torch.zeros(1, 1, 8, 8)).device.type == "cpu"
